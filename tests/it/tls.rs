//! TLS against our own sink, and against servers whose TLS is wrong: each is named as what it is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use smtpbench::behavior::Behavior;
use smtpbench::net::tls::{TlsIdentity, TlsServer};
use smtpbench::scenario::security::PemFile;
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkOptions, SinkTls, Trust};
use smtpbench::smtp::Protocol;
use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

const LIMIT: Duration = Duration::from_secs(30);

/// A certificate in PEM form, and its key.
struct Made {
    certificate: String,
    key: KeyPair,
}

fn params(names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "server.test");
    params
}

fn self_signed(params: &CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    Made { certificate: params.self_signed(&key).unwrap().pem(), key }
}

/// An authority, and a certificate that it signed.
fn signed(params: &CertificateParams) -> (String, Made) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "authority.test");
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    (root, Made { certificate, key })
}

/// A sink that shows `made`.
fn sink(made: &Made, implicit: bool) -> Sink {
    let file = |text: &str| PemFile { path: "test.pem".into(), bytes: text.as_bytes().to_vec() };
    let identity =
        TlsIdentity::read(&file(&made.certificate), &file(&made.key.serialize_pem())).unwrap();
    let server = TlsServer::new(&identity).unwrap();
    start(Some(SinkTls { server, implicit }))
}

/// A sink that takes only clients that `authority` signed.
fn sink_for(made: &Made, authority: &str) -> Sink {
    let file = |text: &str| PemFile { path: "test.pem".into(), bytes: text.as_bytes().to_vec() };
    let identity =
        TlsIdentity::read(&file(&made.certificate), &file(&made.key.serialize_pem())).unwrap();
    let server = TlsServer::for_clients_of(&identity, &file(authority)).unwrap();
    start(Some(SinkTls { server, implicit: false }))
}

fn start(tls: Option<SinkTls>) -> Sink {
    Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior: Behavior::default(),
        protocol: Protocol::Smtp,
        hostname: "sink.test".into(),
        trust: Trust::default(),
        threads: 1,
        tls,
        logins: None,
        capture: Capture::default(),
    })
    .unwrap()
}

/// `smtp` or `smtps` to the sink.
fn url(scheme: &str, sink: &Sink) -> String {
    let ListenAddress::Tcp(address) = &sink.addresses()[0] else { panic!("a TCP sink") };
    format!("{scheme}://{address}")
}

/// Runs 5 sessions for `messages` with these lines under `[target]`.
#[track_caller]
fn run(folder: &Path, target: &str, more: &str, codes: &[i32]) -> (Finished, Results) {
    run_with(folder, target, more, codes, 5)
}

/// The same with so many sessions.
#[track_caller]
fn run_with(
    folder: &Path,
    target: &str,
    more: &str,
    codes: &[i32],
    sessions: usize,
) -> (Finished, Results) {
    let (scenario, out) = (folder.join("tls.toml"), folder.join("out"));
    let text = format!(
        "name = \"tls\"\nthresholds = []\n{more}\n[target]\n{target}\n[load]\nsessions = {sessions}\n\
         messages = 100\nmessages_per_session = 2\nfor = \"2s\"\ndrain = \"1s\"\n\
         [timeouts]\nstep = \"5s\"\ntls = \"500ms\"\n"
    );
    fs::write(&scenario, text).unwrap();
    let finished = Smtpbench::new(&["run"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(codes);
    (finished, Results::read(&out))
}

/// What `run.json` says of the first target's TLS.
fn facts(folder: &Path) -> serde_json::Value {
    let text = fs::read_to_string(folder.join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&text).unwrap();
    run["targets"][0]["tls"].clone()
}

#[test]
fn starttls_and_implicit_tls_are_steps_of_their_own_and_verified() {
    let (root, made) = signed(&params(&["127.0.0.1"]));
    for (implicit, scheme, tls) in [(false, "smtp", "tls = \"starttls\""), (true, "smtps", "")] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("root.pem"), &root).unwrap();
        let sink = sink(&made, implicit);
        let target = format!("url = \"{}\"\n{tls}\nca = \"root.pem\"", url(scheme, &sink));
        let (finished, results) = run(folder.path(), &target, "", &[0]);
        let results = results.add_up();
        assert_eq!(results.messages("accepted"), 100);
        assert_eq!(sink.counts().messages, 100);
        let sessions = results.accepted_samples("session");
        assert_eq!(results.accepted_samples("tls"), sessions, "{finished:?}");
        assert_eq!(results.accepted_samples("tls_resumed"), 0);
        assert_eq!(results.accepted_samples("starttls"), if implicit { 0 } else { sessions });
        assert_eq!(
            results.accepted_samples("ehlo"),
            if implicit { sessions } else { 2 * sessions }
        );
        let facts = facts(folder.path());
        assert_eq!(facts["sessions_encrypted"], sessions);
        assert_eq!(facts["verified"], true);
        assert_eq!(facts["handshakes"][0]["version"], "TLSv1.3");
        assert_eq!(facts["handshakes"][0]["key_exchange_group"], "X25519");
        assert_eq!(facts["certificates"][0]["subject"], "CN=server.test");
        assert_eq!(
            facts["certificates"][0]["issuer"].as_str().map(|i| i.contains("authority.test")),
            Some(true)
        );
        finished.stdout_has("full handshakes").stdout_has("TLSv1.3 TLS_AES_256_GCM_SHA384 X25519");
    }
}

