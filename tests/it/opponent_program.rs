//! `smtpbench sink` as an opponent: what it keeps, tells and prints.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::program::Smtpbench;
use crate::support::serving::Serving;
use crate::support::table::Table;

/// A client that says a line and waits for its reply.
struct Client(BufReader<TcpStream>);

impl Client {
    #[track_caller]
    fn connect(serving: &Serving) -> Self {
        let stream = TcpStream::connect(&serving.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.reply().starts_with("220 "));
        client.say("HELO c.test");
        client
    }

    /// The next reply, one line; empty where the connection is closed.
    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// Sends a message and gives the reply to its end.
    fn send(&mut self, recipient: &str, content: &str) -> String {
        assert!(self.say("MAIL FROM:<a@b.test>").starts_with("250"));
        assert!(self.say(&format!("RCPT TO:<{recipient}>")).starts_with("250"));
        assert!(self.say("DATA").starts_with("354"));
        self.say(&format!("{content}."))
    }
}

/// Gets `target` of the sink's own pages.
fn get(serving: &Serving, target: &str) -> Value {
    let mut stream = TcpStream::connect(serving.http.as_ref().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const MAIL: &str = "Subject: x\r\nMessage-ID: <1@a.test>\r\n\r\nFrom here\r\n..dot\r\n";
const KEPT: &str = "Subject: x\r\nMessage-ID: <1@a.test>\r\n\r\nFrom here\r\n.dot\r\n";

#[test]
fn messages_are_kept_in_three_forms_and_told_of() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let serving = Serving::start(&[
        "--http",
        "127.0.0.1:0",
        "--maildir",
        &path("mail"),
        "--mbox",
        &path("mbox"),
        "--jsonl",
        &path("rows"),
    ]);
    let mut client = Client::connect(&serving);
    assert!(client.send("c@d.test", MAIL).starts_with("250"));
    assert!(client.send("twice@d.test", MAIL).starts_with("250"));
    assert!(client.send("lose@d.test", MAIL).starts_with("250"));
    client.say("QUIT");
    let counts = get(&serving, "/counts");
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!([count("messages"), count("lost"), count("duplicated")], [3, 1, 1]);
    let served = serving.stop();
    assert_eq!(served.code, Some(0), "{served:?}");
    assert!(served.stdout.contains("3 messages accepted"), "{served:?}");
    assert!(served.stdout.contains(", 1 messages lost, 1 duplicated"), "{served:?}");
    assert!(served.stderr.contains("descriptors: ") && served.stderr.contains("listen queue: "));

    let rows = rows(Path::new(&path("rows")));
    let facts: Vec<_> = rows
        .iter()
        .map(|row| (row["id"].as_str().unwrap(), row["copy"].as_u64().unwrap()))
        .collect();
    assert_eq!(facts, [("1-1", 1), ("1-2", 1), ("1-2", 2)]);
    let hash: String = Sha256::digest(KEPT).iter().map(|byte| format!("{byte:02x}")).collect();
    let row = &rows[0];
    assert_eq!(row["sha256"], hash);
    assert_eq!(row["bytes"], KEPT.len());
    assert_eq!((&row["client"], &row["helo"]), (&"127.0.0.1".into(), &"c.test".into()));
    assert_eq!((&row["sender"], &row["recipients"][0]), (&"a@b.test".into(), &"c@d.test".into()));
    assert_eq!((&row["message_id"], &row["tls"]), (&"<1@a.test>".into(), &false.into()));
    let times = ["us_connect", "us_mail", "us_rcpt", "us_data", "us_eod", "us_reply", "us_kept"];
    let times: Vec<i64> = times.iter().map(|name| row[*name].as_i64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");

    let envelope = "Return-Path: <a@b.test>\r\nDelivered-To: c@d.test\r\n";
    let mut mails: Vec<String> = fs::read_dir(path("mail/new"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    mails.sort();
    assert_eq!(mails.len(), 3);
    assert_eq!(mails[0], format!("{envelope}{KEPT}"));
    assert_eq!(fs::read_dir(path("mail/tmp")).unwrap().count(), 0);

    let mbox = fs::read_to_string(path("mbox")).unwrap();
    assert_eq!(mbox.matches("\nFrom ").count() + 1, 3, "{mbox}");
    assert_eq!(mbox.matches("\n>From here\n.dot\n\n").count(), 3, "{mbox}");
    assert!(mbox.starts_with("From a@b.test ") && !mbox.contains('\r'));
}

#[test]
fn the_last_messages_over_http() {
    let serving = Serving::start(&["--http", "127.0.0.1:0"]);
    let mut client = Client::connect(&serving);
    for number in 1..=3 {
        client.send(&format!("user{number}@d.test"), MAIL);
    }
    // Another thread keeps them.
    let limit = smtpbench::clock::now() + Duration::from_secs(20);
    let told = loop {
        let told = get(&serving, "/messages?last=2");
        if told[1]["recipients"][0] == "user3@d.test" {
            break told;
        }
        assert!(smtpbench::clock::now() < limit, "{told}");
    };
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!(told[0]["recipients"][0], "user2@d.test");
    assert_eq!(serving.stop().code, Some(0));
}

#[test]
fn http_is_for_this_machine_only() {
    for address in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        Smtpbench::new(&["sink", "--listen", "127.0.0.1:0", "--http", address])
            .run()
            .code(&[69])
            .stderr_has("on this machine only");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_said_at_once() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let inside = file.join("mail");
    Smtpbench::new(&["sink", "--listen", "127.0.0.1:0", "--maildir"])
        .arg(&inside)
        .run()
        .code(&[69])
        .stderr_has(inside.to_str().unwrap());
}

#[test]
fn a_behaviour_from_a_file_with_every_fault_of_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.toml");
    let file = file.to_str().unwrap();
    fs::write(file, "[[rules]]\nat = \"eod\"\nshare = \"2\"\nrepyl = \"450\"\nreply = \"45\"\n")
        .unwrap();
    Smtpbench::new(&["sink", "--behavior", file])
        .run()
        .code(&[65])
        .stderr_has(&format!("{file}:3:9"))
        .stderr_has("did you mean `reply`?")
        .stderr_has("3 faults in ");
    Smtpbench::new(&["sink", "--behavior", "greylist"])
        .run()
        .code(&[64])
        .stderr_has("no behaviour is named `greylist`");
    let text = "hide = [\"PIPELINING\"]\n[[rules]]\nat = \"eod\"\nmessage = 2\nfooter = \"-- sold\"\n\
                [[rules]]\nat = \"eod\"\nmessage = 3\ndrop_header = \"subject\"\nhold = \"1h\"\n\
                [[rules]]\nat = \"eod\"\nmessage = 4\nflip = true\n";
    fs::write(file, text).unwrap();
    let kept = folder.path().join("rows");
    let serving = Serving::start(&["--behavior", file, "--jsonl", kept.to_str().unwrap()]);
    let mut client = Client::connect(&serving);
    for _ in 1..=4 {
        assert!(client.send("c@d.test", MAIL).starts_with("250"));
    }
    let served = serving.stop();
    assert!(served.stdout.contains(", 3 altered, 1 held back"), "{served:?}");
    assert!(served.stdout.contains("rule 3: used 1 times"), "{served:?}");
    let rows = rows(&kept);
    // What is held back comes out when the sink stops, behind all others.
    let bytes: Vec<_> =
        rows.iter().map(|row| usize::try_from(row["bytes"].as_u64().unwrap()).unwrap()).collect();
    let (whole, footer, header) = (KEPT.len(), "-- sold\r\n".len(), "Subject: x\r\n".len());
    assert_eq!(bytes, [whole, whole + footer, whole, whole - header]);
    let hashes: std::collections::HashSet<_> =
        rows.iter().map(|row| row["sha256"].as_str()).collect();
    assert_eq!(hashes.len(), 4);
}

#[test]
fn bounces_come_back_to_the_sender() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("rows");
    let mails = folder.path().join("mails");
    let origin =
        Serving::start(&["--jsonl", kept.to_str().unwrap(), "--maildir", mails.to_str().unwrap()]);
    let file = folder.path().join("mine.toml");
    let text = format!(
        "bounces_to = \"{}\"\n[[rules]]\nat = \"eod\"\nmessage = 2\nbounce = \"10ms\"\n",
        origin.address
    );
    fs::write(&file, text).unwrap();
    let far = Serving::start(&["--behavior", file.to_str().unwrap()]);
    let mut client = Client::connect(&far);
    for recipient in ["one@d.test", "two@d.test", "three@d.test"] {
        assert!(client.send(recipient, MAIL).starts_with("250"));
    }
    // Stopping sends what is left to be sent.
    let served = far.stop();
    assert_eq!(served.code, Some(0), "{served:?}");
    assert!(served.stdout.contains("3 messages accepted") && served.stdout.contains(", 1 bounced"));
    assert_eq!(origin.stop().code, Some(0));
    let rows = rows(&kept);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["sender"], &rows[0]["recipients"][0]), (&"".into(), &"a@b.test".into()));
    let mail = fs::read_dir(mails.join("new")).unwrap().next().unwrap().unwrap().path();
    let mail = fs::read_to_string(mail).unwrap();
    for part in [
        "report-type=delivery-status",
        "Final-Recipient: rfc822; two@d.test",
        "Action: failed",
        "\r\nMessage-ID: <1@a.test>\r\n",
    ] {
        assert!(mail.contains(part), "{part:?} is not in {mail}");
    }
}

