//! Calls from INVITE to the last timer, on good networks and bad ones.

use super::network::*;
use crate::id::LegId;
use crate::rng::Rng;
use crate::sip::endpoint::EndpointEvent;
use crate::sip::flow::Transport;
use crate::sip::session::{SessionCommand, SessionEvent};
use crate::time::Duration;

fn accept(leg: LegId) -> SessionCommand {
    SessionCommand::Accept {
        leg,
        answer: sdp("answer"),
    }
}

fn reject(leg: LegId, code: u16) -> SessionCommand {
    SessionCommand::Reject {
        leg,
        code,
        retry_after: None,
    }
}

fn hang_up(leg: LegId) -> SessionCommand {
    SessionCommand::HangUp {
        leg,
        cause: cause(486),
    }
}

fn progress(leg: LegId, code: u16) -> SessionCommand {
    SessionCommand::Progress {
        leg,
        code,
        answer: None,
    }
}

/// A call from the carrier that stands.
fn talking(net: &mut Net) -> (LegId, LegId) {
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, accept(inbound(1)));
    net.pause();
    assert_eq!(net.story(PBX), ["incoming offer", "confirmed"]);
    assert_eq!(net.story(CARRIER), ["answered answer"]);
    (out, inbound(1))
}

#[test]
fn a_call_from_ringing_to_the_callers_bye() {
    let ways = [(Transport::Udp, ""), (Transport::Tcp, ";transport=tcp")];
    for (transport, by) in ways {
        let mut net = Net::new();
        net.transport = transport;
        let out = net.call(CARRIER, PBX, 1);
        net.pause();
        net.command(PBX, progress(inbound(1), 180));
        net.command(PBX, progress(inbound(1), 183));
        net.pause();
        net.command(PBX, accept(inbound(1)));
        net.pause();
        assert_eq!(net.story(PBX), ["incoming offer", "confirmed"]);
        assert_eq!(
            net.story(CARRIER),
            ["progress 180", "progress 183", "answered answer"]
        );
        net.command(CARRIER, hang_up(out));
        net.pause();
        assert_eq!(net.story(PBX), ["bye"]);
        net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
        net.finish();
        assert_eq!(net.story(PBX), ["closed"]);
        assert_eq!(net.story(CARRIER), ["closed"]);
        let prack = format!("1→0 PRACK sip:strowger@198.51.100.1:5060{by} SIP/2.0");
        let lines: Vec<_> = net.trace.iter().map(|line| line.as_str()).collect();
        assert_eq!(
            lines,
            [
                "1→0 INVITE sip:0800100200@198.51.100.1:5060 SIP/2.0",
                "0→1 SIP/2.0 100 Trying",
                "0→1 SIP/2.0 180 Ringing",
                &prack,
                "0→1 SIP/2.0 200 OK",
                "0→1 SIP/2.0 183 Session Progress",
                &prack,
                "0→1 SIP/2.0 200 OK",
                "0→1 SIP/2.0 200 OK",
                &format!("1→0 ACK sip:strowger@198.51.100.1:5060{by} SIP/2.0"),
                &format!("1→0 BYE sip:strowger@198.51.100.1:5060{by} SIP/2.0"),
                "0→1 SIP/2.0 200 OK",
            ]
        );
    }
}

#[test]
fn the_callee_hangs_up() {
    let mut net = Net::new();
    let (out, leg) = talking(&mut net);
    net.command(PBX, hang_up(leg));
    net.pause();
    assert_eq!(net.story(CARRIER), ["bye"]);
    assert_eq!(net.ends[PBX].live().unsettled, 1);
    net.command(CARRIER, SessionCommand::ConfirmBye { leg: out });
    net.pause();
    let live = net.ends[PBX].live();
    assert_eq!((live.sessions, live.unsettled), (1, 0));
    // An answer counts under the method of its request.
    let counted: Vec<_> = net.ends[PBX].messages().collect();
    assert_eq!(
        counted,
        [
            ("ACK", true, 1),
            ("BYE", false, 1),
            ("BYE", true, 1),
            ("INVITE", false, 2),
            ("INVITE", true, 1),
        ]
    );
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
    assert_eq!(net.story(CARRIER), ["closed"]);
}

#[test]
fn a_refusal_is_acknowledged_and_forgotten() {
    let mut net = Net::new();
    net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, reject(inbound(1), 404));
    net.finish();
    assert_eq!(net.story(PBX), ["incoming offer", "closed"]);
    assert_eq!(net.story(CARRIER), ["rejected 404", "closed"]);
    assert_eq!(net.count("1→0 ACK"), 1);
    assert_eq!(net.count("0→1 SIP/2.0 404"), 1);
}

