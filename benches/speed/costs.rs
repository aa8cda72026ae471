//! What it costs to measure: one thing on against the same thing off, in turn, as a ratio within each round.

use std::hint::black_box;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use smtpbench::clock::{self, Duration};
use smtpbench::engine::Engine;
use smtpbench::measure::collector::Collector;
use smtpbench::measure::layout::{Layout, Place};
use smtpbench::measure::outcome::{Clock, Outcome as Ended};
use smtpbench::measure::recorder::Recorder;
use smtpbench::message::render::RunIdentity;
use smtpbench::plan::{Address, Plan, Target};
use smtpbench::scenario::step::{StepId, StepNames};
use smtpbench::scenario::target::TargetUrl;
use smtpbench::scenario::{Bound, Overrides, Scenario};
use smtpbench::smtp::parser::ReplyParser;

use crate::children::{Cost, Outcome, Server, myself, run, run_as_it_is, smtpbench};
use crate::program::Bench;
use crate::table::Finding;
use crate::versus::{cpu_us, ratios};

const SESSIONS: u32 = 100;
const MESSAGES: u64 = 40_000;
/// Calls of the recorder that are timed together.
const RECORDED: u32 = 1_000_000;

/// Addresses and text that are the same for every message.
const PLAIN: &str = "\
[senders]\naddresses = [\"a@sender.test\"]\n[recipients]\naddresses = [\"b@recipient.test\"]\n[[messages]]\nsize = \"1KiB\"\n";

/// Others for every message, by chance.
const TEMPLATES: &str = "\
[senders]\npattern = \"bench+{{seq}}.{{1..999}}@sender.test\"\n\
[recipients]\npattern = \"user{{1..100000}}@{{domain}}\"\ndomains = { \"a.test\" = 67, \"b.test\" = 9, \"c.test\" = 24 }\n\
[[messages]]\nsize = \"512..1536\"\nheaders = { Subject = \"message {{seq}} of {{1..9}}\", X-Bench = \"{{1..1000000}}\" }\n";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Finding>> {
    let mut findings = vec![recorder(bench)];
    let null = Server::null_sink(Some(bench.core))?;
    findings.push(pair(
        bench,
        "templates with random values / one sender, one recipient, one size",
        || run(Some(bench.core), &mut program(bench, &null, TEMPLATES, &["--quiet"])?),
        || run(Some(bench.core), &mut program(bench, &null, PLAIN, &["--quiet"])?),
    )?);
    findings.push(pair(
        bench,
        "a live view on a terminal / --quiet",
        || on_terminal(bench, program(bench, &null, PLAIN, &[])?),
        || on_terminal(bench, program(bench, &null, PLAIN, &["--quiet"])?),
    )?);
    findings.push(pair(
        bench,
        "intervals of 100 ms / of 1 s",
        || run(Some(bench.core), &mut with_interval(bench, &null, 100)?),
        || run(Some(bench.core), &mut with_interval(bench, &null, 1000)?),
    )?);
    drop(null);
    let plain = Server::own_sink(Some(bench.core), &[])?;
    let secure = Server::own_sink(Some(bench.core), &["--tls", "implicit"])?;
    let tls = ["--quiet", "--no-verify"];
    findings.push(pair(
        bench,
        "kept open under TLS 1.3 / in clear text, to the built-in sink",
        || run(Some(bench.core), &mut program(bench, &secure, PLAIN, &tls)?),
        || run(Some(bench.core), &mut program(bench, &plain, PLAIN, &["--quiet"])?),
    )?);
    Ok(findings)
}

/// What a sample and a reply take, which is what every step records; with the parser, which is there anyway.
fn recorder(bench: &Bench) -> Finding {
    let steps = StepNames::default();
    let layout = Layout::from_names("target", vec!["main".into()], vec!["main".into()], steps);
    let place = Place { stage: 0, script: 0, step: StepId::RCPT };
    let hour = Duration::from_secs(3600);
    let mut recorder = Recorder::new(Arc::new(layout), 0, clock::now(), hour);
    let mut time = |records: bool| {
        let (mut parser, start) = (ReplyParser::default(), clock::now());
        for us in 0..RECORDED {
            let mut input = black_box(&b"250 2.1.5 recipient ok\r\n"[..]);
            let Ok(Some(reply)) = parser.feed(&mut input) else { continue };
            if records {
                let length = Duration::from_micros(u64::from(us % 5_000));
                recorder.sample(place, Clock::Service, Ended::Accepted, length);
                recorder.reply(place, Ended::Accepted, &reply, |text| text);
            }
            black_box(&reply);
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(RECORDED)
    };
    let values = (0..bench.rounds).map(|_| time(true) - time(false)).collect();
    Finding::new("costs", "to record a sample and a reply (with the parser less without)", values)
        .unit("µs")
}

/// CPU of the whole process, one way over the other.
fn pair<T>(
    bench: &Bench,
    what: &str,
    with: impl Fn() -> Outcome<(Cost, T)>,
    without: impl Fn() -> Outcome<(Cost, T)>,
) -> Outcome<Finding> {
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        on.push(with()?.0);
        off.push(without()?.0);
    }
    Ok(Finding::new("costs", format!("CPU: {what}"), ratios(&cpu_us(&on), &cpu_us(&off))))
}

