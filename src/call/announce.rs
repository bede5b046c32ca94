//! What a waiting caller is told between the music: the place, the estimated wait, and that the
//! clinic can ring back.
//!
//! ```text
//!  joined ──► music ──── due ───► the distributor is asked ───► spoken ──► music again
//!              ▲                                                   │
//!              └──────── an operator answers, a notice begins ─────┘ cut off
//! ```
//!
//! The first word comes [`limits::FIRST_ANNOUNCEMENT`] after the caller joined, or after `every` where
//! that is sooner. A place is told again as long as it is no worse than the last one that was told; a
//! wait only when it is shorter than the last one. Nothing is told while the notice plays, and no phone
//! and no bridge waits for an announcement.

use std::sync::Arc;

use super::call::{Call, Effects};
use super::message::{CallEffect, CallTimer, World};
use super::phase::{Notice, Phase};
use crate::dialplan::plan::{Announce, QueueCallback};
use crate::dialplan::speech;
use crate::id::{PlayId, QueueName};
use crate::limits;
use crate::media::command::MediaCommand;
use crate::time::{Duration, Instant};
use crate::words::{Phrase, Prompt};

/// What a caller has been told, and what comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Announcing {
    /// What is being said.
    play: Option<PlayId>,
    /// When the place is told next.
    next: Option<Instant>,
    /// When the offer to be rung back may be due.
    offer: Option<Instant>,
    /// Since when the caller stands in this queue.
    since: Instant,
    /// The last place that was told.
    position: Option<u32>,
    /// The last wait that was told, in minutes.
    minutes: Option<u32>,
}

impl Announcing {
    fn due(&self) -> Option<Instant> {
        [self.next, self.offer].into_iter().flatten().min()
    }

    /// Whether something is being said.
    #[cfg(test)]
    pub const fn speaks(&self) -> bool {
        self.play.is_some()
    }

    /// What is said of a place now. Notes it.
    fn place(
        &mut self,
        announce: Announce,
        position: u32,
        wait: Option<Duration>,
    ) -> (Option<u32>, Option<u32>) {
        let place = Some(position).filter(|position| {
            announce.position && self.position.is_none_or(|before| *position <= before)
        });
        let minutes = wait.filter(|_| announce.wait).map(rounded);
        let minutes = minutes.filter(|minutes| self.minutes.is_none_or(|before| *minutes < before));
        self.position = place.or(self.position);
        self.minutes = minutes.or(self.minutes);
        (place, minutes)
    }
}

/// Minutes as they are told: whole ones, and whole fives above ten, never less than it will take.
fn rounded(wait: Duration) -> u32 {
    let minutes = wait.as_secs().div_ceil(60).max(1);
    let minutes = match minutes {
        0..=10 => minutes,
        11.. => minutes.next_multiple_of(5),
    };
    u32::try_from(minutes).unwrap_or(u32::MAX)
}

impl Call {
    /// The caller stands in a queue now.
    pub(super) fn begin_announcing(&mut self, world: &World<'_>, fx: &mut Effects) {
        // Nobody listens until the patient answers.
        if self.rings_back() {
            return;
        }
        let now = world.now.mono;
        let told = self.announcing;
        self.announcing = Announcing {
            since: now,
            position: told.position,
            minutes: told.minutes,
            ..Announcing::default()
        };
        let first = |every: Duration| now + every.min(limits::FIRST_ANNOUNCEMENT);
        let announce = self.announce().map(|announce| first(announce.every));
        let offer = self.queue_callback().and_then(|callback| {
            let over = callback.offer_over.map(first);
            let after = callback.offer_after.map(|after| now + after);
            [over, after].into_iter().flatten().min()
        });
        self.announcing.next = announce;
        self.announcing.offer = offer;
        self.arm_announcement(fx);
    }

    fn arm_announcement(&self, fx: &mut Effects) {
        match self.announcing.due() {
            Some(at) => fx.push_back(CallEffect::SetTimer(CallTimer::Announce, at)),
            None => fx.push_back(CallEffect::StopTimer(CallTimer::Announce)),
        }
    }

    fn queue_here(&self) -> Option<&QueueName> {
        self.stands_in.as_ref()
    }

