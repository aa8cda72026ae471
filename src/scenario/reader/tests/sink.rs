//! `[sink]`: delays, replies, freezes and rules.

use std::time::Duration;

use super::*;
use crate::behavior::{
    Behavior, Delay, Effects, Limit, Numbers, Rate, Reply, Rule, SinkVerb, When, Window,
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn sink(text: &str) -> Behavior {
    good(&format!("{LOAD}[sink]\n{text}")).sink
}

/// The faults of `text` below `[sink]`, which is the fourth line.
#[track_caller]
fn check_sink(text: &str, want: &[&str]) {
    check_part(&format!("[sink]\n{text}"), want);
}

fn reply(code: u16, text: &str) -> Reply {
    Reply { code, text: text.into() }
}

#[test]
fn delays_and_replies_by_command() {
    let sink = sink(
        "delay = { rcpt = \"50ms\" }\nreply = { EOD = \"450 4.2.0 later\", mail = \"250\" }\nsize_limit = 1024\nseed = 9",
    );
    assert_eq!((sink.size_limit, sink.seed), (Some(1024), Some(9)));
    assert_eq!(sink.delays, [(SinkVerb::Rcpt, Delay::Fixed(ms(50)))]);
    let want = [(SinkVerb::Eod, reply(450, "4.2.0 later")), (SinkVerb::Mail, reply(250, ""))];
    assert_eq!(sink.replies, want);
    check_sink(
        "reply = { rcp = \"450 x\", a = \"250\" }\ndelay = { mail = 5 }",
        &[
            "5:11: the sink has no command `rcp`",
            "5:26: the sink has no command `a`",
            "6:18: duration `5` has no unit",
        ],
    );
    for bad in ["199 x", "600 x", "x", "", "2500 x", "+50", "25"] {
        let code = bad.split(' ').next().unwrap_or_default();
        let want = format!("5:18: `{code}` is no reply code from 200 to 599");
        check_sink(&format!("reply = {{ rcpt = \"{bad}\" }}"), &[&want]);
    }
    check_sink("reply = { rcpt = \"250 a\\nb\" }", &["5:18: a reply text with control characters"]);
}

#[test]
fn every_law_of_a_delay() {
    let delay = |text: &str| match sink(&format!("delay.rcpt = {text}")).delays.as_slice() {
        [(SinkVerb::Rcpt, delay)] => delay.clone(),
        other => panic!("{other:?}"),
    };
    let range = Delay::Uniform { low: ms(10), high: ms(20) };
    assert_eq!(delay("\"0s\""), Delay::Fixed(ms(0)));
    assert_eq!(delay("\"10ms..20ms\""), range);
    assert_eq!(delay("{ mean = \"20ms\" }"), Delay::Exponential { mean: ms(20) });
    let law = Delay::LogNormal { p50: ms(20), p99: ms(200) };
    assert_eq!(delay("{ p50 = \"20ms\", p99 = \"200ms\" }"), law);
    let tarpit = Delay::Growing { first: ms(10), factor: 1.5, most: ms(9000) };
    assert_eq!(delay("{ first = \"10ms\", factor = 1.5, most = \"9s\" }"), tarpit);
    let tarpit = Delay::Growing { first: ms(10), factor: 2.0, most: ms(9000) };
    assert_eq!(delay("{ first = \"10ms\", most = \"9s\" }"), tarpit);
    let odds = "[{ share = \"90%\", delay = \"10ms..20ms\" }, { share = 0.1, delay = { p50 = \"20ms\", p99 = \"200ms\" } }]";
    assert_eq!(delay(&odds.replace("0.1", "\"10%\"")), Delay::Odds(vec![(0.9, range), (0.1, law)]));
}

#[test]
fn faulty_laws_are_all_shown() {
    check_sink(
        "[sink.delay]\nmail = { mean = \"1s\", p50 = \"1s\" }\nrcpt = { p50 = \"1s\" }\ndata = { p50 = \"2s\", p99 = \"1s\" }\n\
         eod = [{ share = \"60%\", delay = \"1s\" }, { share = \"41%\", delay = \"1s\" }]\nquit = {}\n\
         noop = { mean = \"1s\", p99 = \"2s\" }\nrset = [{ share = \"50%\" }, 5]\nvrfy = \"2s..1s\"\n\
         help = { first = \"1s\", factor = \"x\", most = \"5s\" }",
        &[
            "6:23: `p50` beside `mean` in the law of a delay",
            "7:8: the law of a delay has no `p99`",
            "8:8: p50 is zero or above p99",
            "9:7: the shares add up to more than 100 %, or there are none",
            "10:8: the law of a delay has none of `mean`, `p50`, `first`",
            "11:23: `p99` beside `mean` in the law of a delay",
            "12:9: odds of a delay has no `delay`",
            "12:28: `rset` is a list of tables",
            "13:8: range `2s..1s` runs backwards",
            "14:33: `factor` needs a number, not text",
        ],
    );
}

#[test]
fn freezes() {
    let sink =
        sink("freeze = [{ after = \"5s\", for = \"1.4s\" }, { every = \"20s\", for = \"1s\" }]");
    let want = ["1.4s after 5s", "1s every 20s"].map(|text| Window::parse(text).unwrap());
    assert_eq!(sink.freezes, want);
    check_sink(
        "freeze = [{ for = \"1s\" }, { every = \"1s\", for = \"1s\" }, { after = \"1s\" }, { after = \"1s\", for = \"0s\" }]",
        &[
            "5:11: `freeze` has neither `after` nor `every`",
            "5:49: a time span that begins again before it ends",
            "5:57: `freeze` has no `for`",
            "5:97: a time span of zero",
        ],
    );
}

#[test]
fn rules_have_conditions_and_effects() {
    let sink = sink(
        "[[sink.rules]]\nat = \"eod\"\nabove = \"500 messages/s\"\nreply = \"451 4.7.1 too fast\"\n\
         [[sink.rules]]\nat = \"mail\"\nmessage = \"every 100\"\nsession = 3\nnth = \"2..4\"\nafter = \"1s\"\nfor = \"2s\"\nevery = \"10s\"\n\
         share = \"10%\"\nat_most = \"5/s\"\nburst = 7\ncount = 9\ndelay = { mean = \"20ms\" }\nreply = \"421 4.7.0 enough\"",
    );
    let rate = |text| Rate::parse(text).unwrap();
    let too_fast = Rule {
        at: SinkVerb::Eod,
        when: When { above: Some(Limit { rate: rate("500/s"), burst: 50 }), ..When::default() },
        effects: Effects { reply: Some(reply(451, "4.7.1 too fast")), ..Effects::default() },
    };
    let enough = Rule {
        at: SinkVerb::Mail,
        when: When {
            session: Some(Numbers::Range(3, 3)),
            message: Some(Numbers::Every { step: 100, first: 100 }),
            nth: Some(Numbers::Range(2, 4)),
            window: Some(Window::parse("2s every 10s after 1s").unwrap()),
            share: Some(0.1),
            above: None,
            at_most: Some(Limit { rate: rate("5/s"), burst: 7 }),
            count: Some(9),
        },
        effects: Effects {
            delay: Some(Delay::Exponential { mean: ms(20) }),
            reply: Some(reply(421, "4.7.0 enough")),
        },
    };
    assert_eq!(sink.rules, [too_fast, enough]);
}

#[test]
fn faulty_rules_are_all_shown() {
    check_sink(
        "[[sink.rules]]\nreply = \"250\"\n\
         [[sink.rules]]\nat = \"rcp\"\nreply = \"25\"\nshare = \"200%\"\nabove = \"5\"\nmessage = 0\nnth = \"x\"\n\
         [[sink.rules]]\nat = \"eod\"\nburst = 5\n\
         [[sink.rules]]\nat = \"eod\"\nfor = \"5s\"\nevery = \"5s\"\ncount = 0\nreply = \"250\"\nrepyl = \"250\"",
        &[
            "5:1: [[sink.rules]] has no `at`",
            "8:6: `rcp` is not a value of `at`",
            "9:9: `25` is no reply code from 200 to 599",
            "10:9: `200%` is not a share",
            "11:9: `5` is no rate",
            "12:11: `message` is 0, not from 1 to 18446744073709551615",
            "13:7: `x` is not a whole number",
            "14:1: a rule that does nothing",
            "16:1: `burst` without a rate",
            "19:7: a time span that begins again before it ends",
            "21:9: `count` is 0, not from 1 to 18446744073709551615",
            "23:1: unknown key `repyl` in [[sink.rules]]",
        ],
    );
}
