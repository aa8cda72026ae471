//! What a plan comes to, for a person, and its arrivals as CSV.

use std::fmt::Write as _;
use std::io;

use super::load::{facts, words};
use super::text::{cut, decimal, grouped};
use crate::measure::footprint::Footprint;
use crate::plan::Plan;
use crate::plan::outlook::{Count, Outlook, StageOutlook};
use crate::report::escape::cell;
use crate::units::{ByteSize, format_duration};

/// Columns of the words at the left.
const LABEL: usize = 13;
const ARRIVALS: [&str; 6] = ["load", "stage", "index", "offset_us", "first_message", "messages"];

/// What the machine allows; `None` where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Open files of this process.
    pub descriptors: Option<u64>,
    /// Ports that the system gives to connections by itself, for one local address.
    pub ports: Option<u64>,
    /// Memory that is free for use, in bytes.
    pub memory: Option<u64>,
}

/// The dry run in words. `descriptors` is how many open files are wanted.
#[must_use]
pub fn render(plan: &Plan, outlook: &Outlook, descriptors: u64, machine: &Machine) -> String {
    let url = plan.targets.first().map_or_else(String::new, |target| target.url.to_string());
    let mut out = format!("{} against {url} (a dry run: nothing is sent)\n", plan.scenario.name);
    for load in facts(plan) {
        let _ = writeln!(out, "{}", words(&load));
    }
    let _ = writeln!(out, "seed {}\n", plan.identity.seed);
    stages(&mut out, plan, outlook);
    let footprint = Footprint::of(plan);
    for (label, text) in [
        ("messages", messages(outlook)),
        ("mail data", mail_data(outlook)),
        ("ends", ends(plan)),
        ("sessions", sessions(plan, outlook)),
        ("descriptors", against(descriptors, machine.descriptors, "allowed")),
        ("local ports", ports(outlook, machine)),
        ("memory", memory(&footprint)),
    ] {
        let _ = writeln!(out, "{label:LABEL$}{text}");
    }
    for (index, text) in beyond(outlook, descriptors, &footprint, machine).iter().enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        let _ = writeln!(out, "{gap}{:LABEL$}{text}", "limit");
    }
    out
}

/// What plans of several targets come to together.
#[must_use]
pub fn together(plans: &[Plan], sessions: u64, descriptors: u64, machine: &Machine) -> String {
    let turns = plans.iter().find_map(|plan| plan.turns.as_ref());
    let how = match turns {
        Some(turns) => format!("take turns in blocks of {}", format_duration(turns.block())),
        None => "at the same time".to_owned(),
    };
    let mut out = format!("{:LABEL$}{} targets, {how}\n", "together", plans.len());
    let most = format!("{} open at once at most", grouped(sessions));
    for (label, text) in
        [("sessions", most), ("descriptors", against(descriptors, machine.descriptors, "allowed"))]
    {
        let _ = writeln!(out, "{label:LABEL$}{text}");
    }
    if let Some(allowed) = machine.descriptors.filter(|allowed| descriptors > *allowed) {
        let text = format!(
            "{} open files are wanted and {} allowed: raise it with ulimit -n",
            grouped(descriptors),
            grouped(allowed)
        );
        let _ = writeln!(out, "\n{:LABEL$}{text}", "limit");
    }
    out
}

fn stages(out: &mut String, plan: &Plan, outlook: &Outlook) {
    let _ = writeln!(
        out,
        "{:20}{:>9}{:>9}{:>23}{:>18}{:>18}",
        "stage", "start", "length", "rate a second", "arrivals", "messages"
    );
    for one in &outlook.stages {
        let stage = &plan.stages[one.stage];
        let length = stage.end.map_or("-".to_owned(), |end| format_duration(end - stage.start));
        let rate = match one.rate {
            Some((_, from, to)) if stage.ramp => format!("{} to {}", decimal(from), decimal(to)),
            Some((unit, rate, _)) => format!("{} {unit}", decimal(rate)),
            None => "-".to_owned(),
        };
        let _ = writeln!(
            out,
            "{:20}{:>9}{length:>9}{rate:>23}{:>18}{:>18}",
            cut(&stage.name, 19),
            start_of(stage.start),
            one.arrivals.map_or("-".to_owned(), count),
            stage_messages(one),
        );
    }
    out.push('\n');
}

/// `0s` also where nothing has no unit.
fn start_of(start: std::time::Duration) -> String {
    if start.is_zero() { "0s".to_owned() } else { format_duration(start) }
}

fn stage_messages(one: &StageOutlook) -> String {
    let at_most = if one.at_most && one.messages != Count::AsTaken { "at most " } else { "" };
    format!("{at_most}{}", count(one.messages))
}

fn count(count: Count) -> String {
    match count {
        Count::Exactly(count) => grouped(count),
        Count::About(count) => format!("about {}", decimal(count.round())),
        Count::AsTaken => "as taken".to_owned(),
    }
}

fn messages(outlook: &Outlook) -> String {
    match outlook.messages {
        Count::AsTaken => "as many as the server takes: a closed load waits for it".to_owned(),
        all if all == outlook.judged_messages => count(all),
        all => format!("{}, {} of them judged", count(all), count(outlook.judged_messages)),
    }
}

