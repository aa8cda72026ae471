//! The search for the highest rate that a server holds: which rate is tried next, from how the trials before came out.
//! Pure: it knows no server and no time.
//!
//! It doubles the rate while trials hold, and halves it while none did; between a rate that held and one that did not
//! it bisects. The last rate that held is then tried once more. If it does not hold again, a rate below it is, and so
//! on: what the search ends with has held twice, at it or above it.

/// Most trials of a search: 23 doublings from 1 to 10 million, 10 bisections, and what a confirmation takes.
pub const TRIALS_MAX: u32 = 50;
/// How often a start rate that does not hold is halved: to a thousandth.
pub const HALVINGS_MAX: u32 = 10;
/// How often a rate that held once and not again is lowered.
pub const STEPS_DOWN_MAX: u32 = 5;
/// The finest and the coarsest precision.
pub const PRECISION_MIN: f64 = 0.001;
/// See [`PRECISION_MIN`].
pub const PRECISION_MAX: f64 = 0.5;

/// What a search goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// How near the rate that held and the one that did not have to be, as a share of the former.
    pub precision: f64,
    /// The highest rate that is tried.
    pub rate_max: f64,
}

/// Where a search is.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    bounds: Bounds,
    phase: Phase,
    trials: u32,
    /// The highest rate that held, and not less than one above it that held later.
    held: Option<f64>,
    /// The lowest rate that did not.
    missed: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// A rate is looked for that holds, and one that does not.
    Bracketing {
        rate: f64,
        halvings: u32,
    },
    /// Between the two.
    Bisecting {
        rate: f64,
    },
    /// Whether the rate holds again, or one below it does.
    Confirming {
        rate: f64,
        steps_down: u32,
    },
    Over(Ending),
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// A trial at this rate.
    Trial {
        /// Above 0.
        rate: f64,
        /// It says whether a rate that held holds again.
        confirms: bool,
    },
    /// Nothing.
    End(Ending),
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// At this rate: it held, and held again; one above it did not.
    Found(f64),
    /// Even the highest rate that may be tried held, and held again.
    NothingMissed(f64),
    /// Not even the lowest rate held.
    NothingHeld,
    /// Rates held once and not again.
    NotConfirmed,
    /// There were too many trials.
    TooManyTrials,
}

impl Search {
    /// Begins at `start`, or at the highest rate that may be tried if that is lower.
    #[must_use]
    pub fn new(start: f64, bounds: Bounds) -> Self {
        let phase = Phase::Bracketing { rate: start.min(bounds.rate_max), halvings: 0 };
        Self { bounds, phase, trials: 0, held: None, missed: None }
    }

    /// The highest rate that held, if any did.
    #[must_use]
    pub fn held(&self) -> Option<f64> {
        self.held
    }

    /// The lowest rate that did not hold, if one did not.
    #[must_use]
    pub fn missed(&self) -> Option<f64> {
        self.missed
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self.phase {
            Phase::Over(ending) => Next::End(ending),
            _ if self.trials >= TRIALS_MAX => Next::End(Ending::TooManyTrials),
            Phase::Bracketing { rate, .. } | Phase::Bisecting { rate } => {
                Next::Trial { rate, confirms: false }
            }
            Phase::Confirming { rate, .. } => Next::Trial { rate, confirms: true },
        }
    }

    /// The trial that came next is over: whether the rate held.
    pub fn feed(&mut self, holds: bool) {
        let Next::Trial { rate, .. } = self.next() else { return };
        self.trials += 1;
        if holds {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
        } else {
            self.missed = Some(self.missed.map_or(rate, |missed| missed.min(rate)));
        }
        self.phase = match self.phase {
            Phase::Bracketing { rate, halvings } => self.bracket(rate, halvings),
            Phase::Bisecting { .. } => self.between(),
            Phase::Confirming { rate, .. } if holds => Phase::Over(match self.missed {
                Some(_) => Ending::Found(rate),
                None => Ending::NothingMissed(rate),
            }),
            Phase::Confirming { rate, steps_down } => self.lower(rate, steps_down),
            over @ Phase::Over(_) => over,
        };
    }

    /// Up while nothing was missed, down while nothing held.
    fn bracket(&self, rate: f64, halvings: u32) -> Phase {
        match (self.held, self.missed) {
            (Some(_), Some(_)) => self.between(),
            (Some(held), None) if held >= self.bounds.rate_max => {
                Phase::Confirming { rate: held, steps_down: 0 }
            }
            (Some(held), None) => {
                let rate = (held * 2.0).min(self.bounds.rate_max);
                Phase::Bracketing { rate, halvings }
            }
            (None, _) if halvings >= HALVINGS_MAX => Phase::Over(Ending::NothingHeld),
            (None, _) => Phase::Bracketing { rate: rate / 2.0, halvings: halvings + 1 },
        }
    }

    /// The middle between what held and what did not, unless they are near enough.
    fn between(&self) -> Phase {
        let (Some(held), Some(missed)) = (self.held, self.missed) else {
            return Phase::Over(Ending::NothingHeld);
        };
        if missed - held <= held * self.bounds.precision {
            return Phase::Confirming { rate: held, steps_down: 0 };
        }
        Phase::Bisecting { rate: round(f64::midpoint(held, missed), held, missed) }
    }

    fn lower(&mut self, rate: f64, steps_down: u32) -> Phase {
        // What held once above is no proof any more.
        self.held = None;
        if steps_down >= STEPS_DOWN_MAX {
            return Phase::Over(Ending::NotConfirmed);
        }
        let lower = rate * (1.0 - self.bounds.precision);
        Phase::Confirming { rate: round(lower, 0.0, rate), steps_down: steps_down + 1 }
    }
}

