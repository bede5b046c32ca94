//! A carrier whose calls all fail: each is cut at a stage of its own. Sans IO, so that it can stand in
//! the virtual world and behind a real socket.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a match names the cuts that differ there"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use strowger::rng::Rng;
use strowger::sip::message::{Message, Method};
use strowger::sip::parse::parse;
use strowger::time::{Duration, Instant, Timers};

/// Where a call is cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cut {
    /// An INVITE, and nothing more: no ACK, no answer to anything.
    Silence,
    /// A CANCEL right behind the INVITE.
    CancelAtOnce,
    /// A CANCEL after the first 1xx.
    CancelTrying,
    /// A CANCEL after early media or ringing.
    CancelRinging,
    /// A CANCEL whose 487 gets no ACK.
    CancelUnacknowledged,
    /// A CANCEL that crosses the 200.
    CancelLate,
    /// A BYE in the early dialog.
    ByeEarly,
    /// A 200 that gets no ACK.
    NoAck,
    /// A BYE where the ACK should come first.
    ByeBeforeAck,
    /// A BYE right behind the ACK.
    ByeAtOnce,
    /// A BYE some time later: in the queue, while it rings, in the whisper, in the talk.
    ByeLater,
    /// A BYE with a CSeq of before, then nothing.
    ByeOld,
    /// The far end vanishes right behind its ACK.
    Vanish,
    /// The far end vanishes some time later.
    VanishLater,
    /// A re-INVITE, and then nothing: no ACK.
    Reinvite,
    /// A re-INVITE that is taken back.
    ReinviteCancelled,
    /// A re-INVITE for something we cannot do, then a BYE.
    ReinviteRefused,
    /// An UPDATE that holds, then nothing.
    Update,
    /// No offer, and an ACK without an answer.
    NoOffer,
    /// No offer, and no ACK either.
    NoOfferNoAck,
    /// A codec we have not.
    WrongCodec,
    /// A description that is none.
    Garbage,
    /// A number that nobody routes.
    Unrouted,
    /// The same, and the refusal gets no ACK.
    UnroutedUnacknowledged,
    /// The same INVITE by two ways.
    Twice,
    /// Our BYE gets 481.
    ByeRefused,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Silence,
        Self::CancelAtOnce,
        Self::CancelTrying,
        Self::CancelRinging,
        Self::CancelUnacknowledged,
        Self::CancelLate,
        Self::ByeEarly,
        Self::NoAck,
        Self::ByeBeforeAck,
        Self::ByeAtOnce,
        Self::ByeLater,
        Self::ByeOld,
        Self::Vanish,
        Self::VanishLater,
        Self::Reinvite,
        Self::ReinviteCancelled,
        Self::ReinviteRefused,
        Self::Update,
        Self::NoOffer,
        Self::NoOfferNoAck,
        Self::WrongCodec,
        Self::Garbage,
        Self::Unrouted,
        Self::UnroutedUnacknowledged,
        Self::Twice,
        Self::ByeRefused,
    ];

    /// Whether a refusal of the INVITE is acknowledged.
    const fn acknowledges_refusals(self) -> bool {
        !matches!(
            self,
            Self::Silence | Self::CancelUnacknowledged | Self::UnroutedUnacknowledged
        )
    }
}

#[derive(Debug)]
struct Call {
    cut: Cut,
    to: String,
    number: u32,
    /// Our last CSeq.
    seq: u32,
    to_tag: Option<String>,
    later: Duration,
    cancelled: bool,
    /// Its 200 was seen.
    answered: bool,
    /// Nobody is there any more.
    gone: bool,
}

/// So many calls are remembered; the ones before are long over.
const REMEMBERED: u32 = 5_000;

/// The carrier.
#[derive(Debug)]
pub struct Cutter {
    local: SocketAddr,
    server: SocketAddr,
    numbers: Vec<String>,
    calls: BTreeMap<u32, Call>,
    dialled: u32,
    timers: Timers<u32>,
    out: VecDeque<Bytes>,
    rng: Rng,
    /// Each cut with the last status its INVITE was answered with, and how often.
    pub tally: BTreeMap<(Cut, u16), u32>,
}

impl Cutter {
    /// A carrier at `local` that dials `numbers` in turn.
    pub fn new(local: SocketAddr, server: SocketAddr, numbers: &[&str], seed: u8) -> Self {
        Self {
            local,
            server,
            numbers: numbers.iter().map(|&number| number.to_owned()).collect(),
            calls: BTreeMap::new(),
            dialled: 0,
            timers: Timers::default(),
            out: VecDeque::new(),
            rng: Rng::new([seed; 32]),
            tally: BTreeMap::new(),
        }
    }

