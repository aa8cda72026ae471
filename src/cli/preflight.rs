//! One session before the load: a wrong address or a refused sender ends the run here, with its transcript, and not
//! in a thousand failures.

use std::thread;

use super::exit::{Exit, Stop};
use super::interrupt::Interrupts;
use super::say;
use crate::clock::{self, Duration};
use crate::engine::single::{self, Single};
use crate::measure::outcome::{Failure, Fault};
use crate::plan::Plan;
use crate::scenario::script::Script;
use crate::scenario::via::Carrier;
use crate::smtp::Protocol;

/// What the preflight learned of the target.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    /// The greeting's text.
    pub(super) greeting: Option<String>,
    /// The lines of the EHLO reply behind the first.
    pub(super) capabilities: Vec<String>,
    /// A 4yz came; the run went on.
    pub(super) deferred: bool,
}

/// Tries the target's greeting until it comes or `patience` is over.
///
/// # Errors
/// [`Exit::Unreachable`] when it never came.
pub(super) fn wait(
    plan: &Plan,
    patience: Option<Duration>,
    interrupts: &Interrupts,
) -> Result<(), Stop> {
    let Some(patience) = patience else { return Ok(()) };
    let began = clock::now();
    let mut said = false;
    loop {
        let left = patience.saturating_sub(clock::now().saturating_duration_since(began));
        if greeting(plan, left, interrupts)?.is_some() {
            return Ok(());
        }
        if left.is_zero() {
            let url = &plan.targets[0].url;
            let waited = crate::units::format_duration(patience);
            return Err(Stop::new(
                Exit::Unreachable,
                format!("{url} did not greet within {waited}"),
            ));
        }
        if !said {
            say(&format!("waiting for {} …", plan.targets[0].url));
            said = true;
        }
        thread::sleep(single::RETRY_WAIT.min(left));
    }
}

/// The target's greeting, if it comes in time.
///
/// # Errors
/// When the user has had enough.
pub(super) fn greeting(
    plan: &Plan,
    limit: Duration,
    interrupts: &Interrupts,
) -> Result<Option<String>, Stop> {
    let mut plan = with_script(plan, Script::greeting());
    plan.scenario.timeouts.step = limit.max(Duration::from_millis(100));
    plan.scenario.timeouts.by_step.clear();
    let single = run(&plan, interrupts)?;
    Ok(single.transcript.greeting().filter(|_| single.succeeded()))
}

/// Goes through EHLO, the first MAIL and the first RCPT, then RSET and QUIT.
///
/// # Errors
/// [`Exit::Unreachable`] with the transcript, when the target cannot be reached or refuses for good.
pub(super) fn preflight(plan: &Plan, interrupts: &Interrupts) -> Result<Learned, Stop> {
    let scripts = &plan.scenario.scripts;
    let script = scripts.iter().find(|script| script.has_transaction()).unwrap_or(&scripts[0]);
    let single = run(&with_script(plan, script.preflight()), interrupts)?;
    let learned = Learned {
        greeting: single.transcript.greeting(),
        capabilities: single.transcript.capabilities(),
        deferred: single.deferred,
    };
    if single.passed {
        return Ok(learned);
    }
    let url = &plan.targets[0].url;
    let own = single.failure.is_some_and(|failure| failure.fault() == Fault::Generator);
    let (what, hint) = if let Some((failure, hint)) = single.failure.and_then(advice) {
        (format!("{} with {url}: nothing was measured", failure.name()), hint)
    } else if single.stuck_in_handshake && !own {
        (
            format!("the TLS handshake with {url} did not come to its end: nothing was measured"),
            "the server's log says why; a port that begins in clear text is smtp:// with tls = \"starttls\", and `tls` \
             under [timeouts] says how long a handshake may take",
        )
    } else if let Some(hint) = other_protocol(plan, &single) {
        (format!("{url} refused the preflight: nothing was measured"), hint)
    } else if single.failed_to_log_in && !own {
        (
            format!("no login at {url}: nothing was measured"),
            "look at auth, user and password under [target] (--auth, --user, --password-file), and at what it offers",
        )
    } else if own && single.connected {
        (
            "the preflight failed on this side: nothing was measured".to_owned(),
            "mend what the transcript shows",
        )
    } else if single.connected {
        (format!("{url} refused the preflight: nothing was measured"), hint(plan, &single))
    } else {
        (
            format!("{url} cannot be reached: nothing was measured"),
            "start the server, or wait for it: --wait 30s",
        )
    };
    Err(Stop::rendered(
        Exit::Unreachable,
        format!("{}\nerror: {what}\n  hint: {hint}", single.transcript.render().trim_end()),
    ))
}

