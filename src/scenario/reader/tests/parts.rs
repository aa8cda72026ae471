//! Each part of the file: what it takes and what it refuses.

use std::time::Duration;

use super::*;
use crate::message::{AddressSource, Content, SizeRule};
use crate::scenario::step::StepId;
use crate::scenario::{Bound, Timeouts};

#[test]
fn the_smallest_file() {
    let scenario = good(LOAD);
    assert_eq!(scenario.name, "scenario");
    assert_eq!(scenario.targets, []);
    assert!(scenario.preflight);
    assert_eq!(scenario.loads[0].sessions_max(), 10);
    assert_eq!(scenario.loads[0].length(), Some(Duration::from_secs(10)));
    assert_eq!(scenario.loads[0].drain, Duration::from_secs(30));
    assert_eq!(scenario.mail.per_message, 1..=1);
    assert_eq!(scenario.mail.kinds.len(), 1);
    assert_eq!(scenario.mail.kinds[0].name, "message");
    assert_eq!(scenario.thresholds.len(), 2);
    assert_eq!(scenario.scripts.len(), 1);
}

#[test]
fn the_name_is_that_of_the_file() {
    let named = |file: &str, text: &str| {
        let source = Source { path: Some(file.into()), text: format!("{text}{LOAD}") };
        read(&source, &Overrides::default(), Form::File, &no_environment).unwrap().name
    };
    assert_eq!(named("a/b c-ü.toml", ""), "b_c-_");
    assert_eq!(named("a/b.toml", "name = \"x.y-z\"\n"), "x.y-z");
    check(&format!("name = \"a/b\"\n{LOAD}"), &["1:8: `a/b` is not a name"]);
    check(&format!("name = \"\"\n{LOAD}"), &["1:8: `name` is empty"]);
    let long = "a".repeat(65);
    check(&format!("name = \"{long}\"\n{LOAD}"), &["1:8: `name` is over 64 bytes long"]);
}

#[test]
fn target_and_client() {
    check_part("[target]\nurl = \"http://x\"", &["5:7: target scheme `http://` is not known here"]);
    check_part("[target]\n", &["4:1: [target] has no `url`"]);
    check_part(
        "target = \"embedded:\"",
        &["4:1: `target` belongs to the top level, but stands in [load]"],
    );
    check(
        &format!("client = \"\"\n{LOAD}"),
        &["1:10: the client's name is empty or holds a space"],
    );
    check(&format!("client = 1\n{LOAD}"), &["1:10: `client` needs a table, not a whole number"]);
    assert!(good(&format!("{LOAD}\n[client]\n")).client.is_none());
    let sources = good(&format!("{LOAD}\n[client]\nsource = [\"::1\", \"127.0.0.2-127.0.0.4\"]"));
    assert_eq!(sources.sources.len(), 4);
    check_part("[client]\nsource = [\"x\"]", &["5:11: `x` is not an IP address"]);
    check_part("[client]\nsorce = []", &["5:1: unknown key `sorce` in [client]"]);
    assert!(good(&format!("client = \"a.test\"\n{LOAD}")).client.is_some());
}

#[test]
fn a_load_says_how_many_and_for_how_long() {
    check(
        "[load]\n",
        &[
            "1:1: [load] has neither `sessions` nor `rate`",
            "1:1: [load] has neither `for` nor `messages`",
        ],
    );
    check("[load]\nsessions = 1\n", &["1:1: [load] has neither `for` nor `messages`"]);
    check(
        "[load]\nsessions = 1000001\nmessages = 1000000000001",
        &[
            "2:12: `sessions` is 1000001, not from 1 to 1000000",
            "3:12: `messages` is 1000000000001, not from 1 to 1000000000000",
        ],
    );
    check("[load]\nsessions = 1\nfor = 10\n", &["3:7: duration `10` has no unit"]);
    check(
        "[load]\nsessions = \"10\"\nfor = \"x\"\n",
        &["2:12: `sessions` needs a whole number, not text", "3:7: `x` is not a duration"],
    );
    check(
        "[load]\nsessions = 99999999999999999999999\nfor = \"9999999d\"\n",
        &[
            "2:12: `sessions` is 99999999999999999999999, not from 1 to 1000000",
            "3:7: duration `9999999d` is over a year",
        ],
    );
    check_part("messages_per_session = \"5..1\"", &["4:24: range `5..1` runs backwards"]);
    check_part(
        "messages_per_session = \"0..1\"",
        &["4:24: `messages_per_session` is `0..1`, not from 1 to 1000000000000"],
    );
    check_part(
        "messages_per_session = 1.5",
        &["4:24: `messages_per_session` needs a whole number or `a..b`, not a number"],
    );
    check_part("messages = \"once\"", &["4:12: `once` is not a value of `messages`"]);
    let load = good("[load]\nsessions = 0x10\nmessages = 1_000\nmessages_per_session = 3\n")
        .loads
        .remove(0);
    assert_eq!((load.sessions_max(), load.bound), (16, Some(Bound::Messages(1000))));
    assert_eq!((load.length(), load.messages_per_session), (None, Some(3..=3)));
}

