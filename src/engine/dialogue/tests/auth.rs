//! Logins: every mechanism against the server's side of it, and servers that cannot be believed.

use super::security::secured;
use super::*;
use crate::measure::summary::Summary;
use crate::measure::validity::EndOfRun;
use crate::plan::Destination;
use crate::scenario::Warmup;
use crate::scenario::login::{Login, Method, SecretTemplate};
use crate::scenario::script::{Setting, parse_script_for};
use crate::smtp::sasl::{
    self, BindingKind, ChannelBinding, Mechanism, Secret, Server, Users, Verdict, fresh_nonce,
};

const SHORT: &str = "hello\nQUIT";

/// What the connection under a session is worth.
#[derive(Default)]
struct SessionSecurity {
    encrypted: bool,
    bindings: Vec<ChannelBinding>,
}

fn login_plan(method: Method, script: &str) -> Plan {
    let mut plan = plan("hello", 1, 1);
    let (mut faults, names) = (Faults::default(), Names::default());
    let setting = Setting { login: Some(method), variables: &[] };
    let steps = &mut plan.scenario.steps;
    let script = parse_script_for(setting, script, 0, "script", 1, &names, steps, &mut faults);
    plan.scenario.scripts = vec![script.unwrap_or_else(|| panic!("{faults:?}"))];
    plan.targets[0].login = Some(Login {
        method,
        user: Template::text("tim"),
        password: SecretTemplate::new(Template::text("tanstaaf")),
        initial_response: true,
    });
    plan
}

fn named(mechanism: Mechanism) -> Method {
    Method::Named(mechanism)
}

/// Lets `answer` reply to each line of ours, without CRLF, until the session is over; what was sent and measured.
fn converse(
    plan: &Plan,
    security: SessionSecurity,
    mut answer: impl FnMut(&str) -> String,
) -> (Vec<String>, Summary, Dialogue) {
    let start = clock::now();
    let layout = Arc::new(Layout::new(plan));
    let recorder = Recorder::new(Arc::clone(&layout), 0, start, Duration::from_secs(86_400));
    let mut desk = Desk::new(plan, 0, start, recorder, &NumberSource::of_loads(plan));
    let mut dialogue = Dialogue::new(plan, 0, 0, Box::new([]), start);
    let (mut now, mut sent) = (start, Vec::new());
    dialogue.security.bindings = security.bindings;
    dialogue.security.secured = security.encrypted.then(|| Box::new(secured()));
    dialogue.start(plan, &mut desk, now);
    dialogue.connected(plan, &mut desk, now);
    dialogue.handle_input(plan, &mut desk, now, b"220 hi\r\n");
    for _ in 0..ACTIONS_MAX {
        now += Duration::from_millis(1);
        desk.out.clear();
        match dialogue.next(plan, &mut desk, now) {
            Action::Write(_) => {
                let text = String::from_utf8(desk.out.bytes().to_vec()).unwrap();
                dialogue.written(plan, &mut desk, now);
                let line = text.strip_suffix("\r\n").unwrap().to_owned();
                let reply = format!("{}\r\n", answer(&line)).replace('|', "\r\n");
                sent.push(line);
                dialogue.handle_input(plan, &mut desk, now, reply.as_bytes());
            }
            Action::Close { .. } => break,
            other => panic!("{other:?} after {sent:?}"),
        }
    }
    assert!(dialogue.is_over(), "{sent:?}");
    let mut collector = Collector::new(layout, Duration::from_secs(86_400), 1);
    collector.add(desk.recorder.finish(now));
    let took = now - start;
    (sent, collector.summary(plan, &EndOfRun::finished(took, took)), dialogue)
}

