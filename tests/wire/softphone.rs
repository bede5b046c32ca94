//! PJSIP as the operators' phone over each transport: takes calls of the queue, holds, transfers.

use std::time::Duration;

use crate::authority::Authority;
use crate::baresip::Baresip;
use crate::hook::Hook;
use crate::pjsua::{Line, Phone};
use crate::rig::{CALLER, Rig, WHISPER};
use crate::sound;

const OLENA: f64 = 660.0;
const SOON: Duration = Duration::from_secs(30);

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
            sound::heard(&heard, WHISPER) > 0.2,
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
