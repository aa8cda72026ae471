//! What rules and words do: ends, nonsense, fates, and whom they are for.

use super::*;
use crate::behavior::{
    AddressPattern, Effects, End, Fate, Network, Nonsense, Rule, Scope, When, Window,
};

fn always(at: SinkVerb, effects: Effects) -> Behavior {
    ruled(vec![Rule { at, when: When::default(), effects }])
}

fn ruled(rules: Vec<Rule>) -> Behavior {
    Behavior { rules, ..Behavior::default() }
}

const DATA: &str = "C: DATA\nS: 354 send the mail data, end it with CRLF.CRLF\nC: x\nC: .\n";

fn ending(end: End, lose: bool) -> Effects {
    let fate = Fate { lose, ..Fate::default() };
    Effects { end: Some(end), fate, ..Effects::default() }
}

#[test]
fn a_connection_ends_instead_of_a_reply_or_behind_it() {
    let dialogue = "C: HELO c.test\nS: 250 sink.test\nC: MAIL FROM:<>";
    let dropped = check_with(&always(SinkVerb::Mail, ending(End::Drop, false)), dialogue);
    assert_eq!((dropped.close, dropped.counts.ended_by_rule), (Some(Close::Hangup), 1));
    let aborted = check_with(&always(SinkVerb::Mail, ending(End::Abort, false)), dialogue);
    assert_eq!(aborted.close, Some(Close::Abort));
    let reply = Some(Reply::parse("450 4.2.0 and gone").unwrap());
    let effects = Effects { reply, ..ending(End::Drop, false) };
    let said = check_with(
        &always(SinkVerb::Mail, effects),
        &format!("{dialogue}\nS: 450 4.2.0 and gone\nC: NOOP"),
    );
    assert_eq!((said.close, said.counts.refused_by_rule), (Some(Close::Hangup), 1));
}

#[test]
fn a_quit_that_is_answered_by_a_reset() {
    let played = check_with(&always(SinkVerb::Quit, ending(End::Abort, false)), "C: QUIT");
    assert_eq!(played.close, Some(Close::Abort));
}

#[test]
fn a_connection_that_ends_after_the_mail_data() {
    let dialogue = format!("{ENVELOPE}{DATA}");
    for (end, lose, unanswered) in
        [(End::Drop, false, 1), (End::Abort, false, 1), (End::Drop, true, 0)]
    {
        let counts = check_with(&always(SinkVerb::Eod, ending(end, lose)), &dialogue).counts;
        assert_eq!((counts.messages, counts.refused_messages), (0, 0));
        assert_eq!((counts.unanswered, counts.lost), (unanswered, 0), "{end:?} {lose}");
    }
}

#[test]
fn what_becomes_of_messages_is_counted() {
    let dialogue = format!("{ENVELOPE}{DATA}S: 250 2.0.0 message taken");
    let fate = |fate| always(SinkVerb::Eod, Effects { fate, ..Effects::default() });
    let counts = check_with(&fate(Fate { lose: true, ..Fate::default() }), &dialogue).counts;
    assert_eq!((counts.messages, counts.lost), (1, 1));
    let twice =
        Fate { twice: true, flip: true, hold: Some(Delay::Fixed(IDLE_MAX)), ..Fate::default() };
    let counts = check_with(&fate(twice.clone()), &dialogue).counts;
    assert_eq!((counts.messages, counts.duplicated, counts.altered, counts.held), (1, 1, 1, 1));
    // What is refused is not kept, and so has no fate.
    let reply = Some(Reply::parse("550 5.7.1 no").unwrap());
    let refused = always(SinkVerb::Eod, Effects { reply, fate: twice, ..Effects::default() });
    let counts = check_with(&refused, &format!("{ENVELOPE}{DATA}S: 550 5.7.1 no")).counts;
    assert_eq!((counts.refused_messages, counts.duplicated, counts.altered), (1, 0, 0));
}

