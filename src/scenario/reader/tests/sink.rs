//! `[sink]`: delays, replies, freezes and rules.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::behavior::{
    Behavior, CertificateFault, Delay, Effects, End, Fate, Limit, Nonsense, Numbers, Rate, Reply,
    Rule, Scope, SinkVerb, When, Window,
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
            ..When::default()
        },
        effects: Effects {
            delay: Some(Delay::Exponential { mean: ms(20) }),
            reply: Some(reply(421, "4.7.0 enough")),
            ..Effects::default()
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
            "16:1: `burst` without above, at_most",
            "19:7: a time span that begins again before it ends",
            "21:9: `count` is 0, not from 1 to 18446744073709551615",
            "23:1: unknown key `repyl` in [[sink.rules]]",
        ],
    );
}

#[test]
fn whom_a_rule_is_for_and_what_it_does() {
    let sink = sink(
        "[[sink.rules]]\nat = \"rcpt\"\nrecipient = \"@d.test\"\nsender = \"<>\"\nclient = \"127.0.0.0/8\"\nper = \"triple\"\nwithin = \"2s\"\n\
         drop = true\nextra = \"250 2.0.0 unasked\"\npieces = 1\n\
         [[sink.rules]]\nat = \"mail\"\nraw = 'a\\x00\\r\\n'\nread_rate = \"1kB\"\nabort = true\n\
         [[sink.rules]]\nat = \"eod\"\ntwice = true\nflip = true\nhold = \"1s\"\nfooter = \"x\"\ndrop_header = \"X-A\"\ngarbage = 9\n\
         [[sink.rules]]\nat = \"eod\"\nlose = true\nlong = 99",
    );
    let [first, second, third, fourth] = sink.rules.as_slice() else { panic!("{sink:?}") };
    assert!(first.when.recipient.as_ref().unwrap().contains(b"a@d.test"));
    assert!(first.when.sender.as_ref().unwrap().contains(b""));
    assert!(first.when.client.unwrap().contains([127, 0, 0, 9].into()));
    assert_eq!((first.when.per, first.when.within), (Scope::Triple, Some(ms(2000))));
    assert_eq!((first.effects.end, first.effects.pieces), (Some(End::Drop), NonZeroU32::new(1)));
    assert_eq!(first.effects.extra, Some(reply(250, "2.0.0 unasked")));
    assert_eq!(second.effects.nonsense, Some(Nonsense::Raw(b"a\0\r\n".to_vec())));
    assert_eq!((second.effects.end, second.effects.read_rate), (Some(End::Abort), Some(1000)));
    let fate = Fate {
        lose: false,
        twice: true,
        hold: Some(Delay::Fixed(ms(1000))),
        footer: Some("x".into()),
        flip: true,
        drop_header: Some("X-A".into()),
        bounce: None,
    };
    assert_eq!(
        (&third.effects.fate, &third.effects.nonsense),
        (&fate, &Some(Nonsense::Garbage(9)))
    );
    assert!(fourth.effects.fate.lose);
    assert_eq!(fourth.effects.nonsense, Some(Nonsense::Long(99)));
}

#[test]
fn effects_and_conditions_that_make_no_sense_there() {
    check_sink(
        "[[sink.rules]]\nat = \"rcpt\"\nlose = true\n\
         [[sink.rules]]\nat = \"mail\"\nrecipient = \"@a\"\nreply = \"450\"\n\
         [[sink.rules]]\nat = \"greeting\"\nper = \"sender\"\ncount = 1\nreply = \"450\"\n\
         [[sink.rules]]\nat = \"eod\"\nlose = true\ntwice = true\n\
         [[sink.rules]]\nat = \"eod\"\ndrop = true\nabort = true\nraw = 'x\\q'\nlong = 5\n\
         [[sink.rules]]\nat = \"eod\"\nper = \"client\"\nread_rate = 5\n\
         [[sink.rules]]\nat = \"eod\"\nrecipient = \"x y\"\nclient = \"a\"\nfooter = \"\"\ndrop_header = \"a:\"\nper = \"x\"",
        &[
            "7:1: `lose` has no meaning at rcpt",
            "10:1: `recipient` is not known yet at mail",
            "14:1: `per` is not known yet at greeting",
            "20:1: `twice` of a message that is not kept",
            "24:1: `abort` beside `drop`",
            "25:7: unknown escape `\\q`",
            "26:1: `long` beside `raw`",
            "29:1: `per` without above, at_most, count, within",
            "30:1: `read_rate` has no meaning at eod",
            "33:13: `x y` is no address: spaces and brackets",
            "34:10: `a` is no address and no network",
            "35:10: `footer` is empty, too long, or holds other characters",
            "36:15: `drop_header` is empty, too long, or holds other characters",
            "37:1: `per` without above, at_most, count, within",
            "37:7: `x` is not a value of `per`",
        ],
    );
}

