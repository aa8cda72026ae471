//! Whose turn it is where several targets are measured one after the other, again and again, in short blocks: what
//! changes on the machine in the course of a run then meets all of them alike.
//!
//! Blocks come in rounds: every target once in an order that the seed chooses, then once more the other way round, so
//! that a drift within a round favours none. A target lives in its active time, that of its own blocks alone: its
//! stages and arrivals are planned in that, and put on the clock of the run by [`Turns::wall`]. Pure functions.

use std::time::Duration;

use crate::message::seed::{Purpose, choice, uniform};

/// Shortest block, and what every block is a multiple of: slices of the time series are as long.
pub const BLOCK_UNIT: Duration = Duration::from_secs(1);
/// A block where nobody says how long it is.
pub const BLOCK: Duration = Duration::from_secs(2);
/// How many blocks a short run has at least, where nobody says how long they are.
const BLOCKS_MIN: u32 = 8;

/// The turns of one of the targets of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    block: Duration,
    target: usize,
    targets: usize,
    seed: u64,
}

/// The length of a block in a run of `length` a target, where nobody says it.
#[must_use]
pub fn usual_block(length: Option<Duration>) -> Duration {
    let of_length = length.map_or(BLOCK, |length| length / BLOCKS_MIN);
    Duration::from_secs(of_length.as_secs()).clamp(BLOCK_UNIT, BLOCK)
}

impl Turns {
    /// Those of target `target` (from 0) of so many, in blocks of `block`, at least [`BLOCK_UNIT`].
    #[must_use]
    pub fn new(seed: u64, block: Duration, target: usize, targets: usize) -> Self {
        let targets = targets.max(1);
        Self { block: block.max(BLOCK_UNIT), target: target.min(targets - 1), targets, seed }
    }

    /// Length of a block.
    #[must_use]
    pub fn block(&self) -> Duration {
        self.block
    }

    /// Length of a round, in which every target has two blocks.
    #[must_use]
    pub fn round(&self) -> Duration {
        let blocks = u32::try_from(self.targets).unwrap_or(u32::MAX).saturating_mul(2);
        self.block.saturating_mul(blocks)
    }

    /// Where on the clock of the run the active time `active` is; the edge between two blocks is the begin of the
    /// later one.
    #[must_use]
    pub fn wall(&self, active: Duration) -> Duration {
        let (block, rest) = self.split(active);
        self.begin_of(block).saturating_add(rest)
    }

    /// The same for the end of something: the edge between two blocks is the end of the earlier one.
    #[must_use]
    pub fn wall_end(&self, active: Duration) -> Duration {
        let (block, rest) = self.split(active);
        match block.checked_sub(1) {
            Some(before) if rest.is_zero() => self.begin_of(before).saturating_add(self.block),
            _ => self.begin_of(block).saturating_add(rest),
        }
    }

    /// How much of the time before `wall` was this target's.
    #[must_use]
    pub fn active(&self, wall: Duration) -> Duration {
        let (round, within) = self.round_at(wall);
        let own = self
            .places(round)
            .map(|place| within.saturating_sub(self.block.saturating_mul(place)).min(self.block));
        let before = self.block.saturating_mul(u32::try_from(round * 2).unwrap_or(u32::MAX));
        own.into_iter().fold(before, Duration::saturating_add)
    }

    /// The span around `wall` in which nothing changes, and whether it is this target's.
    #[must_use]
    pub fn span_at(&self, wall: Duration) -> (Duration, Duration, bool) {
        let (round, within) = self.round_at(wall);
        let start = self.round().saturating_mul(u32::try_from(round).unwrap_or(u32::MAX));
        let place = u32::try_from(within.as_nanos() / self.block.as_nanos()).unwrap_or(u32::MAX);
        let from = start.saturating_add(self.block.saturating_mul(place));
        (from, from.saturating_add(self.block), self.places(round).contains(&place))
    }

    /// When this target's next block begins, from `wall` on; `wall` itself where it lies in one.
    #[must_use]
    pub fn next_turn(&self, wall: Duration) -> Duration {
        self.wall(self.active(wall)).max(wall)
    }

    fn split(&self, active: Duration) -> (u64, Duration) {
        let blocks = active.as_nanos() / self.block.as_nanos();
        let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
        let whole = self.block.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
        (blocks, active.saturating_sub(whole))
    }

    /// When this target's block number `block` (from 0) begins.
    fn begin_of(&self, block: u64) -> Duration {
        let round = block / 2;
        let start = self.round().saturating_mul(u32::try_from(round).unwrap_or(u32::MAX));
        let place = self.places(round)[usize::from(block % 2 == 1)];
        start.saturating_add(self.block.saturating_mul(place))
    }

