//! From the INVITE to the queue: the offer is committed, the port opened, the caller let in.

use std::net::IpAddr;
use std::sync::Arc;

use super::call::{Beginning, Call, Effects};
use super::cause;
use super::ending::Farewell;
use super::facts::CallFacts;
use super::leg::{Leg, Sip};
use super::message::{CallEffect, CallTimer, Gate, Measured, News, World};
use super::path::Path;
use super::phase::{Notice, Phase};
use super::seat::Seat;
use super::supervise::{Part, Supervisor};
use crate::dialplan::decide::{Decision, Reject};
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::{Answer, Dialplan};
use crate::id::{CallId, LegId, OperatorName, QueueName, TicketId};
use crate::limits;
use crate::media::command::{Learn, MediaCommand};
use crate::sip::session::{IncomingInvite, SessionCommand, Source};
use crate::time::Duration;
use crate::words::{CallResult, Codec, Direction, MissedReason, Outcome, Phrase};

/// What a call is made of.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its new id.
    pub id: CallId,
    /// Its new ticket.
    pub ticket: TicketId,
    /// The caller's leg.
    pub leg: LegId,
    /// What the INVITE said.
    pub invite: &'a IncomingInvite,
    /// The plan that decided.
    pub plan: Arc<Dialplan>,
    /// What it decided.
    pub decision: Decision,
    /// Whom it is for, when no queue is asked.
    pub dials: Option<Dialled>,
}