#[test]
fn replies_that_are_none() {
    let noop = |effects| {
        let played = play(&always(SinkVerb::Noop, effects), &[b"NOOP\r\n"]);
        let greeting = b"220 sink.test ESMTP smtpbench sink\r\n".len();
        (played.output[greeting..].to_vec(), played.counts.nonsense)
    };
    let nonsense = |nonsense| Effects { nonsense: Some(nonsense), ..Effects::default() };
    let raw = Nonsense::Raw(b"\0\xff".to_vec());
    assert_eq!(noop(nonsense(raw)), (b"\0\xff".to_vec(), 1));
    let (long, _) = noop(nonsense(Nonsense::Long(1000)));
    assert_eq!(long.len(), 1000);
    assert!(long.starts_with(b"250 2.0.0 okxx") && long.ends_with(b"xx\r\n"));
    let (garbage, _) = noop(nonsense(Nonsense::Garbage(500)));
    assert_eq!((garbage.len(), garbage.iter().filter(|byte| **byte == b'\n').count()), (502, 1));
    assert_eq!(garbage, noop(nonsense(Nonsense::Garbage(500))).0, "from the seed");
    let extra = Some(Reply::parse("250 unasked").unwrap());
    let (both, count) = noop(Effects { extra, ..Effects::default() });
    assert_eq!((both, count), (b"250 2.0.0 ok\r\n250 unasked\r\n".to_vec(), 1));
}

#[test]
fn rules_are_for_whom_they_say() {
    let pattern = |text| Some(AddressPattern::parse(text).unwrap());
    let refuse = |at, when| {
        let reply = Some(Reply::parse("550 not you").unwrap());
        Rule { at, when, effects: Effects { reply, ..Effects::default() } }
    };
    let by_recipient = |at| refuse(at, When { recipient: pattern("@no.test"), ..When::default() });
    let envelope = |sender: &str, recipient: &str| {
        format!(
            "C: HELO c.test\nS: 250 sink.test\nC: MAIL FROM:<{sender}>\nS: 250 2.1.0 sender ok\n\
             C: RCPT TO:<a@yes.test>\nS: 250 2.1.5 recipient ok\nC: RCPT TO:<{recipient}>\n"
        )
    };
    let rcpt = ruled(vec![by_recipient(SinkVerb::Rcpt)]);
    check_with(&rcpt, &format!("{}S: 550 not you", envelope("a@b.test", "a@NO.test")));
    check_with(&rcpt, &format!("{}S: 250 2.1.5 recipient ok", envelope("a@b.test", "no@a.test")));
    let eod = ruled(vec![by_recipient(SinkVerb::Eod)]);
    let ok = "S: 250 2.1.5 recipient ok\n";
    check_with(&eod, &format!("{}{ok}{DATA}S: 550 not you", envelope("a@b.test", "a@no.test")));
    let taken = "S: 250 2.0.0 message taken";
    check_with(&eod, &format!("{}{ok}{DATA}{taken}", envelope("a@b.test", "a@b.test")));
    let sender =
        ruled(vec![refuse(SinkVerb::Data, When { sender: pattern("<>"), ..When::default() })]);
    check_with(&sender, &format!("{}{ok}C: DATA\nS: 550 not you", envelope("", "a@b.test")));
    check_with(&sender, &format!("{}{ok}{DATA}{taken}", envelope("a@b.test", "a@b.test")));
    for (network, reply) in [("127.0.0.0/8", "550 not you"), ("10.0.0.0/8", "250 2.0.0 ok")] {
        let client = Some(Network::parse(network).unwrap());
        let noop = refuse(SinkVerb::Noop, When { client, ..When::default() });
        check_with(&ruled(vec![noop]), &format!("C: NOOP\nS: {reply}"));
    }
}