    fn announce(&self) -> Option<Announce> {
        self.plan.queues.get(self.queue_here()?)?.announce
    }

    fn queue_callback(&self) -> Option<QueueCallback> {
        let queue = self.plan.queues.get(self.queue_here()?)?;
        queue.callback.clone()
    }

    /// Something may have to be said: what, the distributor knows.
    pub(super) fn announcement_due(&mut self, world: &World<'_>, fx: &mut Effects) {
        if self.phase != Phase::Waiting || self.stands_in.is_none() {
            return;
        }
        let again = world.now.mono + limits::FIRST_ANNOUNCEMENT;
        fx.push_back(CallEffect::SetTimer(CallTimer::Announce, again));
        if !matches!(self.notice, Notice::Playing(_)) {
            fx.push_back(CallEffect::Place);
        }
    }

    /// Where the caller stands now, and how long it may take.
    pub(super) fn placed(
        &mut self,
        world: &mut World<'_>,
        position: u32,
        wait: Option<Duration>,
        fx: &mut Effects,
    ) {
        let now = world.now.mono;
        let quiet = !matches!(self.notice, Notice::Playing(_));
        if self.phase != Phase::Waiting || !quiet {
            return;
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let language = self.decision.language;
        let mut prompts = Vec::new();
        if let Some(announce) = self.announce().filter(|_| due(self.announcing.next)) {
            self.announcing.next = Some(now + announce.every);
            let (place, minutes) = self.announcing.place(announce, position, wait);
            let place = place.map(|place| speech::position(language, place));
            let minutes = minutes.map(|minutes| speech::wait(language, minutes));
            for sentence in [place, minutes].into_iter().flatten() {
                prompts.extend(ready(world, &sentence));
            }
        }
        if let Some(callback) = self.queue_callback().filter(|_| due(self.announcing.offer)) {
            let waited = now.since(self.announcing.since);
            let long = callback.offer_after.is_some_and(|after| waited >= after);
            let slow = callback.offer_over.zip(wait);
            self.announcing.offer = if long || slow.is_some_and(|(over, wait)| wait > over) {
                prompts.extend(ready(
                    world,
                    &[speech::callback_offer(language, callback.key)],
                ));
                None
            } else {
                let after = callback
                    .offer_after
                    .map(|after| self.announcing.since + after);
                let over = callback
                    .offer_over
                    .map(|_| now + limits::FIRST_ANNOUNCEMENT);
                [after, over].into_iter().flatten().min()
            };
        }
        self.arm_announcement(fx);
        if !prompts.is_empty() {
            let play = world.minted.play();
            self.announcing.play = Some(play);
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
    }

    /// The caller has heard an announcement. False when it was not that.
    pub(super) fn announced(
        &mut self,
        world: &mut World<'_>,
        play: PlayId,
        fx: &mut Effects,
    ) -> bool {
        if self.announcing.play != Some(play) {
            return false;
        }
        self.announcing.play = None;
        self.play_music(world, fx);
        true
    }

    /// Nothing more is told, for an operator has the caller now, or the queue has not. What is being
    /// said is cut off, and the music goes on.
    pub(super) fn stop_announcing(&mut self, world: &mut World<'_>, fx: &mut Effects) {
        fx.push_back(CallEffect::StopTimer(CallTimer::Announce));
        if self.announcing.play.take().is_some() && !matches!(self.notice, Notice::Playing(_)) {
            self.play_music(world, fx);
        }
    }

    /// The operator who had the caller is gone again.
    pub(super) fn go_on_announcing(&self, fx: &mut Effects) {
        if self.announcing.due().is_some() {
            self.arm_announcement(fx);
        }
    }

    /// The notice plays in place of what was being said.
    pub(super) const fn notice_talks_over(&mut self) {
        self.announcing.play = None;
    }
}

/// The prompts of a sentence; nothing when one of its phrases is not ready, since half a sentence would
/// mislead.
fn ready(world: &World<'_>, sentence: &[Phrase]) -> Vec<Prompt> {
    let prompts = sentence.iter().map(|phrase| world.prompts.get(phrase));
    prompts
        .collect::<Option<Vec<_>>>()
        .map_or_else(Vec::new, |all| all.into_iter().copied().collect())
}
