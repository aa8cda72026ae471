//! The rows, in their order: those of the table in benches/README.md, and some that stand beside it.

use crate::children::{Outcome, Server, cell, run, smtpbench};
use crate::costs;
use crate::handshakes;
use crate::program::Bench;
use crate::sessions;
use crate::strace;
use crate::table::{Finding, Goal};
use crate::versus::{Generator, Mail, compare, cpu_us, ratios};

/// A row, or some that are measured together.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Their numbers in the table of targets.
    pub(crate) numbers: &'static [&'static str],
    pub(crate) run: fn(&Bench) -> Outcome<Vec<Finding>>,
}

impl Row {
    /// Whether `word` asks for it.
    pub(crate) fn answers(&self, word: &str) -> bool {
        self.name == word || self.numbers.contains(&word)
    }
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "control", numbers: &[], run: control },
    Row { name: "kept-open", numbers: &["1", "2"], run: kept_open },
    Row { name: "sessions", numbers: &["3"], run: a_session_a_message },
    Row { name: "calls", numbers: &["4"], run: calls },
    Row { name: "large", numbers: &["5"], run: large },
    Row { name: "memory", numbers: &["6", "9"], run: sessions::measure },
    Row { name: "handshakes", numbers: &["7"], run: handshakes::measure },
    Row { name: "two-cores", numbers: &["8"], run: two_cores },
    Row { name: "latency", numbers: &["10"], run: latency },
    Row { name: "pipelined", numbers: &["12"], run: pipelined },
    Row { name: "sink", numbers: &[], run: sink },
    Row { name: "start", numbers: &[], run: start },
    Row { name: "drivers", numbers: &[], run: drivers },
    Row { name: "costs", numbers: &[], run: costs::measure },
];

const KEPT_OPEN: Mail = Mail { sessions: 100, messages: 60_000, size: 1024, reconnect: false };
const LARGE: Mail = Mail { sessions: 100, messages: 10_000, size: 100 * 1024, reconnect: false };

impl Mail {
    fn scaled(self, bench: &Bench) -> Self {
        Self { messages: bench.scaled(self.messages), ..self }
    }
}

/// What a comparison must notice: a generator that does twice the work.
fn control(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::null_sink(Some(bench.core))?;
    let mail = Mail { messages: KEPT_OPEN.messages / 2, ..KEPT_OPEN }.scaled(bench);
    let costs = compare(bench, mail, &server, &[Generator::Slow, Generator::Bare])?;
    let values = ratios(&cpu_us(&costs[0]), &cpu_us(&costs[1]));
    let what =
        "CPU of a yardstick with twice the work / the yardstick: the control, must be over 1.1";
    let finding = Finding::new("control", what, values).target(Goal::AtLeast(1.1), Goal::None);
    if !bench.tiny && !finding.is_met() {
        let found = finding.median();
        return Err(format!("the control is {found:.2}: this machine tells nothing today").into());
    }
    Ok(vec![finding])
}

