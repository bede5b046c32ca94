//! How long a usual INVITE takes to read and to write, as a ratio to rsip in the same run.
//!
//! `cargo bench --bench sip_parse`. The two take turns, so that a busy machine slows both. Our
//! reading judges Via, From, To, CSeq and Contact too; rsip's leaves them as text, so what a
//! transaction needs of them is timed as well.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, prints, and stops when its message is unsound"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rsip::headers::UntypedHeader as _;
use rsip::message::HeadersExt as _;
use rsip::prelude::ToTypedHeader as _;
use strowger::sip::parse::parse;

const ROUNDS: u32 = 200;
const MESSAGES: u32 = 500;

fn main() {
    let invite = invite();
    let message = parse(&invite).expect("the message is sound");
    assert_eq!(use_ours(&invite), rsip_use(&invite));
    assert!(use_ours(&invite).is_some());

    let mut took = [Duration::ZERO; 5];
    for _ in 0..ROUNDS {
        let round = [
            time(|| rsip::Request::try_from(invite.as_ref())),
            time(|| parse(&Bytes::copy_from_slice(&invite))),
            time(|| message.to_bytes()),
            time(|| rsip_use(&invite)),
            time(|| use_ours(&invite)),
        ];
        for (took, this) in took.iter_mut().zip(round) {
            *took += this;
        }
    }
    let [peer, read, write, peer_use, used] = took;
    println!(
        "INVITE of {} bytes, {} runs each",
        invite.len(),
        ROUNDS * MESSAGES
    );
    for (what, ours, theirs) in [
        ("read", read, peer),
        ("write", write, peer),
        ("read and use", used, peer_use),
    ] {
        println!(
            "{what:>12} {:>6} ns, rsip {:>6} ns, {:.2} × rsip",
            ours.as_nanos() / u128::from(ROUNDS * MESSAGES),
            theirs.as_nanos() / u128::from(ROUNDS * MESSAGES),
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
    }
}

fn use_ours(invite: &Bytes) -> Option<(u32, usize)> {
    let message = parse(&Bytes::copy_from_slice(invite)).ok()?;
    let headers = &message.headers;
    let (via, from, to) = (
        headers.top_via().ok()?,
        headers.from().ok()?,
        headers.to().ok()?,
    );
    let words = via.branch()?.len() + from.tag()?.len() + to.uri.user()?.len();
    Some((
        headers.cseq().ok()?.number,
        words + headers.call_id().ok()?.len(),
    ))
}

fn rsip_use(invite: &Bytes) -> Option<(u32, usize)> {
    let request = rsip::Request::try_from(invite.as_ref()).ok()?;
    let via = request.via_header().ok()?.typed().ok()?;
    let from = request.from_header().ok()?.typed().ok()?;
    let to = request.to_header().ok()?.typed().ok()?;
    let words = via.branch()?.value().len() + from.tag()?.value().len() + to.uri.user()?.len();
    let number = request.cseq_header().ok()?.typed().ok()?.seq;
    Some((number, words + request.call_id_header().ok()?.value().len()))
}

fn time<T>(job: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..MESSAGES {
        black_box(job());
    }
    start.elapsed()
}

fn invite() -> Bytes {
    let sdp = "v=0\r\no=- 3905 3905 IN IP4 203.0.113.10\r\ns=-\r\nc=IN IP4 203.0.113.10\r\nt=0 0\r\n\
               m=audio 40376 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    Bytes::from(format!(
        "INVITE sip:0800200300@198.51.100.7:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK776asdhds;rport\r\n\
         Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK87asdks7;received=203.0.113.77\r\n\
         Record-Route: <sip:203.0.113.10;lr;ftag=1928301774>\r\n\
         Max-Forwards: 68\r\n\
         From: \"+380 67 123 45 67\" <sip:+380671234567@carrier.example>;tag=1928301774\r\n\
         To: <sip:0800200300@clinic.example>\r\n\
         Call-ID: a84b4c76e66710@203.0.113.77\r\n\
         CSeq: 314159 INVITE\r\n\
         Contact: <sip:+380671234567@203.0.113.77:5060>\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE\r\n\
         Supported: timer, replaces\r\n\
         User-Agent: Carrier/1.0\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    ))
}
