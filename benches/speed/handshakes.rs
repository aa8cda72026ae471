//! Full handshakes of TLS 1.3: what one costs the program beside `openssl s_time -new`, against the same server.
//!
//! Both connect, shake hands, verify the certificate (P-256) and close. Neither resumes. The program reads the greeting as well.

use std::path::Path;
use std::process::Command;

use crate::children::{Outcome, Server, cell, on_path, run, smtpbench};
use crate::program::Bench;
use crate::table::{Finding, Goal};
use crate::versus::ratios;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Finding>> {
    if on_path("openssl").is_none() {
        return Err("openssl is not on the PATH".into());
    }
    let folder = tempfile::tempdir_in(bench.folder.path())?;
    let certificate = folder.path().join("sink.pem");
    let path = certificate.to_str().ok_or("the temporary folder has an odd name")?;
    let arguments = ["--tls", "implicit", "--write-certificate", path];
    let server = Server::own_sink(Some(bench.other_core), &arguments)?;
    let seconds = if bench.tiny { 1 } else { 4 };
    let (mut own, mut theirs, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (us, group) = of_smtpbench(bench, &server, &certificate, seconds)?;
        own.push(us);
        groups.push(group);
        theirs.push(of_openssl(bench, &server, &certificate, seconds)?);
    }
    groups.dedup();
    let group = groups.join(", ");
    let values = ratios(&own, &theirs);
    let what = format!("CPU a full handshake of TLS 1.3, certificate P-256, key exchange {group}");
    Ok(vec![
        Finding::new("7", what, own).unit("µs"),
        Finding::new("7", "the same of openssl s_time -new -tls1_3", theirs).unit("µs"),
        Finding::new("7", "CPU a handshake: smtpbench / openssl s_time", values)
            .target(Goal::AtMost(0.40), Goal::AtMost(0.31)),
    ])
}

/// CPU of one in microseconds, and the key exchange that was agreed on.
fn of_smtpbench(
    bench: &Bench,
    server: &Server,
    certificate: &Path,
    seconds: u64,
) -> Outcome<(f64, String)> {
    let folder = tempfile::tempdir_in(bench.folder.path())?;
    let (file, out) = (folder.path().join("handshakes.toml"), folder.path().join("results"));
    let text = format!(
        "thresholds = []\n[target]\nurl = \"smtps://{}\"\nca = '{}'\nmin_version = \"1.3\"\n[load]\nsessions = 4\n\
         for = \"{seconds}s\"\n[[scripts]]\nname = \"main\"\nsteps = '''\ndrop\n'''\n",
        server.address,
        certificate.display(),
    );
    std::fs::write(&file, text)?;
    let mut command = smtpbench(&["run", "--quiet", "--no-preflight"]);
    command.arg(&file).arg("--out").arg(&out);
    let (cost, _) = run(Some(bench.core), &mut command)?;
    let tls = [("step", "tls"), ("script", "all"), ("outcome", "accepted")];
    let count = cell(&out.join("latency.csv"), &tls, "count")?;
    let run: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("run.json"))?)?;
    let handshakes = &run["targets"][0]["tls"]["handshakes"];
    let group =
        handshakes[0]["key_exchange_group"].as_str().ok_or("no key exchange in run.json")?;
    Ok((cost.cpu.as_secs_f64() * 1e6 / count, group.to_owned()))
}

/// CPU of one in microseconds.
fn of_openssl(bench: &Bench, server: &Server, certificate: &Path, seconds: u64) -> Outcome<f64> {
    let mut command = Command::new("openssl");
    command.args(["s_time", "-new", "-tls1_3", "-verify", "2", "-time", &seconds.to_string()]);
    command.args(["-connect", &server.address.to_string(), "-CAfile"]).arg(certificate);
    let (cost, output) = run(Some(bench.core), &mut command)?;
    let said = String::from_utf8_lossy(&output.stdout);
    // `4321 connections in 1.23s; …` and a second line with the time that passed.
    let line = said.lines().find(|line| line.contains(" connections in "));
    let count = line.and_then(|line| line.split_whitespace().next());
    let count: f64 = count.ok_or_else(|| format!("openssl s_time says:\n{said}"))?.parse()?;
    Ok(cost.cpu.as_secs_f64() * 1e6 / count)
}
