//! A compiled dialplan. Every name in it exists, every number is E.164, every bound is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{OperatorName, QueueName, SiteName, TrunkName, VoicemailName};
use crate::limits;
use crate::net::Net;
use crate::sip::flow::Transport;
pub use crate::sip::resolve::Server;
use crate::time::Duration;
use crate::words::{Codec, Dtmf, Language, Phrase, Rel100, Srtp, Strategy};

/// What waiting callers hear where a queue names no music of its own.
pub const DEFAULT_MUSIC: &str = "music/calm.wav";

/// Where a carrier's signalling comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// The addresses.
    pub net: Net,
    /// The port, where `ip:port` was written.
    pub port: Option<u16>,
}

/// A carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// Its key.
    pub name: TrunkName,
    /// Where its signalling comes from.
    pub peers: Vec<Peer>,
    /// Where else its media may come from.
    pub media: Arc<[Net]>,
    /// The codecs it may use, the preferred first.
    pub codecs: Vec<Codec>,
    /// How its numbers without `+` are read.
    pub country: crate::number::Country,
    /// Our registration with it.
    pub register: Option<Register>,
    /// Where calls out go, each `host` or `host:port`; none leaves the first single peer.
    pub servers: Vec<Server>,
    /// Over what it is spoken to; none leaves it to its DNS records.
    pub transport: Option<Transport>,
    /// Where the dialled number is read from, the first that is there.
    pub called: Vec<Called>,
    /// Where the caller's number is read from, the first that is there.
    pub caller: Vec<CallerId>,
    /// Its P-Asserted-Identity and Remote-Party-ID are believed (RFC 3325).
    pub trusted: bool,
    /// How often OPTIONS asks whether it is there; none never asks.
    pub keepalive: Option<Duration>,
    /// Calls at once, both ways.
    pub max_calls: Option<u32>,
    /// New calls a second, both ways.
    pub calls_per_second: Option<u32>,
    /// The session interval we ask for (RFC 4028).
    pub session_timer: Option<Duration>,
    /// Whether provisional responses are acknowledged (RFC 3262).
    pub rel100: Rel100,
    /// How it carries digits.
    pub dtmf: Dtmf,
    /// Whether its media is encrypted (RFC 4568).
    pub srtp: Srtp,
}

impl Trunk {
    /// A carrier of which nothing is written but its name.
    #[must_use]
    pub fn new(name: TrunkName, country: crate::number::Country) -> Self {
        Self {
            name,
            peers: Vec::new(),
            media: Arc::from([]),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            country,
            register: None,
            servers: Vec::new(),
            transport: None,
            called: vec![Called::RequestUri],
            caller: vec![CallerId::From],
            trusted: false,
            keepalive: None,
            max_calls: None,
            calls_per_second: None,
            session_timer: None,
            rel100: Rel100::default(),
            dtmf: Dtmf::default(),
            srtp: Srtp::default(),
        }
    }
}

/// A registration of ours with a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// The registrars, in order.
    pub servers: Vec<Server>,
    /// The user part of the address of record, and the name of the digest.
    pub user: String,
    /// The password; none when `${env:…}` is unset, which `serve` refuses.
    pub password: Option<Secret>,
    /// How long a registration shall last.
    pub expires: Duration,
}

/// Where a carrier writes the dialled number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Called {
    /// The request URI.
    RequestUri,
    /// To.
    To,
    /// P-Called-Party-ID (RFC 7315).
    PCalledPartyId,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
}

/// Where a carrier writes the caller's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CallerId {
    /// P-Asserted-Identity (RFC 3325), from trusted carriers.
    PAssertedIdentity,
    /// Remote-Party-ID, from trusted carriers.
    RemotePartyId,
    /// From.
    From,
}

/// What operators may dial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outbound {
    /// The trunks, in order.
    pub via: Vec<TrunkName>,
    /// Numbers in E.164, with `*` at the end for every one that begins so.
    pub allow: Vec<String>,
    /// Numbers that are refused although `allow` has them.
    pub deny: Vec<String>,
    /// Dialled as written, whatever the limits.
    pub emergency: Vec<String>,
    /// Calls of one operator at once.
    pub max_calls: u32,
    /// Calls of one operator in a day.
    pub per_day: Option<u32>,
    /// The hours of the day in which it is allowed, as minutes since midnight; none is always.
    pub hours: Option<(u16, u16)>,
    /// The number shown to whom we call, by the operator's branch.
    pub show: BTreeMap<SiteName, String>,
    /// The number shown where the branch has none.
    pub show_else: Option<String>,
}

/// What an operator's phone shows of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Screen {
    /// The display name of From: a text with `{names}`.
    pub display: String,
    /// The display name in Latin letters, for phones that show no Cyrillic.
    pub transliterate: bool,
    /// The URL of the caller's card, a text with `{names}`.
    pub card: Option<String>,
}

impl Screen {
    /// The names that its texts may hold in braces.
    pub const NAMES: [&str; 9] = [
        "city", "source", "campaign", "site", "queue", "operator", "from", "to", "call_id",
    ];
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            display: "{city} · {source}".to_owned(),
            transliterate: false,
            card: None,
        }
    }
}