#[test]
fn a_caller_who_cancels_gets_487() {
    let mut net = Net::new();
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(CARRIER, hang_up(out));
    net.pause();
    assert_eq!(net.story(PBX), ["incoming offer", "cancelled false"]);
    // RFC 3326: why, in both vocabularies.
    let cancel = net.text("1→0 CANCEL");
    assert!(cancel.contains("\r\nReason: SIP;cause=486;text=\"test\"\r\n"));
    assert!(cancel.contains("\r\nReason: Q.850;cause=16;text=\"test\"\r\n"));
    // The call machine may have been about to answer.
    net.command(PBX, accept(inbound(1)));
    net.command(PBX, reject(inbound(1), 487));
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
    assert_eq!(net.story(CARRIER), ["closed"]);
    assert_eq!(net.count("0→1 SIP/2.0 487"), 1);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut net = Net::new();
    net.blocked = vec![("0→1 SIP/2.0 100", 1)];
    let out = net.call(CARRIER, PBX, 1);
    net.command(CARRIER, hang_up(out));
    net.pause();
    assert_eq!(net.count("1→0 CANCEL"), 0);
    net.run(Duration::from_secs(1));
    assert_eq!(net.count("1→0 CANCEL"), 1);
    net.command(PBX, reject(inbound(1), 487));
    net.finish();
    assert_eq!(net.story(CARRIER), ["closed"]);
}

#[test]
fn a_cancel_that_crosses_the_200_becomes_ack_and_bye() {
    let mut net = Net::new();
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, accept(inbound(1)));
    net.command(CARRIER, hang_up(out));
    net.pause();
    assert_eq!(net.story(PBX), ["incoming offer", "confirmed", "bye"]);
    net.command(PBX, SessionCommand::ConfirmBye { leg: inbound(1) });
    net.finish();
    assert_eq!(net.story(CARRIER), ["closed"]);
    assert_eq!(net.story(PBX), ["closed"]);
}

#[test]
fn a_cancel_that_nobody_answers_ends_in_32_seconds() {
    let mut net = Net::new();
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.blocked = vec![("1→0 CANCEL", 100)];
    net.command(CARRIER, hang_up(out));
    net.run(Duration::from_secs(33));
    assert_eq!(net.story(CARRIER), ["closed"]);
    net.command(PBX, reject(inbound(1), 480));
    net.finish();
}

#[test]
fn an_invite_that_nobody_hears_is_a_408() {
    let mut net = Net::new();
    net.blocked = vec![("1→0", 100)];
    net.call(CARRIER, PBX, 1);
    net.finish();
    assert_eq!(net.story(CARRIER), ["rejected 408", "closed"]);
    assert_eq!(net.trace.len(), 7);
}

#[test]
fn a_broken_stream_is_a_503() {
    let mut net = Net::new();
    net.transport = Transport::Tcp;
    net.blocked = vec![("1→0", 100)];
    net.call(CARRIER, PBX, 1);
    let now = net.now();
    net.ends[CARRIER].handle_flow_down(now, crate::id::FlowId(10));
    net.collect(CARRIER);
    net.finish();
    assert_eq!(net.story(CARRIER), ["rejected 503", "closed"]);
}

#[test]
fn a_lost_ack_is_sent_again_with_each_200() {
    let mut net = Net::new();
    net.blocked = vec![("1→0 ACK", 3)];
    net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, accept(inbound(1)));
    net.run(Duration::from_secs(10));
    assert_eq!(net.story(PBX), ["incoming offer", "confirmed"]);
    assert_eq!(net.story(CARRIER), ["answered answer"]);
    assert_eq!(net.count("0→1 SIP/2.0 200"), 4);
    net.command(PBX, hang_up(inbound(1)));
    net.pause();
}

#[test]
fn without_an_ack_the_session_fails_after_32_seconds() {
    let mut net = Net::new();
    net.blocked = vec![("1→0 ACK", 100)];
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, accept(inbound(1)));
    net.run(Duration::from_secs(33));
    assert_eq!(net.story(PBX), ["incoming offer", "failed no ACK"]);
    assert_eq!(net.story(CARRIER), ["answered answer", "bye"]);
    net.command(CARRIER, SessionCommand::ConfirmBye { leg: out });
    net.finish();
    assert_eq!(net.story(PBX), ["closed"]);
}

