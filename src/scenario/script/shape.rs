//! What holds for every compiled script, whoever made it.

use super::{Op, REPEAT_DEPTH_MAX, Script};

impl Script {
    /// Checks that blocks are paired and nested as the engine relies on: jumps lead to their partners, no group is
    /// empty, holds a wait or has anything behind its DATA.
    ///
    /// # Errors
    /// Names the rule that is broken: a bug in what made the script.
    pub fn verify_shape(&self) -> Result<(), &'static str> {
        let mut open: Vec<usize> = Vec::new();
        let mut transactions = 0;
        for (index, op) in self.ops.iter().enumerate() {
            let in_group = open.iter().any(|at| matches!(self.ops[*at], Op::GroupStart { .. }));
            let repeats =
                open.iter().filter(|at| matches!(self.ops[**at], Op::RepeatStart { .. })).count();
            match op {
                Op::GroupStart { .. } if in_group => return Err("a group in a group"),
                Op::TransactionStart { .. } if !open.is_empty() => {
                    return Err("a transaction in a block");
                }
                Op::RepeatStart { depth, .. }
                    if usize::from(*depth) != repeats || repeats >= REPEAT_DEPTH_MAX =>
                {
                    return Err("a wrong depth");
                }
                Op::RepeatStart { count: 0, .. } => return Err("a repeat without turns"),
                Op::GroupStart { .. } | Op::TransactionStart { .. } | Op::RepeatStart { .. } => {
                    transactions += usize::from(matches!(op, Op::TransactionStart { .. }));
                    open.push(index);
                }
                Op::GroupEnd | Op::TransactionEnd { .. } | Op::RepeatEnd { .. } => {
                    let start = open.pop().ok_or("an end without a start")?;
                    if start + 1 == index {
                        return Err("an empty block");
                    }
                    if !self.closes(start, index) {
                        return Err("an end of something else");
                    }
                }
                Op::Pause(_) | Op::Await { .. } | Op::Drop | Op::Abort if in_group => {
                    return Err("a wait or an end of the session in a group");
                }
                Op::Auth(_) if in_group => return Err("a login in a group"),
                Op::Data(_)
                    if in_group && !matches!(self.ops.get(index + 1), Some(Op::GroupEnd)) =>
                {
                    return Err("something behind DATA in its group");
                }
                _ => {}
            }
        }
        match (open.is_empty(), transactions) {
            (false, _) => Err("a block without an end"),
            (true, 0 | 1) => Ok(()),
            (true, _) => Err("two transactions"),
        }
    }

    /// Whether the operation at `end` ends the block that begins at `start`, with jumps that say so.
    fn closes(&self, start: usize, end: usize) -> bool {
        let is = |stored: u32, index: usize| usize::try_from(stored) == Ok(index);
        match (&self.ops[start], &self.ops[end]) {
            (Op::GroupStart { .. }, Op::GroupEnd) => true,
            (Op::RepeatStart { depth, .. }, Op::RepeatEnd { start: stored, depth: same }) => {
                is(*stored, start) && depth == same
            }
            (Op::TransactionStart { end: stored }, Op::TransactionEnd { start: back }) => {
                is(*stored, end) && is(*back, start)
            }
            _ => false,
        }
    }
}
