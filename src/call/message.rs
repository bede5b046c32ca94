//! The words between a call and the engine that carries them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::facts::CallFacts;
use super::merge::Party;
use super::orders::Order;
use super::supervise::Overseen;
use crate::acd::message::AcdInput;
use crate::dialplan::dial::Dialled;
use crate::id::{
    CallId, LegId, OperatorName, PlayId, QueueName, TicketId, TrunkName, VoicemailName,
};
use crate::ledger::history::History;
use crate::media::command::{MediaCommand, MediaEvent, Recorded, Silence};
use crate::net::Net;
use crate::rng::Rng;
use crate::sip::flow::Flow;
use crate::sip::session::{Cause, IncomingInvite, SessionCommand, SessionEvent};
use crate::sip::uri::Uri;
use crate::time::{Duration, Instant, Now, Wall};
use crate::words::{CallResult, LeftReason, MissReason, Phrase, Prompt, TransferKind};

/// Where one phone of an operator is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// The request URI.
    pub uri: Uri,
    /// The way there.
    pub flow: Flow,
    /// The proxies between (RFC 3327), as Route values.
    pub routes: Vec<Bytes>,
}

/// One way to a number outside: a server of a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The carrier.
    pub trunk: TrunkName,
    /// The request URI.
    pub uri: Uri,
    /// The way there.
    pub flow: Flow,
}

/// What a call is told.
#[derive(Clone, Debug)]
pub enum CallInput {
    /// By one of its SIP sessions.
    Session(SessionEvent),
    /// By the media threads.
    Media(MediaEvent),
    /// By the distributor: the caller came to a queue.
    Joined {
        /// The queue.
        queue: QueueName,
        /// From one.
        position: u32,
        /// How long it will take, where that can be told.
        wait: Option<Duration>,
        /// False when the queue does not take the caller: [`CallInput::Left`] follows at once.
        stays: bool,
    },
    /// By the distributor: ring this operator.
    Offer {
        /// Who.
        operator: OperatorName,
        /// For which queue.
        queue: QueueName,
        /// The operator's phones; may be empty when the last one has just gone.
        contacts: Vec<Contact>,
    },
    /// By the distributor: stop ringing this operator.
    Withdraw {
        /// Who.
        operator: OperatorName,
        /// Why.
        reason: MissReason,
    },
    /// By the distributor: the caller left a queue.
    Left {
        /// The queue.
        queue: QueueName,
        /// Why.
        reason: LeftReason,
        /// How long the caller stood in it.
        wait: Duration,
    },
    /// By the engine: where an operator who was asked for by [`CallEffect::Reach`] is.
    Reached {
        /// Who.
        operator: OperatorName,
        /// The operator's phones; empty when there is none.
        contacts: Vec<Contact>,
        /// In a call already, or rung for one.
        busy: bool,
    },
    /// By the trunks: the ways to a number, the best first; empty when no carrier can be had.
    Ways(Vec<Way>),
    /// By the engine: an operator on the line sends the other party to somebody, who may be wanted.
    Transfer {
        /// The operator's leg; a REFER of it waits for its answer.
        leg: LegId,
        /// To whom.
        dialled: Dialled,
        /// The same as it was dialled.
        to: String,
    },
    /// By the engine: give the party that talks with the operator of this leg to another call.
    Give {
        /// The operator's leg here.
        leg: LegId,
        /// The call that gets the party.
        to: CallId,
        /// The operator's leg there, whose place the party takes.
        instead: LegId,
    },
    /// By the engine: the party that another call gave.
    Take {
        /// The party.
        party: Box<Party>,
        /// Whose place it takes.
        instead: LegId,
    },
    /// By the distributor, asked by [`CallEffect::Place`]: where the caller stands.
    Place {
        /// From one.
        position: u32,
        /// How long it will take, where that can be told.
        wait: Option<Duration>,
    },
    /// By the engine: another phone of an operator on the line takes over.
    Replace {
        /// The new leg.
        leg: LegId,
        /// The leg it replaces.
        old: LegId,
        /// Its INVITE.
        invite: Box<IncomingInvite>,
    },
    /// By the engine: a phone of an operator who is being rung has just come up.
    PhoneUp {
        /// Who.
        operator: OperatorName,
        /// The phone.
        contact: Contact,
    },
    /// By somebody outside, who may.
    Ordered(Order),
    /// By the store: what was told before this gate is on disk.
    Committed(Gate),
    /// Phrases that [`CallEffect::Render`] asked for.
    Rendered {
        /// Those that were asked for.
        asked: Vec<Phrase>,
        /// Those that are ready now.
        prompts: BTreeMap<Phrase, Prompt>,
    },
    /// One of its timers is due.
    Timer(CallTimer),
    /// By the engine: the patient whom this call rings back calls in.
    Recede,
    /// The server wants the call to end.
    HangUp(Cause),
}