/// The program against others: the CPU of a round trip, and the ratios within each round.
fn against(
    bench: &Bench,
    mail: Mail,
    name: &'static str,
    others: &[(Generator, &'static str, &str, Goal, Goal)],
) -> Outcome<Vec<Finding>> {
    let server = Server::null_sink(Some(bench.core))?;
    let here = others.iter().filter(|other| other.0.is_here());
    let mut generators = vec![Generator::Smtpbench];
    generators.extend(here.clone().map(|other| other.0));
    let mail = mail.scaled(bench);
    let costs = compare(bench, mail, &server, &generators)?;
    let us: Vec<Vec<f64>> = costs.iter().map(|costs| cpu_us(costs)).collect();
    let each = us[0].iter().map(|us| us / mail.round_trips()).collect();
    let what = format!("CPU a round trip, {name}");
    let mut findings = vec![Finding::new(others[0].1, what, each).unit("µs")];
    for ((_, row, other, target, beyond), theirs) in here.zip(&us[1..]) {
        let what = format!("CPU, {name}: smtpbench / {other}");
        let values = ratios(&us[0], theirs);
        findings.push(Finding::new(row, what, values).target(*target, *beyond));
    }
    Ok(findings)
}

fn kept_open(bench: &Bench) -> Outcome<Vec<Finding>> {
    let (at_most, bare) = (Goal::AtMost, "yardstick");
    let others = [
        (Generator::SmtpSource, "1", "smtp-source -d", at_most(0.65), at_most(0.55)),
        (Generator::Bare, "2", bare, at_most(1.20), at_most(1.00)),
    ];
    against(bench, KEPT_OPEN, "kept open, 1 KiB", &others)
}

fn a_session_a_message(bench: &Bench) -> Outcome<Vec<Finding>> {
    let mail = Mail { messages: 15_000, reconnect: true, ..KEPT_OPEN };
    let others = [
        (Generator::SmtpSource, "3", "smtp-source", Goal::AtMost(0.55), Goal::AtMost(0.45)),
        (Generator::Bare, "3", "yardstick", Goal::None, Goal::None),
    ];
    against(bench, mail, "a session a message", &others)
}

fn large(bench: &Bench) -> Outcome<Vec<Finding>> {
    let others = [
        (Generator::Bare, "5", "yardstick", Goal::AtMost(1.15), Goal::AtMost(1.06)),
        (Generator::SmtpSource, "5", "smtp-source -d", Goal::None, Goal::None),
    ];
    against(bench, LARGE, "100 KiB bodies", &others)
}

/// The engine's two drivers against each other: is the second one worth its code?
fn drivers(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::null_sink(Some(bench.core))?;
    let generators = [Generator::With("io-uring"), Generator::With("epoll")];
    let mut findings = Vec::new();
    for (sessions, goal) in [(100, Goal::AtMost(0.95)), (10, Goal::None), (1, Goal::None)] {
        let messages = if sessions == 1 { 20_000 } else { KEPT_OPEN.messages };
        let mail = Mail { sessions, messages, ..KEPT_OPEN }.scaled(bench);
        let costs = compare(bench, mail, &server, &generators)?;
        let values = ratios(&cpu_us(&costs[0]), &cpu_us(&costs[1]));
        let what = format!("CPU, kept open, {sessions} sessions: io_uring / epoll");
        findings.push(Finding::new("drivers", what, values).target(goal, Goal::None));
    }
    Ok(findings)
}

/// System calls of twice the messages less those of once, so that start and end are not in it.
fn calls(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::own_sink(Some(bench.other_core), &[])?;
    let url = format!("smtp://{}", server.address);
    let messages = bench.scaled(5_000);
    let mut findings = Vec::new();
    for sessions in [10, 100] {
        let mut values = Vec::new();
        for _ in 0..bench.rounds.min(3) {
            let folder = tempfile::tempdir_in(bench.folder.path())?;
            let calls = strace::calls_a_round_trip(folder.path(), &url, "auto", sessions, messages);
            values.push(calls.map_err(|error| format!("strace: {error}"))?);
        }
        let what = format!("system calls a round trip, lock-step, {sessions} sessions");
        let finding = Finding::new("4", what, values);
        findings.push(finding.target(Goal::AtMost(2.2), Goal::AtMost(1.1)));
    }
    Ok(findings)
}

/// The generator on one core, our sink on another: messages a second.
fn two_cores(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::own_sink(Some(bench.other_core), &[])?;
    let mail = Mail { messages: 100_000, ..KEPT_OPEN }.scaled(bench);
    let mut generators = vec![Generator::Smtpbench, Generator::Bare];
    generators.extend(Some(Generator::SmtpSource).filter(|generator| generator.is_here()));
    let costs = compare(bench, mail, &server, &generators)?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rates: Vec<Vec<f64>> = costs
        .iter()
        .map(|costs| costs.iter().map(|c| mail.messages as f64 / c.wall.as_secs_f64()).collect())
        .collect();
    let what = "generator on one core, own sink on the other, kept open, 1 KiB";
    let mut findings = vec![Finding::new("8", what, rates[0].clone()).unit("messages/s")];
    let mut beside = |rates_of: &[f64], name: &str, target, beyond| {
        let what = format!("the same: messages/s, smtpbench / {name}");
        findings.push(Finding::new("8", what, ratios(&rates[0], rates_of)).target(target, beyond));
    };
    if let Some(theirs) = rates.get(2) {
        beside(theirs, "smtp-source -d", Goal::AtLeast(1.4), Goal::AtLeast(1.6));
    }
    beside(&rates[1], "yardstick", Goal::None, Goal::None);
    Ok(findings)
}

/// From the last byte of a body to its reply, on one session.
fn latency(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::own_sink(Some(bench.other_core), &[])?;
    let mail = Mail { sessions: 1, messages: 10_000, ..KEPT_OPEN }.scaled(bench);
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let out = bench.out()?;
        run(Some(bench.core), &mut Generator::Smtpbench.command(mail, &server, &out)?)?;
        let eod = [("step", "eod"), ("script", "all"), ("outcome", "all")];
        let latency = out.join("latency.csv");
        medians.push(cell(&latency, &eod, "us_p50")? / 1e3);
        tails.push(cell(&latency, &eod, "us_max")? / 1e3);
    }
    let what = "one session, body to reply, median";
    Ok(vec![
        Finding::new("10", what, medians).unit("ms").target(Goal::AtMost(0.2), Goal::None),
        Finding::new("10", "the same, longest", tails).unit("ms"),
    ])
}

const SCRIPT: &str = r#"
[load]
sessions = 100
[[messages]]
size = "1KiB"
[[scripts]]
name = "main"
steps = '''
hello
TRANSACTION
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  DATA
end
QUIT
'''
"#;

/// Fewer round trips a message: 4, 2 (MAIL, RCPT and DATA in one write) and 1 (all of it in one write, by BDAT).
fn pipelined(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::null_sink(Some(bench.other_core))?;
    let shapes = [
        ("transaction", "DATA"),
        ("transaction pipelined", "DATA"),
        ("transaction pipelined", "BDAT"),
    ];
    let messages = bench.scaled(100_000);
    let mut rates = vec![Vec::new(); shapes.len()];
    for _ in 0..bench.rounds {
        for ((transaction, data), rates) in shapes.iter().zip(&mut rates) {
            let folder = tempfile::tempdir_in(bench.folder.path())?;
            let file = folder.path().join("pipelined.toml");
            let text = SCRIPT.replace("TRANSACTION", transaction).replace("DATA", data);
            let target = format!("target = {{ url = \"smtp://{}\" }}\n", server.address);
            std::fs::write(&file, target + &text)?;
            let mut command = smtpbench(&["run", "--quiet", "--messages", &messages.to_string()]);
            command.arg(&file).arg("--out").arg(folder.path().join("results"));
            let (cost, _) = run(Some(bench.core), &mut command)?;
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            rates.push(messages as f64 / cost.wall.as_secs_f64());
        }
    }
    let two = "messages/s, `transaction pipelined` with DATA (2 round trips) / lock-step (4)";
    let one = "messages/s, `transaction pipelined` with BDAT (1 round trip) / lock-step (4)";
    Ok(vec![
        Finding::new("12", two, ratios(&rates[1], &rates[0])),
        Finding::new("12", one, ratios(&rates[2], &rates[0]))
            .target(Goal::AtLeast(3.0), Goal::None),
    ])
}

/// Our sink beside the one that costs least, both driven by the yardstick on the same core.
fn sink(bench: &Bench) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for (mail, name, target) in
        [(KEPT_OPEN, "kept open, 1 KiB", Goal::AtMost(1.3)), (LARGE, "100 KiB bodies", Goal::None)]
    {
        let mail = mail.scaled(bench);
        let (mut own, mut null) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds {
            for is_own in [true, false] {
                let core = Some(bench.core);
                let server =
                    if is_own { Server::own_sink(core, &[])? } else { Server::null_sink(core)? };
                run(core, &mut Generator::Bare.command(mail, &server, &bench.out()?)?)?;
                let us = server.end()?.as_secs_f64() * 1e6 / mail.round_trips();
                if is_own { own.push(us) } else { null.push(us) }
            }
        }
        let values = ratios(&own, &null);
        let what = format!("CPU a round trip of the sink, {name}");
        findings.push(Finding::new("sink", what, own).unit("µs"));
        let what = format!("CPU, {name}: own sink / null sink");
        findings.push(Finding::new("sink", what, values).target(target, Goal::None));
    }
    Ok(findings)
}

/// From the start of the process to its end, for one message.
fn start(bench: &Bench) -> Outcome<Vec<Finding>> {
    let server = Server::null_sink(Some(bench.other_core))?;
    let mail = Mail { sessions: 1, messages: 1, ..KEPT_OPEN };
    let mut values = Vec::new();
    for _ in 0..4 * bench.rounds {
        let mut command = Generator::Smtpbench.command(mail, &server, &bench.out()?)?;
        values.push(run(None, &mut command)?.0.wall.as_secs_f64() * 1e3);
    }
    let what = "a run of one message, from start to end of the process";
    let finding = Finding::new("start", what, values).unit("ms");
    Ok(vec![finding.target(Goal::AtMost(50.0), Goal::None)])
}