#[test]
fn what_holds_for_the_whole_sink() {
    let sink = sink(
        "words = false\npieces = 2\nhide = [\"PIPELINING\"]\nannounce = [\"X-ODD 1\"]\ncertificate = \"expired\"",
    );
    assert!(sink.no_words);
    assert_eq!(sink.pieces, NonZeroU32::new(2));
    assert_eq!((&*sink.hide[0], &*sink.announce[0]), ("PIPELINING", "X-ODD 1"));
    assert_eq!(sink.certificate, Some(CertificateFault::Expired));
    check_sink(
        "hide = [\"\"]\nannounce = [\"a\\nb\"]\npieces = 0\ncertificate = \"bad\"",
        &[
            "5:9: no line of printable ASCII",
            "6:13: no line of printable ASCII",
            "7:10: `pieces` is 0, not from 1 to 65536",
            "8:15: `bad` is not a value of `certificate`",
        ],
    );
}

#[test]
fn a_ready_behaviour_with_more_over_it() {
    let ready = crate::scenario::behaviors::ready("greylister").unwrap();
    let both =
        sink("behavior = \"greylister\"\n[[sink.rules]]\nat = \"mail\"\nreply = \"450 mine\"");
    assert_eq!(both.rules.len(), 1 + ready.rules.len());
    assert_eq!(both.rules[0].at, SinkVerb::Mail);
    assert_eq!(both.rules[1..], ready.rules);
    hint(&format!("{LOAD}[sink]\nbehavior = \"greylist\""), "did you mean \"greylister\"?");
}

#[test]
fn a_behaviour_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let text = format!("{LOAD}[sink]\nbehavior = \"mine.toml\"");
    let write = |text: &str| std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    write(
        "behavior = \"old-server\"\nsize_limit = \"1MiB\"\n[[rules]]\nat = \"mail\"\nreply = \"450\"",
    );
    let sink = read_in(path, &text).unwrap().sink;
    assert_eq!((sink.size_limit, sink.rules.len()), (Some(1 << 20), 1));
    assert!(sink.replies.iter().any(|(verb, _)| *verb == SinkVerb::Ehlo));
    // Every fault, at its line of that file.
    write("seed = -1\nbehavior = \"other.toml\"\n[[rules]]\nat = \"mial\"\nreply = \"450\"");
    let found = lines(read_in(path, &text));
    let places: Vec<&str> =
        found.iter().map(|line| line.rsplit_once("mine.toml:").unwrap().1).collect();
    assert_eq!(
        places,
        [
            "1: `seed` is -1, not from 0 to 18446744073709551615",
            "2: the file of a behaviour names a ready one, not another file",
            "4: `mial` is not a value of `at`",
        ],
    );
    std::fs::remove_file(folder.path().join("mine.toml")).unwrap();
    let found = lines(read_in(path, &text));
    assert!(
        found[0].ends_with("mine.toml: the scenario cannot be read: no such file"),
        "{found:?}"
    );
}

#[test]
fn bounces_go_to_a_server_on_loopback() {
    let rule = "[[sink.rules]]\nat = \"eod\"\nbounce = \"1s\"";
    let behavior = sink(&format!("bounces_to = \"127.0.0.1:2526\"\n{rule}"));
    assert_eq!(behavior.bounces_to, Some(([127, 0, 0, 1], 2526).into()));
    assert_eq!(behavior.rules[0].effects.fate.bounce, Some(Delay::Fixed(ms(1000))));
    check_sink(rule, &["4:1: a rule bounces messages, and nobody takes them"]);
    check_sink(
        &format!("bounces_to = \"192.0.2.1:25\"\n{rule}\nlose = true\ntwice = true"),
        &[
            "5:14: `192.0.2.1:25` is not on loopback",
            "8:1: `bounce` beside `lose`",
            "10:1: `twice` of a message that is not kept",
        ],
    );
}
