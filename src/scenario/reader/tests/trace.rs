//! Traces: arrivals as they were recorded.

use std::time::Duration;

use super::*;
use crate::scenario::load::{ArrivalSource, ArrivalUnit};
use crate::scenario::{Bound, Warmup};
use crate::schedule::arrivals::Pattern;
use crate::units::parse_rate;

/// Reads a trace of these rows played at twice its speed, with more lines of the file.
fn read_trace(csv: &str, more: &str, overrides: &Overrides) -> Result<Scenario, FaultReport> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), csv).unwrap();
    std::fs::write(folder.path().join("a.eml"), "From: a\n\nx\n").unwrap();
    let text = format!("[load]\narrivals = {{ csv = \"t.csv\", speed = 2.0 }}\n{more}");
    let source = Source { path: Some(folder.path().join("scenario.toml")), text };
    read(&source, overrides, Form::File, &no_environment)
}

/// The faults of such a trace, without the folder.
#[track_caller]
fn check_trace(csv: &str, want: &[&str]) {
    check_more(csv, "", want);
}

#[track_caller]
fn check_more(csv: &str, more: &str, want: &[&str]) {
    let found = lines(read_trace(csv, more, &Overrides::default()));
    let name = |line: &String| {
        line.rsplit_once("/t.csv").map_or(line.clone(), |at| format!("t.csv{}", at.1))
    };
    let found: Vec<_> = found.iter().map(name).collect();
    assert_eq!(found, want, "{csv}{more}");
}

#[test]
fn rows_say_when_from_whom_to_whom_and_how_much() {
    let csv = "sender,offset,size,recipients\n\
               a@b.test,1700000000.25,4KiB,c@d.test; e@f.test g@h.test\n\
               ,1700000000.25,,\n\
               <>,1700000003,77,c@d.test\n";
    let scenario = read_trace(csv, "", &Overrides::default()).unwrap();
    let load = &scenario.loads[0];
    let open = load.open().unwrap();
    assert_eq!((open.unit, open.max_sessions), (ArrivalUnit::Messages, 100));
    let ArrivalSource::Trace { trace, speed } = &open.source else { panic!("{open:?}") };
    assert_eq!(*speed, 2.0);
    assert_eq!(load.length(), Some(Duration::from_secs(2)));
    let offsets: Vec<_> = trace.rows.iter().map(|row| row.offset.as_millis()).collect();
    assert_eq!(offsets, [0, 0, 2750]);
    let senders: Vec<_> = trace.rows.iter().map(|row| row.sender.as_deref()).collect();
    assert_eq!(senders, [Some("a@b.test"), None, Some("")]);
    assert_eq!(&*trace.rows[0].recipients, ["c@d.test", "e@f.test", "g@h.test"].map(Box::from));
    assert_eq!(
        trace.rows.iter().map(|row| row.bytes).collect::<Vec<_>>(),
        [Some(4096), None, Some(77)]
    );
    assert!(std::sync::Arc::ptr_eq(trace, scenario.mail.trace.as_ref().unwrap()));
    assert!(!scenario.extensions.beyond_ascii);
    let beyond = read_trace("offset,sender\n1,ü@b.test\n", "", &Overrides::default()).unwrap();
    assert!(beyond.extensions.beyond_ascii);
}

#[test]
fn faulty_rows_are_named_by_line() {
    check_trace(
        "offset,sender,recipients,size\n5,,,\n4.9,,,\nx,,,\n6,<a@b>,,\n6,,a b@c\"d,\n6,,,0\n6,,,2GiB\n6,,,x\n6s,,,1\n",
        &[
            "t.csv:3: its offset is before that of the row above: rows are sorted by time",
            "t.csv:4: offset `x` is neither seconds nor a number with a unit",
            "t.csv:5: `<a@b>` holds an angle bracket",
            "t.csv:6: `b@c\"d` has an open quote",
            "t.csv:7: size `0` is not from 1 byte to 1024 MiB",
            "t.csv:8: size `2GiB` is not from 1 byte to 1024 MiB",
            "t.csv:9: `x` is not a size",
        ],
    );
    check_trace("offset,sender\n1,\"a\nb\"\n", &["t.csv:2: cell 2 holds a line end"]);
    let many = format!("offset,recipients\n1,{}\n", "a@b ".repeat(10_001));
    check_trace(&many, &["t.csv:2: 10001 recipients, over 10000"]);
    let rows = "x\n".repeat(50);
    assert_eq!(lines(read_trace(&format!("offset\n{rows}"), "", &Overrides::default())).len(), 10);
}

