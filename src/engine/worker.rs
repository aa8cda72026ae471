//! One worker: a thread with its own event loop, its own slots, its own recorder.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll, Waker};

use tokio::runtime::LocalOptions;
use tokio::task::JoinSet;

use crate::clock::{self, Duration, Instant};
use crate::engine::desk::{Desk, NumberSource};
use crate::engine::driver::{Bench, READ_BYTES};
use crate::engine::pool::{self, Seat};
use crate::engine::slots::Slot;
use crate::measure::layout::Layout;
use crate::measure::recorder::{Recorder, Snapshot};
use crate::net::ring::Ring;
use crate::net::timers::{TimerKey, Timers};
use crate::net::tls::TlsClient;
use crate::plan::Plan;
use crate::scenario::driver::Driver;

/// How often a worker looks at its interval, at the end of its stage and at the user.
const TICK: Duration = Duration::from_millis(20);
/// After the end of the run, how long sessions without a message under way may take to say QUIT.
const FAREWELL: Duration = Duration::from_secs(2);

/// How far the run has come, as the user or the clock says.
#[derive(Debug, Default)]
pub struct Control {
    way: AtomicU8,
    /// When the warm-up ends, in nanoseconds from the start of the run; 0 until that is decided.
    warmup_end: AtomicU64,
}

const DRAIN: u8 = 1;
const CUT: u8 = 2;

impl Control {
    /// Starts nothing more; what is under way may end.
    pub fn drain(&self) {
        self.way.fetch_max(DRAIN, Ordering::Relaxed);
    }

    /// Ends everything now.
    pub fn cut(&self) {
        self.way.fetch_max(CUT, Ordering::Relaxed);
    }

    /// Ends the warm-up so long after the start of the run. Every worker has to hear of it before then, so it lies
    /// some ticks ahead.
    pub fn end_warmup(&self, offset: Duration) {
        let nanos = u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX);
        self.warmup_end.store(nanos, Ordering::Relaxed);
    }

    fn warmup_end(&self) -> Option<Duration> {
        let nanos = self.warmup_end.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    fn drains(&self) -> bool {
        self.way.load(Ordering::Relaxed) >= DRAIN
    }

    fn cuts(&self) -> bool {
        self.way.load(Ordering::Relaxed) >= CUT
    }
}

/// What a worker tells: which target of the run it was for, and what it measured.
pub type Told = (usize, Snapshot);

/// What a worker is given.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// From 0.
    pub index: usize,
    pub plan: Arc<Plan>,
    pub layout: Arc<Layout>,
    /// Message numbers, a source for each load.
    pub numbers: Vec<Arc<NumberSource>>,
    pub control: Arc<Control>,
    /// Start of the run, the same for all.
    pub started: Instant,
    /// Where snapshots go.
    pub snapshots: SyncSender<Told>,
}

/// What a worker says at its end.
#[derive(Clone, Debug)]
pub struct WorkerReport {
    /// Processor time over time, from 0 to 1.
    pub cpu: f64,
    /// Its TCP went through a ring.
    pub ring: bool,
    /// Messages of each load that it was leased and did not use.
    pub unused: Vec<Vec<u64>>,
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    runtime.block_on(work(assignment))
}

/// Processor time of this thread over time, since its load began.
fn cpu_share(began: Instant) -> f64 {
    let wall = clock::now().saturating_duration_since(began).as_secs_f64();
    if wall > 0.0 { clock::thread_cpu().as_secs_f64() / wall } else { 0.0 }
}

/// What a worker runs.
struct Work<'a> {
    assignment: &'a Assignment,
    bench: Rc<Bench>,
    slots: Vec<Slot>,
    /// How many of them each load has.
    made: Vec<usize>,
    tasks: JoinSet<()>,
    began: Instant,
    /// When each load began to drain.
    drained_since: Vec<Option<Instant>>,
    /// The end of the warm-up that the run decided on was heard of.
    rebased: bool,
}