#[test]
fn a_callee_who_hangs_up_before_the_ack_waits_for_it() {
    let mut net = Net::new();
    net.blocked = vec![("1→0 ACK", 1)];
    let out = net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, accept(inbound(1)));
    net.pause();
    net.command(PBX, hang_up(inbound(1)));
    assert_eq!(net.count("0→1 BYE"), 0);
    net.run(Duration::from_millis(600));
    assert_eq!(net.count("0→1 BYE"), 1);
    net.command(CARRIER, SessionCommand::ConfirmBye { leg: out });
    net.finish();
    assert_eq!(net.story(PBX), ["incoming offer", "closed"]);
}

#[test]
fn early_media_is_repeated_each_minute() {
    let mut net = Net::new();
    net.call(CARRIER, PBX, 1);
    net.pause();
    net.command(PBX, progress(inbound(1), 183));
    net.run(Duration::from_secs(150));
    assert_eq!(net.count("0→1 SIP/2.0 183"), 3);
    net.command(PBX, accept(inbound(1)));
    net.run(Duration::from_secs(150));
    assert_eq!(net.count("0→1 SIP/2.0 183"), 3);
}

/// Everybody behaves by a plan of random length; whatever the network does, each leg closes once.
fn rough(seed: u8) -> (Vec<String>, usize) {
    let mut net = Net::with(config(), seed);
    (net.loss, net.doubling) = (150, 150);
    net.jitter = Duration::from_millis(400);
    let mut dice = Rng::new([seed; 32]);
    let mut story = Vec::new();
    let mut closed = 0;
    for number in 1..=20 {
        net.call(CARRIER, PBX, number);
    }
    for _ in 0..600 {
        net.run(Duration::from_millis(100));
        for of in [PBX, CARRIER] {
            let events = std::mem::take(&mut net.events[of]);
            for event in events {
                let EndpointEvent::Session(event) = event else {
                    continue;
                };
                story.push(format!("{:?} {of} {}", net.now, word(&event)));
                let choice = dice.below(4);
                let commands = match event {
                    SessionEvent::Incoming { leg, .. } => match choice {
                        0 => vec![reject(leg, 486)],
                        1 => vec![progress(leg, 180)],
                        _ => vec![progress(leg, 183), accept(leg)],
                    },
                    SessionEvent::Cancelled { leg, .. } => vec![reject(leg, 487)],
                    SessionEvent::Progress { leg, .. } if choice == 0 => vec![hang_up(leg)],
                    SessionEvent::Answered { leg, .. } | SessionEvent::Confirmed { leg, .. }
                        if choice < 2 =>
                    {
                        vec![hang_up(leg)]
                    }
                    SessionEvent::Bye { leg } => vec![SessionCommand::ConfirmBye { leg }],
                    SessionEvent::Closed { .. } => {
                        closed += 1;
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                for command in commands {
                    net.command(of, command);
                }
            }
        }
    }
    for of in [PBX, CARRIER] {
        let legs: Vec<_> = net.ends[of].sessions.keys().copied().collect();
        for leg in legs {
            net.command(of, hang_up(leg));
        }
    }
    for of in [PBX, CARRIER] {
        closed += net
            .story(of)
            .iter()
            .filter(|word| *word == "closed")
            .count();
    }
    net.run(Duration::from_secs(5));
    for _ in 0..10 {
        for of in [PBX, CARRIER] {
            for event in net.sessions(of) {
                match event {
                    SessionEvent::Bye { leg } => {
                        net.command(of, SessionCommand::ConfirmBye { leg });
                    }
                    SessionEvent::Cancelled { leg, .. } => net.command(of, reject(leg, 487)),
                    SessionEvent::Incoming { leg, .. } => net.command(of, reject(leg, 486)),
                    SessionEvent::Closed { .. } => closed += 1,
                    _ => {}
                }
            }
        }
        net.run(Duration::from_secs(30));
    }
    net.finish();
    for of in [PBX, CARRIER] {
        closed += net
            .story(of)
            .iter()
            .filter(|word| *word == "closed")
            .count();
    }
    story.extend(net.trace.clone());
    (story, closed)
}

#[test]
fn on_a_rough_network_every_leg_closes_once_and_nothing_is_left() {
    for seed in 0..20 {
        let (story, closed) = rough(seed);
        let incoming = story
            .iter()
            .filter(|line| line.contains(" 0 incoming"))
            .count();
        assert_eq!(closed, 20 + incoming, "seed {seed}");
        assert!(incoming >= 15, "seed {seed}: {incoming}");
    }
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    assert_eq!(rough(3), rough(3));
}
