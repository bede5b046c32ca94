//! PJSIP as the operators' phone over each transport: takes calls of the queue, holds, transfers.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::authority::Authority;
use crate::baresip::Baresip;
use crate::hook::{Hook, of};
use crate::pjsua::{Line, Phone};
use crate::rig::{CALLER, MUSIC, Rig, WHISPER, free_port, plan_text, with_tls};
use crate::sound;

const OLENA: f64 = 660.0;
const SOON: Duration = Duration::from_secs(30);

const SERHII: f64 = 1500.0;

/// Over UDP, TCP and TLS: the phone registers, rings, hears the whisper and then the caller, and both
/// are recorded.
#[test]
fn a_softphone_takes_a_call_over_each_transport() {
    let mut hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let rig = Rig::with_tls(&hook, &authority.certify(folder.path(), "strowger.test"));
    for (at, (transport, server)) in [("udp", rig.sip), ("tcp", rig.tcp), ("tls", rig.tls)]
        .into_iter()
        .enumerate()
    {
        let line = Line {
            server,
            transport,
            srtp: "off",
            authority: &authority.file,
        };
        let mut phone = Phone::start(rig.folder.path(), "olena", OLENA, line);
        hook.wait_for("operator.registered", at + 1, SOON);
        let _caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
        phone.wait("rings 1");
        phone.order("answer 1");
        phone.wait("talking 1");
        phone.wait("over 1");
        hook.wait_for("recording.finished", at + 1, SOON);
        let heard = phone.heard(1);
        assert!(
            sound::heard(&heard, WHISPER) > 0.4,
            "{transport}: the whisper"
        );
        assert!(
            sound::heard(&heard, CALLER) > 1.0,
            "{transport}: the caller"
        );
    }
    for recording in rig.recordings() {
        let [caller, operator] = &sound::channels(&recording)[..] else {
            panic!("{} is not stereo", recording.display());
        };
        assert!(sound::heard(caller, CALLER) > 1.0, "the caller is left");
        assert!(sound::heard(operator, OLENA) > 1.0, "the operator is right");
    }
}

/// A server with phones at its TLS listener that encrypt their sound (RFC 4568), a caller who talks to Olena, and Serhii beside her.
struct Talk {
    hook: Hook,
    rig: Rig,
    olena: Phone,
    serhii: Phone,
    caller: Baresip,
}

impl Talk {
    fn begin() -> Self {
        let mut hook = Hook::start();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let files = authority.certify(folder.path(), "strowger.test");
        let carrier = free_port();
        let secret = |name| format!("password: secret-{name}");
        let plan = ["olena", "serhii"]
            .iter()
            .fold(plan_text(carrier), |plan, name| {
                let word = secret(name);
                plan.replace(&word, &format!("{word}, srtp: required"))
            });
        let rig = Rig::with_settings(&hook, carrier, &plan, |it| with_tls(&it, &files));
        let line = Line {
            server: rig.tls,
            transport: "tls",
            srtp: "required",
            authority: &authority.file,
        };
        let mut olena = Phone::start(rig.folder.path(), "olena", OLENA, line);
        hook.wait_for("operator.registered", 1, SOON);
        let caller =
            Baresip::patient_carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip, "60");
        olena.wait("rings 1");
        let serhii = Phone::start(rig.folder.path(), "serhii", SERHII, line);
        olena.order("answer 1");
        hook.wait_for("call.bridged", 1, SOON);
        Self {
            hook,
            rig,
            olena,
            serhii,
            caller,
        }
    }

    /// Serhii ends it; what he heard, what the caller heard, and the one recording's two sides.
    fn end(mut self, talk: u32) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
        // Long enough that either is heard by the other.
        self.serhii.rest(1200);
        self.serhii.order(&format!("hangup {talk}"));
        let inbound = |it: &&Value| it["data"]["direction"] == "inbound";
        self.hook
            .wait("the end of the caller's call", SOON, |heard| {
                of(heard, "call.ended").any(|it| inbound(&it))
            });
        let ended = self.hook.of("call.ended").find(inbound).unwrap().clone();
        assert_eq!(ended["data"]["outcome"], "answered");
        let call = ended["subject"].as_str().unwrap();
        self.hook
            .wait("the recording of the caller", SOON, |heard| {
                of(heard, "recording.finished").any(|it| it["subject"] == call)
            });
        let serhii = self.serhii.heard(talk);
        let caller = self.caller.heard().remove(0);
        let named = |path: &PathBuf| path.to_string_lossy().contains(call);
        let recording = self.rig.recordings().into_iter().find(named).unwrap();
        (serhii, caller, sound::channels(&recording))
    }
}

/// The music of a hold goes to the one who waits (RFC 3264 8.4), and a blind transfer (RFC 3515) takes
/// the caller to the next operator within one recording.
#[test]
fn a_softphone_holds_and_passes_on_blindly() {
    let mut talk = Talk::begin();
    talk.olena.order("hold 1");
    talk.hook.wait_for("call.held", 1, SOON);
    talk.olena.rest(800);
    talk.olena.order("resume 1");
    talk.hook.wait_for("call.resumed", 1, SOON);
    talk.olena.rest(800);
    talk.olena.order("transfer 1 sip:serhii@strowger.test");
    talk.serhii.wait("rings 1");
    talk.serhii.order("answer 1");
    talk.olena.wait("transferred 1 200");
    talk.olena.wait("over 1");
    let (serhii, caller, recording) = talk.end(1);
    assert!(sound::heard(&serhii, CALLER) > 0.5, "the caller has come");
    assert!(sound::heard(&caller, MUSIC) > 0.4, "music in the hold");
    assert!(sound::heard(&caller, OLENA) > 0.4, "the first operator");
    assert!(sound::heard(&caller, SERHII) > 0.5, "the second operator");
    assert!(
        sound::heard(&recording[0], CALLER) > 1.0,
        "the caller is left"
    );
    for operator in [OLENA, SERHII] {
        assert!(
            sound::heard(&recording[1], operator) > 0.4,
            "each operator is right"
        );
    }
}

/// An attended transfer: the operator asks her colleague first and then joins the two by REFER with
/// Replaces (RFC 3891, RFC 5589 7.3), whose ids are those of her own dialogs with us.
#[test]
fn a_softphone_passes_on_after_a_talk() {
    let mut talk = Talk::begin();
    talk.olena.order("hold 1");
    talk.hook.wait_for("call.held", 1, SOON);
    talk.olena.order("dial sip:serhii@strowger.test");
    talk.serhii.wait("rings 1");
    talk.serhii.order("answer 1");
    talk.olena.wait("talking 2");
    talk.serhii.rest(800);
    talk.olena.order("join 1 2");
    talk.olena.wait("over ");
    talk.olena.wait("over ");
    let (serhii, caller, recording) = talk.end(1);
    assert!(sound::heard(&serhii, OLENA) > 0.4, "the colleague first");
    assert!(sound::heard(&serhii, CALLER) > 0.5, "then the caller");
    assert!(
        sound::heard(&caller, SERHII) > 0.5,
        "the caller hears the colleague"
    );
    assert!(
        sound::heard(&recording[1], SERHII) > 0.4,
        "and it is recorded"
    );
}