/// A server that knows `tim` and offers `mechanisms`; what it says to a line.
fn server(mechanisms: &str, bindings: &[ChannelBinding]) -> impl FnMut(&str) -> String + use<> {
    let users = Users::new([("tim".to_owned(), Secret::new("tanstaaf"))]);
    let (mechanisms, bindings) = (mechanisms.to_owned(), bindings.to_vec());
    let mut exchange: Option<Server> = None;
    move |line: &str| {
        let response = match (&exchange, line.split(' ').collect::<Vec<_>>().as_slice()) {
            (Some(_), [response]) => (*response).to_owned(),
            (None, ["AUTH", name, rest @ ..]) => {
                let mechanism = Mechanism::from_name(name.as_bytes()).unwrap();
                let server = exchange.insert(Server::new(mechanism, fresh_nonce(), &bindings));
                match rest {
                    [initial] => (*initial).to_owned(),
                    _ => return format!("334 {}", sasl::encode(&server.first_challenge())),
                }
            }
            (None, ["EHLO", ..]) => return format!("250-hi|250 AUTH {mechanisms}"),
            (None, ["QUIT"]) => return "221 bye".to_owned(),
            (None, _) => return "250 ok".to_owned(),
            (Some(_), line) => panic!("{line:?}"),
        };
        let response = sasl::decode(response.as_bytes()).unwrap();
        match exchange.as_mut().unwrap().step(&response, &users) {
            Verdict::Challenge(challenge) => format!("334 {}", sasl::encode(&challenge)),
            verdict => {
                exchange = None;
                let reply =
                    if verdict == Verdict::Accepted { "235 2.7.0 in" } else { "535 5.7.8 no" };
                reply.to_owned()
            }
        }
    }
}

fn secure() -> SessionSecurity {
    let binding = ChannelBinding { kind: BindingKind::TlsExporter, data: vec![9; 32].into() };
    SessionSecurity { encrypted: true, bindings: vec![binding] }
}

/// Samples of the step `auth` by outcome.
fn logins(summary: &Summary) -> Vec<(&str, u64)> {
    let rows = summary.latency.iter().filter(|row| row.step == "auth");
    let rows = rows.filter(|row| row.script.is_some());
    rows.filter_map(|row| Some((row.outcome?.name(), row.figures.count))).collect()
}

fn failure(summary: &Summary) -> (String, String) {
    let [row] = summary.failures.as_slice() else { panic!("{:?}", summary.failures) };
    assert_eq!((row.step.as_str(), row.failure.fault()), ("auth", Fault::Peer));
    (row.failure.name().to_owned(), String::from_utf8_lossy(&row.detail).into_owned())
}

#[test]
fn every_mechanism_logs_in_and_is_one_sample() {
    for mechanism in Mechanism::ALL {
        for initial in [true, false] {
            let security = if mechanism.binds() { secure() } else { SessionSecurity::default() };
            let mut plan = login_plan(named(mechanism), SHORT);
            plan.targets[0].login.as_mut().unwrap().initial_response = initial;
            let answer = server(mechanism.name(), &security.bindings);
            let (sent, summary, dialogue) = converse(&plan, security, answer);
            let auth: Vec<&str> = sent[1].split(' ').collect();
            let first = initial && !matches!(mechanism, Mechanism::Login | Mechanism::CramMd5);
            assert_eq!(auth[..2], ["AUTH", mechanism.name()], "{sent:?}");
            assert_eq!(auth.len(), if first { 3 } else { 2 }, "{sent:?}");
            assert_eq!(sent.last().unwrap(), "QUIT");
            assert_eq!(dialogue.outcome(), Outcome::Accepted, "{mechanism}");
            assert_eq!(logins(&summary), [("accepted", 1)], "{mechanism}");
            assert_eq!(summary.failures.len(), 0);
        }
    }
}

#[test]
fn a_wrong_password_is_a_reply_and_ends_the_session() {
    for mechanism in Mechanism::ALL {
        let security = if mechanism.binds() { secure() } else { SessionSecurity::default() };
        let mut plan = login_plan(named(mechanism), SHORT);
        plan.targets[0].login.as_mut().unwrap().password =
            SecretTemplate::new(Template::text("wrong"));
        let answer = server(mechanism.name(), &security.bindings);
        let (sent, summary, dialogue) = converse(&plan, security, answer);
        assert_eq!(sent.last().unwrap(), "QUIT");
        assert_eq!(dialogue.outcome(), Outcome::Rejected, "{mechanism}");
        assert!(dialogue.failed_to_log_in() && !dialogue.was_fruitful());
        assert_eq!(logins(&summary), [("rejected", 1)], "{mechanism}");
        assert_eq!(summary.failures.len(), 0);
        let refused = summary.replies.iter().find(|row| row.reply_code == 535).unwrap();
        assert_eq!((refused.step.as_str(), refused.count), ("auth", 1));
    }
}

