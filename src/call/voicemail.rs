//! A message that a caller leaves.
//!
//! ```text
//!              heard               #, or the longest message
//!  Greeting ──────────► Recording ──────────────────────────► Closing ──► Ended
//!                            └───────── hung up ────────────────────────────▲
//! ```
//!
//! The greeting is the notice that the call is recorded, if it is due, what the box says, and a beep.
//! The call is missed for the reason that led here, and what was said belongs to its callback. A caller
//! who hangs up before the beep, or at once after it, has left no message.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::message::{CallEffect, CallTimer, News, World};
use super::phase::{Notice, Phase};
use crate::id::{PlayId, VoicemailName};
use crate::limits;
use crate::media::command::{MediaCommand, RecordPlan, Recorded, SegmentKind};
use crate::time::{Duration, Instant};
use crate::words::{Outcome, Phrase, Prompt, Tone};

/// How far a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// The caller hears what the box says, and the beep.
    Greeting(PlayId),
    /// The caller speaks.
    Recording {
        /// Since when.
        since: Instant,
    },
    /// The caller hears that it is over.
    Closing(PlayId),
}

/// What a caller left in a box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The box.
    pub voicemail: VoicemailName,
    /// How long the caller spoke; none when nothing was left.
    pub length: Option<Duration>,
}

impl Call {
    /// The caller comes to a box.
    pub(super) fn begin_voicemail(
        &mut self,
        world: &mut World<'_>,
        name: VoicemailName,
        fx: &mut Effects,
    ) {
        let Some(voicemail) = self.plan.voicemail.get(&name) else {
            return;
        };
        let (say, beep) = (voicemail.say.clone(), Phrase::Tone(Tone::Beep));
        self.queued = false;
        self.leave_transferor_behind(fx);
        self.facts.voicemail = Some(Left {
            voicemail: name,
            length: None,
        });
        self.answer_caller(fx);
        fx.push_back(CallEffect::StopTimer(CallTimer::Notice));
        let notice = match std::mem::replace(&mut self.notice, Notice::Over) {
            Notice::Due | Notice::Playing(_) => self.notice_phrase().cloned(),
            Notice::Over => None,
        };
        let phrases = [notice, say, Some(beep)];
        let prompts = phrases.iter().flatten();
        let prompts = prompts.filter_map(|phrase| world.prompts.get(phrase).copied());
        let prompts: Vec<_> = prompts.collect();
        let play = world.minted.play();
        self.phase = Phase::Voicemail(Message::Greeting(play));
        if prompts.is_empty() {
            return self.begin_message(world, fx);
        }
        self.say_then(world, play, prompts, fx);
    }

    /// Says something to the caller, after which [`Call::voicemail_heard`] follows in any case.
    fn say_then(&self, world: &World<'_>, play: PlayId, prompts: Vec<Prompt>, fx: &mut Effects) {
        let length: Duration = prompts.iter().map(|prompt| prompt.duration).sum();
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Voicemail,
            world.now.mono + length + limits::NOTICE_LATE,
        ));
        Self::media(
            MediaCommand::Play {
                leg: self.caller.id,
                play,
                prompts: Arc::from(prompts),
                looped: false,
            },
            fx,
        );
    }

    /// The caller has heard what was played. False when it was not that.
    pub(super) fn voicemail_heard(
        &mut self,
        world: &mut World<'_>,
        played: PlayId,
        fx: &mut Effects,
    ) -> bool {
        match self.phase {
            Phase::Voicemail(Message::Greeting(play)) if play == played => {
                self.begin_message(world, fx);
            }
            Phase::Voicemail(Message::Closing(play)) if play == played => {
                self.end_voicemail(world, fx);
            }
            Phase::Voicemail(_)
            | Phase::Opening { .. }
            | Phase::Waiting
            | Phase::Confirming(_)
            | Phase::Whispering(_)
            | Phase::Dialling
            | Phase::Talking
            | Phase::Ended => return false,
        }
        true
    }

    /// The longest time of what the caller does or hears is over.
    pub(super) fn voicemail_late(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Phase::Voicemail(message) = self.phase else {
            return;
        };
        match message {
            Message::Greeting(_) => self.begin_message(world, fx),
            Message::Recording { .. } => self.close_message(world, fx),
            Message::Closing(_) => self.end_voicemail(world, fx),
        }
    }

    /// A key pressed by a caller at a box.
    pub(super) fn voicemail_key(&mut self, world: &mut World<'_>, digit: char, fx: &mut Effects) {
        let speaks = matches!(self.phase, Phase::Voicemail(Message::Recording { .. }));
        if speaks && digit == '#' {
            self.close_message(world, fx);
        }
    }

    fn begin_message(&mut self, world: &World<'_>, fx: &mut Effects) {
        let Some(left) = &self.facts.voicemail else {
            return;
        };
        let longest = self.plan.voicemail.get(&left.voicemail);
        let longest = longest.map_or(limits::VOICEMAIL, |voicemail| voicemail.max);
        let since = world.now.mono;
        self.phase = Phase::Voicemail(Message::Recording { since });
        let keep = self.keep();
        let plan = Box::new(RecordPlan {
            call: self.id(),
            started_at: world.now.wall,
            to: self.facts.to.to_string(),
            from: self.facts.from.as_deref().map(str::to_owned),
            site: self.facts.site.as_ref().map(ToString::to_string),
            queue: self.facts.queue.as_ref().map(ToString::to_string),
            operator: None,
            kind: SegmentKind::Voicemail,
            keep,
        });
        let first = !std::mem::replace(&mut self.recording, true);
        self.facts.recorded = true;
        let leg = self.caller.id;
        Self::media(MediaCommand::Record { leg, plan }, fx);
        if first {
            self.tell(News::RecordingStarted { keep }, fx);
        }
        fx.push_back(CallEffect::SetTimer(CallTimer::Voicemail, since + longest));
    }

    /// The caller has said everything, or all there is room for.
    fn close_message(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        self.measure_message(world);
        let call = self.id();
        Self::media(MediaCommand::StopRecording { call }, fx);
        let play = world.minted.play();
        self.phase = Phase::Voicemail(Message::Closing(play));
        match world.prompts.get(&Phrase::Tone(Tone::Done)).copied() {
            Some(tone) => self.say_then(world, play, vec![tone], fx),
            None => self.end_voicemail(world, fx),
        }
    }

    fn end_voicemail(&mut self, world: &World<'_>, fx: &mut Effects) {
        let farewell = self.farewell_for(cause::NORMAL);
        let reason = Some(self.path.reason());
        self.end(world, Outcome::Missed, reason, farewell, fx);
    }

    /// Notes how long the caller spoke; what is too short to be a message is none.
    pub(super) fn measure_message(&mut self, world: &World<'_>) {
        let Phase::Voicemail(Message::Recording { since }) = self.phase else {
            return;
        };
        let length = world.now.mono.since(since);
        let length = Some(length).filter(|length| *length >= limits::VOICEMAIL_LEAST);
        if length.is_none() && self.bridged.is_none() {
            self.facts.recorded = false;
        }
        if let Some(left) = &mut self.facts.voicemail {
            left.length = length;
        }
    }

    /// The recording is complete: whoever works off callbacks can hear the message.
    pub(super) fn tell_message(&self, recorded: &Recorded, fx: &mut Effects) {
        let Some(Left { voicemail, length }) = self.facts.voicemail.clone() else {
            return;
        };
        if let Some(length) = length {
            let file = recorded.file.clone();
            self.tell(
                News::VoicemailRecorded {
                    voicemail,
                    length,
                    file,
                },
                fx,
            );
        }
    }
}
