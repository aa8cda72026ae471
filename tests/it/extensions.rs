//! Extensions and round trips, from the scenario to the result files, against the sink.

use std::fs;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;
use smtpbench::behavior::{Behavior, Rule, SinkVerb};
use smtpbench::net::tls::{TlsIdentity, TlsServer};
use smtpbench::sink::{Capture, ListenAddress, Sink, SinkCounts, SinkOptions, SinkTls};
use smtpbench::smtp::Protocol;
use smtpbench::smtp::capabilities::Limits;
use tempfile::TempDir;

use crate::support::program::{Finished, Smtpbench};
use crate::support::results::Results;

const LIMIT: Duration = Duration::from_secs(30);
const MESSAGES: u64 = 60;

/// What a run left behind.
struct Ran {
    finished: Finished,
    results: Results,
    manifest: Value,
    counts: SinkCounts,
}

impl Ran {
    /// What `run.json` says of a way of sending: transactions, round trips, fewest and most of one.
    #[track_caller]
    fn round_trips(&self, sending: &str) -> [u64; 4] {
        let rows = self.manifest["targets"][0]["tallies"]["round_trips"].as_array().unwrap();
        let row = rows.iter().find(|row| row["sending"] == sending);
        let row = row.unwrap_or_else(|| panic!("no {sending} in {rows:?}"));
        ["transactions", "round_trips", "round_trips_min", "round_trips_max"]
            .map(|key| row[key].as_u64().unwrap())
    }

    /// Names of the notes.
    fn notes(&self) -> Vec<&str> {
        let notes = self.manifest["targets"][0]["notes"].as_array().unwrap();
        notes.iter().map(|note| note["name"].as_str().unwrap()).collect()
    }

    /// `(extension, messages without, messages beyond)`.
    fn extensions(&self) -> Vec<(&str, u64, u64)> {
        let rows = self.manifest["targets"][0]["tallies"]["extensions"].as_array().unwrap();
        let count = |row: &Value, key| row[key].as_u64().unwrap();
        rows.iter()
            .map(|row| {
                let name = row["extension"].as_str().unwrap();
                (name, count(row, "messages_without"), count(row, "messages_beyond"))
            })
            .collect()
    }
}

/// A sink on loopback, of this behaviour.
fn sink(behavior: Behavior, protocol: Protocol, tls: Option<SinkTls>) -> Sink {
    Sink::start(SinkOptions {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        behavior,
        protocol,
        hostname: "sink.test".into(),
        threads: 1,
        logins: None,
        capture: Capture::default(),
        trust: smtpbench::sink::Trust::default(),
        tls,
    })
    .unwrap()
}

/// Answers EHLO with a name and nothing else.
fn offering_nothing() -> Behavior {
    Behavior {
        rules: vec![Rule::replying(SinkVerb::Ehlo, 250, "sink.test")],
        ..Behavior::default()
    }
}

/// Runs [`MESSAGES`] messages in 3 sessions with `more` in the scenario, and `files` beside it.
#[track_caller]
fn run_against(sink: Sink, scheme: &str, more: &str, files: &[(&str, &[u8])], code: i32) -> Ran {
    run_messages(MESSAGES, sink, scheme, more, files, code)
}

/// The same with so many messages: slots whose sessions send nothing wait longer and longer.
#[track_caller]
fn run_messages(
    messages: u64,
    mut sink: Sink,
    scheme: &str,
    more: &str,
    files: &[(&str, &[u8])],
    code: i32,
) -> Ran {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let ListenAddress::Tcp(address) = &sink.addresses()[0] else { panic!("a TCP sink") };
    let scenario = format!(
        "name = \"extensions\"\nthresholds = []\npreflight = false\n[load]\nsessions = 3\nfor = \"20s\"\n\
         messages = {messages}\n{more}"
    );
    let file = folder.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    let finished = Smtpbench::new(&["run", "--target", &format!("{scheme}://{address}")])
        .arg(&file)
        .arg("--out")
        .arg(folder.path().join("out"))
        .limit(LIMIT)
        .run()
        .code(&[code]);
    sink.stop();
    let manifest = fs::read(folder.path().join("out/run.json")).unwrap();
    let manifest = serde_json::from_slice(&manifest).unwrap();
    let results = Results::keep(folder, "out").add_up();
    Ran { finished, results, manifest, counts: sink.counts() }
}

#[track_caller]
fn run(behavior: Behavior, more: &str) -> Ran {
    run_against(sink(behavior, Protocol::Smtp, None), "smtp", more, &[], 0)
}