#[test]
fn best_is_the_strongest_that_is_offered_and_safe() {
    #[track_caller]
    fn check(offered: &str, security: SessionSecurity, local: bool, want: &str) {
        let mut plan = login_plan(Method::Best, SHORT);
        if !local {
            plan.targets[0].addresses = vec![Address::Tcp(([192, 0, 2, 1], 25).into()).into()];
        }
        let answer = server(offered, &security.bindings);
        let (sent, summary, _) = converse(&plan, security, answer);
        match sent[1].strip_prefix("AUTH ") {
            Some(rest) => assert_eq!(rest.split(' ').next(), Some(want), "{offered}"),
            None => assert_eq!(failure(&summary), ("auth_not_offered".into(), want.into())),
        }
    }
    let (clear, all) = (SessionSecurity::default, Mechanism::ALL.map(Mechanism::name).join(" "));
    check(&all, secure(), false, "SCRAM-SHA-256-PLUS");
    check(&all, clear(), false, "SCRAM-SHA-256");
    check("PLAIN SCRAM-SHA-1 CRAM-MD5 SCRAM-SHA-1-PLUS", secure(), false, "SCRAM-SHA-1-PLUS");
    check("PLAIN SCRAM-SHA-1 CRAM-MD5 SCRAM-SHA-1-PLUS", clear(), true, "SCRAM-SHA-1");
    check("LOGIN CRAM-MD5 PLAIN", clear(), true, "CRAM-MD5");
    check("LOGIN PLAIN XOAUTH2", clear(), true, "PLAIN");
    check("LOGIN PLAIN", SessionSecurity { encrypted: true, bindings: vec![] }, false, "PLAIN");
    check(
        "LOGIN PLAIN",
        clear(),
        false,
        "PLAIN LOGIN would send the password in the clear: this session has no TLS",
    );
    check(
        "XOAUTH2 GSSAPI",
        clear(),
        true,
        "no mechanism for a password is offered; offered: XOAUTH2",
    );
}

#[test]
fn what_is_not_offered_is_said_and_not_skipped() {
    #[track_caller]
    fn check(mechanism: Mechanism, offer: &str, want: &str) {
        let plan = login_plan(named(mechanism), SHORT);
        let answer = |line: &str| match &line[..4] {
            "EHLO" => offer.to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "500 what".to_owned(),
        };
        let (sent, summary, mut dialogue) = converse(&plan, SessionSecurity::default(), answer);
        assert_eq!(sent, ["EHLO me.test", "QUIT"]);
        assert_eq!(failure(&summary), ("auth_not_offered".into(), want.into()));
        assert_eq!(logins(&summary), []);
        assert_eq!(dialogue.outcome(), Outcome::Lost);
        assert_eq!(dialogue.take_remark().as_deref(), Some(&*format!("auth_not_offered: {want}")));
    }
    check(Mechanism::Plain, "250-hi|250 SIZE", "the server offers no AUTH");
    check(
        Mechanism::ScramSha256,
        "250-hi|250 AUTH LOGIN PLAIN",
        "SCRAM-SHA-256 is not offered; offered: PLAIN LOGIN",
    );
    check(
        Mechanism::Plain,
        "250-hi|250 AUTH GSSAPI",
        "PLAIN is not offered; offered: none that is known here",
    );
    check(
        Mechanism::ScramSha1Plus,
        "250-hi|250 AUTH SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1-PLUS needs TLS with a channel binding",
    );
}

/// Plays `replies` to AUTH and what follows it. `scram TEXT` is a challenge, with our nonce for `N` in it. What was sent
/// behind the first response (`…` for what is in base64), and the failure.
#[track_caller]
fn check_lie(mechanism: Mechanism, replies: &[&str], after: &[&str], want: (&str, &str)) {
    let plan = login_plan(named(mechanism), SHORT);
    let (mut replies, mut nonce) = (replies.iter(), String::new());
    let answer = |line: &str| {
        if let Some(first) = line.strip_prefix(&format!("AUTH {mechanism} ")) {
            let first = String::from_utf8(sasl::decode(first.as_bytes()).unwrap()).unwrap();
            nonce = first.rsplit("r=").next().unwrap().to_owned();
        }
        match line {
            "*" => "501 cancelled".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            "EHLO me.test" => format!("250-hi|250 AUTH {mechanism}"),
            _ => {
                let reply = replies.next().unwrap();
                match reply.strip_prefix("scram ") {
                    Some(text) => {
                        format!("334 {}", sasl::encode(text.replace('N', &nonce).as_bytes()))
                    }
                    None => (*reply).to_owned(),
                }
            }
        }
    };
    let (sent, summary, dialogue) = converse(&plan, SessionSecurity::default(), answer);
    let shown = |line: &String| match line.as_str() {
        short @ ("*" | "QUIT") => short.to_owned(),
        _ => "…".to_owned(),
    };
    assert_eq!(sent[2..].iter().map(shown).collect::<Vec<_>>(), after);
    assert_eq!(failure(&summary), (want.0.to_owned(), want.1.to_owned()));
    assert_eq!(logins(&summary), [("lost", 1)]);
    assert_eq!(dialogue.outcome(), Outcome::Lost);
    assert!(dialogue.failed_to_log_in());
}

