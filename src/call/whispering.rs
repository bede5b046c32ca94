//! The operator's time from the answer to the bridge: what is whispered, and whether it is accepted.
//!
//! ```text
//! answered ──► Awaited ──────────► Said ─────────────────────────► Over ──► the bridge, behind the
//!    │         rendered, or late    │ ▲ heard, or cut               ▲       notice to the caller
//!    └──────────────────────────────┘ │                             │
//!               what is wanted is ready │ heard, or cut    key 1    │
//!                                       └──────► Unaccepted ────────┤
//!                                        again               any of them
//! ```
//!
//! Where the plan asks for a key, an operator who presses none within [`limits::ACCEPT`] of the longest
//! whisper has not answered: voicemail of a mobile phone gets no caller. An operator who hangs up has
//! declined. Either way the caller keeps the place, and has heard music, or the notice, all the while.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::message::{CallEffect, CallTimer, News, World};
use super::phase::{Phase, Stage, Whispering};
use crate::acd::message::AcdInput;
use crate::dialplan::plan::{Accept, Spoken};
use crate::id::{OperatorName, PlayId};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::words::MissReason;

/// The key that accepts a call.
const ACCEPT: char = '1';

impl Call {
    /// The operator alone hears the whisper; the caller stays on music.
    pub(super) fn begin_whisper(
        &mut self,
        world: &mut World<'_>,
        operator: OperatorName,
        spoken: Spoken,
        fx: &mut Effects,
    ) {
        let Some(leg) = &self.operator else {
            return;
        };
        let leg_id = leg.id;
        if let Some(remote) = leg.remote() {
            Self::media(
                MediaCommand::Connect {
                    leg: leg_id,
                    remote,
                },
                fx,
            );
        }
        self.play_notice(world, fx);
        self.stop_announcing(world, fx);
        if self.plan.whisper_accept == Accept::Key {
            let until = world.now.mono + self.plan.whisper_max + limits::ACCEPT;
            fx.push_back(CallEffect::SetTimer(CallTimer::Accept, until));
        }
        let awaited = self.awaited(world, &spoken);
        let waits = awaited.is_some();
        self.phase = Phase::Whispering(Whispering {
            operator,
            spoken,
            since: world.now.mono,
            stage: awaited.map_or(Stage::Unaccepted, Stage::Awaited),
            told: false,
        });
        if waits {
            let until = world.now.mono + limits::WHISPER_LATE;
            fx.push_back(CallEffect::SetTimer(CallTimer::Whisper, until));
        } else {
            self.whisper(world, fx);
        }
    }

    /// Says what is ready, in place of waiting or of silence.
    fn whisper(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let (Phase::Whispering(whispering), Some(leg)) = (&self.phase, &self.operator) else {
            return;
        };
        let saying = self.saying(world, &whispering.spoken);
        let leg = leg.id;
        let Some(saying) = saying else {
            return self.whispered(world, true, fx);
        };
        let play = world.minted.play();
        Self::media(
            MediaCommand::Play {
                leg,
                play,
                prompts: saying.prompts,
                looped: false,
            },
            fx,
        );
        let until = world.now.mono + self.plan.whisper_max;
        fx.push_back(CallEffect::SetTimer(CallTimer::Whisper, until));
        if let Phase::Whispering(whispering) = &mut self.phase {
            whispering.stage = Stage::Said {
                play,
                phrase: saying.phrase,
                since: world.now.mono,
            };
        }
    }

    /// A phrase was rendered: perhaps the one that the operator waits for.
    pub(super) fn whisper_came(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let waits = match &self.phase {
            Phase::Whispering(whispering) => {
                matches!(whispering.stage, Stage::Awaited(_))
                    && self.awaited(world, &whispering.spoken).is_none()
            }
            Phase::Opening { .. }
            | Phase::Waiting
            | Phase::Voicemail(_)
            | Phase::Confirming(_)
            | Phase::Dialling
            | Phase::Talking
            | Phase::Ended => false,
        };
        if waits {
            self.whisper(world, fx);
        }
    }

    /// The timer of the whisper: rendered too late, said too long, or silent long enough.
    pub(super) fn whisper_due(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Phase::Whispering(whispering) = &self.phase else {
            return;
        };
        match whispering.stage {
            Stage::Awaited(_) | Stage::Unaccepted => self.whisper(world, fx),
            Stage::Said { .. } => {
                self.hush(world, fx);
                self.whispered(world, false, fx);
            }
            Stage::Over => {}
        }
    }

    /// A playout on the operator's leg came to its end.
    pub(super) fn whisper_played(
        &mut self,
        world: &mut World<'_>,
        ended: PlayId,
        fx: &mut Effects,
    ) {
        let mine = matches!(
            &self.phase,
            Phase::Whispering(Whispering { stage: Stage::Said { play, .. }, .. }) if *play == ended
        );
        if mine {
            self.whispered(world, true, fx);
        }
    }

