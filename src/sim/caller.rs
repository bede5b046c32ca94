//! Callers behind a carrier's trunk: they call, wait as long as they can bear, talk, hang up.

use std::collections::{BTreeMap, VecDeque};

use super::party::{Cue, Todo};
use super::phone::Manner;
use super::sound::Heard;
use crate::id::LegId;
use crate::sip::session::{Cause, SessionCommand, SessionEvent};
use crate::time::{Duration, Now};
use crate::words::Phrase;

/// Phrases of one call that are remembered.
const PHRASES_KEPT: usize = 64;

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
    /// What was said to the caller, the first [`PHRASES_KEPT`] phrases.
    pub said: Vec<Phrase>,
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
    /// What those do who are called back, one after the other; further ones cannot be reached.
    script: VecDeque<Manner>,
    rung: BTreeMap<LegId, Manner>,
    answered: BTreeMap<LegId, Manner>,
    /// What became of those calls.
    pub reached: Reached,
}

/// Calls to people outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    /// Phones that rang, or were busy at once.
    pub rang: usize,
    /// Those that rang while another one was.
    pub twice: usize,
    /// Talks.
    pub talks: usize,
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

    /// Those who are called from now on do this, one after the other.
    pub fn follow(&mut self, script: impl IntoIterator<Item = Manner>) {
        self.script.extend(script);
    }

    fn called(&mut self, leg: LegId, now: Now, todo: &mut Todo) {
        self.reached.rang += 1;
        self.reached.twice += usize::from(!self.rung.is_empty());
        let manner = self.script.pop_front().unwrap_or(Manner::Decline {
            after: Duration::ZERO,
            code: 480,
        });
        let (after, cue) = match manner {
            Manner::Answer { after, .. } | Manner::Regret { after, .. } => {
                (after, Some(Cue::Answer(leg)))
            }
            Manner::Decline { after, code } => (after, Some(Cue::Decline(leg, code))),
            Manner::Silent | Manner::Vanish { .. } => (Duration::ZERO, None),
        };
        self.rung.insert(leg, manner);
        if after > Duration::ZERO || cue.is_none() {
            todo.say(SessionCommand::Progress {
                leg,
                code: 180,
                answer: None,
            });
        }
        todo.cues.extend(cue.map(|cue| (now.mono + after, cue)));
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
            Cue::HangUp(leg) if self.answered.remove(&leg).is_some() => {
                todo.say(SessionCommand::HangUp { leg, cause: TIRED });
            }
            Cue::HangUp(leg) => {
                if let Some(story) = self.story(leg) {
                    story.gave_up = true;
                    todo.say(SessionCommand::HangUp { leg, cause: TIRED });
                }
            }
            Cue::Answer(leg) => {
                if let Some(manner) = self.rung.remove(&leg) {
                    self.answered.insert(leg, manner);
                    if let Manner::Regret { listen, .. } = manner {
                        todo.cues.push((now.mono + listen, Cue::HangUp(leg)));
                    }
                    todo.accept(leg);
                }
            }
            Cue::Decline(leg, code) => {
                if self.rung.remove(&leg).is_some() {
                    todo.say(SessionCommand::Reject {
                        leg,
                        code,
                        retry_after: None,
                    });
                }
            }
            Cue::Vanish | Cue::Return => {}
        }
    }

    pub(super) fn handle_session(&mut self, now: Now, event: &SessionEvent, todo: &mut Todo) {
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
            SessionEvent::Bye { leg } => {
                self.answered.remove(leg);
                todo.say(SessionCommand::ConfirmBye { leg: *leg });
            }
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
                self.rung.remove(leg);
                self.answered.remove(leg);
                if let Some(story) = self.story(*leg) {
                    story.over = true;
                    self.over += 1;
                }
                self.legs.remove(leg);
            }
            SessionEvent::Incoming { leg, .. } => self.called(*leg, now, todo),
            SessionEvent::Cancelled { leg, .. } => {
                self.rung.remove(leg);
                todo.say(SessionCommand::Reject {
                    leg: *leg,
                    code: 487,
                    retry_after: None,
                });
            }
            SessionEvent::Progress { .. }
            | SessionEvent::Confirmed { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Digit { .. }
            | SessionEvent::Failed { .. } => {}
        }
    }

    pub(super) fn hears(&mut self, now: Now, leg: LegId, heard: &Heard, todo: &mut Todo) {
        if let (Heard::Party, Some(manner)) = (heard, self.answered.get(&leg)) {
            self.reached.talks += 1;
            if let Manner::Answer { talk, .. } = manner {
                todo.cues.push((now.mono + *talk, Cue::HangUp(leg)));
            }
        }
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
            Heard::Phrases(phrases) => {
                if let Some(story) = self.story(leg) {
                    let room = PHRASES_KEPT.saturating_sub(story.said.len());
                    story.said.extend(phrases.iter().take(room).cloned());
                }
            }
        }
    }

    fn story(&mut self, leg: LegId) -> Option<&mut CallStory> {
        let index = self.legs.get(&leg)?;
        self.stories.get_mut(*index)
    }
}
