//! Connections that end where they should not, and limits on how many and how much.

use crate::cli::selftest::probe::{Check, Probe, Setup, count};
use crate::measure::outcome::Fate;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "close-greeting",
        plants: "every 4th of 40 connections closed instead of a greeting",
        scenario: r#"
load = { rate = "80 sessions/s", messages = 40 }
[[sink.rules]]
at = "greeting"
session = "every 4"
drop = true
"#,
        setup: Setup::Plain,
        checks: &[Check::fault(
            "closed, no greeting",
            |_| 10.0,
            |found| found.failures("greeting", "closed"),
        )],
    },
    Probe {
        name: "close-mail",
        plants: "the connection closed at every 20th of 200 MAIL",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "mail"
message = "every 20"
drop = true
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("closed at MAIL", |_| 10.0, |found| found.failures("mail", "closed")),
            Check::fault("messages failed", |_| 10.0, |found| found.messages(Fate::Failed)),
            Check::rest(
                "connections",
                |sink| count(sink.counts.connections),
                |found| found.sessions(),
            ),
        ],
    },
    Probe {
        name: "reset-rcpt",
        plants: "the connection reset at every 20th of 200 RCPT",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "rcpt"
message = "every 20"
abort = true
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("reset at RCPT", |_| 10.0, |found| found.failures("rcpt", "reset")),
            Check::fault("messages failed", |_| 10.0, |found| found.messages(Fate::Failed)),
        ],
    },
    Probe {
        name: "close-data",
        plants: "the connection closed at every 20th of 200 DATA",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "data"
message = "every 20"
drop = true
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("closed at DATA", |_| 10.0, |found| found.failures("data", "closed")),
            Check::fault("messages failed", |_| 10.0, |found| found.messages(Fate::Failed)),
        ],
    },
    Probe {
        name: "close-after-data",
        plants: "no reply to every 10th of 200 messages, which are kept",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "eod"
message = "every 10"
drop = true
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "messages in doubt",
                |sink| count(sink.counts.unanswered),
                |found| found.messages(Fate::InDoubt),
            ),
            Check::rest("messages accepted", |_| 180.0, |found| found.messages(Fate::Accepted)),
            Check::rest("messages failed", |_| 0.0, |found| found.messages(Fate::Failed)),
        ],
    },
    Probe {
        name: "reset-after-data",
        plants: "a reset instead of the reply to every 10th of 200 messages",
        scenario: r#"
load = { sessions = 4, messages = 200 }
[[sink.rules]]
at = "eod"
message = "every 10"
abort = true
lose = true
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages in doubt", |_| 20.0, |found| found.messages(Fate::InDoubt)),
            Check::fault("reset at end of data", |_| 20.0, |found| found.failures("eod", "reset")),
        ],
    },
    Probe {
        name: "421-after-10",
        plants: "421 to the 11th message of each session, 400 in all",
        scenario: r#"
load = { sessions = 4, messages = 400 }
[[sink.rules]]
at = "mail"
nth = "11.."
reply = "421 4.7.0 planted: enough"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "messages deferred",
                |sink| sink.rule(0),
                |found| found.messages(Fate::Deferred),
            ),
            Check::fault("421 to MAIL", |sink| sink.rule(0), |found| found.replies("mail", 421)),
            Check::rest(
                "connections",
                |sink| count(sink.counts.connections),
                |found| found.sessions(),
            ),
        ],
    },
    Probe {
        name: "421-above-rate",
        plants: "421 above 100 messages a second, under 300, for 2 s",
        scenario: r#"
load = { rate = "300 messages/s", for = "2s", max_sessions = 50 }
[[sink.rules]]
at = "mail"
above = "100 messages/s"
burst = 10
reply = "421 4.7.28 planted: too fast"
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "messages deferred",
                |sink| sink.rule(0),
                |found| found.messages(Fate::Deferred),
            ),
            Check::rate("accepted rate", |_| 100.0, |found| found.accepted_per_s()),
        ],
    },
    Probe {
        name: "connection-rate",
        plants: "421 above 50 connections a second, under 150, for 1 s",
        scenario: r#"
load = { rate = "150 sessions/s", for = "1s" }
[[sink.rules]]
at = "greeting"
above = "50 connections/s"
burst = 5
per = "client"
reply = "421 4.7.0 planted: too many connections"
"#,
        setup: Setup::Plain,
        checks: &[Check::fault(
            "421 to the connection",
            |sink| sink.rule(0),
            |found| found.replies("greeting", 421),
        )],
    },
    Probe {
        name: "silent-end",
        plants: "silence from 0.5 s on, with 5 messages under way",
        scenario: r#"
load = { sessions = 5, for = "1s", drain = "200ms" }
[sink]
freeze = [{ after = "500ms", for = "1h" }]
"#,
        setup: Setup::Plain,
        checks: &[Check::fault(
            "messages unfinished",
            |_| 5.0,
            |found| found.messages(Fate::Unfinished),
        )],
    },
];
