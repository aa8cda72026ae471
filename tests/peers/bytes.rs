//! What smtpbench reads from a file is what arrives, byte for byte, by the word of another implementation.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::aiosmtpd::{Aiosmtpd, sha256};
use crate::program::Smtpbench;
use crate::root::here;
use crate::table::Table;

/// A message of everything that transparency and line ends can get wrong.
fn awkward_message() -> Vec<u8> {
    let mut message = b"From: <bench@sender.test>\r\nTo: <user@recipient.test>\r\n".to_vec();
    message.extend_from_slice(b"Subject: caf\xc3\xa9\r\nMIME-Version: 1.0\r\n\r\n");
    // Lines of dots, alone and in front of text, at the start and at the end of the body.
    for dots in 1..=5 {
        message.extend(vec![b'.'; dots]);
        message.extend_from_slice(b"\r\n");
        message.extend(vec![b'.'; dots]);
        message.extend_from_slice(b"text .\r\n");
    }
    // Lines at, above and far above the 998 of RFC 5322 section 2.1.1, one of dots.
    for (length, byte) in [(998, b'a'), (999, b'b'), (70_000, b'c'), (4_000, b'.')] {
        message.extend(vec![byte; length]);
        message.extend_from_slice(b"\r\n");
    }
    // 8-bit text, valid UTF-8 and not.
    message.extend_from_slice("Grüße, привет, 你好 — ελληνικά\r\n".as_bytes());
    message.extend((0x80..=0xff_u8).collect::<Vec<u8>>());
    message.extend_from_slice(b"\r\n\r\n\r\n.\r\n..\r\n");
    message
}

#[test]
fn dots_long_lines_and_8_bit_text_arrive_unchanged() {
    const MESSAGES: usize = 20;
    let Some(sink) = here("aiosmtpd", Aiosmtpd::start()) else { return };
    let folder = TempDir::new().unwrap();
    let message = awkward_message();
    fs::write(folder.path().join("awkward.eml"), &message).unwrap();
    let (scenario, out) = (folder.path().join("bytes.toml"), folder.path().join("out"));
    let text = format!(
        r#"
name = "bytes"
preflight = false
thresholds = []

[target]
url = "smtp://{}"

[load]
sessions = 4
messages = {MESSAGES}
for = "60s"

[[messages]]
name = "awkward"
file = "awkward.eml"
mark = "none"
"#,
        sink.address()
    );
    fs::write(&scenario, text).unwrap();
    let finished = Smtpbench::new(&["run"])
        .arg(&scenario)
        .arg("--out")
        .arg(&out)
        .limit(Duration::from_secs(90))
        .run()
        .code(&[0]);

    let taken = sink.settled(MESSAGES);
    let accepted = [("unit", "message"), ("outcome", "accepted")];
    let accepted = Table::read(&out, "outcomes.csv").sum("count", &accepted);
    assert_eq!(u64::try_from(taken.len()).unwrap(), accepted, "{finished}");
    assert_eq!(taken.len(), MESSAGES, "{finished}");
    for arrived in taken {
        assert_eq!(arrived.sha256, sha256(&message), "{arrived:?}\n{finished}");
    }
}
