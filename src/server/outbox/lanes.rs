//! Which events of a sink go next: a lane for each class of calls, one request under way in each.
//!
//! ```text
//!         first failure                        a probe failed: wait longer
//!   up ──────────────────► down ──due──► probing ──────────────────► down
//!    ▲                                      │
//!    └──────────────────────────────────────┘ anything was acknowledged
//! ```
//!
//! While the sink is down one lane after another lends its first event as the probe, so that an
//! event the sink will never take cannot hold the others back. An event that fails although others
//! were taken since its last try gets a strike; at [`STRIKES`] it is a dead letter. While nothing is
//! taken at all nothing is given up.
//!
//! A sink that takes many events at once is lent a batch: the oldest events of lanes that are free, in
//! the order of the sequence, several of one lane where it has them. A batch breaks by lanes: the first
//! event of a lane that is refused has failed, and those behind it go back. An event that failed before
//! goes alone.
//!
//! Pure: it knows events and instants, no requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::backoff::next_try;
use crate::limits;
use crate::rng::Rng;
use crate::server::store::StoredEvent;
use crate::time::{Duration, Instant};

/// Lanes of a sink. More than may be under way at once, so that few calls share one.
const LANES: u64 = 256;
/// A failing event becomes a dead letter after this many strikes.
const STRIKES: u32 = 8;
/// An outage is worth an event after this many probes and this long.
const WORTH_TRIES: u32 = 3;
const WORTH_LASTING: Duration = Duration::from_secs(2);

/// How much of a sink's stream is under way at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pace {
    /// While so many events are under way nothing more is sent.
    pub(super) in_flight: usize,
    /// Events of one batch at most.
    pub(super) batch: usize,
}

/// Events that go together, in the order of the sequence.
pub(super) type Batch = Vec<Arc<StoredEvent>>;

/// A sink that took an event so short a time ago knows what it refuses.
const LATELY: Duration = Duration::from_secs(30);

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Send these.
    Send(Batch),
    /// Nothing before this instant, unless an answer comes.
    Wait(Instant),
    /// Nothing until an answer or a new event comes.
    Idle,
}

/// What happened that somebody should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Note {
    /// An outage has lasted long enough to be told.
    Degraded { why: String },
    /// It is over.
    Recovered { lasted: Duration },
    /// The sink will not take this event.
    Dead { seq: u64, tries: u32, why: String },
}

#[derive(Debug)]
struct Item {
    event: Arc<StoredEvent>,
    tries: u32,
    strikes: u32,
    since: Instant,
    not_before: Instant,
    /// Others were taken between its last two tries.
    suspect: bool,
    acknowledged_then: u64,
}

#[derive(Debug, Default)]
struct Lane {
    items: VecDeque<Item>,
    /// So many of the first items are under way.
    lent: usize,
    /// How they were sent, when there are any.
    sent: Option<Sent>,
    /// The batch they are in.
    batch: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sent {
    Ordinary,
    Probe,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    Down {
        since: Instant,
        tries: u32,
        due: Instant,
        told: bool,
    },
}

/// The lanes of one sink.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: BTreeMap<u64, Lane>,
    /// Everything not acknowledged, by place in the sequence, with its lane.
    pending: BTreeMap<u64, u64>,
    top: u64,
    pace: Pace,
    batches: u64,
    under_way: usize,
    acknowledged: u64,
    /// When an event was last taken.
    taken_at: Option<Instant>,
    state: State,
    last_probe: u64,
    /// The sink has asked for silence, whatever others it still takes.
    quiet_until: Instant,
    rng: Rng,
}

impl Lanes {
    /// Lanes of a sink that has everything up to `cursor`.
    pub(super) fn new(cursor: u64, pace: Pace, rng: Rng) -> Self {
        Self {
            lanes: (0..LANES).map(|lane| (lane, Lane::default())).collect(),
            pending: BTreeMap::new(),
            top: cursor,
            pace,
            batches: 0,
            under_way: 0,
            acknowledged: 0,
            taken_at: None,
            state: State::Up,
            last_probe: 0,
            quiet_until: Instant::START,
            rng,
        }
    }

    /// The highest place that was pushed or skipped.
    pub(super) const fn top(&self) -> u64 {
        self.top
    }

    /// Everything up to here is acknowledged, dead or not wanted.
    pub(super) fn cursor(&self) -> u64 {
        self.pending
            .first_key_value()
            .map_or(self.top, |(seq, _)| seq.saturating_sub(1))
    }

    /// How many more events it will hold.
    pub(super) fn room(&self) -> usize {
        limits::SINK_WINDOW.saturating_sub(self.pending.len())
    }

