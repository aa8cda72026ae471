//! `[extensions]`: what it takes, what it refuses, and what it changes elsewhere in the file.

use super::*;
use crate::message::Content;
use crate::message::template::Template;
use crate::scenario::extensions::{Dsn, EightBitMime, Extensions, Hold};

fn extensions(lines: &str) -> Extensions {
    read_over(&format!("{LOAD}[extensions]\n{lines}"), &Overrides::default()).unwrap().extensions
}

#[test]
fn limits_are_obeyed_and_nothing_else_is_asked_for_by_itself() {
    let default = Extensions::default();
    assert_eq!(extensions(""), default);
    assert!(default.limits && !default.adds_to_mail() && !default.adds_to_rcpt());
    assert!(!extensions("limits = false").limits);
}

#[test]
fn values_are_read() {
    let read = extensions(
        "eight_bit_mime = false\nmt_priority = -9\nhold_until = \"2030-01-31T13:00:00.5+01:00\"\n\
         dsn = { notify = \"delay, success\", ret = \"full\", envid = \"run {{seq}}\" }",
    );
    assert_eq!(read.eight_bit_mime, EightBitMime::Never);
    assert_eq!(read.mt_priority, Some(-9));
    assert_eq!(read.hold, Some(Hold::Until("2030-01-31T12:00:00Z".into())));
    let Dsn { notify, ret, envid, orcpt } = read.dsn.unwrap();
    assert_eq!((notify.as_deref(), ret, orcpt), (Some("DELAY,SUCCESS"), Some("FULL"), false));
    assert_eq!(envid.as_ref().map(Template::parts).map(<[_]>::len), Some(2));
    assert_eq!(extensions("hold_for = \"2m\"").hold, Some(Hold::For(120)));
    let never = extensions("dsn = { notify = \"never\" }").dsn.unwrap();
    assert_eq!(never.notify.as_deref(), Some("NEVER"));
}

#[test]
fn wrong_values_are_faults_with_hints() {
    let wrong = |line: &str, message: &str, hinted: &str| {
        let text = format!("{LOAD}[extensions]\n{line}");
        let found = lines(read_over(&text, &Overrides::default()));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].contains(message), "{line}: {found:?}");
        hint(&text, hinted);
    };
    let words = "write \"never\", or some of \"success,failure,delay\", each once";
    for notify in ["", "never,delay", "delay,delay", "sucess"] {
        let message = format!("`{notify}` is not a value of `notify`");
        wrong(&format!("dsn = {{ notify = \"{notify}\" }}"), &message, words);
    }
    wrong("dsn = { ret = \"ful\" }", "`ful` is not a value of `ret`", "did you mean \"full\"?");
    wrong(
        "dsn = { orcpt = false }",
        "`dsn` asks for nothing",
        "write dsn = { notify = \"success,failure\" }, or leave it out",
    );
    wrong("dsn = { envid = \"ü\" }", "more than printable ASCII", "RFC 3461 section 4.4");
    let long = format!("dsn = {{ envid = \"{}\" }}", "=".repeat(34));
    wrong(&long, "`envid` is over 100 bytes long", "write a shorter one");
    let time = "write it as RFC 3339 has it: hold_until = \"2030-01-31T12:00:00Z\"";
    wrong("hold_until = \"tomorrow\"", "`tomorrow` is no date and time with a zone", time);
    wrong("hold_for = \"1500ms\"", "not a whole number of seconds", "write hold_for = \"60s\"");
    wrong("mt_priority = 10", "`mt_priority` is 10, not from -9 to 9", "RFC 6710 section 3");
    let one = "write one of them";
    wrong("hold_for = \"1s\"\nhold_until = \"2030-01-31T12:00:00Z\"", "beside `hold_for`", one);
    wrong("smtp_utf8 = true", "unknown key `smtp_utf8`", "did you mean `smtputf8`?");
}

#[test]
fn binary_mail_takes_bdat() {
    let script = |verb: &str| {
        format!(
            "{LOAD}[extensions]\nbinary_mime = true\n[[scripts]]\nname = \"s\"\nsteps = '''\n\
             transaction\nMAIL FROM:<>\nRCPT TO:<a@b>\n{verb}\nend\n'''\n"
        )
    };
    assert!(read_over(&script("BDAT"), &Overrides::default()).is_ok());
    check(&script("DATA"), &["5:15: `binary_mime` with DATA in script `s`"]);
    hint(&script("DATA"), "binary mail goes out by BDAT: write BDAT in its place");
}

