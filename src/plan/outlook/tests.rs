use super::*;
use crate::message::render::RunIdentity;
use crate::plan::{Destination, Target};
use crate::scenario::security::Security;
use crate::scenario::target::TargetUrl;
use crate::scenario::{Overrides, Source, read};

fn plan(text: &str, seed: u64) -> Plan {
    let text = format!("[target]\nurl = \"smtp://192.0.2.1\"\n{text}");
    let scenario = read(&Source { path: None, text }, &Overrides::default()).unwrap();
    let target = Target {
        name: "target".to_owned(),
        url: TargetUrl::parse("smtp://192.0.2.1").unwrap(),
        security: Security::default(),
        login: None,
        max_rate: None,
        addresses: vec![Destination::from(Address::Tcp(([192, 0, 2, 1], 25).into()))],
    };
    Plan::new(scenario, target, RunIdentity { run_id: "0".repeat(16), seed }, 2)
}

/// Arrivals and messages of each stage; -1 is as many as are taken, and what is expected is negative, too.
#[track_caller]
fn check(text: &str, want: &[(Option<i64>, i64)]) {
    let number = |count: Count| match count {
        Count::Exactly(count) => i64::try_from(count).unwrap(),
        Count::AsTaken => -1,
        #[expect(clippy::cast_possible_truncation, reason = "small")]
        Count::About(count) => -(count.round() as i64),
    };
    let outlook = plan(text, 1).outlook();
    let stages = outlook.stages.iter();
    let found: Vec<_> =
        stages.map(|one| (one.arrivals.map(number), number(one.messages))).collect();
    assert_eq!(found, want, "{text}");
}

#[test]
fn even_arrivals_are_exact() {
    let rate = "[load]\nrate = \"10 messages/s\"\n";
    check(&format!("{rate}for = \"5s\""), &[(Some(50), 50)]);
    check(&format!("{rate}for = \"5s\"\nwarmup = \"2s\""), &[(Some(20), 20), (Some(50), 50)]);
    check(&format!("{rate}messages = 7"), &[(Some(7), 7)]);
    check(&format!("{rate}messages = 70\nfor = \"5s\""), &[(Some(50), 50)]);
    check(
        "[load]\nrate = \"10 sessions/s\"\nfor = \"5s\"\nmessages_per_session = 3",
        &[(Some(50), 150)],
    );
    let ramp = "[load]\nstages = [{ name = \"top\", rate = \"10 messages/s\", ramp = \"2s\", for = \"1s\" }]";
    check(ramp, &[(Some(10), 10), (Some(10), 10)]);
}

#[test]
fn random_arrivals_are_counted_as_the_seed_has_them() {
    let text = "[load]\nrate = \"100 messages/s\"\narrivals = \"poisson\"\nfor = \"10s\"";
    let counted = |seed| match plan(text, seed).outlook().messages {
        Count::Exactly(count) => count,
        other => panic!("{other:?}"),
    };
    // Five standard deviations.
    assert!((1..9).map(counted).all(|count| (840..=1160).contains(&count)));
    assert_eq!(counted(3), counted(3));
    assert!((2..9).any(|seed| counted(seed) != counted(1)));
    assert_eq!(counted(3), plan(text, 3).arrivals(0).count() as u64);
}

#[test]
fn what_is_too_much_to_count_is_expected() {
    // 2,000,000 a second for a minute, and the bound of the second.
    let rate = "[load]\nrate = \"2M messages/s\"\n";
    check(&format!("{rate}for = \"1m\""), &[(Some(-120_000_000), -120_000_000)]);
    check(&format!("{rate}messages = 50000000"), &[(Some(-50_000_000), 50_000_000)]);
}

#[test]
fn closed_loads_send_what_is_taken_or_their_bound() {
    check("[load]\nsessions = 5\nfor = \"5s\"", &[(None, -1)]);
    check("[load]\nsessions = 5\nmessages = 70\nwarmup = \"1s\"", &[(None, -1), (None, 70)]);
    let outlook = plan("[load]\nsessions = 5\nfor = \"5s\"\nmessages = 70", 1).outlook();
    assert!(outlook.stages[0].at_most);
}

#[test]
fn sessions_without_messages_bring_none() {
    let scripts = "[[scripts]]\nname = \"odd\"\nsteps = '''\nhello\nNOOP\n'''\n";
    let text = format!("[load]\nrate = \"10 sessions/s\"\nfor = \"5s\"\n{scripts}");
    check(&text, &[(Some(50), 0)]);
    assert_eq!(plan(&text, 1).outlook().message_bytes, None);
}

#[test]
fn sizes_are_means() {
    let of = |size: &str| {
        let messages = format!("[[messages]]\nname = \"a\"\nsize = {size}\n");
        let outlook =
            plan(&format!("[load]\nrate = \"2k messages/s\"\nfor = \"1s\"\n{messages}"), 1);
        let outlook = outlook.outlook();
        let mean = outlook.message_bytes.unwrap();
        assert!((outlook.bytes_per_s.unwrap() - 2000.0 * mean).abs() < 1.0);
        mean
    };
    assert!((of("\"4KiB\"") - 4096.0).abs() < 1e-6);
    // A standard error of 1.8 %, five times.
    assert!((of("\"1kB..3kB\"") / 2000.0 - 1.0).abs() < 0.09);
}

#[test]
fn ports_are_those_of_open_and_of_just_closed_connections() {
    let ports = |text: &str| plan(text, 1).outlook().connections.ports;
    assert_eq!(ports("[load]\nsessions = 50\nfor = \"1s\""), Some(50));
    let storm = "[load]\nrate = \"1k sessions/s\"\nmax_sessions = 500\nfor = \"1s\"\n";
    assert_eq!(ports(storm), Some(60_500));
    assert_eq!(ports(&format!("{storm}connects_per_s = 10")), Some(1_100));
    let shared = "[client]\nsource = [\"127.0.0.2-127.0.0.11\"]";
    assert_eq!(ports(&format!("{storm}{shared}")), Some(6_050));
    let pool = "[load]\nrate = \"600 messages/s\"\nfor = \"1s\"\n";
    assert_eq!(ports(pool), Some(100));
    assert_eq!(ports(&format!("{pool}messages_per_session = 10")), Some(3_700));
    let closed = "[load]\nsessions = 50\nfor = \"1s\"\nmessages_per_session = 1";
    assert_eq!(plan(closed, 1).outlook().connections.per_s, None);
}
