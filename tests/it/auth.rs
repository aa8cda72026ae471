//! Logins: against the built-in sink, and against servers that refuse or lie.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use smtpbench::behavior::Behavior;
use smtpbench::net::tls::{TlsIdentity, TlsServer};
use smtpbench::sink::logins::{Logins, parse_users};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use smtpbench::smtp::Protocol;
use smtpbench::smtp::sasl::Mechanism;
use tempfile::TempDir;

use crate::secrets::no_secret;
use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

/// Found in no output; none of its pieces is a word of ours.
pub(crate) const PASSWORD: &str = "Zq7-xKwv.9Jf!uTb";
pub(crate) const USERS: &str =
    "name,password\ntim,Zq7-xKwv.9Jf!uTb\ntom,Zq7-xKwv.9Jf!uTb+1\nann,Zq7-xKwv.9Jf!uTb+2\n";

/// A sink that takes mail only from the users in [`USERS`].
pub(crate) fn sink(listen: ListenAddress) -> Sink {
    sink_with(listen, None)
}

fn sink_with(listen: ListenAddress, tls: Option<SinkTls>) -> Sink {
    let users = USERS.lines().skip(1).map(|line| line.replace(',', ":") + "\n");
    let mut logins = Logins::new(parse_users(&users.collect::<String>()).unwrap());
    logins.required = true;
    Sink::start(SinkOptions {
        listen: vec![listen],
        behavior: Behavior::default(),
        protocol: Protocol::Smtp,
        hostname: "sink.test".to_owned(),
        trust: Trust::default(),
        threads: 1,
        tls,
        logins: Some(Arc::new(logins)),
        capture: Capture::default(),
    })
    .unwrap()
}

pub(crate) fn loopback() -> ListenAddress {
    ListenAddress::Tcp(([127, 0, 0, 1], 0).into())
}

pub(crate) fn url(sink: &Sink) -> String {
    match &sink.addresses()[0] {
        ListenAddress::Tcp(address) => format!("smtp://{address}"),
        ListenAddress::Unix(path) => format!("smtp+unix://{}", path.display()),
    }
}

/// A folder with a scenario whose sessions log in as the rows of `users` say.
pub(crate) fn scenario(url: &str, login: &str, users: &str, load: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("users.csv"), users).unwrap();
    let text = format!(
        r#"
name = "logins"
thresholds = []
preflight = false

[target]
url = "{url}"
user = "{{{{users.name}}}}"
password = "{{{{users.password}}}}"
{login}

[load]
sessions = 3
drain = "2s"
{load}

[data.users]
csv = "users.csv"
pick = "unique"
"#
    );
    fs::write(folder.path().join("logins.toml"), text).unwrap();
    folder
}

pub(crate) fn run(folder: &TempDir) -> Smtpbench {
    Smtpbench::new(&["run", "--quiet"])
        .arg(folder.path().join("logins.toml"))
        .arg("--out")
        .arg(folder.path().join("out"))
}

pub(crate) fn results(folder: &TempDir) -> Results {
    Results::read(&folder.path().join("out")).add_up()
}

/// Without TLS there is nothing to bind to.
pub(crate) fn unbound() -> impl Iterator<Item = Mechanism> {
    Mechanism::ALL.into_iter().filter(|mechanism| !mechanism.binds())
}

#[test]
fn every_mechanism_logs_in_with_and_without_initial_response() {
    for mechanism in unbound() {
        for initial in [true, false] {
            let mut sink = sink(loopback());
            let word = mechanism.name().to_ascii_lowercase();
            let login = format!("auth = \"{word}\"\ninitial_response = {initial}");
            let load = "messages = 12\nmessages_per_session = 2";
            let folder = scenario(&url(&sink), &login, USERS, load);
            let finished = run(&folder).run().code(&[0]);
            Smtpbench::new(&["once"])
                .arg(folder.path().join("logins.toml"))
                .run()
                .code(&[0])
                .stdout_has(&format!("-> AUTH {mechanism}"))
                .stdout_has("<- 235 2.7.0");
            sink.stop();
            let (results, counts) = (results(&folder), sink.counts());
            assert_eq!(results.messages("accepted"), 12, "{mechanism} {finished}");
            assert_eq!(counts.messages, 13, "{mechanism}");
            // Six sessions of two messages, or more where one found the work done.
            let logins = results.replies("auth", "235");
            assert!(logins >= 6, "{mechanism} {logins}");
            assert_eq!(counts.logins, logins + 1, "{mechanism}");
            assert_eq!(results.accepted_samples("auth"), logins, "{mechanism}");
            assert_eq!(results.table("failures.csv").sum("count", &[]), 0, "{mechanism}");
        }
    }
}