#[test]
fn scripts_have_names_weights_and_literal_steps() {
    let script = |keys: &str| format!("[[scripts]]\n{keys}\n");
    check_part(&script("name = \"a\""), &["4:1: [[scripts]] has no `steps`"]);
    check_part(&script("steps = 'NOOP'"), &["4:1: [[scripts]] has no `name`"]);
    check_part(
        &script("name = \"all\"\nsteps = 'NOOP'"),
        &["5:8: `all` is the name of the sum over all scripts"],
    );
    let one = script("name = \"a\"\nsteps = 'NOOP'");
    check_part(&format!("{one}{one}"), &["8:8: a second script named `a`"]);
    check_part(
        &script("name = \"a\"\nweight = 0\nsteps = 'NOOP'"),
        &["6:10: `weight` is 0, not from 1 to 1000000"],
    );
    check_part("[scripts]\nname = \"a\"", &["4:1: `scripts` is a list of tables"]);
    check_part("[scripts.a]\n", &["4:2: `scripts` is a list of tables"]);
    check(&format!("scripts = []\n{LOAD}"), &["1:11: `scripts` has no script"]);
    check(&format!("scripts = [1]\n{LOAD}"), &["1:12: `scripts` is a list of tables"]);
}

#[test]
fn a_backslash_in_a_basic_string_is_a_fault() {
    let text = "[[scripts]]\nname = \"a\"\nsteps = \"\"\"\nsend \"a\\\\n\"\n\"\"\"\n";
    check_part(text, &["7:8: a backslash in a text in `\"`, which TOML takes as an escape"]);
    hint(&format!("{LOAD}{text}"), "write the steps between ''' and ''', where it stays as it is");
    check_part(
        "[[scripts]]\nname = \"a\"\nsteps = \"NOOP\\nQUIT\"\n",
        &["6:14: a backslash in a text in `\"`, which TOML takes as an escape"],
    );
    check_part("[[scripts]]\nname = \"a\"\nsteps = '''\nsend \"a\\n\"\n'''\n", &[]);
}

#[test]
fn a_bound_needs_a_script_that_sends() {
    check(
        "[load]\nsessions = 1\nmessages = 5\n[[scripts]]\nname = \"a\"\nsteps = 'NOOP'\n",
        &["3:12: no script has a transaction, so `messages` would never end the load"],
    );
}

#[test]
fn senders_and_recipients_have_one_source() {
    check_part("[senders]\n", &["4:1: [senders] has none of `pattern`, `addresses`, `csv`"]);
    check_part(
        "[senders]\npattern = \"a@b\"\naddresses = [\"a@b\"]",
        &["6:1: `addresses` beside `pattern` in [senders]"],
    );
    check_part("[senders]\naddresses = []", &["5:13: `addresses` has no address"]);
    check_part(
        "[senders]\naddresses = [1, \"a b@c\", \"<a@b>\", \"\"]",
        &["5:14: `addresses` needs text in quotes, not a whole number"],
    );
    check_part(
        "[senders]\naddresses = [\"a b@c\", \"<a@b>\", \"\", \"a\\n\"]",
        &[
            "5:14: address `a b@c` holds a space outside of quotes",
            "5:23: address `<a@b>` holds an angle bracket",
            "5:32: address `` is empty: an empty reverse-path is written in the script, MAIL FROM:<>",
            "5:36: address `a\\n` holds a control character",
        ],
    );
    check_part(
        "[senders]\naddresses = [\"a@b\"]\ncolumn = \"x\"",
        &["6:1: `column` without `csv` in [senders]"],
    );
    check_part(
        "[recipients]\npattern = \"a b@c\"",
        &["5:11: `a b@c` holds a space outside of quotes"],
    );
    check_part(
        "[recipients]\naddresses = \"a@b\"",
        &["5:13: `addresses` needs a list of texts, not text"],
    );
}

