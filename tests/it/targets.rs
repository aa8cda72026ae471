//! Which target a run is for: one of several by its name, with its own URL or another.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::auth;
use crate::support::peer::Peer;
use crate::support::program::Smtpbench;
use crate::support::results::Results;

/// A scenario with two targets.
fn scenario(first: &Peer, second: &Peer) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("two.toml");
    let text = format!(
        "thresholds = []\n[targets.first]\nurl = \"{}\"\n[targets.second]\nurl = \"{}\"\n\
         [load]\nsessions = 2\nmessages = 10\n",
        first.url(),
        second.url()
    );
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn one_of_several_targets_is_picked_by_its_name() {
    let (first, second) = (Peer::good(), Peer::good());
    let (folder, path) = scenario(&first, &second);
    let finished = Smtpbench::new(&["run", "--target", "second", "--out"])
        .arg(folder.path().join("out"))
        .arg(&path)
        .run()
        .code(&[0])
        .stdout_has("two against second, smtp://");
    assert_eq!(first.connections(), 0, "{finished}");
    assert!(second.connections() > 0, "{finished}");
    let results = Results::keep(folder, "out").add_up();
    for file in ["summary.csv", "latency.csv", "replies.csv", "outcomes.csv", "intervals.csv"] {
        let table = results.table(file);
        assert!(table.cells("target", &[]).iter().all(|name| *name == "second"), "{table}");
    }
}

#[test]
fn a_named_target_is_sent_elsewhere() {
    let (first, second, third) = (Peer::good(), Peer::good(), Peer::good());
    let (_folder, path) = scenario(&first, &second);
    let target = format!("first={}", third.url());
    let finished = Smtpbench::new(&["once", "--target", &target]).arg(path).run().code(&[0]);
    assert_eq!((first.connections(), second.connections()), (0, 0), "{finished}");
    assert_eq!(third.connections(), 1, "{finished}");
}

#[test]
fn each_target_has_a_login_of_its_own() {
    let sinks = [(); 2].map(|()| auth::sink(auth::loopback()));
    let folder = TempDir::new().unwrap();
    let (path, mut text) = (folder.path().join("logins.toml"), String::new());
    // What the users of these sinks are called, and how they prove it.
    let logins = [("tim", "", "plain"), ("ann", "+2", "scram-sha-256")];
    for (sink, (user, more, method)) in sinks.iter().zip(logins) {
        fs::write(folder.path().join(user), format!("{}{more}", auth::PASSWORD)).unwrap();
        text += &format!(
            "[targets.{user}]\nurl = \"{}\"\nauth = \"{method}\"\nuser = \"{user}\"\npassword_file = \"{user}\"\n",
            auth::url(sink)
        );
    }
    fs::write(&path, format!("{text}[load]\nsessions = 1\nmessages = 3\n")).unwrap();
    for (index, (user, _, method)) in logins.into_iter().enumerate() {
        let out = folder.path().join(format!("out-{user}"));
        let run = Smtpbench::new(&["run", "--target", user, "--out"]).arg(&out).arg(&path);
        let finished = run.run().code(&[0]);
        assert_eq!(Results::read(&out).add_up().messages("accepted"), 3, "{finished}");
        assert_eq!(sinks[index].counts().messages, 3, "{finished}");
        let once = Smtpbench::new(&["once", "--target", user]).arg(&path).run().code(&[0]);
        once.stdout_has(&format!("-> AUTH {} ", method.to_uppercase())).stdout_has("<- 235 ");
    }
    assert_eq!(sinks.map(|sink| sink.counts().messages), [4, 4]);
}

#[test]
fn one_family_of_the_built_in_sink() {
    for (flag, address) in [("-4", "connected to 127.0.0.1:"), ("-6", "connected to [::1]:")] {
        Smtpbench::new(&["once", "--target", "embedded:", flag])
            .run()
            .code(&[0])
            .stdout_has(address);
    }
}

#[test]
fn a_unix_socket_has_neither_family_nor_source() {
    let target = ["once", "--target", "smtp+unix:///nowhere"];
    for flag in ["-4", "-6"] {
        Smtpbench::new(&target).arg(flag).run().code(&[64]).stderr_has("is a UNIX socket");
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("source.toml");
    let load = "[load]\nsessions = 1\nfor = \"1s\"\n";
    fs::write(&path, format!("{load}[client]\nsource = [\"127.0.0.2\"]\n")).unwrap();
    let finished = Smtpbench::new(&target).arg(&path).run().code(&[65]);
    finished.stderr_has("smtp+unix:///nowhere is a UNIX socket").stderr_has("take `source` out");
    let other =
        Smtpbench::new(&["once", "--target", "smtp://[::1]:9"]).arg(&path).run().code(&[65]);
    other
        .stderr_has("has IPv6 addresses only ([::1]:9)")
        .stderr_has("IPv6 addresses of this machine");
}

#[test]
fn several_targets_and_none_picked() {
    let (first, second) = (Peer::good(), Peer::good());
    let (_folder, path) = scenario(&first, &second);
    Smtpbench::new(&["once"]).arg(&path).run().code(&[65]).stderr_has("--target: first, second");
    Smtpbench::new(&["check"]).arg(&path).run().code(&[0]);
    let unknown = Smtpbench::new(&["once", "--target", "third"]).arg(&path).run().code(&[64]);
    let finished = unknown.stderr_has("`third`").stderr_has("first, second");
    assert_eq!((first.connections(), second.connections()), (0, 0), "{finished}");
}