/// An operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator {
    /// The key: also the user part the softphone registers with.
    pub name: OperatorName,
    /// The name as people write it.
    pub display: String,
    /// The short number.
    pub number: Option<String>,
    /// The clear secret; none when `${env:…}` is unset, which `serve` refuses.
    pub password: Option<Secret>,
    /// The branch the operator sits in.
    pub site: Option<SiteName>,
    /// Skill to level; 1 is best.
    pub skills: BTreeMap<String, u8>,
    /// Whether the phone's media is encrypted (RFC 4568).
    pub srtp: Srtp,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the clear value.
    #[must_use]
    pub const fn new(clear: String) -> Self {
        Self(clear)
    }

    /// The clear value, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"…\"")
    }
}

/// When a caller's INVITE gets its 200.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer {
    /// On entering the queue.
    Queue,
    /// When an operator speaks; music goes as early media.
    Operator,
}

/// How long a phone is not offered the same caller again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct After {
    /// After a decline, or a hang-up in the whisper.
    pub decline: Duration,
    /// After busy.
    pub busy: Duration,
    /// After ringing out, and after a phone that could not be reached.
    pub no_answer: Duration,
}

/// Where a call can go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// To operators.
    Queue(QueueName),
    /// To a box where the caller leaves a message.
    Voicemail(VoicemailName),
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Queue(name) => write!(out, "queue.{name}"),
            Self::Voicemail(name) => write!(out, "voicemail.{name}"),
        }
    }
}

/// One step of `widen`: from then on operators up to this level are asked too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Widen {
    /// Counted from the moment the caller came into the queue.
    pub after: Duration,
    /// The worst level asked.
    pub level: u8,
}

/// What a queue needs to take a caller in, or to keep one. Zero asks for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Operators who are not logged out, those paused included.
    pub logged_in: u32,
    /// Operators who are neither logged out nor paused.
    pub working: u32,
    /// Operators who are free.
    pub available: u32,
    /// The longest estimated wait.
    pub wait: Option<Duration>,
}

impl Default for Need {
    fn default() -> Self {
        Self {
            logged_in: 1,
            working: 0,
            available: 0,
            wait: None,
        }
    }
}

/// What waiting callers are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    /// Their place.
    pub position: bool,
    /// How long it will take.
    pub wait: bool,
    /// How often.
    pub every: Duration,
}

/// How a caller asks to be called back without losing the place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueCallback {
    /// The key that asks for it.
    pub key: char,
    /// It is offered after so long; none does not offer it by time.
    pub offer_after: Option<Duration>,
    /// It is offered to whoever would wait longer than this.
    pub offer_over: Option<Duration>,
}

/// A key that leads out of a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// The key.
    pub key: char,
    /// Where it leads.
    pub to: Vec<Target>,
}

/// Callers who come back are kept for the operator they spoke with last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sticky {
    /// How long ago that may have been.
    pub within: Duration,
    /// How long they wait for that operator before anybody may take them.
    pub wait: Duration,
}

/// What an operator must say of a talk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disposition {
    /// Whoever has not said it when the paperwork is over is paused until it is said.
    pub require: bool,
    /// The codes, each with the digits that a keypad gives for it.
    pub codes: BTreeMap<String, Option<String>>,
}

/// A box where callers leave messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voicemail {
    /// Its key.
    pub name: VoicemailName,
    /// What is said before the beep.
    pub say: Option<Phrase>,
    /// The longest message.
    pub max: Duration,
}

/// What a missed call becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callbacks {
    /// How soon it is due.
    pub due: Duration,
    /// A caller who left sooner gets none.
    pub ignore_shorter_than: Duration,
    /// The ladder.
    pub attempts: Vec<Rung>,
}

/// One rung of the ladder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rung {
    /// Ring the patient.
    Call {
        /// The number shown, in E.164; none leaves it to `outbound.show`.
        show: Option<String>,
        /// After the attempt before, or after the start.
        after: Duration,
    },
    /// Tell the outside world that a message should be sent.
    Message {
        /// After the attempt before.
        after: Duration,
    },
}

/// What an operator dials to change their own state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureCodes {
    /// Logs in, or out.
    pub login: Option<String>,
    /// Pauses, or ends the pause; followed by digits of `reasons` it names why.
    pub pause: Option<String>,
    /// Ends the paperwork.
    pub wrap_up: Option<String>,
    /// Followed by the digits of a disposition code: says it of the last talk.
    pub disposition: Option<String>,
    /// Digits to reasons for a pause.
    pub reasons: BTreeMap<String, String>,
}

/// When an operator who answered is bridged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Accept {
    /// As soon as the whisper is over.
    #[default]
    Answer,
    /// When the operator has pressed 1.
    Key,
}