#[test]
fn domains_belong_to_a_pattern_that_names_them() {
    check_part("[senders]\npattern = \"a@{{domain}}\"", &["5:11: `{{domain}}` without `domains`"]);
    check_part(
        "[senders]\npattern = \"a@b\"\ndomains = { x = 1 }",
        &["5:11: `domains` for a pattern without `{{domain}}`"],
    );
    check_part(
        "[senders]\naddresses = [\"a@b\"]\ndomains = { x = 1 }",
        &["6:1: `domains` without `pattern` in [senders]"],
    );
    check_part(
        "[senders]\npattern = \"a@{{domain}}\"\ndomains = { \"a b\" = 1, \"b\" = 0 }",
        &["6:13: `a b` is not a domain", "6:30: `b` is 0, not from 1 to 1000000"],
    );
    check_part(
        "[senders]\npattern = \"a@{{domain}}\"\ndomains = {}",
        &["6:11: `domains` has no domain"],
    );
    let text =
        format!("{LOAD}[senders]\npattern = \"a@{{{{domain}}}}\"\ndomains = {{ z = 1, a = 2 }}");
    let senders = good(&text).mail.senders;
    assert_eq!(senders.domains, [("z".to_owned(), 1), ("a".to_owned(), 2)]);
    assert!(matches!(senders.source, AddressSource::Pattern(_)));
}

#[test]
fn recipients_of_one_message_are_bounded() {
    let part = |count: &str| format!("[recipients]\npattern = \"a@b\"\nper_message = {count}");
    for (count, want) in [("1", 1..=1), ("\"1..3\"", 1..=3), ("10000", 10_000..=10_000)] {
        assert_eq!(good(&format!("{LOAD}{}", part(count))).mail.per_message, want);
    }
    check_part(&part("0"), &["6:15: `per_message` is 0, not from 1 to 10000"]);
    check_part(&part("\"1..10001\""), &["6:15: `per_message` is `1..10001`, not from 1 to 10000"]);
}

#[test]
fn message_sizes() {
    let size = |size: &str| {
        let scenario = good(&format!("{LOAD}[[messages]]\nsize = {size}\n"));
        match &scenario.mail.kinds[0].content {
            Content::Generated { size, .. } => *size,
            Content::Files { .. } => panic!("a file"),
        }
    };
    assert_eq!(size("1"), SizeRule::Fixed(1));
    assert_eq!(size("\"4KiB\""), SizeRule::Fixed(4096));
    assert_eq!(size("\"1KiB..2KiB\""), SizeRule::Uniform { low: 1024, high: 2048 });
    assert_eq!(size("{ p50 = 10, p99 = \"1kB\" }"), SizeRule::LogNormal { p50: 10, p99: 1000 });
    let part = |size: &str, want: &[&str]| {
        check_part(&format!("[[messages]]\nsize = {size}\n"), want);
    };
    part("0", &["5:8: `size` is 0, not from 1 to 1073741824"]);
    part("\"0\"", &["5:8: a message has from 1 byte to 1024 MiB"]);
    part("\"1KiB..2GiB\"", &["5:8: a message has from 1 byte to 1024 MiB"]);
    part("\"4 apples\"", &["5:8: `4 apples` is not a size"]);
    part("true", &["5:8: `size` needs a size, not true or false"]);
    part("{ p50 = 2, p99 = 1 }", &["5:8: `p50` is above `p99`"]);
    part("{ p50 = 2 }", &["5:8: `size` has no `p99`"]);
    part("{ p50 = 2, p99 = \"1GiB\" }", &["5:8: `p99` is over 256 MiB"]);
}

