//! One queue: who stands in it, in order, and who is there to serve it. An index, no machine: the
//! desk keeps it in step with tickets and operators.

use std::collections::{BTreeMap, BTreeSet};

use super::abandoned::Abandoned;
use super::free::{Free, FreeKey};
use super::line::Line;
use super::message::{Need, QueueRules};
use super::statistics::Statistics;
use super::ticket::Turn;
use crate::id::{QueueName, TicketId};
use crate::limits;
use crate::time::{Duration, Instant};
use crate::words::{LeftReason, OperatorState, Strategy};

/// One queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) name: QueueName,
    pub(super) rules: QueueRules,
    /// Every caller in the queue, those included for whom a phone rings or whispers.
    standing: Line<Turn>,
    /// The same, by how long they have.
    joined: BTreeSet<(Instant, TicketId)>,
    /// Those of them for whom none does.
    quiet: BTreeSet<Turn>,
    /// Those who seek one more operator among all, by the worst level they take.
    seeking: BTreeMap<u8, BTreeSet<Turn>>,
    pub(super) free: Free,
    /// Operators that are not logged out.
    present: usize,
    /// Operators that are neither logged out nor paused.
    working: usize,
    pub(super) statistics: Statistics,
    pub(super) abandoned: Abandoned,
}

impl Queue {
    pub(super) fn new(name: QueueName, rules: QueueRules) -> Self {
        Self {
            name,
            standing: Line::default(),
            joined: BTreeSet::new(),
            quiet: BTreeSet::new(),
            seeking: BTreeMap::new(),
            free: Free::new(rules.strategy == Strategy::Random),
            rules,
            present: 0,
            working: 0,
            statistics: Statistics::default(),
            abandoned: Abandoned::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.standing.len()
    }

    pub(super) fn is_full(&self) -> bool {
        let most = self.rules.max_size.unwrap_or(limits::QUEUE_WAITING);
        self.standing.len() >= most.min(limits::QUEUE_WAITING)
    }

    /// The place, from one, that `turn` has or would have.
    pub(super) fn position(&self, turn: Turn) -> u32 {
        u32::try_from(self.standing.before(turn).saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// How long whoever stands in this place will wait.
    pub(super) fn estimate(&self, now: Instant, position: u32) -> Option<Duration> {
        self.statistics
            .estimate(now, position, self.working, self.free.len())
    }

    /// Whether so many operators are there as `need` asks for.
    pub(super) fn is_staffed(&self, need: &Need) -> bool {
        let has = |count: usize, least: u32| usize::try_from(least).is_ok_and(|it| it <= count);
        has(self.present, need.logged_in)
            && has(self.working, need.working)
            && has(self.free.len(), need.available)
    }

    /// Why a caller with this turn is not taken in, if so.
    pub(super) fn refuses(&self, now: Instant, turn: Turn) -> Option<LeftReason> {
        if !self.is_staffed(&self.rules.join) {
            return Some(LeftReason::NoOperators);
        }
        if self.is_full() {
            return Some(LeftReason::QueueFull);
        }
        let most = self.rules.join.wait?;
        let wait = self.estimate(now, self.position(turn))?;
        (wait > most).then_some(LeftReason::EstimatedWait)
    }

    /// One of those for whom no phone rings and whom the queue does not keep, the last first where the
    /// line is too long.
    pub(super) fn lets_go(&self, now: Instant) -> Option<(Turn, LeftReason)> {
        let need = &self.rules.leave;
        if !self.is_staffed(need) {
            let first = self.quiet.first().copied();
            return first.map(|turn| (turn, LeftReason::NoOperators));
        }
        let most = need.wait?;
        let last = self.quiet.last().copied()?;
        let wait = self.estimate(now, self.position(last))?;
        (wait > most).then_some((last, LeftReason::EstimatedWait))
    }

    pub(super) fn admit(&mut self, turn: Turn, joined: Instant) {
        self.standing.insert(turn);
        self.joined.insert((joined, turn.ticket));
    }

    pub(super) fn dismiss(&mut self, turn: Turn, joined: Instant) {
        self.standing.remove(turn);
        self.joined.remove(&(joined, turn.ticket));
        self.quiet.remove(&turn);
    }

    pub(super) fn set_quiet(&mut self, turn: Turn, quiet: bool) {
        if quiet {
            self.quiet.insert(turn);
        } else {
            self.quiet.remove(&turn);
        }
    }

    pub(super) fn seeks(&mut self, turn: Turn, ceiling: u8) {
        self.seeking.entry(ceiling).or_default().insert(turn);
    }

    pub(super) fn seeks_no_more(&mut self, turn: Turn, ceiling: u8) {
        if let Some(turns) = self.seeking.get_mut(&ceiling) {
            turns.remove(&turn);
            if turns.is_empty() {
                self.seeking.remove(&ceiling);
            }
        }
    }

    /// The first caller who takes an operator of this level and does not refuse this one.
    pub(super) fn first_seeking(&self, level: u8, refused: impl Fn(Turn) -> bool) -> Option<Turn> {
        let firsts = self.seeking.range(level..).filter_map(|(_, turns)| {
            let mut turns = turns.iter().copied();
            turns.find(|turn| !refused(*turn))
        });
        firsts.min()
    }

    /// Since when the one who came first stands there.
    pub(super) fn longest(&self) -> Option<Instant> {
        self.joined.first().map(|(joined, _)| *joined)
    }

    #[cfg(test)]
    pub(super) fn standing(&self) -> impl Iterator<Item = Turn> + '_ {
        self.standing.iter()
    }

    /// At the end of each input: whether anybody waits without a phone ringing.
    pub(super) fn note_backlog(&mut self, now: Instant) {
        self.statistics.backlog(now, !self.quiet.is_empty());
    }

    /// Whether nobody can be let go just because the operators changed.
    pub(super) fn keeps_all(&self) -> bool {
        self.quiet.is_empty()
            || (self.rules.leave.wait.is_none() && self.is_staffed(&self.rules.leave))
    }

    /// Follows an operator out of a state; `key` is the place among the free.
    pub(super) fn leaves(&mut self, from: OperatorState, key: Option<&FreeKey>) {
        if let Some(key) = key {
            self.free.remove(key);
        }
        let (present, working) = counts(from);
        self.present = self.present.saturating_sub(present);
        self.working = self.working.saturating_sub(working);
    }

    /// Follows an operator into a state.
    pub(super) fn enters(&mut self, to: OperatorState, key: Option<FreeKey>) {
        if let Some(key) = key {
            self.free.insert(key);
        }
        let (present, working) = counts(to);
        self.present += present;
        self.working += working;
    }
}

/// Whether an operator in this state is present, and works.
const fn counts(state: OperatorState) -> (usize, usize) {
    match state {
        OperatorState::LoggedOut => (0, 0),
        OperatorState::Paused => (1, 0),
        OperatorState::Available
        | OperatorState::Reserved
        | OperatorState::Ringing
        | OperatorState::Talking
        | OperatorState::WrapUp => (1, 1),
    }
}
