//! The program beside the yardstick and beside smtp-source, in turn, on the same core against the same server.

use std::path::Path;
use std::process::Command;

use crate::children::{Cost, Outcome, Server, myself, on_path, run, smtpbench};
use crate::program::Bench;

/// What is sent, by whomever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mail {
    pub(crate) sessions: u64,
    pub(crate) messages: u64,
    pub(crate) size: usize,
    /// A session a message; else sessions are kept open.
    pub(crate) reconnect: bool,
}

impl Mail {
    /// Round trips of all of it: MAIL, RCPT, DATA and body a message, and greeting, EHLO and QUIT a session.
    pub(crate) fn round_trips(self) -> f64 {
        let sessions = if self.reconnect { self.messages } else { self.sessions };
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let trips = (4 * self.messages + 3 * sessions) as f64;
        trips
    }
}

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generator {
    /// The program, with the driver that it chooses.
    Smtpbench,
    /// With this driver.
    With(&'static str),
    /// The yardstick.
    Bare,
    /// The yardstick with twice the work.
    Slow,
    /// Postfix's.
    SmtpSource,
}

impl Generator {
    /// Whether it is on this machine.
    pub(crate) fn is_here(self) -> bool {
        self != Self::SmtpSource || on_path("smtp-source").is_some()
    }

    /// The command that sends `mail` to `server`; results, if there are any, go to `out`.
    pub(crate) fn command(self, mail: Mail, server: &Server, out: &Path) -> Outcome<Command> {
        let Mail { sessions, messages, size, reconnect } = mail;
        let (sessions, messages, size) =
            (sessions.to_string(), messages.to_string(), size.to_string());
        Ok(match self {
            Self::Smtpbench | Self::With(_) => {
                let target = format!("smtp://{}", server.address);
                let mut command = smtpbench(&["run", "--quiet", "--target", &target]);
                command.args(["--sessions", &sessions, "--messages", &messages, "--size", &size]);
                command.args(reconnect.then_some("--messages-per-session=1"));
                if let Self::With(driver) = self {
                    command.args(["--driver", driver]);
                }
                command.arg("--out").arg(out);
                command
            }
            Self::Bare | Self::Slow => {
                let per_session = if reconnect { "1" } else { "all" }.to_owned();
                let (target, slow) = (server.address.to_string(), (self == Self::Slow).to_string());
                myself("bare", &[target, sessions, messages, size, per_session, slow])?
            }
            Self::SmtpSource => {
                let mut command = Command::new("smtp-source");
                command.args((!reconnect).then_some("-d"));
                command.args(["-s", &sessions, "-m", &messages, "-l", &size]);
                command.arg(server.address.to_string());
                command
            }
        })
    }
}

/// What each of `generators` costs to send `mail` to `server`, round by round, each in turn. The first round warms up and is not
/// counted.
pub(crate) fn compare(
    bench: &Bench,
    mail: Mail,
    server: &Server,
    generators: &[Generator],
) -> Outcome<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::new(); generators.len()];
    let warmup = usize::from(!bench.tiny);
    for round in 0..bench.rounds + warmup {
        for (generator, costs) in generators.iter().zip(&mut costs) {
            let mut command = generator.command(mail, server, &bench.out()?)?;
            let (cost, _) = run(Some(bench.core), &mut command)?;
            if round >= warmup {
                costs.push(cost);
            }
        }
    }
    Ok(costs)
}

/// The figures of two, divided round by round.
pub(crate) fn ratios(over: &[f64], under: &[f64]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over / under).collect()
}

/// Processor time of each round in microseconds.
pub(crate) fn cpu_us(costs: &[Cost]) -> Vec<f64> {
    costs.iter().map(|cost| cost.cpu.as_secs_f64() * 1e6).collect()
}