async fn work(assignment: Assignment) -> std::io::Result<WorkerReport> {
    let began = clock::now();
    let Assignment { index, plan, layout, numbers, started, .. } = &assignment;
    let recorder = Recorder::new(Arc::clone(layout), *index, *started, plan.interval);
    let bench = Rc::new(Bench {
        plan: Arc::clone(plan),
        desk: RefCell::new(Desk::new(plan, *index, *started, recorder, numbers)),
        read_buffer: RefCell::new(vec![0; READ_BYTES]),
        timers: Timers::new()?,
        tls: TlsClient::new(&plan.targets[0].security, &plan.targets[0].url)
            .map_err(std::io::Error::other)?,
        ring: ring(plan)?,
        draining: plan.loads.iter().map(|_| tokio::sync::Notify::new()).collect(),
    });
    if let Some(ring) = bench.ring.clone() {
        tokio::task::spawn_local(ring.run());
    }
    let timers = Rc::clone(&bench);
    tokio::task::spawn_local(async move { timers.timers.run().await });
    let mut work = Work {
        assignment: &assignment,
        drained_since: vec![None; plan.loads.len()],
        bench: Rc::clone(&bench),
        slots: Vec::new(),
        made: vec![0; plan.loads.len()],
        tasks: JoinSet::new(),
        began,
        rebased: false,
    };
    work.open_closed_loads();
    let watched = work.watch().await;
    let now = clock::now();
    let mut desk = bench.desk.borrow_mut();
    for slot in &work.slots {
        slot.dialogue.borrow_mut().cut(plan, &mut desk, now, watched.late);
    }
    for (load, _) in (0..).zip(&plan.loads) {
        desk.drain(plan, load, now);
        let Desk { loads, recorder, .. } = &mut *desk;
        let Some(pool) = &mut loads[usize::from(load)].pool else { continue };
        for slot in work.slots.iter().filter(|slot| slot.load == load) {
            if let Some(pool::Work::Arrival(start)) =
                slot.seat.as_ref().and_then(|seat| seat.take())
            {
                pool.give_back(start);
            }
        }
        pool.finish(plan, recorder);
    }
    let last = desk.recorder.finish(now);
    for snapshot in desk.snapshots.drain(..).chain([last]) {
        // The collector is gone only when the run is being torn down.
        let _ = assignment.snapshots.send((plan.side, snapshot));
    }
    Ok(WorkerReport {
        cpu: watched.cpu,
        ring: bench.ring.is_some(),
        unused: desk.loads.iter().map(|load| load.numbers.unused()).collect(),
        last_ended: desk.last_ended,
        drained_since: work.drained_since.iter().flatten().min().copied(),
    })
}

/// The ring that the plan wants; none where there is none to be had and the user did not insist.
fn ring(plan: &Plan) -> std::io::Result<Option<Ring>> {
    match plan.wants_ring().then(Ring::new).transpose() {
        Err(_) if plan.scenario.driver == Driver::Auto => Ok(None),
        made => made,
    }
}

/// Waits until `begin`, or until `load` drains.
async fn wait_for(bench: &Bench, load: u8, begin: Instant) {
    tokio::select! {
        () = bench.timers.sleep_until(begin) => {}
        () = bench.draining[usize::from(load)].notified() => {}
    }
}

/// How the load of a worker ended.
struct Watched {
    cpu: f64,
    /// Its time was over; else its work was done, or the user cut it.
    late: bool,
}