fn script(transaction: &str, mail_data: &str) -> String {
    format!(
        "[[scripts]]\nname = \"s\"\nsteps = '''\nhello\n{transaction}\nMAIL FROM:<{{{{sender}}}}>\n\
         RCPT TO:<{{{{recipient}}}}>\n{mail_data}\nend\nQUIT\n'''\n"
    )
}

#[test]
fn each_way_of_sending_takes_its_round_trips() {
    let check = |transaction: &str, mail_data: &str, sending: &str, each: u64, words: &str| {
        let ran = run(Behavior::default(), &script(transaction, mail_data));
        assert_eq!(ran.counts.messages, MESSAGES);
        assert_eq!(ran.round_trips(sending), [MESSAGES, MESSAGES * each, each, each], "{sending}");
        assert_eq!(
            ran.manifest["targets"][0]["tallies"]["round_trips"].as_array().unwrap().len(),
            1
        );
        ran.finished.stdout_has(&format!("round trips  {each} an accepted message by {words}\n"));
    };
    check("transaction", "DATA", "data", 4, "DATA, one command at a time");
    check("transaction pipelined", "DATA", "data_pipelined", 2, "DATA, pipelined");
    check("transaction", "BDAT", "bdat", 3, "BDAT, one command at a time");
    check("transaction pipelined", "BDAT", "bdat_pipelined", 1, "BDAT, pipelined");
    check("transaction pipelined", "BDAT chunk 500", "bdat_pipelined", 1, "BDAT, pipelined");
}

#[test]
fn a_server_without_pipelining_takes_all_round_trips() {
    let ran = run(offering_nothing(), &script("transaction pipelined", "DATA"));
    assert_eq!(ran.round_trips("data"), [MESSAGES, MESSAGES * 4, 4, 4]);
}

#[test]
fn recipients_and_large_messages_take_as_many_round_trips_as_they_wait() {
    let more = "[recipients]\npattern = \"u{{1..9}}@a.test\"\nper_message = \"1..3\"\n\
                [[messages]]\nsize = \"2MiB\"\n";
    let ran = run(Behavior::default(), more);
    let [transactions, trips, min, max] = ran.round_trips("data");
    assert_eq!((transactions, min, max), (MESSAGES, 4, 6));
    // Each RCPT is a round trip, and nothing else differs.
    assert_eq!(trips, MESSAGES * 3 + ran.counts.recipients);
    // The mail data does not fit into one segment, nor into the buffers of the sockets.
    let pipelined = more.to_owned() + &script("transaction pipelined", "BDAT");
    let ran = run(Behavior::default(), &pipelined);
    assert_eq!(ran.round_trips("bdat_pipelined"), [MESSAGES, MESSAGES, 1, 1]);
}

const EVERYTHING: &str = "[extensions]\nsize = true\neight_bit_mime = true\nmt_priority = -3\nhold_for = \"60s\"\n\
    dsn = { notify = \"success,failure,delay\", ret = \"hdrs\", envid = \"a=b {{seq}}\", orcpt = true }\n";

#[test]
fn everything_that_is_asked_for_is_understood() {
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        let sink = sink(Behavior::default(), protocol, None);
        let more =
            format!("{EVERYTHING}smtputf8 = true\n[senders]\npattern = \"ü{{{{seq}}}}@ß.test\"\n");
        let ran = run_against(sink, protocol.name(), &more, &[], 0);
        assert_eq!((ran.counts.messages, ran.counts.replies_5yz), (MESSAGES, 0));
        assert_eq!(ran.extensions(), []);
    }
}

#[test]
fn a_server_that_offers_nothing_gets_mail_without() {
    let ran = run(offering_nothing(), EVERYTHING);
    assert_eq!((ran.counts.messages, ran.counts.replies_5yz), (MESSAGES, 0));
    let without = |name| (name, MESSAGES, 0);
    let names = ["SIZE", "8BITMIME", "DSN", "FUTURERELEASE", "MT-PRIORITY"];
    assert_eq!(ran.extensions(), names.map(without));
    assert_eq!(ran.notes().iter().filter(|name| **name == "not_offered").count(), names.len());
    let note = format!("{MESSAGES} messages went without DSN, which the server does not offer");
    ran.finished.stdout_has(&note);
}