#[test]
fn resumed_handshakes_are_rows_of_their_own() {
    let made = self_signed(&params(&["127.0.0.1"]));
    let sink = sink(&made, false);
    for version in ["1.2", "1.3"] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("own.pem"), &made.certificate).unwrap();
        let target = format!(
            "url = \"{}\"\ntls = \"starttls\"\nca = \"own.pem\"\nresumption = true\n\
             max_version = \"{version}\"",
            url("smtp", &sink)
        );
        let (_, results) = run_with(folder.path(), &target, "", &[0], 20);
        let results = results.add_up();
        let full = results.accepted_samples("tls");
        let resumed = results.accepted_samples("tls_resumed");
        assert_eq!(full + resumed, results.accepted_samples("session"));
        // Every slot's first session may begin before there is anything to resume.
        assert!(
            (1..=20).contains(&full) && resumed >= 30,
            "{version}: {full} full, {resumed} resumed"
        );
    }
}

#[test]
fn a_share_of_the_sessions_goes_over_to_tls() {
    let made = self_signed(&params(&["127.0.0.1"]));
    let (folder, sink) = (TempDir::new().unwrap(), sink(&made, false));
    fs::write(folder.path().join("own.pem"), &made.certificate).unwrap();
    let target = format!(
        "url = \"{}\"\ntls = \"starttls\"\ntls_share = \"50%\"\nca = \"own.pem\"",
        url("smtp", &sink)
    );
    let (finished, results) = run(folder.path(), &target, "seed = 7", &[0]);
    let (tls, sessions) = (results.accepted_samples("tls"), results.accepted_samples("session"));
    assert!(tls > sessions / 5 && tls < sessions * 4 / 5, "{tls} of {sessions}");
    assert_eq!(facts(folder.path())["sessions_clear"], sessions - tls);
    finished.stdout_has("in clear text");
}

#[test]
fn opportunistic_tls_says_how_many_sessions_went_each_way() {
    let folder = TempDir::new().unwrap();
    let sink = start(None);
    let target = format!("url = \"{}\"\ntls = \"opportunistic\"", url("smtp", &sink));
    let (finished, results) = run(folder.path(), &target, "", &[0]);
    assert_eq!(results.messages("accepted"), 100);
    assert_eq!(facts(folder.path())["sessions_clear"], results.accepted_samples("session"));
    finished.stdout_has("0 sessions under TLS").stdout_has("certificates were not verified");
}

