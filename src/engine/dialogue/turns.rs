//! Round trips: how often a transaction waits for the server.

/// Counts turns: all that is written before we wait, and every reply to it. Replies in several segments make no second
/// turn, and neither do several writes before one wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    count: u32,
    /// Something was written since the last turn was counted.
    written: bool,
    /// A reply came to it, before we waited for one.
    answered: bool,
}

impl Turns {
    /// Something is written.
    pub(super) fn write(&mut self) {
        self.written = true;
    }

    /// A reply came.
    pub(super) fn answer(&mut self) {
        self.answered |= self.written;
    }

    /// We wait for what is owed.
    pub(super) fn wait(&mut self) {
        self.count += u32::from(self.written);
        (self.written, self.answered) = (false, false);
    }

    /// Nothing is owed any more: where every reply came during the write, there was no wait to count by.
    pub(super) fn settle(&mut self) {
        if self.written && self.answered {
            self.wait();
        }
    }

    /// How many there were, with the one under way if a reply to it has come.
    pub(super) fn count(self) -> u32 {
        self.count + u32::from(self.written && self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `w` is a write, `r` a reply, `.` a wait, `|` the end of a turn.
    #[track_caller]
    fn check(events: &str, want: u32) {
        let mut turns = Turns::default();
        for event in events.chars() {
            match event {
                'w' => turns.write(),
                'r' => turns.answer(),
                '.' => turns.wait(),
                _ => turns.settle(),
            }
        }
        assert_eq!(turns.count(), want, "{events}");
    }

    #[test]
    fn a_turn_is_a_wait_after_writes() {
        check("", 0);
        check("w.r|", 1);
        check("w.r|w.r|", 2);
        check("www.r.r.r|", 1);
        check(".r|", 0);
    }

    #[test]
    fn replies_that_come_during_a_write_are_not_lost() {
        check("wrr|", 1);
        check("wr.r|", 1);
        check("wr", 1);
        check("w|w.r|", 1);
        check("wr|w.r|", 2);
    }
}