#[test]
fn logins_are_bound_to_their_tls_channel() {
    let identity = TlsIdentity::make(&["localhost"]).unwrap();
    for mechanism in Mechanism::ALL {
        // TLS 1.3 has tls-exporter, TLS 1.2 has tls-server-end-point.
        for version in ["1.2", "1.3"] {
            for implicit in [true, false] {
                let server = TlsServer::new(&identity).unwrap();
                let mut sink = sink_with(loopback(), Some(SinkTls { server, implicit }));
                let url = url(&sink).replace("smtp:", if implicit { "smtps:" } else { "smtp:" });
                let word = mechanism.name().to_ascii_lowercase();
                let tls = if implicit { "" } else { "tls = \"starttls\"\n" };
                let login = format!(
                    "auth = \"{word}\"\nca = \"ca.pem\"\nserver_name = \"localhost\"\n\
                     max_version = \"{version}\"\n{tls}"
                );
                let folder =
                    scenario(&url, &login, USERS, "messages = 6\nmessages_per_session = 2");
                fs::write(folder.path().join("ca.pem"), identity.pem()).unwrap();
                let finished = run(&folder).run().code(&[0]);
                sink.stop();
                let results = results(&folder);
                assert_eq!(results.messages("accepted"), 6, "{mechanism} {version} {finished}");
                assert_eq!(results.replies("auth", "235"), sink.counts().logins);
                assert_eq!(sink.counts().tls_sessions, sink.counts().logins, "{finished}");
                no_secret(&folder, &[&finished]);
            }
        }
    }
}

#[test]
fn best_binds_where_it_can() {
    let login = "auth = \"best\"\ntls = \"starttls\"";
    let folder = scenario("embedded:", login, USERS, "messages = 6");
    run(&folder).run().code(&[0]);
    assert_eq!(results(&folder).messages("accepted"), 6);
    let once = Smtpbench::new(&["once"]).arg(folder.path().join("logins.toml")).run();
    once.code(&[0]).stdout_has("-> AUTH SCRAM-SHA-256-PLUS *** (").stdout_has("<- 235 2.7.0");
}

#[test]
fn the_embedded_sink_knows_the_users_of_the_scenario() {
    let folder = scenario("embedded:", "auth = \"best\"", USERS, "messages = 6");
    run(&folder).run().code(&[0]);
    assert_eq!(results(&folder).messages("accepted"), 6);
    Smtpbench::new(&["once"])
        .arg(folder.path().join("logins.toml"))
        .run()
        .code(&[0])
        .stdout_has("-> AUTH SCRAM-SHA-256 *** (");
}

#[test]
fn a_unix_socket_is_as_private_as_loopback() {
    let folder = TempDir::new().unwrap();
    let sink = sink(ListenAddress::Unix(folder.path().join("sink.sock")));
    let folder = scenario(&url(&sink), "auth = \"plain\"", USERS, "messages = 6");
    run(&folder).run().code(&[0]);
    assert_eq!(results(&folder).messages("accepted"), 6);
}

