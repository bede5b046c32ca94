//! The call: its state, and which handler an input goes to.
//!
//! The handlers are in [`super::entry`], [`super::ringing`], [`super::talking`] and
//! [`super::ending`]; every one of them leaves the call in a whole state and writes what it wants to
//! a list of effects that the engine applies after it returned.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::announce::Announcing;
use super::dial::Dial;
use super::ending::Farewell;
use super::facts::CallFacts;
use super::keys::{Carried, Pressed};
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallInput, CallTimer, Gate, News, Told, World};
use super::offer::Offer;
use super::path::Path;
use super::phase::{Notice, Phase};
use super::recall::{Outside, Recall};
use super::replace::Replacement;
use super::seat::Seat;
use super::silence::Typed;
use super::supervise::Supervisor;
use super::transfer::Transfer;
use super::voicemail::Message;
use super::whisper::Rendered;
use crate::acd::message::AcdInput;
use crate::dialplan::decide::Decision;
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::Dialplan;
use crate::id::{CallId, LegId, OperatorName, PlayId, QueueName, TicketId};
use crate::media::command::{MediaCommand, MediaEvent, Silence};
use crate::sip::session::{SessionCommand, SessionEvent};
use crate::time::Instant;
use crate::words::{MissedReason, Phrase};

/// The effects of one step, in order.
pub type Effects = VecDeque<CallEffect>;

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) facts: CallFacts,
    pub(super) plan: Arc<Dialplan>,
    pub(super) decision: Decision,
    /// The targets ahead.
    pub(super) path: Path,
    /// What the caller is told while waiting.
    pub(super) announcing: Announcing,
    /// The caller has had the first response above 100.
    pub(super) greeted: bool,
    pub(super) phase: Phase,
    pub(super) notice: Notice,
    pub(super) caller: Leg,
    pub(super) caller_offer: Option<bytes::Bytes>,
    pub(super) caller_answer: Option<bytes::Bytes>,
    pub(super) ticket: TicketId,
    /// The distributor knows the ticket.
    pub(super) queued: bool,
    /// The queue that was told to be joined and not yet to be left.
    pub(super) stands_in: Option<QueueName>,
    pub(super) offers: BTreeMap<OperatorName, Offer>,
    pub(super) operator: Option<Leg>,
    /// The operators on the line, by their legs.
    pub(super) seats: BTreeMap<LegId, Seat>,
    /// Who is dialled once the call is let in; none when it goes to a queue.
    pub(super) dials: Option<Dialled>,
    /// Who is rung outside any queue.
    pub(super) dial: Option<Dial>,
    /// The other party is being sent to somebody else.
    pub(super) transfer: Option<Transfer>,
    /// A transferor who is about to hang up.
    pub(super) parting: Option<Leg>,
    /// Who hears the talk besides the parties, or is rung to.
    pub(super) supervisor: Option<Supervisor>,
    /// A phone that takes another one's place as soon as it has its port.
    pub(super) replacement: Option<Replacement>,
    /// The place of an earlier call of the same caller: the queue, and since when.
    pub(super) place: Option<(QueueName, Instant)>,
    /// We ring a patient back.
    pub(super) recall: Option<Recall>,
    /// Somebody outside is rung, or was.
    pub(super) outside: Option<Outside>,
    /// A tone that answers a key of the caller's.
    pub(super) tone: Option<PlayId>,
    pub(super) music: Option<Phrase>,
    /// Somebody outside holds the talk.
    pub(super) parked: bool,
    /// What was rendered for its operators.
    pub(super) rendered: Rendered,
    /// The last key of each leg.
    pub(super) pressed: BTreeMap<LegId, Pressed>,
    /// Every leg the call ever had; the engine forgets them with the call.
    pub(super) adopted: Vec<LegId>,
    /// Sessions that SIP has not closed yet.
    pub(super) open: BTreeSet<LegId>,
    pub(super) farewell: Option<Farewell>,
    pub(super) recording: bool,
    /// Why the recording holds silence now.
    pub(super) silence: Option<Silence>,
    /// The keys that an operator pressed last while talking.
    pub(super) typed: Typed,
    pub(super) since: Instant,
    pub(super) bridged: Option<Instant>,
}

