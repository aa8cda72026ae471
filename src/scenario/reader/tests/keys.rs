//! Reader and schema know the same keys; unknown ones are refused with a hint.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::scenario::keys::TOP;

/// Some keys may not stand beside each other: together these scenarios hold every key.
const EVERY_KEY: &[&str] = &[
    r#"
name = "every"
thresholds = ["accepted > 99%", { if = "eod.p99 > 2s", for = "10s", abort = true }]
preflight = false
seed = 7
client = { name = "bench.example.com", source = ["127.0.0.2-127.0.0.9"], via = "xclient", address = "192.0.2.1-192.0.2.9", port = 7, hostname = "a.test", helo = "a", proto = "SMTP", login = "a" }
[target]
url = "embedded:"
tls = "opportunistic"
tls_share = "80%"
ca = "users.csv"
server_name = "mx.example.com"
verify = false
client_cert = "users.csv"
client_key = "users.csv"
min_version = "1.2"
max_version = "1.3"
resumption = true
auth = "scram-sha-256"
user = "{{users.name}}"
password = "{{users.name}}"
initial_response = false
[load]
sessions = 2
for = "10s"
warmup = "1s"
drain = "30s"
stop_on = ["421 > 5% over 10s"]
messages = 1000
messages_per_session = "1..10"
[[scripts]]
name = "submit"
weight = 2
steps = '''
hello
transaction
MAIL FROM:<>
RCPT TO:<{{recipient}}>
DATA
end
'''
[data.users]
csv = "users.csv"
pick = "unique"
[senders]
pattern = "a{{seq}}@{{domain}}"
domains = { "a.test" = 1 }
[recipients]
pattern = "b@{{domain}}"
domains = { "b.test" = 1 }
per_message = "1..3"
[[messages]]
name = "small"
weight = 3
size = "1KiB..4KiB"
headers = { Subject = "x" }
[[messages]]
name = "drawn"
size = { p50 = "1KiB", p99 = 4096 }
[[messages]]
name = "file"
file = "mails/a.eml"
mark = "none"
[[messages]]
name = "folder"
folder = "mails"
pick = "random"
mark = "prepend"
[extensions]
size = true
eight_bit_mime = true
smtputf8 = true
requiretls = false
binary_mime = false
limits = false
hold_for = "60s"
mt_priority = -3
dsn = { notify = "success,delay", ret = "hdrs", envid = "bench-{{seq}}", orcpt = true }
[timeouts]
step = "60s"
eod = "10m"
[sink]
behavior = "lossy"
seed = 7
words = false
pieces = 1
hide = ["DSN"]
announce = ["X-ODD"]
certificate = "expired"
bounces_to = "127.0.0.1:2526"
delay = { rcpt = "50ms" }
reply = { rcpt = "450 4.2.0 try later" }
freeze = [{ after = "5s", for = "1s", every = "20s" }]
size_limit = "1MiB"
max_messages = 10
max_recipients = 100
max_domains = 1
[[sink.rules]]
at = "rcpt"
recipient = "@b.test"
sender = "<>"
client = "127.0.0.1"
per = "client"
within = "1h"
session = "1..5"
message = "every 10"
nth = 2
after = "1s"
for = "2s"
every = "9s"
share = "10%"
above = "5 messages/s"
at_most = "1/s"
burst = 2
count = 9
delay = { mean = "20ms" }
reply = "450 4.2.0 later"
raw = 'x'
extra = "250 x"
drop = true
pieces = 1
read_rate = 1024
[[sink.rules]]
at = "mail"
abort = true
garbage = 7
delay = { p50 = "20ms", p99 = "200ms" }
[[sink.rules]]
at = "data"
long = 7
delay = { first = "20ms", factor = 2, most = "200ms" }
[[sink.rules]]
at = "eod"
delay = [{ share = "10%", delay = "1s" }]
twice = true
hold = "1s"
footer = "x"
flip = true
drop_header = "X-A"
[[sink.rules]]
at = "eod"
lose = true
[[sink.rules]]
at = "eod"
bounce = "1s"
"#,
    r#"
target = { url = "embedded:", user = "tim", password_file = "secret" }
load = { rate = "5 sessions/s", for = "1s", shape = "wave", arrivals = "poisson", hold = "ehlo", connects_per_s = 2.5 }
extensions = { hold_until = "2030-01-31T12:00:00Z" }
timeouts = { scale = "10%", plan = "30s" }
senders = { addresses = ["a@b.test"] }
recipients = { addresses = ["a@b.test"] }
"#,
    r#"
load = { arrivals = { csv = "trace.csv", speed = 2.0 }, max_sessions = 5, overload = "drop", pacing = "spin" }
senders = { csv = "users.csv", column = "name" }
recipients = { csv = "users.csv", column = "name" }
interleave = "5s"
[targets.a]
url = "embedded:"
max_rate = "14 messages/s"
[targets.b]
url = "smtps://127.0.0.1:{port}"
start = "./mtad -p {port}"
ready = "220 mine"
prepare = "./clean 'all of it'"
"#,
    r#"
[loads.steps]
stages = [{ name = "up", rate = "5 sessions/s", ramp = "1s", for = "2s" }]
arrivals = { bursts = 5 }
overload = { shed_after = "5s" }
scripts = ["submit"]
[loads.background]
start = "1s"
sessions = 1
for = "1s"
[[scripts]]
name = "submit"
steps = 'NOOP'
"#,
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.csv"), "name\na@b.test\nb@b.test\n").unwrap();
    std::fs::write(folder.path().join("trace.csv"), "offset\n1\n2.5\n").unwrap();
    std::fs::write(folder.path().join("secret"), "tanstaaf\n").unwrap();
    std::fs::create_dir(folder.path().join("mails")).unwrap();
    std::fs::write(folder.path().join("mails/a.eml"), "From: a\n\n.x").unwrap();
    folder
}