#[test]
fn the_sink_program_reads_its_users_from_a_file() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("users"), format!("# of the test\ntim:{PASSWORD}\n")).unwrap();
    fs::write(path("password"), format!("{PASSWORD}\n")).unwrap();
    let socket = path("sink.sock");
    let serve = Smtpbench::new(&["sink", "--require-auth", "--auth", "PLAIN,cram-md5"])
        .arg("--users")
        .arg(path("users"))
        .arg("--listen")
        .arg(format!("unix:{}", socket.display()))
        .signal(Duration::from_secs(3), Signal::INT);
    let serving = thread::spawn(move || serve.run().code(&[0]));
    let client = |flags: &[&str]| {
        Smtpbench::new(&["once", "--wait", "2s", "--user", "tim", "--target"])
            .arg(format!("smtp+unix://{}", socket.display()))
            .arg("--password-file")
            .arg(path("password"))
            .args(flags)
            .run()
    };
    client(&[]).code(&[0]).stdout_has("-> AUTH CRAM-MD5\n").stdout_has("250-AUTH PLAIN CRAM-MD5\n");
    client(&["--auth", "plain"]).code(&[0]).stdout_has("-> AUTH PLAIN *** (");
    client(&["--auth", "login"])
        .code(&[69])
        .stdout_has("auth_not_offered: LOGIN is not offered; offered: PLAIN CRAM-MD5");
    let serving = serving.join().unwrap();
    assert!(serving.stdout.contains(", 2 logins"), "{serving}");
    assert!(!serving.to_string().contains(PASSWORD));

    fs::write(path("users"), format!("{PASSWORD}\n")).unwrap();
    let faulty = Smtpbench::new(&["sink", "--users"]).arg(path("users")).run().code(&[65]);
    let faulty = faulty.stderr_has("line 1 is not name:password");
    assert!(!faulty.to_string().contains(PASSWORD));
}

#[test]
fn a_wrong_password_is_counted_and_the_load_goes_on() {
    let note = |folder: &TempDir| {
        let text = fs::read_to_string(folder.path().join("out/run.json")).unwrap();
        text.contains("every_login_failed")
    };
    let sink = sink(loopback());
    let wrong = USERS.replace("+1", "").replace("+2", "").replace(",Z", ",z");
    let folder = scenario(&url(&sink), "", &wrong, "for = \"1s\"");
    let finished = run(&folder).run().code(&[0]);
    let all_wrong = results(&folder);
    assert!(all_wrong.replies("auth", "535") > 3, "{finished}");
    assert_eq!(all_wrong.replies("quit", "221"), all_wrong.replies("auth", "535"), "{finished}");
    assert_eq!(all_wrong.messages("accepted"), 0);
    assert!(note(&folder) && finished.stdout.contains("every login failed"), "{finished}");

    let one_wrong = USERS.replace("+1", "+2");
    let folder = scenario(&url(&sink), "", &one_wrong, "for = \"1s\"");
    let finished = run(&folder).run().code(&[0]);
    let one_wrong = results(&folder);
    assert!(one_wrong.replies("auth", "535") > 1, "{finished}");
    assert_eq!(one_wrong.replies("auth", "235"), 2, "{finished}");
    assert!(one_wrong.messages("accepted") > 0, "{finished}");
    assert!(!note(&folder), "{finished}");
}

