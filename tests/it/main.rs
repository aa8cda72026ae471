//! The program as its users meet it: arguments, exit codes, result files, and servers that misbehave.

#![allow(
    clippy::unwrap_used,
    reason = "a test program: clippy.toml exempts only functions marked as tests"
)]

mod support;

mod auth;
mod cli;
mod compare;
mod defects;
mod docs;
mod extensions;
mod figures;
mod find_max;
mod hostile;
mod liars;
mod load_flags;
mod mx;
mod open_load;
mod opponent;
mod opponent_program;
mod pace;
mod plan;
mod report;
mod secrets;
mod selftest;
mod side_by_side;
mod targets;
mod thresholds;
mod tidy;
mod tls;
mod told;
mod via;
