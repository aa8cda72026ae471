//! One worker: a thread with its own event loop, its own slots, its own recorder.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::SyncSender;

use tokio::task::LocalSet;

use crate::clock::{self, Duration, Instant};
use crate::engine::desk::{Desk, NumberSource, Numbers};
use crate::engine::dialogue::{Dialogue, rows_of};
use crate::engine::driver::{Bench, READ_BYTES, SessionRun, Timer};
use crate::measure::layout::Layout;
use crate::measure::recorder::{Recorder, Snapshot};
use crate::net::timers::Timers;
use crate::net::tls::TlsClient;
use crate::plan::Plan;
use crate::schedule;

/// How often a worker looks at its interval, at the end of its stage and at the user.
const TICK: Duration = Duration::from_millis(20);
/// After the end of the run, how long sessions without a message under way may take to say QUIT.
const FAREWELL: Duration = Duration::from_secs(2);

/// How far the run has come, as the user or the clock says.
#[derive(Debug, Default)]
pub struct Control(AtomicU8);

const DRAIN: u8 = 1;
const CUT: u8 = 2;

impl Control {
    /// Starts nothing more; what is under way may end.
    pub fn drain(&self) {
        self.0.fetch_max(DRAIN, Ordering::Relaxed);
    }

    /// Ends everything now.
    pub fn cut(&self) {
        self.0.fetch_max(CUT, Ordering::Relaxed);
    }

    fn drains(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= DRAIN
    }

    fn cuts(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= CUT
    }
}

/// What a worker is given.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// From 0.
    pub index: usize,
    pub plan: Arc<Plan>,
    pub layout: Arc<Layout>,
    pub numbers: Arc<NumberSource>,
    pub control: Arc<Control>,
    /// Start of the run, the same for all.
    pub started: Instant,
    /// Where snapshots go.
    pub snapshots: SyncSender<Snapshot>,
}

/// What a worker says at its end.
#[derive(Clone, Debug)]
pub struct WorkerReport {
    /// Processor time over time, from 0 to 1.
    pub cpu: f64,
    /// Numbers that it was leased and did not use.
    pub unused: Vec<u64>,
    /// When its last message ended.
    pub last_ended: Option<Instant>,
    /// When it stopped starting transactions, other than for want of work.
    pub drained_since: Option<Instant>,
}

/// Runs a worker to the end of its sessions.
///
/// # Errors
/// When its event loop cannot be made.
pub fn run(assignment: Assignment) -> std::io::Result<WorkerReport> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work(assignment))
}

/// Processor time of this thread over time, since its load began.
fn cpu_share(began: Instant) -> f64 {
    let wall = clock::now().saturating_duration_since(began).as_secs_f64();
    if wall > 0.0 { clock::thread_cpu().as_secs_f64() / wall } else { 0.0 }
}

/// A place for one session at a time; which one is in it is seen here when the run is cut.
type Slot = Rc<RefCell<Dialogue>>;

async fn work(assignment: Assignment) -> std::io::Result<WorkerReport> {
    let began = clock::now();
    let Assignment { index, plan, layout, numbers, started, .. } = &assignment;
    let recorder = Recorder::new(Arc::clone(layout), *index, *started, plan.interval);
    let bench = Rc::new(Bench {
        plan: Arc::clone(plan),
        desk: RefCell::new(Desk::new(*started, recorder, Numbers::new(Arc::clone(numbers)))),
        read_buffer: RefCell::new(vec![0; READ_BYTES]),
        timers: Timers::new()?,
        tls: TlsClient::new(&plan.targets[0].security, &plan.targets[0].url)
            .map_err(std::io::Error::other)?,
        draining: tokio::sync::Notify::new(),
    });
    let timers = Rc::clone(&bench);
    tokio::task::spawn_local(async move { timers.timers.run().await });
    let sessions = plan.scenario.sessions_max();
    let mut slots = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for slot in (*index as u64..sessions).step_by(plan.workers) {
        let rows = rows_of(plan, slot, slot);
        let dialogue = Rc::new(RefCell::new(Dialogue::new(plan, slot, rows, *started)));
        slots.push(Rc::clone(&dialogue));
        let bench = Rc::clone(&bench);
        tasks.spawn_local(keep_slot(
            bench,
            dialogue,
            SlotNumbers { slot, next: slot, step: sessions },
        ));
    }
    let watched = watch(&assignment, &bench, &slots, &mut tasks, began).await;
    let now = clock::now();
    let mut desk = bench.desk.borrow_mut();
    for slot in &slots {
        slot.borrow_mut().cut(plan, &mut desk, now, watched.late);
    }
    let last = desk.recorder.finish(now);
    for snapshot in desk.snapshots.drain(..).chain([last]) {
        // The collector is gone only when the run is being torn down.
        let _ = assignment.snapshots.send(snapshot);
    }
    Ok(WorkerReport {
        cpu: watched.cpu,
        unused: desk.numbers.unused(),
        last_ended: desk.last_ended,
        drained_since: watched.drained_since,
    })
}

