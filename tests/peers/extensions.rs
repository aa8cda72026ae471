//! Extensions against Postfix: what smtpbench asks for, Postfix does, as its log says.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use smtpbench::clock;
use tempfile::TempDir;

use crate::postfix::Postfix;
use crate::program::Smtpbench;
use crate::root::{POLL, here};
use crate::table::Table;

const MESSAGES: u64 = 200;
const LIMIT: Duration = Duration::from_secs(120);
/// Postfix writes its log behind the replies.
const LOG_LIMIT: Duration = Duration::from_secs(30);

/// Every second recipient is not ASCII, and for every one a notification of success is asked for.
#[test]
fn postfix_takes_utf8_and_notifies_of_every_success() {
    let Some(postfix) = here("postfix", Postfix::start()) else { return };
    let run = send(&postfix, "transaction pipelined", "DATA");
    let offered: Vec<&str> = run["targets"][0]["capabilities"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    for wanted in ["8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SMTPUTF8"] {
        assert!(offered.contains(&wanted), "{wanted} is not in {offered:?}");
    }
    assert!(offered.iter().any(|keyword| keyword.starts_with("SIZE ")), "{offered:?}");
    assert_eq!(run["targets"][0]["tallies"]["extensions"], Value::Array(Vec::new()));

    let success = "sender delivery status notification";
    let count =
        |log: &str, text: &str| log.lines().filter(|line| line.contains(text)).count() as u64;
    let start = clock::now();
    while count(&postfix.log(), success) < MESSAGES && start.elapsed() < LOG_LIMIT {
        thread::sleep(POLL);
    }
    let log = postfix.log();
    assert_eq!(count(&log, success), MESSAGES, "{log}");
    // Addresses arrive as they were.
    let delivered = |to: &str| count(&log, &format!("to=<{to}@recipient.test>"));
    assert_eq!((delivered("anna"), delivered("zoë")), (MESSAGES / 2, MESSAGES / 2), "{log}");
}

#[test]
fn postfix_needs_as_many_round_trips_as_the_way_of_sending() {
    let Some(postfix) = here("postfix", Postfix::start()) else { return };
    for (transaction, data, sending, each) in [
        ("transaction", "DATA", "data", 4),
        ("transaction pipelined", "DATA", "data_pipelined", 2),
        ("transaction", "BDAT", "bdat", 3),
        ("transaction pipelined", "BDAT", "bdat_pipelined", 1),
    ] {
        let run = send(&postfix, transaction, data);
        let row = &run["targets"][0]["tallies"]["round_trips"][0];
        assert_eq!(row["sending"], sending);
        assert_eq!(row["transactions"], MESSAGES);
        assert_eq!(
            (&row["round_trips_min"], &row["round_trips_max"]),
            (&each.into(), &each.into())
        );
    }
}

/// Sends [`MESSAGES`], all of them accepted; what `run.json` says.
fn send(postfix: &Postfix, transaction: &str, data: &str) -> Value {
    let folder = TempDir::new().unwrap();
    let (scenario, out) = (folder.path().join("extensions.toml"), folder.path().join("out"));
    let text = format!(
        r#"
name = "extensions"
thresholds = ["accepted > 99.9%"]

[target]
url = "smtp://{}"

[load]
sessions = 10
messages = {MESSAGES}
for = "100s"

[extensions]
size = true
smtputf8 = true
dsn = {{ notify = "success,failure", ret = "hdrs", envid = "run=1 {{{{seq}}}}", orcpt = true }}

[recipients]
addresses = ["anna@recipient.test", "zoë@recipient.test"]

[[scripts]]
name = "send"
steps = '''
hello
{transaction}
  MAIL FROM:<{{{{sender}}}}>
  RCPT TO:<{{{{recipient}}}}>
  {data}
end
'''
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
    let accepted = [("unit", "message"), ("outcome", "accepted")];
    assert_eq!(Table::read(&out, "outcomes.csv").sum("count", &accepted), MESSAGES, "{finished}");
    serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap()
}
