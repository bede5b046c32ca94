//! From the operator's answer to the bridge, and what a bridged call hears.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::message::{CallEffect, CallTimer, News, World};
use super::phase::{Notice, Phase, Whispering};
use super::whisper;
use crate::acd::message::AcdInput;
use crate::id::{LegId, OperatorName, PlayId};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::words::{MissReason, Outcome};

impl Call {
    /// The operator alone hears the whisper; the caller stays on music.
    pub(super) fn begin_whisper(
        &mut self,
        world: &mut World<'_>,
        operator: OperatorName,
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
        let play = world.minted.play();
        let chosen = whisper::choose(&self.decision.whisper, world.prompts);
        let phrase = chosen.map(|(phrase, _)| phrase.clone());
        if let Some((_, prompt)) = chosen {
            Self::media(
                MediaCommand::Play {
                    leg: leg_id,
                    play,
                    prompts: Arc::from([prompt]),
                    looped: false,
                },
                fx,
            );
            fx.push_back(CallEffect::SetTimer(
                CallTimer::Whisper,
                world.now.mono + self.plan.whisper_max,
            ));
        }
        let silent = phrase.is_none();
        self.phase = Phase::Whispering(Whispering {
            operator,
            phrase,
            play,
            since: world.now.mono,
            over: false,
        });
        if silent {
            self.whisper_over(world, true, fx);
        }
    }

    /// The caller hears that the call is recorded, while the phone rings or the whisper plays.
    pub(super) fn play_notice(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if self.notice != Notice::Due {
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
        let waits = matches!(&self.phase, Phase::Whispering(whispering) if whispering.over);
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
        let mine = matches!(&self.phase, Phase::Whispering(whispering) if whispering.play == play);
        if mine {
            self.whisper_over(world, true, fx);
        }
    }

    /// The whisper's longest time is over.
    pub(super) fn whisper_cut(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        if let (Phase::Whispering(whispering), Some(leg)) = (&self.phase, &self.operator)
            && !whispering.over
        {
            Self::media(
                MediaCommand::Play {
                    leg: leg.id,
                    play: world.minted.play(),
                    prompts: Arc::from([]),
                    looped: false,
                },
                fx,
            );
            self.whisper_over(world, false, fx);
        }
    }

    fn whisper_over(&mut self, world: &mut World<'_>, whole: bool, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::Whisper));
        let Phase::Whispering(whispering) = &mut self.phase else {
            return;
        };
        if whispering.over {
            return;
        }
        whispering.over = true;
        let news = News::Whispered {
            operator: whispering.operator.clone(),
            phrase: whispering.phrase.clone(),
            played: world.now.mono.since(whispering.since),
            whole,
        };
        self.tell(news, fx);
        self.bridge_if_ready(world, fx);
    }

    /// Bridges once the whisper is over and the caller has heard the notice.
    fn bridge_if_ready(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        let Phase::Whispering(whispering) = &self.phase else {
            return;
        };
        if !whispering.over || matches!(self.notice, Notice::Playing(_)) {
            return;
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

    /// The operator is gone before the bridge: a decline. The caller keeps the place.
    pub(super) fn operator_left_whisper(&mut self, world: &World<'_>, fx: &mut Effects) {
        let Phase::Whispering(whispering) = &self.phase else {
            return;
        };
        let (operator, since) = (whispering.operator.clone(), whispering.since);
        let heard = (!whispering.over).then(|| News::Whispered {
            operator: operator.clone(),
            phrase: whispering.phrase.clone(),
            played: world.now.mono.since(since),
            whole: false,
        });
        fx.push_back(CallEffect::StopTimer(CallTimer::Whisper));
        if let Some(news) = heard {
            self.tell(news, fx);
        }
        self.phase = Phase::Waiting;
        if self.bridged.is_none() {
            self.facts.operator = None;
        }
        if let Some(leg) = self.operator.take() {
            self.seats.remove(&leg.id);
            Self::media(MediaCommand::Close { leg: leg.id }, fx);
        }
        let reason = MissReason::Declined;
        self.tell(
            News::OperatorMissed {
                operator: operator.clone(),
                reason,
                ring: world.now.mono.since(since),
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
    }

    /// No sound came from a leg for too long.
    pub(super) fn silent(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        let sides = self.sides().filter(|_| self.phase == Phase::Talking);
        if sides.is_some_and(|(left, right)| leg == left || leg == right) {
            fx.push_back(CallEffect::Note(format!("no RTP from leg {leg}")));
            let farewell = self.farewell_for(cause::SILENT);
            self.end(world, Outcome::Answered, None, farewell, fx);
        }
    }
}
