//! Offers that come before an answer, and phones that take over.

use super::bench::*;
use super::stations::*;
use super::*;
use crate::rng::Rng;

/// RFC 3311 5.2: a callee may offer anew before it answers; what is heard follows, and its 2xx brings
/// no other answer.
#[test]
fn an_update_of_whoever_is_dialled_is_answered_and_heard() {
    let dialled = Dialled::Operator(operator("olena"));
    let stations = placed(&plan("queue"), Some(SDP), &dialled);
    let moved = SDP.replace("m=audio ", "m=audio 1");
    let remote = |call: &Call| call.operator.as_ref().unwrap().remote().unwrap();
    for (station, mut bench) in stations {
        if station != "early media" && station != "it rings" {
            continue;
        }
        let mut update = |offer: &str| {
            let mut effects = Effects::new();
            let mut world = World {
                now: bench.now,
                settings: &bench.settings,
                prompts: &bench.prompts,
                history: &bench.history,
                takes_recalls: true,
                minted: &mut bench.minted,
                rng: &mut Rng::new([2; 32]),
            };
            let input = CallInput::Session(SessionEvent::Reoffer {
                leg: phone(1),
                offer: Some(offer.as_bytes().to_vec().into()),
            });
            let call = bench.call.as_mut().unwrap();
            call.handle(&mut world, input, &mut effects);
            let mut told = (None, None);
            for effect in effects {
                match effect {
                    CallEffect::Session(SessionCommand::AnswerReoffer { answer, .. }) => {
                        told.0 = Some(answer.map(|sdp| String::from_utf8(sdp.to_vec()).unwrap()));
                    }
                    CallEffect::Media(MediaCommand::Connect { leg, remote }) => {
                        told.1 = Some((leg, remote.address.port()));
                    }
                    _ => {}
                }
            }
            told
        };
        let (answer, heard) = update(&moved);
        let answer = answer.unwrap().unwrap();
        assert!(answer.contains("m=audio 4000 "), "{answer}");
        let early = (station == "early media").then(|| (phone(1), port_of(&moved)));
        assert_eq!(heard, early, "{station}");
        assert_eq!(update("v=0"), (Some(Err(488)), None), "{station}");
        // The same fork answers, or another one.
        for answer in [moved.as_str(), SDP] {
            let mut bench = bench.clone();
            bench.feed(CallInput::Session(SessionEvent::Answered {
                leg: phone(1),
                answer: Some(answer.as_bytes().to_vec().into()),
                peer: "10.0.0.1".parse().unwrap(),
            }));
            assert_eq!(*bench.call().phase(), Phase::Talking, "{station}");
            let port = remote(bench.call()).address.port();
            if answer == moved {
                assert_eq!(port, port_of(&moved), "{station}");
            } else {
                assert_eq!(port, port_of(SDP), "{station}");
            }
        }
    }
}

/// The port of the sound in an SDP.
fn port_of(sdp: &str) -> u16 {
    let port = sdp.split("m=audio ").nth(1).unwrap();
    port.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_phone_that_takes_over_encrypts_as_its_operator_must() {
    for (srtp, taken) in [("off", true), ("optional", true), ("required", false)] {
        let text = PLAN.replace("ANSWER", "queue");
        let encrypted = format!("password: b, srtp: {srtp} }}");
        let plan = compiled(&text.replace("password: b }", &encrypted));
        let mut bench = Bench::new(&plan, Some(SDP));
        bench.feed(CallInput::Committed(Gate::Offered));
        bench.open(CALLER);
        // Whose phones must encrypt is on the line however that came about.
        let mut call = bench.call.take().unwrap();
        call.phase = Phase::Talking;
        call.caller.sip = Sip::Answered;
        let leg = Leg::new(
            phone(1),
            Sip::Answered,
            &contact().flow,
            Call::phone_media(contact().flow.peer.ip()),
            vec![crate::words::Codec::Pcma],
            1,
            &bench.settings,
        );
        call.operator = Some(leg);
        let (operator, ticket) = (operator("olena"), bench.minted.ticket());
        call.seats.insert(phone(1), Seat { operator, ticket });
        bench.call = Some(call);
        bench.replaces(phone(1));
        bench.open(TABLET);
        let on_line = bench.call().operator.as_ref().unwrap().id;
        assert_eq!(on_line == TABLET, taken, "{srtp}");
    }
}
