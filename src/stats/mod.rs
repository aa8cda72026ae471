//! How sure a figure is: intervals for quantiles, shares and rates, and for the difference between two of them. Pure
//! functions of counts; no samples, no clock.

pub mod binomial;
pub mod bootstrap;
pub mod distribution;
pub mod holm;
pub mod mann_whitney;
pub mod power;
pub mod proportion;
pub mod quantile;
pub mod rate;
pub mod series;
pub mod share;
#[cfg(test)]
mod simulations;
