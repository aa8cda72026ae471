//! Saved runs rendered again, and what the program says of itself.

use std::fs;

use tempfile::TempDir;

use crate::support::peer::Peer;
use crate::support::program::Smtpbench;

/// A short run, and what it printed but for its last line.
fn run(folder: &TempDir) -> String {
    let peer = Peer::good();
    let (url, out) = (peer.url(), folder.path().join("out"));
    let load = ["run", "--sessions", "2", "--messages", "40", "--quiet", "--target", &url, "--out"];
    let finished = Smtpbench::new(&load).arg(&out).run().code(&[0]);
    let (shown, _) = finished.stdout.rsplit_once("\n\nresults: ").unwrap();
    shown.to_owned()
}

#[test]
fn a_saved_run_is_rendered_again_in_every_format() {
    let folder = TempDir::new().unwrap();
    let shown = run(&folder);
    let out = folder.path().join("out");
    let again = Smtpbench::new(&["report"]).arg(&out).run().code(&[0]);
    assert_eq!(again.stdout.trim_end(), shown);
    for (format, begins) in [
        ("md", "## "),
        ("json", "{"),
        ("junit", "<?xml"),
        ("html", "<!doctype html>"),
        ("prometheus", "# HELP"),
        ("hgrm", "#["),
        ("bencher", "{"),
        ("github-smaller", "["),
        ("github-bigger", "["),
        ("history", "time,commit,scenario,"),
    ] {
        let file = folder.path().join(format);
        let rendered = Smtpbench::new(&["report", "--format", format]).arg(&out).run().code(&[0]);
        assert!(rendered.stdout.starts_with(begins), "{format}: {rendered}");
        Smtpbench::new(&["report", "--format", format, "--out"])
            .arg(&file)
            .arg(&out)
            .run()
            .code(&[0]);
        assert_eq!(
            fs::read_to_string(file).unwrap().trim_end(),
            rendered.stdout.trim_end(),
            "{format}"
        );
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    let rendered = Smtpbench::new(&["report", "--format", "html"]).arg(&out).run().code(&[0]);
    assert_eq!(page.trim_end(), rendered.stdout.trim_end());
}

#[test]
fn what_is_no_result_folder_is_told() {
    let folder = TempDir::new().unwrap();
    Smtpbench::new(&["report"]).arg(folder.path()).run().code(&[65]).stderr_has("run.json");
    fs::write(folder.path().join("run.json"), "{}").unwrap();
    Smtpbench::new(&["report"])
        .arg(folder.path())
        .run()
        .code(&[65])
        .stderr_has("no run.json of smtpbench");
    Smtpbench::new(&["report"]).run().code(&[64]);
    Smtpbench::new(&["report", "--format", "pie"]).arg(folder.path()).run().code(&[64]);
}

#[test]
fn completions_and_manual_pages_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        Smtpbench::new(&["completions", shell]).run().code(&[0]).stdout_has("find-max");
    }
    Smtpbench::new(&["completions", "tcsh"]).run().code(&[64]);
    Smtpbench::new(&["man"]).run().code(&[0]).stdout_has(".TH");
    Smtpbench::new(&["man", "run"]).run().code(&[0]).stdout_has("threshold");
    Smtpbench::new(&["man", "fly"]).run().code(&[64]).stderr_has("no command");
    Smtpbench::new(&["schema", "report"]).run().code(&[0]).stdout_has("smtpbench-summary");
}
