//! A waiting caller asks to be called back: the place is kept, the caller hears so and is let go.
//!
//! ```text
//!          key                       heard, or the caller hangs up
//! Waiting ─────► Confirming(play) ─────────────────────────────────► Ended, missed (abandoned)
//!    ▲   │
//!    └───┘ no number to ring, none that may be rung, or no room: a tone, and the caller waits on
//! ```
//! The callback is opened at the key, not at the end, so that nothing that happens while the caller
//! hears it confirmed can lose it.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::ending::Farewell;
use super::message::{CallEffect, CallTimer, News, World};
use super::phase::{Notice, Phase};
use crate::acd::message::AcdInput;
use crate::dialplan::dial::{Barred, Dialled};
use crate::dialplan::speech;
use crate::id::PlayId;
use crate::limits;
use crate::media::command::MediaCommand;
use crate::time::Wall;
use crate::words::{Direction, LeftReason, MissedReason, Outcome, Phrase, Prompt, Tone};

impl Call {
    /// The caller pressed the key that asks for a callback.
    pub(super) fn ask_callback(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if !self.may_be_called_back(world) {
            return self.refuse_key(world, fx);
        }
        let entered = self.stands_in.as_ref();
        let entered = entered.map(|queue| self.entered_in(queue));
        let waited = world
            .now
            .mono
            .since(entered.unwrap_or_else(|| self.path.entered()));
        let millis = i64::try_from(waited.as_millis()).unwrap_or(i64::MAX);
        let entered = world.now.wall.as_millis().saturating_sub(millis);
        self.facts.callback_requested = true;
        let news = News::CallbackAsked {
            entered: Wall::from_millis(entered),
            priority: self.decision.priority,
        };
        self.tell(news, fx);
        self.queued = false;
        self.stop_announcing(world, fx);
        let (ticket, reason) = (self.ticket, LeftReason::Callback);
        Self::acd(AcdInput::Leave { ticket, reason }, fx);
        self.confirm(world, fx);
    }

    /// Whoever withholds the number, or has one that we may not dial, cannot be rung back.
    fn may_be_called_back(&self, world: &World<'_>) -> bool {
        let inbound = self.facts.direction == Direction::Inbound && self.transfer.is_none();
        let number = self.facts.from.as_deref();
        let dialled = number.map(|number| self.plan.dialled(number, world.now.wall));
        let may = match dialled {
            Some(Ok(Dialled::Outside { emergency, .. })) => !emergency,
            // The hours pass, and the recall waits for them.
            Some(Err(Barred::Closed)) => true,
            Some(Ok(Dialled::Operator(_) | Dialled::Queues(_))) => false,
            Some(Err(Barred::Unknown | Barred::Denied)) | None => false,
        };
        inbound && may && world.takes_recalls
    }

    /// The key does nothing now: a tone says so, and the music goes on.
    fn refuse_key(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let tone = world.prompts.get(&Phrase::Tone(Tone::Refused)).copied();
        if let Some(tone) = tone.filter(|_| !matches!(self.notice, Notice::Playing(_))) {
            let play = world.minted.play();
            self.tone = Some(play);
            self.say_once(play, tone, fx);
        }
    }

    /// The tone has been heard. False when it was something else.
    pub(super) fn tone_heard(
        &mut self,
        world: &mut World<'_>,
        play: PlayId,
        fx: &mut Effects,
    ) -> bool {
        let mine = self.tone == Some(play);
        if mine {
            self.tone = None;
            let waits = matches!(self.phase, Phase::Waiting | Phase::Whispering(_));
            if waits && !matches!(self.notice, Notice::Playing(_)) {
                self.play_music(world, fx);
            }
        }
        mine
    }

    fn say_once(&self, play: PlayId, prompt: Prompt, fx: &mut Effects) {
        Self::media(
            MediaCommand::Play {
                leg: self.caller.id,
                play,
                prompts: Arc::from([prompt]),
                looped: false,
            },
            fx,
        );
    }

    fn confirm(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let language = self.decision.language;
        let spoken = speech::callback_confirmed(language);
        let tone = Phrase::Tone(Tone::Done);
        let prompts = world.prompts;
        let prompt = prompts.get(&spoken).or_else(|| prompts.get(&tone)).copied();
        let Some(prompt) = prompt else {
            return self.confirmed_callback(world, fx);
        };
        let play = world.minted.play();
        self.notice = Notice::Over;
        self.phase = Phase::Confirming(play);
        self.say_once(play, prompt, fx);
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Notice,
            world.now.mono + prompt.duration + limits::NOTICE_LATE,
        ));
    }

    /// The caller has heard that the callback is booked: nothing is left to wait for.
    pub(super) fn confirmed_callback(&mut self, world: &World<'_>, fx: &mut Effects) {
        let reason = Some(MissedReason::Abandoned);
        let farewell = Farewell::HangUp(cause::NORMAL);
        self.end(world, Outcome::Missed, reason, farewell, fx);
    }
}
