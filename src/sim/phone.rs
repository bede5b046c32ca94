//! An operator with a softphone: answers, declines, ignores, hangs up too early, walks away.

use std::collections::{BTreeMap, VecDeque};

use super::party::{Cue, Todo};
use super::sound::Heard;
use crate::id::LegId;
use crate::rng::Rng;
use crate::sip::session::{Cause, SessionCommand, SessionEvent};
use crate::time::{Duration, Instant, Now};
use crate::words::Phrase;

/// What the operator does with one ringing call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Answers after the first time and hangs up after the second, counted from the bridge.
    Answer {
        /// Rings this long.
        after: Duration,
        /// Talks at most this long.
        talk: Duration,
    },
    /// Refuses with this code after a while: 603, 486, 480 …
    Decline {
        /// Rings this long.
        after: Duration,
        /// The response.
        code: u16,
    },
    /// Lets it ring.
    Silent,
    /// Answers, and hangs up in the whisper.
    Regret {
        /// Rings this long.
        after: Duration,
        /// Listens this long.
        listen: Duration,
    },
    /// The phone loses its network without a word, and comes back later.
    Vanish {
        /// Rings this long before.
        after: Duration,
        /// Stays away this long.
        away: Duration,
    },
}

/// How likely each manner is, of a thousand; the rest answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Temper {
    /// Declines or is busy.
    pub declines: u32,
    /// Lets it ring.
    pub silent: u32,
    /// Hangs up in the whisper.
    pub regrets: u32,
    /// Vanishes.
    pub vanishes: u32,
    /// The longest an answer takes.
    pub answer_within: Duration,
    /// The longest talk.
    pub talk_within: Duration,
}

impl Temper {
    /// Answers at once and talks for ten seconds at most.
    pub const CALM: Self = Self {
        declines: 0,
        silent: 0,
        regrets: 0,
        vanishes: 0,
        answer_within: Duration::from_secs(1),
        talk_within: Duration::from_secs(10),
    };

    fn draw(self, rng: &mut Rng) -> Manner {
        let mut within = |most: Duration| {
            let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(rng.below(most))
        };
        let after = within(self.answer_within);
        let talk = within(self.talk_within);
        let luck = u32::try_from(rng.below(1000)).unwrap_or(0);
        let [declines, silent, regrets, vanishes] = [
            self.declines,
            self.declines + self.silent,
            self.declines + self.silent + self.regrets,
            self.declines + self.silent + self.regrets + self.vanishes,
        ];
        if luck < declines {
            let code = if rng.chance(500) { 603 } else { 486 };
            Manner::Decline { after, code }
        } else if luck < silent {
            Manner::Silent
        } else if luck < regrets {
            let listen = Duration::from_millis(rng.below(2_000));
            Manner::Regret { after, listen }
        } else if luck < vanishes {
            let away = Duration::from_secs(20 + rng.below(100));
            Manner::Vanish { after, away }
        } else {
            Manner::Answer { after, talk }
        }
    }
}

/// What the operator did with a call, for the tests that ask.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PhoneStory {
    /// What was heard before the caller.
    pub whispers: Vec<Vec<Phrase>>,
    /// INVITEs that rang.
    pub rang: usize,
    /// Talks.
    pub talks: usize,
    /// Of the calls shown, the display names.
    pub displays: Vec<String>,
    /// When the server took a call back, by CANCEL or by BYE.
    pub stopped: Vec<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Ringing {
    manner: Manner,
    answered: bool,
}

/// One operator at one phone.
#[derive(Debug)]
pub struct Phone {
    temper: Temper,
    script: VecDeque<Manner>,
    legs: BTreeMap<LegId, Ringing>,
    rng: Rng,
    /// What happened so far.
    pub story: PhoneStory,
}

const DONE: Cause = Cause {
    sip: 200,
    q850: Some(16),
    text: "operator hung up",
};

impl Phone {
    /// An operator of this temper, who follows `script` first.
    #[must_use]
    pub fn new(temper: Temper, script: impl IntoIterator<Item = Manner>, rng: Rng) -> Self {
        Self {
            temper,
            script: script.into_iter().collect(),
            legs: BTreeMap::new(),
            rng,
            story: PhoneStory::default(),
        }
    }