/// How the load of a worker ended.
struct Watched {
    cpu: f64,
    drained_since: Option<Instant>,
    /// At the drain limit.
    late: bool,
}

/// Session numbers of one slot: no two slots share one.
struct SlotNumbers {
    slot: u64,
    next: u64,
    step: u64,
}

/// Keeps one session open, again and again.
async fn keep_slot(bench: Rc<Bench>, slot: Slot, mut numbers: SlotNumbers) {
    let mut timer = Timer::default();
    let mut fruitless = 0;
    loop {
        {
            let mut desk = bench.desk.borrow_mut();
            let warmup = desk.warms_up(&bench.plan, clock::now());
            if desk.draining || !desk.numbers.any_left(warmup) {
                return;
            }
        }
        let plan = &bench.plan;
        let number = numbers.next;
        numbers.next += numbers.step;
        let rows = rows_of(plan, numbers.slot, number);
        *slot.borrow_mut() = Dialogue::new(plan, number, rows, clock::now());
        let target = &plan.targets[0];
        // Slots begin with different addresses and go round, each in its own turn.
        let turn = numbers.slot + number / numbers.step.max(1);
        let turn = usize::try_from(turn).unwrap_or(0);
        let mut session =
            SessionRun { bench: &bench, dialogue: &slot, timer: &mut timer, transcript: None };
        session.run(target, turn).await;
        fruitless = if slot.borrow().was_fruitful() { 0 } else { fruitless + 1 };
        let wait = schedule::restart_wait(fruitless);
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = bench.draining.notified() => {}
            }
        } else {
            // Others get their turn also where a peer answers at once, every time.
            tokio::task::yield_now().await;
        }
    }
}

/// Ends intervals and stages in time, and the run when the clock, the user or the work says so.
async fn watch(
    assignment: &Assignment,
    bench: &Bench,
    slots: &[Slot],
    tasks: &mut tokio::task::JoinSet<()>,
    began: Instant,
) -> Watched {
    let Assignment { plan, control, started, snapshots, .. } = assignment;
    let end = plan.stages.last().and_then(|stage| stage.end).map(|end| *started + end);
    let mut drained_since: Option<Instant> = None;
    let mut idle_since: Option<Instant> = None;
    // The share of the load's own time: a long drain would hide a worker that had none left.
    let mut cpu = None;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => {
                    let cpu = cpu.unwrap_or_else(|| cpu_share(began));
                    return Watched { cpu, drained_since, late: false };
                }
                Some(Ok(())) => continue,
                // A bug of ours: the worker is lost, and the run says so.
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => continue,
                },
            },
            _ = tick.tick() => {}
        }
        let now = clock::now();
        let finished = {
            let mut desk = bench.desk.borrow_mut();
            desk.end_interval(now);
            std::mem::take(&mut desk.snapshots)
        };
        for snapshot in finished {
            let _ = snapshots.send(snapshot);
        }
        if drained_since.is_none() && (control.drains() || end.is_some_and(|end| now >= end)) {
            drained_since = Some(now);
            cpu = Some(cpu_share(began));
            bench.desk.borrow_mut().draining = true;
            bench.draining.notify_waiters();
        }
        let Some(since) = drained_since else { continue };
        let late = now.saturating_duration_since(since) >= plan.scenario.loads[0].drain;
        if slots.iter().any(|slot| slot.borrow().has_message()) {
            idle_since = None;
        } else {
            idle_since.get_or_insert(now);
        }
        let farewell_over =
            idle_since.is_some_and(|idle| now.saturating_duration_since(idle) >= FAREWELL);
        if control.cuts() || late || farewell_over {
            let cpu = cpu.unwrap_or_else(|| cpu_share(began));
            return Watched { cpu, drained_since, late: late && !control.cuts() };
        }
    }
}
