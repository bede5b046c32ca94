//! What is known of a call: the fields of the API and of every `call.*` event.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use super::voicemail::Left;
use crate::dialplan::decide::Decision;
use crate::id::{CallId, CallbackId, LeadId, LegId, OperatorName, QueueName, SiteName, TrunkName};
use crate::limits;
use crate::time::{Duration, Wall};
use crate::words::{CallResult, Direction, MissReason, MissedReason, Outcome};

/// Who was rung.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tried {
    /// An operator's phone.
    Operator {
        /// Who.
        operator: OperatorName,
        /// For which queue; none when the operator was dialled.
        queue: Option<QueueName>,
    },
    /// A number outside, by this carrier.
    Trunk(TrunkName),
}

/// One attempt at a phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The leg.
    pub leg: LegId,
    /// Who was rung.
    pub tried: Tried,
    /// When the INVITE was asked for.
    pub at: Wall,
    /// How it went; none while it is open.
    pub result: Option<AttemptResult>,
}

/// How an attempt went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptResult {
    /// The phone was answered.
    Answered,
    /// It was not.
    Missed(MissReason),
}

/// How a patient was rung.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PatientTry {
    /// When.
    pub at: Wall,
    /// For whom.
    pub operator: Option<OperatorName>,
    /// The final response, or 487 when we gave up.
    pub sip_code: u16,
    /// How long the phone was heard ringing.
    pub ring: Duration,
    /// We gave up because the patient called in, or somebody else dialled them.
    pub receded: bool,
}

/// Why we ring a patient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errand {
    /// To call back.
    Callback(CallbackId),
    /// They asked for a call on the website, or stand on a list.
    Lead(LeadId),
}

/// What is known of a call.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// The call.
    pub id: CallId,
    /// Which way it goes.
    pub direction: Direction,
    /// The carrier; none when none has to do with it.
    pub trunk: Option<TrunkName>,
    /// The operator who placed it.
    pub placed_by: Option<OperatorName>,
    /// The caller's number; none when it is withheld. An operator's short number or name.
    pub from: Option<Arc<str>>,
    /// The dialled number.
    pub to: Arc<str>,
    /// The branch.
    pub site: Option<SiteName>,
    /// Where the caller saw the number.
    pub source: Option<Arc<str>>,
    /// The campaign.
    pub campaign: Option<Arc<str>>,
    /// The queue the caller stands in, or stood in last; the first that was closed when all were.
    pub queue: Option<QueueName>,
    /// Who talks with the caller, or did.
    pub operator: Option<OperatorName>,
    /// The INVITE.
    pub started_at: Wall,
    /// The bridge.
    pub answered_at: Option<Wall>,
    /// The end.
    pub ended_at: Option<Wall>,
    /// From the INVITE to the bridge, or to the end.
    pub wait: Option<Duration>,
    /// From the bridge to the end.
    pub talk: Option<Duration>,
    /// How an inbound call ended.
    pub outcome: Option<Outcome>,
    /// How a call that an operator placed ended.
    pub result: Option<CallResult>,
    /// Why it was missed.
    pub reason: Option<MissedReason>,
    /// Why the plan refused it, as it says itself.
    pub note: Option<Arc<str>>,
    /// The hash of the dialplan that decided.
    pub plan: Arc<str>,
    /// The attempts, the last [`limits::ATTEMPTS_KEPT`] of them.
    pub attempts: VecDeque<Attempt>,
    /// There is a recording.
    pub recorded: bool,
    /// The caller has called before, not long ago.
    pub repeat: bool,
    /// The caller asked to be called, on the website.
    pub lead: bool,
    /// What we ring a patient for; none when somebody else began the call.
    pub errand: Option<Errand>,
    /// The voicemail box the caller came to.
    pub voicemail: Option<Left>,
    /// A caller who had spoken with somebody was sent on, and nobody took them: why.
    pub stranded: Option<MissedReason>,
    /// The caller hung up to be called back.
    pub callback_requested: bool,
    /// How the number outside was rung, when this is a call back or a call out.
    pub patient: Option<PatientTry>,
    /// Who hung up, when one of the two who talked did.
    pub ended_by: Option<Party>,
    /// What people said of it.
    pub said: Description,
}

/// One of the two who talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Whose call it is: a patient, or the operator who dialled.
    Caller,
    /// Who took it.
    Called,
}

/// What people said of a call. What nobody said is left as it was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Description {
    /// How it went: one of the queue's codes.
    pub disposition: Option<String>,
    /// In a person's words.
    pub comment: Option<String>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
}

impl Description {
    /// Takes what was said now.
    pub fn add(&mut self, said: Self) {
        self.disposition = said.disposition.or(self.disposition.take());
        self.comment = said.comment.or(self.comment.take());
        self.tags = said.tags.or(self.tags.take());
    }
}

impl CallFacts {
    /// What is known of a call when it comes in, by the plan's decision.
    #[must_use]
    pub fn of(id: CallId, decision: &Decision, started_at: Wall) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        Self {
            id,
            direction: Direction::Inbound,
            trunk: None,
            placed_by: None,
            from: text(&decision.from),
            to: Arc::from(decision.to.as_str()),
            site: decision.site.clone(),
            source: text(&decision.source),
            campaign: text(&decision.campaign),
            queue: None,
            operator: None,
            started_at,
            answered_at: None,
            ended_at: None,
            wait: None,
            talk: None,
            outcome: None,
            result: None,
            reason: None,
            note: None,
            plan: Arc::from(""),
            attempts: VecDeque::new(),
            recorded: false,
            repeat: false,
            lead: false,
            errand: None,
            voicemail: None,
            stranded: None,
            ended_by: None,
            said: Description::default(),
            callback_requested: false,
            patient: None,
        }
    }

    /// Notes a new attempt and forgets the oldest over the bound.
    pub fn attempt(&mut self, attempt: Attempt) {
        if self.attempts.len() >= limits::ATTEMPTS_KEPT {
            self.attempts.pop_front();
        }
        self.attempts.push_back(attempt);
    }

    /// Notes how an attempt went.
    pub fn attempt_over(&mut self, leg: LegId, result: AttemptResult) {
        if let Some(attempt) = self
            .attempts
            .iter_mut()
            .find(|attempt| attempt.leg == leg && attempt.result.is_none())
        {
            attempt.result = Some(result);
        }
    }
}