/// What a call is begun with, whoever begins it.
pub(super) struct Beginning {
    pub(super) facts: CallFacts,
    pub(super) plan: Arc<Dialplan>,
    pub(super) decision: Decision,
    pub(super) path: Path,
    pub(super) phase: Phase,
    pub(super) notice: Notice,
    pub(super) caller: Leg,
    pub(super) ticket: TicketId,
}

impl Call {
    /// A call in which nothing has happened yet.
    pub(super) fn begin(beginning: Beginning, now: Instant) -> Self {
        let Beginning {
            facts,
            plan,
            decision,
            path,
            phase,
            notice,
            caller,
            ticket,
        } = beginning;
        Self {
            facts,
            plan,
            decision,
            path,
            announcing: Announcing::default(),
            greeted: false,
            phase,
            notice,
            caller,
            caller_offer: None,
            caller_answer: None,
            ticket,
            queued: false,
            stands_in: None,
            offers: BTreeMap::new(),
            operator: None,
            seats: BTreeMap::new(),
            dials: None,
            dial: None,
            transfer: None,
            parting: None,
            supervisor: None,
            replacement: None,
            place: None,
            recall: None,
            outside: None,
            tone: None,
            music: None,
            parked: false,
            rendered: Rendered::default(),
            pressed: BTreeMap::new(),
            adopted: Vec::new(),
            open: BTreeSet::new(),
            farewell: None,
            recording: false,
            silence: None,
            typed: Typed::default(),
            since: now,
            bridged: None,
        }
    }