    /// The next event of the sequence.
    pub(super) fn push(&mut self, event: StoredEvent) {
        let lane = lane_of(event.subject.as_deref().unwrap_or(""));
        self.top = self.top.max(event.seq);
        self.pending.insert(event.seq, lane);
        self.lanes.entry(lane).or_default().items.push_back(Item {
            event: Arc::new(event),
            tries: 0,
            strikes: 0,
            since: Instant::START,
            not_before: Instant::START,
            suspect: false,
            acknowledged_then: 0,
        });
    }

    /// The next event of the sequence is not for this sink.
    pub(super) fn skip(&mut self, seq: u64) {
        self.top = self.top.max(seq);
    }

    /// What to do at `now`. Called until it says something else than [`Step::Send`].
    pub(super) fn next(&mut self, now: Instant) -> Step {
        if now < self.quiet_until {
            return Step::Wait(self.quiet_until);
        }
        match self.state {
            State::Up => self.next_up(now),
            State::Down { due, .. } => self.next_down(now, due),
        }
    }

    fn next_up(&mut self, now: Instant) -> Step {
        if self.under_way >= self.pace.in_flight {
            return Step::Idle;
        }
        if let Some(step) = self.next_again(now) {
            return step;
        }
        self.batches += 1;
        let mut batch = Batch::new();
        let mut earliest = None;
        for number in self.pending.values() {
            if batch.len() >= self.pace.batch {
                break;
            }
            let Some(lane) = self.lanes.get_mut(number) else {
                continue;
            };
            if lane.sent.is_some() && lane.batch != self.batches {
                continue;
            }
            // The pending ones of a lane come in its order.
            let Some(item) = lane.items.get(lane.lent) else {
                continue;
            };
            if lane.lent == 0 && (item.tries > 0 || item.not_before > now) {
                let soonest: Option<Instant> = earliest;
                earliest = Some(soonest.map_or(item.not_before, |at| at.min(item.not_before)));
                continue;
            }
            batch.push(Arc::clone(&item.event));
            lane.lent += 1;
            lane.sent = Some(Sent::Ordinary);
            lane.batch = self.batches;
        }
        self.under_way += batch.len();
        if batch.is_empty() {
            return earliest.map_or(Step::Idle, Step::Wait);
        }
        Step::Send(batch)
    }

    /// One that failed before and is due goes first, and alone.
    fn next_again(&mut self, now: Instant) -> Option<Step> {
        let lane = self.lanes.values_mut().find(|lane| {
            let first = lane.items.front();
            lane.sent.is_none() && first.is_some_and(|it| it.tries > 0 && it.not_before <= now)
        })?;
        let event = lane.lend_first(Sent::Ordinary)?;
        self.under_way += 1;
        Some(Step::Send(vec![event]))
    }

    fn next_down(&mut self, now: Instant, due: Instant) -> Step {
        if self.under_way > 0 {
            return Step::Idle;
        }
        if now < due {
            return Step::Wait(due);
        }
        let after = self.last_probe + 1;
        let mut turn = (after..LANES).chain(0..after);
        let number =
            turn.find(|number| (self.lanes.get(number)).is_some_and(|lane| !lane.items.is_empty()));
        let Some(lane) = number.and_then(|number| self.lanes.get_mut(&number)) else {
            return Step::Idle;
        };
        let Some(event) = lane.lend_first(Sent::Probe) else {
            return Step::Idle;
        };
        self.last_probe = number.unwrap_or(self.last_probe);
        self.under_way += 1;
        Step::Send(vec![event])
    }

    /// The sink has taken the event.
    pub(super) fn acknowledge(&mut self, seq: u64, now: Instant) -> Option<Note> {
        let number = self.first_under_way(seq)?;
        self.remove_first(number)?;
        self.acknowledged += 1;
        self.taken_at = Some(now);
        let State::Down { since, told, .. } = self.state else {
            return None;
        };
        self.state = State::Up;
        for first in self
            .lanes
            .values_mut()
            .filter_map(|lane| lane.items.front_mut())
        {
            if !first.suspect {
                first.not_before = now;
            }
        }
        told.then(|| Note::Recovered {
            lasted: now.since(since),
        })
    }

    /// The sink has not tried the event, because one before it failed.
    pub(super) fn release(&mut self, seq: u64) {
        let first = self.first_under_way(seq);
        if let Some(lane) = first.and_then(|number| self.lanes.get_mut(&number)) {
            self.under_way = self.under_way.saturating_sub(lane.take_back());
        }
    }

