//! A supervisor in somebody's talk: rung by a command, then a third party who listens, coaches, barges in,
//! or takes the caller over.
//!
//! ```text
//!          command                answered                 another mode
//! nobody ─────────► phones ring ─────────────► on the line ◄──────────────┐
//!   ▲                  │   │                     │ │ └────────────────────┘
//!   │ nobody answered  │   └── take over ──► the operator's place ◄── take over
//!   └──────────────────┴────── hung up, call over, no operator left ──────┘
//! ```
//!
//! A call has one supervisor at most. They belong to the call and follow it: while the caller is sent on
//! they hear music, and the next bridge has them in it again, in the same mode, unless no operator is
//! left to supervise. When two calls become one, those of the call that ends are let go. Who may
//! supervise is judged by the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::call::{Call, Effects};
use super::cause;
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallTimer, Contact, News, World};
use super::offer::Phone;
use super::phase::Phase;
use super::screen::Shown;
use super::seat::Seat;
use crate::acd::message::AcdInput;
use crate::id::{LegId, OperatorName};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::sip::session::{Cause, SessionCommand};
use crate::time::{Duration, Instant};
use crate::words::{CallResult, Role, Srtp, Supervision, TransferKind};

/// What a supervisor wants in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// To take part.
    TakePart(Supervision),
    /// The operator's place.
    TakeOver,
}

impl Aim {
    /// The word of the journal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TakePart(mode) => mode.as_str(),
            Self::TakeOver => "takeover",
        }
    }
}

/// Who gave the command, for the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overseer {
    /// The name of the token, or of the operator.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What the engine has found in order.
#[derive(Clone, Debug)]
pub struct Oversight {
    /// Whose phones are rung.
    pub supervisor: OperatorName,
    /// What for.
    pub aim: Aim,
    /// Who wants it.
    pub by: Overseer,
    /// The supervisor's phones; not looked at when the supervisor is in the call already.
    pub contacts: Vec<Contact>,
}

/// What came of a supervisor's part in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The supervisor is on the line.
    Begun,
    /// And is not any more, or takes part in another way.
    Ended,
    /// The supervisor has the caller.
    TakenOver,
    /// There was nothing left to take over when the phone was answered.
    TooLate,
    /// The call was over before a phone was answered.
    Cancelled,
    /// The phones are busy, or do not want.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// No phone could be reached.
    Failed,
}

impl Part {
    /// The word of the journal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Ended => "ended",
            Self::TakenOver => "taken_over",
            Self::TooLate => "too_late",
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
        }
    }

    const fn of_response(code: u16) -> Self {
        match cause::result_of(code) {
            CallResult::Busy => Self::Busy,
            CallResult::NoAnswer => Self::NoAnswer,
            CallResult::Answered | CallResult::Failed | CallResult::Cancelled => Self::Failed,
        }
    }
}

/// What the journal is told of a supervisor's part in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overseen {
    /// Who gave the command.
    pub by: Overseer,
    /// What was done.
    pub aim: Aim,
    /// The supervisor.
    pub supervisor: OperatorName,
    /// The operator who was supervised.
    pub operator: Option<OperatorName>,
    /// What came of it.
    pub part: Part,
    /// How long it lasted, at its end.
    pub lasted: Option<Duration>,
}

/// The supervisor of a call.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The place on the floor.
    pub seat: Seat,
    aim: Aim,
    by: Overseer,
    /// The phones that ring.
    rung: BTreeMap<LegId, Phone>,
    /// The phone that answered.
    leg: Option<Leg>,
    /// Since when it is on the line in this mode.
    since: Instant,
}

impl Supervisor {
    /// The phone that answered, or those that ring.
    pub(super) fn legs(&self) -> impl Iterator<Item = LegId> {
        let answered = self.leg.iter().map(|leg| leg.id);
        answered.chain(self.rung.keys().copied())
    }

    /// The phone that answered.
    pub(super) const fn leg_mut(&mut self) -> Option<&mut Leg> {
        self.leg.as_mut()
    }
}

impl Call {
    /// Who supervises the call, or is being rung to.
    #[must_use]
    pub fn supervised_by(&self) -> Option<&OperatorName> {
        self.supervisor.as_ref().map(|it| &it.seat.operator)
    }

