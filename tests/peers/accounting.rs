//! What smtpbench says was accepted, deferred and rejected is what the server's own count says.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::postfix::{Counts, DEFERRED, Postfix, REJECTED};
use crate::program::{Finished, Smtpbench};
use crate::root::here;
use crate::smtp_sink::SmtpSink;
use crate::table::Table;

/// At this count the whole run is over in seconds, and a count that is off by one still shows.
const MESSAGES: u64 = 2_000;
const LIMIT: Duration = Duration::from_secs(180);

/// Runs the quickstart against a server, bounded by its messages.
fn quickstart(address: SocketAddr, out: &Path) -> Finished {
    Smtpbench::new(&["run", "scenarios/quickstart.toml", "--sessions", "50", "--for", "120s"])
        .arg("--messages")
        .arg(MESSAGES.to_string())
        .arg("--target")
        .arg(format!("smtp://{address}"))
        .arg("--out")
        .arg(out)
        .limit(LIMIT)
        .run()
        .code(&[0])
}

/// How many messages, or recipients, had this outcome, the warm-up included.
fn outcome(out: &Path, unit: &str, outcome: &str) -> u64 {
    Table::read(out, "outcomes.csv").sum("count", &[("unit", unit), ("outcome", outcome)])
}

#[test]
fn postfix_logs_exactly_the_accepted_messages() {
    let Some(postfix) = here("postfix", Postfix::start()) else { return };
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let finished = quickstart(postfix.address(), &out);
    let accepted = outcome(&out, "message", "accepted");
    assert!(accepted >= MESSAGES, "{accepted} accepted\n{finished}");
    let counts = postfix.settled(accepted);
    assert_eq!(counts.messages, accepted, "log against outcomes.csv\n{finished}");
    assert_eq!(counts.recipients, outcome(&out, "recipient", "accepted"), "{finished}");
    assert_eq!((counts.rejected, counts.deferred), (0, 0), "{finished}");
}

#[test]
fn smtp_sink_counts_exactly_the_accepted_messages() {
    let Some(sink) = here("smtp-sink", SmtpSink::start()) else { return };
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let finished = quickstart(sink.address(), &out);
    let accepted = outcome(&out, "message", "accepted");
    assert!(accepted >= MESSAGES, "{accepted} accepted\n{finished}");
    assert_eq!(sink.settled(accepted), accepted, "counter against outcomes.csv\n{finished}");
}

/// Every message has one to three of five recipients, two of which Postfix refuses, so all mixtures occur.
/// Without preflight, whose refused recipient would be in the log and not in the results.
#[test]
fn postfix_logs_exactly_the_refused_recipients() {
    let Some(postfix) = here("postfix", Postfix::start()) else { return };
    let folder = TempDir::new().unwrap();
    let (scenario, out) = (folder.path().join("refusals.toml"), folder.path().join("out"));
    let text = format!(
        r#"
name = "refusals"
preflight = false
thresholds = []

[target]
url = "smtp://{}"

[load]
sessions = 10
messages = 300
for = "120s"

[recipients]
addresses = ["a@recipient.test", "{REJECTED}", "b@recipient.test", "{DEFERRED}", "c@recipient.test"]
per_message = "1..3"
"#,
        postfix.address()
    );
    fs::write(&scenario, text).unwrap();
    let finished = Smtpbench::new(&["run"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(&[0]);

    let replies = Table::read(&out, "replies.csv");
    let refused = |code| replies.sum("count", &[("step", "rcpt"), ("reply_code", code)]);
    let accepted = outcome(&out, "message", "accepted");
    let want = Counts {
        messages: accepted,
        recipients: outcome(&out, "recipient", "accepted"),
        rejected: refused("550"),
        deferred: refused("450"),
    };
    let counts = postfix.settled(accepted);
    assert_eq!(counts, want, "log against outcomes.csv and replies.csv\n{replies}\n{finished}");
    assert!(counts.messages > 0 && counts.rejected > 0 && counts.deferred > 0, "{counts:?}");
    assert_eq!(outcome(&out, "recipient", "rejected"), counts.rejected, "{finished}");
    assert_eq!(outcome(&out, "recipient", "deferred"), counts.deferred, "{finished}");
    // The enhanced codes are Postfix's, the outcomes ours.
    let rejection = [("step", "rcpt"), ("enhanced_code", "5.1.1"), ("outcome", "rejected")];
    assert_eq!(replies.sum("count", &rejection), counts.rejected, "{replies}");
    let deferral = [("step", "rcpt"), ("enhanced_code", "4.2.0"), ("outcome", "deferred")];
    assert_eq!(replies.sum("count", &deferral), counts.deferred, "{replies}");
}

/// Postfix's test server and the built-in one side by side: the same messages at both, and each count is its own.
#[test]
fn smtp_sink_and_the_built_in_sink_take_the_same_plan() {
    let Some(sink) = here("smtp-sink", SmtpSink::start()) else { return };
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let finished = Smtpbench::new(&["run", "--target", "own=embedded:", "--target"])
        .arg(format!("postfix=smtp://{}", sink.address()))
        .arg("--rate")
        .arg("200 messages/s")
        .arg("--for")
        .arg("5s")
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        // A busy machine starts late.
        .code(&[0, 92]);
    let accepted = |target: &str| {
        let wanted = [("target", target), ("unit", "message"), ("outcome", "accepted")];
        Table::read(&out, "outcomes.csv").sum("count", &wanted)
    };
    assert_eq!((accepted("own"), accepted("postfix")), (1000, 1000), "{finished}");
    assert_eq!(sink.settled(1000), 1000, "{finished}");
    let pairs = Table::read(&out, "pairs.csv");
    assert_eq!(pairs.cells("first", &[("metric", "eod.p50")]), ["own"], "{finished}");
}
