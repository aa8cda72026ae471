//! TLS that is not there, and certificates that no client may take: each of 10 sessions fails and sends nothing.

use crate::cli::selftest::probe::{Check, Probe, Setup, count};

/// The certificate is that of the sink, and the scenario trusts it.
macro_rules! certificate {
    ($name:literal, $fault:literal, $failure:literal) => {
        Probe {
            name: $name,
            plants: concat!("a certificate that is ", $fault),
            scenario: concat!(
                "load = { rate = \"50 sessions/s\", messages = 10 }\n",
                "target = { url = \"embedded:\", tls = \"starttls\" }\n",
                "sink = { certificate = \"",
                $fault,
                "\" }\n"
            ),
            setup: Setup::Tls,
            checks: &[
                Check::fault(
                    "handshakes failed so",
                    |_| 10.0,
                    |found| found.failures("tls", $failure),
                ),
                NOTHING_SENT,
            ],
        }
    };
}

/// By the sink's books, and by the report's.
const NOTHING_SENT: Check = Check::rest(
    "messages attempted",
    |sink| count(sink.counts.messages + sink.counts.refused_messages),
    |found| Some(found.attempted()),
);

pub(super) const PROBES: &[Probe] = &[
    Probe {
        name: "no-starttls",
        plants: "no STARTTLS, for 10 sessions that require it",
        scenario: r#"
load = { rate = "50 sessions/s", messages = 10 }
target = { url = "embedded:", tls = "starttls" }
sink = { hide = ["STARTTLS"] }
"#,
        setup: Setup::Tls,
        checks: &[
            Check::fault(
                "sessions without it",
                |_| 10.0,
                |found| found.failures("starttls", "tls_not_offered"),
            ),
            NOTHING_SENT,
        ],
    },
    certificate!("certificate-expired", "expired", "certificate_expired"),
    certificate!("certificate-early", "not-yet-valid", "certificate_not_yet_valid"),
    certificate!("certificate-name", "wrong-name", "certificate_wrong_name"),
    certificate!("certificate-signer", "untrusted", "certificate_self_signed"),
];
