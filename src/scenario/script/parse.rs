//! Reads a script: one step a line, words and blocks into operations. Every fault of it in one pass.
//!
//! A line with a fault still counts for the rules of its block, so that one slip is told once.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::auth::Logins;
use super::expect::parse_codes;
use super::line::{Piece, Report, Wrong, lines, parse_send};
use super::pipeline::{GROUP_BYTES_MAX, GROUP_COMMANDS_MAX, fits, link};
use super::{Command, Expect, OPS_MAX, Op, REPEAT_DEPTH_MAX, Script, Setting, Verb};
use crate::message::template::{Part, Template, Value};
use crate::scenario::fault::Faults;
use crate::scenario::login::Method;
use crate::scenario::names::Names;
use crate::scenario::nearest::hint_nearest;
use crate::scenario::step::{STEP_NAMES_MAX, StepId, StepNames};
use crate::units::{parse_count, parse_duration, parse_range};

/// How many turns one `repeat` may have.
const REPEAT_MAX: u32 = 1_000_000;
/// The longest `pause`.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);
/// The first number of an `a..b` in scripts: those of address patterns and headers begin at 0, and two with the
/// same number and ends would always draw the same.
const FIRST_DRAW: u32 = 1 << 16;

const CONTROL_WORDS: &[&str] = &[
    "hello",
    "transaction",
    "repeat",
    "pipeline",
    "end",
    "pause",
    "drop",
    "abort",
    "send",
    "expect",
];
/// Verbs that are sent as written in lower case too; another lower-case word is a slip in a control word.
const LOWER_VERBS: &[&str] = &[
    "ehlo", "helo", "lhlo", "starttls", "auth", "mail", "rcpt", "data", "bdat", "rset", "noop",
    "quit", "vrfy", "expn", "help",
];

/// Reads the script `text`, which begins at byte `offset` of the scenario. Verbs that are new go into `steps`.
/// `None` once a fault was added.
pub fn parse_script(
    text: &str,
    offset: usize,
    name: &str,
    weight: u32,
    names: &Names,
    steps: &mut StepNames,
    faults: &mut Faults,
) -> Option<Script> {
    parse_script_for(Setting::default(), text, offset, name, weight, names, steps, faults)
}

/// As [`parse_script`], for a target that says more of its sessions.
#[expect(
    clippy::too_many_arguments,
    reason = "what a script is read with has no other use together"
)]
pub fn parse_script_for(
    setting: Setting<'_>,
    text: &str,
    offset: usize,
    name: &str,
    weight: u32,
    names: &Names,
    steps: &mut StepNames,
    faults: &mut Faults,
) -> Option<Script> {
    let mut compiler = Compiler {
        names,
        steps,
        report: Report { faults, failed: false },
        draws: FIRST_DRAW,
        ops: Vec::new(),
        blocks: Vec::new(),
        envelope: None,
        pipelined: false,
        ended: Ended::No,
        setting,
        logins: Logins::default(),
    };
    for line in lines(text, offset) {
        compiler.line(line);
    }
    compiler.finish(name, weight, offset..offset + text.len())
}

/// What a scenario without scripts does.
#[must_use]
pub fn default_script(steps: &mut StepNames, login: Option<Method>) -> Script {
    const STEPS: &str =
        "hello\ntransaction\nMAIL FROM:<{{sender}}>\nRCPT TO:<{{recipient}}>\nDATA\nend\nQUIT";
    let setting = Setting { login, variables: &[] };
    let (names, mut faults) = (Names::default(), Faults::default());
    parse_script_for(setting, STEPS, 0, "default", 1, &names, steps, &mut faults)
        .expect("the default script has no fault and no new verb")
}