#[test]
fn utf8_addresses_come_through_from_a_csv_file() {
    let more = "[extensions]\nsmtputf8 = true\ndsn = { orcpt = true }\n\
                [recipients]\ncsv = \"to.csv\"\n[[messages]]\nsize = 2000\nheaders = { Subject = \"grüß\" }\n";
    let files: &[(&str, &[u8])] =
        &[("to.csv", "address\nanna@a.test\nzoë@b.test\n用户@例え.test\n".as_bytes())];
    let ran = run_against(sink(Behavior::default(), Protocol::Smtp, None), "smtp", more, files, 0);
    assert_eq!((ran.counts.messages, ran.counts.replies_5yz), (MESSAGES, 0));
    assert_eq!(ran.counts.bytes, MESSAGES * 2000);
}

#[test]
fn mail_that_needs_smtputf8_stays_unsent_where_it_is_not_offered() {
    // Every third recipient is not ASCII; the bound is reached all the same, and nothing spins.
    let more = "[extensions]\nsmtputf8 = true\n[recipients]\naddresses = [\"a@a.test\", \"b@a.test\", \"ü@a.test\"]\n";
    let ran = run(offering_nothing(), more);
    let unsent = MESSAGES / 3;
    assert_eq!(ran.counts.messages, MESSAGES - unsent);
    assert_eq!(ran.results.messages("failed"), unsent);
    assert_eq!(ran.results.failures("mail", "smtputf8_not_offered"), unsent);
    assert_eq!(ran.counts.replies_5yz, 0);
    // Asked by nobody, it is sent as it is written: the sink refuses it.
    let ran = run(offering_nothing(), &more.replace("smtputf8 = true", ""));
    assert_eq!(ran.results.replies("rcpt", "553"), unsent);
}

#[test]
fn a_load_of_unsendable_mail_does_not_spin() {
    let more = "[extensions]\nsmtputf8 = true\n[senders]\npattern = \"ü@a.test\"\n";
    let folder = TempDir::new().unwrap();
    let mut sink = sink(offering_nothing(), Protocol::Smtp, None);
    let ListenAddress::Tcp(address) = &sink.addresses()[0] else { panic!("a TCP sink") };
    let url = format!("smtp://{address}");
    let file = folder.path().join("scenario.toml");
    fs::write(&file, format!("thresholds = []\n[load]\nsessions = 2\nfor = \"1s\"\n{more}"))
        .unwrap();
    let program = |arguments: &[&str], code: i32| {
        let arguments = [&["run", "--target", &url], arguments].concat();
        let call = Smtpbench::new(&arguments).arg(&file).arg("--out");
        call.arg(folder.path().join("out")).limit(LIMIT).run().code(&[code])
    };
    // The preflight finds it before the load does.
    program(&[], 69).stderr_has("smtputf8");
    program(&["--no-preflight"], 0);
    sink.stop();
    let results = Results::read(&folder.path().join("out")).add_up();
    let unsent = results.messages("failed");
    // A slot whose session completed nothing waits 10 ms, doubling to 1 s.
    assert!((2..30).contains(&unsent), "{unsent} messages");
}

#[test]
fn requiretls_goes_out_under_tls() {
    let identity = TlsIdentity::make(&["localhost"]).unwrap();
    let server = TlsServer::new(&identity).unwrap();
    let under_tls = |behavior| {
        let tls = SinkTls { server: server.clone(), implicit: true };
        sink(behavior, Protocol::Smtp, Some(tls))
    };
    let target = "[target]\nurl = \"smtps://127.0.0.1\"\nverify = false\n";
    let more = format!("[extensions]\nrequiretls = true\n{target}");
    let ran = run_against(under_tls(Behavior::default()), "smtps", &more, &[], 0);
    assert_eq!((ran.counts.messages, ran.counts.replies_5yz), (MESSAGES, 0));
    let unsent = |sink, scheme: &str, more: &str, failure: &str| {
        let ran = run_messages(9, sink, scheme, more, &[], 0);
        assert_eq!(ran.results.failures("mail", failure), 9);
        assert_eq!((ran.counts.messages, ran.counts.replies_5yz), (0, 0));
    };
    unsent(under_tls(offering_nothing()), "smtps", &more, "requiretls_not_offered");
    let clear = more.replace("smtps", "smtp").replace("verify", "tls = \"opportunistic\"\nverify");
    let sink = sink(Behavior::default(), Protocol::Smtp, None);
    unsent(sink, "smtp", &clear, "requiretls_in_clear");
}

fn limited(mail_max: u32, rcpt_max: u32, rcpt_domain_max: u32) -> Behavior {
    let limits = Limits {
        mail_max: NonZeroU32::new(mail_max),
        rcpt_max: NonZeroU32::new(rcpt_max),
        rcpt_domain_max: NonZeroU32::new(rcpt_domain_max),
    };
    Behavior { limits, ..Behavior::default() }
}

