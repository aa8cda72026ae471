//! LMTP against Dovecot: what smtpbench says was accepted, recipient by recipient, is what lies in the mailboxes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::dovecot::{Dovecot, USERS};
use crate::program::Smtpbench;
use crate::root::here;
use crate::table::Table;

const MESSAGES: u64 = 500;
const LIMIT: Duration = Duration::from_secs(180);

/// Sends [`MESSAGES`] with one to three recipients each, of whom one in seven is nobody's.
fn send(url: &str, transaction: &str, data: &str, folder: &Path) -> Table {
    let (scenario, out) = (folder.join("lmtp.toml"), folder.join("out"));
    // Taken in turn, so that no message names the same mailbox twice: Dovecot would deliver one copy for two replies.
    let recipients = (1..=USERS + 1)
        .map(|n| format!("\"user{n}@recipient.test\""))
        .collect::<Vec<_>>()
        .join(", ");
    let text = format!(
        r#"
name = "lmtp"
preflight = false
thresholds = []

[target]
url = "{url}"

[load]
sessions = 10
messages = {MESSAGES}

[recipients]
addresses = [{recipients}]
per_message = "1..3"

[[scripts]]
name = "deliver"
steps = '''
hello
{transaction}
  MAIL FROM:<{{{{sender}}}}>
  RCPT TO:<{{{{recipient}}}}>
  {data}
end
'''
"#
    );
    fs::write(&scenario, text).unwrap();
    Smtpbench::new(&["run", "--quiet"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(LIMIT)
        .run()
        .code(&[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    let latency = Table::read(&out, "latency.csv");
    let samples = [("step", "eod"), ("script", "all"), ("outcome", "accepted")];
    let accepted = [("unit", "recipient"), ("outcome", "accepted")];
    let (samples, accepted) = (latency.sum("count", &samples), outcomes.sum("count", &accepted));
    assert_eq!(samples, accepted, "a reply to the mail data for every recipient that was taken");
    outcomes
}

#[test]
fn dovecot_has_in_its_mailboxes_what_was_accepted() {
    let Some(dovecot) = here("dovecot", Dovecot::start()) else { return };
    let offered = dovecot.capabilities().unwrap();
    assert_eq!(offered, ["8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "PIPELINING"]);
    let mut delivered = 0;
    for url in dovecot.urls() {
        for (transaction, data) in [
            ("transaction", "DATA"),
            ("transaction pipelined", "DATA"),
            ("transaction", "BDAT chunk 1KiB"),
            ("transaction pipelined", "BDAT"),
        ] {
            let folder = TempDir::new().unwrap();
            let outcomes = send(&url, transaction, data, folder.path());
            let count =
                |unit, outcome| outcomes.sum("count", &[("unit", unit), ("outcome", outcome)]);
            let what = format!("{url} {transaction} {data}\n{outcomes}");
            let messages = [count("message", "accepted"), count("message", "rejected")];
            assert_eq!(messages.iter().sum::<u64>(), MESSAGES, "{what}");
            assert!(messages[1] > 0 && count("recipient", "rejected") > messages[1], "{what}");
            let before = delivered;
            delivered = dovecot.delivered();
            assert_eq!(delivered - before, count("recipient", "accepted"), "{what}");
        }
    }
}
