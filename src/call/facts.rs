//! What is known of a call: the fields of the API and of every `call.*` event.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::{CallId, LegId, OperatorName, QueueName, SiteName, TrunkName};
use crate::limits;
use crate::time::{Duration, Wall};
use crate::words::{Direction, MissReason, MissedReason, Outcome};

/// One attempt at an operator's phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The leg.
    pub leg: LegId,
    /// Who was rung.
    pub operator: OperatorName,
    /// For which queue.
    pub queue: QueueName,
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

/// What is known of a call.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// The call.
    pub id: CallId,
    /// Which way it goes.
    pub direction: Direction,
    /// The carrier.
    pub trunk: TrunkName,
    /// The caller's number; none when it is withheld.
    pub from: Option<Arc<str>>,
    /// The dialled number.
    pub to: Arc<str>,
    /// The branch.
    pub site: Option<SiteName>,
    /// Where the caller saw the number.
    pub source: Option<Arc<str>>,
    /// The campaign.
    pub campaign: Option<Arc<str>>,
    /// The queue the caller stands in, or stood in last.
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
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it was missed.
    pub reason: Option<MissedReason>,
    /// The hash of the dialplan that decided.
    pub plan: Arc<str>,
    /// The attempts, the last [`limits::ATTEMPTS_KEPT`] of them.
    pub attempts: VecDeque<Attempt>,
    /// There is a recording.
    pub recorded: bool,
}

impl CallFacts {
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
