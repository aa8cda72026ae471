//! Several targets in turn, and caps: when a transaction of a closed load may begin.

use super::*;
use crate::schedule::blocks::Turns;

/// When the MAIL of each of `messages` transactions is written, in milliseconds, to a server that takes a millisecond
/// for each reply.
fn mails(plan: &Plan, messages: usize) -> Vec<u128> {
    let start = clock::now();
    let mut now = start;
    let layout = Arc::new(Layout::new(plan));
    let recorder = Recorder::new(Arc::clone(&layout), 0, start, Duration::from_secs(86_400));
    let mut desk = Desk::new(plan, 0, start, recorder, &NumberSource::of_loads(plan));
    let mut dialogue = Dialogue::new(plan, 0, 0, rows_of(plan, 0, 0), now);
    dialogue.start(plan, &mut desk, now);
    dialogue.connected(plan, &mut desk, now);
    let (mut mails, mut reply) = (Vec::new(), "220 hi\r\n");
    while mails.len() < messages {
        desk.out.clear();
        match dialogue.next(plan, &mut desk, now) {
            Action::Write(part) => {
                let text = shown(&desk, part.as_ref());
                if text.starts_with("MAIL") {
                    mails.push((now - start).as_millis());
                }
                reply = if text.starts_with("DATA") { "354 go\r\n" } else { "250 ok\r\n" };
                dialogue.written(plan, &mut desk, now);
            }
            Action::Read => {
                now += Duration::from_millis(1);
                dialogue.handle_input(plan, &mut desk, now, reply.as_bytes());
            }
            Action::Sleep(length) => now += length,
            other => panic!("{other:?}"),
        }
    }
    mails
}

#[test]
fn a_transaction_begins_in_its_targets_turn_only() {
    for side in 0..2 {
        let turns = Turns::new(3, Duration::from_secs(1), side, 2);
        let plan = plan(PLAIN, 3000, 1).beside(side, Some(turns.clone()));
        let times = mails(&plan, 2000);
        for at in &times {
            let at = Duration::from_millis(u64::try_from(*at).unwrap());
            assert!(turns.span_at(at).2, "{at:?}");
        }
        // It sends all the time that it has: a message takes four milliseconds.
        let last = Duration::from_millis(u64::try_from(*times.last().unwrap()).unwrap());
        let own = turns.active(last).as_millis();
        assert!((7_900..=8_300).contains(&own), "{own}");
    }
}

#[test]
fn a_cap_makes_a_closed_load_wait() {
    let mut capped = plan(PLAIN, 100, 1);
    capped.targets[0].max_rate = Some(10.0);
    let capped = capped.clone().under(capped.scenario.loads);
    let times = mails(&capped, 40);
    for first in &times {
        let within = times.iter().filter(|at| (*first..first + 1000).contains(*at)).count();
        assert!(within <= 10, "{times:?}");
    }
    assert!(*times.last().unwrap() < 3_200, "no slower than it has to be: {times:?}");
}