#[test]
fn a_greylister_defers_each_triple_for_its_time() {
    let when = |count, within| When { per: Scope::Triple, count, within, ..When::default() };
    let defer = |when| {
        let reply = Some(Reply::parse("450 4.2.0 later").unwrap());
        let effects = Effects { reply, ..Effects::default() };
        ruled(vec![Rule { at: SinkVerb::Rcpt, when, effects }])
    };
    let codes = |service: &Arc<Service>, client: &str, at: Instant| {
        let mut session =
            SinkSession::new(Arc::clone(service), at).with_peer(Some([127, 0, 0, 1].into()), at);
        let mut out = Vec::new();
        session.start(at, &mut out);
        session.handle_input(at, client.as_bytes(), &mut out);
        let text = String::from_utf8(out).unwrap();
        text.lines().skip(3).map(|line| line[..3].to_owned()).collect::<Vec<_>>().join(" ")
    };
    let client =
        "HELO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@d.test>\r\n";
    let other = client.replace("a@b.test", "z@b.test");
    let new = |behavior| Arc::new(Service::new("sink.test", &behavior, Protocol::Smtp));
    let now = clock::now();
    let twice = new(defer(when(Some(2), None)));
    assert_eq!(codes(&twice, client, now), "450 450");
    assert_eq!(codes(&twice, client, now), "450 450");
    assert_eq!(codes(&twice, client, now), "250 250");
    assert_eq!(codes(&twice, &other, now), "450 450");
    let timed = new(defer(when(None, Some(Duration::from_secs(2)))));
    assert_eq!(codes(&timed, client, now), "450 450");
    assert_eq!(codes(&timed, client, now + Duration::from_millis(1999)), "450 450");
    assert_eq!(codes(&timed, client, now + Duration::from_millis(2000)), "250 250");
    assert_eq!(codes(&timed, &other, now + Duration::from_millis(2000)), "450 450");
}

#[test]
fn words_in_addresses() {
    let rcpt = |address: &str, reply: &str| {
        let dialogue = format!(
            "C: HELO c.test\nS: 250 sink.test\nC: MAIL FROM:<>\nS: 250 2.1.0 sender ok\n\
             C: RCPT TO:<{address}>\n{reply}"
        );
        check_with(&Behavior::default(), &dialogue)
    };
    let ok = "S: 250 2.1.5 recipient ok\n";
    rcpt("tempfail@d.test", "S: 450 4.2.0 the address asks for a temporary failure");
    rcpt("permfail+1@d.test", "S: 550 5.1.1 the address asks for a permanent failure");
    let closed = rcpt("421-4.3.2@d.test", "S: 421 4.3.2 the address asks for it");
    assert_eq!(closed.close, Some(Close::Hangup));
    assert_eq!(closed.counts.refused_by_rule, 1);
    let slow = rcpt("delay-200ms@d.test", ok);
    assert_eq!(slow.times.last().unwrap().0, Duration::from_millis(200));
    assert_eq!(rcpt("drop-at-data@d.test", &format!("{ok}C: DATA")).close, Some(Close::Hangup));
    assert_eq!(rcpt("abort-at-rcpt@d.test", "").close, Some(Close::Abort));
    let vanished = rcpt("vanish@d.test", &format!("{ok}{DATA}"));
    assert_eq!((vanished.close, vanished.counts.unanswered), (Some(Close::Hangup), 1));
    let taken = format!("{ok}{DATA}S: 250 2.0.0 message taken\n");
    assert_eq!(rcpt("twice@d.test", &taken).counts.duplicated, 1);
    // The word is for one recipient only, and for one message.
    let other = "C: RCPT TO:<a@b.test>\nS: 250 2.1.5 recipient ok\n";
    let deferred = "S: 450 4.2.0 the address asks for a temporary failure\n";
    rcpt("tempfail@d.test", &format!("{deferred}{other}"));
    let next = format!("C: MAIL FROM:<>\nS: 250 2.1.0 sender ok\nC: RCPT TO:<a@b>\n{taken}");
    let lost = rcpt("lose@d.test", &format!("{taken}{next}")).counts;
    assert_eq!((lost.messages, lost.lost), (2, 1));
    let without = Behavior { no_words: true, ..Behavior::default() };
    let dialogue =
        format!("C: MAIL FROM:<>\nS: 250 2.1.0 sender ok\nC: RCPT TO:<tempfail@d>\n{ok}");
    check_with(&without, &format!("{HELLO}{dialogue}"));
}

