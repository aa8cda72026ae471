//! The client side: one current-thread event loop a core, nothing shared on the path of a step.
//!
//! The engine measures and never prints. It takes a [`Plan`], sends [`Snapshot`]s while it runs, and says at its end
//! what only it knows.

pub mod desk;
pub mod dialogue;
pub mod driver;
pub mod hidden;
pub mod pool;
pub mod single;
pub mod slots;
pub mod transcript;
pub mod upload;
pub mod worker;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use crate::clock::Instant;
use crate::measure::layout::Layout;
use crate::measure::validity::BoundEnd;
use crate::plan::Plan;
use desk::NumberSource;
use worker::{Assignment, Control, Told, WorkerReport};

/// What the engine knows at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Processor time over time of each worker that came to its end.
    pub worker_cpu: Vec<f64>,
    /// How many of those did their TCP through a ring.
    pub rings: usize,
    /// Workers that panicked or never started.
    pub workers_lost: Vec<String>,
    /// When the last message ended.
    pub last_ended: Option<Instant>,
    /// When the first worker stopped starting transactions, other than for want of work.
    pub drained_since: Option<Instant>,
    /// What was left of each load that a number of messages bounds.
    pub bounds: Vec<BoundEnd>,
}

/// A run under way.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    numbers: Vec<Arc<NumberSource>>,
    threads: Vec<(usize, thread::JoinHandle<std::io::Result<WorkerReport>>)>,
    lost: Vec<String>,
}

impl Engine {
    /// Starts the workers of `plan`; they send their snapshots to `snapshots`, the last ones when they end.
    #[must_use]
    pub fn start(
        plan: &Arc<Plan>,
        layout: &Arc<Layout>,
        control: &Arc<Control>,
        started: Instant,
        snapshots: &SyncSender<Told>,
    ) -> Self {
        let numbers = NumberSource::of_loads(plan);
        let (mut threads, mut lost) = (Vec::new(), Vec::new());
        for index in 0..plan.workers {
            let assignment = Assignment {
                index,
                plan: Arc::clone(plan),
                layout: Arc::clone(layout),
                numbers: numbers.clone(),
                control: Arc::clone(control),
                started,
                snapshots: snapshots.clone(),
            };
            let name = format!("worker-{}-{index}", plan.side);
            match thread::Builder::new().name(name).spawn(move || worker::run(assignment)) {
                Ok(thread) => threads.push((index, thread)),
                Err(error) => lost.push(format!("worker {index} did not start: {error}")),
            }
        }
        Self { plan: Arc::clone(plan), numbers, threads, lost }
    }

    /// Waits for the workers.
    #[must_use]
    pub fn finish(mut self) -> Ending {
        let mut ending =
            Ending { workers_lost: std::mem::take(&mut self.lost), ..Ending::default() };
        let mut unstarted = vec![Vec::new(); self.plan.loads.len()];
        for (index, thread) in std::mem::take(&mut self.threads) {
            match thread.join() {
                Ok(Ok(report)) => {
                    ending.worker_cpu.push(report.cpu);
                    ending.rings += usize::from(report.ring);
                    ending.last_ended = ending.last_ended.max(report.last_ended);
                    ending.drained_since =
                        [ending.drained_since, report.drained_since].into_iter().flatten().min();
                    for (all, unused) in unstarted.iter_mut().zip(report.unused) {
                        all.extend(unused);
                    }
                }
                Ok(Err(error)) => ending.workers_lost.push(format!("worker {index}: {error}")),
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                    let text = text.unwrap_or("panicked");
                    ending.workers_lost.push(format!("worker {index}: {text}"));
                }
            }
        }
        for (load, unused) in unstarted.into_iter().enumerate() {
            ending.bounds.extend(self.bound_end(load, unused));
        }
        ending
    }
    /// What was left of a closed load with a bound: an open one counts its own.
    fn bound_end(&self, load: usize, unused: Vec<u64>) -> Option<BoundEnd> {
        let resolved = &self.plan.loads[load];
        let planned = resolved.messages.filter(|_| resolved.timetable.is_none())?;
        let scenario = &self.plan.scenario;
        let scripts = scenario.loads[load].scripts.iter();
        let mut scripts = scripts.map(|script| &scenario.scripts[usize::from(*script)]);
        let script = scripts.find(|script| script.has_transaction());
        let source = &self.numbers[load];
        let mut end = BoundEnd {
            stage: u8::try_from(resolved.stages.end - 1).unwrap_or(u8::MAX),
            planned,
            messages_not_started: 0,
            recipients_not_started: 0,
        };
        for message in unused.into_iter().chain(source.untaken()) {
            let number = source.number_of(message);
            let each = scenario.mail.recipients_of(&self.plan.identity, number);
            end.messages_not_started += 1;
            end.recipients_not_started +=
                script.map_or(0, |script| u64::from(script.recipients(each)));
        }
        Some(end)
    }
}
