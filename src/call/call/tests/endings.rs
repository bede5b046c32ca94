//! What a call that goes on, or ends, must have done by then.

use super::bench::*;
use super::stations::*;
use super::*;
use crate::call::phase::Stage;
use crate::limits;
use crate::time::Duration;

#[test]
fn a_notice_that_cannot_be_played_does_not_hold_the_bridge_for_ever() {
    let mut bench = Bench::new(&plan("queue"), Some(SDP));
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    bench.ring("iryna", 1);
    bench.open(phone(1));
    bench.answers(phone(1));
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert!(matches!(bench.call().phase(), Phase::Whispering(it) if it.stage == Stage::Over));
    let at = bench.timers[&CallTimer::Notice];
    assert_eq!(
        at.since(bench.now.mono),
        Duration::from_secs(2) + limits::NOTICE_LATE
    );
    bench.feed(CallInput::Timer(CallTimer::Notice));
    assert!(matches!(bench.call().phase(), Phase::Talking));
}

#[test]
fn a_call_that_ends_names_its_outcome_before_the_last_message_leaves() {
    for (station, mut bench) in stations(&plan("queue"), Some(SDP)) {
        if bench.call().ended() {
            continue;
        }
        bench.feed(CallInput::Session(SessionEvent::Bye { leg: CALLER }));
        assert!(bench.heard.contains(&News::Ended), "{station}");
        assert!(!bench.sessions[&CALLER], "{station}");
        bench.feed(CallInput::Committed(Gate::Ended));
        assert!(bench.sessions[&CALLER], "{station}");
    }
}

#[test]
fn who_talked_is_not_forgotten_when_a_whisper_in_the_next_queue_is_declined() {
    let all = transferred(&plan("queue"));
    let sent_on = |(station, _): &(&str, Bench)| *station == "sent to a queue, whisper";
    let (_, mut bench) = all.into_iter().find(sent_on).unwrap();
    bench.feed(CallInput::Session(SessionEvent::Bye { leg: phone(4) }));
    assert_eq!(*bench.call().phase(), Phase::Waiting);
    assert_eq!(bench.call().facts().operator, Some(operator("iryna")));
}
