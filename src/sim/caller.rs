//! Callers behind a carrier's trunk: they call, wait as long as they can bear, talk, hang up.

use std::collections::BTreeMap;

use super::party::{Cue, Todo};
use super::sound::Heard;
use crate::id::LegId;
use crate::sip::session::{Cause, SessionCommand, SessionEvent};
use crate::time::{Duration, Now};

/// What one caller is going to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallPlan {
    /// The number dialled, as the carrier writes it.
    pub to: String,
    /// The caller's number; withheld when there is none.
    pub from: Option<String>,
    /// Hangs up when nobody has spoken by then.
    pub patience: Duration,
    /// Hangs up after this much talk, if the operator has not.
    pub talk: Duration,
}

/// What became of it, as the caller sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallStory {
    /// The leg had its 200.
    pub connected: bool,
    /// How often music began.
    pub music: u32,
    /// An operator spoke.
    pub talked: bool,
    /// The response that refused the call.
    pub refused: Option<u16>,
    /// The caller hung up first.
    pub gave_up: bool,
    /// The leg is over.
    pub over: bool,
}

/// All callers of one trunk.
#[derive(Debug, Default)]
pub struct Callers {
    plans: Vec<CallPlan>,
    stories: Vec<CallStory>,
    legs: BTreeMap<LegId, usize>,
    over: usize,
}

const TIRED: Cause = Cause {
    sip: 487,
    q850: Some(16),
    text: "caller hung up",
};

impl Callers {
    /// Plans one more call; its number is what [`Cue::Call`] names.
    pub fn plan(&mut self, plan: CallPlan) -> usize {
        self.plans.push(plan);
        self.stories.push(CallStory::default());
        self.plans.len() - 1
    }

    /// What became of every call, in the order of planning.
    #[must_use]
    pub fn stories(&self) -> &[CallStory] {
        &self.stories
    }

    /// The leg of a call that is under way.
    #[must_use]
    pub fn leg_of(&self, call: usize) -> Option<LegId> {
        let mut legs = self.legs.iter();
        let found = legs.find(|(_, index)| **index == call);
        found.map(|(leg, _)| *leg)
    }

    /// Calls that were planned and are not over.
    #[must_use]
    pub fn open(&self) -> usize {
        self.plans.len() - self.over
    }

    pub(super) fn handle_cue(&mut self, now: Now, cue: &Cue, todo: &mut Todo) {
        match *cue {
            Cue::Call(index) => {
                let Some(plan) = self.plans.get(index) else {
                    return;
                };
                let leg = todo.call(plan);
                self.legs.insert(leg, index);
                todo.cues.push((now.mono + plan.patience, Cue::HangUp(leg)));
            }
            Cue::HangUp(leg) => {
                if let Some(story) = self.story(leg) {
                    story.gave_up = true;
                    todo.say(SessionCommand::HangUp { leg, cause: TIRED });
                }
            }
            Cue::Answer(_) | Cue::Decline(..) | Cue::Vanish | Cue::Return => {}
        }
    }

    pub(super) fn handle_session(&mut self, event: &SessionEvent, todo: &mut Todo) {
        match event {
            SessionEvent::Answered { leg, .. } => {
                if let Some(story) = self.story(*leg) {
                    story.connected = true;
                }
            }
            SessionEvent::Rejected { leg, code, .. } => {
                if let Some(story) = self.story(*leg) {
                    story.refused = Some(*code);
                }
            }
            SessionEvent::Bye { leg } => todo.say(SessionCommand::ConfirmBye { leg: *leg }),
            SessionEvent::Reoffer { leg, .. } => {
                let (leg, answer) = (*leg, Err(488));
                todo.say(SessionCommand::AnswerReoffer { leg, answer });
            }
            SessionEvent::Refer { leg, .. } => {
                let (leg, answer) = (*leg, Err(403));
                todo.say(SessionCommand::AnswerRefer { leg, answer });
            }
            SessionEvent::Closed { leg } => {
                todo.stop(Cue::HangUp(*leg));
                if let Some(story) = self.story(*leg) {
                    story.over = true;
                    self.over += 1;
                }
                self.legs.remove(leg);
            }
            SessionEvent::Incoming { leg, .. } => todo.say(SessionCommand::Reject {
                leg: *leg,
                code: 480,
                retry_after: None,
            }),
            SessionEvent::Cancelled { .. }
            | SessionEvent::Progress { .. }
            | SessionEvent::Confirmed { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Digit { .. }
            | SessionEvent::Failed { .. } => {}
        }
    }

    pub(super) fn hears(&mut self, now: Now, leg: LegId, heard: &Heard, todo: &mut Todo) {
        let Some(talk) = self
            .legs
            .get(&leg)
            .and_then(|index| self.plans.get(*index))
            .map(|plan| plan.talk)
        else {
            return;
        };
        match heard {
            Heard::Party => {
                if let Some(story) = self.story(leg) {
                    story.talked = true;
                }
                todo.cues.push((now.mono + talk, Cue::HangUp(leg)));
            }
            Heard::Music => {
                if let Some(story) = self.story(leg) {
                    story.music += 1;
                }
            }
            Heard::Phrases(_) => {}
        }
    }

    fn story(&mut self, leg: LegId) -> Option<&mut CallStory> {
        let index = self.legs.get(&leg)?;
        self.stories.get_mut(*index)
    }
}