/// `rate` to four digits, where that lies between the two: nobody asks for 507.8125 messages a second.
fn round(rate: f64, above: f64, below: f64) -> f64 {
    const DIGITS: i32 = 4;
    #[expect(clippy::cast_possible_truncation, reason = "the exponent of a rate is small")]
    let digits_behind = DIGITS - 1 - rate.log10().floor() as i32;
    // Never by a power of ten below 1, which has no exact value.
    let scale = 10_f64.powi(digits_behind.abs());
    let rounded = match digits_behind {
        0.. => (rate * scale).round() / scale,
        _ => (rate / scale).round() * scale,
    };
    if above < rounded && rounded < below { rounded } else { rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { precision: 0.02, rate_max: 1e6 };

    /// Plays a search against a server; the rates that were tried, and the end.
    fn play(start: f64, bounds: Bounds, mut holds: impl FnMut(f64) -> bool) -> (Vec<f64>, Ending) {
        let (mut search, mut tried) = (Search::new(start, bounds), Vec::new());
        loop {
            match search.next() {
                Next::End(ending) => return (tried, ending),
                Next::Trial { rate, .. } => {
                    assert!(rate > 0.0 && rate <= bounds.rate_max, "{rate}");
                    tried.push(rate);
                    assert!(tried.len() <= TRIALS_MAX as usize);
                    search.feed(holds(rate));
                }
            }
        }
    }

    #[test]
    fn a_sharp_limit_is_found_to_the_precision_and_confirmed() {
        for (start, limit) in [(100.0, 500.0), (100.0, 100.0), (900.0, 500.0), (500.0, 500.0)] {
            let (tried, ending) = play(start, BOUNDS, |rate| rate <= limit);
            let Ending::Found(found) = ending else { panic!("{ending:?} of {tried:?}") };
            assert!(found <= limit && found >= limit / 1.021, "{found} of {limit}, {tried:?}");
            assert_eq!(tried.iter().filter(|rate| **rate == found).count(), 2, "{tried:?}");
            assert!(tried.len() < 16, "{tried:?}");
        }
    }

    #[test]
    fn rates_double_halve_and_bisect() {
        let (tried, ending) =
            play(100.0, Bounds { precision: 0.1, ..BOUNDS }, |rate| rate <= 500.0);
        assert_eq!(tried, [100.0, 200.0, 400.0, 800.0, 600.0, 500.0, 550.0, 500.0]);
        assert_eq!(ending, Ending::Found(500.0));
        let (tried, ending) = play(100.0, Bounds { precision: 0.5, ..BOUNDS }, |rate| rate <= 30.0);
        assert_eq!(tried, [100.0, 50.0, 25.0, 37.5, 25.0]);
        assert_eq!(ending, Ending::Found(25.0));
    }

    #[test]
    fn a_limit_that_wavers_is_found_near_its_lower_edge() {
        // Holds always up to 480 and every other time up to 520.
        for phase in [0, 1] {
            let mut trial = phase;
            let (tried, ending) = play(100.0, BOUNDS, |rate| {
                trial += 1;
                rate <= 480.0 || (rate <= 520.0 && trial % 2 == 0)
            });
            let Ending::Found(found) = ending else { panic!("{ending:?} of {tried:?}") };
            assert!((460.0..=520.0).contains(&found), "{found} of {tried:?}");
        }
    }

    #[test]
    fn what_never_holds_again_is_not_confirmed() {
        let mut trials = 0;
        let (tried, ending) = play(100.0, BOUNDS, |_| {
            trials += 1;
            trials == 1
        });
        assert_eq!(ending, Ending::NotConfirmed, "{tried:?}");
        assert_eq!(tried.iter().filter(|rate| **rate < 100.0).count(), STEPS_DOWN_MAX as usize);
    }

    #[test]
    fn nothing_that_is_missed_ends_at_the_highest_rate() {
        let bounds = Bounds { rate_max: 1000.0, ..BOUNDS };
        let (tried, ending) = play(300.0, bounds, |_| true);
        assert_eq!(tried, [300.0, 600.0, 1000.0, 1000.0]);
        assert_eq!(ending, Ending::NothingMissed(1000.0));
        assert_eq!(play(5000.0, bounds, |_| true).0, [1000.0, 1000.0]);
    }

    #[test]
    fn nothing_that_holds_ends_soon() {
        let (tried, ending) = play(1024.0, BOUNDS, |_| false);
        assert_eq!(ending, Ending::NothingHeld);
        assert_eq!(tried.len(), HALVINGS_MAX as usize + 1);
        assert_eq!(tried.last(), Some(&1.0));
    }

    #[test]
    fn a_search_ends_after_so_many_trials_and_what_is_fed_later_changes_nothing() {
        let bounds = Bounds { precision: 0.0, ..BOUNDS };
        let (tried, ending) = play(100.0, bounds, |rate| rate <= std::f64::consts::E * 100.0);
        assert_eq!((tried.len(), ending), (TRIALS_MAX as usize, Ending::TooManyTrials));
        let mut search = Search::new(10.0, BOUNDS);
        while let Next::Trial { rate, .. } = search.next() {
            search.feed(rate <= 15.0);
        }
        let before = search.clone();
        search.feed(false);
        assert_eq!(search, before);
    }

    #[test]
    fn rates_are_rounded_where_there_is_room() {
        assert_eq!(round(507.8125, 500.0, 515.625), 507.8);
        assert_eq!(round(12_345.6, 12_000.0, 13_000.0), 12_350.0);
        assert_eq!(round(0.123_456, 0.1, 0.2), 0.1235);
        assert_eq!(round(507.81, 507.805, 507.812), 507.81);
    }
}
