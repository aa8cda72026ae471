//! `limits.json`: what this machine's generator can do at best, as the self-test measured it against the built-in sink.

use serde::{Deserialize, Serialize};

use crate::stats::binomial::as_f64;

/// Goes up with every change of the file's format.
const SCHEMA_VERSION: u32 = 1;

/// The generator's own limits on a machine. The sink was on the same machine, so they are what it reaches at least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorLimits {
    pub schema_version: u32,
    pub tool: String,
    pub version: String,
    pub build_profile: String,
    /// When, UTC.
    pub measured: String,
    pub host: LimitsHost,
    /// The least that a step takes: one session, one command at a time.
    pub floor: Vec<FloorStep>,
    /// The most that goes out.
    pub ceiling: Ceiling,
}

/// The machine that they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsHost {
    pub name: String,
    pub os: String,
    pub kernel: String,
    pub cpu_count: usize,
}

/// Service times of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorStep {
    pub step: String,
    pub count: u64,
    pub us_p50: u64,
    pub us_p99: u64,
}

/// Accepted messages a second under a closed load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    pub message_bytes: u64,
    pub one_worker_messages_per_s: f64,
    /// All of them.
    pub workers: usize,
    pub all_workers_messages_per_s: f64,
}

impl Ceiling {
    /// What so many workers reach: on a straight line from one to all of them.
    #[must_use]
    pub fn of(&self, workers: usize) -> f64 {
        let count = |workers: usize| as_f64(u64::try_from(workers).unwrap_or(u64::MAX));
        let (one, all) = (self.one_worker_messages_per_s, self.all_workers_messages_per_s);
        if workers <= 1 || self.workers <= 1 {
            return one;
        }
        let way = (count(workers) - 1.0) / (count(self.workers) - 1.0);
        one + (all - one) * way.min(1.0)
    }
}

impl GeneratorLimits {
    /// Those of this build.
    #[must_use]
    pub fn new(
        host: LimitsHost,
        measured: jiff::Timestamp,
        floor: Vec<FloorStep>,
        ceiling: Ceiling,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: "smtpbench".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build_profile: build_profile().to_owned(),
            measured: measured.to_string(),
            host,
            floor,
            ceiling,
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Ceiling { one_worker_messages_per_s, all_workers_messages_per_s, .. } = read.ceiling;
        let good = |rate: f64| rate.is_finite() && rate > 0.0;
        if !good(one_worker_messages_per_s) || !good(all_workers_messages_per_s) {
            return Err("a ceiling that is no rate".to_owned());
        }
        Ok(read)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .expect("the limits have string keys, and memory takes every byte");
        bytes.push(b'\n');
        bytes
    }

    /// Whether they are of this build, format and machine: those of another say nothing here.
    #[must_use]
    pub fn hold_for(&self, host: &LimitsHost) -> bool {
        self.schema_version == SCHEMA_VERSION
            && self.version == env!("CARGO_PKG_VERSION")
            && self.build_profile == build_profile()
            && self.host == *host
    }

    /// Lines for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let Ceiling { message_bytes, one_worker_messages_per_s: one, workers, .. } = self.ceiling;
        let all = self.ceiling.all_workers_messages_per_s;
        let mut text =
            String::from("floor        a step of one session against the built-in sink:\n");
        for FloorStep { step, us_p50, us_p99, .. } in &self.floor {
            let (p50, p99) =
                (crate::units::Microseconds(*us_p50), crate::units::Microseconds(*us_p99));
            text.push_str(&format!("             {step:5} p50 {p50}, p99 {p99}\n"));
        }
        let size = crate::units::ByteSize(message_bytes);
        text.push_str(&format!(
            "ceiling      messages of {size} a second: {one:.0} with one worker, {all:.0} with {workers}\n"
        ));
        text
    }
}

/// How the program was built.
#[must_use]
pub fn build_profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> GeneratorLimits {
        let host = LimitsHost { name: "bench".into(), cpu_count: 4, ..LimitsHost::default() };
        let floor = vec![FloorStep { step: "noop".into(), count: 9, us_p50: 20, us_p99: 40 }];
        let ceiling = Ceiling {
            message_bytes: 1024,
            one_worker_messages_per_s: 1000.0,
            workers: 4,
            all_workers_messages_per_s: 2500.0,
        };
        GeneratorLimits::new(host, jiff::Timestamp::UNIX_EPOCH, floor, ceiling)
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(GeneratorLimits::read(&limits().bytes()), Ok(limits()));
        assert!(GeneratorLimits::read(b"{}").is_err());
        assert!(GeneratorLimits::read(b"\xff").is_err());
        let mut none = limits();
        none.ceiling.one_worker_messages_per_s = 0.0;
        assert!(GeneratorLimits::read(&none.bytes()).is_err());
    }

    #[test]
    fn those_of_another_machine_or_build_do_not_hold() {
        let (limits, host) = (limits(), limits().host);
        assert!(limits.hold_for(&host));
        assert!(!limits.hold_for(&LimitsHost { name: "other".into(), ..host.clone() }));
        assert!(!limits.hold_for(&LimitsHost { cpu_count: 8, ..host.clone() }));
        let older = GeneratorLimits { version: "0.0.1".into(), ..limits.clone() };
        assert!(!older.hold_for(&host));
        let other = GeneratorLimits { build_profile: "other".into(), ..limits };
        assert!(!other.hold_for(&host));
    }

    #[test]
    fn the_ceiling_lies_between_one_worker_and_all() {
        let ceiling = limits().ceiling;
        let of = |workers| ceiling.of(workers).round();
        assert_eq!([of(0), of(1), of(2), of(4), of(9)], [1000.0, 1000.0, 1500.0, 2500.0, 2500.0]);
    }
}
