//! `[load]`, `[loads.NAME]` and the flags over them.

use std::time::Duration;

use super::*;
use crate::scenario::load::{ArrivalSource, ArrivalUnit, Hold, Open, Overload, Pacing};
use crate::scenario::{Bound, Drive, Load, Warmup};
use crate::schedule::arrivals::Pattern;
use crate::units::{DURATION_MAX, parse_rate};

const SECOND: Duration = Duration::from_secs(1);
/// A closed load and an open one.
const CLOSED: &str = "[load]\nsessions = 7\nfor = \"10s\"\n";
const OPEN: &str = "[load]\nrate = \"50 messages/s\"\nfor = \"10s\"\n";

fn load(text: &str) -> Load {
    good(text).loads.remove(0)
}

fn open(text: &str) -> Open {
    match load(text).drive {
        Drive::Open(open) => open,
        drive @ Drive::Closed { .. } => panic!("{drive:?}"),
    }
}

/// Name, rates at the ends and length of each stage.
fn stages(open: &Open) -> Vec<(&str, f64, f64, Option<u64>)> {
    let ArrivalSource::Rate { stages, .. } = &open.source else { panic!("{open:?}") };
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs());
    stages
        .iter()
        .map(|stage| (&*stage.name, stage.span.from, stage.span.to, seconds(stage.span.length)))
        .collect()
}

/// The faults of `[load]` with these lines.
#[track_caller]
fn check_load(lines: &str, want: &[&str]) {
    check(&format!("[load]\n{lines}"), want);
}

#[test]
fn a_rate_says_what_arrives_and_a_pool_or_a_session_each_takes_it() {
    let messages = load(OPEN);
    let drive = open(OPEN);
    assert_eq!(drive.unit, ArrivalUnit::Messages);
    assert_eq!(stages(&drive), [("main", 50.0, 50.0, Some(10))]);
    assert_eq!((drive.max_sessions, messages.messages_per_session), (100, None));
    assert_eq!((drive.overload, drive.pacing), (Overload::Queue, Pacing::Timer));
    let sessions = load("[load]\nrate = \"3k sessions/m\"\nfor = \"10s\"\n");
    assert_eq!((sessions.sessions_max(), &sessions.messages_per_session), (10_000, &Some(1..=1)));
    assert_eq!(stages(sessions.open().unwrap())[0].1, 50.0);
    let all = load(
        "[load]\nrate = \"2 sessions/s\"\nmessages = 100\nmax_sessions = 5\nwarmup = \"2s\"\n\
         overload = { shed_after = \"5s\" }\npacing = \"spin\"\nmessages_per_session = \"1..3\"\n\
         arrivals = { bursts = 20 }\nconnects_per_s = 7\n",
    );
    let drive = all.open().unwrap();
    assert_eq!(stages(drive), [("main", 2.0, 2.0, None)]);
    assert_eq!((drive.max_sessions, drive.pacing), (5, Pacing::Spin));
    assert_eq!(drive.overload, Overload::ShedAfter(5 * SECOND));
    assert_eq!(all.bound, Some(Bound::Messages(100)));
    assert_eq!((all.warmup, all.length()), (Warmup::For(2 * SECOND), None));
    assert_eq!((&all.messages_per_session, all.connects_per_s), (&Some(1..=3), Some(7.0)));
    let ArrivalSource::Rate { pattern, .. } = drive.source else { panic!("{drive:?}") };
    assert_eq!(pattern, Pattern::Bursts(20));
}

#[test]
fn a_rate_without_a_unit_or_an_end_is_a_fault() {
    check_load("rate = 500\n", &["2:8: rate `500` does not say what arrives and how often"]);
    check_load(
        "rate = \"500\"\nfor = \"1s\"\n",
        &["2:8: `500` does not say what arrives and how often"],
    );
    check_load("rate = \"5 messages/s\"\n", &["1:1: [load] has neither `for` nor `messages`"]);
    check_load(
        "rate = \"0 messages/s\"\nfor = \"1s\"\n",
        &["2:8: nothing arrives: every rate is 0"],
    );
    check_load(
        "arrivals = \"poisson\"\nfor = \"1s\"\n",
        &["1:1: [load] has neither `sessions` nor `rate`"],
    );
    hint("[load]\nrate = 500\nfor = \"1s\"\n", "write rate = \"500 messages/s\"");
    check("", &["1:1: there is no [load]"]);
}

