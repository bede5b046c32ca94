//! Where a call can stand, each station with the way there.

use super::bench::*;
use super::*;
use crate::call::phase::Stage;
use crate::dialplan::plan::Target;
use crate::limits;
use crate::time::Duration;
use crate::words::Prompt;

/// The stations of a call, each with the way there.
pub(super) fn stations(plan: &Arc<Dialplan>, offer: Option<&str>) -> Vec<(&'static str, Bench)> {
    let mut all = Vec::new();
    let mut bench = Bench::new(plan, offer);
    all.push(("opening", bench.clone()));
    let mut early = bench.clone();
    early.open(CALLER);
    all.push(("opening, port open", early));
    bench.feed(CallInput::Committed(Gate::Offered));
    all.push(("opening, committed", bench.clone()));
    bench.open(CALLER);
    all.push(("waiting", bench.clone()));
    if offer.is_none() {
        bench.feed(CallInput::Session(SessionEvent::Confirmed {
            leg: CALLER,
            answer: Some(SDP.as_bytes().to_vec().into()),
        }));
    }
    bench.ring("iryna", 2);
    all.push(("two phones without ports", bench.clone()));
    bench.open(phone(1));
    bench.open(phone(2));
    bench.ring("olena", 1);
    bench.open(phone(3));
    bench.feed(CallInput::Session(SessionEvent::Progress {
        leg: phone(1),
        code: 180,
        answer: None,
    }));
    all.push(("three phones ring", bench.clone()));
    bench.answers(phone(1));
    assert!(matches!(bench.call().phase(), Phase::Whispering(_)));
    all.push(("whispering", bench.clone()));
    let mut noticed = bench.clone();
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert!(matches!(bench.call().phase(), Phase::Whispering(it) if it.stage == Stage::Over));
    all.push(("whisper over, notice plays", bench.clone()));
    noticed.feed(CallInput::Timer(CallTimer::Notice));
    assert!(matches!(noticed.call().phase(), Phase::Whispering(it) if it.stage != Stage::Over));
    all.push(("notice over, whisper plays", noticed));
    bench.feed(CallInput::Timer(CallTimer::Notice));
    assert!(matches!(bench.call().phase(), Phase::Talking));
    all.push(("talking", bench.clone()));
    bench.feed(CallInput::Session(SessionEvent::Bye { leg: phone(1) }));
    all.push(("ended, outcome not committed", bench.clone()));
    bench.feed(CallInput::Committed(Gate::Ended));
    all.push(("ended, legs closing", bench));
    all
}

