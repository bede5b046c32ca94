//! The fuzz bodies over the corpus and 200,000 seeded mutations of it, on stable Rust.

use strowger::rng::Rng;

use crate::{
    corpus_files, fuzz_resolve, fuzz_sdp, fuzz_sip_endpoint, fuzz_sip_message, fuzz_stream_framing,
};

/// Words that have broken parsers before.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b":",
    b"@",
    b"%",
    b"%00",
    b"=",
    b"[",
    b"]",
    b"/",
    b"?",
    b"-1",
    b"0",
    b"999",
    b"4294967296",
    b"\xff\xfe",
    b"\xd0",
    "я".as_bytes(),
    b"SIP/2.0",
    b"SIP/2.0 200 OK\r\n",
    b"Via: ",
    b"l: 9\r\n",
    b"Content-Length: 4294967328\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"c=IN IP4 0.0.0.0\r\n",
    b"a=rtpmap:",
    b"a=inactive\r\n",
    b"RTP/SAVP",
    b"Replaces: ",
    b"Refer-To: <sip:a@b?Replaces=c%3Bto-tag%3Dx>\r\n",
    b"Event: dialog\r\n",
    b"RAck: 4294967295 1 INVITE\r\n",
    b"Session-Expires: 0\r\n",
    b"Diversion: ",
    b"History-Info: ",
    b"@TAG@",
    b"@DIGEST@",
];

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn mutate(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[below(rng, seeds.len())].clone();
    for _ in 0..=below(rng, 6) {
        let at = below(rng, bytes.len() + 1);
        let end = (at + below(rng, 40)).min(bytes.len());
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                let to = below(rng, bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            3 => {
                let other = &seeds[below(rng, seeds.len())];
                let from = below(rng, other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = WORDS[below(rng, WORDS.len())];
                bytes.splice(
                    at..if rng.chance(300) { end } else { at },
                    word.iter().copied(),
                );
            }
        }
    }
    bytes
}

/// `FUZZ_ROUNDS=20` makes it twenty times as many, each round from another seed.
fn drive(seed: u8, count: usize, seeds: &[Vec<u8>], body: fn(&[u8])) {
    let rounds = std::env::var("FUZZ_ROUNDS").ok();
    let rounds = rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(1_u8);
    for seed in seeds {
        body(seed);
    }
    for round in 0..rounds {
        let mut key = [seed; 32];
        key[0] = key[0].wrapping_add(round);
        let mut rng = Rng::new(key);
        for _ in 0..count {
            body(&mutate(&mut rng, seeds));
        }
    }
}

fn messages() -> Vec<Vec<u8>> {
    ["rfc4475", "rfc5118"]
        .into_iter()
        .flat_map(corpus_files)
        .map(|(_, bytes)| bytes)
        .collect()
}

#[test]
fn mutated_messages_get_a_verdict() {
    drive(1, 130_000, &messages(), fuzz_sip_message::run);
}

const OURS: &str = ";tag=@TAG@";
const SDP_BODY: &str = "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";

/// A request of a call, after the byte that says what its taker does.
fn request(whim: u8, method: &str, seq: u32, tag: &str, more: &str) -> Vec<u8> {
    let text = format!(
        "{method} sip:0800100200@198.51.100.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK{method}{seq}\r\n\
         From: <sip:380671234567@carrier.example>;tag=theirs\r\n\
         To: <sip:0800100200@198.51.100.1>{tag}\r\n\
         Contact: <sip:380671234567@203.0.113.5>\r\nCall-ID: hand\r\n\
         CSeq: {seq} {method}\r\n{more}\r\n"
    );
    [&[whim], text.as_bytes()].concat()
}

/// What a carrier calls, from the INVITE to the BYE, with what may come between.
fn brought() -> Vec<Vec<u8>> {
    let (ours, sdp) = (OURS, SDP_BODY);
    let call = [
        request(0, "INVITE", 1, "", sdp),
        request(0, "ACK", 1, ours, ""),
        request(0, "INVITE", 2, ours, ""),
        request(16, "ACK", 2, ours, sdp),
        request(4, "UPDATE", 3, ours, sdp),
        request(0, "INFO", 4, ours, ""),
        request(0, "BYE", 5, ours, ""),
    ];
    let cancelled = [
        request(4, "INVITE", 1, "", sdp),
        request(64, "CANCEL", 1, "", "").replace_branch("CANCEL", "INVITE"),
        request(0, "ACK", 1, ours, "").replace_branch("ACK", "INVITE"),
    ];
    let refused = [
        request(8, "INVITE", 1, "", sdp),
        request(255, "BYE", 2, ours, ""),
        request(1, "REGISTER", 3, "", "Expires: 60\r\n"),
    ];
    let acknowledged = [
        request(
            4,
            "INVITE",
            1,
            "",
            &format!(
                "Require: 100rel\r\nSupported: timer\r\nMin-SE: 90\r\nSession-Expires: 1800\r\nP-Asserted-Identity: <tel:+380671112233>\r\nPrivacy: id\r\nDiversion: <sip:a@b>;reason=no-answer;counter=1, <sip:c@d>\r\nHistory-Info: <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1, <sip:c@d>;index=1.1\r\n{sdp}"
            ),
        ),
        request(0, "PRACK", 2, ours, "RAck: @RSEQ@ 1 INVITE\r\n"),
        request(
            0,
            "UPDATE",
            3,
            ours,
            "Session-Expires: 90;refresher=uas\r\n",
        ),
        request(12, "OPTIONS", 4, ours, ""),
        request(0xf2, "BYE", 5, ours, ""),
    ];
    [
        call.join(fuzz_sip_endpoint::MARK),
        cancelled.join(fuzz_sip_endpoint::MARK),
        refused.join(fuzz_sip_endpoint::MARK),
        acknowledged.join(fuzz_sip_endpoint::MARK),
    ]
    .into()
}

/// What a phone of an operator says.
fn phoned() -> Vec<Vec<u8>> {
    let (ours, sdp) = (OURS, SDP_BODY);
    let operator = "Authorization: @DIGEST@\r\n";
    let own = |whim: u8, method: &str, seq: u32, tag: &str, more: &str| {
        let text = request(whim, method, seq, tag, more);
        let text = String::from_utf8(text).unwrap();
        text.replace("380671234567@carrier.example", "olena@clinic.example")
            .into_bytes()
    };
    let watching = [
        own(1, "REGISTER", 1, "", operator).replace_to(),
        own(1, "SUBSCRIBE", 2, "", &format!("{operator}Event: dialog\r\nExpires: 60\r\n")).replace_to(),
        own(1, "SUBSCRIBE", 3, ours, &format!("{operator}Event: dialog\r\nExpires: 0\r\n")).replace_to(),
        own(0x71, "SUBSCRIBE", 4, "", &format!("{operator}Event: message-summary;id=1\r\nAccept: application/simple-message-summary\r\n")).replace_to(),
    ];
    let proxied = format!(
        "Proxy-Authorization: @DIGEST@\r\nSession-Expires: 90;refresher=uac\r\nSupported: timer, 100rel, replaces\r\n{sdp}"
    );
    let placed = [
        own(1, "INVITE", 1, "", &proxied),
        own(1, "ACK", 1, ours, ""),
        own(
            1,
            "REFER",
            2,
            ours,
            "Refer-To: <sip:202@clinic.example?Replaces=hand%3Bto-tag%3D1%3Bfrom-tag%3Dtheirs>\r\n",
        ),
        own(
            1,
            "INFO",
            3,
            ours,
            "Content-Type: application/dtmf-relay\r\nContent-Length: 20\r\n\r\nSignal=5\r\nDuration=9",
        ),
        own(
            13,
            "NOTIFY",
            4,
            ours,
            "Event: refer\r\nSubscription-State: active\r\n",
        ),
        own(
            1,
            "INVITE",
            5,
            "",
            "Proxy-Authorization: @DIGEST@\r\nReplaces: hand;to-tag=@TAG@;from-tag=theirs\r\n",
        ),
        own(0x71, "BYE", 6, ours, ""),
    ];
    [
        watching.join(fuzz_sip_endpoint::MARK),
        placed.join(fuzz_sip_endpoint::MARK),
    ]
    .into()
}

/// What is said to an INVITE of ours.
fn answered() -> Vec<Vec<u8>> {
    let sdp = SDP_BODY;
    let answer = |whim: u8, line: &str, more: &str| {
        let text = format!("SIP/2.0 {line}\r\n@HEAD@Contact: <sip:c@203.0.113.5>\r\n{more}\r\n");
        [&[whim], text.as_bytes()].concat()
    };
    let asks = "Proxy-Authenticate: Digest realm=\"c\", nonce=\"n\", qop=\"auth-int,auth\"\r\n";
    let dialled = [
        b"\0DIAL".to_vec(),
        answer(0, "407 Proxy Authentication Required", asks),
        answer(0, "422 Session Interval Too Small", "Min-SE: 3600\r\n"),
        answer(
            0,
            "183 Session Progress",
            &format!("Require: 100rel\r\nRSeq: 7\r\n{sdp}"),
        ),
        answer(0, "200 OK", ""),
    ];
    let talked = [
        b"\0DIAL".to_vec(),
        answer(
            12,
            "200 OK",
            &format!(
                "Allow: UPDATE\r\nRequire: timer\r\nSession-Expires: 90;refresher=uac\r\n{sdp}"
            ),
        ),
        answer(0xf0, "491 Request Pending", ""),
        answer(12, "200 OK", sdp),
        answer(0, "500 Server Internal Error", "Retry-After: 1\r\n"),
        answer(0xf2, "481 Call/Transaction Does Not Exist", ""),
    ];
    [
        dialled.join(fuzz_sip_endpoint::MARK),
        talked.join(fuzz_sip_endpoint::MARK),
    ]
    .into()
}

/// Whole calls, message by message.
fn scripts() -> Vec<Vec<u8>> {
    let mut scripts = [answered(), phoned(), brought()].concat();
    scripts.extend(
        messages()
            .chunks(4)
            .map(|some| some.join(fuzz_sip_endpoint::MARK)),
    );
    scripts
}

trait ReplaceBranch {
    /// The operator's own address of record in To and in the request URI.
    fn replace_to(self) -> Self;
    /// The branch of a request of `method` made that of another.
    fn replace_branch(self, method: &str, other: &str) -> Self;
}

impl ReplaceBranch for Vec<u8> {
    fn replace_to(self) -> Self {
        let text = String::from_utf8(self).unwrap();
        let text = text.replace("0800100200@198.51.100.1", "olena@clinic.example");
        text.into_bytes()
    }

    fn replace_branch(self, method: &str, other: &str) -> Self {
        let (whim, text) = self.split_first().unwrap();
        let text = std::str::from_utf8(text).unwrap();
        let branch = |method: &str| format!("z9hG4bK{method}");
        let text = text.replace(&branch(method), &branch(other));
        [&[*whim], text.as_bytes()].concat()
    }
}

#[test]
fn mutated_scripts_leave_an_endpoint_that_answers() {
    drive(4, 4_000, &scripts(), fuzz_sip_endpoint::run);
}

#[test]
fn mutated_streams_are_cut_alike() {
    let streams: Vec<Vec<u8>> = messages()
        .chunks(3)
        .enumerate()
        .map(|(piece, messages)| {
            let piece = u8::try_from(piece).unwrap() + 1;
            [vec![piece], messages.join(b"\r\n\r\n".as_slice())].concat()
        })
        .collect();
    drive(2, 40_000, &streams, fuzz_stream_framing::run);
}

#[test]
fn mutated_descriptions_are_answered_or_refused() {
    let mut seeds: Vec<Vec<u8>> = messages()
        .into_iter()
        .filter_map(|bytes| {
            let at = bytes.windows(5).position(|word| word == b"v=0\r\n")?;
            Some(bytes[at..].to_vec())
        })
        .collect();
    seeds.push(
        b"v=0\r\no=- 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\n\
          m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n\
          a=sendonly\r\nm=audio 0 RTP/AVP 0\r\nm=image 4002 udptl t38\r\n"
            .to_vec(),
    );
    drive(3, 30_000, &seeds, fuzz_sdp::run);
}

#[test]
fn mutated_records_lead_somewhere_or_nowhere() {
    let mut rng = Rng::new([8; 32]);
    let seeds: Vec<Vec<u8>> = (0..40)
        .map(|_| {
            let mut bytes = vec![0; 200];
            rng.fill(&mut bytes);
            bytes
        })
        .collect();
    drive(5, 20_000, &seeds, fuzz_resolve::run);
}