#[test]
fn a_challenge_that_is_none_is_cancelled() {
    let cancelled = ["*", "QUIT"];
    let no_base64 = ("auth_challenge", "a challenge that is no base64");
    for mechanism in [Mechanism::CramMd5, Mechanism::Login, Mechanism::ScramSha256] {
        for reply in ["334 what?", "334 QUJ", "334-QUJD|334 QUJD", "334 Q"] {
            check_lie(mechanism, &[reply], &cancelled, no_base64);
        }
    }
    let surplus = ("auth_challenge", "a challenge where the mechanism has no more");
    check_lie(Mechanism::Plain, &["334 "], &cancelled, surplus);
    check_lie(Mechanism::Login, &["334 ", "334 ", "334 "], &["…", "…", "*", "QUIT"], surplus);
    check_lie(Mechanism::CramMd5, &["334", "334 QUJD"], &["…", "*", "QUIT"], surplus);
}

#[test]
fn a_scram_server_that_lies_is_found_out() {
    let scram = Mechanism::ScramSha256;
    let cancelled = ["*", "QUIT"];
    let nonce = ("auth_proof", "the server's nonce does not begin with ours");
    check_lie(scram, &["scram r=other,s=QUJD,i=1"], &cancelled, nonce);
    check_lie(scram, &["scram r=N,s=QUJD,i=1"], &cancelled, nonce);
    for (count, said) in [("0", "0"), ("4000000000", "4000000000")] {
        let want = format!("an iteration count of {said}, not from 1 to 1000000");
        let first = format!("scram r=Nx,s=QUJD,i={count}");
        check_lie(scram, &[&first], &cancelled, ("auth_challenge", &want));
    }
    let first = "scram r=Nx,s=QUJD,i=1";
    let signature = ("auth_proof", "the server's signature is wrong");
    check_lie(scram, &[first, "scram v=QUJD"], &["…", "*", "QUIT"], signature);
    let unproven = ("auth_proof", "success without the server's signature");
    check_lie(scram, &[first, "235 in"], &["…", "QUIT"], unproven);
    check_lie(scram, &["235 in"], &["QUIT"], unproven);
    check_lie(scram, &[first, "scram e=other-error", "235 in"], &["…", "…", "QUIT"], unproven);
}

#[test]
fn a_refusal_that_the_script_expects_goes_on() {
    let talk = |end: &str| {
        format!(
            "S: 220 hi
             C: EHLO me.test
             S: 250-hi|250 AUTH PLAIN LOGIN
             C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==
             {end}
             C: QUIT
             S: 221 bye
             closed:"
        )
    };
    let plan = login_plan(Method::Best, "hello\nAUTH plain => 535\nNOOP");
    play(&plan, &talk("S: 535 no\nC: NOOP\nS: 250 ok"));
    play(&plan, &talk("S: 235 in"));
    // 421 closes, and other replies are no success.
    let plan = login_plan(Method::Best, "hello\nNOOP");
    play(&plan, &talk("S: 250 ok"));
    play(&plan, &talk("S: 454 4.7.0 later"));
    let closing = talk("S: 421 later").replace("C: QUIT", "").replace("S: 221 bye", "");
    play(&plan, &closing);
}

#[test]
fn hello_logs_in_once_a_session() {
    play(
        &login_plan(named(Mechanism::Login), "repeat 2\nhello\nend"),
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250 AUTH LOGIN
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: dGlt
         S: 334 UGFzc3dvcmQ6
         C: dGFuc3RhYWY=
         S: 235 in
         C: EHLO me.test
         S: 250 hi
         C: QUIT
         S: 221 bye
         closed:",
    );
}