#[test]
fn a_wrong_password_ends_the_run_before_the_load() {
    let sink = sink(loopback());
    let wrong = USERS.replace(",Z", ",z");
    let folder = scenario(&url(&sink), "", &wrong, "for = \"1s\"");
    let file = folder.path().join("logins.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("preflight = false", "preflight = true")).unwrap();
    let finished = run(&folder)
        .run()
        .code(&[69])
        .stderr_has("<- 535 5.7.8 credentials invalid")
        .stderr_has("error: no login at smtp://127.0.0.1:")
        .stderr_has("hint: look at auth, user and password under [target]");
    assert!(!folder.path().join("out").exists(), "{finished}");
}

#[test]
fn a_password_in_the_clear_stays_on_this_machine() {
    // Nothing answers at an address for documentation: if the program tried, it would wait.
    let target = ["--target", "smtp://192.0.2.1:25", "--i-own", "192.0.2.1"];
    for (login, script) in [("auth = \"plain\"", ""), ("", "AUTH xoauth2"), ("", "AUTH login")] {
        for command in ["run", "once"] {
            let folder = scenario("embedded:", login, USERS, "for = \"1s\"");
            let file = folder.path().join("logins.toml");
            let text = fs::read_to_string(&file).unwrap();
            let script = match script {
                "" => String::new(),
                line => format!("[[scripts]]\nname = \"a\"\nsteps = '''\nhello\n{line}\n'''\n"),
            };
            fs::write(&file, text + &script).unwrap();
            let finished = Smtpbench::new(&[command])
                .arg(&file)
                .args(&target)
                .within(folder.path())
                .run()
                .code(&[65])
                .stderr_has("sends the password in the clear")
                .stderr_has("hint: ");
            assert!(finished.elapsed < Duration::from_secs(5), "{finished}");
        }
    }
}

/// Offers a login and plays `script` behind AUTH.
#[track_caller]
pub(crate) fn play(mechanism: &str, script: &str) -> (Peer, Finished, Results) {
    let peer = Peer::play(&format!(
        "S: 220 peer.test
         C: EHLO
         S: 250-peer.test
         S: 250 AUTH {}
         C: AUTH
         {script}
         C: QUIT
         S: 221 bye",
        mechanism.to_ascii_uppercase()
    ));
    let login = format!("auth = \"{mechanism}\"");
    let folder = scenario(&peer.url(), &login, USERS, "for = \"1s\"");
    let finished = run(&folder).run().code(&[0]);
    no_secret(&folder, &[&finished]);
    let results = Results::keep(folder, "out").add_up();
    // Slots wait longer and longer, and do not give up.
    assert!((4..36).contains(&peer.connections()), "{} connections", peer.connections());
    assert_eq!(results.messages("accepted"), 0);
    assert!(finished.stdout.contains("every login failed"), "{finished}");
    (peer, finished, results)
}

#[test]
fn a_challenge_that_is_none_is_cancelled() {
    for mechanism in ["cram-md5", "login", "scram-sha-1"] {
        let (_, finished, results) =
            play(mechanism, "S: 334 <no base64>\nC: *\nS: 501 5.7.0 cancelled");
        let failures = results.failures("auth", "auth_challenge");
        assert!(failures > 3, "{finished}");
        assert_eq!(results.replies("auth", "501"), failures, "{finished}");
        let table = results.table("failures.csv");
        let detail = table.cells("detail", &[("failure", "auth_challenge")]);
        assert_eq!(detail, ["a challenge that is no base64"], "{finished}");
        assert_eq!(table.cells("fault", &[("failure", "auth_challenge")]), ["peer"]);
    }
}

#[test]
fn a_scram_server_that_lies_is_named() {
    let cancelled = "\nC: *\nS: 501 5.7.0 cancelled";
    for (script, failure, detail) in [
        (
            "scram r=other,s=QUJD,i=4096",
            "auth_proof",
            "the server's nonce does not begin with ours",
        ),
        (
            "scram r=Nx,s=QUJD,i=0",
            "auth_challenge",
            "an iteration count of 0, not from 1 to 1000000",
        ),
        (
            "scram r=Nx,s=QUJD,i=4000000000",
            "auth_challenge",
            "an iteration count of 4000000000, not from 1 to 1000000",
        ),
        (
            "scram r=Nx,s=QUJD,i=4096\nC: Y\nscram v=QUJD",
            "auth_proof",
            "the server's signature is wrong",
        ),
        (
            "scram r=Nx,s=QUJD,i=4096\nC: Y\nS: 235 2.7.0 come in",
            "auth_proof",
            "success without the server's signature",
        ),
    ] {
        let ends = if script.contains("235") { "" } else { cancelled };
        let (_, finished, results) = play("scram-sha-256", &format!("{script}{ends}"));
        assert!(results.failures("auth", failure) > 3, "{script}: {finished}");
        let table = results.table("failures.csv");
        assert_eq!(table.cells("detail", &[("step", "auth")]), [detail], "{script}: {finished}");
    }
}