#[test]
fn requiretls_takes_tls() {
    let text = |target: &str| format!("{LOAD}[extensions]\nrequiretls = true\n[target]\n{target}");
    check(&text("url = \"smtp://127.0.0.1\""), &["5:14: `requiretls` without TLS to the target"]);
    let starttls = text("url = \"smtp://127.0.0.1\"\ntls = \"starttls\"");
    assert!(read_over(&starttls, &Overrides::default()).is_ok());
    assert!(read_over(&text("url = \"smtps://127.0.0.1\""), &Overrides::default()).is_ok());
}

#[test]
fn headers_in_utf8_take_smtputf8() {
    let text = |smtputf8: bool| {
        format!(
            "{LOAD}[extensions]\nsmtputf8 = {smtputf8}\n[[messages]]\nsize = 1000\n\
             headers = {{ Subject = \"grüß\" }}\n"
        )
    };
    let found = lines(read_over(&text(false), &Overrides::default()));
    assert!(found[0].contains("a non-ASCII character"), "{found:?}");
    let read = read_over(&text(true), &Overrides::default()).unwrap();
    assert!(read.extensions.beyond_ascii && read.extensions.is_strict());
}

#[test]
fn what_is_beyond_ascii_is_known_before_the_run() {
    let beyond = |part: &str| {
        let read = read_over(&format!("{LOAD}{part}"), &Overrides::default()).unwrap();
        read.extensions.beyond_ascii
    };
    assert!(!beyond(""));
    assert!(beyond("[senders]\npattern = \"ü{{seq}}@a.test\""));
    assert!(beyond("[recipients]\naddresses = [\"a@b.test\", \"ü@b.test\"]"));
    assert!(beyond("[recipients]\npattern = \"a@{{domain}}\"\ndomains = { \"ü.test\" = 1 }"));
    let line = "[[scripts]]\nname = \"s\"\nsteps = '''\ntransaction\nMAIL FROM:<ü@b>\nend\n'''";
    assert!(beyond(line));
}

#[test]
fn files_know_their_bytes_and_keep_them_for_binary_mail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let file = |bytes: &str, binary: bool| {
        std::fs::write(folder.path().join("a.eml"), bytes).unwrap();
        let text = format!(
            "{LOAD}[extensions]\nbinary_mime = {binary}\n[[messages]]\nfile = \"a.eml\"\n[[scripts]]\n\
             name = \"s\"\nsteps = '''\ntransaction\nMAIL FROM:<>\nRCPT TO:<a@b>\nBDAT\nend\n'''"
        );
        match &read_in(path, &text).unwrap().mail.kinds[0].content {
            Content::Files { files, .. } => files[0].clone(),
            Content::Generated { .. } => unreachable!("the kind names a file"),
        }
    };
    let bare = file("A: b\n\nc\rd", true);
    assert_eq!(bare.binary.as_deref(), Some(&b"A: b\n\nc\rd"[..]));
    assert_eq!(&*bare.data, b"A: b\r\n\r\nc\rd\r\n");
    assert!(!bare.eight_bit);
    assert!(file("A: b\n\nc\rd", false).binary.is_none());
    assert!(file("A: b\r\n\r\nc\r\n", true).binary.is_none());
    let body = file("A: b\n\nü", false);
    assert!(body.eight_bit && !body.utf8_header);
    assert!(file("A: ü\n\nb", false).utf8_header);
}

#[test]
fn addresses_beyond_ascii_without_smtputf8_are_remarked_on() {
    let remarked = |extensions: &str| {
        let text = format!("{LOAD}[senders]\npattern = \"ü@b.test\"\n{extensions}");
        let scenario = read_over(&text, &Overrides::default()).unwrap();
        scenario.remarks().iter().any(|remark| remark.contains("beyond ASCII"))
    };
    assert!(remarked(""));
    assert!(!remarked("[extensions]\nsmtputf8 = true"));
}
