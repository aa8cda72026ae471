//! What of a login may be found nowhere afterwards: not in what is printed, not in a result file, in no form.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use smtpbench::smtp::sasl::encode;
use tempfile::TempDir;

use crate::auth::{PASSWORD, USERS, loopback, play, results, run, scenario, sink, unbound, url};
use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};

#[test]
fn a_server_that_quotes_the_login_is_not_quoted() {
    let token = encode(format!("\0tim\0{PASSWORD}").as_bytes());
    for reply in [
        format!("S: 535 5.7.8 AUTH PLAIN {token}"),
        format!("S: 535-5.7.8 no\nS: 535 5.7.8 {PASSWORD} is wrong"),
        format!("S: 535 5.7.8 read as {}", encode(PASSWORD.as_bytes())),
        format!("S: 535 5.7.8 read as {}", hexadecimal(PASSWORD)),
        format!("S: 454 4.7.0 read as {}", hexadecimal(PASSWORD).to_uppercase()),
        format!("S: 334 {token}\nC: *\nS: 501 5.7.0 cancelled"),
    ] {
        play("plain", &reply);
    }
    let peer = Peer::play(&format!(
        "S: 220 peer.test\nC: EHLO\nS: 250-peer.test\nS: 250 AUTH PLAIN\nC: AUTH\nS: AUTH PLAIN {token}\nstall"
    ));
    let folder = scenario(&peer.url(), "auth = \"plain\"", USERS, "for = \"1s\"");
    let finished = run(&folder).run().code(&[0]);
    assert!(results(&folder).failures("auth", "garbage") > 0, "{finished}");
    let once = Smtpbench::new(&["once"]).arg(folder.path().join("logins.toml")).run().code(&[69]);
    no_secret(&folder, &[&finished, &once]);
}

#[test]
fn no_output_of_a_run_holds_a_password() {
    let sink = sink(loopback());
    let lines = "[[scripts]]\nname = \"line\"\nsteps = '''\nEHLO c\nAUTH MECHANISM {{users.name}} {{users.password}}\n\
                 transaction\nMAIL FROM:<a@b.test>\nRCPT TO:<{{recipient}}>\nDATA\nend\n'''\n";
    for mechanism in unbound() {
        let word = mechanism.name().to_ascii_lowercase();
        for script in ["", lines] {
            for initial in [true, false] {
                let login = format!("auth = \"{word}\"\ninitial_response = {initial}");
                let load = format!("messages = 6\n{}", script.replace("MECHANISM", &word));
                let folder = scenario(&url(&sink), &login, USERS, &load);
                let file = folder.path().join("logins.toml");
                let with_progress = Smtpbench::new(&["run"])
                    .arg(&file)
                    .arg("--out")
                    .arg(folder.path().join("out"))
                    .run()
                    .code(&[0]);
                let once = Smtpbench::new(&["once"]).arg(&file).run().code(&[0]);
                let checked = Smtpbench::new(&["check"]).arg(&file).run().code(&[0]);
                // Refused by the preflight: a server that knows nobody.
                let text = fs::read_to_string(&file).unwrap();
                let text = text.replace("preflight = false", "preflight = true");
                fs::write(&file, text.replace("{{users.name}}", "nobody-{{users.name}}")).unwrap();
                let refused = Smtpbench::new(&["run"]).arg(&file).arg("--out");
                let refused = refused.arg(folder.path().join("refused")).run().code(&[69]);
                no_secret(&folder, &[&with_progress, &once, &checked, &refused]);
            }
        }
    }
}

#[test]
fn a_password_that_should_not_be_there_is_not_shown_either() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("literal.toml");
    for text in [
        format!("[target]\nurl = \"embedded:\"\nuser = \"tim\"\npassword = \"{PASSWORD}\"\n"),
        format!("[[scripts]]\nname = \"a\"\nsteps = '''\nhello\nAUTH plain tim {PASSWORD}\n'''\n"),
        format!("[target]\nurl = \"embedded:\"\npassword = \"{PASSWORD}\n"),
    ] {
        fs::write(&file, format!("{text}[load]\nsessions = 1\nfor = \"1s\"\n")).unwrap();
        let finished = Smtpbench::new(&["check"]).arg(&file).run().code(&[65]);
        no_secret(&folder, &[&finished]);
    }
}

