//! Remarks on a run's validity: what is the matter, and what to do.

use std::fmt;

use crate::measure::outcome::Failure;
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
    /// The run sent nothing that counts.
    NothingAttempted,
}

impl Note {
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
            Self::TooFewSamples { .. } => "too_few_samples",
            Self::ThresholdOnEstimate { .. } => "threshold_on_estimate",
            Self::Overflow { .. } => "overflow",
            Self::DescriptorLimit { .. } => "descriptor_limit",
            Self::EveryLoginFailed { .. } => "every_login_failed",
            Self::NothingAttempted => "nothing_attempted",
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
            Self::NothingAttempted => "no message was attempted in the judged stage".to_owned(),
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
            Self::NothingAttempted => "failures and replies tell what happened instead".to_owned(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.advice())
    }
}