#[test]
fn a_ramp_is_a_stage_of_its_own_from_the_rate_before() {
    let open = open(
        "[load]\nstages = [\n\
         { rate = \"100 messages/s\", for = \"60s\" },\n\
         { rate = \"500 messages/s\", ramp = \"30s\", for = \"120s\", name = \"peak\" },\n\
         { rate = \"0 messages/s\", for = \"10s\" },\n\
         { rate = \"6k messages/m\", ramp = \"5s\" },\n]\n",
    );
    assert_eq!(
        stages(&open),
        [
            ("stage-1", 100.0, 100.0, Some(60)),
            ("peak-ramp", 100.0, 500.0, Some(30)),
            ("peak", 500.0, 500.0, Some(120)),
            ("stage-3", 0.0, 0.0, Some(10)),
            ("stage-4-ramp", 0.0, 100.0, Some(5)),
        ]
    );
    let first =
        load("[load]\nstages = [{ rate = \"5 sessions/s\", ramp = \"1s\", for = \"1s\" }]\n");
    assert_eq!(stages(first.open().unwrap())[0], ("stage-1-ramp", 0.0, 5.0, Some(1)));
    assert_eq!(first.length(), Some(2 * SECOND));
}

#[test]
fn faulty_stages_are_all_named() {
    check_load("stages = []\n", &["2:10: `stages` has no stage"]);
    check_load("stages = 5\n", &["2:10: `stages` is a list of tables"]);
    check_load(
        "stages = [\n{ for = \"1s\" },\n{ rate = \"1 messages/s\" },\n{ rate = 5, ramp = \"x\" },\n]\n",
        &[
            "3:1: `stages` has no `rate`",
            "4:1: a stage with neither `for` nor `ramp`",
            "5:10: rate `5` does not say what arrives and how often",
            "5:20: `x` is not a duration",
        ],
    );
    check_load(
        "stages = [\n{ rate = \"1 messages/s\", for = \"1s\" },\n{ rate = \"1 sessions/s\", for = \"1s\" },\n]\n",
        &["4:10: a rate of sessions, but the first is of messages"],
    );
    let stage = |name: &str| {
        format!("{{ rate = \"1 messages/s\", ramp = \"1s\", for = \"1s\", name = \"{name}\" }},\n")
    };
    check_load(
        &format!("stages = [\n{}{}{}]\n", stage("a"), stage("a-ramp"), stage("a")),
        &[
            "4:58: a second stage named `a-ramp`",
            "5:58: a second stage named `a-ramp`",
            "5:58: a second stage named `a`",
        ],
    );
    check_load(
        &format!("stages = [\n{}{}{}]\n", stage("warmup"), stage("all"), stage("a b")),
        &["5:58: `a b` is not a name"],
    );
    check_load(
        &format!("stages = [\n{}{}]\n", stage("warmup"), stage("all")),
        &[
            "3:58: `warmup` is no name for a stage: results use it themselves",
            "4:58: `all` is no name for a stage: results use it themselves",
        ],
    );
    check_load(
        "stages = [{ rate = \"1 messages/s\", for = \"300d\" }, { rate = \"1 messages/s\", for = \"67d\" }]\n",
        &["2:10: the stages take over a year"],
    );
}

#[test]
fn stages_are_at_most_256_with_those_of_all_loads_and_warm_ups() {
    let stage = "{ rate = \"1 messages/s\", for = \"1s\" },";
    let text = |count| format!("[load]\nwarmup = \"1s\"\nstages = [{}]\n", stage.repeat(count));
    check(&text(255), &[]);
    check(&text(256), &["1:1: 257 stages in all, over 256"]);
    let loads = |count| {
        format!(
            "[loads.a]\nstages = [{}]\n[loads.b]\nsessions = 1\nfor = \"1s\"\n",
            stage.repeat(count)
        )
    };
    check(&loads(255), &[]);
    check(&loads(256), &["3:1: 257 stages in all, over 256"]);
}