#[test]
fn messages_have_names_and_one_content() {
    check_part("[messages]\nsize = 1", &["4:1: `messages` is a list of tables"]);
    hint(
        &format!("{LOAD}[messages]\nsize = 1"),
        "write [[messages]] with two brackets, one for each",
    );
    check_part("[[messages]]\n", &["4:1: [[messages]] has none of `size`, `file`, `folder`"]);
    check_part(
        "[[messages]]\nsize = 1\n[[messages]]\nname = \"a\"\nsize = 1",
        &["4:1: [[messages]] has no `name`, and there are several"],
    );
    check_part(
        "[[messages]]\nname = \"a\"\nsize = 1\n[[messages]]\nname = \"a\"\nsize = 1",
        &["8:8: a second message named `a`"],
    );
    check_part(
        "[[messages]]\nsize = 1\npick = \"random\"\nmark = \"none\"",
        &[
            "6:1: `pick` means something only with `folder`",
            "7:1: `mark` means something only with `file` or `folder`",
        ],
    );
    check_part(
        "[[messages]]\nsize = 1\nfile = \"x\"",
        &["6:1: `file` beside `size` in [[messages]]"],
    );
}

#[test]
fn headers_are_those_of_rfc_5322() {
    let part = |headers: &str, want: &[&str]| {
        check_part(&format!("[[messages]]\nsize = 1\nheaders = {headers}\n"), want);
    };
    part("{ Subject = \"{{seq}} a\\tb\", \"X-A\" = \"\" }", &[]);
    part(
        "{ \"a b\" = \"x\", \"a:\" = \"x\", \"\" = \"x\", \"ü\" = \"x\" }",
        &[
            "6:13: `a b` is not the name of a header field",
            "6:26: `a:` is not the name of a header field",
            "6:38: `` is not the name of a header field",
            "6:48: `ü` is not the name of a header field",
        ],
    );
    part("{ a = \"x\", A = \"x\" }", &["6:22: a second header field `A`"]);
    part(
        "{ a = \"ü\", b = \"a\\nb\" }",
        &[
            "6:17: header field `a` holds a line end, a control or a non-ASCII character",
            "6:26: header field `b` holds a line end, a control or a non-ASCII character",
        ],
    );
    part("{ a = 1 }", &["6:17: `a` needs text in quotes, not a whole number"]);
    part(&format!("{{ a = \"{}\" }}", "x".repeat(995)), &[]);
    part(
        &format!("{{ a = \"{}\" }}", "x".repeat(996)),
        &["6:17: header field `a` is over 998 bytes long"],
    );
}

#[test]
fn timeouts_by_step_or_by_the_rfc() {
    let timeouts = |part: &str| good(&format!("{LOAD}[timeouts]\n{part}")).timeouts;
    let seconds = |timeouts: &Timeouts, step| timeouts.limit(step).as_secs();
    let plain = timeouts("step = \"5s\"\neod = \"10m\"\nMAIL = \"7s\"");
    assert_eq!(seconds(&plain, StepId::EOD), 600);
    assert_eq!(seconds(&plain, StepId::MAIL), 7);
    assert_eq!(seconds(&plain, StepId::RCPT), 5);
    for part in ["scale = 0.1\ndata = \"1s\"", "scale = \"10%\"\ndata = \"1s\""] {
        let scaled = timeouts(part);
        assert_eq!(seconds(&scaled, StepId::DATA), 1);
        assert_eq!(seconds(&scaled, StepId::GREETING), 30);
        assert_eq!(seconds(&scaled, StepId::EOD), 60);
        assert_eq!(seconds(&scaled, StepId::UPLOAD), 18);
    }
    check_part("[timeouts]\nstep = \"1s\"\nscale = 1", &["6:1: `scale` beside `step`"]);
    check_part("[timeouts]\nscale = 0", &["5:9: `scale` is not from 0.001 to 100: 0"]);
    check_part("[timeouts]\nscale = nan", &["5:9: `scale` is not from 0.001 to 100: nan"]);
    check_part("[timeouts]\nscale = \"x\"", &["5:9: `scale` is not from 0.001 to 100"]);
    check_part(
        "[timeouts]\neod = \"0s\"\nsession = \"1s\"\nvrfy = \"1s\"",
        &[
            "5:7: `eod` is zero",
            "6:1: `session` has no limit of its own",
            "7:1: no step is named `vrfy`",
        ],
    );
    check_part("[timeouts]\nvrfy = \"1s\"\n[[scripts]]\nname = \"a\"\nsteps = 'VRFY x'", &[]);
    hint(&format!("{LOAD}[timeouts]\nmial = \"5s\""), "did you mean `mail`?");
}