/// The stations of a call that a key accepts, and whose whisper is rendered while the phones ring.
pub(super) fn accepted() -> Vec<(&'static str, Bench)> {
    let plan = compiled(
        &PLAN
            .replace("ANSWER", "queue")
            .replace("max: 4s", "accept: key"),
    );
    let mut all = Vec::new();
    let mut bench = Bench::new(&plan, Some(SDP));
    bench.prompts.retain(|phrase, _| {
        let whisper = matches!(phrase, Phrase::Spoken { text, .. } if text == "Дзвінок");
        !whisper
    });
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    bench.ring("iryna", 1);
    bench.ring("olena", 1);
    bench.open(phone(1));
    bench.open(phone(2));
    assert_eq!(bench.asked.len(), 1, "what both are told is rendered once");
    bench.answers(phone(1));
    let stage = |bench: &Bench| match bench.call().phase() {
        Phase::Whispering(it) => it.stage.clone(),
        phase => panic!("{phase:?}"),
    };
    assert!(matches!(stage(&bench), Stage::Awaited(_)));
    let late = bench.timers[&CallTimer::Whisper].since(bench.now.mono);
    assert_eq!(late, limits::WHISPER_LATE);
    all.push(("a whisper is awaited", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert!(matches!(stage(&bench), Stage::Said { .. }));
    all.push(("a tone is heard", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Whisper));
    assert_eq!(stage(&bench), Stage::Unaccepted);
    all.push(("a key is awaited", bench.clone()));
    bench.answers(phone(2));
    assert!(!bench.held.contains(&operator("olena")));
    all.push(("another one answered", bench.clone()));
    let (leg, digit) = (phone(1), '1');
    bench.feed(CallInput::Media(MediaEvent::Digit { leg, digit }));
    assert_eq!(stage(&bench), Stage::Over);
    all.push(("accepted, the notice plays", bench));
    all
}

/// The stations of a call that an operator places, each with the way there.
pub(super) fn placed(
    plan: &Arc<Dialplan>,
    offer: Option<&str>,
    dialled: &Dialled,
) -> Vec<(&'static str, Bench)> {
    let mut all = Vec::new();
    let mut bench = Bench::placed(plan, offer, dialled.clone());
    all.push(("placed", bench.clone()));
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    assert_eq!(*bench.call().phase(), Phase::Dialling);
    all.push(("dialling without ports", bench.clone()));
    bench.open(phone(1));
    all.push(("dialling", bench.clone()));
    let sdp = Some(SDP.as_bytes().to_vec().into());
    for (station, code, answer) in [("it rings", 180, None), ("early media", 183, sdp)] {
        bench.feed(CallInput::Session(SessionEvent::Progress {
            leg: phone(1),
            code,
            answer,
        }));
        all.push((station, bench.clone()));
    }
    bench.answers(phone(1));
    assert_eq!(*bench.call().phase(), Phase::Talking);
    all.push(("talking", bench.clone()));
    if offer.is_none() {
        bench.feed(CallInput::Session(SessionEvent::Confirmed {
            leg: CALLER,
            answer: Some(SDP.as_bytes().to_vec().into()),
        }));
        all.push(("talking, late answer came", bench.clone()));
    }
    bench.feed(CallInput::Session(SessionEvent::Bye { leg: phone(1) }));
    all.push(("ended, not committed", bench));
    all
}

/// The stations of transfers: to a colleague, back to the transferor, to a queue; and a phone that is
/// about to take over.
pub(super) fn transferred(plan: &Arc<Dialplan>) -> Vec<(&'static str, Bench)> {
    let mut all = Vec::new();
    let (_, talking) = stations(plan, Some(SDP)).swap_remove(9);
    assert_eq!(*talking.call().phase(), Phase::Talking);
    let refers = |bench: &mut Bench, leg, dialled| {
        let to = "202".to_owned();
        bench.feed(CallInput::Transfer { leg, dialled, to });
    };
    let mut bench = talking.clone();
    refers(&mut bench, phone(1), Dialled::Operator(operator("olena")));
    assert_eq!(*bench.call().phase(), Phase::Dialling);
    all.push(("transfer, no ports", bench.clone()));
    bench.open(phone(4));
    bench.feed(CallInput::Session(SessionEvent::Progress {
        leg: phone(4),
        code: 180,
        answer: None,
    }));
    all.push(("transfer, it rings", bench.clone()));
    let mut back = bench.clone();
    bench.answers(phone(4));
    assert!(bench.call().parting.is_some());
    all.push(("transferred, transferor still there", bench));
    back.feed(CallInput::Session(SessionEvent::Bye { leg: phone(1) }));
    all.push(("transfer, transferor gone", back.clone()));
    back.feed(CallInput::Timer(CallTimer::Dial));
    assert_eq!(*back.call().phase(), Phase::Dialling);
    assert!(back.call().transfer.as_ref().unwrap().returning);
    back.open(phone(6));
    all.push(("back to the transferor", back.clone()));
    back.answers(phone(6));
    assert_eq!(*back.call().phase(), Phase::Talking);
    all.push(("talking with the transferor again", back));

    let mut bench = talking.clone();
    refers(
        &mut bench,
        phone(1),
        Dialled::Queues(vec![Target::Queue("odesa".into())]),
    );
    assert_eq!(*bench.call().phase(), Phase::Waiting);
    all.push(("sent to a queue", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Transferor));
    bench.ring("olena", 1);
    bench.open(phone(4));
    bench.answers(phone(4));
    assert!(matches!(bench.call().phase(), Phase::Whispering(_)));
    all.push(("sent to a queue, whisper", bench));

    let mut bench = talking;
    bench.replaces(phone(1));
    all.push(("a phone takes over", bench.clone()));
    bench.open(TABLET);
    assert_eq!(bench.call().operator.as_ref().unwrap().id, TABLET);
    all.push(("a phone took over", bench));
    all
}

/// A plan whose queue tells callers their place, offers to ring back, and has a way out to a box; a key
/// needs a call that is answered.
pub(super) fn roomy() -> Arc<Dialplan> {
    let more = "announce: { position: true, every: 15s }, callback: { key: \"1\", offer_after: 30s }, \
                exit: { key: \"0\", to: voicemail.night }, answer: queue";
    let text = PLAN.replace("answer: ANSWER", more);
    let box_and_out = "voicemail:\n  night: { say: Залиште повідомлення, max: 60s }\n\
                       outbound: { via: kyivstar, allow: [\"+380*\"], show: { number: \"0800 301 231\" } }\n";
    compiled(&format!("{text}{box_and_out}"))
}

/// The stations of a caller whom nobody takes: what is told meanwhile, the wish to be rung back, and
/// the message that is left.
pub(super) fn alone(offer: Option<&str>) -> Vec<(&'static str, Bench)> {
    let plan = roomy();
    let mut all = Vec::new();
    let mut bench = Bench::new(&plan, offer);
    for (phrase, key) in plan.fragments().into_iter().zip(1_000_u128..) {
        let duration = Duration::from_secs(1);
        bench.prompts.insert(phrase, Prompt { key, duration });
    }
    bench.feed(CallInput::Committed(Gate::Offered));
    bench.open(CALLER);
    assert_eq!(*bench.call().phase(), Phase::Waiting);
    if offer.is_none() {
        bench.feed(CallInput::Session(SessionEvent::Confirmed {
            leg: CALLER,
            answer: Some(SDP.as_bytes().to_vec().into()),
        }));
    }
    // The announcements of a longer call would only take longer to run out.
    let end = bench.now.mono + Duration::from_secs(300);
    bench.timers.insert(CallTimer::Length, end);
    bench.ring("iryna", 1);
    bench.open(phone(1));
    bench.now.mono = bench.timers[&CallTimer::Announce];
    bench.feed(CallInput::Timer(CallTimer::Announce));
    assert!(bench.call().announcing.speaks(), "the place is being told");
    all.push(("the place is told", bench.clone()));

    let mut asked = bench.clone();
    asked.press('1');
    assert!(matches!(asked.call().phase(), Phase::Confirming(_)));
    assert_eq!(asked.held, BTreeSet::new(), "no phone rings on");
    all.push(("the callback is confirmed", asked));

    bench.press('0');
    assert!(matches!(
        bench.call().phase(),
        Phase::Voicemail(Message::Greeting(_))
    ));
    assert_eq!(bench.held, BTreeSet::new(), "no phone rings on");
    all.push(("the box speaks", bench.clone()));
    bench.feed(CallInput::Timer(CallTimer::Voicemail));
    assert!(matches!(
        bench.call().phase(),
        Phase::Voicemail(Message::Recording { .. })
    ));
    all.push(("the caller speaks", bench.clone()));
    bench.now.mono = bench.now.mono + limits::VOICEMAIL_LEAST;
    bench.press('#');
    assert!(matches!(
        bench.call().phase(),
        Phase::Voicemail(Message::Closing(_))
    ));
    all.push(("the message is closed", bench));
    all
}
