//! The resolved run: what will happen, and the only input of the engine.

pub mod loads;
pub mod outlook;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::message::render::RunIdentity;
use crate::message::seed::{Purpose, choice, uniform};
use crate::scenario::driver::Driver;
use crate::scenario::fault::Faults;
use crate::scenario::load::Pacing;
use crate::scenario::login::Login;
use crate::scenario::security::{Security, TlsUse};
use crate::scenario::target::TargetUrl;
use crate::scenario::threshold::{DEFAULT_STOP_RULES, StopRule, parse_stop_rule};
use crate::scenario::{Bound, Load, Scenario, TargetSpec, Warmup};
use crate::schedule::blocks::Turns;
use crate::schedule::{Stage, rebase};
use crate::smtp::Protocol;
pub use loads::LoadPlan;

/// Shortest interval of the time series.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// A run has about this many intervals at most.
const INTERVALS: u32 = 600;

/// Everything the engine needs. Made once, never changed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the user asked for, flags put in.
    pub scenario: Scenario,
    /// Where it goes: exactly one. A run against several has a plan for each of them.
    pub targets: Vec<Target>,
    /// Which target of the run it is, from 0.
    pub side: usize,
    /// Whose turn it is, where several targets take turns; without it, it is always this one's.
    pub turns: Option<Turns>,
    /// What the run is called in the mail it sends and in `run.json`, and what fixes every random choice.
    pub identity: RunIdentity,
    /// Threads with an event loop of their own, from 1.
    pub workers: usize,
    /// What is measured under which name: the stages of all loads, load after load.
    pub stages: Vec<Stage>,
    /// The loads of the scenario, in its order.
    pub loads: Vec<LoadPlan>,
    /// Length of one interval of the time series.
    pub interval: Duration,
}

/// A target with its addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name in result files: `target` where the scenario gives none.
    pub name: String,
    /// As written.
    pub url: TargetUrl,
    /// TLS to it.
    pub security: Security,
    /// How sessions log in there; `None` where it has no user.
    pub login: Option<Login>,
    /// Messages a second that may start there at most.
    pub max_rate: Option<f64>,
    /// Where connections go, by preference; at least one.
    pub addresses: Vec<Destination>,
}

/// One of a target's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Where a connection goes.
    pub address: Address,
    /// The MX host whose address it is; `None` where the URL itself names the host.
    pub host: Option<String>,
    /// That host's preference: the lowest comes first, and equal ones take turns (RFC 5321 section 5.1).
    pub preference: u16,
}

impl From<Address> for Destination {
    fn from(address: Address) -> Self {
        Self { address, host: None, preference: 0 }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host} ({})", self.address),
            None => self.address.fmt(f),
        }
    }
}

impl Target {
    /// One whose addresses are not known.
    #[must_use]
    pub fn nowhere(spec: &TargetSpec) -> Self {
        let TargetSpec { name, url, security, login, max_rate, .. } = spec.clone();
        Self { name, url, security, login, max_rate, addresses: Vec::new() }
    }

    /// The addresses as connection number `turn` tries them: by preference, and among equal ones each first in its
    /// turn. Each is an index, with how often that address was first before.
    pub fn attempts(&self, turn: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut behind = 0;
        self.addresses.chunk_by(|a, b| a.preference == b.preference).flat_map(move |equal| {
            let (start, count) = (behind, equal.len());
            behind += count;
            (turn..turn + count).map(move |turn| (start + turn % count, turn / count))
        })
    }