#[test]
fn thresholds_are_a_list() {
    assert!(good(&format!("thresholds = []\n{LOAD}")).thresholds.is_empty());
    check(
        &format!("thresholds = \"accepted > 1%\"\n{LOAD}"),
        &["1:14: `thresholds` needs a list of texts, not text"],
    );
    check(
        &format!("thresholds = [\"accepted > 1%\", \"nope > 1%\"]\n{LOAD}"),
        &["1:33: unknown metric `nope`"],
    );
}

#[test]
fn remarks_name_what_may_surprise() {
    assert_eq!(good(&format!("thresholds = []\n{LOAD}warmup = \"11s\"")).remarks().len(), 2);
}

#[test]
fn flags_stand_over_the_file() {
    let overrides = Overrides {
        sessions: Some(3),
        messages: Some(Bound::Messages(7)),
        size: Some("1KiB..2KiB".into()),
        from: Some("x@y".into()),
        to: Some("u{{1..9}}@y".into()),
        helo: Some("h.test".into()),
        pipelining: true,
        thresholds: vec!["accepted > 1%".into()],
        no_preflight: true,
        ..Overrides::default()
    };
    let text = "[[messages]]\nname = \"a\"\nsize = 1\nheaders = { X = \"y\" }\n[[scripts]]\nname = \"s\"\nsteps = '''\ntransaction\nMAIL FROM:<>\nRCPT TO:<a@b.test>\nDATA a\nend\n'''\n";
    let scenario = read_over(text, &overrides).unwrap();
    assert_eq!(scenario.loads[0].sessions_max(), 3);
    assert_eq!(scenario.loads[0].bound, Some(Bound::Messages(7)));
    assert_eq!(scenario.mail.kinds[0].name, "a");
    let Content::Generated { size, headers } = &scenario.mail.kinds[0].content else {
        panic!("generated");
    };
    assert_eq!(*size, SizeRule::Uniform { low: 1024, high: 2048 });
    assert_eq!(headers.len(), 1);
    assert_eq!(scenario.thresholds.len(), 1);
    assert!(!scenario.preflight && scenario.client.is_some());
}

#[test]
fn faulty_flags_are_named() {
    let overrides = Overrides {
        sessions: Some(0),
        length: Some(Duration::ZERO),
        messages: Some(Bound::Messages(0)),
        messages_per_session: Some(0..=0),
        size: Some("x".into()),
        eml: Some("nope.eml".into()),
        from: Some("a b".into()),
        to: Some("<a@b>".into()),
        helo: Some("a b".into()),
        thresholds: vec!["nope < 1".into()],
        ..Overrides::default()
    };
    let found = lines(Scenario::quick(&overrides));
    let flags: Vec<_> = found.iter().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(
        flags,
        [
            "--eml",
            "--eml",
            "--for",
            "--from",
            "--helo",
            "--messages",
            "--messages-per-session",
            "--sessions",
            "--size",
            "--threshold",
            "--to",
        ]
    );
}

#[test]
fn the_quick_form_has_defaults() {
    let load = Scenario::quick(&Overrides::default()).unwrap().loads.remove(0);
    assert_eq!((load.sessions_max(), load.length()), (10, Some(Duration::from_secs(10))));
    let overrides = Overrides { messages: Some(Bound::Messages(5)), ..Overrides::default() };
    let scenario = Scenario::quick(&overrides).unwrap();
    assert_eq!((scenario.loads[0].length(), scenario.name.as_str()), (None, "quick"));
    let overrides = Overrides { messages: Some(Bound::EachOnce), ..Overrides::default() };
    assert_eq!(
        lines(Scenario::quick(&overrides)),
        ["--messages: `each-once` needs messages from files"]
    );
}