#[test]
fn mailmax_ends_sessions_and_the_load_goes_on() {
    let ran = run(limited(7, 0, 0), "");
    assert_eq!((ran.counts.messages, ran.counts.replies_4yz), (MESSAGES, 0));
    assert!(ran.counts.connections >= MESSAGES / 7, "{}", ran.counts.connections);
    let cut = ran.manifest["targets"][0]["tallies"]["limits"]["sessions_cut"].as_u64().unwrap();
    assert!((1..=ran.counts.connections).contains(&cut), "{cut}");
    assert!(ran.notes().contains(&"limits_obeyed"));
    let ran = run(limited(7, 0, 0), "[extensions]\nlimits = false\n");
    assert_eq!(ran.results.replies("mail", "452"), MESSAGES - ran.counts.messages);
    assert!(ran.counts.replies_4yz > 0);
    assert!(!ran.notes().contains(&"limits_obeyed"));
}

#[test]
fn recipients_beyond_the_servers_limits_are_abandoned() {
    let more = "[recipients]\naddresses = [\"a@a.test\", \"b@b.test\", \"c@c.test\", \"d@d.test\"]\nper_message = 4\n";
    for transaction in ["transaction", "transaction pipelined"] {
        for (behavior, taken) in [(limited(0, 3, 0), 3), (limited(0, 0, 1), 1)] {
            let ran = run(behavior, &(more.to_owned() + &script(transaction, "DATA")));
            let left_out = MESSAGES * (4 - taken);
            assert_eq!(ran.counts.recipients, MESSAGES * taken);
            assert_eq!((ran.counts.messages, ran.counts.replies_4yz), (MESSAGES, 0));
            let wanted = [("unit", "recipient"), ("outcome", "abandoned")];
            let abandoned = ran.results.table("outcomes.csv").sum("count", &wanted);
            assert_eq!(abandoned, left_out);
            let counted = &ran.manifest["targets"][0]["tallies"]["limits"]["recipients_left_out"];
            assert_eq!(counted.as_u64(), Some(left_out));
        }
    }
}

#[test]
fn a_message_over_the_size_limit_is_sent_and_counted() {
    let behavior = Behavior { size_limit: Some(3000), ..Behavior::default() };
    let more = "[extensions]\nsize = true\n[[messages]]\nsize = 4000\n";
    let ran = run(behavior, more);
    assert_eq!(ran.results.replies("mail", "552"), MESSAGES);
    assert_eq!(ran.extensions(), [("SIZE", 0, MESSAGES)]);
    assert!(ran.notes().contains(&"beyond_server"));
}

#[test]
fn binary_files_arrive_byte_for_byte() {
    let mail: &[u8] = b"Subject: x\n\nbare\nlines\r and \0\xff bytes";
    let more = |binary: bool| {
        format!(
            "[extensions]\nbinary_mime = {binary}\n[[messages]]\nfile = \"a.eml\"\nmark = \"none\"\n{}",
            script("transaction", "BDAT chunk 10")
        )
    };
    let run = |behavior, more: &str| {
        let sink = sink(behavior, Protocol::Smtp, None);
        run_against(sink, "smtp", more, &[("a.eml", mail)], 0)
    };
    let ran = run(Behavior::default(), &more(true));
    assert_eq!((ran.counts.messages, ran.counts.bytes), (MESSAGES, MESSAGES * mail.len() as u64));
    // Line ends are mended where the server does not take it as it is: three of them, and the last one.
    let mended = MESSAGES * (mail.len() as u64 + 3 + 2);
    let ran = run(offering_nothing(), &more(true));
    assert_eq!((ran.counts.messages, ran.counts.bytes), (MESSAGES, mended));
    assert_eq!(ran.extensions(), [("8BITMIME", MESSAGES, 0), ("BINARYMIME", MESSAGES, 0)]);
    assert_eq!(run(Behavior::default(), &more(false)).counts.bytes, mended);
}

#[test]
fn faults_of_the_table_are_known_before_the_run() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("scenario.toml");
    let text = "[load]\nsessions = 1\nfor = \"1s\"\n[extensions]\nbinary_mime = true\nmt_priority = 12\n\
                hold_for = \"1ms\"\ndsn = { notify = \"always\" }\n";
    fs::write(&file, text).unwrap();
    Smtpbench::new(&["check"])
        .arg(&file)
        .run()
        .code(&[65])
        .stderr_has("`binary_mime` with DATA in script `default`")
        .stderr_has("`mt_priority` is 12, not from -9 to 9")
        .stderr_has("`hold_for` is not a whole number of seconds")
        .stderr_has("write \"never\", or some of \"success,failure,delay\", each once");
}
