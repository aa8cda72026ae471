//! Rules as text: what they become, and the word at fault.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::scenario::fault::{Faults, Place};

fn steps() -> StepNames {
    let mut steps = StepNames::default();
    steps.intern("VRFY").unwrap();
    steps.intern("X.Y").unwrap();
    steps
}

/// Reads a rule in a scenario with these names.
fn parse(text: &str, offset: Option<usize>, faults: &mut Faults) -> Option<Threshold> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (stages, scripts) = (names(&["main", "peak"]), names(&["submit", "odd"]));
    let names = RuleNames {
        steps: &steps(),
        stages: Some(&stages),
        scripts: Some(&scripts),
        targets: Some(&names(&["ses"])),
    };
    parse_threshold(text, offset, &names, faults)
}

/// One line a threshold: what it became, or the word at fault and what was said about it.
#[track_caller]
fn check(texts: &[&str], want: &Expect) {
    const OFFSET: usize = 11;
    let mut got = String::new();
    for text in texts {
        let mut faults = Faults::default();
        let threshold = parse(text, Some(OFFSET), &mut faults);
        assert_eq!(threshold.is_some(), faults.is_empty());
        if let Some(Threshold { metric, narrowing, comparison, limit, .. }) = &threshold {
            got += &format!("{text}: {metric:?} {comparison:?} {limit}");
            let labels = [&narrowing.stage, &narrowing.script, &narrowing.target];
            match labels.iter().any(|label| label.is_some()) {
                true => got += &format!(" {labels:?}\n"),
                false => got += "\n",
            }
        }
        for fault in faults.iter() {
            let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
            let word = &text[span.start - OFFSET..span.end - OFFSET];
            let hint = fault.hint.as_deref().unwrap_or("");
            got += &format!("{text}: {word:?}: {} ({hint})\n", fault.message);
        }
    }
    want.assert_eq(&got);
}

