//! How sure a figure is: intervals for quantiles and shares. Pure functions of counts; no samples, no clock.

pub mod binomial;
pub mod quantile;
pub mod share;