/// The script so far.
pub(super) struct Compiler<'a> {
    pub(super) names: &'a Names,
    pub(super) steps: &'a mut StepNames,
    pub(super) report: Report<'a>,
    pub(super) draws: u32,
    pub(super) ops: Vec<Op>,
    /// Open blocks, the innermost last.
    pub(super) blocks: Vec<Block>,
    /// The transaction, open or closed.
    pub(super) envelope: Option<Envelope>,
    pipelined: bool,
    pub(super) ended: Ended,
    pub(super) setting: Setting<'a>,
    pub(super) logins: Logins,
}

/// An open block.
pub(super) struct Block {
    pub(super) kind: BlockKind,
    /// The word that opened it.
    word: Range<usize>,
    /// The index of its operation.
    start: usize,
    /// Whether it holds a line, faulty or not.
    filled: bool,
    /// Whether DATA was in it: in a pipeline the last command.
    pub(super) data: bool,
    /// Whether QUIT was in it: the session ends with its replies.
    pub(super) quit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    Transaction,
    Repeat(u32),
    Pipeline,
}

impl BlockKind {
    fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Repeat(_) => "repeat",
            Self::Pipeline => "pipeline",
        }
    }
}

/// What the lines of a transaction add up to.
#[derive(Default)]
pub(super) struct Envelope {
    pub(super) mail: bool,
    /// RCPT, DATA and BDAT lines in front of MAIL.
    pub(super) early: Vec<Range<usize>>,
    /// DATA or BDAT.
    pub(super) mail_data: bool,
    pub(super) fixed_recipients: u64,
    pub(super) recipient_lines: u64,
}

/// Whether the lines so far end the session.
#[derive(PartialEq, Eq)]
pub(super) enum Ended {
    No,
    Yes,
    /// And lines behind the end have been told of.
    Told,
}

