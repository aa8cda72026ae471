//! smtpbench: tells the truth about an SMTP server.
//!
//! The modules stand in layers, from the first to the last line below; each imports only from those above it.
//! ARCHITECTURE.md has the map.

pub mod units;

pub mod clock;

pub mod stats;

pub mod smtp;

pub mod message;

pub mod schedule;

pub mod behavior;

pub mod scenario;

pub mod plan;

pub mod measure;

pub mod net;

pub mod engine;

pub mod sink;

pub mod server;

pub mod report;

pub mod live;

pub mod cli;