#[test]
fn a_shape_is_stages_over_a_rate_and_a_length() {
    let spike = open("[load]\nshape = \"spike\"\nrate = \"10 messages/s\"\nfor = \"100s\"\n");
    let names: Vec<_> = stages(&spike).into_iter().map(|stage| stage.0).collect();
    assert_eq!(names, ["before", "spike-up", "spike", "spike-down", "after"]);
    assert_eq!(stages(&spike)[2], ("spike", 100.0, 100.0, Some(10)));
    check_load("shape = \"spike\"\nfor = \"1s\"\n", &["1:1: [load] has `shape` without `rate`"]);
    check_load(
        "shape = \"spike\"\nrate = \"1 messages/s\"\n",
        &["1:1: [load] has `shape` without `for`"],
    );
    check_load("shape = \"spyke\"\n", &["2:9: `spyke` is not a value of `shape`"]);
}

#[test]
fn keys_that_contradict_each_other() {
    check_load(
        "sessions = 1\nrate = \"1 messages/s\"\nmax_sessions = 1\noverload = \"drop\"\npacing = \"spin\"\narrivals = \"even\"\nfor = \"1s\"\n",
        &[
            "3:1: `rate` beside `sessions` in [load]",
            "4:1: `max_sessions` beside `sessions` in [load]",
            "5:1: `overload` beside `sessions` in [load]",
            "6:1: `pacing` beside `sessions` in [load]",
            "7:1: `arrivals` beside `sessions` in [load]",
        ],
    );
    check_load(
        "stages = [{ rate = \"1 messages/s\", for = \"1s\" }]\nrate = \"1 messages/s\"\nfor = \"1s\"\nshape = \"soak\"\nmessages = 5\n",
        &[
            "3:1: `rate` beside `stages` in [load]",
            "4:1: `for` beside `stages` in [load]",
            "5:1: `shape` beside `stages` in [load]",
            "6:1: `messages` beside `stages` in [load]",
            "6:1: `messages` beside `shape` in [load]",
        ],
    );
    hint(
        "[load]\nsessions = 1\nfor = \"1s\"\nrate = \"1 messages/s\"\n",
        "write `sessions` for a closed load, or `rate` (or `stages`) for an open one",
    );
    check(
        "[load]\nsessions = 1\nfor = \"1s\"\n[timeouts]\nplan = \"1s\"\n",
        &["5:1: `plan` is for open load: a closed one has no intended starts"],
    );
    assert_eq!(good(&format!("{OPEN}[timeouts]\nplan = \"1s\"\n")).timeouts.plan, Some(SECOND));
    check_load(
        "rate = \"1 messages/s\"\nmessages = \"each-once\"\n",
        &["3:12: `each-once` needs messages from files", "3:12: `each-once` in an open load"],
    );
    check(
        "[load]\nsessions = 1\nfor = \"1s\"\n[loads.a]\nsessions = 1\nfor = \"1s\"\n",
        &["4:2: `loads` beside `load`"],
    );
}

#[test]
fn single_values_of_a_load() {
    let with = |line: &str| format!("rate = \"1 messages/s\"\nfor = \"1s\"\n{line}\n");
    check_load(&with("overload = \"shed\""), &["4:12: `shed` is not a value of `overload`"]);
    check_load(&with("overload = {}"), &["4:12: `overload` has no `shed_after`"]);
    check_load(&with("overload = { shed_after = \"0s\" }"), &["4:27: `shed_after` is zero"]);
    check_load(&with("pacing = \"busy\""), &["4:10: `busy` is not a value of `pacing`"]);
    check_load(&with("max_sessions = 0"), &["4:16: `max_sessions` is 0, not from 1 to 1000000"]);
    check_load(&with("arrivals = \"random\""), &["4:12: `random` is not a value of `arrivals`"]);
    check_load(&with("arrivals = {}"), &["4:12: `arrivals` has none of `bursts`, `csv`"]);
    check_load(&with("arrivals = { bursts = 0 }"), &["4:23: `bursts` is 0, not from 1 to 1000000"]);
    check_load(
        &with("arrivals = { bursts = 2, speed = 2 }"),
        &["4:26: `speed` means something only with `csv`"],
    );
    check_load(&with("warmup = \"stead\""), &["4:10: `stead` is not a duration"]);
    for bad in ["0", "-1", "nan", "inf", "1e7"] {
        check_load(
            &with(&format!("connects_per_s = {bad}")),
            &["4:18: `connects_per_s` is not a number from 0.001 to 1000000"],
        );
    }
    check_load(
        &with("connects_per_s = \"5\""),
        &["4:18: `connects_per_s` needs a number, not text"],
    );
    assert_eq!(
        load(&format!("[load]\n{}", with("connects_per_s = 1_0.5"))).connects_per_s,
        Some(10.5)
    );
    assert_eq!(load(&format!("[load]\n{}", with("warmup = \"steady\""))).warmup, Warmup::Steady);
}

