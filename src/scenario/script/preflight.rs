//! The scripts of the session before the load.

use super::{Command, Expect, Op, Script, Verb};
use crate::message::template::Template;
use crate::scenario::step::StepId;

impl Script {
    /// This script as far as its first recipient: hello, AUTH, MAIL, RCPT, then RSET and QUIT; no mail data.
    #[must_use]
    pub fn preflight(&self) -> Self {
        let start = self.ops.iter().position(|op| matches!(op, Op::TransactionStart { .. }));
        let (before, inside) = self.ops.split_at(start.unwrap_or(self.ops.len()));
        let hello = |op: &&Op| match op {
            Op::Command(command) => {
                matches!(command.verb, Verb::Ehlo | Verb::Helo | Verb::Starttls)
            }
            Op::Auth(_) => true,
            _ => false,
        };
        let mut ops: Vec<Op> = before.iter().filter(hello).cloned().collect();
        if start.is_some() {
            let start = index(ops.len());
            let mut transaction = first(inside, Verb::Mail);
            transaction.extend(first(inside, Verb::Rcpt));
            transaction.push(plain(Verb::Rset, StepId::RSET, "RSET", 250));
            ops.push(Op::TransactionStart { end: start + 1 + index(transaction.len()) });
            ops.extend(transaction);
            ops.push(Op::TransactionEnd { start });
        }
        ops.push(plain(Verb::Quit, StepId::QUIT, "QUIT", 221));
        Self {
            name: "preflight".to_owned(),
            weight: 1,
            ops,
            fixed_recipients: 1,
            recipient_lines: 0,
        }
    }

    /// Waits for the greeting and says QUIT.
    #[must_use]
    pub fn greeting() -> Self {
        let ops = vec![plain(Verb::Quit, StepId::QUIT, "QUIT", 221)];
        Self {
            name: "greeting".to_owned(),
            weight: 1,
            ops,
            fixed_recipients: 0,
            recipient_lines: 0,
        }
    }
}

/// The first command of that verb, for one recipient.
fn first(ops: &[Op], verb: Verb) -> Vec<Op> {
    let found = ops.iter().find_map(|op| match op {
        Op::Command(command) if command.verb == verb => Some(command.clone()),
        _ => None,
    });
    found
        .map(|command| Op::Command(Command { each_recipient: false, ..command }))
        .into_iter()
        .collect()
}

fn plain(verb: Verb, step: StepId, line: &str, code: u16) -> Op {
    let (line, expect) = (Template::text(line), Expect::codes(&[code]));
    Op::Command(Command { verb, step, line, expect, each_recipient: false })
}

fn index(at: usize) -> u32 {
    // Scripts have at most `OPS_MAX` operations.
    u32::try_from(at).unwrap_or(u32::MAX)
}
