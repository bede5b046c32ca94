//! `strowger trace` on calls that were really made: read while the server runs, and after it was killed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::authority::Authority;
use crate::baresip::Baresip;
use crate::hook::{Hook, deadline, now};
use crate::rig::{CALLER, Rig};

const SOON: Duration = Duration::from_secs(30);

/// What tshark makes of a capture, one line a packet: the request's method or the answer's status, and
/// whether IP's and UDP's sums are right (1).
fn dissected(capture: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.pcap");
    fs::write(&path, capture).unwrap();
    let fields = [
        "sip.Method",
        "sip.Status-Code",
        "sip.CSeq.method",
        "ip.checksum.status",
        "udp.checksum.status",
    ];
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&path)
        .args([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ])
        .args(["-T", "fields", "-E", "separator=,"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output()
        .expect("tshark is missing: run ./test, or install Debian's package tshark");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_call_over_udp_and_tls_is_shown_whole_and_still_is_after_a_kill() {
    let mut hook = Hook::start();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.certify(folder.path(), "first.test");
    let mut rig = Rig::with_tls(&hook, &files);
    let ca = Some(authority.file.as_path());
    let _phone = Baresip::phone_on_stream(rig.folder.path(), "olena", 660.0, rig.tls, ca);
    hook.wait_for("operator.registered", 1, SOON);
    let _caller = Baresip::carrier(rig.folder.path(), rig.carrier, CALLER, rig.sip);
    hook.wait_for("call.ended", 1, SOON);
    let ended = hook.of("call.ended").next().unwrap();
    let call = ended["subject"].as_str().unwrap().to_owned();

    // The operator's phone answers our BYE when it likes; from then on nothing is added.
    let until = deadline(SOON);
    let ladder = loop {
        assert!(now() < until, "the last BYE is never answered");
        let shown = rig.command(&["trace", &call]);
        assert!(shown.status.success(), "{shown:?}");
        let ladder = String::from_utf8(shown.stdout).unwrap();
        if ladder.matches("200 OK (BYE)").count() == 2 {
            break ladder;
        }
    };
    let head = ladder.lines().nth(2).unwrap();
    let columns: Vec<_> = head.split_whitespace().collect();
    assert_eq!(columns[0], "udp");
    assert_eq!(columns[1], rig.carrier.to_string());
    assert_eq!(columns[2..4], ["strowger", "tls"], "{ladder}");
    for part in [
        "INVITE 080•••••31 +SDP",
        "200 OK (INVITE) +SDP",
        "ACK",
        "BYE",
        "INVITE olena",
    ] {
        assert!(ladder.contains(part), "{part}: {ladder}");
    }
    assert!(!ladder.contains("0800301231"), "{ladder}");
    assert_eq!(ladder.matches("Call-ID ").count(), 2, "{ladder}");
    let full = rig.command(&["trace", &call, "--full"]).stdout;
    assert!(
        String::from_utf8(full)
            .unwrap()
            .contains("INVITE 0800301231")
    );

    rig.kill();
    let capture = rig.command(&["trace", &call, "--format", "pcap"]).stdout;
    let packets = dissected(&capture);
    let arrows = ladder
        .lines()
        .filter(|line| line.contains("▶") || line.contains("◀"));
    assert_eq!(packets.len(), arrows.count(), "{packets:#?}\n{ladder}");
    assert_eq!(packets[0], "INVITE,,INVITE,1,1");
    for packet in &packets {
        assert!(packet.ends_with(",1,1"), "sums: {packets:#?}");
        assert!(!packet.starts_with(",,"), "no SIP: {packets:#?}");
    }
    assert_eq!(
        packets
            .iter()
            .filter(|it| it.starts_with(",200,BYE,"))
            .count(),
        2
    );

    // No secret of anybody's lies in the files, and a call that was not is one sentence.
    for file in fs::read_dir(rig.folder.path().join("data/trace")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let digests: Vec<_> = text.split("response=\"").skip(1).collect();
        assert!(!digests.is_empty(), "the phone proved who it is");
        assert!(digests.iter().all(|digest| digest.starts_with("xxxxxxxx")));
    }
    let none = rig.command(&["trace", "01JAV3K8Z5W9Q4D6F7G8H9J0KM"]);
    assert_eq!(none.status.code(), Some(1));
    let sentence = String::from_utf8(none.stderr).unwrap();
    assert!(
        sentence.starts_with("strowger: no SIP of the call"),
        "{sentence}"
    );
}