/// What waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Gate {
    /// The first response above 100.
    Offered,
    /// The message that ends the caller's leg.
    Ended,
    /// The INVITE to a patient whom we ring back.
    RingsPatient,
}

/// The timers of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CallTimer {
    /// The disk has not answered: go on without it.
    Gate(Gate),
    /// A leg's media port has not opened.
    MediaOpen(LegId),
    /// A carrier has not said a word to an INVITE.
    TrunkSilent(LegId),
    /// The whisper comes too late, has lasted long enough, or is said again.
    Whisper,
    /// Nobody has accepted the call by a key.
    Accept,
    /// The notice should have been heard by now.
    Notice,
    /// Something may have to be said to a caller in a queue.
    Announce,
    /// What a caller at a voicemail box does or hears has lasted long enough.
    Voicemail,
    /// Whoever was dialled has rung long enough.
    Dial,
    /// A transferor has not hung up.
    Transferor,
    /// The phones of a supervisor have rung long enough.
    Supervisor,
    /// The longest call is over.
    Length,
    /// The recording's last word has not come: forget the call without it.
    Recording,
}

impl CallTimer {
    /// The timers that are not a leg's.
    pub const OF_A_CALL: [Self; 13] = [
        Self::Gate(Gate::Offered),
        Self::Gate(Gate::Ended),
        Self::Gate(Gate::RingsPatient),
        Self::Whisper,
        Self::Accept,
        Self::Notice,
        Self::Announce,
        Self::Voicemail,
        Self::Dial,
        Self::Transferor,
        Self::Supervisor,
        Self::Length,
        Self::Recording,
    ];

    /// A word for traces.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Gate(Gate::Offered) => "offered not committed",
            Self::Gate(Gate::Ended) => "outcome not committed",
            Self::Gate(Gate::RingsPatient) => "attempt not committed",
            Self::MediaOpen(_) => "media port not open",
            Self::TrunkSilent(_) => "carrier silent",
            Self::Whisper => "whisper due",
            Self::Accept => "call not accepted",
            Self::Notice => "notice not heard",
            Self::Announce => "announcement due",
            Self::Voicemail => "voicemail at its longest",
            Self::Dial => "rung long enough",
            Self::Transferor => "transferor still there",
            Self::Supervisor => "supervisor rung long enough",
            Self::Length => "call at its longest",
            Self::Recording => "recording not finished",
        }
    }
}

/// What a call wants done.
#[derive(Clone, Debug)]
pub enum CallEffect {
    /// For its SIP sessions.
    Session(SessionCommand),
    /// For the media threads.
    Media(MediaCommand),
    /// For the distributor.
    Acd(AcdInput),
    /// Where does the caller stand? Answered at once by [`CallInput::Place`], if the distributor knows.
    Place,
    /// Which ways lead to a number outside? Answered at once by [`CallInput::Ways`].
    Ways {
        /// The number in E.164, or an emergency number as it was dialled.
        number: String,
    },
    /// The outside world shall know.
    Tell(Box<Told>),
    /// Say [`CallInput::Reached`].
    Reach {
        /// Who is wanted.
        operator: OperatorName,
    },
    /// Say [`CallInput::Committed`] once everything told so far is on disk.
    Commit(Gate),
    /// Make these phrases ready and say [`CallInput::Rendered`].
    Render {
        /// The phrases.
        phrases: Vec<Phrase>,
    },
    /// Start or move a timer.
    SetTimer(CallTimer, Instant),
    /// Stop a timer.
    StopTimer(CallTimer),
    /// The leg is the call's from now on.
    Adopt(LegId),
    /// The leg is gone for good.
    Disown(LegId),
    /// The party is another call's from now on: say [`CallInput::Take`] there.
    Give {
        /// The party.
        party: Box<Party>,
        /// The call.
        to: CallId,
        /// Whose place it takes there.
        instead: LegId,
    },
    /// The journal shall know of a supervisor's part in the call.
    Overseen(Box<Overseen>),
    /// A measured time.
    Measured(Measured),
    /// Something an admin may want to read.
    Note(String),
    /// Nothing of the call is left.
    Done,
}

/// A measured time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Measured {
    /// INVITE received → first response above 100.
    Setup(Duration),
    /// Offer → INVITE to the phone.
    Dispatch(Duration),
    /// Queue joined → left.
    QueueWait(QueueName, Duration),
}

/// News with the facts of its moment.
#[derive(Clone, Debug)]
pub struct Told {
    /// What happened.
    pub news: News,
    /// What is known of the call.
    pub facts: CallFacts,
}