    /// Places call `number`; its cut follows from the number.
    pub fn dial(&mut self, number: u32, longest: Duration) {
        let cut = Cut::ALL[number as usize % Cut::ALL.len()];
        let to = match cut {
            Cut::Unrouted | Cut::UnroutedUnacknowledged => "0800999999",
            _ => &self.numbers[(number as usize / Cut::ALL.len()) % self.numbers.len()],
        };
        let longest = u64::try_from(longest.as_millis()).unwrap();
        let call = Call {
            cut,
            to: to.to_owned(),
            number,
            seq: 1,
            to_tag: None,
            later: Duration::from_millis(self.rng.below(longest)),
            cancelled: false,
            answered: false,
            gone: false,
        };
        let invite = self.request(&call, "INVITE", 1, "i", body(cut));
        self.out.push_back(invite.clone());
        match cut {
            Cut::Twice => {
                let other = String::from_utf8_lossy(&invite).replace("z9hG4bKi", "z9hG4bKj");
                self.out.push_back(other.into());
            }
            Cut::CancelAtOnce => self
                .out
                .push_back(self.request(&call, "CANCEL", 1, "i", "")),
            _ => {}
        }
        self.calls.insert(number, call);
        self.dialled += 1;
        // So late nobody says anything any more.
        let old = number.saturating_sub(REMEMBERED);
        self.calls = self.calls.split_off(&old);
    }

    /// The next packet for the server.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    /// Calls whose INVITE got no answer above 100.
    pub fn unanswered(&self) -> u32 {
        self.dialled - self.tally.values().sum::<u32>()
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(number) = self.timers.pop_due(now) {
            let Some(mut call) = self.calls.remove(&number) else {
                continue;
            };
            if call.cut == Cut::ByeLater && !call.gone {
                self.say(&mut call, "BYE", "");
            }
            call.gone = true;
            self.calls.insert(number, call);
        }
    }

    /// A packet of the server.
    pub fn handle_packet(&mut self, now: Instant, bytes: &Bytes) {
        let message = parse(bytes).unwrap();
        let id = message.headers.call_id().unwrap();
        let Some(number) = id.strip_prefix("cut").and_then(|id| id.parse().ok()) else {
            return;
        };
        let Some(mut call) = self.calls.remove(&number) else {
            return;
        };
        match message.status() {
            Some(status) => self.handle_response(now, &mut call, status, &message),
            None => self.handle_request(&mut call, &message),
        }
        self.calls.insert(number, call);
    }

    fn handle_response(&mut self, now: Instant, call: &mut Call, status: u16, answer: &Message) {
        let cseq = answer.headers.cseq().unwrap();
        let to = answer.headers.to().unwrap();
        if cseq.method != Method::Invite || call.gone {
            return;
        }
        if cseq.number > 1 {
            return self.handle_reinvited(call, status, cseq.number);
        }
        if status >= 300 {
            let branch = answer.headers.top_via().unwrap();
            let merged = branch.branch().is_some_and(|it| it.starts_with("z9hG4bKj"));
            if call.to_tag.is_none() || !merged {
                call.to_tag = to.tag().map(str::to_owned);
            }
            if call.cut.acknowledges_refusals() {
                let branch = if merged { "j" } else { "i" };
                let ack = self.request(call, "ACK", 1, branch, "");
                let theirs = to.tag().unwrap_or_default();
                let ours = call.to_tag.clone().unwrap_or_default();
                let ack = String::from_utf8_lossy(&ack).replace(&ours, theirs);
                self.out.push_back(ack.into());
            }
            if !merged {
                self.count(call, status);
                call.gone = !call.cut.acknowledges_refusals();
            }
            return;
        }
        if status > 100 {
            call.to_tag = to.tag().map(str::to_owned);
        }
        match (call.cut, status) {
            (Cut::CancelTrying | Cut::CancelUnacknowledged, 100..200) => self.cancel(call),
            (Cut::CancelRinging, 101..200) => self.cancel(call),
            (Cut::ByeEarly, 101..200) if !call.cancelled => {
                call.cancelled = true;
                self.say(call, "BYE", "");
            }
            (_, 100..200) => {}
            (cut, _) => {
                let again = std::mem::replace(&mut call.answered, true);
                if !again {
                    self.count(call, status);
                }
                self.answered(now, call, cut, again);
            }
        }
    }

