//! Random choices that follow from the seed alone.
//!
//! A choice is named by its purpose and two numbers (message or session, and which of several), so it does not
//! depend on what ran before, on which worker, or against which target.

use std::ops::RangeInclusive;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::Rng;

/// What a choice is for: keeps choices of one message apart.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    Script = 1,
    Kind,
    Size,
    File,
    Recipients,
    Domain,
    Uniform,
    Row,
    MessagesPerSession,
    Cut,
    Pause,
    Tls,
    Address,
    Arrival,
    /// What the built-in sink does in a session.
    Sink,
    /// The order in which targets take turns.
    Turn,
}

/// The generator for one choice.
#[must_use]
pub fn choice(seed: u64, purpose: Purpose, number: u64, index: u64) -> SplitMix64 {
    // Each stage is one bijective scramble of 64 bits, so different numbers never share a stream by accident of
    // addition.
    let of_purpose = scramble(seed ^ ((purpose as u64) << 56));
    SplitMix64::seed_from_u64(scramble(of_purpose ^ number) ^ index)
}

/// A number that looks like no other, and is another for every other number.
#[must_use]
pub fn scramble(number: u64) -> u64 {
    SplitMix64::seed_from_u64(number).next_u64()
}

/// A whole number, uniform between the ends.
#[must_use]
pub fn uniform(range: RangeInclusive<u64>, mut rng: SplitMix64) -> u64 {
    if range.start() == range.end() { *range.start() } else { rng.random_range(range) }
}

/// The index of one of `weights`, by weight. They may not all be zero.
#[must_use]
pub fn weighted(weights: impl Iterator<Item = u32> + Clone, rng: SplitMix64) -> usize {
    let total: u64 = weights.clone().map(u64::from).sum();
    let mut left = uniform(0..=total.saturating_sub(1), rng);
    for (index, weight) in weights.enumerate() {
        match left.checked_sub(u64::from(weight)) {
            Some(rest) => left = rest,
            None => return index,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_give_the_same_choice() {
        let draw = |number, index| uniform(0..=u64::MAX, choice(7, Purpose::Size, number, index));
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(0, 1));
    }

    #[test]
    fn weights_hold_within_a_percent() {
        let weights = [9_u32, 0, 1];
        let mut counts = [0_u32; 3];
        for number in 0..100_000 {
            counts[weighted(weights.iter().copied(), choice(1, Purpose::Script, number, 0))] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((9_000..11_000).contains(&counts[2]), "{counts:?}");
    }
}
