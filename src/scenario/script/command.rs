//! Lines that go over the wire, and what they make of a transaction.

use std::ops::Range;

use super::expect::default_expect;
use super::line::{Piece, Wrong};
use super::mail_data::{parse_bdat, parse_data};
use super::parse::{BlockKind, Compiler, Envelope};
use super::{Command, Expect, Op, Verb};
use crate::message::RECIPIENTS_MAX;
use crate::message::template::Value;
use crate::scenario::step::{STANDARD_STEPS, StepId};
use crate::scenario::template::{TemplateUse, parse_template};

/// The longest line of a script that is sent: RFC 5321 section 4.5.3.1.4 says 512 bytes, and servers are tested with
/// more.
const LINE_BYTES_MAX: usize = 12 * 1024;

impl Compiler<'_> {
    /// Reads a line that goes over the wire.
    pub(super) fn wire(&mut self, content: Piece<'_>, arrow: Option<Piece<'_>>) {
        let (word, arguments) = content.split_word();
        let verb = word.text.to_ascii_uppercase();
        match verb.as_str() {
            "AUTH" => self.auth(word, arguments, arrow),
            "DATA" | "BDAT" => self.mail_data(&verb, word, arguments, arrow),
            _ => self.command(&verb, word, content, arrow),
        }
    }

    fn mail_data(
        &mut self,
        verb: &str,
        word: Piece<'_>,
        arguments: Piece<'_>,
        arrow: Option<Piece<'_>>,
    ) {
        if self.inside(BlockKind::Transaction) {
            self.note_mail_data(verb, word);
        } else {
            let message = format!("{verb} outside a transaction");
            let hint = "a message is counted only inside `transaction … end`";
            self.report.add(Wrong::new(word.span(), message, hint));
        }
        let codes = self.codes(arrow);
        let op = if verb == "DATA" {
            if let Some(block) = self.blocks.iter_mut().find(|b| b.kind == BlockKind::Pipeline) {
                block.data = true;
            }
            parse_data(arguments, &codes, self.names).map(Op::Data)
        } else {
            parse_bdat(arguments, &codes, self.names).map(Op::Bdat)
        };
        let op = self.report.take(op);
        self.push_some(word, op);
    }

    /// Holds a DATA or BDAT line against the rules of a transaction.
    fn note_mail_data(&mut self, verb: &str, word: Piece<'_>) {
        self.note_early(word);
        let again = self
            .envelope
            .as_mut()
            .is_some_and(|envelope| std::mem::replace(&mut envelope.mail_data, true));
        if again {
            let hint = "a message is counted once a transaction";
            let message = "a second DATA or BDAT in one transaction";
            self.report.add(Wrong::new(word.span(), message, hint));
        } else {
            self.refuse_repeat(verb, word);
        }
    }

    /// A message has one MAIL and one end of data, so neither may be in a repeat.
    fn refuse_repeat(&mut self, verb: &str, word: Piece<'_>) {
        let inner = self.blocks.iter().rev();
        let mut inner = inner.take_while(|block| block.kind != BlockKind::Transaction);
        if inner.any(|block| matches!(block.kind, BlockKind::Repeat(_))) {
            let message = format!("{verb} in a repeat");
            let hint = "`messages_per_session` says how often the transaction runs";
            self.report.add(Wrong::new(word.span(), message, hint));
        }
    }

    fn note_early(&mut self, word: Piece<'_>) {
        if let Some(envelope) = self.envelope.as_mut().filter(|envelope| !envelope.mail) {
            envelope.early.push(word.span());
        }
    }

    fn command(
        &mut self,
        verb: &str,
        word: Piece<'_>,
        content: Piece<'_>,
        arrow: Option<Piece<'_>>,
    ) {
        let in_transaction = self.inside(BlockKind::Transaction);
        let kind = kind_of(verb);
        match kind {
            Verb::Mail if in_transaction => {
                self.refuse_repeat(verb, word);
                if let Some(envelope) = &mut self.envelope {
                    envelope.mail = true;
                }
            }
            Verb::Rcpt if in_transaction => self.note_early(word),
            Verb::Quit => self.end_session(),
            Verb::Ehlo => self.note_greeting(word, false),
            Verb::Starttls => self.note_starttls(),
            _ => {}
        }
        let expect = self.expectation(arrow, verb);
        if content.text.len() > LINE_BYTES_MAX {
            let message = format!("a line of more than {LINE_BYTES_MAX} bytes");
            let hint = "write longer ones with `send`";
            self.report.add(Wrong::new(content.span(), message, hint));
            return;
        }
        let usage =
            if in_transaction { TemplateUse::TransactionLine } else { TemplateUse::SessionLine };
        let line = parse_template(
            content.text,
            content.start,
            usage,
            self.names,
            &mut self.draws,
            self.report.faults,
        );
        self.report.failed |= line.is_none();
        let step = self.step_of(verb, word);
        let (Some(line), Some(step)) = (line, step) else { return };
        let each_recipient =
            kind == Verb::Rcpt && in_transaction && line.has(|value| *value == Value::Recipient);
        if kind == Verb::Rcpt && in_transaction {
            self.count_recipients(word, each_recipient);
        }
        self.push(word, Op::Command(Command { verb: kind, step, line, expect, each_recipient }));
    }

    /// Adds a RCPT line to the transaction, once a turn of the repeats around it.
    fn count_recipients(&mut self, word: Piece<'_>, each_recipient: bool) {
        let times = self.blocks.iter().fold(1_u64, |times, block| match block.kind {
            BlockKind::Repeat(count) => times.saturating_mul(u64::from(count)),
            BlockKind::Transaction | BlockKind::Pipeline => times,
        });
        let Some(envelope) = &mut self.envelope else { return };
        let lines = if each_recipient {
            &mut envelope.recipient_lines
        } else {
            &mut envelope.fixed_recipients
        };
        *lines = lines.saturating_add(times);
        if *lines > u64::from(RECIPIENTS_MAX) {
            let message = format!("more than {RECIPIENTS_MAX} recipients in one transaction");
            self.report.add(Wrong::new(word.span(), message, "repeat RCPT less often"));
        }
    }

    /// Tells what is amiss in the transaction that the `transaction` at `word` opened.
    pub(super) fn check_envelope(&mut self, word: Range<usize>) {
        let Some(Envelope { mail, early, .. }) = &mut self.envelope else { return };
        if !*mail {
            let hint = "write `MAIL FROM:<{{sender}}>` as its first line";
            self.report.add(Wrong::new(word, "this transaction has no MAIL", hint));
            return;
        }
        for span in std::mem::take(early) {
            let message = "this line needs a MAIL before it";
            self.report.add(Wrong::new(span, message, "move MAIL up"));
        }
    }

    /// The codes behind `arrow`; where there are none, those of success for `verb`.
    pub(super) fn expectation(&mut self, arrow: Option<Piece<'_>>, verb: &str) -> Expect {
        let codes = self.codes(arrow);
        if codes.is_empty() { default_expect(verb) } else { Expect::ranges(&codes) }
    }

    /// Where a command is counted.
    fn step_of(&mut self, verb: &str, word: Piece<'_>) -> Option<StepId> {
        match verb {
            "EHLO" => Some(StepId::EHLO),
            "HELO" => Some(StepId::HELO),
            "LHLO" => Some(StepId::LHLO),
            "STARTTLS" => Some(StepId::STARTTLS),
            "MAIL" => Some(StepId::MAIL),
            "RCPT" => Some(StepId::RCPT),
            "RSET" => Some(StepId::RSET),
            "NOOP" => Some(StepId::NOOP),
            "QUIT" => Some(StepId::QUIT),
            // `CONNECT` over the wire is not the step that opens the connection.
            _ if STANDARD_STEPS.iter().any(|name| name.eq_ignore_ascii_case(verb)) => {
                self.intern(word, &format!("verb_{verb}"))
            }
            _ => self.intern(word, verb),
        }
    }
}

/// The rules that a command is under; `verb` in upper case.
fn kind_of(verb: &str) -> Verb {
    match verb {
        "EHLO" | "LHLO" => Verb::Ehlo,
        "HELO" => Verb::Helo,
        "MAIL" => Verb::Mail,
        "RCPT" => Verb::Rcpt,
        "RSET" => Verb::Rset,
        "QUIT" => Verb::Quit,
        "STARTTLS" => Verb::Starttls,
        _ => Verb::Other,
    }
}