/// A folder whose scenario has its password from `secret`, a line of `[target]`.
fn scenario_with(url: &str, auth: &str, secret: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    // What a shell writes into such a file ends in a line end.
    fs::write(folder.path().join("secret"), format!("{PASSWORD}\n")).unwrap();
    let text = format!(
        "thresholds = []\n[target]\nurl = \"{url}\"\nauth = \"{auth}\"\nuser = \"tim\"\n{secret}\n\
         [load]\nsessions = 2\nmessages = 4\n"
    );
    fs::write(folder.path().join("logins.toml"), text).unwrap();
    folder
}

#[test]
fn a_password_of_the_environment_or_of_a_file_is_in_no_output_either() {
    let sink = sink(loopback());
    for secret in ["password = \"${BENCH_PASSWORD}\"", "password_file = \"secret\""] {
        for auth in ["plain", "login", "scram-sha-256", "xoauth2"] {
            let folder = scenario_with(&url(&sink), auth, secret);
            let call = |command: &str| {
                let file = folder.path().join("logins.toml");
                Smtpbench::new(&[command]).arg(file).variable("BENCH_PASSWORD", PASSWORD)
            };
            let ran = call("run").arg("--out").arg(folder.path().join("out")).run().code(&[0]);
            assert_eq!(results(&folder).messages("accepted"), 4, "{ran}");
            let once = call("once").run().code(&[0]).stdout_has("<- 235 ");
            let checked = call("check").run().code(&[0]);
            no_secret(&folder, &[&ran, &once, &checked]);
        }
    }
}

#[test]
fn a_run_that_is_cut_short_shows_no_password_either() {
    // The server never answers the login.
    let peer = Peer::play(
        "S: 220 peer.test\nC: EHLO\nS: 250-peer.test\nS: 250 AUTH PLAIN\nC: AUTH\nstall",
    );
    let folder = scenario(&peer.url(), "auth = \"plain\"", USERS, "for = \"30s\"");
    let cut = Smtpbench::new(&["run"])
        .arg(folder.path().join("logins.toml"))
        .arg("--out")
        .arg(folder.path().join("out"))
        .signal(Duration::from_secs(1), Signal::INT)
        .run()
        .code(&[130]);
    assert!(folder.path().join("out/run.json").exists(), "{cut}");
    no_secret(&folder, &[&cut]);
}

/// Looks through what was printed and every file of the folder but those that hold the password on purpose.
#[track_caller]
pub(crate) fn no_secret(folder: &TempDir, printed: &[&Finished]) {
    let needles = needles();
    let search = |what: &str, bytes: &[u8]| {
        for (name, needle) in &needles {
            let found = bytes.windows(needle.len()).any(|piece| piece == needle.as_bytes());
            assert!(!found, "{name} ({needle}) in {what}:\n{}", String::from_utf8_lossy(bytes));
        }
    };
    for finished in printed {
        search("the output", format!("{}{}", finished.stdout, finished.stderr).as_bytes());
    }
    let mut open = vec![folder.path().to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !is_input(&path) {
            search(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}

fn is_input(path: &Path) -> bool {
    ["users.csv", "literal.toml", "secret"].iter().any(|name| path.ends_with(name))
}

/// The password as it may stand in bytes: plain, in hexadecimal, and in base64 at each of its three alignments, without the
/// characters that depend on its neighbours.
fn needles() -> Vec<(&'static str, String)> {
    let bytes = PASSWORD.as_bytes();
    let hexadecimal = hexadecimal(PASSWORD);
    let mut needles = vec![
        ("plain", PASSWORD.to_owned()),
        ("hexadecimal", hexadecimal.clone()),
        ("hexadecimal", hexadecimal.to_uppercase()),
    ];
    for before in 0..3 {
        let text = encode(&[&vec![0; before], bytes].concat());
        let from = (before * 8).div_ceil(6);
        let to = (before + bytes.len()) * 8 / 6;
        needles.push(("base64", text[from..to].to_owned()));
    }
    needles
}

#[test]
fn needles_are_found_in_every_message_that_holds_a_password() {
    let needles = needles();
    let found = |text: &str| needles.iter().any(|(_, needle)| text.contains(needle.as_str()));
    for user in ["", "t", "ti", "tim", "a.longer.name"] {
        assert!(found(&encode(format!("\0{user}\0{PASSWORD}").as_bytes())), "{user}");
        assert!(found(&encode(format!("user={user}\x01auth=Bearer {PASSWORD}\x01").as_bytes())));
    }
    assert!(found(&encode(PASSWORD.as_bytes())) && found(PASSWORD));
    assert!(!found("AUTH PLAIN *** (40 bytes)"));
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
