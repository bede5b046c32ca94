//! The bridge, the notice to the caller before it, and what a bridged call hears.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::message::{CallEffect, CallTimer, World};
use super::phase::{Notice, Phase, Stage};
use super::supervise::Part;
use crate::acd::message::AcdInput;
use crate::id::{LegId, PlayId};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::words::Outcome;

impl Call {
    /// The caller hears that the call is recorded, while the phone rings or the whisper plays.
    pub(super) fn play_notice(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if self.notice != Notice::Due || self.caller.is_nobody() {
            return;
        }
        let Some(prompt) = self
            .notice_phrase()
            .and_then(|phrase| world.prompts.get(phrase))
        else {
            self.notice = Notice::Over;
            return;
        };
        let play = world.minted.play();
        self.notice_talks_over();
        self.notice = Notice::Playing(play);
        Self::media(
            MediaCommand::Play {
                leg: self.caller.id,
                play,
                prompts: Arc::from([*prompt]),
                looped: false,
            },
            fx,
        );
        fx.push_back(CallEffect::SetTimer(
            CallTimer::Notice,
            world.now.mono + prompt.duration + limits::NOTICE_LATE,
        ));
    }

    /// The caller has heard the notice, or never will.
    pub(super) fn notice_over(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if !matches!(self.notice, Notice::Playing(_)) {
            return;
        }
        fx.push_back(CallEffect::StopTimer(CallTimer::Notice));
        self.notice = Notice::Over;
        let waits =
            matches!(&self.phase, Phase::Whispering(whispering) if whispering.stage == Stage::Over);
        if waits {
            self.bridge_if_ready(world, fx);
        } else if !self.ended() {
            self.play_music(world, fx);
        }
    }

    /// A playout came to its end.
    pub(super) fn played(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        play: PlayId,
        fx: &mut Effects,
    ) {
        if leg == self.caller.id && self.notice == Notice::Playing(play) {
            self.notice_over(world, fx);
            return;
        }
        if self.tone_heard(world, play, fx) {
            return;
        }
        if self.phase == Phase::Confirming(play) {
            return self.confirmed_callback(world, fx);
        }
        if leg == self.caller.id
            && (self.announced(world, play, fx) || self.voicemail_heard(world, play, fx))
        {
            return;
        }
        self.whisper_played(world, play, fx);
    }

    /// Bridges once the whisper is over and the caller has heard the notice.
    pub(super) fn bridge_if_ready(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Phase::Whispering(whispering) = &self.phase else {
            return;
        };
        if whispering.stage != Stage::Over || matches!(self.notice, Notice::Playing(_)) {
            return;
        }
        if self.rings_back() {
            return self.ring_patient(world, fx);
        }
        let operator = whispering.operator.clone();
        self.answer_caller(fx);
        self.queued = false;
        self.bridge(world, fx);
        Self::acd(
            AcdInput::Bridged {
                operator,
                ticket: self.ticket,
            },
            fx,
        );
        self.connected(world, fx);
    }

    /// No sound came from a leg for too long.
    pub(super) fn silent(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        if self.is_supervisor(leg) {
            let note = format!("no RTP from leg {leg}, on which somebody supervises");
            fx.push_back(CallEffect::Note(note));
            return self.drop_supervisor(Part::Ended, &cause::SILENT, world.now.mono, fx);
        }
        let sides = self.sides().filter(|_| self.phase == Phase::Talking);
        if sides.is_some_and(|(left, right)| leg == left || leg == right) {
            fx.push_back(CallEffect::Note(format!("no RTP from leg {leg}")));
            let farewell = self.farewell_for(cause::SILENT);
            self.end(world, Outcome::Answered, None, farewell, fx);
        }
    }
}