/// No session goes over to TLS, for this reason, and no mail is sent.
#[track_caller]
fn fails(made: &Made, ca: &str, more: &str, failure: &str, hint: &str) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("ca.pem"), ca).unwrap();
    let sink = sink(made, false);
    let target =
        format!("url = \"{}\"\ntls = \"starttls\"\nca = \"ca.pem\"\n{more}", url("smtp", &sink));
    // The preflight says so at once.
    let (scenario, out) = (folder.path().join("one.toml"), folder.path().join("none"));
    fs::write(&scenario, format!("[target]\n{target}\n[load]\nsessions = 1\nmessages = 1\n"))
        .unwrap();
    Smtpbench::new(&["run"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(&[69])
        .stderr_has(failure)
        .stderr_has(hint);
    let (finished, results) = run(folder.path(), &target, "preflight = false", &[0, 69]);
    assert!(results.failures("tls", failure) > 0, "{finished:?}");
    assert_eq!(results.messages("accepted"), 0);
    finished.stdout_has(hint);
    assert_eq!(sink.counts().messages, 0);
}

#[test]
fn an_expired_certificate_is_named() {
    let mut expired = params(&["127.0.0.1"]);
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let (root, made) = signed(&expired);
    fails(&made, &root, "", "certificate_expired", "the server needs a new one");
    let made = self_signed(&expired);
    fails(&made, &made.certificate, "", "certificate_expired", "the server needs a new one");
}

#[test]
fn a_certificate_from_the_future_is_named() {
    let mut early = params(&["127.0.0.1"]);
    early.not_before = rcgen::date_time_ymd(2090, 1, 1);
    let (root, made) = signed(&early);
    fails(&made, &root, "", "certificate_not_yet_valid", "compare the clocks");
}

#[test]
fn a_self_signed_certificate_is_named() {
    let made = self_signed(&params(&["127.0.0.1"]));
    let (other, _) = signed(&params(&["127.0.0.1"]));
    fails(&made, &other, "", "certificate_self_signed", "trust it: ca");
}

#[test]
fn a_certificate_for_another_name_is_named() {
    let (root, made) = signed(&params(&["other.test"]));
    fails(&made, &root, "", "certificate_wrong_name", "server_name");
    fails(&made, &root, "server_name = \"third.test\"", "certificate_wrong_name", "server_name");
}

#[test]
fn an_unknown_authority_is_named() {
    let (_, made) = signed(&params(&["127.0.0.1"]));
    let mut stranger = params(&[]);
    stranger.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let other = self_signed(&stranger).certificate;
    fails(&made, &other, "", "certificate_unknown_issuer", "name the certificate that signed it");
}

#[test]
fn what_openssl_makes_can_be_trusted_by_naming_it() {
    // `openssl req -x509` marks its certificates as authorities.
    let mut own = params(&["other.test"]);
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = self_signed(&own);
    let (folder, sink) = (TempDir::new().unwrap(), sink(&made, true));
    fs::write(folder.path().join("own.pem"), &made.certificate).unwrap();
    let target = format!(
        "url = \"{}\"\nca = \"own.pem\"\nserver_name = \"other.test\"",
        url("smtps", &sink)
    );
    let (_, results) = run(folder.path(), &target, "", &[0]);
    assert_eq!(results.messages("accepted"), 100);
}

#[test]
fn a_client_shows_its_certificate_where_the_server_asks_for_it() {
    let made = self_signed(&params(&["127.0.0.1"]));
    let (authority, client) = signed(&params(&["client.test"]));
    let sink = sink_for(&made, &authority);
    for (shows, version) in [(true, "1.2"), (true, "1.3"), (false, "1.2"), (false, "1.3")] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("own.pem"), &made.certificate).unwrap();
        fs::write(folder.path().join("me.pem"), &client.certificate).unwrap();
        fs::write(folder.path().join("me.key"), client.key.serialize_pem()).unwrap();
        let mut target = format!(
            "url = \"{}\"\ntls = \"starttls\"\nca = \"own.pem\"\nmax_version = \"{version}\"\n",
            url("smtp", &sink)
        );
        if shows {
            target.push_str("client_cert = \"me.pem\"\nclient_key = \"me.key\"\n");
        }
        let (finished, results) = run(folder.path(), &target, "preflight = false", &[0, 69]);
        if shows {
            assert_eq!(results.messages("accepted"), 100, "{finished:?}");
            assert_eq!(facts(folder.path())["handshakes"][0]["version"], format!("TLSv{version}"));
        } else {
            // Under TLS 1.3 the client is done before the server has looked: its alert meets the second EHLO.
            let alerts =
                results.failures("tls", "tls_alert") + results.failures("ehlo", "tls_alert");
            assert!(alerts > 0, "{finished:?}");
            assert_eq!(results.messages("accepted"), 0);
        }
    }
}

#[test]
fn any_certificate_will_do_where_the_scenario_says_so_and_the_report_does_too() {
    let mut expired = params(&["other.test"]);
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let made = self_signed(&expired);
    let (folder, sink) = (TempDir::new().unwrap(), sink(&made, false));
    let target = format!("url = \"{}\"\ntls = \"starttls\"\nverify = false", url("smtp", &sink));
    let (finished, results) = run(folder.path(), &target, "", &[0]);
    assert_eq!(results.messages("accepted"), 100);
    assert_eq!(facts(folder.path())["verified"], false);
    finished.stdout_has("certificates were not verified");
}