#[test]
fn held_sessions_come_so_far_and_send_no_mail() {
    let held = load("[load]\nsessions = 5\nfor = \"1s\"\nhold = \"rcpt\"\n");
    assert_eq!(held.hold, Some(Hold::Rcpt));
    let storm = "rate = \"5 sessions/s\"\nfor = \"1s\"\n";
    check_load(&format!("{storm}hold = \"ehlo\"\n"), &[]);
    check_load(
        &format!("{storm}hold = \"greeting\"\n[[scripts]]\nname = \"a\"\nsteps = 'NOOP'\n"),
        &[],
    );
    check_load(
        &format!("{storm}hold = \"mail\"\n[[scripts]]\nname = \"a\"\nsteps = 'EHLO x'\n"),
        &["4:8: script `a` never comes to MAIL"],
    );
    check_load(
        &format!("{storm}hold = \"auth\"\n"),
        &["4:8: script `default` never comes to a login"],
    );
    check_load(
        "rate = \"5 messages/s\"\nfor = \"1s\"\nhold = \"ehlo\"\n",
        &["4:8: `hold` in a load of messages: held sessions send no mail"],
    );
    check_load(
        "sessions = 5\nmessages = 5\nfor = \"1s\"\nhold = \"ehlo\"\n",
        &["3:12: `messages` beside `hold`: held sessions send no mail"],
    );
}

const SCRIPTS: &str =
    "[[scripts]]\nname = \"submit\"\nsteps = 'NOOP'\n[[scripts]]\nname = \"odd\"\nsteps = 'NOOP'\n";

#[test]
fn several_loads_run_side_by_side_with_their_own_scripts() {
    let scenario = good(&format!(
        "[loads.main]\nrate = \"50 messages/s\"\nfor = \"60s\"\nscripts = [\"submit\"]\n\
         [loads.background]\nsessions = 3\nfor = \"20s\"\nstart = \"10s\"\n{SCRIPTS}"
    ));
    let [main, background] = scenario.loads.as_slice() else { panic!("{:?}", scenario.loads) };
    assert_eq!(
        (main.name.as_deref(), main.start, &*main.scripts),
        (Some("main"), Duration::ZERO, &[0][..])
    );
    assert_eq!(background.name.as_deref(), Some("background"));
    assert_eq!((background.start, &*background.scripts), (10 * SECOND, &[0, 1][..]));
    assert_eq!(scenario.sessions_max(), 103);
    assert_eq!(good(CLOSED).loads[0].name, None);
    let alone =
        good(&format!("[loads.a]\nsessions = 1\nfor = \"1s\"\nscripts = [\"odd\"]\n{SCRIPTS}"));
    assert_eq!(
        alone.remarks(),
        ["no script sends a message (DATA or BDAT)", "no load runs the script `submit`"]
    );
}

