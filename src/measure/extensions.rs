//! What became of the extensions that a scenario asks for, and how many round trips transactions took: counts.

use crate::smtp::parameters::Extension;

const EXTENSIONS: usize = Extension::ALL.len();

/// Extensions, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionSet(u8);

impl ExtensionSet {
    /// Puts `extension` in.
    pub fn insert(&mut self, extension: Extension) {
        self.0 |= 1 << extension as u8;
    }

    /// Whether it is in.
    #[must_use]
    pub fn contains(self, extension: Extension) -> bool {
        self.0 & (1 << extension as u8) != 0
    }
}

/// How a message went against what its scenario asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// Asked for, and not offered: the message went without.
    pub without: ExtensionSet,
    /// Beyond what the server announces to take; it went all the same.
    pub beyond: ExtensionSet,
}

/// What was asked for and could not be had, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionTally {
    without: [u64; EXTENSIONS],
    beyond: [u64; EXTENSIONS],
    /// Messages that were to go out in groups where that is offered (RFC 2920), and did not.
    pub not_pipelined: u64,
    /// Sessions that ended at MAILMAX (RFC 9422) with messages left to send.
    pub sessions_cut: u64,
    /// Recipients that RCPTMAX or RCPTDOMAINMAX left out.
    pub recipients_left_out: u64,
}

impl ExtensionTally {
    /// Counts one message.
    pub fn count(&mut self, shortfall: Shortfall) {
        for (index, extension) in Extension::ALL.into_iter().enumerate() {
            self.without[index] += u64::from(shortfall.without.contains(extension));
            self.beyond[index] += u64::from(shortfall.beyond.contains(extension));
        }
    }

    /// Counts messages of which only the number is known.
    pub fn count_all(&mut self, extension: Extension, without: u64, beyond: u64) {
        self.without[extension as usize] += without;
        self.beyond[extension as usize] += beyond;
    }

    /// Messages that went without `extension`, since the server does not offer it.
    #[must_use]
    pub fn without(&self, extension: Extension) -> u64 {
        self.without[extension as usize]
    }

    /// Messages that were sent beyond what the server announces to take.
    #[must_use]
    pub fn beyond(&self, extension: Extension) -> u64 {
        self.beyond[extension as usize]
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.without.iter_mut().zip(other.without) {
            *sum += count;
        }
        for (sum, count) in self.beyond.iter_mut().zip(other.beyond) {
            *sum += count;
        }
        self.not_pipelined += other.not_pipelined;
        self.sessions_cut += other.sessions_cut;
        self.recipients_left_out += other.recipients_left_out;
    }
}

/// How mail data is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// DATA, one command at a time.
    Data,
    /// DATA, with commands in groups (RFC 2920).
    DataPipelined,
    /// BDAT (RFC 3030), one command at a time.
    Bdat,
    /// BDAT, with commands in groups.
    BdatPipelined,
}

impl Sending {
    /// All of them, in the order of the reports.
    pub const ALL: [Self; 4] = [Self::Data, Self::DataPipelined, Self::Bdat, Self::BdatPipelined];

    /// By its verb.
    #[must_use]
    pub fn new(bdat: bool, pipelined: bool) -> Self {
        match (bdat, pipelined) {
            (false, false) => Self::Data,
            (false, true) => Self::DataPipelined,
            (true, false) => Self::Bdat,
            (true, true) => Self::BdatPipelined,
        }
    }

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::DataPipelined => "data_pipelined",
            Self::Bdat => "bdat",
            Self::BdatPipelined => "bdat_pipelined",
        }
    }
}

/// Round trips of accepted transactions. A round trip is all that was written before the client waited, and every reply
/// to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// Accepted transactions.
    pub transactions: u64,
    /// Round trips of all of them.
    pub sum: u64,
    /// The fewest that one took; 0 where there is none.
    pub min: u32,
    /// The most that one took.
    pub max: u32,
}

impl RoundTrips {
    /// Counts a transaction that took so many.
    pub fn count(&mut self, round_trips: u32) {
        let sum = u64::from(round_trips);
        self.add(&Self { transactions: 1, sum, min: round_trips, max: round_trips });
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        if other.transactions == 0 {
            return;
        }
        self.min = match self.transactions {
            0 => other.min,
            _ => self.min.min(other.min),
        };
        self.max = self.max.max(other.max);
        self.transactions += other.transactions;
        self.sum += other.sum;
    }
}

/// Round trips by the way of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTripTally([RoundTrips; Sending::ALL.len()]);

impl RoundTripTally {
    /// Counts a transaction that took so many.
    pub fn count(&mut self, sending: Sending, round_trips: u32) {
        self.0[sending as usize].count(round_trips);
    }

    /// Counts transactions of which only the sum is known.
    pub fn count_all(&mut self, sending: Sending, trips: &RoundTrips) {
        self.0[sending as usize].add(trips);
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        for (sum, other) in self.0.iter_mut().zip(&other.0) {
            sum.add(other);
        }
    }

    /// The ways that transactions went, in order.
    pub fn used(&self) -> impl Iterator<Item = (Sending, &RoundTrips)> {
        Sending::ALL.into_iter().zip(&self.0).filter(|(_, trips)| trips.transactions > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_add_up_in_any_order() {
        let (mut few, mut many) = (RoundTripTally::default(), RoundTripTally::default());
        few.count(Sending::Data, 4);
        for trips in [5, 7] {
            many.count(Sending::Data, trips);
        }
        many.count(Sending::BdatPipelined, 1);
        let (mut one, mut other) = (few, many);
        one.add(&many);
        other.add(&few);
        assert_eq!(one, other);
        let used: Vec<_> = one.used().map(|(way, trips)| (way.name(), *trips)).collect();
        let data = RoundTrips { transactions: 3, sum: 16, min: 4, max: 7 };
        let bdat = RoundTrips { transactions: 1, sum: 1, min: 1, max: 1 };
        assert_eq!(used, [("data", data), ("bdat_pipelined", bdat)]);
    }

    #[test]
    fn shortfalls_are_counted_by_extension() {
        let mut shortfall = Shortfall::default();
        shortfall.without.insert(Extension::Dsn);
        shortfall.beyond.insert(Extension::Size);
        let mut tally = ExtensionTally::default();
        tally.count(shortfall);
        let mut sum = tally;
        sum.add(&tally);
        assert_eq!((sum.without(Extension::Dsn), sum.beyond(Extension::Size)), (2, 2));
        assert_eq!((sum.without(Extension::Size), sum.beyond(Extension::Dsn)), (0, 0));
    }
}