    /// The operator whom a supervisor would hear; none while no operator talks.
    #[must_use]
    pub fn supervisable(&self) -> Option<&OperatorName> {
        let sides = self.sides().filter(|_| self.phase == Phase::Talking);
        self.operator_on(sides?.1)
    }

    /// A supervisor shall take part, or take part in another way than before.
    pub(super) fn supervise(
        &mut self,
        world: &mut World<'_>,
        oversight: Oversight,
        fx: &mut Effects,
    ) {
        let Oversight {
            supervisor: operator,
            aim,
            by,
            contacts,
        } = oversight;
        if self.supervisable().is_none() {
            return;
        }
        if let Some(known) = &self.supervisor {
            if known.seat.operator != operator {
                return;
            }
            let on_line = known.leg.is_some();
            if on_line {
                self.tell_overseen(Part::Ended, world.now.mono, fx);
            }
            if let Some(known) = &mut self.supervisor {
                (known.aim, known.by) = (aim, by);
            }
            if on_line {
                self.supervisor_is_on_line(world, fx);
            }
            return;
        }
        let seat = Seat {
            operator,
            ticket: world.minted.ticket(),
        };
        self.engage(&seat, fx);
        let phones = contacts.into_iter().take(limits::PHONES_OF_AN_OPERATOR);
        let rung = phones
            .map(|contact| self.supervisor_phone(world, &seat.operator, contact, fx))
            .collect();
        self.supervisor = Some(Supervisor {
            seat,
            aim,
            by,
            rung,
            leg: None,
            since: world.now.mono,
        });
        let until = world.now.mono + limits::RING_DIRECT;
        fx.push_back(CallEffect::SetTimer(CallTimer::Supervisor, until));
    }

    /// A leg to a supervisor's phone, with its port asked for. It is no attempt at the caller's sake, and
    /// no event of the call shows it.
    fn supervisor_phone(
        &mut self,
        world: &mut World<'_>,
        operator: &OperatorName,
        contact: Contact,
        fx: &mut Effects,
    ) -> (LegId, Phone) {
        let id = world.minted.leg();
        let rules = self.plan.operators.get(operator);
        let srtp = rules.map_or(Srtp::Off, |rules| rules.srtp);
        let leg = Leg::new(
            id,
            Sip::Unsent,
            &contact.flow,
            Self::phone_media(contact.flow.peer.ip()),
            self.phone_codecs(),
            id.number,
            world.settings,
        )
        .encrypted(srtp, world.rng);
        fx.push_back(CallEffect::Adopt(id));
        self.adopted.push(id);
        self.open_port(id, world, fx);
        (id, Phone { leg, contact })
    }

    /// Whether this leg rings for the supervisor.
    pub(super) fn rings_supervisor(&self, leg: LegId) -> bool {
        let supervisor = self.supervisor.as_ref();
        supervisor.is_some_and(|it| it.rung.contains_key(&leg))
    }

    /// Whether the supervisor is on the line by this leg.
    pub(super) fn is_supervisor(&self, leg: LegId) -> bool {
        let on_line = self.supervisor.as_ref().and_then(|it| it.leg.as_ref());
        on_line.is_some_and(|of| of.id == leg)
    }

    /// A phone's port is open: its INVITE goes.
    pub(super) fn supervisor_port_open(&mut self, leg: LegId, port: u16, fx: &mut Effects) {
        let from = self.facts.from.as_deref().unwrap_or("anonymous").to_owned();
        let talks = self.facts.operator.as_ref();
        let talks = talks.and_then(|operator| self.plan.operators.get(operator));
        let display = talks.map(|it| it.display.clone()).unwrap_or_default();
        let Some(supervisor) = &mut self.supervisor else {
            return;
        };
        let Some(phone) = supervisor.rung.get_mut(&leg) else {
            return;
        };
        let shown = Shown {
            display,
            ..Shown::default()
        };
        let Some(invite) = phone.rings(port, &from, shown) else {
            return;
        };
        self.open.insert(leg);
        let invite = Box::new(invite);
        Self::session(SessionCommand::Invite { leg, invite }, fx);
    }