#[test]
fn faulty_loads_are_all_named() {
    let a = "[loads.a]\nsessions = 1\nfor = \"1s\"\n";
    check(
        &format!("{a}scripts = [\"submitt\", \"odd\", \"odd\", \"x\"]\n{SCRIPTS}"),
        &[
            "4:12: no script is named `submitt`",
            "4:30: `odd` is named twice",
            "4:37: no script is named `x`",
        ],
    );
    check(&format!("{a}scripts = []\n"), &["4:11: `scripts` has no script"]);
    check("[loads]\n", &["1:1: `loads` has no load"]);
    check("loads = 5\n", &["1:9: `loads` needs a table for each name, not a whole number"]);
    check(
        &format!("{a}[loads.\"b c\"]\nfor = \"1s\"\n"),
        &[
            "4:1: [loads.b c] has neither `sessions` nor `rate`",
            "4:8: `b c` is not a name for a load",
        ],
    );
    check(
        &format!(
            "{a}[loads.b]\nrate = \"1 messages/s\"\nmessages = \"each-once\"\nwarmup = \"steady\"\n"
        ),
        &[
            "6:12: messages = \"each-once\" in one of several loads",
            "6:12: `each-once` needs messages from files",
            "6:12: a warm-up would send files that `each-once` sends once",
            "6:12: `each-once` in an open load",
            "7:10: warmup = \"steady\" with several loads, which would not end it together",
        ],
    );
    check(
        "[load]\nsessions = 1\nfor = \"1s\"\nstart = \"1s\"\n",
        &["4:1: unknown key `start` in [load]"],
    );
}

#[test]
fn leases_count_over_all_loads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("u.csv"), "name\na\nb\nc\n").unwrap();
    let text = |sessions: u32| {
        format!(
            "[loads.a]\nsessions = 1\nfor = \"1s\"\n[loads.b]\nrate = \"1 messages/s\"\nfor = \"1s\"\nmax_sessions = {sessions}\n\
             [data.u]\ncsv = \"u.csv\"\npick = \"unique\"\n"
        )
    };
    let read = |sessions| lines(read_in(folder.path().to_str().unwrap(), &text(sessions)));
    assert_eq!(read(2), Vec::<String>::new());
    assert_eq!(read(3).len(), 1);
    assert!(
        read(3)[0].ends_with("10:8: [data.u] has 3 rows to lease to 4 sessions"),
        "{:?}",
        read(3)
    );
}

fn rate(text: &str) -> Overrides {
    Overrides { rate: Some(parse_rate(text).unwrap()), ..Overrides::default() }
}

/// The faults of `text` under these flags.
#[track_caller]
fn check_over(text: &str, overrides: &Overrides, want: &[&str]) {
    assert_eq!(lines(read_over(text, overrides)), want, "{text}");
}

#[test]
fn a_rate_by_flag_makes_an_open_load() {
    let over =
        |text: &str, overrides: &Overrides| read_over(text, overrides).unwrap().loads.remove(0);
    let from_closed = over(CLOSED, &rate("5 sessions/s"));
    assert_eq!(from_closed.sessions_max(), 7);
    assert_eq!(stages(from_closed.open().unwrap()), [("main", 5.0, 5.0, Some(10))]);
    let from_open = over(OPEN, &Overrides { max_sessions: Some(3), ..rate("9 messages/s") });
    assert_eq!(stages(from_open.open().unwrap()), [("main", 9.0, 9.0, Some(10))]);
    assert_eq!(from_open.sessions_max(), 3);
    let shaped = over(&format!("{OPEN}shape = \"smoke\"\n"), &rate("90 messages/s"));
    assert_eq!(stages(shaped.open().unwrap()), [("smoke", 9.0, 9.0, Some(10))]);
    let single = "[load]\nstages = [{ rate = \"1 messages/s\", for = \"5s\" }]\n";
    assert_eq!(
        stages(over(single, &rate("2 messages/s")).open().unwrap()),
        [("stage-1", 2.0, 2.0, Some(5))]
    );
    let poisson = Overrides {
        arrivals: Some(Pattern::Poisson),
        warmup: Some(Warmup::For(SECOND)),
        length: Some(3 * SECOND),
        ..Overrides::default()
    };
    let load = over(OPEN, &poisson);
    assert_eq!((load.warmup, load.length()), (Warmup::For(SECOND), Some(3 * SECOND)));
    assert!(matches!(
        load.open().unwrap().source,
        ArrivalSource::Rate { pattern: Pattern::Poisson, .. }
    ));
    let quick = Scenario::quick(&rate("5 messages/s")).unwrap().loads.remove(0);
    assert_eq!((quick.sessions_max(), quick.length()), (100, Some(10 * SECOND)));
}