impl Work<'_> {
    /// Fills the slots of every closed load, at its begin.
    fn open_closed_loads(&mut self) {
        let Assignment { index, plan, started, .. } = self.assignment;
        for (load, resolved) in (0..).zip(&plan.loads) {
            if resolved.timetable.is_some() {
                continue;
            }
            let begin = *started + plan.stages[resolved.stages.start].start;
            for number in resolved.slots.clone().skip(*index).step_by(plan.workers) {
                let slot = Slot::new(&self.bench, load, number);
                self.slots.push(slot.clone());
                let bench = Rc::clone(&self.bench);
                self.tasks.spawn_local(async move {
                    if begin > clock::now() {
                        Box::pin(wait_for(&bench, load, begin)).await;
                    }
                    slot.keep_open(bench).await;
                });
            }
        }
    }

    /// Makes the slots that the pools of open loads ask for.
    fn make_slots(&mut self) {
        let Assignment { index, plan, .. } = self.assignment;
        for (load, resolved) in (0..).zip(&plan.loads) {
            let work = {
                let mut desk = self.bench.desk.borrow_mut();
                let Some(pool) = &mut desk.loads[usize::from(load)].pool else { continue };
                pool.take_new()
            };
            for work in work {
                let made = &mut self.made[usize::from(load)];
                let number = resolved.slots.start + (*index + *made * plan.workers) as u64;
                *made += 1;
                // On its seat, and not in its task: a run may be cut before that is first polled.
                let seat = Rc::<Seat>::default();
                seat.give(work);
                let slot = Slot { seat: Some(seat), ..Slot::new(&self.bench, load, number) };
                self.slots.push(slot.clone());
                self.tasks.spawn_local(slot.serve(Rc::clone(&self.bench)));
            }
        }
    }

    /// Starts what is due; ends intervals and stages in time, and the run when the clock, the user or the work says
    /// so.
    async fn watch(&mut self) -> Watched {
        let Assignment { plan, snapshots, .. } = self.assignment;
        let bench = Rc::clone(&self.bench);
        let mut idle_since: Option<Instant> = None;
        // The share of the load's own time: a long drain would hide a worker that had none left.
        let mut cpu = None;
        let mut alarm = Alarm::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.make_slots();
            let (due, open) = {
                let mut desk = bench.desk.borrow_mut();
                (desk.next_due(), desk.expects_arrivals())
            };
            let due = [due, self.warmup_end()].into_iter().flatten().min();
            tokio::select! {
                ended = self.tasks.join_next(), if !self.tasks.is_empty() || !open => match ended {
                    None => {
                        let cpu = cpu.unwrap_or_else(|| cpu_share(self.began));
                        return Watched { cpu, late: false };
                    }
                    Some(Ok(())) => continue,
                    // A bug of ours: the worker is lost, and the run says so.
                    Some(Err(error)) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => continue,
                    },
                },
                () = alarm.wait(&bench, due) => {
                    let now = clock::now();
                    self.end_warmup(now);
                    let mut desk = bench.desk.borrow_mut();
                    // What is due now may belong to the next interval.
                    desk.end_interval(plan, now);
                    desk.advance(plan, now);
                    continue;
                }
                _ = tick.tick() => {}
            }
            let now = clock::now();
            let finished = {
                let mut desk = bench.desk.borrow_mut();
                desk.end_interval(plan, now);
                std::mem::take(&mut desk.snapshots)
            };
            for snapshot in finished {
                let _ = snapshots.send((plan.side, snapshot));
            }
            self.end_warmup(now);
            self.end_loads(now);
            if !self.all_draining() {
                continue;
            }
            cpu.get_or_insert_with(|| cpu_share(self.began));
            let late = self.is_late(now);
            if self.slots.iter().any(|slot| slot.dialogue.borrow().has_message()) {
                idle_since = None;
            } else {
                idle_since.get_or_insert(now);
            }
            let farewell_over =
                idle_since.is_some_and(|idle| now.saturating_duration_since(idle) >= FAREWELL);
            let cuts = self.assignment.control.cuts();
            if cuts || late || farewell_over {
                let cpu = cpu.unwrap_or_else(|| cpu_share(self.began));
                return Watched { cpu, late: !cuts };
            }
        }
    }

    /// Ends the warm-up where the run has decided when.
    fn end_warmup(&mut self, now: Instant) {
        if let Some(end) = self.warmup_end().filter(|end| now >= *end) {
            self.rebased = true;
            let offset = end.saturating_duration_since(self.assignment.started);
            self.bench.desk.borrow_mut().end_warmup(&self.assignment.plan, 0, offset);
        }
    }

    /// When the warm-up is to end, where the run has decided that and it has not ended yet.
    fn warmup_end(&self) -> Option<Instant> {
        let Assignment { control, started, .. } = self.assignment;
        control.warmup_end().filter(|_| !self.rebased).map(|offset| *started + offset)
    }

    /// Drains the loads whose last stage is over, and all of them when the user says so.
    fn end_loads(&mut self, now: Instant) {
        let Assignment { plan, control, .. } = self.assignment;
        for (load, since) in (0..).zip(&mut self.drained_since) {
            let mut desk = self.bench.desk.borrow_mut();
            if control.drains() {
                desk.drain(plan, load, now);
            }
            desk.end_load(plan, load, now);
            if desk.is_draining(load) && since.is_none() {
                *since = Some(now);
                self.bench.draining[usize::from(load)].notify_waiters();
            }
        }
    }

    fn all_draining(&self) -> bool {
        self.drained_since.iter().all(Option::is_some)
    }

    /// Whether every load has drained as long as it may.
    fn is_late(&self, now: Instant) -> bool {
        let loads = &self.assignment.plan.scenario.loads;
        loads.iter().zip(&self.drained_since).all(|(load, since)| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= load.drain)
        })
    }
}

/// The wait for the next arrival: one timer, however often the wait begins anew.
#[derive(Debug, Default)]
struct Alarm {
    set: Option<(TimerKey, Waker)>,
}

impl Alarm {
    /// Waits until `due`, for ever without one.
    async fn wait(&mut self, bench: &Bench, due: Option<Instant>) {
        let Some(due) = due else { return std::future::pending().await };
        if bench.plan.spins() {
            while clock::now() < due {
                tokio::task::yield_now().await;
            }
            return;
        }
        poll_fn(|cx| self.poll(&bench.timers, due, cx)).await;
    }

    fn poll(&mut self, timers: &Timers, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let is_over = clock::now() >= due;
        let stays = |(key, waker): &(TimerKey, Waker)| {
            !is_over && key.deadline() == due && waker.will_wake(cx.waker())
        };
        if !self.set.as_ref().is_some_and(stays) {
            if let Some((key, _)) = self.set.take() {
                timers.remove(key);
            }
            if !is_over {
                let waker = cx.waker().clone();
                self.set = Some((timers.insert(due, waker.clone()), waker));
            }
        }
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_an_arrival_is_waited_for_it_has_one_timer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (timers, mut alarm) = (Timers::new().unwrap(), Alarm::default());
            let mut context = Context::from_waker(Waker::noop());
            let far = clock::now() + Duration::from_secs(3600);
            for _ in 0..3 {
                assert!(alarm.poll(&timers, far, &mut context).is_pending());
                assert_eq!(timers.pending(), 1);
            }
            // Another arrival is next now: the old timer goes.
            let nearer = far - Duration::from_secs(60);
            assert!(alarm.poll(&timers, nearer, &mut context).is_pending());
            assert_eq!(timers.pending(), 1);
            assert!(alarm.poll(&timers, clock::now(), &mut context).is_ready());
            assert_eq!(timers.pending(), 0);
        });
    }
}