    /// A phone of the supervisor answered: the first one wins.
    pub(super) fn supervisor_answered(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        answer: Option<&[u8]>,
        peer: IpAddr,
        fx: &mut Effects,
    ) {
        let Some(supervisor) = &mut self.supervisor else {
            return;
        };
        let Some(mut phone) = supervisor.rung.remove(&leg) else {
            return;
        };
        phone.leg.sip = Sip::Answered;
        phone.leg.learn_phone(peer);
        if !answer.is_some_and(|answer| phone.leg.accept(answer)) {
            let note = "the supervisor's phone answered without a codec we speak".to_owned();
            fx.push_back(CallEffect::Note(note));
            self.end_leg(leg, Sip::Answered, cause::MEDIA, fx);
            return self.supervisor_not_reached(Part::Failed, world.now.mono, fx);
        }
        let others = std::mem::take(&mut supervisor.rung);
        let remote = phone.leg.remote();
        supervisor.leg = Some(phone.leg);
        fx.push_back(CallEffect::StopTimer(CallTimer::Supervisor));
        for (other, phone) in others {
            self.end_leg(other, phone.leg.sip, cause::ELSEWHERE, fx);
        }
        if let Some(remote) = remote {
            Self::media(MediaCommand::Connect { leg, remote }, fx);
        }
        self.supervisor_is_on_line(world, fx);
    }

    /// The supervisor is on the line, or wants something else than before.
    fn supervisor_is_on_line(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Some(supervisor) = &mut self.supervisor else {
            return;
        };
        supervisor.since = world.now.mono;
        match supervisor.aim {
            Aim::TakeOver => self.take_over(world, fx),
            Aim::TakePart(_) => {
                self.tell_overseen(Part::Begun, world.now.mono, fx);
                if self.phase == Phase::Talking {
                    self.join_supervisor(world.now.mono, fx);
                } else {
                    self.entertain_supervisor(world, fx);
                }
            }
        }
    }

    /// The parties hear each other: so does the supervisor, as long as there is an operator.
    pub(super) fn join_supervisor(&mut self, now: Instant, fx: &mut Effects) {
        let on_line = self.supervisor.as_ref().and_then(|it| it.leg.as_ref());
        let Some(leg) = on_line.map(|of| of.id) else {
            return;
        };
        let sides = self.sides().filter(|_| self.supervisable().is_some());
        let Some((_, operator)) = sides else {
            return self.drop_supervisor(Part::Ended, &cause::NORMAL, now, fx);
        };
        let mode = match self.supervisor.as_ref().map(|it| it.aim) {
            Some(Aim::TakePart(mode)) => Some(mode),
            Some(Aim::TakeOver) | None => None,
        };
        Self::media(
            MediaCommand::Supervise {
                leg,
                operator,
                mode,
            },
            fx,
        );
    }

    /// While the caller is sent on, the supervisor hears what the caller hears.
    pub(super) fn entertain_supervisor(&self, world: &mut World<'_>, fx: &mut Effects) {
        let on_line = self.supervisor.as_ref().and_then(|it| it.leg.as_ref());
        if let Some(leg) = on_line {
            self.entertain(world, leg.id, fx);
        }
    }

    /// The supervisor takes the operator's place, whose leg is hung up.
    fn take_over(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let sides = self.sides();
        let (Some((left, right)), Some(from)) = (sides, self.supervisable().cloned()) else {
            return self.drop_supervisor(Part::TooLate, &cause::NORMAL, world.now.mono, fx);
        };
        self.tell_overseen(Part::TakenOver, world.now.mono, fx);
        let Some(supervisor) = self.supervisor.take() else {
            return;
        };
        let (Some(leg), seat) = (supervisor.leg, supervisor.seat) else {
            return;
        };
        let to = seat.operator.to_string();
        let (caller, operator) = (left, right);
        Self::media(MediaCommand::Unbridge { caller, operator }, fx);
        self.bring_to_right(right);
        self.seats.insert(leg.id, seat);
        if let Some(before) = self.operator.replace(leg) {
            self.rise(before.id, fx);
            self.end_leg(before.id, before.sip, cause::TAKEN_OVER, fx);
        }
        self.bridge(world, fx);
        self.entertain_the_held(world, fx);
        self.count_paperwork(fx);
        let news = News::Transferred {
            kind: TransferKind::Takeover,
            from,
            to,
            result: CallResult::Answered,
        };
        self.tell(news, fx);
    }

