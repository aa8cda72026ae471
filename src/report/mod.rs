//! Bytes from a summary: one file a format. Nothing is measured here, nothing opened but the result folder.

pub mod chart;
pub mod csv;
pub mod escape;
mod extensions;
pub mod folder;
pub mod generator_limits;
pub mod hlog;
pub mod json;
mod judged;
mod load;
pub mod plan;
pub mod selftest;
#[cfg(test)]
mod tests;
pub mod text;
mod tls;
pub mod trials;

use jiff::Timestamp;

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
    /// The target's greeting as its session saw it; `None` without one.
    pub greeting: Option<String>,
    /// The lines of the target's EHLO reply after the first.
    pub capabilities: Vec<String>,
    /// What the generator can do at best here, where a self-test measured that.
    pub generator_limits: Option<generator_limits::GeneratorLimits>,
}

/// The machine that generated the load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// `linux`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// Processors that the process may use.
    pub cpu_count: usize,
    /// File descriptors that the process may open; `None` where that is not known.
    pub descriptor_limit: Option<u64>,
}
