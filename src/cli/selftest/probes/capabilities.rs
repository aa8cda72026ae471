//! What EHLO announces, hides and limits.

use crate::cli::selftest::probe::{Check, Probe, Setup, count};
use crate::measure::outcome::Fate;
use crate::smtp::parameters::Extension;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "hide-pipelining",
        plants: "no PIPELINING, for 100 messages that ask for it",
        scenario: r#"
load = { sessions = 4, messages = 100 }
[[scripts]]
name = "pipelined"
steps = '''
hello
transaction pipelined
  MAIL FROM:<{{sender}}>
  RCPT TO:<{{recipient}}>
  DATA
end
'''
[sink]
hide = ["PIPELINING"]
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "messages not pipelined",
                |_| 100.0,
                |found| Some(count(found.summary.extensions.not_pipelined)),
            ),
            Check::rest("messages accepted", |_| 100.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "hide-size",
        plants: "no SIZE, for 100 messages that would say theirs",
        scenario: r#"
load = { sessions = 4, messages = 100 }
[extensions]
size = true
[sink]
hide = ["SIZE"]
"#,
        setup: Setup::Plain,
        checks: &[Check::fault(
            "messages without SIZE",
            |_| 100.0,
            |found| found.without(Extension::Size),
        )],
    },
    Probe {
        name: "announce",
        plants: "a line of EHLO with nothing behind it",
        scenario: r#"
load = { sessions = 1, messages = 1 }
[sink]
announce = ["X-PLANTED 1"]
"#,
        setup: Setup::Preflight,
        checks: &[Check::fault(
            "X-PLANTED in run.json",
            |_| 1.0,
            |found| found.announced("X-PLANTED 1"),
        )],
    },
    Probe {
        name: "size-limit",
        plants: "SIZE 2048, for 100 messages of 4 KiB",
        scenario: r#"
load = { sessions = 4, messages = 100 }
[[messages]]
name = "large"
size = "4KiB"
[extensions]
size = true
[sink]
size_limit = 2048
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("messages rejected", |_| 100.0, |found| found.messages(Fate::Rejected)),
            Check::fault(
                "messages over SIZE",
                |_| 100.0,
                |found| Some(count(found.summary.extensions.beyond(Extension::Size))),
            ),
        ],
    },
    Probe {
        name: "limits-messages",
        plants: "LIMITS MAILMAX=5, for 100 messages of one session",
        scenario: r#"
load = { sessions = 1, messages = 100 }
[sink]
max_messages = 5
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault("sessions", |_| 20.0, |found| found.sessions()),
            Check::rest("messages accepted", |_| 100.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "limits-recipients",
        plants: "LIMITS RCPTMAX=3, for 50 messages to five",
        scenario: r#"
load = { sessions = 2, messages = 50 }
[recipients]
pattern = "user{{1..1000}}@r.test"
per_message = 5
[sink]
max_recipients = 3
"#,
        setup: Setup::Plain,
        checks: &[
            Check::fault(
                "recipients abandoned",
                |_| 100.0,
                |found| found.recipients(Fate::Abandoned),
            ),
            Check::fault(
                "recipients left out",
                |_| 100.0,
                |found| Some(count(found.summary.extensions.recipients_left_out)),
            ),
            Check::rest("recipients accepted", |_| 150.0, |found| found.recipients(Fate::Accepted)),
        ],
    },
];
