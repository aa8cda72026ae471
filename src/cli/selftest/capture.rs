//! What the sink kept, read from the file of its capture and held against what was sent.
//!
//! Runs do not follow their mail beyond the reply yet, so this stands in for the far end. What was sent is made again
//! from the plan: mail is a pure function of seed and message number.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::IoSlice;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::message::render::MessageId;
use crate::plan::Plan;

/// Slices of a body that are asked for at once.
const SLICES: usize = 16;

/// The rows of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    rows: Vec<Row>,
}

/// A message as it was kept.
#[derive(Clone, Debug)]
struct Row {
    /// Its number in the plan, where it has our Message-ID.
    seq: Option<u64>,
    /// The null sender: a notification.
    bounce: bool,
    altered: bool,
    us_eod: i64,
}

impl Captured {
    /// Reads the file at `path`, whose messages `plan` sent.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub(super) fn read(path: &Path, plan: &Plan) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let rows = text.lines().map(|line| row(line, plan)).collect::<Result<_, _>>()?;
        Ok(Self { rows })
    }

    /// All that was kept.
    pub(super) fn kept(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Messages of ours, each counted once; one that cannot be told from others counts as none.
    pub(super) fn distinct(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.seq).collect::<HashSet<_>>().len() as u64
    }

    /// Those that are not what was sent.
    pub(super) fn altered(&self) -> u64 {
        self.rows.iter().filter(|row| row.altered).count() as u64
    }

    /// Those that stand behind one that came later.
    pub(super) fn overtaken(&self) -> u64 {
        let mut latest = i64::MIN;
        let mut overtaken = 0;
        for row in &self.rows {
            overtaken += u64::from(row.us_eod < latest);
            latest = latest.max(row.us_eod);
        }
        overtaken
    }

    /// Notifications.
    pub(super) fn bounces(&self) -> u64 {
        self.rows.iter().filter(|row| row.bounce).count() as u64
    }
}

fn row(line: &str, plan: &Plan) -> Result<Row, String> {
    let row: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |name: &str| row[name].as_str();
    let seq = text("message_id").and_then(|id| number(id, &plan.identity.run_id));
    let sent = seq.map(|seq| hash(plan, seq));
    Ok(Row {
        seq,
        bounce: text("sender") == Some(""),
        altered: sent.as_deref() != text("sha256"),
        us_eod: row["us_eod"].as_i64().ok_or("a row without us_eod")?,
    })
}

/// The message number in a Message-ID of the run.
fn number(id: &str, run: &str) -> Option<u64> {
    let rest = id.strip_prefix('<')?.strip_prefix(run)?.strip_prefix('.')?;
    rest.split('@').next()?.parse().ok()
}

/// SHA-256 of message `seq` as it was sent. Its Date is one that the scenario wrote.
fn hash(plan: &Plan, seq: u64) -> String {
    let (mail, identity) = (&plan.scenario.mail, &plan.identity);
    let id = MessageId { seq, kind: mail.kind_of(identity, seq) };
    let mut content = Vec::new();
    let body = mail.put_head(identity, id, false, "", |_, _, _| {}, &mut content);
    let (mut at, end) = (0, mail.body_bytes(body, false));
    while at < end {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let taken = mail.body_slices(body, false, at..end, &mut slices);
        let before = content.len();
        slices[..taken].iter().for_each(|slice| content.extend_from_slice(slice));
        let more = (content.len() - before) as u64;
        if more == 0 {
            break;
        }
        at += more;
    }
    Sha256::digest(&content).iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_our_own_messages_only() {
        assert_eq!(number("<00ff.17@smtpbench.test>", "00ff"), Some(17));
        for other in ["<00fe.17@smtpbench.test>", "<00ff.x@a>", "00ff.17@a", "", "<00ff17@a>"] {
            assert_eq!(number(other, "00ff"), None, "{other}");
        }
    }

    #[test]
    fn who_stands_behind_a_later_one_was_overtaken() {
        let row = |us_eod| Row { seq: Some(1), bounce: false, altered: false, us_eod };
        let captured = |times: &[i64]| Captured { rows: times.iter().copied().map(row).collect() };
        assert_eq!(captured(&[1, 2, 2, 3]).overtaken(), 0);
        assert_eq!(captured(&[2, 3, 1, 4]).overtaken(), 1);
        assert_eq!(captured(&[4, 1, 2, 3]).overtaken(), 3);
        assert_eq!(captured(&[4, 1, 2, 3]).distinct(), 1);
    }
}
