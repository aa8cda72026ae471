//! Sessions that are only held: how much memory each takes, and how fast many are opened.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;

use smtpbench::clock::{self, Duration, Instant};

use crate::children::{Outcome, Server, UnderWay, memory, smtpbench};
use crate::program::Bench;
use crate::table::{Finding, Goal};

/// No more is waited for.
const LIMIT: Duration = Duration::from_secs(120);
/// How often the sink is asked how far it is.
const POLL: Duration = Duration::from_millis(10);

/// What a number of held sessions took.
struct Held {
    /// Until the last of them had its reply to EHLO, from the start of the process.
    opened: Duration,
    /// Of the generator, and of the sink.
    bytes: (u64, u64),
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Finding>> {
    let (few, many, most) = match bench.tiny {
        true => (100, 300, 400),
        false => (1_000, 19_000, 19_500),
    };
    let mut findings = Vec::new();
    for (tls, name, target, beyond) in [(false, "plain", 3.0, 1.5), (true, "TLS", 12.0, 9.0)] {
        let (mut own, mut sink) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds.min(3) {
            let (low, high) = (hold(bench, few, tls)?, hold(bench, many, tls)?);
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            let slope = |low: u64, high: u64| (high as f64 - low as f64) / (many - few) as f64;
            own.push(slope(low.bytes.0, high.bytes.0) / 1024.0);
            sink.push(slope(low.bytes.1, high.bytes.1) / 1024.0);
        }
        let what = format!("memory a session, {few} to {many} sessions, {name}");
        let goals = (Goal::AtMost(target), Goal::AtMost(beyond));
        findings.push(Finding::new("6", what, own).unit("KiB").target(goals.0, goals.1));
        let what = format!("the same of the built-in sink, {name}");
        findings.push(Finding::new("6", what, sink).unit("KiB"));
    }
    let mut opened = Vec::new();
    for _ in 0..bench.rounds {
        opened.push(hold(bench, most, false)?.opened.as_secs_f64());
    }
    let what = format!("{most} sessions opened and held, from the start of the process");
    findings.push(Finding::new("9", what, opened).unit("s").target(Goal::AtMost(3.0), Goal::None));
    Ok(findings)
}

/// Opens `sessions` from several addresses of loopback, waits until all have said EHLO, and looks at the memory.
fn hold(bench: &Bench, sessions: u64, tls: bool) -> Outcome<Held> {
    let folder = tempfile::tempdir_in(bench.folder.path())?;
    let certificate = folder.path().join("sink.pem");
    let mut arguments = vec!["--http", "127.0.0.1:0"];
    if tls {
        arguments.extend(["--tls", "implicit", "--write-certificate"]);
        arguments.push(certificate.to_str().ok_or("the temporary folder has an odd name")?);
    }
    let server = Server::own_sink(None, &arguments)?;
    let http = server.http.ok_or("the sink tells nothing")?;
    let file = folder.path().join("hold.toml");
    std::fs::write(&file, scenario(&server, sessions, tls.then_some(certificate.as_path())))?;
    let mut command = smtpbench(&["run", "--quiet", "--no-preflight"]);
    command.arg(&file).arg("--out").arg(folder.path().join("results"));
    let start = clock::now();
    let mut run = UnderWay::start(None, command)?;
    let opened = loop {
        if run.has_ended()? || start.elapsed() > LIMIT {
            let taken = commands(http)?;
            return Err(format!("{taken} of {sessions} sessions said EHLO").into());
        }
        if commands(http)? >= sessions {
            break start.elapsed();
        }
        thread::sleep(POLL);
    };
    let bytes = (settled(|| run.memory())?, settled(|| memory(server.id()))?);
    run.interrupt()?;
    server.end()?;
    Ok(Held { opened, bytes })
}

fn scenario(server: &Server, sessions: u64, trusted: Option<&Path>) -> String {
    let scheme = if trusted.is_some() { "smtps" } else { "smtp" };
    let port = server.address.port();
    let ca =
        trusted.map(|file| format!("ca = '{}'\nserver_name = \"sink.test\"\n", file.display()));
    format!(
        "thresholds = []\n[target]\nurl = \"{scheme}://127.0.0.1:{port}\"\n{}[client]\nsource = \
         [\"127.0.0.2-127.0.0.20\"]\n[load]\nsessions = {sessions}\nhold = \"ehlo\"\nfor = \"300s\"\n",
        ca.unwrap_or_default(),
    )
}

/// Asks until two figures in a row are the same within a page or so.
fn settled(memory: impl Fn() -> Outcome<u64>) -> Outcome<u64> {
    let start: Instant = clock::now();
    let mut last = memory()?;
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = memory()?;
        if now.abs_diff(last) < 64 * 1024 || start.elapsed() > LIMIT {
            return Ok(now);
        }
        last = now;
    }
}

/// Command lines that the sink took so far.
fn commands(http: SocketAddr) -> Outcome<u64> {
    let mut stream = TcpStream::connect(http)?;
    stream.write_all(b"GET /counts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
    let counts: serde_json::Value = serde_json::from_str(body)?;
    Ok(counts["commands"].as_u64().ok_or("no number of commands")?)
}