#[test]
fn tokens_are_refused_by_a_challenge() {
    #[track_caller]
    fn check(mechanism: Mechanism, first: &[u8], answer: &str) {
        let mut plan = login_plan(named(mechanism), SHORT);
        plan.targets[0].url = TargetUrl::parse("smtp://mail.test:587").unwrap();
        let mut replies = ["334 eyJzdGF0dXMiOiI0MDEifQ==", "535 no"].into_iter();
        let reply = |line: &str| match line {
            "EHLO me.test" => format!("250-hi|250 AUTH {mechanism}"),
            "QUIT" => "221 bye".to_owned(),
            _ => replies.next().unwrap().to_owned(),
        };
        let (sent, summary, _) = converse(&plan, SessionSecurity::default(), reply);
        let auth = format!("AUTH {mechanism} {}", sasl::encode(first));
        assert_eq!(sent, ["EHLO me.test", &auth, answer, "QUIT"]);
        assert_eq!(logins(&summary), [("rejected", 1)]);
    }
    check(Mechanism::XOauth2, b"user=tim\x01auth=Bearer tanstaaf\x01\x01", "");
    check(
        Mechanism::OauthBearer,
        b"n,a=tim,\x01host=mail.test\x01port=587\x01auth=Bearer tanstaaf\x01\x01",
        "AQ==",
    );
}

#[test]
fn an_initial_response_that_is_too_long_waits() {
    let secret = "x".repeat(sasl::SECRET_BYTES_MAX);
    let check = |user: usize, waits: bool| {
        let mut plan = login_plan(named(Mechanism::Plain), SHORT);
        let login = plan.targets[0].login.as_mut().unwrap();
        login.user = Template::text(&"u".repeat(user));
        login.password = SecretTemplate::new(Template::text(&secret));
        let answer = |line: &str| match line {
            "AUTH PLAIN" => "334 ".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            line if line.starts_with("EHLO") => "250-hi|250 AUTH PLAIN".to_owned(),
            _ => "235 in".to_owned(),
        };
        let (sent, ..) = converse(&plan, SessionSecurity::default(), answer);
        assert_eq!(sent[1] == "AUTH PLAIN", waits, "{user}");
        assert!(sent.iter().all(|line| line.len() + 2 <= sasl::LINE_MAX));
    };
    // 12,288 octets hold `AUTH PLAIN `, CRLF and 12,272 of base64: 9204 bytes, 2 of them NUL.
    check(9204 - 2 - sasl::SECRET_BYTES_MAX, false);
    check(9204 - 2 - sasl::SECRET_BYTES_MAX + 1, true);
}

#[test]
fn a_server_that_stops_in_a_login_is_a_time_out_of_all_of_it() {
    let plan = login_plan(named(Mechanism::Login), SHORT);
    play(
        &plan,
        "S: 220 hi
         C: EHLO me.test
         S: 250-hi|250 AUTH LOGIN
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: dGlt
         S: <silence>
         closed:",
    );
}

#[test]
fn what_a_server_quotes_of_a_login_is_not_kept() {
    let token = "AHRpbQB0YW5zdGFhZg==";
    for reply in [
        format!("501 5.5.4 syntax: AUTH PLAIN {token}"),
        format!("535 not {}", &token[..14]),
        "535 5.7.8 tanstaaf is wrong".to_owned(),
        format!("AUTH PLAIN {token}"),
        format!("334 {token}"),
    ] {
        let plan = login_plan(named(Mechanism::Plain), SHORT);
        let answer = |line: &str| match &line[..line.len().min(4)] {
            "EHLO" => "250-hi|250 AUTH PLAIN".to_owned(),
            "QUIT" | "*" => "221 bye".to_owned(),
            _ => reply.clone(),
        };
        let (_, summary, _) = converse(&plan, SessionSecurity::default(), answer);
        let replies = summary.replies.iter().map(|row| &row.sample_text);
        let kept: Vec<_> = replies.chain(summary.failures.iter().map(|row| &row.detail)).collect();
        let kept = kept.into_iter().map(|text| String::from_utf8_lossy(text)).collect::<String>();
        assert!(!kept.contains(&token[..12]) && !kept.contains("tanstaaf"), "{reply}: {kept}");
        assert!(kept.contains("*** ("), "{reply}: {kept}");
    }
}

