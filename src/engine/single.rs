//! One session that counts for nothing: `once`, and the preflight before a run.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use crate::clock::{self, Duration, Instant};
use crate::engine::desk::{Desk, NumberSource};
use crate::engine::dialogue::{Dialogue, rows_of};
use crate::engine::driver::{Bench, READ_BYTES, SessionRun, Timer};
use crate::engine::transcript::Transcript;
use crate::measure::layout::Layout;
use crate::measure::outcome::{Failure, Outcome};
use crate::measure::recorder::Recorder;
use crate::net::timers::Timers;
use crate::net::tls::TlsClient;
use crate::plan::Plan;

/// What came of it.
#[derive(Debug)]
pub struct Single {
    /// Who said what.
    pub transcript: Transcript,
    /// A connection stood.
    pub connected: bool,
    /// Why there was no usable reply, where that ended the session.
    pub failure: Option<Failure>,
    /// A reply was a 4yz that its step did not expect.
    pub deferred: bool,
    /// A TLS handshake was begun and did not come to its end.
    pub stuck_in_handshake: bool,
    /// EHLO or HELO was accepted.
    pub welcomed: bool,
    /// The server knows neither EHLO, or LHLO, nor HELO.
    pub hello_unknown: bool,
    /// The server took what XCLIENT says of the client.
    pub introduced: bool,
    /// A login was refused or failed.
    pub failed_to_log_in: bool,
    /// The script ran to its end, and no reply was worse than a deferral.
    pub passed: bool,
}

impl Single {
    /// Every reply was what its step expects.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.passed && !self.deferred
    }
}

/// How often a target that does not greet is tried again.
pub const RETRY_WAIT: Duration = Duration::from_millis(200);

/// Runs one session of the plan's first script. `messages` bounds its transactions; `listener` is told of each line of the
/// transcript as it comes; `None` where `cancelled` came first.
///
/// # Errors
/// When no event loop can be made.
pub fn run(
    plan: &Plan,
    messages: u64,
    listener: Option<SyncSender<String>>,
    cancelled: impl Future<Output = ()>,
) -> std::io::Result<Option<Single>> {
    let plan = Arc::new(plan.single(messages));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            single = session(&plan, listener) => single.map(Some),
            () = cancelled => Ok(None),
        }
    })
}

async fn session(
    plan: &Arc<Plan>,
    listener: Option<SyncSender<String>>,
) -> std::io::Result<Single> {
    let started: Instant = clock::now();
    let layout = Arc::new(Layout::new(plan));
    // One interval that never ends: everything is in the one snapshot.
    let recorder = Recorder::new(layout, 0, started, Duration::from_secs(24 * 3600));
    let bench = Bench {
        plan: Arc::clone(plan),
        desk: RefCell::new(Desk::new(plan, 0, started, recorder, &NumberSource::of_loads(plan))),
        read_buffer: RefCell::new(vec![0; READ_BYTES]),
        timers: Timers::new()?,
        tls: TlsClient::new(&plan.targets[0].security, &plan.targets[0].url)
            .map_err(std::io::Error::other)?,
        ring: None,
        draining: vec![tokio::sync::Notify::new()],
    };
    let dialogue = RefCell::new(Dialogue::new(plan, 0, 0, rows_of(plan, 0, 0), started));
    let transcript = RefCell::new(Transcript::new(started, listener));
    let mut timer = Timer::default();
    let mut run = SessionRun {
        bench: &bench,
        dialogue: &dialogue,
        timer: &mut timer,
        seat: None,
        transcript: Some(&transcript),
    };
    tokio::select! {
        () = run.run(&plan.targets[0], 0) => {}
        failed = bench.timers.run() => failed?,
    }
    let dialogue = dialogue.into_inner();
    Ok(Single {
        transcript: transcript.into_inner(),
        connected: dialogue.was_connected(),
        failure: dialogue.failure(),
        stuck_in_handshake: dialogue.is_in_handshake(),
        welcomed: dialogue.was_welcomed(),
        hello_unknown: dialogue.met_unknown_hello(),
        introduced: dialogue.was_introduced(),
        deferred: dialogue.saw(Outcome::Deferred),
        failed_to_log_in: dialogue.failed_to_log_in(),
        passed: dialogue.outcome() == Outcome::Accepted
            && !dialogue.saw(Outcome::Rejected)
            && !dialogue.saw(Outcome::Unexpected),
    })
}
