//! Samples, outcomes, histograms, tallies and the summary over them. Merging is order-free.
//!
//! A worker owns a [`recorder::Recorder`] and gives up a [`recorder::Snapshot`] each interval; one
//! [`collector::Collector`] adds them up, and a [`summary::Summary`] is made of what it holds. Nothing here reads
//! a clock, prints or opens a file.

//X pub mod accounting;
//X pub mod collector;
pub mod histogram;
//X mod intervals;
pub mod layout;
//X pub mod note;
pub mod outcome;
pub mod recorder;
//X pub mod summary;
//X mod tables;
pub mod tally;
//X #[cfg(test)]
//X pub(crate) mod testing;
//X #[cfg(test)]
//X mod tests;
//X pub mod thresholds;
//X pub mod validity;
