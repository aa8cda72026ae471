//! Delays by law, freezes and rules, on the virtual clock.

use super::*;
use crate::behavior::{Effects, Limit, Numbers, Rate, Rule, When, Window};

const MAIL_AND_RCPT: &str = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n";
const MESSAGE: &str = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\n";

fn rule(at: SinkVerb, when: When, reply: &str) -> Rule {
    let reply = Some(Reply::parse(reply).unwrap());
    Rule { at, when, effects: Effects { reply, ..Effects::default() } }
}

fn ruled(rules: Vec<Rule>) -> Behavior {
    Behavior { rules, seed: Some(1), ..Behavior::default() }
}

fn service(behavior: &Behavior) -> Arc<Service> {
    Arc::new(Service::new("sink.test", behavior, Protocol::Smtp))
}

fn times(text: &str, count: usize) -> String {
    format!("HELO c.test\r\n{}", text.repeat(count))
}

/// The codes of the replies.
fn codes(played: &Played) -> Vec<u16> {
    let output = String::from_utf8(played.output.clone()).unwrap();
    output.lines().map(|line| line[..3].parse().unwrap()).collect()
}

fn count(played: &Played, code: u16) -> usize {
    codes(played).iter().filter(|one| **one == code).count()
}

#[test]
fn drawn_delays_follow_from_the_seed_and_not_from_the_cut() {
    let law = || Delay::parse("p50 20ms p99 200ms").unwrap();
    let behavior = |seed| Behavior {
        seed: Some(seed),
        delays: vec![(SinkVerb::Mail, law()), (SinkVerb::Rcpt, law())],
        ..Behavior::default()
    };
    let client = times(&format!("{MAIL_AND_RCPT}RSET\r\n"), 20);
    let whole = play(&behavior(1), &[client.as_bytes()]);
    let bytes: Vec<&[u8]> = client.as_bytes().chunks(1).collect();
    let times = |played: &Played| {
        let mut times: Vec<Duration> = played.times.iter().map(|(time, _)| *time).collect();
        times.dedup();
        times
    };
    assert_eq!(times(&whole).len(), 1 + 2 * 20);
    assert_eq!(times(&play(&behavior(1), &bytes)), times(&whole));
    assert_ne!(times(&play(&behavior(2), &[client.as_bytes()])), times(&whole));
}

#[test]
fn a_share_is_drawn_a_command_and_counted() {
    let share = When { share: Some(0.1), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Rcpt, share, "450 4.2.0 later")]);
    let service = service(&behavior);
    let client = times(&format!("{MAIL_AND_RCPT}RSET\r\n"), 1000);
    let played = play_at(&service, &[client.as_bytes()]);
    let deferred = count(&played, 450);
    assert!((70..130).contains(&deferred), "{deferred} of 1000");
    assert_eq!(played.counts.refused_by_rule, deferred as u64);
    assert_eq!(service.playbook.hits(), [deferred as u64]);
}

#[test]
fn the_first_rule_that_fits_wins() {
    let when = |message| When { message: Some(message), ..When::default() };
    let behavior = ruled(vec![
        rule(SinkVerb::Mail, when(Numbers::Every { step: 3, first: 3 }), "451 third"),
        rule(SinkVerb::Mail, when(Numbers::Range(2, 3)), "452 second or third"),
        rule(SinkVerb::Data, When::default(), "554 never at mail"),
    ]);
    let service = service(&behavior);
    let played = play_at(&service, &[times("MAIL FROM:<>\r\nRSET\r\n", 6).as_bytes()]);
    let mail: Vec<u16> = codes(&played)[2..].iter().step_by(2).copied().collect();
    assert_eq!(mail, [250, 452, 451, 250, 250, 451]);
    assert_eq!(service.playbook.hits(), [2, 1, 0]);
}

#[test]
fn the_number_of_a_message_holds_to_its_end() {
    let second = When { nth: Some(Numbers::Range(2, 2)), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Eod, second, "550 5.7.1 the second")]);
    let service = service(&behavior);
    for _ in 0..2 {
        let played = play_at(&service, &[times(MESSAGE, 3).as_bytes()]);
        let eod: Vec<u16> = codes(&played)[2..].chunks(4).map(|message| message[3]).collect();
        assert_eq!(eod, [250, 550, 250]);
    }
}

#[test]
fn a_421_on_every_third_message_closes() {
    let third = When { message: Some(Numbers::Every { step: 3, first: 3 }), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Mail, third, "421 4.7.0 enough")]);
    let service = service(&behavior);
    let client = times(MESSAGE, 5);
    let first = play_at(&service, &[client.as_bytes()]);
    assert_eq!((first.close, first.counts.messages), (Some(Close::Hangup), 2));
    let second = play_at(&service, &[client.as_bytes()]);
    assert_eq!((second.close, second.counts.messages), (Some(Close::Hangup), 4));
}