    fn round_at(&self, wall: Duration) -> (u64, Duration) {
        let length = self.round();
        let round = u32::try_from(wall.as_nanos() / length.as_nanos()).unwrap_or(u32::MAX);
        (u64::from(round), wall.saturating_sub(length.saturating_mul(round)))
    }

    /// Which blocks of a round are this target's.
    fn places(&self, round: u64) -> [u32; 2] {
        let first = self.first_place(round);
        let last = 2 * self.targets - 1 - first;
        [first, last].map(|place| u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Its place in the order of a round.
    fn first_place(&self, round: u64) -> usize {
        let mut place = self.target;
        // A shuffle, of which only the place of this target is followed.
        for last in (1..self.targets).rev() {
            let drawn = choice(self.seed, Purpose::Turn, round, last as u64);
            let drawn = usize::try_from(uniform(0..=last as u64, drawn)).unwrap_or(last);
            if place == last {
                place = drawn;
            } else if place == drawn {
                place = last;
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn all(seed: u64, targets: usize) -> Vec<Turns> {
        (0..targets).map(|target| Turns::new(seed, 2 * SECOND, target, targets)).collect()
    }

    /// Whose the blocks of the first `rounds` are.
    fn order(turns: &[Turns], rounds: u32) -> Vec<usize> {
        let blocks = rounds * 2 * u32::try_from(turns.len()).unwrap();
        let whose = |block: u32| {
            let at = 2 * SECOND * block + SECOND;
            let own: Vec<usize> = (0..turns.len()).filter(|t| turns[*t].span_at(at).2).collect();
            assert_eq!(own.len(), 1, "block {block} is one target's: {own:?}");
            own[0]
        };
        (0..blocks).map(whose).collect()
    }

    #[test]
    fn every_round_has_each_target_twice_the_second_half_the_other_way_round() {
        for targets in 1..6 {
            let turns = all(7, targets);
            let order = order(&turns, 20);
            for round in order.chunks(2 * targets) {
                let (first, second) = round.split_at(targets);
                let mut sorted = first.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..targets).collect::<Vec<_>>());
                assert_eq!(second.iter().rev().copied().collect::<Vec<_>>(), first);
            }
        }
    }

    #[test]
    fn the_seed_chooses_the_order_and_favours_none() {
        assert_eq!(order(&all(1, 3), 9), order(&all(1, 3), 9));
        assert!((2..9).any(|seed| order(&all(seed, 2), 9) != order(&all(1, 2), 9)));
        let first = order(&all(3, 2), 400).chunks(4).filter(|round| round[0] == 0).count();
        // 400 fair coins lie outside of this once in 10,000 seeds.
        assert!((160..=240).contains(&first), "{first}");
    }

    #[test]
    fn active_time_and_the_clock_lead_back_to_each_other() {
        for turns in all(5, 3) {
            for tenths in 0..400 {
                let active = Duration::from_millis(100 * tenths);
                let wall = turns.wall(active);
                assert_eq!(turns.active(wall), active, "{turns:?}");
                assert!(turns.span_at(wall).2 && turns.next_turn(wall) == wall);
                assert_eq!(turns.active(turns.wall_end(active)), active);
                assert!(turns.wall_end(active) <= wall);
            }
        }
    }

    #[test]
    fn active_times_of_all_add_up_to_the_clock() {
        let turns = all(5, 4);
        for tenths in 0..700 {
            let wall = Duration::from_millis(100 * tenths);
            assert_eq!(turns.iter().map(|turns| turns.active(wall)).sum::<Duration>(), wall);
            for turns in &turns {
                let next = turns.next_turn(wall);
                assert_eq!(turns.active(next), turns.active(wall), "nothing is skipped");
                assert!(next >= wall && turns.span_at(next).2);
                let (from, until, _) = turns.span_at(wall);
                assert!(from <= wall && wall < until && until - from == 2 * SECOND);
            }
        }
    }

    #[test]
    fn one_target_alone_has_all_the_time() {
        let turns = Turns::new(1, SECOND, 0, 1);
        assert_eq!(turns.wall(7 * SECOND / 2), 7 * SECOND / 2);
        assert_eq!(turns.next_turn(9 * SECOND), 9 * SECOND);
    }

    #[test]
    fn lengths_without_end_do_not_overflow() {
        let turns = Turns::new(1, Duration::MAX, 1, 100);
        assert!(turns.wall(Duration::MAX) > SECOND && turns.active(SECOND) <= SECOND);
        let turns = Turns::new(1, SECOND, 1, 2);
        let _ = (turns.wall(Duration::MAX), turns.active(Duration::MAX));
    }

    #[test]
    fn a_short_run_has_short_blocks() {
        let block = |seconds| usual_block(Some(seconds * SECOND)).as_secs();
        assert_eq!([1, 8, 15, 16, 60].map(block), [1, 1, 1, 2, 2]);
        assert_eq!(usual_block(None), BLOCK);
    }
}