#[test]
fn resets_and_replies_in_pieces_on_a_real_socket() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, "pieces = 1\n[[rules]]\nat = \"noop\"\nabort = true\n").unwrap();
    let serving = Serving::start(&["--behavior", file.to_str().unwrap()]);
    let mut client = Client::connect(&serving);
    assert_eq!(client.say("RSET"), "250 2.0.0 ok");
    client.0.get_mut().write_all(b"NOOP\r\n").unwrap();
    let error = client.0.read_line(&mut String::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    // A run finds the same as with whole replies.
    let out = folder.path().join("out");
    Smtpbench::new(&["run", "--quiet", "--sessions", "4", "--messages", "200", "--target"])
        .arg(format!("smtp://{}", serving.address))
        .arg("--out")
        .arg(&out)
        .run()
        .code(&[0]);
    let outcomes = Table::read(&out, "outcomes.csv");
    assert_eq!(outcomes.sum("count", &[("unit", "message"), ("outcome", "accepted")]), 200);
    assert!(serving.stop().stdout.contains("1 connections ended by rule"));
}

#[test]
fn every_ready_behaviour_serves() {
    for name in [
        "full-disk",
        "greylister",
        "lossy",
        "old-server",
        "slow-filter",
        "strict-provider",
        "tarpit",
    ] {
        let serving = Serving::start(&["--behavior", name, "--seed", "1"]);
        let mut client = Client::connect(&serving);
        assert_eq!(client.say("MAIL FROM:<a@b.test>"), "250 2.1.0 sender ok", "{name}");
        let want = if name == "greylister" { "450 4.2.0" } else { "250 2.1.5" };
        assert!(client.say("RCPT TO:<c@d.test>").starts_with(want), "{name}");
        assert_eq!(serving.stop().code, Some(0), "{name}");
    }
}
