//! Thresholds and the rules of the safety stop, in files and as flags.

use std::time::Duration;

use super::*;
use crate::scenario::TargetChoice;
use crate::scenario::threshold::{STOP_RULES_MAX, Sustained, THRESHOLDS_MAX};

#[test]
fn a_threshold_may_be_a_table_that_says_what_is_bad() {
    let text = |rule: &str| format!("thresholds = [\"accepted > 1%\", {rule}]\n{LOAD}");
    let rule = "{ if = \" eod.p99 > 2s \", for = \"90s\", abort = true }";
    let scenario = good(&text(rule));
    let sustained = Sustained { over: Duration::from_secs(90), abort: true };
    assert_eq!(scenario.thresholds[0].sustained, None);
    assert_eq!(scenario.thresholds[1].sustained, Some(sustained));
    assert_eq!(scenario.thresholds[1].text, "never eod.p99 > 2s for 90s");
    let quiet = good(&text("{ if = \"messages_per_s < 5\", for = \"1m\" }"));
    assert!(!quiet.thresholds[1].sustained.unwrap().abort);
    let check = |rule: &str, want: &[&str]| check(&text(rule), want);
    check("{ if = \"eod.p99 > 2s\" }", &["1:32: `thresholds` has no `for`"]);
    check("{ for = \"1s\" }", &["1:32: `thresholds` has no `if`"]);
    check(
        "{ if = \"eod.p99 > 2\", for = \"10\", abort = 1, then = 2 }",
        &[
            "1:50: duration `2` has no unit",
            "1:60: duration `10` has no unit",
            "1:74: `abort` needs true or false, not a whole number",
            "1:77: unknown key `then` in `thresholds`",
        ],
    );
    check("7", &["1:32: `thresholds` needs text in quotes, not a whole number"]);
}

#[test]
fn thresholds_name_what_the_scenario_has() {
    let text = |labels: &str| {
        let targets = "[targets.ses]\nurl = \"embedded:\"\n[targets.own]\nurl = \"embedded:\"\n";
        let script = "[[scripts]]\nname = \"odd\"\nsteps = '''\nNOOP\n'''\n";
        let rule = format!("thresholds = ['noop.p50{{{labels}}} < 1s']");
        format!("{rule}\n{LOAD}warmup = \"1s\"\n{script}{targets}")
    };
    good(&text("stage=\"warmup\",script=\"odd\", target=\"own\""));
    check(&text("stage=\"peak\""), &["1:32: unknown stage `peak`"]);
    check(&text("script=\"main\""), &["1:33: unknown script `main`"]);
    check(&text("target=\"target\""), &["1:33: unknown target `target`"]);
}

#[test]
fn stages_of_every_load_have_names() {
    let loads = "[loads.a]\nstages = [{ rate = \"5 messages/s\", for = \"1s\", name = \"peak\" }]\n\
                 stop_on = [\"421 > 5% over 10s\"]\n\
                 [loads.b]\nsessions = 1\nfor = \"1s\"\nstop_on = [\"lost > 5% over 10s\"]\n";
    let text = |stage: &str| format!("thresholds = ['eod.p50{{stage=\"{stage}\"}} < 1s']\n{loads}");
    let scenario = good(&text("a.peak"));
    assert_eq!(scenario.stop_on.map(|rules| rules.len()), Some(2));
    good(&text("b.main"));
    check(&text("peak"), &["1:31: unknown stage `peak`"]);
}

#[test]
fn rules_have_a_limit() {
    let rules = |count: usize| vec!["\"accepted > 1%\""; count].join(",");
    let thresholds = |count| format!("thresholds = [{}]\n{LOAD}", rules(count));
    assert_eq!(good(&thresholds(THRESHOLDS_MAX)).thresholds.len(), THRESHOLDS_MAX);
    check(&thresholds(THRESHOLDS_MAX + 1), &["1:1: 101 rules in `thresholds`, over 100"]);
    let rules = |count: usize| vec!["\"421 > 5% over 10s\""; count].join(",");
    let stops = |count| format!("{LOAD}stop_on = [{}]\n", rules(count));
    let kept = good(&stops(STOP_RULES_MAX)).stop_on.map(|rules| rules.len());
    assert_eq!(kept, Some(STOP_RULES_MAX));
    check(&stops(STOP_RULES_MAX + 1), &["4:1: 21 rules in `stop_on`, over 20"]);
}

#[test]
fn the_safety_stop_is_written_left_out_or_turned_off() {
    let text = |line: &str| format!("{LOAD}{line}\n");
    let texts = |scenario: Scenario| {
        let rules = scenario.stop_on?.into_iter().map(|rule| rule.text);
        Some(rules.collect::<Vec<_>>())
    };
    let written = text("stop_on = [\"421 > 5% over 10s\", \"lost > 1% over 1s\"]");
    let rules = vec!["421 > 5% over 10s".to_owned(), "lost > 1% over 1s".to_owned()];
    assert_eq!(texts(good(&text(""))), None);
    assert_eq!(texts(good(&text("stop_on = []"))), Some(Vec::new()));
    assert_eq!(texts(good(&written)), Some(rules));
    let flag = Overrides { stop_on: vec!["5xx > 1% over 1s".into()], ..Overrides::default() };
    let over = |text: &str, flags: &Overrides| texts(read_over(text, flags).unwrap());
    assert_eq!(over(&written, &flag), Some(vec!["5xx > 1% over 1s".to_owned()]));
    let off = Overrides { no_stop_on: true, ..Overrides::default() };
    assert_eq!(over(&written, &off), Some(Vec::new()));
    check(
        &text("stop_on = [\"421 > 5% over 10s\", \"422 > 5%\", 7]"),
        &[
            "4:34: this rule has no `over` with a duration",
            "4:45: `stop_on` needs text in quotes, not a whole number",
        ],
    );
    check(
        &text("stop_on = \"421 > 5% over 10s\""),
        &["4:11: `stop_on` needs a list of texts, not text"],
    );
    let faulty = Overrides { stop_on: vec!["421".into()], ..Overrides::default() };
    let found = lines(read_over(&text(""), &faulty));
    assert_eq!(found, ["--stop-on: this rule compares nothing"]);
}

#[test]
fn a_rule_that_cannot_be_met_is_remarked_on() {
    let remarks = |rule: &str, more: &str, target: Option<&str>| {
        let text = format!("thresholds = ['{rule}']\n{LOAD}{more}");
        let targets = target.map(|name| TargetChoice::parse(name).unwrap()).into_iter().collect();
        read_over(&text, &Overrides { targets, ..Overrides::default() }).unwrap().remarks()
    };
    for rule in ["lag.p99 < 1s", "achieved_rate > 1%", "transaction.response.p99 < 1s"] {
        let told = remarks(rule, "", None);
        assert!(told.len() == 1 && told[0].contains("a closed load has no schedule"), "{told:?}");
    }
    let targets = "[targets.ses]\nurl = \"embedded:\"\n[targets.own]\nurl = \"embedded:\"\n";
    let rule = "accepted{target=\"ses\"} > 1%";
    assert_eq!(remarks(rule, targets, None), Vec::<String>::new());
    assert_eq!(remarks(rule, targets, Some("ses")), Vec::<String>::new());
    let told = remarks(rule, targets, Some("own"));
    assert!(told.len() == 1 && told[0].contains("the run is not for target ses"), "{told:?}");
}
