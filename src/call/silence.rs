//! What a recording leaves out: a card number that is read aloud, a word that nobody may hear again.
//!
//! ```text
//!            pause            mask, by API or by the operator's code
//!   Paused ◀────── recorded ──────▶ Masked
//!      └── resume ──▶ ▲ ◀── resume, the code again, another operator ──┘
//! ```
//!
//! A pause outlasts every transfer until somebody ends it; a mask is the operator's, and ends with their
//! talk. Whoever masks what is paused changes nothing. The parties go on hearing each other, and the
//! recording keeps its timeline.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::message::{News, World};
use super::phase::Phase;
use crate::id::LegId;
use crate::limits;
use crate::media::command::{MediaCommand, Silence};
use crate::time::Instant;
use crate::words::{Phrase, Tone};

/// The keys that a party pressed one soon after the other.
#[derive(Clone, Default, Debug)]
pub struct Typed {
    by: Option<(LegId, Instant)>,
    keys: String,
}

impl Typed {
    /// One more key; what is typed so far ends in it.
    fn press(&mut self, now: Instant, leg: LegId, key: char) -> &str {
        let goes_on = self
            .by
            .is_some_and(|(by, at)| by == leg && now.since(at) < limits::CODE_PAUSE);
        if !goes_on {
            self.keys.clear();
        }
        self.by = Some((leg, now));
        self.keys.push(key);
        while self.keys.chars().count() > limits::CODE_KEYS {
            self.keys.remove(0);
        }
        &self.keys
    }
}

impl Call {
    /// Whether a talk is recorded, be it in silence.
    #[must_use]
    pub const fn records_talk(&self) -> bool {
        let talk = matches!(self.phase, Phase::Talking | Phase::Dialling);
        talk && self.recording && self.bridged.is_some()
    }

    /// Why the recording holds silence now.
    #[must_use]
    pub const fn silence(&self) -> Option<Silence> {
        self.silence
    }

    /// From now on the recording holds silence, or sound again.
    pub(super) fn silence_for(&mut self, silence: Option<Silence>, fx: &mut Effects) {
        let weaker = (self.silence, silence) == (Some(Silence::Paused), Some(Silence::Masked));
        if silence == self.silence || weaker || !self.records_talk() {
            return;
        }
        self.silence = silence;
        let call = self.id();
        Self::media(MediaCommand::Silence { call, silence }, fx);
        self.tell(News::RecordingSilenced(silence), fx);
    }

    /// Another operator's talk is recorded again.
    pub(super) fn unmask(&mut self, fx: &mut Effects) {
        if self.silence == Some(Silence::Masked) && !self.parked {
            self.silence_for(None, fx);
        }
    }

    /// Somebody who talks pressed a key: an operator's code masks, or ends a mask.
    pub(super) fn talker_key(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        digit: char,
        fx: &mut Effects,
    ) {
        let Some(code) = self.plan.feature_codes.mask.as_deref() else {
            return;
        };
        if !self.seats.contains_key(&leg)
            || !self.typed.press(world.now.mono, leg, digit).ends_with(code)
        {
            return;
        }
        self.typed = Typed::default();
        let before = self.silence;
        let masked = before.is_none().then_some(Silence::Masked);
        if before != Some(Silence::Paused) {
            self.silence_for(masked, fx);
        }
        let tone = match self.silence == before {
            true => Tone::Refused,
            false => Tone::Done,
        };
        self.sound_done(world, leg, tone, fx);
    }

    /// The operator alone hears for a moment whether it was done, unless music plays there.
    fn sound_done(&self, world: &mut World<'_>, leg: LegId, tone: Tone, fx: &mut Effects) {
        let other = [Some(&self.caller), self.operator.as_ref()];
        let held = other.into_iter().flatten().any(|other| other.held());
        let prompt = world.prompts.get(&Phrase::Tone(tone)).copied();
        let Some(prompt) = prompt.filter(|_| !held && !self.parked) else {
            return;
        };
        let play = MediaCommand::Play {
            leg,
            play: world.minted.play(),
            prompts: Arc::from([prompt]),
            looped: false,
        };
        Self::media(play, fx);
    }
}