    pub(super) fn forget_calls(&mut self) {
        self.legs.clear();
    }

    pub(super) fn handle_cue(&mut self, now: Now, cue: &Cue, todo: &mut Todo) {
        match *cue {
            Cue::Answer(leg) => {
                let Some(ringing) = self.legs.get_mut(&leg).filter(|r| !r.answered) else {
                    return;
                };
                ringing.answered = true;
                if let Manner::Regret { listen, .. } = ringing.manner {
                    todo.cues.push((now.mono + listen, Cue::HangUp(leg)));
                }
                todo.accept(leg);
            }
            Cue::Decline(leg, code) => {
                if self.legs.get(&leg).is_some_and(|r| !r.answered) {
                    self.legs.remove(&leg);
                    todo.say(SessionCommand::Reject {
                        leg,
                        code,
                        retry_after: None,
                    });
                }
            }
            Cue::HangUp(leg) => {
                if self.legs.remove(&leg).is_some() {
                    todo.say(SessionCommand::HangUp { leg, cause: DONE });
                }
            }
            Cue::Call(_) | Cue::Vanish | Cue::Return => {}
        }
    }

    pub(super) fn handle_session(&mut self, now: Now, event: &SessionEvent, todo: &mut Todo) {
        match event {
            SessionEvent::Incoming { leg, invite } => {
                self.story.displays.push(invite.from_display.clone());
                self.ring(now, *leg, todo);
            }
            SessionEvent::Cancelled { leg, .. } => {
                self.story.stopped.push(now.mono);
                self.legs.remove(leg);
                todo.say(SessionCommand::Reject {
                    leg: *leg,
                    code: 487,
                    retry_after: None,
                });
            }
            SessionEvent::Bye { leg } => {
                self.story.stopped.push(now.mono);
                self.legs.remove(leg);
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
            SessionEvent::Failed { leg, .. } | SessionEvent::Closed { leg } => {
                self.legs.remove(leg);
                for cue in [
                    Cue::Answer(*leg),
                    Cue::HangUp(*leg),
                    Cue::Decline(*leg, 486),
                    Cue::Decline(*leg, 603),
                ] {
                    todo.stop(cue);
                }
            }
            SessionEvent::Progress { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Rejected { .. }
            | SessionEvent::Confirmed { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Digit { .. } => {}
        }
    }

    fn ring(&mut self, now: Now, leg: LegId, todo: &mut Todo) {
        let drawn = self.temper.draw(&mut self.rng);
        let mut manner = self.script.pop_front().unwrap_or(drawn);
        if !self.legs.is_empty() {
            let (after, code) = (Duration::ZERO, 486);
            manner = Manner::Decline { after, code };
        }
        let ringing = Ringing {
            manner,
            answered: false,
        };
        self.legs.insert(leg, ringing);
        self.story.rang += 1;
        let (after, cue) = match manner {
            Manner::Answer { after, .. } | Manner::Regret { after, .. } => {
                (after, Some(Cue::Answer(leg)))
            }
            Manner::Decline { after, code } => (after, Some(Cue::Decline(leg, code))),
            Manner::Silent => (Duration::ZERO, None),
            Manner::Vanish { after, away } => {
                todo.cues.push((now.mono + after + away, Cue::Return));
                (after, Some(Cue::Vanish))
            }
        };
        if after > Duration::ZERO || cue.is_none() {
            todo.say(SessionCommand::Progress {
                leg,
                code: 180,
                answer: None,
            });
        }
        todo.cues.extend(cue.map(|cue| (now.mono + after, cue)));
    }

    pub(super) fn hears(&mut self, now: Now, leg: LegId, heard: Heard, todo: &mut Todo) {
        let Some(ringing) = self.legs.get(&leg) else {
            return;
        };
        match heard {
            Heard::Music => {}
            Heard::Phrases(phrases) => self.story.whispers.push(phrases),
            Heard::Party => {
                self.story.talks += 1;
                if let Manner::Answer { talk, .. } = ringing.manner {
                    todo.cues.push((now.mono + talk, Cue::HangUp(leg)));
                }
            }
        }
    }
}