/// Every key with the table it is declared for.
fn declared() -> BTreeSet<(&'static str, &'static str)> {
    let mut declared = BTreeSet::new();
    TOP.walk(&mut |table| declared.extend(table.keys.iter().map(|key| (table.shown, key.name))));
    declared
}

#[test]
fn every_declared_key_is_read() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    for text in EVERY_KEY {
        assert_eq!(lines(read_in(path, text)), Vec::<String>::new());
    }
    // A key that is declared but never read would take anything.
    let mut unseen: BTreeSet<_> = declared().into_iter().map(|(_, name)| name).collect();
    for text in EVERY_KEY {
        for (at, _) in text.match_indices(" = ") {
            let start = text[..at].rfind(['\n', '{', ',']).map_or(0, |start| start + 1);
            let name = text[start..at].trim();
            let value = &text[at + 3..];
            let end = match value {
                _ if value.starts_with("'''") => value[3..].find("'''").unwrap() + 6,
                _ if value.starts_with('{') => value.find('}').unwrap() + 1,
                _ if value.starts_with('"') => value[1..].find('"').unwrap() + 2,
                _ if value.starts_with('[') => value.find(']').unwrap() + 1,
                _ => value.find(['\n', ',', ' ']).unwrap(),
            };
            let faulty = format!("{} = 1979-05-27{}", &text[..at], &value[end..]);
            let place = format!("{}:", text[..at].matches('\n').count() + 1);
            let found = lines(read_in(path, &faulty));
            assert!(found.iter().any(|line| line.starts_with(&place)), "{name}: {found:?}");
            unseen.remove(name);
        }
    }
    // Tables are written with a header above.
    for name in [
        "target",
        "targets",
        "load",
        "loads",
        "scripts",
        "data",
        "senders",
        "recipients",
        "messages",
        "sink",
        "sink.rules",
    ] {
        unseen.remove(name.rsplit('.').next().unwrap());
        let found = lines(read_over(&format!("{name} = 1979-05-27"), &Overrides::default()));
        assert!(found.iter().any(|line| line.starts_with("1:")), "{name}: {found:?}");
    }
    assert_eq!(unseen, BTreeSet::new());
}

#[test]
fn a_misspelt_key_has_the_nearest_one_as_hint() {
    check(
        "nam = \"x\"\n[load]\nsession = 1\nfor = \"1s\"\n",
        &[
            "1:1: unknown key `nam` in the top level",
            "2:1: [load] has neither `sessions` nor `rate`",
            "3:1: unknown key `session` in [load]",
        ],
    );
    hint(&format!("{LOAD}drian = \"1s\""), "did you mean `drain`?");
    hint(&format!("nam = \"x\"\n{LOAD}"), "did you mean `name`?");
}

#[test]
fn a_key_that_resembles_none_has_the_known_ones_as_hint() {
    hint(
        &format!("{LOAD}[target]\nurl = \"embedded:\"\nzzz = 1"),
        "known here: url, tls, tls_share, ca, server_name, verify, client_cert, client_key, min_version, max_version, resumption, auth, user, password, password_file, initial_response, max_rate, start, ready, prepare",
    );
}

#[test]
fn a_key_of_another_table_is_said_to_be_one() {
    hint(&format!("{LOAD}per_message = 1"), "`per_message` is a key of [recipients]");
}

#[test]
fn a_top_level_key_that_a_table_swallowed() {
    check_part(
        "thresholds = []\n",
        &["4:1: `thresholds` belongs to the top level, but stands in [load]"],
    );
    hint(
        &format!("{LOAD}thresholds = []"),
        "in TOML a key belongs to the table above it; move it above the first [table]",
    );
}

#[test]
fn keys_of_later_issues_are_unknown() {
    check_part(
        "[target]\nurl = \"embedded:\"\n[retry]\n",
        &["6:2: unknown key `retry` in the top level"],
    );
}

#[test]
fn defaults_are_what_the_schema_says() {
    let with = good(
        "thresholds = [\"accepted > 99%\", \"in_doubt < 0.1%\"]\npreflight = true\n[load]\nsessions = 1\n\
         for = \"1s\"\nwarmup = \"0s\"\ndrain = \"30s\"\n[timeouts]\nstep = \"60s\"\n",
    );
    let without = good("[load]\nsessions = 1\nfor = \"1s\"\n");
    let open = "[load]\nrate = \"5 sessions/s\"\nfor = \"1s\"\n";
    let said = "arrivals = \"even\"\nmessages_per_session = 1\nmax_sessions = 10000\noverload = \"queue\"\npacing = \"timer\"\n";
    assert_eq!(good(&format!("{open}{said}")).loads, good(open).loads);
    assert_eq!(with.loads, without.loads);
    assert_eq!(with.timeouts, without.timeouts);
    assert_eq!(with.thresholds, without.thresholds);
    assert_eq!(with.preflight, without.preflight);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = read_over(&text, &Overrides::default());
    }

    #[test]
    fn no_change_of_a_scenario_panics(
        which in 0..EVERY_KEY.len(),
        at in any::<prop::sample::Index>(),
        put in "[\\[\\]{}=\"'\\\\\n\r.,${}a0-]{0,6}",
    ) {
        let mut text = EVERY_KEY[which].to_owned();
        let at = text.floor_char_boundary(at.index(text.len()));
        text.insert_str(at, &put);
        if let Err(report) = read_over(&text, &Overrides::default()) {
            let _ = report.render(false);
        }
    }
}