#[test]
fn shares_are_fractions() {
    check(
        &[
            "accepted > 99%",
            "rejected<=0.5",
            "deferred >= 0%",
            " failed < 1.5 % ",
            "in_doubt < 0.1%",
        ],
        &expect![[r#"
            accepted > 99%: Share(Accepted) Greater 0.99
            rejected<=0.5: Share(Rejected) LessOrEqual 0.5
            deferred >= 0%: Share(Deferred) GreaterOrEqual 0
             failed < 1.5 % : Share(Failed) Less 0.015
            in_doubt < 0.1%: Share(InDoubt) Less 0.001
        "#]],
    );
}

#[test]
fn times_are_microseconds() {
    check(
        &[
            "eod.p99 < 500ms",
            "mail.p99.9 <= 1.5s",
            "rcpt.p99.999 < 20us",
            "transaction.mean < 1m",
            "session.max > 0s",
            "vrfy.min >= 1us",
            "x.y.p1 < 1s",
            "x.y.p0.5 < 1s",
        ],
        &expect![[r#"
            eod.p99 < 500ms: Step { step: StepId(14), clock: None, outcome: None, statistic: Percentile(99000) } Less 500000
            mail.p99.9 <= 1.5s: Step { step: StepId(9), clock: None, outcome: None, statistic: Percentile(99900) } LessOrEqual 1500000
            rcpt.p99.999 < 20us: Step { step: StepId(10), clock: None, outcome: None, statistic: Percentile(99999) } Less 20
            transaction.mean < 1m: Step { step: StepId(18), clock: None, outcome: None, statistic: Mean } Less 60000000
            session.max > 0s: Step { step: StepId(19), clock: None, outcome: None, statistic: Max } Greater 0
            vrfy.min >= 1us: Step { step: StepId(21), clock: None, outcome: None, statistic: Min } GreaterOrEqual 1
            x.y.p1 < 1s: Step { step: StepId(22), clock: None, outcome: None, statistic: Percentile(1000) } Less 1000000
            x.y.p0.5 < 1s: Step { step: StepId(22), clock: None, outcome: None, statistic: Percentile(500) } Less 1000000
        "#]],
    );
}

#[test]
fn faults_name_the_word() {
    check(
        &[
            "",
            "eod.p99",
            "eod.p99 = 5ms",
            "< 5ms",
            "accepted >",
            "accepted > 101%",
            "accepted > 99",
            "acepted > 99%",
            "eod > 5ms",
            "eod.p99 < 500",
            "eod.p99 == 5s",
            "eod.p99 < 50%",
            "eodd.p99 < 5s",
            "eod.p100 < 5s",
            "eod.p0 < 5s",
            "eod.p99. < 5s",
            "eod.p99.9999 < 5s",
            "eod.p < 5s",
            "eod.median < 5s",
            "nonsense < 5s",
            "nonsense.p50 < 5s",
        ],
        &expect![[r#"
            : "": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
            eod.p99: "eod.p99": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
            eod.p99 = 5ms: "eod.p99 = 5ms": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
            < 5ms: "< 5ms": this threshold has only one side (write `accepted > 99%` or `eod.p99 < 500ms`)
            accepted >: "accepted >": this threshold has only one side (write `accepted > 99%` or `eod.p99 < 500ms`)
            accepted > 101%: "101%": `101%` is not a share (write a percentage: 99.9%)
            accepted > 99: "99": `99` is not a share (write a percentage: 99.9%)
            acepted > 99%: "acepted": unknown metric `acepted` (did you mean `accepted`?)
            eod > 5ms: "eod": `eod` names no figure of the step (write `eod.p99`; known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.p99 < 500: "500": duration `500` has no unit (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
            eod.p99 == 5s: "eod.p99 == 5s": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
            eod.p99 < 50%: "50%": `50%` is not a duration (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
            eodd.p99 < 5s: "eodd": unknown step `eodd` (did you mean `eod`?)
            eod.p100 < 5s: "p100": `p100` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.p0 < 5s: "p0": `p0` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.p99. < 5s: "p99.": `p99.` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.p99.9999 < 5s: "p99.9999": `p99.9999` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.p < 5s: "p": `p` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.median < 5s: "median": `median` is no figure of a step (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            nonsense < 5s: "nonsense": unknown metric `nonsense` (write `accepted > 99%` or `eod.p99 < 500ms`)
            nonsense.p50 < 5s: "nonsense": unknown step `nonsense` (name a step of a script, like mail, rcpt, data, eod, transaction, session)
        "#]],
    );
}

#[test]
fn steps_have_clocks_and_outcomes() {
    check(
        &[
            "eod.rejected.p99 < 1s",
            "transaction.response.p99.9 < 1s",
            "session.service.max < 1s",
            "transaction.lag.mean < 1ms",
            "transaction.lost.response.p50 < 1s",
            "x.y.timeout.min > 1s",
            "eod.accepted.deferred.p99 < 1s",
            "eod.response.service.p99 < 1s",
            "eod.rejected < 1s",
            "eod.rejcted.p99 < 1s",
        ],
        &expect![[r#"
            eod.rejected.p99 < 1s: Step { step: StepId(14), clock: None, outcome: Some(Rejected), statistic: Percentile(99000) } Less 1000000
            transaction.response.p99.9 < 1s: Step { step: StepId(18), clock: Some(Response), outcome: None, statistic: Percentile(99900) } Less 1000000
            session.service.max < 1s: Step { step: StepId(19), clock: Some(Service), outcome: None, statistic: Max } Less 1000000
            transaction.lag.mean < 1ms: Step { step: StepId(18), clock: Some(Lag), outcome: None, statistic: Mean } Less 1000
            transaction.lost.response.p50 < 1s: Step { step: StepId(18), clock: Some(Response), outcome: Some(Lost), statistic: Percentile(50000) } Less 1000000
            x.y.timeout.min > 1s: Step { step: StepId(22), clock: None, outcome: Some(Timeout), statistic: Min } Greater 1000000
            eod.accepted.deferred.p99 < 1s: "deferred": `deferred` behind another outcome (write one)
            eod.response.service.p99 < 1s: "service": `service` behind another clock (write one)
            eod.rejected < 1s: "rejected": `rejected` names no figure (write `rejected.p99`; known: min, mean, max, p50, p99, p99.9 and other percentiles)
            eod.rejcted.p99 < 1s: "rejcted": `rejcted` is no clock and no outcome (did you mean `rejected`?)
        "#]],
    );
}

#[test]
fn replies_lag_and_rates() {
    check(
        &[
            "replies.5xx < 1%",
            "replies.450 <= 0.5",
            "replies.any.4xx < 10%",
            "replies.any < 10%",
            "replies.6xx < 10%",
            "replies < 10%",
            "replies.5xx < 1s",
            "lag.p99 < 10ms",
            "lag < 10ms",
            "lag.p99 < 10%",
            "lag.rejected.p99 < 10ms",
            "achieved_rate > 99%",
            "achieved_rat > 99%",
            "messages_per_s > 100",
            "messages_per_h >= 3.6M",
            "messages_per_s > 2k",
            "messages_per_s > 2G",
            "messages_per_s > 10%",
            "messages_per_s > 1e9",
        ],
        &expect![[r#"
            replies.5xx < 1%: Replies { codes: Codes { first: 500, last: 599 }, any: false } Less 0.01
            replies.450 <= 0.5: Replies { codes: Codes { first: 450, last: 450 }, any: false } LessOrEqual 0.5
            replies.any.4xx < 10%: Replies { codes: Codes { first: 400, last: 499 }, any: true } Less 0.1
            replies.any < 10%: "any": `any` is no reply code (write a reply code or its first digit: replies.450, replies.5xx, replies.any.5xx)
            replies.6xx < 10%: "6xx": `6xx` is no reply code (write a reply code or its first digit: replies.450, replies.5xx, replies.any.5xx)
            replies < 10%: "replies": `replies` names no reply code (write a reply code or its first digit: replies.450, replies.5xx, replies.any.5xx)
            replies.5xx < 1s: "1s": `1s` is not a share (write a percentage: 99.9%)
            lag.p99 < 10ms: Lag(Percentile(99000)) Less 10000
            lag < 10ms: "lag": `lag` names no figure (write `lag.p99`; known: min, mean, max, p50, p99, p99.9 and other percentiles)
            lag.p99 < 10%: "10%": `10%` is not a duration (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
            lag.rejected.p99 < 10ms: "rejected.p99": `rejected.p99` is no figure of the lag (known: min, mean, max, p50, p99, p99.9 and other percentiles)
            achieved_rate > 99%: AchievedRate Greater 0.99
            achieved_rat > 99%: "achieved_rat": unknown metric `achieved_rat` (did you mean `achieved_rate`?)
            messages_per_s > 100: MessagesPerSecond Greater 100
            messages_per_h >= 3.6M: MessagesPerHour GreaterOrEqual 3600000
            messages_per_s > 2k: MessagesPerSecond Greater 2000
            messages_per_s > 2G: "2G": `2G` is no number of messages (write a number: 100, 2.5k, 3M)
            messages_per_s > 10%: "10%": `10%` is no number of messages (write a number: 100, 2.5k, 3M)
            messages_per_s > 1e9: "1e9": `1e9` is no number of messages (write a number: 100, 2.5k, 3M)
        "#]],
    );
}

#[test]
fn labels_narrow() {
    check(
        &[
            "eod.p99{stage=\"peak\"} < 5s",
            "accepted { target = 'ses' , stage='main', script = \"submit\" } > 99%",
            "replies.5xx{script=\"submit\"}<1%",
            "messages_per_s{stage=\"peak\"} > 5",
            "messages_per_s{script=\"submit\"} > 5",
            "eod.p99{stage=\"pea\"} < 5s",
            "eod.p99{stage=\"nope\"} < 5s",
            "eod.p99{script=\"submitt\"} < 5s",
            "eod.p99{target=\"\"} < 5s",
            "eod.p99{stag=\"peak\"} < 5s",
            "eod.p99{stage=\"peak\", stage=\"main\"} < 5s",
            "eod.p99{stage=peak} < 5s",
            "eod.p99{stage=\"peak\" < 5s",
            "eod.p99{stage=\"peak < 5s",
            "eod.p99{stage} < 5s",
            "eod.p99{} < 5s",
            "eod.p99{ < 5s",
            "eod.p99{stage=\"peak\",} < 5s",
            "eod{stage=\"peak\"}.p99 < 5s",
            "{stage=\"peak\"} < 5s",
            "eod.p99{stage=\"peak\"}",
            "eod.p99 < 5s{stage=\"peak\"}",
        ],
        &expect![[r#"
            eod.p99{stage="peak"} < 5s: Step { step: StepId(14), clock: None, outcome: None, statistic: Percentile(99000) } Less 5000000 [Some("peak"), None, None]
            accepted { target = 'ses' , stage='main', script = "submit" } > 99%: Share(Accepted) Greater 0.99 [Some("main"), Some("submit"), Some("ses")]
            replies.5xx{script="submit"}<1%: Replies { codes: Codes { first: 500, last: 599 }, any: false } Less 0.01 [None, Some("submit"), None]
            messages_per_s{stage="peak"} > 5: MessagesPerSecond Greater 5 [Some("peak"), None, None]
            messages_per_s{script="submit"} > 5: "messages_per_s": `messages_per_s` is not measured by script (narrow it to a stage or a target, or not at all)
            eod.p99{stage="pea"} < 5s: "pea": unknown stage `pea` (did you mean `peak`?)
            eod.p99{stage="nope"} < 5s: "nope": unknown stage `nope` (known: main, peak)
            eod.p99{script="submitt"} < 5s: "submitt": unknown script `submitt` (did you mean `submit`?)
            eod.p99{target=""} < 5s: "": unknown target `` (known: ses)
            eod.p99{stag="peak"} < 5s: "stag": unknown label `stag` (did you mean `stage`?)
            eod.p99{stage="peak", stage="main"} < 5s: "stage": `stage` stands twice (write it once)
            eod.p99{stage=peak} < 5s: "peak": the value of a label stands in quotes (write {stage="peak"}, {script="submit", target="ses"})
            eod.p99{stage="peak" < 5s: "{stage=\"peak\" ": `{` without its `}` (write {stage="peak"}, {script="submit", target="ses"})
            eod.p99{stage="peak < 5s: "\"peak < 5s": the value of a label stands in quotes (write {stage="peak"}, {script="submit", target="ses"})
            eod.p99{stage} < 5s: "stage": a label is a name, `=` and a value in quotes (write {stage="peak"}, {script="submit", target="ses"})
            eod.p99{} < 5s: "{} < 5s": a label is a name, `=` and a value in quotes (write {stage="peak"}, {script="submit", target="ses"})
            eod.p99{ < 5s: "< 5s": a label is a name, `=` and a value in quotes (write {stage="peak"}, {script="submit", target="ses"})
            eod.p99{stage="peak",} < 5s: "{stage=\"peak\",} < 5s": a label is a name, `=` and a value in quotes (write {stage="peak"}, {script="submit", target="ses"})
            eod{stage="peak"}.p99 < 5s: ".p99": `.p99` behind the labels (write the figure before them: eod.p99{stage="main"})
            {stage="peak"} < 5s: "{stage=\"peak\"} < 5s": this threshold has only one side (write `accepted > 99%` or `eod.p99 < 500ms`)
            eod.p99{stage="peak"}: "eod.p99{stage=\"peak\"}": this threshold compares nothing (write `accepted > 99%` or `eod.p99 < 500ms`)
            eod.p99 < 5s{stage="peak"}: "5s{stage=\"peak\"}": `5s{stage="peak"}` is not a duration (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
        "#]],
    );
}

#[test]
fn names_that_are_not_known_yet_are_not_looked_at() {
    let (steps, mut faults) = (steps(), Faults::default());
    let names = RuleNames { steps: &steps, stages: None, scripts: None, targets: None };
    let text = "eod.p99{stage=\"a\", script=\"b\", target=\"c\"} < 1s";
    let narrowing = parse_threshold(text, None, &names, &mut faults).unwrap().narrowing;
    let want = ["a", "b", "c"].map(|name| Some(name.to_owned()));
    assert_eq!([narrowing.stage, narrowing.script, narrowing.target], want);
}

#[test]
fn what_stops_a_run() {
    let mut got = String::new();
    for text in [
        "421 > 5% over 10s",
        "4xx>0.2 over 30s",
        " in_doubt > 1 % over 1m ",
        "lost > 10% over 10s",
        "deferred > 50% over 500ms",
        "421 > 5%",
        "421 < 5% over 10s",
        "421 >= 5% over 10s",
        "421 over 10s",
        "> 5% over 10s",
        "421 > over 10s",
        "2xx > 5% over 10s",
        "accepted > 5% over 10s",
        "defered > 5% over 10s",
        "421 > 5 over 10s",
        "421 > 5% over 10",
        "421 > 5% over 0s",
        "421 > 5% over ",
    ] {
        let mut faults = Faults::default();
        match parse_stop_rule(text, Some(0), &mut faults) {
            Some(StopRule { distress, limit, over, .. }) => {
                got += &format!("{text}: {distress:?} {limit} {over:?}\n");
            }
            None => {
                let fault = faults.iter().next().unwrap();
                let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
                let (word, hint) = (&text[span.clone()], fault.hint.as_deref().unwrap_or(""));
                got += &format!("{text}: {word:?}: {} ({hint})\n", fault.message);
            }
        }
    }
    expect![[r#"
        421 > 5% over 10s: Replies(Codes { first: 421, last: 421 }) 0.05 10s
        4xx>0.2 over 30s: Replies(Codes { first: 400, last: 499 }) 0.2 30s
         in_doubt > 1 % over 1m : Messages(InDoubt) 0.01 60s
        lost > 10% over 10s: Lost 0.1 10s
        deferred > 50% over 500ms: Messages(Deferred) 0.5 500ms
        421 > 5%: "421 > 5%": this rule has no `over` with a duration (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        421 < 5% over 10s: "<": a run stops above a share: `>` (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        421 >= 5% over 10s: ">=": a run stops above a share: `>` (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        421 over 10s: "421 over 10s": this rule compares nothing (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        > 5% over 10s: "> 5% over 10s": this rule has only one side (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        421 > over 10s: "421 > over 10s": this rule has only one side (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        2xx > 5% over 10s: "2xx": `2xx` is no sign of distress (known: a reply code, 4xx, 5xx, deferred, rejected, failed, in_doubt, lost)
        accepted > 5% over 10s: "accepted": `accepted` is no sign of distress (known: a reply code, 4xx, 5xx, deferred, rejected, failed, in_doubt, lost)
        defered > 5% over 10s: "defered": `defered` is no sign of distress (did you mean `deferred`?)
        421 > 5 over 10s: "5": `5` is not a share (write a percentage: 99.9%)
        421 > 5% over 10: "10": duration `10` has no unit (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
        421 > 5% over 0s: "0s": the window is zero long (write `421 > 5% over 10s` or `lost > 10% over 10s`)
        421 > 5% over : "": `` is not a duration (write a number and a unit: 250us, 20ms, 1.5s, 10m, 2h, 1d)
    "#]].assert_eq(&got);
}

#[test]
fn the_default_stop_rules_are_sound() {
    for text in DEFAULT_STOP_RULES {
        let rule = parse_stop_rule(text, None, &mut Faults::default());
        assert_eq!(rule.unwrap().to_string(), *text);
    }
}

#[test]
fn a_flag_has_no_bytes_of_the_file() {
    let mut faults = Faults::default();
    assert_eq!(parse("eod.p99", None, &mut faults), None);
    assert_eq!(parse("eod.p0 < 1s", None, &mut faults), None);
    let got: Vec<_> = faults.iter().map(|fault| (&fault.place, fault.message.as_str())).collect();
    let place = Place::Flag("--threshold");
    let want = [
        (&place, "in `eod.p99`: this threshold compares nothing"),
        (&place, "in `eod.p0 < 1s`: `p0` is no figure of a step"),
    ];
    assert_eq!(got, want);
}

#[test]
fn the_defaults_are_sound_and_print_as_written() {
    for text in DEFAULT_THRESHOLDS {
        let mut faults = Faults::default();
        let threshold = parse(text, None, &mut faults);
        assert_eq!(threshold.unwrap().to_string(), *text);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[<>=%.{}\"', ]|eod|p99|accepted|stage|peak|replies|1s)*") {
        let mut faults = Faults::default();
        let threshold = parse(&text, Some(0), &mut faults);
        prop_assert_eq!(threshold.is_some(), faults.is_empty());
        for fault in faults.iter() {
            let Place::Scenario(span) = &fault.place else { panic!("{fault:?}") };
            prop_assert!(text.get(span.clone()).is_some(), "{:?}", span);
        }
    }
}