    /// The 200 came; `again` when it is a repetition.
    fn answered(&mut self, now: Instant, call: &mut Call, cut: Cut, again: bool) {
        match cut {
            Cut::Silence | Cut::NoAck | Cut::NoOfferNoAck => return,
            Cut::ByeBeforeAck => {
                if !again {
                    self.say(call, "BYE", "");
                }
                return;
            }
            Cut::CancelLate if !again => self.cancel(call),
            _ => {}
        }
        let ack = self.request(call, "ACK", 1, "a", "");
        self.out.push_back(ack);
        if again {
            return;
        }
        match cut {
            Cut::Vanish => call.gone = true,
            Cut::VanishLater | Cut::ByeLater => self.timers.set(call.number, now + call.later),
            Cut::ByeOld => {
                let bye = self.request(call, "BYE", 1, "b", "");
                self.out.push_back(bye);
            }
            Cut::Reinvite | Cut::ReinviteCancelled => {
                self.say(call, "INVITE", OFFER);
                if cut == Cut::ReinviteCancelled {
                    let cancel = self.request(call, "CANCEL", call.seq, "s", "");
                    self.out.push_back(cancel);
                }
            }
            Cut::ReinviteRefused => self.say(call, "INVITE", WRONG),
            Cut::Update => {
                self.say(call, "UPDATE", HOLD);
                call.gone = true;
            }
            Cut::ByeRefused => {}
            _ => self.say(call, "BYE", ""),
        }
    }

    fn handle_reinvited(&mut self, call: &mut Call, status: u16, seq: u32) {
        if status < 200 || call.cut == Cut::Reinvite && status < 300 {
            return;
        }
        let branch = if status < 300 { "a" } else { "s" };
        let ack = self.request(call, "ACK", seq, branch, "");
        self.out.push_back(ack);
        if !call.cancelled {
            call.cancelled = true;
            self.say(call, "BYE", "");
        }
    }

    fn handle_request(&mut self, call: &mut Call, request: &Message) {
        if call.gone || request.method() == Some(&Method::Ack) {
            return;
        }
        let status = match (call.cut, request.method()) {
            (Cut::Silence | Cut::NoAck | Cut::NoOfferNoAck | Cut::ByeOld, _) => return,
            (Cut::ByeRefused, Some(Method::Bye)) => 481,
            (_, Some(Method::Bye | Method::Options)) => 200,
            _ => 488,
        };
        let answer = Message::response_to(request, status);
        self.out.push_back(answer.to_bytes());
    }

    fn cancel(&mut self, call: &mut Call) {
        if !std::mem::replace(&mut call.cancelled, true) {
            let cancel = self.request(call, "CANCEL", 1, "i", "");
            self.out.push_back(cancel);
        }
    }

    /// A request inside the dialog.
    fn say(&mut self, call: &mut Call, method: &str, body: &str) {
        call.seq += 1;
        let request = self.request(call, method, call.seq, "s", body);
        self.out.push_back(request);
    }

    fn count(&mut self, call: &Call, status: u16) {
        *self.tally.entry((call.cut, status)).or_default() += 1;
    }

    fn request(&self, call: &Call, method: &str, seq: u32, branch: &str, body: &str) -> Bytes {
        let (local, server) = (self.local, self.server);
        let Call { number, to, .. } = call;
        // A clinic knows most of its callers.
        let from = number % 997;
        let tag = match &call.to_tag {
            Some(tag) if !matches!(method, "CANCEL") => format!(";tag={tag}"),
            Some(_) | None => String::new(),
        };
        let described = if body.is_empty() {
            String::new()
        } else {
            "Content-Type: application/sdp\r\n".to_owned()
        };
        // Nobody listens there, and no two calls share it.
        let port = (10_000 + 2 * (number % 20_000)).to_string();
        let body = body.replace("HERE", &local.ip().to_string());
        let body = body.replace("PORT", &port);
        format!(
            "{method} sip:{to}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{branch}{number}x{seq}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:38067{from:07}@{local}>;tag=f{number}\r\n\
             To: <sip:{to}@{server}>{tag}\r\n\
             Contact: <sip:38067{from:07}@{local}>\r\n\
             Call-ID: cut{number}\r\n\
             CSeq: {seq} {method}\r\n\
             {described}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into()
    }
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 HERE\r\ns=-\r\nc=IN IP4 HERE\r\nt=0 0\r\nm=audio PORT RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 HERE\r\ns=-\r\nc=IN IP4 HERE\r\nt=0 0\r\nm=audio PORT RTP/AVP 8 0 101\r\na=sendonly\r\n";
const WRONG: &str =
    "v=0\r\no=- 1 2 IN IP4 HERE\r\ns=-\r\nc=IN IP4 HERE\r\nt=0 0\r\nm=audio PORT RTP/AVP 18\r\n";
const GARBAGE: &str = "v=0\r\nm=\r\nwhat\r\n";

const fn body(cut: Cut) -> &'static str {
    match cut {
        Cut::NoOffer | Cut::NoOfferNoAck => "",
        Cut::WrongCodec => WRONG,
        Cut::Garbage => GARBAGE,
        _ => OFFER,
    }
}
