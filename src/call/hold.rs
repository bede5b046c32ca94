//! Hold: a party that wants no sound, and what the other one hears meanwhile.

use super::call::{Call, Effects};
use super::leg::Sip;
use super::message::News;
use super::phase::Phase;
use crate::id::LegId;
use crate::media::command::MediaCommand;
use crate::sip::session::SessionCommand;

impl Call {
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
        if before != held && self.phase == Phase::Talking {
            let by_operator = leg != self.caller.id;
            self.tell(News::Held { held, by_operator }, fx);
        }
    }
}
