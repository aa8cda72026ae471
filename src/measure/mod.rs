//! Samples, outcomes, histograms, tallies and the summary over them. Merging is order-free.

pub mod outcome;
