//! What others read of a saved run: a browser, a JUnit parser, a Prometheus parser, and Apache Otava.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::aiosmtpd::{finish, python};
use crate::program::Smtpbench;
use crate::root::{Missing, here};

/// Pinned; what they need themselves is not.
const PACKAGES: &[&str] =
    &["apache-otava==0.8.0", "junitparser==5.0.3", "prometheus-client==0.26.0"];

/// A run against a sink that refuses with markup.
fn hostile_run(folder: &Path) -> PathBuf {
    let scenario = r#"
name = "hostile"
thresholds = ["accepted > 99%"]
preflight = false

[target]
url = "embedded:"

[load]
sessions = 2
messages = 200

[[sink.rules]]
at = "rcpt"
share = "50%"
reply = """550 5.7.1 </style></svg><script>document.title='owned'</script><img src=x onerror="document.title='owned'">"""
"#;
    let (file, out) = (folder.join("hostile.toml"), folder.join("out"));
    fs::write(&file, scenario).unwrap();
    let run = ["run", "--quiet", "--seed", "1", "--out"];
    Smtpbench::new(&run).arg(&out).arg(&file).run().code(&[90]);
    out
}

fn chromium() -> Result<(), Missing> {
    finish(Command::new("chromium").arg("--version"))
}

#[test]
fn a_browser_finds_no_script_and_no_error_in_a_report_of_hostile_replies() {
    if here("chromium", chromium()).is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let page = hostile_run(folder.path()).join("report.html");
    assert!(fs::read_to_string(&page).unwrap().contains("owned"), "the sink said it");
    let dump = |page: &Path| {
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let (dom, log) = dump(&page);
    assert!(dom.contains("<title>hostile: smtpbench</title>"), "{dom}");
    assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
    assert!(!log.contains("CONSOLE"), "{log}");
    // The control: what was said does run where it is not escaped, and an error is seen.
    let bare = folder.path().join("bare.html");
    let text = "<title>x</title><script>document.title='owned'; nonsense()</script>";
    fs::write(&bare, text).unwrap();
    let (dom, log) = dump(&bare);
    assert!(dom.contains("<title>owned</title>") && log.contains("CONSOLE"), "{dom}\n{log}");
}

#[test]
fn parsers_of_others_read_junit_prometheus_and_history() {
    let Some(python) = here("readers from PyPI", python("readers", PACKAGES)) else { return };
    let folder = TempDir::new().unwrap();
    let out = hostile_run(folder.path());
    let render = |format: &str| {
        let file = folder.path().join(format);
        let report = ["report", "--commit", "abc", "--format", format, "--out"];
        Smtpbench::new(&report).arg(&file).arg(&out).run().code(&[0]);
        file
    };
    let (junit, prometheus, history) = (render("junit"), render("prometheus"), render("history"));
    let script = r"
import sys
from junitparser import JUnitXml
from prometheus_client.parser import text_string_to_metric_families
suites = JUnitXml.fromfile(sys.argv[1])
failed = [case.name for suite in suites for case in suite if not case.is_passed]
print(suites.tests, failed)
samples = {}
for family in text_string_to_metric_families(open(sys.argv[2], encoding='utf-8').read()):
    for sample in family.samples:
        samples[(sample.name, sample.labels.get('fate'))] = sample.value
print(int(samples[('smtpbench_messages_attempted_total', None)]), int(samples[('smtpbench_valid', None)]))
";
    let read = output(Command::new(&python).args(["-c", script]).args([&junit, &prometheus]));
    assert_eq!(read, "2 ['accepted > 99%']\n200 1\n");
    otava_reads(&python, folder.path(), &fs::read_to_string(history).unwrap());
}

/// Runs Otava over twenty rows, of which the last ten are slower.
#[track_caller]
fn otava_reads(python: &Path, folder: &Path, one: &str) {
    let (header, row) = one.trim_end().split_once('\n').unwrap();
    let column = header.split(',').position(|name| name == "mail_us_p50").unwrap();
    let mut history = format!("{header}\n");
    for day in 1..=20 {
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        cells[0] = format!("2026-01-{day:02}T00:00:00Z");
        cells[column] = (if day <= 10 { 20_000 } else { 22_000 } + day % 3).to_string();
        history += &(cells.join(",") + "\n");
    }
    let (csv, config) = (folder.join("history.csv"), folder.join("otava.yaml"));
    fs::write(&csv, history).unwrap();
    let text = format!(
        "tests:\n  smtpbench:\n    type: csv\n    file: {}\n    time_column: time\n    \
         attributes: [commit, scenario]\n    metrics: [messages_per_s, mail_us_p50]\n",
        csv.display()
    );
    fs::write(&config, text).unwrap();
    let otava = python.with_file_name("otava");
    let analyze = ["analyze", "smtpbench", "--since", "2025-12-01"];
    let said = output(Command::new(otava).args(analyze).env("OTAVA_CONFIG", &config));
    assert!(said.contains("+10.0%") && said.contains("mail_us_p50"), "{said}");
}

/// What a command prints.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
