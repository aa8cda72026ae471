//! AUTH: every mechanism, refusals, limits, and what may not come when.

use super::*;
use crate::sink::logins::parse_users;
use crate::smtp::sasl::{
    self, BindingKind, Client, Credentials, KeyCache, Mechanism, Peer, Secret, fresh_nonce,
};

fn logins(required: bool) -> Option<Arc<Logins>> {
    let mut logins = Logins::new(parse_users("tim:tanstaaf\n").unwrap());
    logins.required = required;
    Some(Arc::new(logins))
}

/// A session after its EHLO.
fn greeted(behavior: &Behavior, logins: Option<Arc<Logins>>) -> (SinkSession, Arc<Service>) {
    let service = Service::new("sink.test", behavior, Protocol::Smtp).with_logins(logins);
    let service = Arc::new(service);
    let mut session = SinkSession::new(Arc::clone(&service), clock::now());
    session.start(clock::now(), &mut Vec::new());
    say(&mut session, "EHLO c");
    (session, service)
}

fn say(session: &mut SinkSession, line: &str) -> String {
    let mut out = Vec::new();
    session.handle_input(clock::now(), format!("{line}\r\n").as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(required: bool, talk: &[(&str, &str)]) {
    let (mut session, _) = greeted(&Behavior::default(), logins(required));
    for (line, want) in talk {
        assert_eq!(say(&mut session, line).trim_end(), *want, "{line}");
    }
}

#[test]
fn auth_is_offered_to_its_users_and_plus_under_tls_only() {
    let offer = |session: &mut SinkSession| {
        let reply = say(session, "EHLO c");
        reply.lines().find(|line| line.contains("AUTH")).unwrap_or_default().to_owned()
    };
    let (mut session, _) = greeted(&Behavior::default(), logins(false));
    assert_eq!(
        offer(&mut session),
        "250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER"
    );
    session.bind(vec![binding()]);
    assert!(offer(&mut session).contains(" SCRAM-SHA-256-PLUS "));
    let (mut session, _) = greeted(&Behavior::default(), None);
    assert_eq!(offer(&mut session), "");
    assert_eq!(say(&mut session, "AUTH PLAIN"), "500 5.5.2 command not recognized\r\n");
}

fn binding() -> ChannelBinding {
    ChannelBinding { kind: BindingKind::TlsServerEndPoint, data: vec![1; 32].into() }
}

#[test]
fn every_mechanism_lets_the_right_password_in() {
    for mechanism in Mechanism::ALL {
        for (password, initial) in
            [("tanstaaf", true), ("tanstaaf", false), ("wrong", true), ("wrong", false)]
        {
            let (mut session, service) = greeted(&Behavior::default(), logins(true));
            let bindings = [binding()];
            let mut peer = Peer::default();
            if mechanism.binds() {
                session.bind(bindings.to_vec());
                say(&mut session, "EHLO c");
                peer.bindings = &bindings;
            }
            let credentials = Credentials { user: "tim".to_owned(), secret: Secret::new(password) };
            let mut client = Client::new(mechanism, credentials, &peer, fresh_nonce()).unwrap();
            let mut line = format!("AUTH {mechanism}");
            if let Some(first) = initial.then(|| client.initial()).flatten() {
                line = format!("{line} {}", sasl::encode(&first));
            }
            let mut reply = say(&mut session, &line);
            for _ in 0..4 {
                let Some(challenge) = reply.strip_prefix("334 ") else { break };
                let challenge = sasl::decode(challenge.trim_end().as_bytes()).unwrap();
                let response = client.step(&challenge, &mut KeyCache::default()).unwrap();
                reply = say(&mut session, &sasl::encode(&response));
            }
            let good = password == "tanstaaf";
            let want = if good { "235 2.7.0 " } else { "535 5.7.8 " };
            assert!(reply.starts_with(want), "{mechanism} {password}: {reply}");
            assert_eq!(service.counts().logins, u64::from(good));
            let want = if good { "250 " } else { "530 5.7.0 " };
            let mail = say(&mut session, "MAIL FROM:<>");
            assert!(mail.starts_with(want), "{mechanism} {password}: {mail}");
        }
    }
}

#[test]
fn commands_out_of_turn_are_refused() {
    check(
        false,
        &[
            ("AUTH", "501 5.5.4 syntax error in arguments"),
            ("AUTH GSSAPI", "504 5.5.4 mechanism not offered"),
            ("AUTH SCRAM-SHA-1-PLUS", "504 5.5.4 mechanism not offered"),
            ("AUTH PLAIN x y", "501 5.5.4 syntax error in arguments"),
            ("AUTH PLAIN *", "501 5.7.0 login cancelled"),
            ("AUTH PLAIN .", "501 5.5.2 no base64"),
            ("AUTH PLAIN =", "535 5.7.8 credentials invalid"),
            ("AUTH CRAM-MD5 dGlt", "501 5.7.0 the server speaks first in this mechanism"),
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("dGlt", "334 UGFzc3dvcmQ6"),
            ("*", "501 5.7.0 login cancelled"),
            ("MAIL FROM:<>", "250 2.1.0 sender ok"),
            ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "503 5.5.1 no AUTH in a transaction"),
            ("RSET", "250 2.0.0 ok"),
            ("auth plain AHRpbQB0YW5zdGFhZg==", "235 2.7.0 logged in"),
            ("AUTH PLAIN AHRpbQB0YW5zdGFhZg==", "503 5.5.1 logged in already"),
        ],
    );
    let service = Service::new("sink.test", &Behavior::default(), Protocol::Smtp);
    let service = Arc::new(service.with_logins(logins(false)));
    let mut session = SinkSession::new(service, clock::now());
    session.start(clock::now(), &mut Vec::new());
    assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 EHLO or HELO first\r\n");
}

#[test]
fn a_login_may_be_required() {
    check(
        true,
        &[
            ("MAIL FROM:<>", "530 5.7.0 AUTH first"),
            ("AUTH LOGIN dGlt", "334 UGFzc3dvcmQ6"),
            ("dGFuc3RhYWY=", "235 2.7.0 logged in"),
            ("MAIL FROM:<>", "250 2.1.0 sender ok"),
        ],
    );
}

#[test]
fn a_rule_stands_in_for_the_end_of_a_good_login() {
    let behavior = Behavior {
        replies: vec![Behavior::parse_reply("auth=454 4.7.0 later").unwrap()],
        size_limit: None,
        ..Behavior::default()
    };
    let (mut session, service) = greeted(&behavior, logins(true));
    assert_eq!(say(&mut session, "AUTH PLAIN AHRpbQB4"), "535 5.7.8 credentials invalid\r\n");
    assert_eq!(say(&mut session, "AUTH PLAIN AHRpbQB0YW5zdGFhZg=="), "454 4.7.0 later\r\n");
    assert_eq!(say(&mut session, "MAIL FROM:<>"), "530 5.7.0 AUTH first\r\n");
    assert_eq!(service.counts().logins, 0);
}

#[test]
fn lines_of_a_login_at_and_above_their_limit() {
    for (length, first, then) in [
        (sasl::LINE_MAX, "501 5.5.2 no base64", "501 5.5.2 no base64"),
        (sasl::LINE_MAX + 1, "500 5.5.2 line too long", "500 5.5.2 line too long"),
        (100_000, "500 5.5.2 line too long", "500 5.5.2 line too long"),
    ] {
        for size in [1000, 4096, length] {
            let (mut session, _) = greeted(&Behavior::default(), logins(false));
            let mut talk = |line: String, want: &str| {
                let mut out = Vec::new();
                let line = format!("{line}\r\n");
                assert_eq!(line.len(), length);
                for piece in line.as_bytes().chunks(size) {
                    session.handle_input(clock::now(), piece, &mut out);
                }
                assert_eq!(String::from_utf8_lossy(&out).trim_end(), want, "{length} by {size}");
                assert_eq!(say(&mut session, "NOOP"), "250 2.0.0 ok\r\n");
                say(&mut session, "AUTH PLAIN");
            };
            talk(format!("AUTH PLAIN {}", "x".repeat(length - 13)), first);
            talk("x".repeat(length - 2), then);
        }
    }
}

#[test]
fn a_login_survives_every_cut() {
    let wire = b"AUTH LOGIN\r\ndGlt\r\ndGFuc3RhYWY=\r\nMAIL FROM:<>\r\n";
    for cut in 0..=wire.len() {
        let (mut session, _) = greeted(&Behavior::default(), logins(true));
        let mut out = Vec::new();
        session.handle_input(clock::now(), &wire[..cut], &mut out);
        session.handle_input(clock::now(), &wire[cut..], &mut out);
        let want = "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 logged in\r\n250 2.1.0 sender ok\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want, "cut at {cut}");
    }
}
