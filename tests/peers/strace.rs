//! System calls of the program, as strace counts them. The bench `speed` uses this file as well.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// System calls a round trip of a lock-step run on kept-open sessions: what further `messages` take, so that neither start
/// nor end of the program is in it. `driver` does the TCP, `folder` is for
/// results.
///
/// # Errors
/// When strace is missing or may not trace, or the run fails.
pub(crate) fn calls_a_round_trip(
    folder: &Path,
    url: &str,
    driver: &str,
    sessions: u64,
    messages: u64,
) -> io::Result<f64> {
    let short = calls(folder, url, driver, sessions, messages)?;
    let long = calls(folder, url, driver, sessions, 2 * messages)?;
    // MAIL, RCPT, DATA and the body.
    let round_trips = 4 * messages;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let each = long.saturating_sub(short) as f64 / round_trips as f64;
    Ok(each)
}

fn calls(folder: &Path, url: &str, driver: &str, sessions: u64, messages: u64) -> io::Result<u64> {
    let counts = folder.join(format!("calls-{messages}"));
    let results = folder.join(format!("results-{messages}"));
    let output = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&counts)
        .args([env!("CARGO_BIN_EXE_smtpbench"), "run", "--quiet", "--target", url])
        .args(["--sessions", &sessions.to_string(), "--messages", &messages.to_string()])
        .args(["--driver", driver, "--size", "1KiB", "--out"])
        .arg(&results)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("{}: {said}", output.status)));
    }
    let text = std::fs::read_to_string(&counts)?;
    total(&text).ok_or_else(|| io::Error::other(format!("strace counted nothing:\n{text}")))
}

/// The calls of all kinds: `100.00  0.02  5  4000  12 total`, where the errors may be missing.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