    /// The call's id.
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.facts.id
    }

    /// The place in the queue.
    #[must_use]
    pub const fn ticket(&self) -> TicketId {
        self.ticket
    }

    /// What is known of the call.
    #[must_use]
    pub const fn facts(&self) -> &CallFacts {
        &self.facts
    }

    /// The queue the caller stands in.
    #[must_use]
    pub const fn stands_in(&self) -> Option<&QueueName> {
        self.stands_in.as_ref()
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether the outcome is known and only legs are being closed.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether only the lingering of its legs keeps it here.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.ended() && self.farewell.is_none() && !self.recording
    }

    /// The operators it holds, with the ticket of each. One who is still being rung for a queue is
    /// none of them.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        let rung = self.dial.iter().filter_map(|dial| dial.seat.as_ref());
        let supervisor = self.supervisor.iter().map(|it| &it.seat);
        self.seats.values().chain(rung).chain(supervisor)
    }

    /// Whose leg it is, when an operator talks on it.
    #[must_use]
    pub fn operator_on(&self, leg: LegId) -> Option<&OperatorName> {
        self.seats.get(&leg).map(|seat| &seat.operator)
    }

    /// The plan that decided.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Dialplan> {
        &self.plan
    }

    /// Every leg the call ever had.
    pub fn legs(&self) -> impl Iterator<Item = LegId> {
        self.adopted.iter().copied()
    }

    /// The caller's leg while music, a notice or a prompt is due on it: in a queue, whoever may be
    /// ringing, while the operator hears the whisper, while a callback is confirmed, and at a voicemail
    /// box but for the message.
    #[must_use]
    pub fn entertained(&self) -> Option<LegId> {
        let due = match &self.phase {
            Phase::Waiting | Phase::Whispering(_) | Phase::Confirming(_) => true,
            Phase::Voicemail(message) => !matches!(message, Message::Recording { .. }),
            Phase::Dialling => self.transfer.is_some(),
            Phase::Opening { .. } | Phase::Talking | Phase::Ended => false,
        };
        due.then_some(self.caller.id)
    }

    /// Handles one input.
    pub fn handle(&mut self, world: &mut World<'_>, input: CallInput, fx: &mut Effects) {
        match input {
            CallInput::Session(event) => self.handle_session(world, event, fx),
            CallInput::Media(event) => self.handle_media(world, event, fx),
            CallInput::Joined {
                queue,
                position,
                wait,
                stays,
            } => {
                let place = (position, wait);
                self.joined(world, queue, place, stays, fx);
            }
            CallInput::Place { position, wait } => self.placed(world, position, wait, fx),
            CallInput::Offer {
                operator,
                queue,
                contacts,
            } => self.ring(world, operator, queue, contacts, fx),
            CallInput::Withdraw { operator, reason } => {
                self.withdraw(world, &operator, reason, fx);
            }
            CallInput::Left {
                queue,
                reason,
                wait,
            } => self.left(world, queue, reason, wait, fx),
            CallInput::Reached {
                operator,
                contacts,
                busy,
            } => self.reached(world, &operator, contacts, busy, fx),
            CallInput::Ways(ways) => self.ways(world, ways, fx),
            CallInput::Transfer { leg, dialled, to } => {
                self.transfer(world, leg, dialled, to, fx);
            }
            CallInput::Give { leg, to, instead } => self.give(world, leg, to, instead, fx),
            CallInput::Take { party, instead } => self.take(world, *party, instead, fx),
            CallInput::Replace { leg, old, invite } => self.replace(world, leg, old, &invite, fx),
            CallInput::PhoneUp { operator, contact } => {
                self.phone_up(world, &operator, contact, fx);
            }
            CallInput::Ordered(order) => self.ordered(world, order, fx),
            CallInput::Committed(gate) => self.committed(world, gate, fx),
            CallInput::Rendered { asked, prompts } => {
                self.take_rendered(world, &asked, prompts, fx);
            }
            CallInput::Timer(timer) => self.handle_timer(world, timer, fx),
            CallInput::Recede => self.recede(world, fx),
            CallInput::HangUp(cause) => {
                self.hang_up(world, cause, MissedReason::Interrupted, fx);
            }
        }
        self.finish_if_over(fx);
    }

    fn handle_session(&mut self, world: &mut World<'_>, event: SessionEvent, fx: &mut Effects) {
        match event {
            SessionEvent::Incoming { .. } => {}
            SessionEvent::Cancelled { leg, .. } => self.caller_cancelled(world, leg, fx),
            SessionEvent::Progress { leg, code, answer } => {
                if self.dials_on(leg) {
                    self.try_heard(world, leg, code, answer.as_deref(), fx);
                } else if code >= 180 {
                    self.phone_rings(world, leg, fx);
                }
            }
            SessionEvent::Answered { leg, answer, peer } => {
                if self.rings_supervisor(leg) {
                    self.supervisor_answered(world, leg, answer.as_deref(), peer, fx);
                } else if self.dials_on(leg) {
                    self.try_answered(world, leg, answer.as_deref(), peer, fx);
                } else {
                    self.phone_answered(world, leg, answer.as_deref(), peer, fx);
                }
            }
            SessionEvent::Rejected {
                leg,
                code,
                contacts,
            } => {
                if self.rings_supervisor(leg) {
                    Self::media(MediaCommand::Close { leg }, fx);
                    self.supervisor_phone_failed(world.now.mono, leg, code, fx);
                } else if self.dials_on(leg) {
                    Self::media(MediaCommand::Close { leg }, fx);
                    if !self.redirected(world, leg, code, &contacts, fx) {
                        self.try_failed(world, leg, code, fx);
                    }
                } else {
                    self.phone_rejected(world, leg, code, fx);
                }
            }
            SessionEvent::Confirmed { leg, answer } => {
                self.confirmed(world, leg, answer.as_deref(), fx);
            }
            SessionEvent::Reoffer { leg, offer } => {
                self.reoffered(world, leg, offer.as_deref(), fx);
            }
            // What a REFER asks for comes as [`CallInput::Transfer`].
            SessionEvent::Refer { .. } | SessionEvent::ReofferAnswered { .. } => {}
            SessionEvent::Digit { leg, digit } => self.key(world, leg, digit, Carried::Info, fx),
            SessionEvent::Bye { leg } => self.bye(world, leg, fx),
            SessionEvent::Failed { leg, cause } => {
                fx.push_back(CallEffect::Note(format!("leg {leg} broke: {}", cause.text)));
                self.leg_gone(world, leg, fx);
            }
            SessionEvent::Closed { leg } => {
                if self.counts_on(leg) {
                    self.leg_gone(world, leg, fx);
                }
                self.open.remove(&leg);
                self.pressed.remove(&leg);
                self.adopted.retain(|known| *known != leg);
                fx.push_back(CallEffect::Disown(leg));
            }
        }
    }

    fn handle_media(&mut self, world: &mut World<'_>, event: MediaEvent, fx: &mut Effects) {
        match event {
            MediaEvent::Opened { leg, port } => self.port_open(world, leg, port, fx),
            MediaEvent::OpenFailed { leg } => self.port_failed(world, leg, fx),
            MediaEvent::Played { leg, play } => self.played(world, leg, play, fx),
            MediaEvent::Digit { leg, digit } => self.key(world, leg, digit, Carried::Sound, fx),
            MediaEvent::Silent { leg } => self.silent(world, leg, fx),
            MediaEvent::Recorded { recorded, .. } => {
                self.recording = false;
                self.tell_message(&recorded, fx);
                self.tell(News::RecordingFinished(recorded), fx);
            }
            MediaEvent::RecordTroubled { why, .. } => {
                self.tell(News::RecordingTroubled(why), fx);
            }
            MediaEvent::RecordFailed { why, .. } => {
                self.recording = false;
                self.tell(News::RecordingFailed(why), fx);
            }
        }
    }

    fn handle_timer(&mut self, world: &mut World<'_>, timer: CallTimer, fx: &mut Effects) {
        match timer {
            CallTimer::Gate(gate) => {
                fx.push_back(CallEffect::Note(format!(
                    "the store is slow: going on although the {} is not on disk",
                    match gate {
                        Gate::Offered => "offered call",
                        Gate::Ended => "outcome",
                        Gate::RingsPatient => "attempt to ring back",
                    }
                )));
                self.committed(world, gate, fx);
            }
            CallTimer::MediaOpen(leg) => self.port_failed(world, leg, fx),
            CallTimer::Whisper => self.whisper_due(world, fx),
            CallTimer::Accept => self.not_accepted(world, fx),
            CallTimer::Notice if matches!(self.phase, Phase::Confirming(_)) => {
                self.confirmed_callback(world, fx);
            }
            CallTimer::Notice => self.notice_over(world, fx),
            CallTimer::Announce => self.announcement_due(world, fx),
            CallTimer::Voicemail => self.voicemail_late(world, fx),
            CallTimer::TrunkSilent(leg) => self.trunk_silent(world, leg, fx),
            CallTimer::Transferor => self.hang_up_transferor(fx),
            CallTimer::Supervisor => self.supervisor_rang_out(world.now.mono, fx),
            CallTimer::Dial => self.rang_out(world, fx),
            CallTimer::Length => {
                self.hang_up(world, super::cause::TOO_LONG, MissedReason::Timeout, fx);
            }
            CallTimer::Recording => self.recording = false,
        }
    }

    pub(super) fn tell(&self, news: News, fx: &mut Effects) {
        fx.push_back(CallEffect::Tell(Box::new(Told {
            news,
            facts: self.facts.clone(),
        })));
    }

    pub(super) fn session(command: SessionCommand, fx: &mut Effects) {
        fx.push_back(CallEffect::Session(command));
    }

    pub(super) fn media(command: MediaCommand, fx: &mut Effects) {
        fx.push_back(CallEffect::Media(command));
    }

    pub(super) fn acd(input: AcdInput, fx: &mut Effects) {
        fx.push_back(CallEffect::Acd(input));
    }

    /// Whether something of the call still hangs on a leg's session.
    fn counts_on(&self, leg: LegId) -> bool {
        let caller = leg == self.caller.id && self.caller.sip != Sip::Over;
        let operator = self.operator.as_ref().is_some_and(|it| it.id == leg);
        let parting = self.parting.as_ref().is_some_and(|it| it.id == leg);
        let transfer = self.transfer.as_ref().and_then(|it| it.leg.as_ref());
        let transferor = transfer.is_some_and(|it| it.id == leg);
        let waiting = self.rung(leg).is_some() || self.dials_on(leg) || self.replaces_with(leg);
        let supervisor = self.rings_supervisor(leg) || self.is_supervisor(leg);
        caller || operator || parting || transferor || supervisor || waiting
    }

    fn finish_if_over(&self, fx: &mut Effects) {
        if self.is_settled() && self.open.is_empty() {
            fx.push_back(CallEffect::Done);
        }
    }
}

#[cfg(test)]
mod tests;