/// What can happen in a call; each becomes an event.
#[derive(Clone, PartialEq, Debug)]
pub enum News {
    /// `call.started`.
    Started,
    /// `call.routed`.
    Routed {
        /// Queues and voicemail boxes in order, or who was dialled.
        targets: Vec<String>,
        /// `file:line` of the rule.
        rule: Option<String>,
        /// Higher is served first.
        priority: i32,
    },
    /// `call.routed` once more: a queue is closed now, and the call goes on.
    Closed {
        /// The queue.
        queue: QueueName,
        /// What is ahead now.
        targets: Vec<String>,
    },
    /// `number.unrouted`.
    Unrouted,
    /// `queue.joined`.
    QueueJoined {
        /// The queue.
        queue: QueueName,
        /// From one.
        position: u32,
        /// How long it will take, where that can be told.
        wait: Option<Duration>,
    },
    /// `callback.opened`, or `callback.repeated`: the caller asked for it in the queue.
    CallbackAsked {
        /// When the caller came into the queue.
        entered: Wall,
        /// The priority there.
        priority: i32,
    },
    /// `callback.dialled`: the patient is about to be rung back.
    RingsPatient,
    /// `queue.left`.
    QueueLeft {
        /// The queue.
        queue: QueueName,
        /// Why.
        reason: LeftReason,
        /// How long the caller stood in it.
        wait: Duration,
    },
    /// `operator.assigned`.
    Assigned {
        /// Who.
        operator: OperatorName,
        /// For which queue.
        queue: QueueName,
    },
    /// `operator.answered`.
    OperatorAnswered {
        /// Who.
        operator: OperatorName,
        /// Since the INVITE.
        ring: Duration,
    },
    /// `operator.missed`.
    OperatorMissed {
        /// Who.
        operator: OperatorName,
        /// Why.
        reason: MissReason,
        /// Since the INVITE.
        ring: Duration,
    },
    /// `whisper.played`.
    Whispered {
        /// Who heard it.
        operator: OperatorName,
        /// What; none when nothing was said.
        phrase: Option<Phrase>,
        /// For how long.
        played: Duration,
        /// It came to its end.
        whole: bool,
    },
    /// `call.bridged`.
    Bridged,
    /// `call.held` and `call.resumed`.
    Held {
        /// Held, or resumed.
        held: bool,
        /// The operator did it, not the caller.
        by_operator: bool,
    },
    /// `call.transferred`.
    Transferred {
        /// How.
        kind: TransferKind,
        /// Who passed it on.
        from: OperatorName,
        /// To whom, as it was dialled.
        to: String,
        /// What came of it.
        result: CallResult,
    },
    /// `recording.started`.
    RecordingStarted {
        /// How long it is kept; none keeps it.
        keep: Option<Duration>,
    },
    /// `recording.paused`, or `recording.resumed` without a reason.
    RecordingSilenced(Option<Silence>),
    /// `recording.finished`.
    RecordingFinished(Box<Recorded>),
    /// `voicemail.recorded`.
    VoicemailRecorded {
        /// The box.
        voicemail: VoicemailName,
        /// How long the caller spoke.
        length: Duration,
        /// The recording's file, relative to the recordings folder.
        file: String,
    },
    /// `recording.failed` of one that goes on when the disk lets it, and `recording.resumed` when it does.
    RecordingTroubled(Option<String>),
    /// `recording.failed`.
    RecordingFailed(String),
    /// `call.ended`.
    Ended,
}

/// What every call of a server shares.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// The address media sockets listen on.
    pub media_address: IpAddr,
    /// The address peers see, where it is another.
    pub media_advertise: Option<IpAddr>,
    /// Peers there get the listening address.
    pub media_local_nets: Vec<Net>,
    /// The longest call.
    pub call_length: Duration,
}

/// Counts up the ids that calls mint.
#[derive(Clone, Debug, Default)]
pub struct Minted {
    /// The last outbound leg.
    pub leg: u64,
    /// The last ticket.
    pub ticket: u64,
    /// The last playout.
    pub play: u64,
}

impl Minted {
    /// A new outbound leg.
    pub const fn leg(&mut self) -> LegId {
        self.leg += 1;
        LegId {
            origin: crate::id::Origin::Outbound,
            number: self.leg,
        }
    }

    /// A new ticket.
    pub const fn ticket(&mut self) -> TicketId {
        self.ticket += 1;
        TicketId(self.ticket)
    }

    /// A new playout.
    pub const fn play(&mut self) -> PlayId {
        self.play += 1;
        PlayId(self.play)
    }
}

/// What a call may look at while it handles an input.
pub struct World<'a> {
    /// The time.
    pub now: Now,
    /// Shared settings.
    pub settings: &'a CallSettings,
    /// Prompts that are ready.
    pub prompts: &'a BTreeMap<Phrase, Prompt>,
    /// Who called before.
    pub history: &'a History,
    /// One more caller can be promised to be called back.
    pub takes_recalls: bool,
    /// Where ids come from.
    pub minted: &'a mut Minted,
    /// Where keys come from.
    pub rng: &'a mut Rng,
}
