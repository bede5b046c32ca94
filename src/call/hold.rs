//! Hold: a party that wants no sound, and what the other one hears meanwhile.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::leg::Sip;
use super::message::{News, World};
use super::phase::Phase;
use crate::id::LegId;
use crate::media::command::MediaCommand;
use crate::sip::session::SessionCommand;
use crate::words::Phrase;

impl Call {
    /// A new offer inside a dialog: a hold, or a phone that moved.
    pub(super) fn reoffered(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        offer: Option<&[u8]>,
        fx: &mut Effects,
    ) {
        if self.update_of_the_rung(leg, offer, fx) {
            return;
        }
        let ended = self.ended();
        let Some(of) = self.leg_mut(leg).filter(|of| match of.sip {
            Sip::Answered => !ended,
            // An UPDATE or a PRACK may offer anew once early media was agreed on (RFC 3311 5.2).
            Sip::Open => !ended && of.remote().is_some(),
            Sip::Unsent | Sip::Over => false,
        }) else {
            let answer = Err(if ended { 481 } else { 488 });
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
        self.follow_hold(world, leg, held, now_held, fx);
    }

    /// An UPDATE of somebody who is being rung, in the early dialog (RFC 3311 5.2). What is heard
    /// before the answer follows it at once, anything else with the answer. False when nobody is rung
    /// on this leg.
    fn update_of_the_rung(&mut self, leg: LegId, offer: Option<&[u8]>, fx: &mut Effects) -> bool {
        let heard = self.dial.as_ref().and_then(|dial| dial.early) == Some(leg);
        let tried = self.dial.as_mut().and_then(|it| it.tries.get_mut(&leg));
        let mut offers = self.offers.values_mut();
        let phone = offers.find_map(|offer| offer.phones.get_mut(&leg));
        let of = tried.map(|it| &mut it.leg);
        let Some(of) = of.or(phone.map(|phone| &mut phone.leg)) else {
            return false;
        };
        let answer = match offer.and_then(|offer| of.answer_early(offer)) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) | None => Err(488),
        };
        let remote = of.remote().filter(|_| heard && answer.is_ok());
        Self::session(SessionCommand::AnswerReoffer { leg, answer }, fx);
        if let Some(remote) = remote {
            Self::media(MediaCommand::Connect { leg, remote }, fx);
        }
        true
    }

    /// A party of a talk put the other one on hold, or took it back: music comes and goes.
    pub(super) fn follow_hold(
        &self,
        world: &mut World<'_>,
        leg: LegId,
        before: bool,
        held: bool,
        fx: &mut Effects,
    ) {
        if self.is_supervisor(leg) {
            return;
        }
        let Some((left, right)) = self.sides().filter(|_| self.phase == Phase::Talking) else {
            // Whoever is sent on hears music anyway; the bridge asks who holds then.
            if before != held && self.transfer.is_some() {
                let by_operator = leg != self.caller.id;
                self.tell(News::Held { held, by_operator }, fx);
            }
            return;
        };
        let other = if leg == left { right } else { left };
        if before == held || (leg != left && leg != right) {
            return;
        }
        if self.parked {
            // Both hear nothing of each other anyway; the bridge asks who holds then.
            let by_operator = leg == right;
            return self.tell(News::Held { held, by_operator }, fx);
        }
        if held {
            self.entertain(world, other, fx);
        } else {
            let (play, prompts) = (world.minted.play(), Arc::from([]));
            Self::media(
                MediaCommand::Play {
                    leg: other,
                    play,
                    prompts,
                    looped: false,
                },
                fx,
            );
        }
        let by_operator = leg == right;
        self.tell(News::Held { held, by_operator }, fx);
    }

    /// Somebody outside holds a talk, or takes it back: the parties do not hear each other, and the one
    /// who is no operator hears music. Any bridge ends it.
    pub(super) fn hold(&mut self, world: &mut World<'_>, held: bool, fx: &mut Effects) {
        let sides = self.sides().filter(|_| self.phase == Phase::Talking);
        let (Some((caller, operator)), Some(talker)) = (sides, self.talker()) else {
            return;
        };
        if held == self.parked {
            return;
        }
        if held {
            self.parked = true;
            Self::media(MediaCommand::Unbridge { caller, operator }, fx);
            let other = if talker == caller { operator } else { caller };
            self.entertain(world, other, fx);
        } else {
            self.bridge(world, fx);
            self.entertain_the_held(world, fx);
        }
        let by_operator = true;
        self.tell(News::Held { held, by_operator }, fx);
    }

    /// After a bridge: whoever is kept on hold hears music, not silence.
    pub(super) fn entertain_the_held(&self, world: &mut World<'_>, fx: &mut Effects) {
        let Some(operator) = &self.operator else {
            return;
        };
        for (holder, other) in [(&self.caller, operator), (operator, &self.caller)] {
            if holder.held() {
                self.entertain(world, other.id, fx);
            }
        }
    }

    /// Plays music to a leg, in place of whatever it heard.
    pub(super) fn entertain(&self, world: &mut World<'_>, leg: LegId, fx: &mut Effects) {
        let prompt = self.hold_music().and_then(|music| world.prompts.get(music));
        if let Some(prompt) = prompt {
            Self::media(
                MediaCommand::Play {
                    leg,
                    play: world.minted.play(),
                    prompts: Arc::from([*prompt]),
                    looped: true,
                },
                fx,
            );
        }
    }

    /// The music of the queue the caller came by; of any queue when the call came by none.
    fn hold_music(&self) -> Option<&Phrase> {
        let queues = &self.plan.queues;
        let of_call = self.facts.queue.as_ref().and_then(|name| queues.get(name));
        let queue = of_call.or_else(|| queues.values().next())?;
        Some(&queue.music)
    }
}