#[test]
fn columns_are_known_ones_and_offset_is_there() {
    check_trace("sender\na@b\n", &["2:20: `t.csv` has no column `offset`"]);
    check_trace(
        "offset,recipient,subject\n1,a@b,c\n",
        &["2:20: `t.csv` has a column `recipient`", "2:20: `t.csv` has a column `subject`"],
    );
    check_trace("offset\n", &["t.csv: the file has no row below its header"]);
    check_trace("offset\n0\n99999999\n", &["2:20: `t.csv` takes over a year"]);
}

#[test]
fn a_trace_says_all_about_when() {
    check_more(
        "offset\n1\n",
        "rate = \"1 messages/s\"\nfor = \"1s\"\nmessages = 5\nwarmup = \"1s\"\n",
        &[
            "3:1: `rate` beside a trace in [load]",
            "4:1: `for` beside a trace in [load]",
            "5:1: `messages` beside a trace in [load]",
            "6:1: `warmup` beside a trace in [load]",
        ],
    );
    check_more("offset\n1\n", "sessions = 1\n", &["2:1: `arrivals` beside `sessions` in [load]"]);
    let flags =
        Overrides { rate: Some(parse_rate("1 messages/s").unwrap()), ..Overrides::default() };
    assert_eq!(
        lines(read_trace("offset\n1\n", "", &flags)),
        ["--rate: the scenario plays a trace"]
    );
    let flags = Overrides { arrivals: Some(Pattern::Even), ..Overrides::default() };
    assert_eq!(
        lines(read_trace("offset\n1\n", "", &flags)),
        ["--arrivals: the scenario plays a trace"]
    );
    let flags = Overrides { warmup: Some(Warmup::Steady), ..Overrides::default() };
    assert_eq!(
        lines(read_trace("offset\n1\n", "", &flags)),
        ["--warmup: the scenario plays a trace"]
    );
    let flags = Overrides { messages: Some(Bound::Messages(5)), ..Overrides::default() };
    assert_eq!(
        lines(read_trace("offset\n1\n", "", &flags)),
        ["--messages: the load has an end of its own"]
    );
}

#[test]
fn a_closed_load_over_a_trace_sends_what_the_patterns_give() {
    let flags = Overrides { sessions: Some(2), ..Overrides::default() };
    let scenario = read_trace("offset,sender\n1,a@b.test\n9,a@b.test\n", "", &flags).unwrap();
    assert_eq!(scenario.loads[0].length(), Some(Duration::from_secs(5)));
    assert_eq!(scenario.mail.trace, None);
}

#[test]
fn a_trace_among_several_loads_or_beside_files() {
    let other = "[loads.b]\nsessions = 1\nfor = \"1s\"\n";
    let text = format!("[loads.a]\narrivals = {{ csv = \"none.csv\" }}\n{other}");
    check(
        &text,
        &[
            "2:12: a trace in one of several loads: its rows are the messages of the run",
            "2:20: `none.csv` does not exist",
        ],
    );
    let files = "[[messages]]\nfile = \"a.eml\"\n";
    let remarks = |csv| read_trace(csv, files, &Overrides::default()).unwrap().remarks();
    assert_eq!(
        remarks("offset,size\n1,5\n"),
        ["sizes of the trace mean nothing for message files"]
    );
    assert_eq!(remarks("offset,size\n1,\n"), Vec::<String>::new());
}