    /// Puts MX hosts of equal preference in a random order, so that several clients spread their load (RFC 5321
    /// section 5.1).
    fn shuffle(&mut self, seed: u64) {
        let mut number = 0;
        for equal in self.addresses.chunk_by_mut(|a, b| a.preference == b.preference) {
            if equal[0].host.is_none() {
                continue;
            }
            for last in (1..equal.len()).rev() {
                let rng = choice(seed, Purpose::Address, number, 0);
                number += 1;
                let drawn = usize::try_from(uniform(0..=last as u64, rng)).unwrap_or(last);
                equal.swap(last, drawn);
            }
        }
    }
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A UNIX socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether it cannot leave this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Plan {
    /// Resolves `scenario` against `target`.
    #[must_use]
    pub fn new(
        scenario: Scenario,
        mut target: Target,
        identity: RunIdentity,
        cores: usize,
    ) -> Self {
        target.shuffle(identity.seed);
        let sessions = usize::try_from(scenario.sessions_max()).unwrap_or(usize::MAX);
        let plan = Self {
            workers: cores.clamp(1, sessions.max(1)),
            interval: INTERVAL_MIN,
            stages: Vec::new(),
            loads: Vec::new(),
            side: 0,
            turns: None,
            targets: vec![target],
            identity,
            scenario,
        };
        let mut plan = plan.resolved();
        plan.interval = plan.usual_interval();
        plan
    }

    /// The same as target number `side` of a run against several; they take turns where `turns` says so.
    #[must_use]
    pub fn beside(self, side: usize, turns: Option<Turns>) -> Self {
        let mut plan = Self { side, turns, ..self }.resolved();
        plan.interval = plan.usual_interval();
        plan
    }

    /// Loads and stages as the scenario has them, on the clock of the run.
    fn resolved(mut self) -> Self {
        (self.loads, self.stages) = loads::resolve(&self.scenario);
        if let Some(rate) = self.targets.first().and_then(|target| target.max_rate) {
            // None of them knows of the others.
            #[expect(clippy::cast_precision_loss, reason = "a scenario has few loads")]
            let each = rate / self.loads.len().max(1) as f64;
            self.loads.iter_mut().for_each(|load| load.cap_at(each));
        }
        let Some(turns) = &self.turns else { return self };
        for load in &self.loads {
            for index in load.stages.clone() {
                let is_last = index + 1 == load.stages.end;
                let stage = &mut self.stages[index];
                stage.start = turns.wall(stage.start);
                stage.end = stage.end.map(|end| match is_last {
                    true => turns.wall_end(end),
                    false => turns.wall(end),
                });
            }
        }
        self
    }

    fn usual_interval(&self) -> Duration {
        let length = self.stages.iter().filter_map(|stage| stage.end).max().unwrap_or_default();
        let usual = interval(length).min(self.watch_interval());
        match self.turns.as_ref().map(Turns::block) {
            // An interval may not hold the blocks of two targets.
            Some(block) if block.as_nanos() % usual.as_nanos() != 0 => INTERVAL_MIN,
            Some(block) => usual.min(block),
            None => usual,
        }
    }

    /// How much of the time from `from` to `to`, on the clock of the run, was this target's.
    #[must_use]
    pub fn own_time(&self, from: Duration, to: Duration) -> Duration {
        match &self.turns {
            None => to.saturating_sub(from),
            Some(turns) => turns.active(to).saturating_sub(turns.active(from)),
        }
    }

    /// The rules of the safety stop: those that the user wrote; otherwise none where nothing leaves this machine, and
    /// the default ones elsewhere.
    #[must_use]
    pub fn stop_rules(&self) -> Vec<StopRule> {
        let default = DEFAULT_STOP_RULES.iter();
        let default =
            default.filter_map(|text| parse_stop_rule(text, None, &mut Faults::default()));
        match &self.scenario.stop_on {
            Some(rules) => rules.clone(),
            None if self.stays_here() => Vec::new(),
            None => default.collect(),
        }
    }

    /// The same run under other loads.
    #[must_use]
    pub fn under(mut self, loads: Vec<Load>) -> Self {
        self.scenario.loads = loads;
        self.resolved()
    }

    /// The same run cut down to one session of its first script, with so many messages: neither warmed up nor ended by
    /// the clock.
    #[must_use]
    pub fn single(&self, messages: u64) -> Self {
        let mut plan = self.clone();
        plan.workers = 1;
        plan.turns = None;
        plan.scenario.scripts.truncate(1);
        let bound = Some(Bound::Messages(messages));
        plan.under(vec![Load { bound, ..Load::closed(1, None, 1) }])
    }

    /// The longest interval in which the windows of rules slide by a tenth of their length at most.
    #[must_use]
    pub fn watch_interval(&self) -> Duration {
        let thresholds = self.scenario.thresholds.iter();
        let windows = thresholds.filter_map(|threshold| Some(threshold.sustained?.over));
        let windows = windows.chain(self.stop_rules().into_iter().map(|rule| rule.over));
        let tenth = windows.min().map_or(u64::MAX, |shortest| (shortest / 10).as_secs());
        Duration::from_secs(tenth).max(INTERVAL_MIN)
    }

    /// What the target speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.targets.first().map_or(Protocol::Smtp, |target| target.url.protocol())
    }

