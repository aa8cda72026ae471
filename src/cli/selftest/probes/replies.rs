//! Refusals and replies that are none, at every step.

use crate::cli::selftest::probe::{Check, Probe, Setup, count};
use crate::measure::outcome::Fate;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "accept",
        plants: "nothing: no fault may be found where there is none",
        scenario: "load = { sessions = 4, messages = 400 }",
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages accepted", |_| 400.0, |found| found.messages(Fate::Accepted)),
            Check::rest("refusals and failures", |_| 0.0, |found| found.trouble()),
        ],
    },
    Probe {
        name: "reject-greeting",
        plants: "554 instead of the greeting in every 4th of 40 sessions",
        scenario: r#"
load = { rate = "80 sessions/s", messages = 40 }
[[sink.rules]]
at = "greeting"
session = "every 4"
reply = "554 5.3.2 planted: not today"
"#,
        setup: Setup::Plain,
        checks: &[Check::fault(
            "554 to the connection",
            |_| 10.0,
            |found| found.said("greeting", 554, "5.3.2 planted: not today"),
        )],
    },
    Probe {
        name: "reject-ehlo",
        plants: "550 to EHLO and HELO in every 4th of 40 sessions",
        scenario: r#"
load = { rate = "80 sessions/s", messages = 40 }
[[sink.rules]]
at = "ehlo"
session = "every 4"
reply = "550 5.7.1 planted: not you"
[[sink.rules]]
at = "helo"
reply = "550 5.7.1 planted: nor so"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "550 to EHLO",
                |_| 10.0,
                |found| found.said("ehlo", 550, "5.7.1 planted: not you"),
            ),
            Check::fault("550 to HELO", |_| 10.0, |found| found.replies("helo", 550)),
        ],
    },
    Probe {
        name: "reject-mail",
        plants: "553 with a text of its own to every 10th of 400 MAIL",
        scenario: r#"
load = { sessions = 4, messages = 400 }
[[sink.rules]]
at = "mail"
message = "every 10"
reply = "553 5.1.8 planted: sender refused"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages rejected", |_| 40.0, |found| found.messages(Fate::Rejected)),
            Check::fault(
                "553 5.1.8 with its text",
                |_| 40.0,
                |found| found.said("mail", 553, "5.1.8 planted: sender refused"),
            ),
            Check::rest("messages accepted", |_| 360.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "reject-rcpt",
        plants: "550 to one of four recipients, by address",
        scenario: r#"
load = { sessions = 4, messages = 400 }
[recipients]
addresses = ["a@r.test", "b@r.test", "gone@r.test", "c@r.test"]
[[sink.rules]]
at = "rcpt"
recipient = "gone@r.test"
reply = "550 5.1.1 planted: no such user"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages rejected", |_| 100.0, |found| found.messages(Fate::Rejected)),
            Check::fault(
                "550 5.1.1 to RCPT",
                |_| 100.0,
                |found| found.said("rcpt", 550, "5.1.1 planted: no such user"),
            ),
        ],
    },
    Probe {
        name: "defer-data",
        plants: "451 to every 10th of 400 DATA",
        scenario: r#"
load = { sessions = 4, messages = 400 }
[[sink.rules]]
at = "data"
message = "every 10"
reply = "451 4.3.0 planted: later"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages deferred", |_| 40.0, |found| found.messages(Fate::Deferred)),
            Check::fault("451 to DATA", |_| 40.0, |found| found.replies("data", 451)),
        ],
    },
    Probe {
        name: "reject-all",
        plants: "550 to the end of data of all 200 messages",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "eod"
reply = "550 5.7.1 planted: spam"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages rejected", |_| 200.0, |found| found.messages(Fate::Rejected)),
            Check::rest("messages accepted", |_| 0.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "defer-share",
        plants: "451 to 10 % of 2,000 messages, drawn by chance",
        scenario: r#"
load = { sessions = 8, messages = 2000 }
[[sink.rules]]
at = "eod"
share = "10%"
reply = "451 4.3.0 planted: one in ten"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "messages deferred",
                |sink| sink.rule(0),
                |found| found.messages(Fate::Deferred),
            ),
            Check::share(
                "share deferred",
                |_| 0.1,
                |found| found.share(Fate::Deferred),
                |found| found.attempted(),
            ),
        ],
    },
    Probe {
        name: "greylist",
        plants: "450 to the first try of each of 20 triples in 400",
        scenario: r#"
load = { sessions = 4, messages = 400 }
[senders]
addresses = ["sender@s.test"]
[recipients]
addresses = [
    "u1@r.test", "u2@r.test", "u3@r.test", "u4@r.test", "u5@r.test", "u6@r.test", "u7@r.test",
    "u8@r.test", "u9@r.test", "u10@r.test", "u11@r.test", "u12@r.test", "u13@r.test", "u14@r.test",
    "u15@r.test", "u16@r.test", "u17@r.test", "u18@r.test", "u19@r.test", "u20@r.test",
]
[[sink.rules]]
at = "rcpt"
per = "triple"
count = 1
reply = "450 4.2.0 planted: greylisted"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages deferred", |_| 20.0, |found| found.messages(Fate::Deferred)),
            Check::fault("450 to RCPT", |_| 20.0, |found| found.replies("rcpt", 450)),
            Check::rest("messages accepted", |_| 380.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "words",
        plants: "words in addresses: tempfail, permfail, 450-4.2.1, drop-at-data",
        scenario: r#"
load = { sessions = 5, messages = 200 }
[recipients]
addresses = [
    "tempfail@r.test", "permfail@r.test", "450-4.2.1@r.test", "drop-at-data@r.test", "u@r.test",
]
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "refusals",
                |sink| count(sink.counts.refused_by_rule),
                |found| Some(found.messages(Fate::Rejected)? + found.messages(Fate::Deferred)?),
            ),
            Check::fault(
                "closed at DATA",
                |sink| count(sink.counts.ended_by_rule),
                |found| found.failures("data", "closed"),
            ),
            Check::rest("messages accepted", |_| 40.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "lmtp-recipients",
        plants: "LMTP: 550 after the data for one recipient of two",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[recipients]
addresses = ["a@r.test", "full@r.test"]
per_message = 2
[[sink.rules]]
at = "eod"
recipient = "full@r.test"
reply = "552 5.2.2 planted: mailbox full"
"#,
        setup: Setup::Lmtp,
        checks: &[
            Check::fault(
                "recipients rejected",
                |_| 200.0,
                |found| found.recipients(Fate::Rejected),
            ),
            Check::rest("recipients accepted", |_| 200.0, |found| found.recipients(Fate::Accepted)),
        ],
    },
    Probe {
        name: "garbage",
        plants: "random bytes instead of every 10th of 200 replies to MAIL",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "mail"
message = "every 10"
garbage = 100
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("garbage for MAIL", |_| 20.0, |found| found.failures("mail", "garbage")),
            Check::fault("messages failed", |_| 20.0, |found| found.messages(Fate::Failed)),
        ],
    },
    Probe {
        name: "long-line",
        plants: "a line of 100 KB as every 10th of 200 replies to RCPT",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "rcpt"
message = "every 10"
long = 100000
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "lines too long",
                |_| 20.0,
                |found| found.failures("rcpt", "line_too_long"),
            ),
            Check::fault("messages failed", |_| 20.0, |found| found.messages(Fate::Failed)),
        ],
    },
    Probe {
        name: "unasked",
        plants: "a second reply to every 10th of 200 MAIL",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "mail"
message = "every 10"
extra = "250 2.1.5 planted: and one more"
"#,
        setup: Setup::Plain,
        checks: &[Check::fault(
            "replies nobody asked for",
            |_| 20.0,
            |found| found.failures("unsolicited", "unsolicited"),
        )],
    },
    Probe {
        name: "one-byte-replies",
        plants: "every reply one byte at a time: as good as whole ones",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "greeting"
pieces = 1
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("sessions in pieces", |sink| sink.rule(0), |found| found.sessions()),
            Check::rest("messages accepted", |_| 200.0, |found| found.messages(Fate::Accepted)),
            Check::rest("refusals and failures", |_| 0.0, |found| found.trouble()),
        ],
    },
];
