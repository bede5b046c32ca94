//! Nouns of the trade that several machines share. No behaviour beyond reading and writing the
//! words that the outside world sees.

use serde::Serialize;

/// Which way a call goes, seen from the clinic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a trunk to us.
    Inbound,
    /// From an operator to an operator.
    Internal,
    /// From an operator to the outside.
    Outbound,
}

/// How an offered call ended; exactly one for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Bridged with an operator.
    Answered,
    /// Nobody spoke with the caller.
    Missed,
    /// Refused on purpose by the dialplan.
    Blocked,
    /// A call of the self test.
    Test,
}

impl Outcome {
    /// Every outcome, in the order of the sum offered = answered + missed + blocked + test.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Missed, Self::Blocked, Self::Test];

    /// The word of events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Missed => "missed",
            Self::Blocked => "blocked",
            Self::Test => "test",
        }
    }
}

/// Why a call was missed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedReason {
    /// The caller hung up while waiting.
    Abandoned,
    /// The queue's longest wait was over and nothing followed.
    Timeout,
    /// No operator could ever have taken it.
    NoOperators,
    /// Outside the opening hours.
    OffHours,
    /// The queue had no place left.
    QueueFull,
    /// The server died while the caller waited.
    Interrupted,
    /// Refused for lack of capacity.
    Refused,
    /// Nobody routes the dialled number.
    Unrouted,
}

impl MissedReason {
    /// The reason by its word; one that nobody knows any more reads as an interruption.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "abandoned" => Self::Abandoned,
            "timeout" => Self::Timeout,
            "no_operators" => Self::NoOperators,
            "off_hours" => Self::OffHours,
            "queue_full" => Self::QueueFull,
            "refused" => Self::Refused,
            "unrouted" => Self::Unrouted,
            _ => Self::Interrupted,
        }
    }
}

/// Why a missed call opened no callback.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoCallback {
    /// The caller was gone before anybody could have answered.
    Short,
    /// No number to ring back.
    Anonymous,
    /// The dialled number is not ours to answer.
    Unrouted,
}

/// How a queue picks among its free operators of one level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The one whose last talk ended longest ago.
    LongestIdle,
    /// Each in turn: the one whom this queue asked longest ago.
    RoundRobin,
    /// The one with the fewest talks since logging in.
    FewestCalls,
    /// The one who has talked least since logging in.
    LeastTalkTime,
    /// Everybody free; the first answer wins.
    RingAll,
    /// The longest idle first, then one phone more every `step`, none of them stopping.
    Progressive,
    /// The first free one in the order of the plan.
    Linear,
    /// Anyone, with the same chance.
    Random,
}

impl Strategy {
    /// Every strategy with its word.
    pub const ALL: [(&str, Self); 8] = [
        ("longest_idle", Self::LongestIdle),
        ("round_robin", Self::RoundRobin),
        ("fewest_calls", Self::FewestCalls),
        ("least_talk_time", Self::LeastTalkTime),
        ("ring_all", Self::RingAll),
        ("progressive", Self::Progressive),
        ("linear", Self::Linear),
        ("random", Self::Random),
    ];
}

/// What a supervisor does in somebody's call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// Hears both, and is heard by nobody.
    Listen,
    /// Hears both, and is heard by the operator alone.
    Coach,
    /// Hears both, and is heard by both.
    Barge,
}

impl Supervision {
    /// The word of events and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Coach => "coach",
            Self::Barge => "barge",
        }
    }
}

/// What somebody with a token may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Sees and moves the floor, hears calls and recordings.
    Supervisor,
    /// Sees the floor, and moves their own state alone.
    Operator,
    /// Sees everything, hears recordings, changes nothing.
    Auditor,
    /// Another program: reads, tags calls, brings leads.
    Integration,
}

impl Role {
    /// Every role with its word.
    pub const ALL: [(&str, Self); 5] = [
        ("admin", Self::Admin),
        ("supervisor", Self::Supervisor),
        ("operator", Self::Operator),
        ("auditor", Self::Auditor),
        ("integration", Self::Integration),
    ];
}

/// Whether provisional responses are acknowledged (RFC 3262).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Rel100 {
    /// Never, and a peer that requires it is refused.
    Off,
    /// Where the peer wants it.
    #[default]
    Supported,
    /// The peer must do it.
    Required,
}

/// How a trunk carries digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Dtmf {
    /// In RTP (RFC 4733).
    #[default]
    Rfc4733,
    /// By INFO (RFC 6086).
    Info,
}

/// Whether media is encrypted (RFC 4568).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Srtp {
    /// Never.
    #[default]
    Off,
    /// Where the peer can.
    Optional,
    /// Always; who cannot is refused.
    Required,
}

