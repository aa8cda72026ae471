//! Samples, outcomes, histograms, tallies and the summary over them. Merging is order-free.
//!
//! A worker owns a [`recorder::Recorder`] and gives up a [`recorder::Snapshot`] each interval; one
//! [`collector::Collector`] adds them up, and a [`summary::Summary`] is made of what it holds. Nothing here reads
//! a clock, prints or opens a file.

pub mod accounting;
pub mod addresses;
pub mod ceiling;
pub mod collector;
mod evidence;
pub mod extensions;
pub mod footprint;
mod gauge;
pub mod histogram;
mod intervals;
pub mod known_limits;
pub mod layout;
pub mod note;
pub mod outcome;
pub mod pairs;
pub mod recorder;
pub mod series;
pub mod stall;
pub mod steady;
pub mod summary;
mod tables;
pub mod tally;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod thresholds;
pub mod tls;
pub mod validity;
pub mod watch;
mod window;
