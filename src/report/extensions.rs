//! Round trips in words.

use crate::measure::extensions::{RoundTrips, Sending};
use crate::measure::summary::Summary;
use crate::stats::binomial::as_f64;

/// A line of words for each way of sending.
pub(super) fn words(summary: &Summary) -> Vec<String> {
    let line = |(sending, trips): (Sending, &RoundTrips)| {
        let way = match sending {
            Sending::Data => "DATA, one command at a time",
            Sending::DataPipelined => "DATA, pipelined",
            Sending::Bdat => "BDAT, one command at a time",
            Sending::BdatPipelined => "BDAT, pipelined",
        };
        let each = match trips.min == trips.max {
            true => trips.min.to_string(),
            false => {
                let mean = as_f64(trips.sum) / as_f64(trips.transactions);
                format!("{mean:.2} ({} to {})", trips.min, trips.max)
            }
        };
        format!("{each} an accepted message by {way}")
    };
    summary.round_trips.used().map(line).collect()
}
