//! Pipelining (RFC 2920): the groups of a pipelined transaction, and the limits of a group.

use super::{Op, Script, Verb};
use crate::message::template::Part;

/// How many commands one group may hold, repeats written out: each waits for its reply.
pub(super) const GROUP_COMMANDS_MAX: u64 = 10_000;
/// How many bytes one group may hold, repeats written out and without mail data: it is one write.
pub(super) const GROUP_BYTES_MAX: u64 = 16 << 20;

impl Script {
    /// Makes its transaction pipelined, as if it said `transaction pipelined`. Groups that it has there already are
    /// dissolved in the new ones.
    pub fn pipeline_transaction(&mut self) {
        let start = self.ops.iter().position(|op| matches!(op, Op::TransactionStart { .. }));
        let end = self.ops.iter().position(|op| matches!(op, Op::TransactionEnd { .. }));
        let (Some(start), Some(end)) = (start, end) else { return };
        let body: Vec<Op> = self.ops[start + 1..end]
            .iter()
            .filter(|op| !matches!(op, Op::GroupStart { .. } | Op::GroupEnd))
            .cloned()
            .collect();
        let mut ops = self.ops[..=start].to_vec();
        group_runs(&body, &mut ops);
        ops.extend_from_slice(&self.ops[end..]);
        self.ops = ops;
        link(&mut self.ops);
        debug_assert_eq!(self.verify_shape(), Ok(()));
    }
}

/// Where an operation may stand in a group.
enum Place {
    Anywhere,
    Last,
    Outside,
}

/// Appends `body` to `out` with every run of operations that may share a write in a group of its own. So MAIL, all
/// RCPT and DATA are one group; a second one begins behind DATA, whose reply decides whether mail data follows. What
/// waits (`pause`, `expect`) or ends the session stands between groups.
fn group_runs(body: &[Op], out: &mut Vec<Op>) {
    let mut run = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let element = &body[at..element_end(body, at)];
        at += element.len();
        match place(element) {
            Place::Anywhere => {
                if !fits(run.iter().chain(element)) {
                    close_run(&mut run, out);
                }
                run.extend_from_slice(element);
            }
            Place::Last => {
                run.extend_from_slice(element);
                close_run(&mut run, out);
            }
            Place::Outside => {
                close_run(&mut run, out);
                // A repeat that cannot be in a group has groups within it, one a turn.
                if let [start @ Op::RepeatStart { .. }, inner @ .., end] = element {
                    out.push(start.clone());
                    group_runs(inner, out);
                    out.push(end.clone());
                } else {
                    out.extend_from_slice(element);
                }
            }
        }
    }
    close_run(&mut run, out);
}

/// Appends the run, in a group where there is more than one operation to group.
fn close_run(run: &mut Vec<Op>, out: &mut Vec<Op>) {
    let grouped = run.len() > 1;
    out.extend(grouped.then_some(Op::GroupStart { when_offered: true }));
    out.append(run);
    out.extend(grouped.then_some(Op::GroupEnd));
}

/// The end of the operation at `at`; of its whole block where that is a repeat.
fn element_end(ops: &[Op], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, op) in ops.iter().enumerate().skip(at) {
        match op {
            Op::RepeatStart { .. } => depth += 1,
            Op::RepeatEnd { .. } => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    ops.len()
}

fn place(element: &[Op]) -> Place {
    match element {
        [Op::RepeatStart { .. }, inner @ .., _] => {
            let anywhere = |op: &Op| {
                matches!(op, Op::RepeatStart { .. } | Op::RepeatEnd { .. })
                    || matches!(place(std::slice::from_ref(op)), Place::Anywhere)
            };
            if inner.iter().all(anywhere) && fits(element) {
                Place::Anywhere
            } else {
                Place::Outside
            }
        }
        // RFC 2920 section 3.1: MAIL, RCPT and RSET may stand anywhere in a group; EHLO, DATA, VRFY, EXPN, TURN, QUIT,
        // NOOP and what extensions add only at its end. RFC 3030 section 4.2 lets BDAT stand behind RCPT.
        [Op::Command(command)] => match command.verb {
            // RFC 3207 section 4: what follows waits for the handshake.
            Verb::Starttls => Place::Outside,
            Verb::Mail | Verb::Rcpt | Verb::Rset => Place::Anywhere,
            Verb::Ehlo | Verb::Helo | Verb::Quit | Verb::Other => Place::Last,
        },
        [Op::Bdat(_) | Op::Raw(_)] => Place::Anywhere,
        [Op::Data(_)] => Place::Last,
        _ => Place::Outside,
    }
}

/// Whether `ops` keep the limits of one group.
pub(super) fn fits<'a>(ops: impl IntoIterator<Item = &'a Op>) -> bool {
    let (mut commands, mut bytes, mut turns) = (0_u64, 0_u64, vec![1_u64]);
    for op in ops {
        let times = turns.last().copied().unwrap_or(1);
        let (replies, length) = match op {
            Op::RepeatStart { count, .. } => {
                turns.push(times.saturating_mul(u64::from(*count)));
                continue;
            }
            Op::RepeatEnd { .. } => {
                turns.pop();
                continue;
            }
            Op::Command(command) => (1, text_bytes(command.line.parts())),
            Op::Raw(raw) => (1, raw.len()),
            _ => (1, 0),
        };
        commands = commands.saturating_add(times.saturating_mul(replies));
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        bytes = bytes.saturating_add(times.saturating_mul(length));
    }
    commands <= GROUP_COMMANDS_MAX && bytes <= GROUP_BYTES_MAX
}

fn text_bytes(parts: &[Part]) -> usize {
    let length = |part: &Part| if let Part::Text(text) = part { text.len() } else { 0 };
    parts.iter().map(length).sum()
}

/// Sets the jumps and depths of `ops`, whose blocks are paired.
pub(super) fn link(ops: &mut [Op]) {
    let mut repeats: Vec<u32> = Vec::new();
    let mut transaction = 0_usize;
    for index in 0..ops.len() {
        let here = u32::try_from(index).expect("a script has a few thousand operations");
        let level = repeats.len();
        match &mut ops[index] {
            Op::RepeatStart { depth, .. } => {
                *depth = depth_of(level);
                repeats.push(here);
            }
            Op::RepeatEnd { start, depth } => {
                *start = repeats.pop().expect("blocks are paired");
                *depth = depth_of(level - 1);
            }
            Op::TransactionStart { .. } => transaction = index,
            Op::TransactionEnd { start } => {
                *start = u32::try_from(transaction).expect("below the index of its end");
                ops[transaction] = Op::TransactionStart { end: here };
            }
            _ => {}
        }
    }
}

fn depth_of(level: usize) -> u8 {
    u8::try_from(level).expect("repeats nest a few levels deep")
}
