//! Whole scenario files through the reader: what it takes, and every fault with its place.

mod extensions;
mod files;
mod keys;
mod load;
mod login;
mod parts;
mod places;
mod rules;
mod sink;
mod targets;
mod trace;
mod variables;
mod via;

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Form, read};
use crate::scenario::{FaultReport, Overrides, Scenario, Source};

/// A load that is complete, so that a test shows its own part only.
const LOAD: &str = "[load]\nsessions = 10\nfor = \"10s\"\n";

fn no_environment(_: &str) -> Option<OsString> {
    None
}

/// Reads `text` as if it stood in `folder`.
fn read_in(folder: &str, text: &str) -> Result<Scenario, FaultReport> {
    let path = PathBuf::from(folder).join("scenario.toml");
    let source = Source { path: Some(path), text: text.to_owned() };
    read(&source, &Overrides::default(), Form::File, &no_environment)
}

/// Reads `text` with `overrides` over it.
fn read_over(text: &str, overrides: &Overrides) -> Result<Scenario, FaultReport> {
    let source = Source { path: None, text: text.to_owned() };
    read(&source, overrides, Form::File, &no_environment)
}

/// A scenario without faults.
#[track_caller]
fn good(text: &str) -> Scenario {
    match read_over(text, &Overrides::default()) {
        Ok(scenario) => scenario,
        Err(report) => panic!("{report}"),
    }
}

#[track_caller]
fn lines(result: Result<Scenario, FaultReport>) -> Vec<String> {
    result.map(|_| ()).map_err(|report| report.lines()).err().unwrap_or_default()
}

/// The faults of `text`, one `line:column: message` each; none means that it is read.
#[track_caller]
fn check(text: &str, want: &[&str]) {
    assert_eq!(lines(read_over(text, &Overrides::default())), want, "{text}");
}

/// The faults of `text` below a complete `[load]`, which is three lines long.
#[track_caller]
fn check_part(text: &str, want: &[&str]) {
    check(&format!("{LOAD}{text}"), want);
}

/// The hint of the only fault of `text`.
#[track_caller]
fn hint(text: &str, want: &str) {
    let report = read_over(text, &Overrides::default()).unwrap_err();
    assert_eq!(report.faults().len(), 1, "{report}");
    assert_eq!(report.faults()[0].hint.as_deref(), Some(want), "{report}");
}
