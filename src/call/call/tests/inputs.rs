//! What a call can be told at a station.

use super::bench::*;
use super::*;
use crate::dialplan::plan::Target;
use crate::id::PlayId;
use crate::media::command::Recorded;
use crate::sip::session::Cause;
use crate::time::Duration;
use crate::words::{MissReason, Prompt};

/// Everything a call can be told about one of its legs. What SIP promises never to say is left out:
/// an answer of a leg it did not ring, a second end of a session.
pub(super) fn about(leg: LegId, bench: &Bench) -> Vec<CallInput> {
    let mut all: Vec<_> = vec![
        CallInput::Media(MediaEvent::Opened { leg, port: 4_000 }),
        CallInput::Media(MediaEvent::OpenFailed { leg }),
        CallInput::Media(MediaEvent::Digit { leg, digit: '1' }),
        CallInput::Media(MediaEvent::Silent { leg }),
        CallInput::Timer(CallTimer::MediaOpen(leg)),
        CallInput::Timer(CallTimer::TrunkSilent(leg)),
    ];
    for play in 0..=bench.minted.play {
        let play = PlayId(play);
        all.push(CallInput::Media(MediaEvent::Played { leg, play }));
    }
    if bench.sessions.get(&leg) != Some(&false) {
        return all;
    }
    let sdp = |text: &str| Some(bytes::Bytes::copy_from_slice(text.as_bytes()));
    let cause = Cause {
        sip: 408,
        q850: None,
        text: "test",
    };
    let mut session = vec![
        SessionEvent::Failed { leg, cause },
        SessionEvent::Closed { leg },
        SessionEvent::Bye { leg },
        SessionEvent::Confirmed { leg, answer: None },
        SessionEvent::Confirmed {
            leg,
            answer: sdp(SDP),
        },
        SessionEvent::Reoffer { leg, offer: None },
        SessionEvent::Reoffer {
            leg,
            offer: sdp(HOLD),
        },
        SessionEvent::Reoffer {
            leg,
            offer: sdp("v=1"),
        },
        SessionEvent::Progress {
            leg,
            code: 183,
            answer: None,
        },
    ];
    if leg == CALLER || leg == TABLET {
        let elsewhere = false;
        session.push(SessionEvent::Cancelled { leg, elsewhere });
    } else {
        let peer = "10.0.0.1".parse().unwrap();
        for answer in [sdp(SDP), None] {
            session.push(SessionEvent::Answered { leg, answer, peer });
        }
        let rung = bench.call().rung(leg).is_some() || bench.call().dials_on(leg);
        for code in [302, 408, 480, 486, 503, 603] {
            session.extend(rung.then_some(SessionEvent::Rejected {
                leg,
                code,
                contacts: Vec::new(),
            }));
        }
    }
    all.extend(session.into_iter().map(CallInput::Session));
    all
}

/// Everything a call can be told at a station.
pub(super) fn inputs(bench: &Bench) -> Vec<CallInput> {
    let mut all = Vec::new();
    let legs = [
        CALLER,
        TABLET,
        phone(1),
        phone(2),
        phone(3),
        phone(4),
        phone(6),
    ];
    for leg in legs.into_iter().chain([phone(99)]) {
        all.extend(about(leg, bench));
    }
    for leg in [CALLER, phone(1), phone(4)] {
        if bench.sessions.get(&leg) != Some(&false) {
            continue;
        }
        let outside = Dialled::Outside {
            number: "+380671112233".to_owned(),
            emergency: false,
        };
        let olena = Dialled::Operator(operator("olena"));
        for dialled in [
            olena,
            outside,
            Dialled::Queues(vec![Target::Queue("odesa".into())]),
        ] {
            let to = "somebody".to_owned();
            all.push(CallInput::Transfer { leg, dialled, to });
        }
        let (to, instead) = (bench.call().id(), phone(98));
        all.push(CallInput::Give { leg, to, instead });
    }
    for digit in ['0', '#'] {
        let leg = CALLER;
        all.push(CallInput::Media(MediaEvent::Digit { leg, digit }));
    }
    let call = bench.call().id();
    all.push(CallInput::Media(MediaEvent::Recorded {
        call,
        recorded: Box::new(Recorded {
            file: "x.wav".to_owned(),
            bytes: 1,
            duration: Duration::from_secs(1),
            sha256: String::new(),
            manifest_sha256: String::new(),
        }),
    }));
    let why = "disk".to_owned();
    all.push(CallInput::Media(MediaEvent::RecordFailed { call, why }));
    all.extend([Gate::Offered, Gate::Ended].map(CallInput::Committed));
    all.extend(CallTimer::OF_A_CALL.map(CallInput::Timer));
    all.push(CallInput::HangUp(crate::call::cause::STOPPING));
    let (operator, contact) = (operator("olena"), contact());
    all.push(CallInput::PhoneUp { operator, contact });
    all.push(CallInput::Ways(Vec::new()));
    if let Some(phrase) = bench.asked.first() {
        let (key, duration) = (99, Duration::from_secs(2));
        let ready = BTreeMap::from([(phrase.clone(), Prompt { key, duration })]);
        for prompts in [ready, BTreeMap::new()] {
            let asked = bench.asked.clone();
            all.push(CallInput::Rendered { asked, prompts });
        }
    }
    for who in &bench.held {
        if bench.answered.as_ref() != Some(who) {
            for reason in [
                MissReason::NoAnswer,
                MissReason::Failed,
                MissReason::Withdrawn,
            ] {
                let operator = who.clone();
                all.push(CallInput::Withdraw { operator, reason });
            }
        }
    }
    all
}

/// What the distributor does of itself when it says something.
pub(super) fn tell(bench: &mut Bench, input: CallInput) {
    if let CallInput::Withdraw { operator, .. } = &input {
        bench.held.remove(operator);
    }
    if let CallInput::Session(SessionEvent::Bye { leg }) = &input {
        // A BYE that nobody confirms keeps its session.
        bench.sessions.insert(*leg, false);
    }
    bench.feed(input);
}
