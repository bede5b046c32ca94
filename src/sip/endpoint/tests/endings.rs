//! However a session ends, nothing of it is left: no transaction, no dialog, no timer.

use super::hand::*;
use super::network::*;
use crate::id::LegId;
use crate::sip::session::SessionCommand;
use crate::time::Duration;

fn hang_up(net: &mut Net, leg: LegId) {
    let cause = cause(16);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
}

fn ringing(net: &mut Net) -> LegId {
    net.deaf = vec![CARRIER];
    let leg = net.call(PBX, CARRIER, 1);
    let fields = [("Require", "100rel"), ("RSeq", "1")];
    reply(net, "INVITE", 183, &fields, Some("early"));
    leg
}

fn offered(net: &mut Net) -> LegId {
    net.deaf = vec![CARRIER];
    let invite = request("INVITE", 1, &format!("Supported: timer, 100rel\n{SDP}"));
    net.send_text(CARRIER, &invite);
    let (leg, code, answer) = (inbound(1), 183, Some(sdp("early")));
    net.command(PBX, SessionCommand::Progress { leg, code, answer });
    leg
}

fn reoffer(net: &mut Net, leg: LegId) {
    let offer = sdp("hold");
    net.command(PBX, SessionCommand::Reoffer { leg, offer });
}

type Ending = (&'static str, fn(&mut Net));

const ENDINGS: [Ending; 16] = [
    ("we hang up on silence", |net| {
        net.deaf = vec![CARRIER];
        let leg = net.call(PBX, CARRIER, 1);
        hang_up(net, leg);
    }),
    ("nobody answers our INVITE", |net| {
        net.deaf = vec![CARRIER];
        net.call(PBX, CARRIER, 1);
    }),
    ("our CANCEL is not answered", |net| {
        let leg = ringing(net);
        hang_up(net, leg);
    }),
    ("the callee refuses", |net| {
        ringing(net);
        reply(net, "INVITE", 486, &[], None);
    }),
    ("the callee's stream breaks", |net| {
        ringing(net);
        net.run(Duration::from_secs(1));
        reply(net, "INVITE", 503, &[], None);
    }),
    ("our BYE is not answered", |net| {
        let leg = placed(net, &[]);
        hang_up(net, leg);
    }),
    ("the peer leaves", |net| {
        let leg = standing(net, SDP);
        let bye = inside(net, "BYE", 2, "");
        net.send_text(CARRIER, &bye);
        net.command(PBX, SessionCommand::ConfirmBye { leg });
    }),
    ("an offer of ours is never answered", |net| {
        let leg = placed(net, &[]);
        reoffer(net, leg);
    }),
    ("the peer leaves with offers of both sides open", |net| {
        let leg = placed(net, &[]);
        reoffer(net, leg);
        reply(net, "INVITE", 100, &[], None);
        hang_up(net, leg);
    }),
    ("an offer is put off and the call ends", |net| {
        let leg = placed(net, &[]);
        reoffer(net, leg);
        reply(net, "INVITE", 491, &[], None);
        hang_up(net, leg);
    }),
    ("the session expires", |net| {
        placed(net, &[("Session-Expires", "90;refresher=uas")]);
        net.run(Duration::from_secs(100));
    }),
    ("a refresh is never answered", |net| {
        placed(net, &[("Session-Expires", "90;refresher=uac")]);
        net.run(Duration::from_secs(100));
    }),
    ("no PRACK", |net| {
        offered(net);
    }),
    ("the caller cancels before its PRACK", |net| {
        let leg = offered(net);
        let cancel = request("CANCEL", 1, "").replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1");
        net.send_text(CARRIER, &cancel);
        let (code, retry_after) = (487, None);
        net.command(
            PBX,
            SessionCommand::Reject {
                leg,
                code,
                retry_after,
            },
        );
    }),
    ("we refuse before the PRACK", |net| {
        let leg = offered(net);
        hang_up(net, leg);
    }),
    ("no ACK", |net| {
        net.deaf = vec![CARRIER];
        net.send_text(CARRIER, &request("INVITE", 1, SDP));
        let (leg, answer) = (inbound(1), sdp("ours"));
        net.command(PBX, SessionCommand::Accept { leg, answer });
    }),
];

#[test]
fn after_every_kind_of_end_nothing_lives() {
    for (name, ending) in ENDINGS {
        println!("{name}");
        let mut net = Net::new();
        ending(&mut net);
        net.run(Duration::from_secs(120));
        let end = &net.ends[PBX];
        assert_eq!(end.live(), super::super::Live::default(), "{name}");
        assert!(end.sessions.is_empty() && end.merges.is_empty(), "{name}");
        assert_eq!(end.timers.len(), 0, "{name}");
        assert_eq!(end.transactions.poll_timeout(), None, "{name}");
        let story = net.story(PBX);
        let closed = story.iter().filter(|word| *word == "closed").count();
        assert_eq!(closed, 1, "{name}: {story:?}");
    }
}