#[test]
fn what_a_server_quotes_of_a_login_is_not_kept_behind_the_login_either() {
    let token = "AHRpbQB0YW5zdGFhZg==";
    for (quit, extra) in [
        (format!("221 bye, {token}"), String::new()),
        ("221 bye, tanstaaf".to_owned(), String::new()),
        ("221 bye".to_owned(), format!("|250 {token}")),
        (format!("bye {token}"), String::new()),
    ] {
        let plan = login_plan(named(Mechanism::Plain), SHORT);
        let answer = |line: &str| match &line[..line.len().min(4)] {
            "EHLO" => "250-hi|250 AUTH PLAIN".to_owned(),
            "QUIT" => quit.clone(),
            _ => format!("235 ok{extra}"),
        };
        let (_, summary, _) = converse(&plan, SessionSecurity::default(), answer);
        let replies = summary.replies.iter().map(|row| &row.sample_text);
        let kept: Vec<_> = replies.chain(summary.failures.iter().map(|row| &row.detail)).collect();
        let kept = kept.into_iter().map(|text| String::from_utf8_lossy(text)).collect::<String>();
        assert!(!kept.contains(&token[..12]) && !kept.contains("tanstaaf"), "{quit}: {kept}");
    }
}

#[test]
fn a_server_that_answers_a_cancelled_login_badly_fails_it_once() {
    let plan = login_plan(named(Mechanism::ScramSha256), SHORT);
    let answer = |line: &str| match &line[..line.len().min(4)] {
        "EHLO" => "250-hi|250 AUTH SCRAM-SHA-256".to_owned(),
        "*" => "no reply at all".to_owned(),
        _ => "334 !!!".to_owned(),
    };
    let (sent, summary, _) = converse(&plan, SessionSecurity::default(), answer);
    assert_eq!(sent.last().map(String::as_str), Some("*"));
    assert_eq!(summary.failures.iter().map(|row| row.count).sum::<u64>(), 1);
}

#[test]
fn all_of_a_login_belongs_to_the_stage_in_which_it_began() {
    for (replies, row) in [
        (["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 in"], ("accepted", 3)),
        (["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 no"], ("rejected", 3)),
        (["334 VXNlcm5hbWU6", "334 <what>", "501 cancelled"], ("lost", 3)),
    ] {
        let mut plan = login_plan(named(Mechanism::Login), SHORT);
        // EHLO goes out after 1 ms, AUTH after 2, its responses after 3 and 4.
        let warmup = Warmup::For(Duration::from_micros(2500));
        let load = Load { warmup, ..plan.scenario.loads[0].clone() };
        plan = plan.under(vec![load]);
        let mut replies_left = replies.into_iter();
        let answer = |line: &str| match line {
            "EHLO me.test" => "250-hi|250 AUTH LOGIN".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => replies_left.next().unwrap().to_owned(),
        };
        let (_, summary, _) = converse(&plan, SessionSecurity::default(), answer);
        let steps = summary.latency.iter().filter(|row| row.step == "auth" && row.script.is_some());
        let samples: Vec<_> = steps
            .filter_map(|row| Some((&*row.stage, row.outcome?.name(), row.figures.count)))
            .collect();
        assert_eq!(samples, [("warmup", row.0, 1)], "{replies:?}");
        let said = summary.replies.iter().filter(|row| row.step == "auth");
        let said: Vec<_> = said.map(|row| (&*row.stage, row.count)).collect();
        assert_eq!(said.iter().map(|(_, count)| count).sum::<u64>(), row.1, "{said:?}");
        assert!(said.iter().all(|(stage, _)| *stage == "warmup"), "{replies:?}: {said:?}");
        let failed = summary.failures.iter().all(|row| row.stage == "warmup");
        assert!(failed, "{:?}", summary.failures);
    }
}

#[test]
fn a_token_names_the_mx_host_that_took_the_connection() {
    let mut plan = login_plan(named(Mechanism::OauthBearer), SHORT);
    plan.targets[0].url = TargetUrl::parse("mx://example.test:2525").unwrap();
    let host = |host: &str| Destination {
        host: Some(host.to_owned()),
        ..Address::Tcp(([127, 0, 0, 1], 2525).into()).into()
    };
    plan.targets[0].addresses = vec![host("mx1.test"), host("mx2.test")];
    let mut dialogue = Dialogue::new(&plan, 0, 0, Box::new([]), clock::now());
    for (address, name) in [(0, "mx1.test"), (1, "mx2.test")] {
        dialogue.connecting(address, clock::now());
        assert_eq!(dialogue.server(&plan), (Some(name), Some(2525)));
    }
}
