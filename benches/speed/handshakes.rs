//! Full handshakes of TLS 1.3: what one costs the program beside `openssl s_time -new`, against the same server.
//!
//! Both connect, shake hands and close; neither resumes, and both check the server's proof that it has the key. The program reads the
//! greeting as well. Whom openssl trusts changes what it does: without `-CAfile` it looks for an issuer in the system's folders at
//! every handshake, and a certificate (P-256) that is its own authority it trusts without looking at its signature, which the program does.

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
    let trusted = Some(certificate.as_path());
    let (mut own, mut own_verifying, mut agreed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut plain, mut with_root, mut verifying) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (us, facts) = of_smtpbench(bench, &server, None)?;
        own.push(us);
        agreed.push(facts);
        plain.push(of_openssl(bench, &server, &[])?);
        let root = ["-CAfile", path];
        with_root.push(of_openssl(bench, &server, &root)?);
        own_verifying.push(of_smtpbench(bench, &server, trusted)?.0);
        verifying.push(of_openssl(bench, &server, &[&root[..], &["-verify", "2"]].concat())?);
    }
    agreed.dedup();
    let what = format!("CPU a full handshake, certificate P-256, {}", agreed.join(", "));
    let ratio = |name: &str, over: &[f64], under: &[f64]| {
        let what = format!("CPU a handshake: smtpbench / openssl s_time -new -tls1_3{name}");
        Finding::new("7", what, ratios(over, under))
    };
    let beside = ratio("", &own, &plain).target(Goal::AtMost(0.40), Goal::AtMost(0.31));
    let without_search = ratio(" -CAfile, which spares openssl a search", &own, &with_root);
    let both = ratio(" -CAfile -verify 2, both verify", &own_verifying, &verifying);
    let own = Finding::new("7", what, own).unit("µs");
    Ok(vec![own, beside, without_search, both])
}

/// How long each of both shakes hands, in seconds.
fn seconds(bench: &Bench) -> u64 {
    if bench.tiny { 1 } else { 3 }
}

/// CPU of one in microseconds, and what was agreed on.
fn of_smtpbench(bench: &Bench, server: &Server, trusted: Option<&Path>) -> Outcome<(f64, String)> {
    let folder = tempfile::tempdir_in(bench.folder.path())?;
    let (file, out) = (folder.path().join("handshakes.toml"), folder.path().join("results"));
    let trust = match trusted {
        Some(certificate) => format!("ca = '{}'", certificate.display()),
        None => "verify = false".to_owned(),
    };
    let text = format!(
        "thresholds = []\n[target]\nurl = \"smtps://{}\"\n{trust}\nmin_version = \"1.3\"\n[load]\nsessions = 4\n\
         for = \"{}s\"\n[[scripts]]\nname = \"main\"\nsteps = '''\ndrop\n'''\n",
        server.address,
        seconds(bench),
    );
    std::fs::write(&file, text)?;
    let mut command = smtpbench(&["run", "--quiet", "--no-preflight"]);
    command.arg(&file).arg("--out").arg(&out);
    let (cost, _) = run(Some(bench.core), &mut command)?;
    let tls = [("step", "tls"), ("script", "all"), ("outcome", "accepted")];
    let count = cell(&out.join("latency.csv"), &tls, "count")?;
    let run: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("run.json"))?)?;
    let facts = &run["targets"][0]["tls"]["handshakes"][0];
    let fact = |name: &str| facts[name].as_str().ok_or(format!("no {name} in run.json"));
    let agreed = format!("{} {}", fact("key_exchange_group")?, fact("cipher_suite")?);
    Ok((cost.cpu.as_secs_f64() * 1e6 / count, agreed))
}

/// CPU of one in microseconds.
fn of_openssl(bench: &Bench, server: &Server, more: &[&str]) -> Outcome<f64> {
    let mut command = Command::new("openssl");
    command.args(["s_time", "-new", "-tls1_3", "-time", &seconds(bench).to_string()]);
    command.args(["-connect", &server.address.to_string()]).args(more);
    let (cost, output) = run(Some(bench.core), &mut command)?;
    let said = String::from_utf8_lossy(&output.stdout);
    // `4321 connections in 1.23s; …` and a second line with the time that passed.
    let line = said.lines().find(|line| line.contains(" connections in "));
    let count = line.and_then(|line| line.split_whitespace().next());
    let count: f64 = count.ok_or_else(|| format!("openssl s_time says:\n{said}"))?.parse()?;
    Ok(cost.cpu.as_secs_f64() * 1e6 / count)
}