impl Call {
    /// A new call; `refused` ends it at once for lack of capacity.
    pub fn arrive(
        arrival: Arrival<'_>,
        refused: bool,
        world: &mut World<'_>,
        fx: &mut Effects,
    ) -> Self {
        let source = arrival.invite.source.clone();
        let mut call = Self::new(arrival, world);
        fx.push_back(CallEffect::Adopt(call.caller.id));
        call.tell(News::Started, fx);
        if refused {
            let farewell = Farewell::Reject {
                code: 503,
                retry_after: Some(limits::RETRY_AFTER_SECONDS),
            };
            call.end(
                world,
                Outcome::Missed,
                Some(MissedReason::Refused),
                farewell,
                fx,
            );
            // Under overload the 503 does not wait for the disk.
            call.bid_farewell(fx);
            return call;
        }
        if let Source::Operator(operator) = source {
            let leg = call.caller.id;
            call.sit(world, leg, operator, fx);
        }
        if let Some(reject) = call.decision.reject.clone() {
            call.block(world, &reject, fx);
            return call;
        }
        if call.decision.targets.is_empty() && call.dials.is_none() {
            call.tell(News::Unrouted, fx);
            let farewell = Farewell::Reject {
                code: 404,
                retry_after: None,
            };
            call.end(
                world,
                Outcome::Missed,
                Some(MissedReason::Unrouted),
                farewell,
                fx,
            );
            return call;
        }
        call.tell_routed(call.targets(), fx);
        fx.push_back(CallEffect::Commit(Gate::Offered));
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Gate(Gate::Offered),
            world.now.mono + limits::COMMIT_BEFORE_RINGING,
        ));
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Length,
            world.now.mono + world.settings.call_length,
        ));
        call.open_port(call.caller.id, world, fx);
        call
    }

    fn new(arrival: Arrival<'_>, world: &mut World<'_>) -> Self {
        let Arrival {
            id,
            ticket,
            leg,
            invite,
            plan,
            decision,
            dials,
        } = arrival;
        let (trunk, placed_by) = match &invite.source {
            Source::Trunk(trunk) => (Some(trunk.clone()), None),
            Source::Operator(operator) => (None, Some(operator.clone())),
        };
        let rules = trunk.as_ref().and_then(|trunk| plan.trunks.get(trunk));
        let learn = match &placed_by {
            Some(_) => Self::phone_media(invite.flow.peer.ip()),
            None => Learn::Trunk(rules.map_or_else(|| Arc::from([]), |rules| rules.media.clone())),
        };
        let codecs = rules.map_or_else(
            || vec![Codec::Pcma, Codec::Pcmu],
            |rules| rules.codecs.clone(),
        );
        let srtp = match &placed_by {
            Some(operator) => plan.operators.get(operator).map(|rules| rules.srtp),
            None => rules.map(|rules| rules.srtp),
        }
        .unwrap_or_default();
        let past = decision.from.as_deref();
        let past = past.and_then(|from| world.history.past(from));
        let facts = CallFacts {
            repeat: placed_by.is_none()
                && past.is_some_and(|past| past.repeats(world.now.wall, plan.repeat_within)),
            direction: direction(placed_by.is_some(), dials.as_ref()),
            trunk,
            placed_by,
            plan: Arc::from(plan.hash.as_str()),
            ..CallFacts::of(id, &decision, world.now.wall)
        };
        let notice = match facts.direction {
            Direction::Inbound => notice(&plan),
            Direction::Outbound | Direction::Internal => Notice::Over,
        };
        let path = Path::new(&decision.targets, world.now.mono);
        let caller = Leg::new(
            leg,
            Sip::Open,
            &invite.flow,
            learn,
            codecs,
            ticket.0,
            world.settings,
        )
        .encrypted(srtp, world.rng);
        let beginning = Beginning {
            facts,
            plan,
            decision,
            path,
            phase: Phase::Opening { committed: false },
            notice,
            caller,
            ticket,
        };
        let mut call = Self::begin(beginning, world.now.mono);
        call.adopted.push(call.caller.id);
        call.open.insert(call.caller.id);
        call.caller_offer.clone_from(&invite.offer);
        call.dials = dials;
        call
    }

    /// Asks for a port and watches that it comes.
    pub(super) fn open_port(&self, leg: LegId, world: &World<'_>, fx: &mut Effects) {
        Self::media(
            MediaCommand::Open {
                leg,
                call: self.id(),
            },
            fx,
        );
        fx.push_back(CallEffect::SetTimer(
            CallTimer::MediaOpen(leg),
            world.now.mono + limits::MEDIA_OPEN,
        ));
    }

    /// A port came: the caller's lets the call in, a phone's lets its INVITE go.
    pub(super) fn port_open(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        port: u16,
        fx: &mut Effects,
    ) {
        fx.push_back(CallEffect::StopTimer(CallTimer::MediaOpen(leg)));
        if leg == self.caller.id {
            self.caller.open(port);
            self.admit_if_ready(world, fx);
        } else if self.replaces_with(leg) {
            self.replacement_ready(world, port, fx);
        } else if self.dials_on(leg) {
            self.try_port_open(world, leg, port, fx);
        } else if self.rings_supervisor(leg) {
            self.supervisor_port_open(leg, port, fx);
        } else if self.leg_mut(leg).is_none() {
            self.phone_port_open(world, leg, port, fx);
        }
    }

    /// No port could be had.
    pub(super) fn port_failed(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::MediaOpen(leg)));
        if self.replaces_with(leg) {
            self.drop_replacement(503, fx);
        } else if self.dials_on(leg) {
            self.try_lost_port(world, leg, fx);
        } else if self.rings_supervisor(leg) {
            self.supervisor_lost_port(world.now.mono, leg, fx);
        } else if leg != self.caller.id {
            self.phone_lost_port(world, leg, fx);
        } else if matches!(self.phase, Phase::Opening { .. }) {
            let farewell = Farewell::Reject {
                code: 503,
                retry_after: Some(limits::RETRY_AFTER_SECONDS),
            };
            self.end(
                world,
                Outcome::Missed,
                Some(MissedReason::Refused),
                farewell,
                fx,
            );
        }
    }

    /// The disk has what was told before `gate`, or we stopped waiting for it.
    pub(super) fn committed(&mut self, world: &mut World<'_>, gate: Gate, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::Gate(gate)));
        match gate {
            Gate::Offered => {
                if let Phase::Opening { committed } = &mut self.phase {
                    *committed = true;
                    self.admit_if_ready(world, fx);
                }
            }
            Gate::Ended => self.bid_farewell(fx),
            Gate::RingsPatient => self.dial_patient(fx),
        }
    }

    fn admit_if_ready(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if self.phase != (Phase::Opening { committed: true }) || !self.caller.is_open() {
            return;
        }
        if let Some(offer) = self.caller_offer.clone() {
            let answer = match self.caller.answer(&offer) {
                Some(Ok(answer)) => answer,
                Some(Err(why)) => {
                    let farewell = Farewell::RejectOffer(why);
                    let reason = Some(MissedReason::Refused);
                    return self.end(world, Outcome::Missed, reason, farewell, fx);
                }
                None => return,
            };
            self.caller_answer = Some(answer);
            self.connect_caller(fx);
        } else {
            self.caller_answer = self.caller.offer();
        }
        if let Some(dialled) = self.dials.take() {
            self.begin_dialling(world, dialled, fx);
            return;
        }
        let targets = self.decision.targets.clone();
        self.set_out(world, &targets, fx);
        fx.push_back(CallEffect::Measured(Measured::Setup(
            world.now.mono.since(self.since),
        )));
    }

    /// The first response above 100, as the first queue that takes the caller wants it. An INVITE
    /// without an offer cannot carry early media here: its answer comes in the ACK.
    pub(super) fn greet(&mut self, mode: Answer, fx: &mut Effects) {
        if std::mem::replace(&mut self.greeted, true) || self.caller.sip != Sip::Open {
            return;
        }
        match mode {
            Answer::Operator if self.caller_offer.is_some() => Self::session(
                SessionCommand::Progress {
                    leg: self.caller.id,
                    code: 183,
                    answer: self.caller_answer.clone(),
                },
                fx,
            ),
            Answer::Operator | Answer::Queue => self.answer_caller(fx),
        }
    }

    /// The plan refuses this caller.
    fn block(&mut self, world: &World<'_>, reject: &Reject, fx: &mut Effects) {
        self.facts.note = reject.note.as_deref().map(Arc::from);
        self.tell_routed(Vec::new(), fx);
        let farewell = Farewell::Reject {
            code: reject.code,
            retry_after: None,
        };
        self.end(world, Outcome::Blocked, None, farewell, fx);
    }

    pub(super) fn tell_routed(&self, targets: Vec<String>, fx: &mut Effects) {
        let rule = self.decision.rule.as_ref();
        let rule = rule.map(|rule| format!("{}:{}", rule.file, rule.line));
        let priority = self.decision.priority;
        let news = News::Routed {
            targets,
            rule,
            priority,
        };
        self.tell(news, fx);
    }

    /// Where the call goes, in the words of its event.
    pub(super) fn targets(&self) -> Vec<String> {
        match &self.dials {
            Some(Dialled::Operator(operator)) => vec![format!("operator.{operator}")],
            Some(Dialled::Outside { number, .. }) => vec![number.clone()],
            Some(Dialled::Queues(targets)) => targets.iter().map(ToString::to_string).collect(),
            None => self
                .decision
                .targets
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }

    /// An operator is on the line by this leg, outside any queue.
    fn sit(&mut self, world: &mut World<'_>, leg: LegId, operator: OperatorName, fx: &mut Effects) {
        let ticket = world.minted.ticket();
        let seat = Seat { operator, ticket };
        self.engage(&seat, fx);
        self.seats.insert(leg, seat);
    }

    /// Sends the caller's 200 unless it has gone already.
    pub(super) fn answer_caller(&mut self, fx: &mut Effects) {
        if self.caller.sip != Sip::Open {
            return;
        }
        if let Some(answer) = self.caller_answer.clone() {
            self.caller.sip = Sip::Answered;
            Self::session(
                SessionCommand::Accept {
                    leg: self.caller.id,
                    answer,
                },
                fx,
            );
        }
    }

    pub(super) fn connect_caller(&self, fx: &mut Effects) {
        if let Some(remote) = self.caller.remote() {
            Self::media(
                MediaCommand::Connect {
                    leg: self.caller.id,
                    remote,
                },
                fx,
            );
        }
    }

    /// The ACK to a 200 of ours; it carries the answer when the offer was ours.
    pub(super) fn confirmed(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        answer: Option<&[u8]>,
        fx: &mut Effects,
    ) {
        let Some(of) = self.leg_mut(leg) else {
            return;
        };
        if !of.awaits_answer() {
            return;
        }
        let held = of.held();
        if answer.is_some_and(|answer| of.accept(answer)) {
            let (remote, now_held) = (of.remote(), of.held());
            if let Some(remote) = remote {
                Self::media(MediaCommand::Connect { leg, remote }, fx);
            }
            self.follow_hold(world, leg, held, now_held, fx);
        } else if self.is_supervisor(leg) {
            self.drop_supervisor(Part::Ended, &cause::MEDIA, world.now.mono, fx);
        } else {
            // Whoever does not say where to send the sound has not come to talk.
            if self.facts.direction != Direction::Inbound {
                self.facts.result.get_or_insert(CallResult::Failed);
            }
            self.hang_up(world, cause::MEDIA, MissedReason::Abandoned, fx);
        }
    }

    /// The caller stands in a queue: its music, and its rule for the 200.
    pub(super) fn joined(
        &mut self,
        world: &mut World<'_>,
        queue: QueueName,
        (position, wait): (u32, Option<Duration>),
        stays: bool,
        fx: &mut Effects,
    ) {
        if self.ended() {
            return;
        }
        self.stands_in = Some(queue.clone());
        let joined = News::QueueJoined {
            queue: queue.clone(),
            position,
            wait,
        };
        if !stays && self.awaits_transferor() {
            // The talk goes on as one of the queue it came from.
            return self.tell(joined, fx);
        }
        self.facts.queue = Some(queue.clone());
        self.tell(joined, fx);
        self.transferor_is_free(world, fx);
        let rules = self.plan.queues.get(&queue);
        let answer = rules.map_or(Answer::Queue, |queue| queue.answer);
        let wanted = rules.map(|queue| queue.music.clone());
        if answer == Answer::Queue {
            self.answer_caller(fx);
        }
        if stays {
            self.begin_announcing(world, fx);
        }
        if wanted != self.music {
            self.music = wanted;
            if !matches!(self.notice, Notice::Playing(_)) {
                self.play_music(world, fx);
            }
        }
    }

    /// Plays the queue's music to the caller, in place of what was heard before.
    pub(super) fn play_music(&self, world: &mut World<'_>, fx: &mut Effects) {
        let prompt = self
            .music
            .as_ref()
            .filter(|_| !self.caller.is_nobody())
            .and_then(|music| world.prompts.get(music));
        if let Some(prompt) = prompt {
            Self::media(
                MediaCommand::Play {
                    leg: self.caller.id,
                    play: world.minted.play(),
                    prompts: Arc::from([*prompt]),
                    looped: true,
                },
                fx,
            );
        }
    }

    /// The leg of that id, among those that were answered, and the caller's.
    pub(super) fn leg_mut(&mut self, leg: LegId) -> Option<&mut Leg> {
        let transferor = self.transfer.as_mut().and_then(|it| it.leg.as_mut());
        let supervisor = self.supervisor.as_mut().and_then(Supervisor::leg_mut);
        let parting = self.parting.as_mut();
        let others = [self.operator.as_mut(), transferor, parting, supervisor];
        std::iter::once(&mut self.caller)
            .chain(others.into_iter().flatten())
            .find(|of| of.id == leg)
    }

    /// The notice that the plan wants before a recording.
    pub(super) fn notice_phrase(&self) -> Option<&Phrase> {
        self.plan.recording.as_ref()?.announce.as_ref()
    }

    /// The address a phone's signalling came from, for its media.
    pub(super) const fn phone_media(peer: IpAddr) -> Learn {
        Learn::Phone(peer)
    }
}

/// Whether callers hear first that they are recorded.
pub(super) fn notice(plan: &Dialplan) -> Notice {
    let recording = plan.recording.as_ref();
    match recording.and_then(|it| it.announce.as_ref()) {
        Some(_) => Notice::Due,
        None => Notice::Over,
    }
}

/// Which way a call goes.
const fn direction(placed: bool, dials: Option<&Dialled>) -> Direction {
    match (placed, dials) {
        (false, _) => Direction::Inbound,
        (true, Some(Dialled::Outside { .. })) => Direction::Outbound,
        (true, Some(Dialled::Operator(_) | Dialled::Queues(_)) | None) => Direction::Internal,
    }
}