impl Compiler<'_> {
    fn line(&mut self, line: Piece<'_>) {
        let is_send = line.split_word().0.text == "send";
        let mut content = line.trim();
        let mut arrow = None;
        // The bytes of `send` may hold both marks.
        if !is_send {
            content = content.split_mark("#").map_or(content, |(before, _)| before);
            if let Some((before, from)) = content.split_mark("=>") {
                (content, arrow) = (before, Some(from));
            }
        }
        let (word, arguments) = content.split_word();
        if word.text.is_empty() {
            if let Some(arrow) = arrow {
                let hint = "write `=>` behind a command, on its line";
                self.report.add(Wrong::new(arrow.span(), "an expectation without a command", hint));
            }
            return;
        }
        if let Some(block) = self.blocks.last_mut() {
            block.filled |= word.text != "end";
        }
        if word.text != "end" {
            self.check_reached(word);
        }
        if let Some(at) = content.text.find('\r') {
            let hint = "write it with `send \"…\\r…\"`";
            let span = content.part(at..at + 1).span();
            self.report.add(Wrong::new(span, "a bare CR in a line", hint));
            return;
        }
        if CONTROL_WORDS.contains(&word.text) {
            if let Some(arrow) = arrow.filter(|_| word.text != "hello") {
                let message = format!("`{}` owes no reply to expect", word.text);
                self.report.add(Wrong::new(arrow.span(), message, "take the expectation out"));
            }
            self.control(word, arguments, arrow);
        } else if word.text.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.text.contains(|c: char| c.is_uppercase())
            && !LOWER_VERBS.contains(&word.text)
        {
            let list = format!(
                "control words: {}; commands begin with an upper-case verb",
                CONTROL_WORDS.join(", ")
            );
            let known = CONTROL_WORDS.iter().chain(LOWER_VERBS).copied();
            let hint = hint_nearest(word.text, known, &list);
            let message = format!("unknown control word `{}`", word.text);
            self.report.add(Wrong::new(word.span(), message, hint));
        } else {
            self.wire(content, arrow);
        }
    }

    /// Tells of a line that cannot run.
    fn check_reached(&mut self, word: Piece<'_>) {
        if self.ended == Ended::Yes {
            self.ended = Ended::Told;
            let hint = "the session has ended above; take the lines behind that out";
            self.report.add(Wrong::new(word.span(), "this line is never reached", hint));
        }
        let pipeline = self.blocks.iter_mut().find(|block| block.kind == BlockKind::Pipeline);
        if let Some(pipeline) = pipeline.filter(|pipeline| pipeline.data) {
            // RFC 2920 section 3.1. Whether mail data follows hangs on the reply to DATA.
            pipeline.data = false;
            let message = "DATA must be the last command of a pipeline";
            self.report.add(Wrong::new(word.span(), message, "close the pipeline behind DATA"));
        }
    }

    fn control(&mut self, word: Piece<'_>, arguments: Piece<'_>, arrow: Option<Piece<'_>>) {
        let takes_nothing = ["hello", "pipeline", "end", "drop", "abort"].contains(&word.text);
        if takes_nothing && !arguments.text.is_empty() {
            let message = format!("`{}` takes nothing behind it", word.text);
            let hint = match word.text {
                "hello" => "to send another name write `EHLO name`",
                "drop" | "abort" => "to break off mail data write `DATA drop at 50%`",
                _ => "",
            };
            self.report.add(Wrong::new(arguments.span(), message, hint));
        }
        let stays_out = ["transaction", "pause", "drop", "abort", "expect", "pipeline"];
        if self.inside(BlockKind::Pipeline) && stays_out.contains(&word.text) {
            let message = format!("`{}` cannot stand in a pipeline", word.text);
            let hint = "a pipeline is one write; put this in front of it or behind it";
            self.report.add(Wrong::new(word.span(), message, hint));
        }
        match word.text {
            "hello" => self.hello(word, arrow),
            "transaction" => self.open_transaction(word, arguments),
            "repeat" => self.open_repeat(word, arguments),
            "pipeline" => self.open_pipeline(word),
            "end" => self.close(word),
            "pause" => {
                let pause = self.report.take(parse_pause(word, arguments));
                self.push_some(word, pause.map(Op::Pause));
            }
            "drop" | "abort" => {
                self.end_session();
                self.push(word, if word.text == "drop" { Op::Drop } else { Op::Abort });
            }
            "send" => {
                let bytes = self.report.take(parse_send(word, arguments));
                self.push_some(word, bytes.map(Op::Raw));
            }
            _ => self.expect_line(word, arguments),
        }
    }

    fn hello(&mut self, word: Piece<'_>, arrow: Option<Piece<'_>>) {
        let expect = self.expectation(arrow, "EHLO");
        self.note_greeting(word, true);
        let line =
            Template::new(vec![Part::Text(b"EHLO ".as_slice().into()), Part::Value(Value::Client)]);
        let (verb, step) = (Verb::Ehlo, StepId::EHLO);
        self.push(word, Op::Command(Command { verb, step, line, expect, each_recipient: false }));
    }

    fn open_transaction(&mut self, word: Piece<'_>, arguments: Piece<'_>) {
        if let Some(block) = self.blocks.last().filter(|block| block.kind != BlockKind::Pipeline) {
            let message = format!("a transaction cannot stand in a {}", block.kind.word());
            let hint = "`messages_per_session` says how often it runs";
            self.report.add(Wrong::new(word.span(), message, hint));
        } else if self.envelope.is_some() && self.blocks.is_empty() {
            let hint = "it runs again and again by itself; write another script for other mail";
            let message = "a second transaction in one script";
            self.report.add(Wrong::new(word.span(), message, hint));
        }
        if !self.inside(BlockKind::Transaction) {
            self.envelope = Some(Envelope::default());
        }
        match arguments.text {
            "" => {}
            "pipelined" => self.pipelined = true,
            other => {
                let message = format!("`{other}` has no meaning behind `transaction`");
                let hint = "write `transaction` or `transaction pipelined`";
                self.report.add(Wrong::new(arguments.span(), message, hint));
            }
        }
        self.open(word, BlockKind::Transaction, Op::TransactionStart { end: 0 });
    }

    fn open_repeat(&mut self, word: Piece<'_>, arguments: Piece<'_>) {
        let count = parse_count(arguments.text)
            .ok()
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| (1..=REPEAT_MAX).contains(count));
        if count.is_none() {
            let span = if arguments.text.is_empty() { word.span() } else { arguments.span() };
            let message = format!("`repeat` takes a whole number from 1 to {REPEAT_MAX}");
            self.report.add(Wrong::new(span, message, "write `repeat 3`"));
        }
        let depth =
            self.blocks.iter().filter(|block| matches!(block.kind, BlockKind::Repeat(_))).count();
        if depth == REPEAT_DEPTH_MAX {
            let message = format!("`repeat` nests deeper than {REPEAT_DEPTH_MAX} levels");
            self.report.add(Wrong::new(word.span(), message, ""));
        }
        let count = count.unwrap_or(1);
        self.open(word, BlockKind::Repeat(count), Op::RepeatStart { count, depth: 0 });
    }

    fn open_pipeline(&mut self, word: Piece<'_>) {
        if self.pipelined && self.inside(BlockKind::Transaction) {
            let hint = "take one of the two out: the whole transaction is pipelined already";
            let message = "a pipeline in a pipelined transaction";
            self.report.add(Wrong::new(word.span(), message, hint));
        }
        self.open(word, BlockKind::Pipeline, Op::GroupStart { when_offered: false });
    }

    fn expect_line(&mut self, word: Piece<'_>, arguments: Piece<'_>) {
        if arguments.text.is_empty() {
            let message = "`expect` names no reply code";
            self.report.add(Wrong::new(word.span(), message, "write `expect 250 | 4xx`"));
            return;
        }
        let codes = self.report.take(parse_codes(arguments));
        let step = self.intern(word, "expect");
        if let (Some(codes), Some(step)) = (codes, step) {
            self.push(word, Op::Await { step, expect: Expect::ranges(&codes) });
        }
    }

    fn open(&mut self, word: Piece<'_>, kind: BlockKind, op: Op) {
        let start = self.ops.len();
        let word_span = word.span();
        self.push(word, op);
        let block = Block { kind, word: word_span, start, filled: false, data: false, quit: false };
        self.blocks.push(block);
    }

    fn close(&mut self, word: Piece<'_>) {
        let Some(block) = self.blocks.pop() else {
            self.report.add(Wrong::new(word.span(), "`end` closes nothing", "take it out"));
            return;
        };
        if !block.filled {
            let message = format!("this {} is empty", block.kind.word());
            self.report.add(Wrong::new(block.word.clone(), message, "put a line into it"));
        }
        match block.kind {
            BlockKind::Repeat(_) => self.push(word, Op::RepeatEnd { start: 0, depth: 0 }),
            BlockKind::Pipeline => {
                if !fits(&self.ops[block.start + 1..]) {
                    let message = format!(
                        "this pipeline has more than {GROUP_COMMANDS_MAX} commands or {GROUP_BYTES_MAX} bytes, \
                         repeats written out"
                    );
                    let hint = "put the `repeat` around a smaller pipeline";
                    self.report.add(Wrong::new(block.word, message, hint));
                }
                self.push(word, Op::GroupEnd);
                if block.quit {
                    self.ended = Ended::Yes;
                }
            }
            BlockKind::Transaction => {
                self.push(word, Op::TransactionEnd { start: 0 });
                // Its end of the session comes only where MAIL was accepted.
                self.ended = Ended::No;
                if block.filled && !self.inside(BlockKind::Transaction) {
                    self.check_envelope(block.word);
                }
            }
        }
    }

    /// Whether one of the open blocks is of this kind (of a repeat: with this count).
    pub(super) fn inside(&self, kind: BlockKind) -> bool {
        self.blocks.iter().any(|block| block.kind == kind)
    }

    /// The session ends with this line; in a pipeline, with the pipeline.
    pub(super) fn end_session(&mut self) {
        let pipeline = self.blocks.iter_mut().find(|block| block.kind == BlockKind::Pipeline);
        match pipeline {
            Some(pipeline) => pipeline.quit = true,
            None if self.ended == Ended::No => self.ended = Ended::Yes,
            None => {}
        }
    }

    /// What `arrow` says; the success codes of `verb` where there is none.
    pub(super) fn codes(&mut self, arrow: Option<Piece<'_>>) -> Vec<RangeInclusive<u16>> {
        let Some(arrow) = arrow else { return Vec::new() };
        let list = arrow.part("=>".len()..arrow.text.len()).trim();
        if list.text.is_empty() {
            let message = "`=>` names no reply code";
            self.report.add(Wrong::new(arrow.span(), message, "write `=> 250 | 4xx`"));
            return Vec::new();
        }
        self.report.take(parse_codes(list)).unwrap_or_default()
    }

    /// The id of the step `name`; a fault at `word` where there are too many.
    pub(super) fn intern(&mut self, word: Piece<'_>, name: &str) -> Option<StepId> {
        let step = self.steps.intern(name);
        if step.is_none() {
            let message = format!("more than {STEP_NAMES_MAX} different steps in one scenario");
            self.report.add(Wrong::new(word.span(), message, ""));
        }
        step
    }

    pub(super) fn push_some(&mut self, word: Piece<'_>, op: Option<Op>) {
        if let Some(op) = op {
            self.push(word, op);
        }
    }

    pub(super) fn push(&mut self, word: Piece<'_>, op: Op) {
        if self.ops.len() == OPS_MAX {
            let message = format!("this script has more than {OPS_MAX} steps");
            self.report.add(Wrong::new(word.span(), message, "use `repeat`"));
        }
        self.ops.push(op);
    }

    fn finish(mut self, name: &str, weight: u32, span: Range<usize>) -> Option<Script> {
        for block in std::mem::take(&mut self.blocks) {
            let message = format!("`{}` is never closed", block.kind.word());
            self.report.add(Wrong::new(block.word, message, "write `end` below its last line"));
        }
        if self.ops.is_empty() && !self.report.failed {
            let hint =
                "leave `[[scripts]]` out for hello, a transaction of MAIL, RCPT, DATA, and QUIT";
            self.report.add(Wrong::new(span, "this script has no steps", hint));
        }
        self.imply_logins();
        if self.report.failed {
            return None;
        }
        if self.ended == Ended::No {
            self.ops.push(Op::Command(Command {
                verb: Verb::Quit,
                step: StepId::QUIT,
                line: Template::text("QUIT"),
                expect: Expect::codes(&[221]),
                each_recipient: false,
            }));
        }
        link(&mut self.ops);
        let envelope = self.envelope.unwrap_or_default();
        let bounded =
            |count| u32::try_from(count).expect("a transaction has a few thousand recipients");
        let mut script = Script {
            name: name.to_owned(),
            weight,
            ops: self.ops,
            fixed_recipients: bounded(envelope.fixed_recipients),
            recipient_lines: bounded(envelope.recipient_lines),
        };
        if self.pipelined {
            script.pipeline_transaction();
        }
        debug_assert_eq!(script.verify_shape(), Ok(()));
        Some(script)
    }
}

/// Reads `D` or `D..D`.
fn parse_pause(word: Piece<'_>, arguments: Piece<'_>) -> Result<RangeInclusive<Duration>, Wrong> {
    if arguments.text.is_empty() {
        let message = "`pause` does not say how long";
        return Err(Wrong::new(word.span(), message, "write `pause 1s` or `pause 100ms..2s`"));
    }
    let range = parse_range(arguments.text, parse_duration)
        .map_err(|error| Wrong::new(arguments.span(), error.message, error.hint))?;
    if *range.end() > PAUSE_MAX {
        return Err(Wrong::new(arguments.span(), "a pause of more than a day", ""));
    }
    Ok(range)
}