    /// Stops what the operator hears.
    fn hush(&self, world: &mut World<'_>, fx: &mut Effects) {
        if let Some(leg) = &self.operator {
            Self::media(
                MediaCommand::Play {
                    leg: leg.id,
                    play: world.minted.play(),
                    prompts: Arc::from([]),
                    looped: false,
                },
                fx,
            );
        }
    }

    /// The whisper was heard, whole or not.
    fn whispered(&mut self, world: &mut World<'_>, whole: bool, fx: &mut Effects) {
        self.tell_whispered(world, whole, fx);
        let Phase::Whispering(whispering) = &mut self.phase else {
            return;
        };
        match self.plan.whisper_accept {
            Accept::Answer => {
                whispering.stage = Stage::Over;
                fx.push_back(CallEffect::StopTimer(CallTimer::Whisper));
                self.bridge_if_ready(world, fx);
            }
            Accept::Key => {
                whispering.stage = Stage::Unaccepted;
                let again = world.now.mono + limits::WHISPER_AGAIN;
                fx.push_back(CallEffect::SetTimer(CallTimer::Whisper, again));
            }
        }
    }

    /// A key of an operator who hears the whisper, or has heard it.
    pub(super) fn accept_key(&mut self, world: &mut World<'_>, digit: char, fx: &mut Effects) {
        let Phase::Whispering(whispering) = &self.phase else {
            return;
        };
        let takes = self.plan.whisper_accept == Accept::Key && digit == ACCEPT;
        if !takes || whispering.stage == Stage::Over {
            return;
        }
        if matches!(whispering.stage, Stage::Said { .. }) {
            self.hush(world, fx);
        }
        self.tell_whispered(world, false, fx);
        for timer in [CallTimer::Whisper, CallTimer::Accept] {
            fx.push_back(CallEffect::StopTimer(timer));
        }
        if let Phase::Whispering(whispering) = &mut self.phase {
            whispering.stage = Stage::Over;
        }
        self.bridge_if_ready(world, fx);
    }

    /// No key was pressed: nobody is there who could talk.
    pub(super) fn not_accepted(&mut self, world: &World<'_>, fx: &mut Effects) {
        let waits = matches!(
            &self.phase,
            Phase::Whispering(whispering) if whispering.stage != Stage::Over
        );
        if !waits {
            return;
        }
        if let Some(leg) = &self.operator {
            let (leg, sip) = (leg.id, leg.sip);
            self.end_leg(leg, sip, cause::NO_ANSWER, fx);
        }
        self.whisper_failed(world, MissReason::NoAnswer, fx);
    }

    /// The operator is gone before the bridge: a decline. The caller keeps the place.
    pub(super) fn operator_left_whisper(&mut self, world: &World<'_>, fx: &mut Effects) {
        if let Some(leg) = &self.operator {
            Self::media(MediaCommand::Close { leg: leg.id }, fx);
        }
        self.whisper_failed(world, MissReason::Declined, fx);
    }

    fn whisper_failed(&mut self, world: &World<'_>, reason: MissReason, fx: &mut Effects) {
        self.tell_whispered(world, false, fx);
        let Phase::Whispering(whispering) = std::mem::replace(&mut self.phase, Phase::Waiting)
        else {
            return;
        };
        for timer in [CallTimer::Whisper, CallTimer::Accept] {
            fx.push_back(CallEffect::StopTimer(timer));
        }
        self.go_on_announcing(fx);
        if self.bridged.is_none() {
            self.facts.operator = None;
        }
        if let Some(leg) = self.operator.take() {
            self.seats.remove(&leg.id);
        }
        let operator = whispering.operator;
        self.tell(
            News::OperatorMissed {
                operator: operator.clone(),
                reason,
                ring: world.now.mono.since(whispering.since),
            },
            fx,
        );
        Self::acd(
            AcdInput::Missed {
                operator,
                ticket: self.ticket,
                reason,
            },
            fx,
        );
        self.operator_let_down(world, fx);
    }

    /// Tells what was heard of the whisper, once; what is said again is not told again.
    pub(super) fn tell_whispered(&mut self, world: &World<'_>, whole: bool, fx: &mut Effects) {
        let Phase::Whispering(whispering) = &mut self.phase else {
            return;
        };
        if std::mem::replace(&mut whispering.told, true) {
            return;
        }
        let (phrase, since) = match &whispering.stage {
            Stage::Said { phrase, since, .. } => (Some(phrase.clone()), *since),
            Stage::Awaited(_) | Stage::Unaccepted | Stage::Over => (None, world.now.mono),
        };
        let news = News::Whispered {
            operator: whispering.operator.clone(),
            phrase,
            played: world.now.mono.since(since),
            whole,
        };
        self.tell(news, fx);
    }
}