    /// The lane whose first item is this one, and under way.
    fn first_under_way(&self, seq: u64) -> Option<u64> {
        let number = *self.pending.get(&seq)?;
        let lane = self.lanes.get(&number)?;
        let first = lane.items.front().filter(|_| lane.lent > 0)?;
        (first.event.seq == seq).then_some(number)
    }

    /// The sink has not taken the event. What went behind it in its lane goes back with it.
    pub(super) fn fail(&mut self, seq: u64, now: Instant, why: String) -> Option<Note> {
        self.strike(seq, now, why, false)
    }

    /// The sink says that the event itself is wrong. While it takes others that holds up this lane
    /// alone; a sink that takes nothing may say so of everything.
    pub(super) fn refuse(&mut self, seq: u64, now: Instant, why: String) -> Option<Note> {
        let lately = self.taken_at.is_some_and(|at| now.since(at) <= LATELY);
        self.strike(seq, now, why, lately)
    }

    fn strike(&mut self, seq: u64, now: Instant, why: String, guilty: bool) -> Option<Note> {
        let number = self.first_under_way(seq)?;
        let lane = self.lanes.get_mut(&number)?;
        let sent = lane.sent?;
        self.under_way = self.under_way.saturating_sub(lane.take_back());
        let first = lane.items.front_mut()?;
        if first.tries == 0 {
            first.since = now;
        }
        first.suspect = guilty || (first.tries > 0 && self.acknowledged > first.acknowledged_then);
        first.tries = first.tries.saturating_add(1);
        first.strikes += u32::from(first.suspect);
        first.acknowledged_then = self.acknowledged;
        first.not_before = next_try(now, first.since, first.tries, &mut self.rng);
        let (tries, suspect) = (first.tries, first.suspect);
        if first.strikes >= STRIKES {
            self.remove_first(number);
            return Some(Note::Dead { seq, tries, why });
        }
        if let (true, State::Down { due, .. }) = (guilty, &mut self.state) {
            // It is there to say so: the next lane need not wait.
            *due = now;
            return None;
        }
        if !suspect || sent == Sent::Probe {
            return self.failed(now, sent, why);
        }
        None
    }

    /// The sink is busy, and wants nothing before `until`. That is no fault of the event.
    pub(super) fn postpone(
        &mut self,
        seq: u64,
        now: Instant,
        until: Instant,
        why: String,
    ) -> Option<Note> {
        let number = self.first_under_way(seq)?;
        let lane = self.lanes.get_mut(&number)?;
        let sent = lane.sent?;
        self.under_way = self.under_way.saturating_sub(lane.take_back());
        self.quiet_until = self.quiet_until.max(until);
        self.failed(now, sent, why)
    }

    /// The sink itself seems to be at fault.
    fn failed(&mut self, now: Instant, sent: Sent, why: String) -> Option<Note> {
        match &mut self.state {
            State::Up => {
                self.state = State::Down {
                    since: now,
                    tries: 1,
                    due: next_try(now, now, 1, &mut self.rng),
                    told: false,
                };
                None
            }
            State::Down {
                since,
                tries,
                due,
                told,
            } => {
                if sent == Sent::Probe {
                    *tries = tries.saturating_add(1);
                    *due = next_try(now, *since, *tries, &mut self.rng);
                }
                let worth = *tries >= WORTH_TRIES && now.since(*since) >= WORTH_LASTING;
                if *told || !worth {
                    return None;
                }
                *told = true;
                Some(Note::Degraded { why })
            }
        }
    }

    /// Takes the first event out of its lane.
    fn remove_first(&mut self, number: u64) -> Option<()> {
        let lane = self.lanes.get_mut(&number)?;
        if lane.lent > 0 {
            lane.lent -= 1;
            self.under_way = self.under_way.saturating_sub(1);
        }
        if lane.lent == 0 {
            lane.sent = None;
        }
        let item = lane.items.pop_front()?;
        self.pending.remove(&item.event.seq).map(|_| ())
    }
}

impl Lane {
    fn lend_first(&mut self, sent: Sent) -> Option<Arc<StoredEvent>> {
        let first = self.items.front()?;
        (self.lent, self.sent) = (1, Some(sent));
        Some(Arc::clone(&first.event))
    }

    /// Nothing of it is under way any more; says how much was.
    const fn take_back(&mut self) -> usize {
        let lent = self.lent;
        (self.lent, self.sent) = (0, None);
        lent
    }
}

/// The lane of a call: FNV-1a, so that it is the same in each run.
pub(super) fn lane_of(subject: &str) -> u64 {
    let hash = subject
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // The last letters reach the low half alone.
    (hash ^ (hash >> 32)) % LANES
}

#[cfg(test)]
mod tests;
