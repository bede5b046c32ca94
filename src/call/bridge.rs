//! Two parties hear each other: who is on which side, and the recording of it.

use super::call::{Call, Effects};
use super::message::{News, World};
use super::phase::Phase;
use crate::id::{LegId, OperatorName};
use crate::media::command::{MediaCommand, RecordPlan, SegmentKind};
use crate::time::Duration;
use crate::words::Direction;

impl Call {
    /// The two legs on the line as left and right: left the outside party, or who placed an internal
    /// call.
    pub(super) fn sides(&self) -> Option<(LegId, LegId)> {
        let (caller, other) = (self.caller.id, self.operator.as_ref()?.id);
        if self.seats.contains_key(&caller) && !self.seats.contains_key(&other) {
            Some((other, caller))
        } else {
            Some((caller, other))
        }
    }

    /// Lets the two parties hear each other, and records them.
    pub(super) fn bridge(&mut self, world: &World<'_>, fx: &mut Effects) {
        let Some((left, right)) = self.sides() else {
            return;
        };
        self.phase = Phase::Talking;
        let operator = self.seats.get(&right).map(|seat| seat.operator.clone());
        if operator.is_some() {
            self.facts.operator.clone_from(&operator);
        }
        let record = self.record_plan(world, operator);
        self.unmask(fx);
        self.parked = false;
        if self.bridged.is_none() {
            self.bridged = Some(world.now.mono);
            self.facts.answered_at = Some(world.now.wall);
            self.facts.wait = Some(world.now.mono.since(self.since));
            self.recording = record.is_some();
            self.facts.recorded = record.is_some();
        }
        Self::media(
            MediaCommand::Bridge {
                caller: left,
                operator: right,
                record: record.map(Box::new),
            },
            fx,
        );
        self.join_supervisor(world.now.mono, fx);
    }

    /// Tells of the first bridge of a call.
    pub(super) fn tell_bridged(&self, fx: &mut Effects) {
        self.tell(News::Bridged, fx);
        if self.recording {
            let keep = self.keep();
            self.tell(News::RecordingStarted { keep }, fx);
        }
    }

    /// How long a recording of this call is kept.
    pub(super) fn keep(&self) -> Option<Duration> {
        let inbound = self.facts.direction == Direction::Inbound;
        let dialled = inbound.then_some(&*self.facts.to);
        self.plan.keep(dialled, self.facts.queue.as_ref())
    }

    /// Two parties of whom none is an operator are recorded when the call was before.
    fn record_plan(&self, world: &World<'_>, operator: Option<OperatorName>) -> Option<RecordPlan> {
        let kind = match self.bridged {
            Some(_) if operator.is_none() && self.recording => SegmentKind::Outside,
            _ if operator.is_none() => return None,
            // The same two talk on.
            Some(_) if self.parked => SegmentKind::Talk,
            Some(_) => SegmentKind::Transfer,
            None => SegmentKind::Talk,
        };
        self.plan.recording.as_ref()?;
        Some(RecordPlan {
            call: self.id(),
            started_at: world.now.wall,
            to: self.facts.to.to_string(),
            from: self.facts.from.as_deref().map(str::to_owned),
            site: self.facts.site.as_ref().map(ToString::to_string),
            queue: self.facts.queue.as_ref().map(ToString::to_string),
            operator,
            kind,
            keep: self.keep(),
        })
    }
}
