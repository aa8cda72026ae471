//! Bytes from a summary: one file a format. Nothing is measured here, nothing opened but the result folder.

mod beside;
pub mod chart;
pub mod comparison;
pub mod csv;
pub mod document;
pub mod escape;
mod extensions;
pub mod folder;
pub mod generator_limits;
pub mod hgrm;
pub mod hlog;
pub mod html;
mod judged;
pub mod junit;
pub mod load;
pub mod manifest;
mod margin;
pub mod markdown;
pub mod metrics;
pub mod plan;
pub mod prometheus;
pub mod record;
pub mod runs;
pub mod saved;
pub mod selftest;
#[cfg(test)]
mod tests;
pub mod text;
mod tls;
pub mod trackers;
pub mod trials;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a report tells of a run that neither plan nor summary knows.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFacts {
    /// When the first stage began, UTC.
    pub started: Timestamp,
    /// When the run ended, UTC; `None` while it goes on.
    pub ended: Option<Timestamp>,
    /// The process's exit code; `None` while it is not known.
    pub exit_code: Option<u8>,
    /// Where the load came from.
    pub host: HostFacts,
    /// What the generator can do at best here, where a self-test measured that.
    pub generator_limits: Option<generator_limits::GeneratorLimits>,
}

/// The machine that generated the load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `linux`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// What did the engine's TCP: `epoll` or `io-uring`; empty where that was not noted.
    #[serde(default)]
    pub driver: String,
    /// Processors that the process may use.
    pub cpu_count: usize,
    /// File descriptors that the process may open; `None` where that is not known.
    pub descriptor_limit: Option<u64>,
}
