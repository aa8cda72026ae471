//! Round trips and extensions, as `run.json` and the summary show them.

use serde::Serialize;

use crate::measure::extensions::{RoundTrips, Sending};
use crate::measure::summary::Summary;
use crate::smtp::parameters::Extension;
use crate::stats::binomial::as_f64;

/// A way of sending in `run.json`.
#[derive(Serialize)]
pub(super) struct RoundTripFacts {
    sending: &'static str,
    transactions: u64,
    round_trips: u64,
    round_trips_min: u32,
    round_trips_max: u32,
}

/// An extension in `run.json` that was asked for and could not be had.
#[derive(Serialize)]
pub(super) struct ExtensionFacts {
    extension: &'static str,
    messages_without: u64,
    messages_beyond: u64,
}

/// The server's LIMITS (RFC 9422) in `run.json`.
#[derive(Serialize)]
pub(super) struct LimitFacts {
    sessions_cut: u64,
    recipients_left_out: u64,
}

pub(super) fn round_trips(summary: &Summary) -> Vec<RoundTripFacts> {
    let facts = |(sending, trips): (Sending, &RoundTrips)| RoundTripFacts {
        sending: sending.name(),
        transactions: trips.transactions,
        round_trips: trips.sum,
        round_trips_min: trips.min,
        round_trips_max: trips.max,
    };
    summary.round_trips.used().map(facts).collect()
}

pub(super) fn extensions(summary: &Summary) -> Vec<ExtensionFacts> {
    let tally = &summary.extensions;
    let facts = |extension: Extension| ExtensionFacts {
        extension: extension.keyword(),
        messages_without: tally.without(extension),
        messages_beyond: tally.beyond(extension),
    };
    let short = |facts: &ExtensionFacts| facts.messages_without + facts.messages_beyond > 0;
    Extension::ALL.into_iter().map(facts).filter(short).collect()
}

pub(super) fn limits(summary: &Summary) -> LimitFacts {
    let tally = &summary.extensions;
    LimitFacts { sessions_cut: tally.sessions_cut, recipients_left_out: tally.recipients_left_out }
}

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