    /// When sessions go over to TLS.
    #[must_use]
    pub fn tls_use(&self) -> TlsUse {
        self.targets.first().map_or(TlsUse::None, |target| target.security.tls_use(&target.url))
    }

    /// Whether what is sent to the target cannot leave this machine.
    #[must_use]
    pub fn stays_here(&self) -> bool {
        let local = |target: &Target| {
            !target.addresses.is_empty()
                && target.addresses.iter().all(|one| one.address.is_local())
        };
        self.targets.first().is_some_and(local)
    }

    /// The local address that connection number `turn` to `address` comes from, where the scenario names any.
    #[must_use]
    pub fn source(&self, address: &Address, turn: usize) -> Option<IpAddr> {
        let Address::Tcp(address) = address else { return None };
        let fits = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
        let sources = &self.scenario.sources;
        let count = sources.iter().filter(fits).count();
        sources.iter().filter(fits).nth(turn.checked_rem(count)?).copied()
    }

    /// The stages, with the warm-up ended at `warmup_end` where the run decided on that.
    #[must_use]
    pub fn timeline(&self, warmup_end: Option<Duration>) -> Vec<Stage> {
        let mut stages = self.stages.clone();
        if let (Some(end), [load]) = (warmup_end, self.loads.as_slice()) {
            rebase(&mut stages[load.stages.clone()], end);
        }
        stages
    }

    /// Indices of the stages that summary and thresholds read; at least one.
    #[must_use]
    pub fn judged_stages(&self) -> Vec<u8> {
        let judged = (0..=u8::MAX).zip(&self.stages).filter(|(_, stage)| stage.judged);
        judged.map(|(index, _)| index).collect()
    }

    /// Whether the warm-up lasts until figures are steady.
    #[must_use]
    pub fn warms_up_until_steady(&self) -> bool {
        self.scenario.loads.iter().any(|load| load.warmup == Warmup::Steady)
    }

    /// How long transactions under way may take to end, of the load that gives them most.
    #[must_use]
    pub fn drain(&self) -> Duration {
        self.scenario.loads.iter().map(|load| load.drain).max().unwrap_or(Load::DRAIN)
    }

    /// Whether arrivals are waited for by asking the clock.
    #[must_use]
    pub fn spins(&self) -> bool {
        let open = self.scenario.loads.iter().filter_map(Load::open);
        open.map(|open| open.pacing).any(|pacing| pacing == Pacing::Spin)
    }

    /// Whether TCP is to go through a ring, where there is one. By itself that takes sessions enough to share a system
    /// call: below, it spares no processor time and adds some microseconds to every reply.
    #[must_use]
    pub fn wants_ring(&self) -> bool {
        const SESSIONS_A_WORKER: u64 = 8;
        match self.scenario.driver {
            Driver::Epoll => false,
            Driver::IoUring => true,
            Driver::Auto => {
                let sessions: u64 = self.scenario.loads.iter().map(Load::sessions_expected).sum();
                sessions / self.workers.max(1) as u64 >= SESSIONS_A_WORKER
            }
        }
    }

