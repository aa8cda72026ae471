//! Remarks on a run's validity: what is the matter, and what to do.

use std::fmt;

use crate::clock::Duration;
use crate::measure::extensions::ExtensionTally;
use crate::measure::known_limits::KnownLimit;
use crate::measure::outcome::Failure;
use crate::smtp::parameters::Extension;
use crate::stats::quantile::Quantile;
use crate::units::Microseconds;

/// A remark with advice. Prints as both.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The target was the built-in sink.
    EmbeddedTarget,
    /// The target has an address of this machine.
    SameMachine,
    /// The program was built without optimisation.
    DebugBuild,
    /// Any certificate was taken.
    CertificatesNotVerified,
    /// A failure for which a remedy is known.
    FailureAdvice {
        /// What it was.
        failure: Failure,
    },
    /// A worker had no time left.
    WorkerAtCeiling {
        /// From 0.
        worker: usize,
        /// CPU time over wall time, 1 for a whole core.
        share: f64,
    },
    /// The rate is near what the generator reached on this machine at best.
    NearCeiling {
        /// Accepted messages a second, to all targets at once.
        rate: f64,
        /// What the self-test measured.
        ceiling: f64,
        /// How many targets that are.
        targets: usize,
    },
    /// Connections stood after one second or several: what asked for them was not answered at first.
    ConnectionsRetried {
        /// How many.
        connections: u64,
        /// The target is on this machine, where no packet is lost on the way.
        local: bool,
    },
    /// A percentile is not printed.
    TooFewSamples {
        /// Name of the step.
        step: String,
        /// The percentile.
        quantile: Quantile,
        /// Samples there are.
        samples: u64,
    },
    /// A threshold on a percentile was judged although its samples are too few.
    ThresholdOnEstimate {
        /// As written.
        threshold: String,
        /// The percentile.
        quantile: Quantile,
        /// Samples there are.
        samples: u64,
    },
    /// Samples longer than a histogram holds.
    Overflow {
        /// How many, in the whole run.
        samples: u64,
    },
    /// The descriptor limit could not be raised to what the sessions need.
    DescriptorLimit {
        /// Needed.
        wanted: u64,
        /// Allowed.
        limit: u64,
    },
    /// No login was accepted, and there were some.
    EveryLoginFailed {
        /// How many, in the whole run.
        logins: u64,
    },
    /// The target took less than the schedule brought.
    TargetBehind {
        /// Arrivals that were due.
        due: u64,
        /// Those that were started.
        started: u64,
    },
    /// The generator was not in time.
    LateStarts,
    /// Replies show a limit of the server that is known.
    KnownLimit(KnownLimit),
    /// The run sent nothing that counts.
    NothingAttempted,
    /// The run had no clock, and came no nearer to its bound.
    GaveUp {
        /// For how long no message began.
        waited: Duration,
        /// Messages that were not started.
        left: u64,
    },
    /// Some of the sessions never came to a connection.
    FewerSessions {
        /// Connections that stood, in the whole run.
        opened: u64,
        /// Sessions that were to be open at once.
        asked: u64,
    },
    /// Messages that were to go out pipelined went command by command.
    NotPipelined {
        /// How many.
        messages: u64,
    },
    /// Messages went without an extension.
    NotOffered {
        /// What the server does not offer.
        extension: Extension,
        /// How many.
        messages: u64,
    },
    /// Messages were sent beyond what the server announces to take.
    BeyondServer {
        /// Which announcement.
        extension: Extension,
        /// How many.
        messages: u64,
    },
    /// The server's LIMITS (RFC 9422) were obeyed.
    LimitsObeyed {
        /// Sessions that ended at MAILMAX.
        sessions: u64,
        /// Recipients beyond RCPTMAX or RCPTDOMAINMAX.
        recipients: u64,
    },
}

impl Note {
    /// What there is to say of the extensions.
    pub(super) fn of_extensions(tally: &ExtensionTally) -> Vec<Self> {
        let mut notes = Vec::new();
        for extension in Extension::ALL {
            let messages = tally.without(extension);
            if messages > 0 {
                notes.push(Self::NotOffered { extension, messages });
            }
            let messages = tally.beyond(extension);
            if messages > 0 {
                notes.push(Self::BeyondServer { extension, messages });
            }
        }
        let messages = tally.not_pipelined;
        if messages > 0 {
            notes.push(Self::NotPipelined { messages });
        }
        let (sessions, recipients) = (tally.sessions_cut, tally.recipients_left_out);
        if sessions > 0 || recipients > 0 {
            notes.push(Self::LimitsObeyed { sessions, recipients });
        }
        notes
    }

