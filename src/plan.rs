//! The resolved run: what will happen, and the only input of the engine.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::scenario::Scenario;
use crate::scenario::target::TargetUrl;

/// Everything the engine needs. Made once, never changed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the user asked for, flags put in.
    pub scenario: Scenario,
    /// Where it goes; exactly one for now.
    pub targets: Vec<Target>,
    /// What a run is called in the mail it sends and in `run.json`: 16 hex digits.
    pub run_id: String,
    /// What fixes every random choice.
    pub seed: u64,
    /// Threads with an event loop of their own, from 1.
    pub workers: usize,
    /// The schedule: what is measured under which name, in order. The last one is the one that is judged.
    pub stages: Vec<crate::schedule::Stage>,
}

/// A target with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `target`, or its name in `[targets.NAME]`.
    pub name: String,
    /// As written.
    pub url: TargetUrl,
    /// Where connections go, in turn; at least one.
    pub addresses: Vec<Address>,
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A UNIX socket.
    Unix(PathBuf),
}