    /// Whether a schedule drives any load.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.loads.iter().any(|load| load.timetable.is_some())
    }

    /// How many messages the run sends at most, where every load has a bound.
    #[must_use]
    pub fn messages(&self) -> Option<u64> {
        self.loads.iter().map(|load| load.messages).sum()
    }

    /// How many file descriptors the sessions need, with what the process needs besides. Those of an open load are
    /// reckoned at ten seconds each: `max_sessions` is a limit, and seldom reached.
    #[must_use]
    pub fn descriptors(&self, embedded: bool) -> u64 {
        const BESIDES: u64 = 64;
        let sessions: u64 = self.scenario.loads.iter().map(Load::sessions_expected).sum();
        BESIDES + self.workers as u64 * 8 + if embedded { 2 * sessions } else { sessions }
    }
}

/// Whole seconds, so that rows of the time series line up with the clock on the wall.
fn interval(length: Duration) -> Duration {
    let seconds = (length / INTERVALS).as_secs_f64().ceil();
    Duration::try_from_secs_f64(seconds).unwrap_or(INTERVAL_MIN).max(INTERVAL_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target of MX hosts with these preferences; the ports say which is which.
    fn target(preferences: &[u16]) -> Target {
        let host = |(port, preference): (u16, &u16)| Destination {
            address: Address::Tcp(([127, 0, 0, 1], port).into()),
            host: Some(format!("mx{port}.test")),
            preference: *preference,
        };
        Target {
            name: "target".into(),
            url: TargetUrl::Embedded,
            security: Security::default(),
            login: None,
            max_rate: None,
            addresses: (0..).zip(preferences).map(host).collect(),
        }
    }

    #[test]
    fn addresses_are_tried_by_preference_and_equal_ones_take_turns() {
        let target = target(&[5, 5, 10, 20, 20, 20]);
        let order = |turn| target.attempts(turn).map(|(index, _)| index).collect::<Vec<_>>();
        assert_eq!(order(0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(order(1), [1, 0, 2, 4, 5, 3]);
        assert_eq!(order(8), [0, 1, 2, 5, 3, 4]);
        // What takes turns over source addresses: how often this address was first.
        assert_eq!(target.attempts(7).collect::<Vec<_>>()[0], (1, 3));
    }

    #[test]
    fn equal_hosts_are_shuffled_by_the_seed_and_others_stay() {
        let shuffled = |seed| {
            let mut target = target(&[5, 10, 10, 10, 10, 10, 20]);
            target.shuffle(seed);
            target.addresses
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert!((2..9).any(|seed| shuffled(seed) != shuffled(1)));
        for seed in 0..9 {
            let addresses = shuffled(seed);
            assert!(addresses.is_sorted_by_key(|one| one.preference), "{addresses:?}");
            let mut sorted = addresses.clone();
            sorted.sort_by_key(|one| one.host.clone());
            assert_eq!(sorted, target(&[5, 10, 10, 10, 10, 10, 20]).addresses);
        }
    }

    #[test]
    fn intervals_are_whole_seconds_and_about_600() {
        let check = |seconds, want| {
            assert_eq!(
                interval(Duration::from_secs(seconds)),
                Duration::from_secs(want),
                "{seconds}"
            );
        };
        check(0, 1);
        check(10, 1);
        check(600, 1);
        check(601, 2);
        check(36_000, 60);
    }

    #[test]
    fn local_addresses_cannot_leave_the_machine() {
        let local = |text: &str| Address::Tcp(text.parse().unwrap()).is_local();
        assert!(local("127.0.0.1:25"));
        assert!(local("127.9.9.9:25"));
        assert!(local("[::1]:25"));
        assert!(local("[::ffff:127.0.0.1]:25"));
        assert!(!local("10.0.0.1:25"));
        assert!(!local("0.0.0.0:25"));
        assert!(!local("[fe80::1]:25"));
    }
}