/// A queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queue {
    /// Its key.
    pub name: QueueName,
    /// The short number for keypads.
    pub number: Option<String>,
    /// Who serves it, with the level: lower is asked first.
    pub operators: BTreeMap<OperatorName, u8>,
    /// How one is picked among the free of one level.
    pub strategy: Strategy,
    /// How long a phone rings.
    pub ring: Duration,
    /// Paperwork after a talk.
    pub wrap_up: Duration,
    /// The longest wait in this queue; none waits for ever.
    pub max_wait: Option<Duration>,
    /// Where the caller goes then, in order.
    pub overflow: Vec<QueueName>,
    /// What the caller hears.
    pub music: Phrase,
    /// When the caller's INVITE is answered.
    pub answer: Answer,
    /// When the same caller is offered to the same phone again.
    pub after: After,
}

/// What a recording does and how long it stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The notice the caller hears before it begins.
    pub announce: Option<Phrase>,
    /// How long files are kept; none keeps them.
    pub keep: Option<Duration>,
}

/// Where a rule stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// The file as it was named.
    pub file: Arc<str>,
    /// From one.
    pub line: u32,
    /// From one, in characters.
    pub column: u32,
}

/// What the operator hears, from the fullest form to the barest: parts in brackets fall away from
/// the right. The first that is ready when the phone answers is played.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Whisper {
    /// The forms.
    pub forms: Vec<Phrase>,
}

/// What a dialled number means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    /// As the plan writes it.
    pub written: String,
    /// A name people know it by.
    pub name: Option<String>,
    /// The branch.
    pub site: Option<SiteName>,
    /// The city of that branch.
    pub city: Option<String>,
    /// Where the caller saw it.
    pub source: Option<String>,
    /// The campaign it belongs to.
    pub campaign: Option<String>,
    /// The queues, in order.
    pub to: Vec<QueueName>,
    /// The language of whisper and announcements.
    pub language: Language,
    /// What the operator hears.
    pub whisper: Whisper,
    /// Where it is written.
    pub position: Position,
}

/// A branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// Its key.
    pub name: SiteName,
    /// The city.
    pub city: String,
    /// The city as it is spoken after "a call".
    pub from: String,
    /// The language of its callers.
    pub language: Language,
    /// Its time zone, as the tz database names it.
    pub timezone: String,
}

/// The whole plan.
#[derive(Clone, Debug)]
pub struct Dialplan {
    /// SHA-256 of the files, lower-case hex: the `plan` of a call.
    pub hash: String,
    /// How numbers without `+` are read where nothing closer says so.
    pub country: crate::number::Country,
    /// The language where no site says another.
    pub language: Language,
    /// The time zone where no site says another, as the tz database names it.
    pub timezone: String,
    /// Branches.
    pub sites: BTreeMap<SiteName, Site>,
    /// Carriers.
    pub trunks: BTreeMap<TrunkName, Trunk>,
    /// Dialled numbers.
    pub numbers: super::numbers::NumberTable,
    /// Operators.
    pub operators: BTreeMap<OperatorName, Operator>,
    /// Queues.
    pub queues: BTreeMap<QueueName, Queue>,
    /// How long a whisper may last; it is cut there.
    pub whisper_max: Duration,
    /// What operators may dial; none lets them dial each other alone.
    pub outbound: Option<Outbound>,
    /// Names and short numbers of operators, queues and branches, with what dialling them means.
    pub keypad: super::dial::Keypad,
    /// What their phones show.
    pub screen: Screen,
    /// Recording; none records nothing.
    pub recording: Option<Recording>,
    /// The tests it brings along.
    pub tests: Vec<super::schema::PlanTest>,
}

impl Dialplan {
    /// The way of a call: the targets in order, each followed by its overflow, no queue twice.
    #[must_use]
    pub fn way(&self, targets: &[QueueName]) -> Vec<QueueName> {
        self.way_within(targets, limits::OVERFLOW_DEPTH)
    }

    /// Whether a call to these targets could pass more queues than a call may.
    pub(super) fn way_is_too_long(&self, targets: &[QueueName]) -> bool {
        self.way_within(targets, limits::OVERFLOW_DEPTH + 1).len() > limits::OVERFLOW_DEPTH
    }

    fn way_within(&self, targets: &[QueueName], longest: usize) -> Vec<QueueName> {
        let mut way = Vec::new();
        let mut next = targets.iter().rev().collect::<Vec<_>>();
        while let Some(name) = next.pop() {
            if way.len() >= longest || way.contains(name) {
                continue;
            }
            if let Some(queue) = self.queues.get(name) {
                way.push(name.clone());
                next.extend(queue.overflow.iter().rev());
            }
        }
        way
    }

    /// Every phrase a call through this plan can ask for, so that all are rendered before the first.
    #[must_use]
    pub fn phrases(&self) -> BTreeSet<Phrase> {
        let mut all = BTreeSet::new();
        for number in self.numbers.iter() {
            all.extend(number.whisper.forms.iter().cloned());
        }
        all.extend(self.queues.values().map(|queue| queue.music.clone()));
        all.extend(
            self.recording
                .iter()
                .filter_map(|recording| recording.announce.clone()),
        );
        all
    }
}
