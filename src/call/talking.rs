//! From the operator's answer to the bridge, and what a bridged call hears.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::cause;
use super::leg::Sip;
use super::message::{CallEffect, CallTimer, News, World};
use super::phase::{Notice, Phase, Whispering};
use super::whisper;
use crate::acd::message::AcdInput;
use crate::id::{LegId, OperatorName, PlayId};
use crate::limits;
use crate::media::command::{MediaCommand, RecordPlan, SegmentKind};
use crate::sip::session::SessionCommand;
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
        let Some(leg) = self.operator.as_ref().map(|leg| leg.id) else {
            return;
        };
        self.answer_caller(fx);
        let record = self.record_plan(world, &operator);
        self.recording = record.is_some();
        self.facts.recorded = record.is_some();
        self.facts.answered_at = Some(world.now.wall);
        self.facts.wait = Some(world.now.mono.since(self.since));
        self.bridged = Some(world.now.mono);
        self.queued = false;
        self.phase = Phase::Talking {
            operator: operator.clone(),
        };
        Self::media(
            MediaCommand::Bridge {
                caller: self.caller.id,
                operator: leg,
                record: record.map(Box::new),
            },
            fx,
        );
        Self::acd(
            AcdInput::Bridged {
                operator,
                ticket: self.ticket,
            },
            fx,
        );
        self.tell(News::Bridged, fx);
        if self.recording {
            let recording = self.plan.recording.as_ref();
            let keep = recording.and_then(|recording| recording.keep);
            self.tell(News::RecordingStarted { keep }, fx);
        }
    }

    fn record_plan(&self, world: &World<'_>, operator: &OperatorName) -> Option<RecordPlan> {
        let recording = self.plan.recording.as_ref()?;
        Some(RecordPlan {
            call: self.id(),
            started_at: world.now.wall,
            to: self.facts.to.to_string(),
            from: self.facts.from.as_deref().map(str::to_owned),
            site: self.facts.site.as_ref().map(ToString::to_string),
            queue: self.facts.queue.as_ref().map(ToString::to_string),
            operator: operator.clone(),
            kind: SegmentKind::Talk,
            keep: recording.keep,
        })
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
        self.facts.operator = None;
        if let Some(leg) = self.operator.take() {
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

    /// A new offer inside a dialog: a hold, or a phone that moved.
    pub(super) fn reoffered(&mut self, leg: LegId, offer: Option<&[u8]>, fx: &mut Effects) {
        let ended = self.ended();
        let Some(of) = self
            .leg_mut(leg)
            .filter(|of| of.sip == Sip::Answered && !ended)
        else {
            let answer = Err(481);
            Self::session(SessionCommand::AnswerReoffer { leg, answer }, fx);
            return;
        };
        let held = of.held();
        let answer = match offer {
            Some(offer) => match of.answer(offer) {
                Some(Ok(answer)) => Ok(answer),
                Some(Err(_)) | None => Err(488),
            },
            None => of.offer().ok_or(500),
        };
        let remote = of.remote().filter(|_| offer.is_some() && answer.is_ok());
        let now_held = of.held();
        Self::session(SessionCommand::AnswerReoffer { leg, answer }, fx);
        if let Some(remote) = remote {
            Self::media(MediaCommand::Connect { leg, remote }, fx);
        }
        self.tell_hold(leg, held, now_held, fx);
    }

    /// A party of a talk put the other one on hold, or took it back.
    pub(super) fn tell_hold(&self, leg: LegId, before: bool, held: bool, fx: &mut Effects) {
        if before != held && matches!(self.phase, Phase::Talking { .. }) {
            let by_operator = leg != self.caller.id;
            self.tell(News::Held { held, by_operator }, fx);
        }
    }

    /// No sound came from a leg for too long.
    pub(super) fn silent(&mut self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        if matches!(self.phase, Phase::Talking { .. }) && self.leg_mut(leg).is_some() {
            fx.push_back(CallEffect::Note(format!("no RTP from leg {leg}")));
            let farewell = self.farewell_for(cause::SILENT);
            self.end(world, Outcome::Answered, None, farewell, fx);
        }
    }
}
