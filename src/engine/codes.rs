//! Feature codes: an operator dials `*45` and hears whether it was done.
//!
//! ```text
//! INVITE, its digest good ─► the command ─► a port ─► 200 ─► the tone ─► BYE
//! ```
//!
//! It is no call: nobody is rung, nothing is counted, and no queue finds the operator busy for it. The
//! command is the one that the API gives, judged by the same rule, the operator being the one who asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::command::{Actor, Command, Past, Refused, WantedState};
use super::commanding::refused;
use super::engine::{Engine, EngineTimer};
use super::output::Output;
use crate::acd::operator::Operator;
use crate::call::cause;
use crate::call::facts::CallFacts;
use crate::call::leg::{Leg, Sip};
use crate::dialplan::plan::{Dialplan, Queue};
use crate::id::{CallId, LegId, OperatorName, PlayId, QueueName, Ulid};
use crate::limits;
use crate::media::command::{Learn, MediaCommand, MediaEvent};
use crate::sip::session::{IncomingInvite, SessionCommand, SessionEvent};
use crate::time::Now;
use crate::words::{Codec, OperatorState, Phrase, Role, Tone};

/// What an operator dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Code {
    /// To work, or home.
    Login,
    /// Into a pause for the reason of these digits, or out of it.
    Pause(String),
    /// The paperwork is done.
    WrapUp,
    /// How the last talk went, by the digits of its code.
    Disposition(String),
}

impl Code {
    /// What these keys are by the plan; none when they are no code.
    pub(super) fn read(plan: &Dialplan, keys: &str) -> Option<Self> {
        let codes = &plan.feature_codes;
        let whole = |code: &Option<String>| code.as_deref() == Some(keys);
        let more = |code: &Option<String>| {
            let digits = keys.strip_prefix(code.as_deref()?)?;
            let digits_only = digits.bytes().all(|key| key.is_ascii_digit());
            let fits = digits_only && digits.len() <= limits::CODE_DIGITS;
            fits.then(|| digits.to_owned())
        };
        if whole(&codes.login) {
            return Some(Self::Login);
        }
        if whole(&codes.wrap_up) {
            return Some(Self::WrapUp);
        }
        let pause = more(&codes.pause).map(Self::Pause);
        pause.or_else(|| more(&codes.disposition).map(Self::Disposition))
    }
}

/// The caller of a queue with whom an operator spoke last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Talk {
    call: CallId,
    queue: QueueName,
}

/// A phone that hears how its code went.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    leg: Leg,
    offer: Option<Bytes>,
    tone: Tone,
    play: PlayId,
}

/// All of them, and what codes need to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    phones: BTreeMap<LegId, Coded>,
    talks: BTreeMap<OperatorName, Talk>,
}

impl Codes {
    /// Notes who speaks with whom. Of a talk outside any queue nothing can be said by a code, and what is
    /// owed of the one before it still can.
    pub(super) fn note(&mut self, facts: &CallFacts) {
        let of_queue = facts.operator.as_ref().zip(facts.queue.clone());
        if let (Some((operator, queue)), Some(_)) = (of_queue, facts.answered_at) {
            let call = facts.id;
            self.talks.insert(operator.clone(), Talk { call, queue });
        }
    }

    /// Forgets operators whom the plan does not know any more.
    pub(super) fn forget_all_but(&mut self, plan: &Dialplan) {
        self.talks
            .retain(|name, _| plan.operators.contains_key(name));
    }
}

/// The code of a queue that has these digits.
fn code_of<'a>(queue: &'a Queue, digits: &String) -> Option<&'a str> {
    let mut codes = queue.disposition.iter().flat_map(|it| &it.codes);
    let code = codes.find(|(_, keys)| keys.as_ref() == Some(digits));
    code.map(|(code, _)| code.as_str())
}