fn mail_data(outlook: &Outlook) -> String {
    let Some(each) = outlook.message_bytes else { return "none: no script sends any".to_owned() };
    let each_words = format!("{} a message on average", size(each));
    let all = outlook
        .messages
        .value()
        .map(|messages| format!("about {} in all, ", size(messages * each)));
    let rate = outlook.bytes_per_s.map(|rate| format!(", {} a second at most", size(rate)));
    format!("{}{each_words}{}", all.unwrap_or_default(), rate.unwrap_or_default())
}

fn size(bytes: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and the cast saturates"
    )]
    let bytes = bytes.round() as u64;
    ByteSize(bytes).to_string()
}

fn ends(plan: &Plan) -> String {
    let ends: Option<Vec<_>> = plan.stages.iter().map(|stage| stage.end).collect();
    let drain = format_duration(plan.drain());
    match ends.and_then(|ends| ends.into_iter().max()) {
        Some(end) => format!(
            "after {} at the latest; what is under way then has {drain}",
            format_duration(end)
        ),
        None => format!("with the last message; what is under way then has {drain}"),
    }
}

fn sessions(plan: &Plan, outlook: &Outlook) -> String {
    let connections = &outlook.connections;
    let workers = match plan.workers {
        1 => "1 worker".to_owned(),
        workers => format!("{workers} workers"),
    };
    let begun = match connections.per_s {
        Some(rate) if rate > 0.0 => format!(", {} begun in a second at most", decimal(rate)),
        Some(_) => ", kept open".to_owned(),
        None => ", replaced as fast as the server lets them end".to_owned(),
    };
    format!("{} open at once at most{begun}; {workers}", grouped(connections.open))
}

fn against(wanted: u64, allowed: Option<u64>, what: &str) -> String {
    let allowed = match allowed {
        None => String::new(),
        Some(u64::MAX) => format!(", any number {what}"),
        Some(allowed) => format!(", {} {what}", grouped(allowed)),
    };
    format!("{} wanted{allowed}", grouped(wanted))
}

fn ports(outlook: &Outlook, machine: &Machine) -> String {
    let Some(wanted) = outlook.connections.ports else {
        return "none: a UNIX socket has no ports".to_owned();
    };
    let more = match outlook.connections.per_s {
        None => ", and one for each session that ends within a minute",
        Some(_) => "",
    };
    let sources = match outlook.connections.sources {
        1 => "for one local address".to_owned(),
        sources => format!("for each of {} local addresses", grouped(sources)),
    };
    format!("{} {sources}{more}", against(wanted, machine.ports, "there"))
}

fn memory(footprint: &Footprint) -> String {
    let Footprint { program, sessions, session, bodies, histograms } = *footprint;
    let size = |bytes| ByteSize(bytes).to_string();
    format!(
        "about {}: sessions {} ({} each), histograms {}, message files {}, program {}",
        size(footprint.sum()),
        size(sessions),
        size(session),
        size(histograms),
        size(bodies),
        size(program),
    )
}

/// What this machine does not allow, each with advice.
fn beyond(
    outlook: &Outlook,
    descriptors: u64,
    footprint: &Footprint,
    machine: &Machine,
) -> Vec<String> {
    let mut lines = Vec::new();
    if machine.descriptors.is_some_and(|allowed| descriptors > allowed) {
        lines.push(format!(
            "more open files are wanted than allowed, so some sessions will fail: raise the limit with `ulimit -n \
             {descriptors}`, or lower the sessions"
        ));
    }
    if let (Some(wanted), Some(there)) = (outlook.connections.ports, machine.ports)
        && wanted > there
    {
        let sources = wanted.saturating_mul(outlook.connections.sources).div_ceil(there.max(1));
        lines.push(format!(
            "more local ports are wanted than one address has: a closed connection keeps its port for a minute. Name \
             {sources} addresses of this machine as `source` under [client], or widen net.ipv4.ip_local_port_range"
        ));
    }
    if machine.memory.is_some_and(|free| footprint.sum() > free) {
        let free = ByteSize(machine.memory.unwrap_or_default());
        lines.push(format!(
            "more memory is wanted than the {free} that are free: lower the sessions"
        ));
    }
    lines
}

/// Writes every arrival of the schedule, load after load, in order of time.
///
/// # Errors
/// When `out` cannot be written.
pub fn arrivals(plan: &Plan, out: impl io::Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(ARRIVALS)?;
    for (index, load) in plan.scenario.loads.iter().enumerate() {
        let load = cell(load.name.as_deref().unwrap_or("load").as_bytes());
        for (stage, offset, first_message, due) in plan.arrivals(index) {
            writer.write_record([
                load.as_str(),
                &cell(plan.stages[stage].name.as_bytes()),
                &due.index.to_string(),
                &offset.as_micros().to_string(),
                &first_message.to_string(),
                &(due.messages.end - due.messages.start).to_string(),
            ])?;
        }
    }
    writer.flush()
}