#[test]
fn tls_that_is_not_offered_is_a_failure_and_never_a_downgrade() {
    let folder = TempDir::new().unwrap();
    let sink = start(None);
    let target = format!("url = \"{}\"\ntls = \"starttls\"", url("smtp", &sink));
    let (finished, results) = run(folder.path(), &target, "preflight = false", &[0, 69]);
    assert!(results.failures("starttls", "tls_not_offered") > 0, "{finished:?}");
    assert_eq!(sink.counts().messages, 0);
    let facts = facts(folder.path());
    assert_eq!((&facts["sessions_encrypted"], &facts["sessions_clear"]), (&0.into(), &0.into()));
    assert_eq!(facts["sessions_failed"], sink.counts().connections, "{finished:?}");
}

/// A server that plays `script` fails each session at `step`.
#[track_caller]
fn plays(scheme: &str, script: &str, step: &str, failure: &str) -> Finished {
    let folder = TempDir::new().unwrap();
    let peer = Peer::play(script);
    let url = peer.url().replace("smtp://", &format!("{scheme}://"));
    let tls = if scheme == "smtp" { "tls = \"starttls\"" } else { "" };
    let target = format!("url = \"{url}\"\n{tls}\nverify = false");
    let (finished, results) = run(folder.path(), &target, "preflight = false", &[0, 69]);
    assert!(results.failures(step, failure) > 0, "{finished:?}");
    results.add_up();
    finished
}

const OFFER: &str = "S: 220 hi\nC: EHLO\nS: 250-peer\nS: 250 STARTTLS\nC: STARTTLS\n";

#[test]
fn a_server_that_speaks_clear_text_on_the_tls_port_is_named() {
    plays("smtps", "S: 220 clear.test ESMTP\nstall", "tls", "not_tls")
        .stdout_has("the server speaks clear text first");
}

#[test]
fn a_handshake_that_stalls_times_out() {
    plays("smtp", &format!("{OFFER}S: 220 go\nstall"), "tls", "timed_out");
}

#[test]
fn a_handshake_that_is_cut_is_a_closed_connection() {
    plays("smtp", &format!("{OFFER}S: 220 go\nclose"), "tls", "closed");
}

#[test]
fn a_handshake_that_comes_to_nothing_is_told_by_the_preflight() {
    for end in ["stall", "close"] {
        let (folder, peer) =
            (TempDir::new().unwrap(), Peer::play(&format!("{OFFER}S: 220 go\n{end}")));
        let scenario = folder.path().join("one.toml");
        let text = format!(
            "[target]\nurl = \"{}\"\ntls = \"starttls\"\nverify = false\n[load]\nsessions = 1\nmessages = 1\n\
             [timeouts]\ntls = \"500ms\"\n",
            peer.url()
        );
        fs::write(&scenario, text).unwrap();
        Smtpbench::new(&["run"])
            .arg(&scenario)
            .arg("--out")
            .arg(folder.path().join("none"))
            .limit(LIMIT)
            .run()
            .code(&[69])
            .stderr_has("error: the TLS handshake with smtp://127.0.0.1:")
            .stderr_has("did not come to its end")
            .stderr_has("hint: the server's log says why");
    }
}

#[test]
fn an_alert_is_named() {
    // A fatal alert of TLS 1.2: handshake_failure.
    let alert = "raw \\x15\\x03\\x03\\x00\\x02\\x02\\x28\nstall";
    plays("smtps", alert, "tls", "tls_alert").stdout_has("the server's log says why it ended TLS");
}

#[test]
fn a_reply_injected_behind_the_220_is_caught() {
    let injected = r"raw 220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n";
    plays("smtp", &format!("{OFFER}{injected}\nstall"), "starttls", "clear_text_after_starttls");
}

#[test]
fn what_the_scenario_says_of_tls_is_checked() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("bad.toml");
    fs::write(
        &scenario,
        "[target]\nurl = \"smtp://127.0.0.1:1\"\nca = \"none.pem\"\ntls = \"startls\"\n\
         min_version = \"1.1\"\nclient_cert = \"none.pem\"\ntls_share = \"120%\"\n[load]\nsessions = 1\nmessages = 1\n",
    )
    .unwrap();
    Smtpbench::new(&["check"])
        .arg(&scenario)
        .run()
        .code(&[65])
        .stderr_has("`none.pem`: does not exist")
        .stderr_has("did you mean \"starttls\"")
        .stderr_has("min_version")
        .stderr_has("tls_share");
    fs::write(folder.path().join("empty.pem"), "no certificate").unwrap();
    fs::write(
        &scenario,
        "[target]\nurl = \"smtps://127.0.0.1:1\"\nca = \"empty.pem\"\n[load]\nsessions = 1\nmessages = 1\n",
    )
    .unwrap();
    Smtpbench::new(&["check"])
        .arg(&scenario)
        .run()
        .code(&[65])
        .stderr_has("holds no certificate in PEM form");
}