fn program(bench: &Bench, server: &Server, mail: &str, flags: &[&str]) -> Outcome<Command> {
    let folder = tempfile::tempdir_in(bench.folder.path())?.keep();
    let file = folder.join("costs.toml");
    // TLS is what is asked for without verification.
    let scheme = if flags.contains(&"--no-verify") { "smtps" } else { "smtp" };
    let (address, messages) = (server.address, bench.scaled(MESSAGES));
    let text = format!(
        "target = {{ url = \"{scheme}://{address}\" }}\nload = {{ sessions = {SESSIONS}, messages = {messages} }}\n{mail}"
    );
    std::fs::write(&file, text)?;
    let mut command = smtpbench(&["run"]);
    command.args(flags).arg(&file).arg("--out").arg(folder.join("results"));
    Ok(command)
}

/// Runs it with a terminal as its standard error, which is read and thrown away.
fn on_terminal(bench: &Bench, mut command: Command) -> Outcome<(Cost, ())> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags)?;
    grantpt(&terminal)?;
    unlockpt(&terminal)?;
    let ours = ioctl_tiocgptpeer(&terminal, flags)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(ours));
    let reader = thread::spawn(move || {
        let (mut terminal, mut bytes) = (std::fs::File::from(terminal), [0; 4096]);
        // The end of the other side is an error here.
        while terminal.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let cost = run_as_it_is(Some(bench.core), &mut command);
    // With it goes the last handle of the terminal.
    drop(command);
    let _ = reader.join();
    Ok((cost?.0, ()))
}

fn with_interval(bench: &Bench, server: &Server, ms: u64) -> Outcome<Command> {
    let numbers = [bench.scaled(MESSAGES).to_string(), ms.to_string()];
    myself("engine", &[&[server.address.to_string()], &numbers[..]].concat())
}

/// The engine and the collector alone, with intervals that no flag asks for: `TARGET MESSAGES INTERVAL_MS`.
pub(crate) fn engine(arguments: &[String]) -> Outcome<()> {
    let [target, messages, interval] = arguments else {
        return Err("engine TARGET MESSAGES INTERVAL_MS".into());
    };
    let overrides = Overrides {
        sessions: Some(SESSIONS),
        messages: Some(Bound::Messages(messages.parse()?)),
        size: Some("1KiB".to_owned()),
        ..Overrides::default()
    };
    let scenario = Scenario::quick(&overrides).map_err(|report| report.to_string())?;
    let target = Target {
        name: "target".into(),
        url: TargetUrl::Embedded,
        security: scenario.target().map(|target| target.security.clone()).unwrap_or_default(),
        login: None,
        max_rate: None,
        addresses: vec![Address::Tcp(target.parse()?).into()],
    };
    let identity = RunIdentity { run_id: "0".repeat(16), seed: 1 };
    let mut plan = Plan::new(scenario, target, identity, 1);
    plan.interval = Duration::from_millis(interval.parse()?);
    let plan = Arc::new(plan);
    let layout = Arc::new(Layout::new(&plan));
    let (sender, snapshots) = sync_channel(64);
    let mut collector = Collector::new(Arc::clone(&layout), plan.interval, plan.workers);
    let engine = Engine::start(&plan, &layout, &Arc::default(), clock::now(), &sender);
    drop(sender);
    for (_, snapshot) in snapshots {
        collector.add(snapshot);
        black_box(collector.take_completed());
    }
    let ending = engine.finish();
    if ending.workers_lost.is_empty() { Ok(()) } else { Err(ending.workers_lost.join("\n").into()) }
}
