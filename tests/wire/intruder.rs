//! Who is no party of a call knows its ids all the same, and says BYE, CANCEL, re-INVITE, REFER and
//! INVITE with Replaces for it: nothing happens (RFC 3261 12.2.2, 26.3.2.1).

use std::net::UdpSocket;
use std::time::Duration;

use crate::clinic::{Clinic, Scene};

/// What the carrier knows of its call, as its own messages say.
struct Dialog {
    call_id: String,
    ours: String,
    theirs: String,
    branch: String,
}

impl Dialog {
    fn read(messages: &str) -> Option<Self> {
        let ok = messages.find("SIP/2.0 200 OK")?;
        let answer = &messages[ok..];
        let value = |mark: &str| {
            let start = answer.find(mark)? + mark.len();
            let rest = &answer[start..];
            let end = rest.find(['\r', '\n', ';', ' '])?;
            Some(rest[..end].to_owned())
        };
        let tag = |field: &str| {
            let line = &answer[answer.find(field)?..];
            let tag = &line[line.find(";tag=")? + 5..];
            Some(tag[..tag.find(['\r', '\n', ';'])?].to_owned())
        };
        Some(Self {
            call_id: value("Call-ID: ")?,
            ours: tag("From:")?,
            theirs: tag("To:")?,
            branch: value("branch=")?,
        })
    }
}

/// Asks from an address that is no party of the call, and gives the status.
fn ask(clinic: &Clinic, dialog: &Dialog, method: &str, more: &str) -> String {
    let socket = UdpSocket::bind("127.9.9.9:0").unwrap();
    let me = socket.local_addr().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let Dialog {
        call_id,
        ours,
        theirs,
        branch,
    } = dialog;
    let (branch, to_tag, number) = match method {
        "CANCEL" => (branch.clone(), String::new(), 1),
        _ => (format!("{branch}{method}"), format!(";tag={theirs}"), 50),
    };
    let server = clinic.rig.sip;
    let request = format!(
        "{method} sip:strowger@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch={branch};rport\r\n\
         From: <sip:+380671112233@127.1.0.1>;tag={ours}\r\nTo: <sip:x@{server}>{to_tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:intruder@{me}>\r\n{more}Content-Length: 0\r\n\r\n"
    );
    socket.send_to(request.as_bytes(), server).unwrap();
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn who_is_no_party_of_a_call_changes_nothing_in_it() {
    let scene = Scene::new("carrier_talks", "phone_answers");
    let mut clinic = Clinic::open(&[scene]);
    let mut players = clinic.begin();
    clinic
        .hook
        .wait_for("call.bridged", 1, Duration::from_secs(30));
    let dialog = Dialog::read(&players[1].messages()).expect("the carrier's 200");
    for (method, more) in [
        ("BYE", ""),
        ("CANCEL", ""),
        ("INVITE", ""),
        ("UPDATE", ""),
        ("REFER", "Refer-To: <sip:+380900000000@example.org>\r\n"),
        ("INFO", ""),
    ] {
        let status = ask(&clinic, &dialog, method, more);
        assert_eq!(status, "481", "{method}");
    }
    // An INVITE of its own that wants the place of the talk is asked for a digest first.
    let Dialog {
        call_id,
        ours,
        theirs,
        ..
    } = &dialog;
    let replaces = format!("Replaces: {call_id};to-tag={theirs};from-tag={ours}\r\n");
    let own = Dialog {
        call_id: "another".to_owned(),
        ours: "one".to_owned(),
        theirs: String::new(),
        branch: "z9hG4bKown".to_owned(),
    };
    assert_eq!(ask(&clinic, &own, "INVITE", &replaces), "407");
    clinic.end(&mut players);
}
