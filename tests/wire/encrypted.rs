//! An operator's phone that encrypts (SDES-SRTP), with a carrier that does not: baresip and libsrtp are
//! the other implementation.

use std::time::Duration;

use crate::baresip::Baresip;
use crate::hook::Hook;
use crate::rig::{CALLER, Rig, WHISPER, plan_text};
use crate::sound;

const OLENA: f64 = 660.0;
const SOON: Duration = Duration::from_secs(30);

#[test]
fn an_encrypted_phone_talks_with_a_plain_carrier_and_is_recorded_in_clear() {
    let mut hook = Hook::start();
    let carrier = crate::rig::free_port();
    let plan = plan_text(carrier).replace(
        "password: secret-olena",
        "password: secret-olena, srtp: required",
    );
    let rig = Rig::with_plan(&hook, carrier, &plan);
    let phone = Baresip::encrypted_phone(rig.folder.path(), "olena", OLENA, rig.sip);
    hook.wait_for("operator.registered", 1, SOON);

    let caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("call.bridged", 1, SOON);
    hook.wait_for("call.ended", 1, SOON);
    let (caller, phone) = (caller.heard().remove(0), phone.heard().remove(0));
    hook.wait_for("recording.finished", 1, SOON);

    assert!(sound::heard(&phone, WHISPER) > 0.4, "the whisper");
    assert!(sound::heard(&phone, CALLER) > 1.0, "the caller");
    assert!(sound::heard(&caller, OLENA) > 1.0, "the operator");
    let recording = sound::channels(&rig.recordings()[0]);
    assert!(sound::heard(&recording[0], CALLER) > 1.0);
    assert!(sound::heard(&recording[1], OLENA) > 1.0);
    let ended = hook.of("call.ended").next().unwrap();
    let call = ended["subject"].as_str().unwrap();
    let capture = rig.command(&["trace", call, "--format", "pcap"]).stdout;
    let shown = String::from_utf8_lossy(&capture);
    let keys: Vec<&str> = shown.split("inline:").skip(1).collect();
    assert!(shown.contains("RTP/SAVP") && !keys.is_empty());
    assert!(keys.iter().all(|key| key.starts_with("xxxxxxxx")));
}