#[test]
fn words_stand_back_behind_rules_and_wait_through_freezes() {
    let rule = Rule::replying(SinkVerb::Rcpt, 452, "4.2.2 the rule");
    let behavior =
        Behavior { freezes: vec![Window::parse("1s after 0s").unwrap()], ..ruled(vec![rule]) };
    let dialogue = "C: HELO c.test\nS: 250 sink.test\nC: MAIL FROM:<>\nS: 250 2.1.0 sender ok\n\
                    C: RCPT TO:<tempfail@d.test>\nS: 452 4.2.2 the rule";
    let played = check_with(&behavior, dialogue);
    assert_eq!(played.times[0].0, Duration::from_secs(1));
}

#[test]
fn a_slow_reader_takes_its_time_for_the_message_and_no_longer() {
    let rule = Rule {
        at: SinkVerb::Data,
        when: When::default(),
        effects: Effects { read_rate: Some(1000), ..Effects::default() },
    };
    let client = format!(
        "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n{}\r\n.\r\nNOOP\r\n",
        "x".repeat(1995)
    );
    for pieces in [vec![client.as_bytes()], client.as_bytes().chunks(7).collect()] {
        let played = play(&ruled(vec![rule.clone()]), &pieces);
        assert_eq!(played.counts.messages, 1);
        // 2,000 bytes of the mail data and its end at 1,000 a second.
        assert_eq!(played.times.last().unwrap().0, Duration::from_secs(2));
        assert_eq!(played.counts.bytes, 1997);
    }
    let chunk = Rule { at: SinkVerb::Mail, ..rule };
    let client =
        format!("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 500 LAST\r\n{}", "x".repeat(500));
    let played = play(&ruled(vec![chunk]), &[client.as_bytes()]);
    assert_eq!(played.times.last().unwrap().0, Duration::from_millis(500));
}

#[test]
fn capabilities_are_hidden_and_announced() {
    let behavior = Behavior {
        hide: ["pipelining", "SIZE", "DSN", "CHUNKING", "MT-PRIORITY"].map(str::to_owned).into(),
        announce: vec!["X-ODD 1 2".into()],
        ..Behavior::default()
    };
    check_with(
        &behavior,
        "C: EHLO c.test
         S: 250-sink.test
         S: 250-8BITMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250-SMTPUTF8
         S: 250-BINARYMIME
         S: 250-FUTURERELEASE 999999999 9999-12-31T23:59:59Z
         S: 250 X-ODD 1 2",
    );
    let all = "PIPELINING 8BITMIME SIZE ENHANCEDSTATUSCODES SMTPUTF8 DSN BINARYMIME FUTURERELEASE \
               MT-PRIORITY CHUNKING";
    let hide = all.split(' ').map(str::to_owned).collect();
    check_with(&Behavior { hide, ..Behavior::default() }, "C: EHLO c.test\nS: 250 sink.test");
}

#[test]
fn an_end_in_lmtp_comes_once_whatever_the_recipients() {
    let client =
        b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0 LAST\r\nNOOP\r\n";
    let behavior = always(SinkVerb::Eod, ending(End::Drop, false));
    let played = play_in(Protocol::Lmtp, &behavior, &[client]);
    assert!(played.output.ends_with(b"250 2.1.5 recipient ok\r\n"));
    assert_eq!((played.counts.unanswered, played.counts.ended_by_rule), (1, 1));
}