impl Engine {
    /// Does what an operator's code says, and lets the phone hear how it went.
    pub(super) fn handle_code(
        &mut self,
        now: Now,
        leg: LegId,
        invite: &IncomingInvite,
        operator: &OperatorName,
        code: &Code,
    ) {
        if self.codes.phones.len() >= limits::CODES_AT_ONCE {
            return self.reject(now, leg, 503, Some(limits::RETRY_AFTER_SECONDS));
        }
        let actor = Actor {
            name: operator.to_string(),
            role: Role::Operator,
            operator: Some(operator.clone()),
        };
        let done = self
            .command_of(operator, code)
            .and_then(|command| self.obey(now, &actor, command));
        let tone = match done {
            Ok(_) => Tone::Done,
            Err(_) => Tone::Refused,
        };
        let rules = self.plan.operators.get(operator);
        let srtp = rules.map(|rules| rules.srtp).unwrap_or_default();
        let play = self.minted.play();
        let coded = Coded {
            leg: Leg::new(
                leg,
                Sip::Open,
                &invite.flow,
                Learn::Phone(invite.flow.peer.ip()),
                vec![Codec::Pcma, Codec::Pcmu],
                play.0,
                &self.settings.call,
            )
            .encrypted(srtp, &mut self.rng),
            offer: invite.offer.clone(),
            tone,
            play,
        };
        self.codes.phones.insert(leg, coded);
        let until = now.mono + limits::CODE;
        self.timers.set(EngineTimer::Code(leg), until);
        let call = CallId(Ulid::new(now.wall, &mut self.rng));
        let open = MediaCommand::Open { leg, call };
        self.outputs.push_back(Output::Media(open));
    }

    fn command_of(&self, operator: &OperatorName, code: &Code) -> Result<Command, Refused> {
        let state = self.desk.state(operator);
        let set = |state: WantedState| Command::SetState {
            operator: operator.clone(),
            reason: None,
            state,
        };
        match code {
            Code::Login if state == Some(OperatorState::LoggedOut) => {
                Ok(set(WantedState::Available))
            }
            Code::Login => Ok(set(WantedState::LoggedOut)),
            Code::Pause(digits) if digits.is_empty() => {
                Ok(set(if state == Some(OperatorState::Paused) {
                    WantedState::Available
                } else {
                    WantedState::Paused("pause".to_owned())
                }))
            }
            Code::Pause(digits) => {
                let reason = self.plan.feature_codes.reasons.get(digits);
                let reason = reason.ok_or_else(|| refused(422, "no reason has these digits"))?;
                Ok(set(WantedState::Paused(reason.clone())))
            }
            Code::WrapUp if state == Some(OperatorState::WrapUp) => Ok(set(WantedState::Available)),
            Code::WrapUp => Err(refused(409, "there is no paperwork to end")),
            Code::Disposition(digits) => {
                let (call, queue) = self.talk_of(operator, digits)?;
                let code = code_of(queue, digits);
                let code = code.ok_or_else(|| refused(422, "no code has these digits"))?;
                Ok(Command::Describe {
                    call,
                    past: Some(Past {
                        queue: Some(queue.name.clone()),
                        operator: Some(operator.clone()),
                    }),
                    disposition: Some(code.to_owned()),
                    comment: None,
                    tags: None,
                })
            }
        }
    }

    /// The call that a disposition is about, and the queue whose codes count: the one of which a word is
    /// owed, or else the last. The queue of a call from before a restart is not known here, and a reload may
    /// have taken the codes of another: then it is one that has a code of these digits.
    fn talk_of(
        &self,
        operator: &OperatorName,
        digits: &String,
    ) -> Result<(CallId, &Queue), Refused> {
        let owes = self.desk.operator(operator).and_then(Operator::owes);
        let talk = self.codes.talks.get(operator);
        let talk = talk.filter(|talk| owes.is_none_or(|owed| owed == talk.call));
        let queue = talk.and_then(|talk| self.plan.queues.get(&talk.queue));
        let queue = queue.filter(|queue| queue.disposition.is_some());
        let call = talk.map(|talk| talk.call).or(owes);
        let call = call.ok_or_else(|| refused(409, "there was no talk yet"))?;
        let mut any = self.plan.queues.values().filter(|_| owes.is_some());
        let queue = queue.or_else(|| any.find(|queue| code_of(queue, digits).is_some()));
        let queue = queue.ok_or_else(|| refused(422, "no code has these digits"))?;
        Ok((call, queue))
    }