    /// A phone of the supervisor cannot be rung, or does not want to be.
    pub(super) fn supervisor_phone_failed(
        &mut self,
        now: Instant,
        leg: LegId,
        code: u16,
        fx: &mut Effects,
    ) {
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.rung.remove(&leg);
        }
        let part = Part::of_response(code);
        if cause::is_global(code) {
            return self.drop_supervisor(part, &cause::RANG_OUT, now, fx);
        }
        self.supervisor_not_reached(part, now, fx);
    }

    /// A phone of the supervisor has no port.
    pub(super) fn supervisor_lost_port(&mut self, now: Instant, leg: LegId, fx: &mut Effects) {
        let supervisor = self.supervisor.as_ref();
        let phone = supervisor.and_then(|it| it.rung.get(&leg));
        if let Some(sip) = phone.map(|phone| phone.leg.sip) {
            self.end_leg(leg, sip, cause::MEDIA, fx);
            self.supervisor_phone_failed(now, leg, 500, fx);
        }
    }

    /// Whoever was to supervise is let go when no phone rings any more.
    fn supervisor_not_reached(&mut self, part: Part, now: Instant, fx: &mut Effects) {
        let supervisor = self.supervisor.as_ref();
        if supervisor.is_some_and(|it| it.rung.is_empty() && it.leg.is_none()) {
            self.drop_supervisor(part, &cause::RANG_OUT, now, fx);
        }
    }

    /// The supervisor's phones rang long enough.
    pub(super) fn supervisor_rang_out(&mut self, now: Instant, fx: &mut Effects) {
        let supervisor = self.supervisor.as_ref();
        if supervisor.is_some_and(|it| it.leg.is_none()) {
            self.drop_supervisor(Part::NoAnswer, &cause::RANG_OUT, now, fx);
        }
    }

    /// A leg of the supervisor is over. False when it is none.
    pub(super) fn supervisor_gone(&mut self, now: Instant, leg: LegId, fx: &mut Effects) -> bool {
        if self.rings_supervisor(leg) {
            Self::media(MediaCommand::Close { leg }, fx);
            self.supervisor_phone_failed(now, leg, 500, fx);
            return true;
        }
        if !self.is_supervisor(leg) {
            return false;
        }
        if let Some(of) = self.supervisor.as_mut().and_then(Supervisor::leg_mut) {
            of.sip = Sip::Over;
        }
        self.drop_supervisor(Part::Ended, &cause::NORMAL, now, fx);
        true
    }

    /// Lets the supervisor go.
    pub(super) fn drop_supervisor(
        &mut self,
        part: Part,
        cause: &Cause,
        now: Instant,
        fx: &mut Effects,
    ) {
        self.tell_overseen(part, now, fx);
        let Some(supervisor) = self.supervisor.take() else {
            return;
        };
        fx.push_back(CallEffect::StopTimer(CallTimer::Supervisor));
        let rung = supervisor.rung.into_values().map(|phone| phone.leg);
        for leg in rung.chain(supervisor.leg) {
            self.end_leg(leg.id, leg.sip, cause.clone(), fx);
        }
        let Seat { operator, ticket } = supervisor.seat;
        Self::acd(AcdInput::Released { operator, ticket }, fx);
    }

    /// What the journal is told: that it began, that it ended and how long it was, or why it did not come
    /// to it.
    fn tell_overseen(&self, part: Part, now: Instant, fx: &mut Effects) {
        let Some(supervisor) = &self.supervisor else {
            return;
        };
        let on_line = supervisor.leg.is_some();
        let part = if part == Part::Ended && !on_line {
            Part::Cancelled
        } else {
            part
        };
        let lasted = part == Part::Ended;
        fx.push_back(CallEffect::Overseen(Box::new(Overseen {
            by: supervisor.by.clone(),
            aim: supervisor.aim,
            supervisor: supervisor.seat.operator.clone(),
            operator: self.facts.operator.clone(),
            part,
            lasted: lasted.then(|| now.since(supervisor.since)),
        })));
    }
}