/// What to do about a target that was reached and did not do what the preflight wants.
fn hint(plan: &Plan, single: &Single) -> &'static str {
    let carrier = plan.scenario.via.as_ref().map(|via| via.carrier);
    match (carrier, single.transcript.greeting()) {
        (None | Some(Carrier::Xclient), None) => {
            "nothing greeted: a server with TLS from the first byte is smtps://, and one that expects a PROXY header \
             is met by via = \"proxy\" under [client]"
        }
        (Some(Carrier::Proxy(_)), None) => {
            "nothing greeted behind the PROXY header: does the server expect PROXY, and of this version \
             (via = \"proxy\" or \"proxy-v1\")?"
        }
        (Some(Carrier::Proxy(_)), Some(_)) if !single.welcomed => {
            "does the server expect PROXY? One that does not takes the header for commands: take `via` out"
        }
        (Some(Carrier::Xclient), Some(_)) if !single.introduced => {
            "the server has to offer XCLIENT to this machine, as Postfix does by smtpd_authorized_xclient_hosts, \
             and take what [client] says: or take `via` out"
        }
        _ => "mend what it refuses, or leave the preflight out: preflight = false, --no-preflight",
    }
}

fn with_script(plan: &Plan, script: Script) -> Plan {
    let mut plan = plan.clone();
    plan.scenario.scripts = vec![script];
    plan.targets.iter_mut().for_each(|target| target.security.share = 1.0);
    plan
}

fn run(plan: &Plan, interrupts: &Interrupts) -> Result<Single, Stop> {
    single::run(plan, 1, None, interrupts.first())
        .map_err(|error| Stop::new(Exit::Bug, format!("no event loop: {error}")))?
        .ok_or_else(|| {
            let exit = interrupts.heard().unwrap_or(Exit::Interrupted);
            Stop::new(exit, "interrupted before the load: nothing was measured")
        })
}

/// What helps against a failure, where that is known.
fn advice(failure: Failure) -> Option<(Failure, &'static str)> {
    failure.hint().map(|hint| (failure, hint))
}

/// What helps where the server speaks another protocol than the URL says: its greeting names it, or it knows none of our
/// greetings.
fn other_protocol(plan: &Plan, single: &Single) -> Option<&'static str> {
    let greeting = single.transcript.greeting()?;
    let says = |name: &str| greeting.split_ascii_whitespace().any(|word| word == name);
    // A server that expects a PROXY header refuses whatever comes first.
    let unknown = single.hello_unknown && plan.scenario.via.is_none();
    match plan.protocol() {
        Protocol::Smtp if says("LMTP") => {
            Some("the server says that it speaks LMTP: write an lmtp:// URL")
        }
        Protocol::Smtp if unknown => Some(
            "the server knows neither EHLO nor HELO: is it an LMTP server? Then write an lmtp:// URL",
        ),
        Protocol::Lmtp if says("ESMTP") || says("SMTP") => {
            Some("the server says that it speaks SMTP: write an smtp:// URL")
        }
        Protocol::Lmtp if unknown => {
            Some("the server does not know LHLO: is it an SMTP server? Then write an smtp:// URL")
        }
        _ => None,
    }
}