    /// What a phone that dialled a code says; false when it is none of those.
    pub(super) fn hears_code(&mut self, now: Now, event: &SessionEvent) -> bool {
        let (SessionEvent::Confirmed { leg, .. }
        | SessionEvent::Cancelled { leg, .. }
        | SessionEvent::Bye { leg }
        | SessionEvent::Failed { leg, .. }
        | SessionEvent::Closed { leg }
        | SessionEvent::Reoffer { leg, .. }) = event
        else {
            return false;
        };
        let leg = *leg;
        let Some(coded) = self.codes.phones.get_mut(&leg) else {
            return false;
        };
        let last = match event {
            SessionEvent::Confirmed { answer, .. } => {
                let taken = answer
                    .as_ref()
                    .is_some_and(|answer| coded.leg.awaits_answer() && coded.leg.accept(answer));
                if taken {
                    self.play_code(leg);
                }
                return true;
            }
            SessionEvent::Reoffer { .. } => {
                let answer = Err(488);
                let refuse = SessionCommand::AnswerReoffer { leg, answer };
                self.endpoint.handle_command(now, refuse);
                return true;
            }
            SessionEvent::Cancelled { .. } if coded.leg.sip == Sip::Open => {
                Some(SessionCommand::Reject {
                    leg,
                    code: 487,
                    retry_after: None,
                })
            }
            SessionEvent::Bye { .. } => Some(SessionCommand::ConfirmBye { leg }),
            SessionEvent::Cancelled { .. }
            | SessionEvent::Failed { .. }
            | SessionEvent::Closed { .. }
            | SessionEvent::Incoming { .. }
            | SessionEvent::Progress { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Rejected { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Refer { .. }
            | SessionEvent::Digit { .. } => None,
        };
        if let Some(last) = last {
            self.endpoint.handle_command(now, last);
        }
        self.forget_code(leg);
        true
    }

    /// What the media threads say of such a phone; false when it is none of those.
    pub(super) fn hears_code_media(&mut self, now: Now, event: &MediaEvent) -> bool {
        let (MediaEvent::Opened { leg, .. }
        | MediaEvent::OpenFailed { leg }
        | MediaEvent::Played { leg, .. }
        | MediaEvent::Digit { leg, .. }
        | MediaEvent::Silent { leg }) = event
        else {
            return false;
        };
        let leg = *leg;
        let Some(coded) = self.codes.phones.get_mut(&leg) else {
            return false;
        };
        match event {
            MediaEvent::Opened { port, .. } => {
                coded.leg.open(*port);
                let answer = match coded.offer.clone() {
                    Some(offer) => coded.leg.answer(&offer),
                    None => coded.leg.offer().map(Ok),
                };
                match answer {
                    Some(Ok(answer)) => {
                        coded.leg.sip = Sip::Answered;
                        let accept = SessionCommand::Accept { leg, answer };
                        self.endpoint.handle_command(now, accept);
                        self.play_code(leg);
                    }
                    Some(Err(why)) => {
                        let warning = why.warning();
                        let reject = SessionCommand::RejectOffer { leg, warning };
                        self.endpoint.handle_command(now, reject);
                        self.forget_code(leg);
                    }
                    None => self.end_code(now, leg),
                }
            }
            MediaEvent::Played { play, .. } if *play == coded.play => self.end_code(now, leg),
            MediaEvent::OpenFailed { .. } => self.end_code(now, leg),
            MediaEvent::Played { .. }
            | MediaEvent::Digit { .. }
            | MediaEvent::Silent { .. }
            | MediaEvent::Recorded { .. }
            | MediaEvent::RecordTroubled { .. }
            | MediaEvent::RecordFailed { .. } => {}
        }
        true
    }

    fn play_code(&mut self, leg: LegId) {
        let Some(coded) = self.codes.phones.get(&leg) else {
            return;
        };
        let Some(remote) = coded.leg.remote() else {
            return;
        };
        let prompt = self.prompts.get(&Phrase::Tone(coded.tone)).copied();
        let connect = MediaCommand::Connect { leg, remote };
        let play = MediaCommand::Play {
            leg,
            play: coded.play,
            prompts: prompt.into_iter().collect::<Arc<[_]>>(),
            looped: false,
        };
        self.outputs.push_back(Output::Media(connect));
        self.outputs.push_back(Output::Media(play));
    }

    /// The phone has heard it, or never will.
    pub(super) fn end_code(&mut self, now: Now, leg: LegId) {
        let Some(coded) = self.codes.phones.get(&leg) else {
            return;
        };
        let end = match coded.leg.sip {
            Sip::Answered => SessionCommand::HangUp {
                leg,
                cause: cause::NORMAL,
            },
            Sip::Unsent | Sip::Open | Sip::Over => SessionCommand::Reject {
                leg,
                code: 503,
                retry_after: None,
            },
        };
        self.endpoint.handle_command(now, end);
        self.forget_code(leg);
    }

    fn forget_code(&mut self, leg: LegId) {
        if self.codes.phones.remove(&leg).is_some() {
            self.timers.cancel(&EngineTimer::Code(leg));
            let close = MediaCommand::Close { leg };
            self.outputs.push_back(Output::Media(close));
        }
    }
}