    /// Its name in `run.json`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::EmbeddedTarget => "embedded_target",
            Self::SameMachine => "same_machine",
            Self::DebugBuild => "debug_build",
            Self::CertificatesNotVerified => "certificates_not_verified",
            Self::FailureAdvice { .. } => "failure_advice",
            Self::WorkerAtCeiling { .. } => "worker_at_ceiling",
            Self::NearCeiling { .. } => "near_ceiling",
            Self::ConnectionsRetried { .. } => "connections_retried",
            Self::TooFewSamples { .. } => "too_few_samples",
            Self::ThresholdOnEstimate { .. } => "threshold_on_estimate",
            Self::Overflow { .. } => "overflow",
            Self::DescriptorLimit { .. } => "descriptor_limit",
            Self::EveryLoginFailed { .. } => "every_login_failed",
            Self::TargetBehind { .. } => "target_behind",
            Self::LateStarts => "late_starts",
            Self::KnownLimit(limit) => limit.name(),
            Self::NothingAttempted => "nothing_attempted",
            Self::GaveUp { .. } => "gave_up",
            Self::FewerSessions { .. } => "fewer_sessions",
            Self::NotPipelined { .. } => "not_pipelined",
            Self::NotOffered { .. } => "not_offered",
            Self::BeyondServer { .. } => "beyond_server",
            Self::LimitsObeyed { .. } => "limits_obeyed",
        }
    }

    /// What is the matter: a lower-case fragment.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::EmbeddedTarget => {
                "the built-in sink was the target: this measures smtpbench on this machine"
                    .to_owned()
            }
            Self::SameMachine => {
                "target and generator share this machine, and so its processors".to_owned()
            }
            Self::DebugBuild => "this is a debug build, slower than smtpbench is".to_owned(),
            Self::CertificatesNotVerified => {
                "certificates were not verified: anyone could have been the server".to_owned()
            }
            Self::FailureAdvice { failure } => format!("there were failures: {}", failure.name()),
            Self::WorkerAtCeiling { worker, share } => format!(
                "the generator is at its ceiling: worker {worker} used {:.0} % of a core",
                share * 100.0
            ),
            Self::TooFewSamples { step, quantile, samples } => {
                format!("{samples} samples of {step} are too few for {quantile}")
            }
            Self::ThresholdOnEstimate { threshold, quantile, samples } => format!(
                "`{threshold}` was judged on {samples} samples, too few for an interval of {quantile}"
            ),
            Self::Overflow { samples } => format!(
                "{samples} samples over {} are counted, but not in the histograms",
                Microseconds::from_duration(super::histogram::VALUE_MAX)
            ),
            Self::DescriptorLimit { wanted, limit } => {
                format!("{wanted} file descriptors are needed, {limit} are allowed")
            }
            Self::EveryLoginFailed { logins } => {
                format!("every login failed: {logins} of {logins}")
            }
            Self::TargetBehind { due, started } => {
                format!("the target did not keep up: {started} of {due} arrivals were started")
            }
            Self::LateStarts => "this machine kept the generator from starting in time".to_owned(),
            Self::KnownLimit(limit) => limit.what().to_owned(),
            Self::NothingAttempted => "no message was attempted in the judged stage".to_owned(),
            Self::GaveUp { waited, left } => format!(
                "the run gave up: no session came to a message for {} s, and {left} messages were not started",
                waited.as_secs()
            ),
            Self::NearCeiling { rate, ceiling, targets } => {
                let percent = rate / ceiling * 100.0;
                let to = match targets {
                    1 => String::new(),
                    _ => format!(" to the {targets} targets together"),
                };
                format!(
                    "{rate:.0} messages a second{to} are {percent:.0} % of what this machine sends at best ({ceiling:.0}, by \
                     the self-test)"
                )
            }
            Self::ConnectionsRetried { connections, local } => format!(
                "{connections} connections stood only after one second or several, as the first packet was not \
                 answered: {}",
                match local {
                    true => "the target's listen queue is the limit",
                    false =>
                        "the target's listen queue is the limit, or packets are lost on the way",
                }
            ),
            Self::FewerSessions { opened, asked } => {
                format!(
                    "{asked} sessions were asked for, and {opened} connections were made in all"
                )
            }
            Self::NotPipelined { messages } => format!(
                "{messages} messages went command by command: the server does not offer PIPELINING"
            ),
            Self::NotOffered { extension, messages } => {
                let keyword = extension.keyword();
                format!(
                    "{messages} messages went without {keyword}, which the server does not offer"
                )
            }
            Self::BeyondServer { extension: Extension::Size, messages } => {
                format!(
                    "{messages} messages were larger than the server's SIZE, and sent all the same"
                )
            }
            Self::BeyondServer { messages, .. } => {
                format!("{messages} messages were to be held longer than the server holds any")
            }
            Self::LimitsObeyed { sessions, recipients } => format!(
                "the server's LIMITS were obeyed: {sessions} sessions ended at MAILMAX, {recipients} recipients \
                 beyond RCPTMAX or RCPTDOMAINMAX were not tried and count as abandoned"
            ),
        }
    }

    /// What to do about it: a lower-case fragment.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::EmbeddedTarget => "name a server with --target to measure that".to_owned(),
            Self::SameMachine => {
                "generate the load on another machine for absolute figures".to_owned()
            }
            Self::DebugBuild => "build with --release".to_owned(),
            Self::CertificatesNotVerified => {
                "name the certificates to trust with `ca` under [target]".to_owned()
            }
            Self::FailureAdvice { failure } => failure.hint().unwrap_or_default().to_owned(),
            Self::NearCeiling { .. } => {
                "the generator may be the limit: more or faster machines show whether the target has more"
                    .to_owned()
            }
            Self::ConnectionsRetried { .. } => {
                "have the server accept faster, raise its backlog and net.core.somaxconn, or open connections more slowly: \
                 connects_per_s under [load]"
                    .to_owned()
            }
            Self::WorkerAtCeiling { .. } => {
                "more workers, fewer sessions or smaller messages show whether the target has more"
                    .to_owned()
            }
            Self::TooFewSamples { quantile, .. } | Self::ThresholdOnEstimate { quantile, .. } => {
                format!("run on until there are {}", quantile.samples_needed())
            }
            Self::Overflow { .. } => "set a step limit below that under [timeouts]".to_owned(),
            Self::DescriptorLimit { .. } => {
                "raise the limit with `ulimit -n`, or ask for fewer sessions".to_owned()
            }
            Self::EveryLoginFailed { .. } => {
                "look at auth, user and password under [target], and at the replies to auth"
                    .to_owned()
            }
            Self::TargetBehind { .. } => {
                "a lower rate, or more max_sessions if it takes more at once; find-max looks for the rate".to_owned()
            }
            Self::LateStarts => {
                "run it where nothing else runs, at a lower rate, or with smaller bursts; pacing = \"spin\" helps where the target is elsewhere"
                    .to_owned()
            }
            Self::KnownLimit(limit) => limit.advice().to_owned(),
            Self::NothingAttempted => "failures and replies tell what happened instead".to_owned(),
            Self::GaveUp { .. } => {
                "failures and replies tell why; with `for` under [load] (--for) a run waits as long as that"
                    .to_owned()
            }
            Self::FewerSessions { .. } => {
                "look at the failures of connect: the target, or a limit on the way, takes no more"
                    .to_owned()
            }
            Self::NotPipelined { .. } => {
                "its figures are those of one command at a time; `pipeline … end` in a script sends in groups all the same"
                    .to_owned()
            }
            Self::NotOffered { extension: Extension::EightBitMime, .. } => {
                "a server without it may refuse or mend bytes above 127".to_owned()
            }
            Self::NotOffered { .. } => "take it out of [extensions]".to_owned(),
            Self::BeyondServer { extension: Extension::Size, .. } => {
                "send smaller ones, unless its refusals are what you measure".to_owned()
            }
            Self::BeyondServer { .. } => {
                "write a shorter hold_for or an earlier hold_until".to_owned()
            }
            Self::LimitsObeyed { recipients: 0, .. } => {
                "limits = false under [extensions] goes on in the same session".to_owned()
            }
            Self::LimitsObeyed { .. } => {
                "write a lower per_message under [recipients], or limits = false under [extensions]"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.advice())
    }
}

/// A note as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// [`Note::name`].
    pub name: String,
    /// [`Note::what`].
    pub what: String,
    /// [`Note::advice`].
    pub advice: String,
}

impl From<&Note> for Remark {
    fn from(note: &Note) -> Self {
        Self { name: note.name().to_owned(), what: note.what(), advice: note.advice() }
    }
}