#[test]
fn sessions_by_flag_make_a_closed_load() {
    let flags = Overrides { sessions: Some(4), ..Overrides::default() };
    let closed = |text: &str| match read_over(text, &flags).unwrap().loads.remove(0) {
        Load { drive: Drive::Closed { sessions, length }, messages_per_session, .. } => {
            assert_eq!((sessions, messages_per_session), (4, None), "{text}");
            length
        }
        load => panic!("{load:?}"),
    };
    assert_eq!(closed(OPEN), Some(10 * SECOND));
    assert_eq!(
        closed("[load]\nrate = \"5 sessions/s\"\nfor = \"1s\"\noverload = \"drop\"\n"),
        Some(SECOND)
    );
    let stages = "[load]\nstages = [{ rate = \"5 sessions/s\", for = \"1s\" }, { rate = \"9 sessions/s\", ramp = \"2s\", for = \"1s\" }]\n";
    assert_eq!(closed(stages), Some(4 * SECOND));
    assert_eq!(
        closed("[load]\nrate = \"5 messages/s\"\nmessages = 5\n[timeouts]\nplan = \"1s\"\n"),
        None
    );
}

#[test]
fn flags_that_fit_no_load() {
    let two = "[load]\nstages = [{ rate = \"1 messages/s\", for = \"1s\" }, { rate = \"2 messages/s\", for = \"1s\" }]\n";
    check_over(two, &rate("5 messages/s"), &["--rate: the scenario has several stages"]);
    let ends = Overrides {
        length: Some(SECOND),
        messages: Some(Bound::Messages(5)),
        ..Overrides::default()
    };
    check_over(
        two,
        &ends,
        &["--for: the load has an end of its own", "--messages: the load has an end of its own"],
    );
    let several = "[loads.a]\nsessions = 1\nfor = \"1s\"\n[loads.b]\nsessions = 1\nfor = \"1s\"\n";
    let all = Overrides {
        sessions: Some(1),
        arrivals: Some(Pattern::Even),
        max_sessions: Some(1),
        warmup: Some(Warmup::Steady),
        messages_per_session: Some(1..=1),
        length: Some(SECOND),
        messages: Some(Bound::Messages(5)),
        ..Overrides::default()
    };
    let flags = [
        "--arrivals",
        "--for",
        "--max-sessions",
        "--messages",
        "--messages-per-session",
        "--sessions",
        "--warmup",
    ];
    let want: Vec<_> =
        flags.iter().map(|flag| format!("{flag}: the scenario has several loads")).collect();
    assert_eq!(lines(read_over(several, &all)), want);
    check_over(several, &rate("5 messages/s"), &["--rate: the scenario has several loads"]);
    check_over(
        CLOSED,
        &Overrides { sessions: Some(5), ..rate("5 messages/s") },
        &["--rate: `--rate` beside `--sessions`"],
    );
    check_over(
        CLOSED,
        &Overrides { arrivals: Some(Pattern::Even), max_sessions: Some(3), ..Overrides::default() },
        &["--arrivals: the load is a closed one", "--max-sessions: the load is a closed one"],
    );
    let held = "[load]\nsessions = 1\nfor = \"1s\"\nhold = \"ehlo\"\n";
    let some = Overrides { messages: Some(Bound::Messages(5)), ..Overrides::default() };
    check_over(held, &some, &["--messages: `messages` beside `hold`: held sessions send no mail"]);
    let long = Overrides {
        max_sessions: Some(0),
        warmup: Some(Warmup::For(DURATION_MAX + SECOND)),
        ..rate("0 messages/s")
    };
    let found = lines(read_over(OPEN, &long));
    assert_eq!(
        found,
        [
            "--max-sessions: `0` is not from 1 to 1000000",
            "--rate: the rate is zero or over 10 million a second",
            "--warmup: the duration is over a year",
        ]
    );
}