#[test]
fn counts_run_out_and_commands_out_of_turn_do_not_use_them_up() {
    let twice = When { count: Some(2), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Rcpt, twice, "450 4.2.0 later")]);
    let client = "HELO c.test\r\nRCPT TO:<c@d.test>\r\nMAIL FROM:<>\r\nRCPT TO:<\r\n";
    let client = format!("{client}{}", "RCPT TO:<c@d.test>\r\n".repeat(4));
    let played = play(&behavior, &[client.as_bytes()]);
    assert_eq!(codes(&played)[2..], [503, 250, 501, 450, 450, 250, 250]);
}

#[test]
fn a_rate_lets_through_what_it_says_and_refuses_the_rest() {
    let limit = Limit { rate: Rate::parse("100/s").unwrap(), burst: 10 };
    let above = When { above: Some(limit), ..When::default() };
    let behavior = Behavior {
        // One message every two milliseconds for two seconds.
        delays: vec![(SinkVerb::Mail, Delay::Fixed(Duration::from_millis(2)))],
        ..ruled(vec![rule(SinkVerb::Eod, above, "451 4.7.1 too fast")])
    };
    let played = play(&behavior, &[times(MESSAGE, 1000).as_bytes()]);
    let (taken, refused) = (played.counts.messages, played.counts.refused_messages);
    assert_eq!((taken, refused), (209, 791));
    assert_eq!(count(&played, 451), 791);
}

#[test]
fn at_most_bounds_how_often_a_rule_fits() {
    let limit = Limit { rate: Rate::parse("1/h").unwrap(), burst: 3 };
    let at_most = When { at_most: Some(limit), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Noop, at_most, "451 rare")]);
    let played = play(&behavior, &[b"NOOP\r\n".repeat(9).as_slice()]);
    assert_eq!(count(&played, 451), 3);
}

#[test]
fn a_freeze_holds_every_reply_to_its_end() {
    let ms = Duration::from_millis;
    let behavior = Behavior {
        freezes: vec![Window::parse("1.4s after 100ms").unwrap()],
        delays: vec![(SinkVerb::Noop, Delay::Fixed(ms(60)))],
        ..Behavior::default()
    };
    let played = play(&behavior, &[b"NOOP\r\nNOOP\r\nRSET\r\nNOOP\r\n"]);
    let times: Vec<Duration> = played.times.iter().map(|(time, _)| *time).collect();
    // The second one would be due in the middle of the freeze; the third asks at its end.
    assert_eq!(times, [ms(0), ms(60), ms(1500), ms(1560)]);
}

#[test]
fn time_counts_from_the_first_connection() {
    let late = When { window: Some(Window::parse("1s after 2s").unwrap()), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Noop, late, "450 now")]);
    let service = service(&behavior);
    let start = clock::now();
    for (second, want) in [(0, "250"), (2, "450"), (3, "250")] {
        let now = start + Duration::from_secs(second);
        let mut session = SinkSession::new(Arc::clone(&service), now).numbered(second + 1, now);
        let mut out = Vec::new();
        session.start(now, &mut out);
        out.clear();
        session.handle_input(now, b"NOOP\r\n", &mut out);
        assert_eq!(String::from_utf8_lossy(&out[..3]), want, "at {second} s");
    }
}

#[test]
fn sessions_by_number() {
    let second = When { session: Some(Numbers::Every { step: 2, first: 2 }), ..When::default() };
    let behavior = ruled(vec![rule(SinkVerb::Greeting, second, "554 not you")]);
    let service = service(&behavior);
    for (number, want) in [(1, "220"), (2, "554"), (3, "220"), (4, "554")] {
        let now = clock::now();
        let mut session = SinkSession::new(Arc::clone(&service), now).numbered(number, now);
        let mut out = Vec::new();
        session.start(now, &mut out);
        assert_eq!(String::from_utf8_lossy(&out[..3]), want, "session {number}");
    }
}

#[test]
fn a_rule_without_a_reply_leaves_the_own_or_the_fixed_one() {
    let delaying = |at| Rule::delaying(at, Delay::Fixed(Duration::from_millis(5)));
    let behavior = Behavior {
        replies: vec![(SinkVerb::Noop, Reply::parse("250 fixed").unwrap())],
        ..ruled(vec![delaying(SinkVerb::Noop), delaying(SinkVerb::Unknown)])
    };
    let played =
        check_with(&behavior, "C: NOOP\nS: 250 fixed\nC: X\nS: 500 5.5.2 command not recognized");
    assert_eq!(played.times.last().unwrap().0, Duration::from_millis(10));
    let unknown = ruled(vec![rule(SinkVerb::Unknown, When::default(), "502 no")]);
    check_with(&unknown, "C: X\nS: 502 no");
}
