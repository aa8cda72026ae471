//! How much memory a run takes, before it is made: an estimate from what it holds for each session, message file and
//! histogram.

use crate::measure::histogram;
use crate::message::Content;
use crate::plan::Plan;
use crate::scenario::load::Load;
use crate::scenario::script::{Op, Script, Verb};
use crate::scenario::security::TlsUse;

/// Bytes of one open session on our side, without and with TLS: the slope of resident memory over
/// thousands of sessions that hold (4.5 and 12.5 KiB), rounded up. What the kernel holds for its socket is not in it.
const SESSION_BYTES: u64 = 5 << 10;
const SESSION_BYTES_TLS: u64 = 13 << 10;
/// The program itself, its threads and the text that bodies are cut from.
const PROGRAM_BYTES: u64 = 12 << 20;
/// Steps of every session: connect, greeting, EHLO, MAIL, RCPT, DATA, upload, end of data, QUIT, transaction, session.
const STEPS: u64 = 11;
/// Lag and response time of transactions and sessions.
const OPEN_SERIES: u64 = 4;
/// A series is held once by every worker for the interval under way, and so often by the collector: the sum, and
/// intervals that wait for the histogram log.
const HELD_BY_COLLECTOR: u64 = 3;

/// Bytes that a run holds, by what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The program without any load.
    pub program: u64,
    /// All sessions at once.
    pub sessions: u64,
    /// Of one of them.
    pub session: u64,
    /// Message files in memory.
    pub bodies: u64,
    /// Histograms.
    pub histograms: u64,
}

impl Footprint {
    /// That of `plan`.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let session = match plan.tls_use() {
            TlsUse::None => SESSION_BYTES,
            _ => SESSION_BYTES_TLS,
        };
        let series: u64 = plan.scenario.loads.iter().map(|load| series_of(plan, load)).sum();
        let held = plan.workers as u64 + HELD_BY_COLLECTOR;
        Self {
            program: PROGRAM_BYTES,
            sessions: plan.scenario.sessions_max().saturating_mul(session),
            session,
            bodies: bodies(plan),
            histograms: series.saturating_mul(held).saturating_mul(histogram::BYTES),
        }
    }

    /// All together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { program, sessions, session: _, bodies, histograms } = *self;
        program.saturating_add(sessions).saturating_add(bodies).saturating_add(histograms)
    }
}

/// Series that the sessions of `load` fill, where nothing is refused.
fn series_of(plan: &Plan, load: &Load) -> u64 {
    let scripts = load.scripts.iter().map(|index| &plan.scenario.scripts[usize::from(*index)]);
    let clocks = if load.open().is_some() { OPEN_SERIES } else { 0 };
    let of_scripts: u64 = scripts.map(|script| STEPS + others(script) + clocks).sum();
    of_scripts.saturating_mul(load.stage_names().len() as u64)
}

/// Commands of a script that have rows of their own.
fn others(script: &Script) -> u64 {
    let other = |op: &&Op| matches!(op, Op::Command(command) if command.verb == Verb::Other);
    script.ops.iter().filter(other).count() as u64
}

fn bodies(plan: &Plan) -> u64 {
    let files = plan.scenario.mail.kinds.iter().flat_map(|kind| match &kind.content {
        Content::Generated { .. } => &[][..],
        Content::Files { files, .. } => files,
    });
    let bytes = files.map(|file| {
        let binary = file.binary.as_ref().map_or(0, |binary| binary.len());
        (file.data.len() + file.stuffed.len() + binary) as u64
    });
    bytes.sum()
}
