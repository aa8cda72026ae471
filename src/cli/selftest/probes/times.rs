//! Delays by every law, freezes, a tarpit and a slow reader: what is planted shows in the histograms.

use crate::cli::selftest::probe::{Check, Probe, Setup};
use crate::measure::outcome::{Clock, Fate};

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "delay-fixed",
        plants: "30 ms before each reply to RCPT",
        scenario: r#"
load = { sessions = 10, messages = 300 }
[sink]
delay = { rcpt = "30ms" }
"#,
        setup: Setup::Plain,
        checks: &[
            Check::delay(
                "rcpt p50",
                |_| 30_000.0,
                |found| found.us("rcpt", Clock::Service, |it| it.p50.map(|p50| p50.value)),
            ),
            Check::delay(
                "rcpt least",
                |_| 30_000.0,
                |found| found.us("rcpt", Clock::Service, |it| it.us_min),
            ),
            Check::rest("messages accepted", |_| 300.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "delay-uniform",
        plants: "10 to 50 ms before each reply to MAIL",
        scenario: r#"
load = { sessions = 20, messages = 600 }
[sink]
delay = { mail = "10ms..50ms" }
"#,
        setup: Setup::Plain,
        checks: &[
            Check::delay(
                "mail least",
                |_| 10_000.0,
                |found| found.us("mail", Clock::Service, |it| it.us_min),
            ),
            Check::time(
                "mail mean",
                |_| 30_000.0,
                |found| found.us("mail", Clock::Service, |it| it.us_mean),
                0.85,
                1.15,
            ),
        ],
    },
    Probe {
        name: "delay-exponential",
        plants: "20 ms in the mean before 354, exponential",
        scenario: r#"
load = { sessions = 20, messages = 800 }
[sink]
delay = { data = { mean = "20ms" } }
"#,
        setup: Setup::Plain,
        checks: &[Check::time(
            "data mean",
            |_| 20_000.0,
            |found| found.us("data", Clock::Service, |it| it.us_mean),
            0.8,
            1.2,
        )],
    },
    Probe {
        name: "delay-lognormal",
        plants: "end of data p50 20 ms, p99 100 ms, log-normal",
        scenario: r#"
load = { sessions = 40, messages = 1500 }
[sink]
delay = { eod = { p50 = "20ms", p99 = "100ms" } }
"#,
        setup: Setup::Plain,
        checks: &[
            Check::time(
                "eod p50",
                |_| 20_000.0,
                |found| found.us("eod", Clock::Service, |it| it.p50.map(|p50| p50.value)),
                0.85,
                1.2,
            ),
            Check::time(
                "eod p99",
                |_| 100_000.0,
                |found| found.us("eod", Clock::Service, |it| it.p99.map(|p99| p99.value)),
                0.65,
                1.6,
            ),
        ],
    },
    Probe {
        name: "delay-odds",
        plants: "150 ms for one end of data in ten, none for the rest",
        scenario: r#"
load = { sessions = 20, messages = 800 }
[sink]
delay = { eod = [{ share = "90%", delay = "0ms" }, { share = "10%", delay = "150ms" }] }
"#,
        setup: Setup::Plain,
        checks: &[Check::delay(
            "eod p95",
            |_| 150_000.0,
            |found| found.us("eod", Clock::Service, |it| it.p95.map(|p95| p95.value)),
        )],
    },
    Probe {
        name: "tarpit",
        plants: "RCPT 10 ms, doubling to 160 ms with each of six in a session",
        scenario: r#"
load = { sessions = 20, messages = 40, messages_per_session = 1 }
[recipients]
pattern = "user{{1..100}}@r.test"
per_message = 6
[sink]
delay = { rcpt = { first = "10ms", factor = 2, most = "160ms" } }
"#,
        setup: Setup::Plain,
        checks: &[
            // 10, 20, 40, 80, 160 and 160 ms.
            Check::delay(
                "rcpt mean",
                |_| 78_333.0,
                |found| found.us("rcpt", Clock::Service, |it| it.us_mean),
            ),
            Check::delay(
                "rcpt most",
                |_| 160_000.0,
                |found| found.us("rcpt", Clock::Service, |it| it.us_max),
            ),
            Check::delay(
                "rcpt least",
                |_| 10_000.0,
                |found| found.us("rcpt", Clock::Service, |it| it.us_min),
            ),
        ],
    },
    Probe {
        name: "slow-read",
        plants: "messages of 64 KiB read at 128 KiB a second",
        scenario: r#"
load = { sessions = 4, messages = 8 }
[[messages]]
name = "large"
size = "64KiB"
[[sink.rules]]
at = "data"
read_rate = "128KiB"
"#,
        setup: Setup::Plain,
        checks: &[
            // The last piece of a twentieth of a second is not waited for.
            Check::time(
                "transaction least",
                |_| 500_000.0,
                |found| found.us("transaction", Clock::Service, |it| it.us_min),
                0.85,
                1.5,
            ),
            Check::rest("messages accepted", |_| 8.0, |found| found.messages(Fate::Accepted)),
        ],
    },
    Probe {
        name: "freeze",
        plants: "nothing answered for 600 ms, under 200 messages a second",
        scenario: r#"
load = { rate = "200 messages/s", for = "2s", max_sessions = 200 }
[sink]
freeze = [{ after = "600ms", for = "600ms" }]
"#,
        setup: Setup::Plain,
        checks: &[
            Check::time(
                "longest response",
                |_| 600_000.0,
                |found| found.us("transaction", Clock::Response, |it| it.us_max),
                0.9,
                1.5,
            ),
            // Of those in three tenths of two seconds one in ten waits for a twentieth of it at least.
            Check::time(
                "response p90",
                |_| 400_000.0,
                |found| found.us("transaction", Clock::Response, |it| it.p90.map(|p90| p90.value)),
                0.9,
                1.5,
            ),
        ],
    },
];
