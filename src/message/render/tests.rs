use std::sync::Arc;
use std::time::Duration;

use super::super::template::Part;
use super::super::trace::Trace;
use super::*;

fn identity() -> RunIdentity {
    RunIdentity { run_id: "0123456789abcdef".into(), seed: 42 }
}

fn pattern(parts: Vec<Part>) -> Addresses {
    Addresses { source: AddressSource::Pattern(Template::new(parts)), domains: Vec::new() }
}

fn mail(size: SizeRule, headers: Vec<(String, Template)>) -> Mail {
    let user = Part::Value(Value::Uniform { low: 1, high: 1000, draw: 0 });
    Mail {
        senders: Addresses {
            source: AddressSource::List(vec!["a@sender.test".into(), "b@sender.test".into()]),
            domains: Vec::new(),
        },
        recipients: pattern(vec![
            Part::Text(b"user"[..].into()),
            user,
            Part::Text(b"@recipient.test"[..].into()),
        ]),
        per_message: 1..=1,
        kinds: vec![MessageKind {
            name: "plain".into(),
            weight: 1,
            content: Content::Generated { size, headers },
        }],
        trace: None,
    }
}

fn whole(mail: &Mail, seq: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let id = MessageId { seq, kind: 0 };
    let body = mail.put_head(
        &identity(),
        id,
        true,
        "Mon, 1 Jan 2024 00:00:00 +0000",
        |_, _, _| {},
        &mut out,
    );
    let (mut at, bytes) = (0, mail.body_bytes(body, true));
    while at < bytes {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = mail.body_slices(body, true, at..bytes, &mut slices);
        for slice in &slices[..count] {
            out.extend_from_slice(slice);
            at += slice.len() as u64;
        }
    }
    out
}

#[test]
fn a_message_has_exactly_the_size_asked_for() {
    for size in [700, 701, 776, 777, 1024, 4096, 65_536, 70_000, 200_001] {
        let text = whole(&mail(SizeRule::Fixed(size), vec![]), 3);
        assert_eq!(text.len() as u64, size);
    }
}

#[test]
fn a_size_below_the_header_is_raised_to_it() {
    let text = whole(&mail(SizeRule::Fixed(10), vec![]), 3);
    assert!(text.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn a_header_of_the_user_replaces_ours() {
    let headers = vec![
        ("from".to_owned(), Template::text("me@x.test")),
        (".Dot".to_owned(), Template::text("1")),
    ];
    let text = String::from_utf8(whole(&mail(SizeRule::Fixed(10), headers), 3)).unwrap();
    assert_eq!(text.matches("rom: ").count(), 1, "{text}");
    assert!(text.contains("\r\nfrom: me@x.test\r\n..Dot: 1\r\n\r\n"), "{text}");
    assert!(text.starts_with("X-Smtpbench: smtpbench/"), "{text}");
}

#[test]
fn the_same_message_is_the_same_every_time() {
    let mail = mail(SizeRule::LogNormal { p50: 1000, p99: 20_000 }, vec![]);
    assert_eq!(whole(&mail, 17), whole(&mail, 17));
    assert_ne!(whole(&mail, 17), whole(&mail, 18));
}

#[test]
fn log_normal_sizes_have_their_median_and_tail() {
    let rule = SizeRule::LogNormal { p50: 20_000, p99: 400_000 };
    let mut sizes: Vec<u64> = (0..50_000).map(|seq| rule.draw(&identity(), seq)).collect();
    sizes.sort_unstable();
    assert!((19_000..21_000).contains(&sizes[25_000]), "{}", sizes[25_000]);
    assert!((360_000..440_000).contains(&sizes[49_500]), "{}", sizes[49_500]);
    assert!(*sizes.last().unwrap() <= 1_600_000);
}

#[test]
fn lists_are_taken_in_turn_and_recipients_differ_by_index() {
    let mut mail = mail(SizeRule::Fixed(10), vec![]);
    let mut senders = Vec::new();
    for seq in 0..3 {
        mail.put_sender(&identity(), seq, &mut senders);
    }
    assert_eq!(senders, b"a@sender.testb@sender.testa@sender.test");
    mail.per_message = 1..=3;
    let text = |index| {
        let mut out = Vec::new();
        mail.put_recipient(&identity(), 5, index, &mut out);
        out
    };
    assert_ne!(text(0), text(1));
    let mut domain = Vec::new();
    mail.put_domain(&identity(), 5, 0, &mut domain);
    assert_eq!(domain, b"recipient.test");
}

#[test]
fn what_was_recorded_goes_before_the_patterns() {
    let row = |sender: Option<&str>, recipients: &[&str], bytes| TraceRow {
        offset: Duration::ZERO,
        sender: sender.map(Box::from),
        recipients: recipients.iter().map(|one| Box::from(*one)).collect(),
        bytes,
    };
    let mut mail = mail(SizeRule::Fixed(700), vec![]);
    mail.per_message = 2..=2;
    let patterns = mail.clone();
    let rows = vec![
        row(Some("x@y.test"), &["a@one.test", "b@two.test", "c@three.test"], Some(1000)),
        row(None, &[], None),
        row(Some(""), &["d@four.test"], None),
    ];
    mail.trace = Some(Arc::new(Trace { rows }));
    let envelope = |mail: &Mail, seq| {
        let mut out = Vec::new();
        mail.put_sender(&identity(), seq, &mut out);
        for index in 0..mail.recipients_of(&identity(), seq) {
            out.push(b' ');
            mail.put_recipient(&identity(), seq, index, &mut out);
            out.push(b'/');
            mail.put_domain(&identity(), seq, index, &mut out);
        }
        (String::from_utf8(out).unwrap(), whole(mail, seq).len())
    };
    let first = "x@y.test a@one.test/one.test b@two.test/two.test c@three.test/three.test";
    assert_eq!(envelope(&mail, 0), (first.to_owned(), 1000));
    assert_eq!(envelope(&mail, 1), envelope(&patterns, 1));
    assert_eq!(envelope(&mail, 2), (" d@four.test/four.test".to_owned(), 700));
    // Behind the last row, as in a warm-up: nothing was recorded.
    assert_eq!(envelope(&mail, 3), envelope(&patterns, 3));
}