/// A suite of SDES-SRTP (RFC 4568 6.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SrtpSuite {
    /// With a tag of 80 bits.
    AesCm128HmacSha1Tag80,
    /// With a tag of 32 bits on RTP, and of 80 bits on RTCP.
    AesCm128HmacSha1Tag32,
}

impl SrtpSuite {
    /// The word of SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// What one side of an encrypted stream encrypts with: a secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    /// How.
    pub suite: SrtpSuite,
    /// The master key.
    pub master: [u8; 16],
    /// The master salt.
    pub salt: [u8; 14],
    /// The name of the key that each packet carries before its tag; mostly none.
    pub mki: Box<[u8]>,
}

impl std::fmt::Debug for SrtpKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SrtpKey({})", self.suite.as_str())
    }
}

/// The keys of both directions of an encrypted stream; each side names its own (RFC 4568 5.1.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SrtpKeys {
    /// Ours.
    pub ours: SrtpKey,
    /// The peer's.
    pub theirs: SrtpKey,
}

/// How a call that an operator began ended; it never enters the sum of the offered ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// The parties spoke.
    Answered,
    /// The other side was busy or declined.
    Busy,
    /// It rang out.
    NoAnswer,
    /// It could not be reached, or the call was refused.
    Failed,
    /// The operator gave up.
    Cancelled,
}

/// How a call was passed on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Without a word to whoever gets it.
    Blind,
    /// After a talk with whoever gets it.
    Attended,
    /// A supervisor took it from the operator.
    Takeover,
}

/// What an operator is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorState {
    /// No phone is registered.
    LoggedOut,
    /// Registered, and takes no calls.
    Paused,
    /// Free.
    Available,
    /// Chosen for a caller; the phone does not ring yet.
    Reserved,
    /// The phone rings.
    Ringing,
    /// Hears the whisper or talks.
    Talking,
    /// Finishing the paperwork of the last talk.
    WrapUp,
}

impl OperatorState {
    /// Every state, in the order of a day.
    pub const ALL: [Self; 7] = [
        Self::LoggedOut,
        Self::Paused,
        Self::Available,
        Self::Reserved,
        Self::Ringing,
        Self::Talking,
        Self::WrapUp,
    ];

    /// The word of events, metrics and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Paused => "paused",
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Ringing => "ringing",
            Self::Talking => "talking",
            Self::WrapUp => "wrap_up",
        }
    }
}

/// Why a call left a queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftReason {
    /// Bridged with an operator.
    Answered,
    /// The caller hung up.
    Abandoned,
    /// `max_wait` was over; the overflow, if any, follows.
    Timeout,
    /// Nobody serves this queue.
    NoOperators,
    /// No place was left.
    QueueFull,
    /// The estimated wait was over what the queue allows.
    EstimatedWait,
    /// The caller pressed the key that leads elsewhere.
    ExitKey,
    /// The caller hung up to be called back, and keeps the place.
    Callback,
    /// Sent to another queue by a supervisor.
    Moved,
}

/// Why an operator did not take an offered call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MissReason {
    /// Declined on the phone, or hung up in the whisper.
    Declined,
    /// The phone said busy.
    Busy,
    /// Rang out.
    NoAnswer,
    /// The phone could not be reached or refused the media.
    Failed,
    /// Another operator was faster, or the caller left.
    Withdrawn,
}

/// A voice codec that we speak ourselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// G.711 A-law, static payload type 8 (RFC 3551).
    Pcma,
    /// G.711 µ-law, static payload type 0 (RFC 3551).
    Pcmu,
}

impl Codec {
    /// The static payload type of RFC 3551.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// The encoding name of RFC 3551, as SDP writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }
}

/// A language prompts are spoken in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Ukrainian.
    Uk,
    /// Russian.
    Ru,
    /// English.
    En,
}

impl Language {
    /// The two-letter code of ISO 639-1.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uk => "uk",
            Self::Ru => "ru",
            Self::En => "en",
        }
    }
}

/// Something to be spoken: what the dialplan asks for and the prompt store finds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phrase {
    /// Text in a language.
    Spoken {
        /// The language of the voice.
        language: Language,
        /// The words, as the dialplan writes them.
        text: String,
    },
    /// A sound file, by its path under `prompts/`.
    File(String),
    /// A tone, which is always ready.
    Tone(Tone),
}

/// A tone of our own making.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tone {
    /// One short beep: speak now, or here is a call.
    Beep,
    /// Two rising beeps: it was done.
    Done,
    /// Two low beeps: it was not done.
    Refused,
}

impl Tone {
    /// The word of events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Beep => "beep",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// A sound that is ready to be played, by the hash of its samples.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prompt {
    /// The first 16 bytes of the SHA-256 of its samples.
    pub key: u128,
    /// How long it lasts.
    pub duration: crate::time::Duration,
}
