//! Which event of a sink goes next: a lane for each class of calls, one request under way in each.
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
//! Pure: it knows events and instants, no requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::backoff::next_try;
use crate::limits;
use crate::rng::Rng;
use crate::server::store::StoredEvent;
use crate::time::{Duration, Instant};

/// Lanes of a sink. More than may be under way at once, so that few calls share one.
const LANES: u64 = 64;
/// A failing event becomes a dead letter after this many strikes.
const STRIKES: u32 = 8;
/// An outage is worth an event after this many probes and this long.
const WORTH_TRIES: u32 = 3;
const WORTH_LASTING: Duration = Duration::from_secs(2);

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Send this one.
    Send(Arc<StoredEvent>),
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
    /// The first item is under way, as a probe or not.
    under_way: Option<Sent>,
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
    under_way: usize,
    acknowledged: u64,
    state: State,
    last_probe: u64,
    rng: Rng,
}

impl Lanes {
    /// Lanes of a sink that has everything up to `cursor`.
    pub(super) fn new(cursor: u64, rng: Rng) -> Self {
        Self {
            lanes: (0..LANES).map(|lane| (lane, Lane::default())).collect(),
            pending: BTreeMap::new(),
            top: cursor,
            under_way: 0,
            acknowledged: 0,
            state: State::Up,
            last_probe: 0,
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
        match self.state {
            State::Up => self.next_up(now),
            State::Down { due, .. } => self.next_down(now, due),
        }
    }

    fn next_up(&mut self, now: Instant) -> Step {
        if self.under_way >= limits::SINK_IN_FLIGHT {
            return Step::Idle;
        }
        let mut earliest = None;
        for lane in self.lanes.values_mut() {
            let (None, Some(first)) = (lane.under_way, lane.items.front_mut()) else {
                continue;
            };
            if first.not_before <= now {
                lane.under_way = Some(Sent::Ordinary);
                self.under_way += 1;
                return Step::Send(Arc::clone(&first.event));
            }
            let soonest = earliest.map_or(first.not_before, |at: Instant| at.min(first.not_before));
            earliest = Some(soonest);
        }
        earliest.map_or(Step::Idle, Step::Wait)
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
        let probe = turn.find_map(|number| {
            let first = self.lanes.get(&number)?.items.front()?;
            Some((number, Arc::clone(&first.event)))
        });
        let Some((number, event)) = probe else {
            return Step::Idle;
        };
        self.last_probe = number;
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.under_way = Some(Sent::Probe);
            self.under_way += 1;
        }
        Step::Send(event)
    }

    /// The sink has taken the event.
    pub(super) fn acknowledge(&mut self, seq: u64, now: Instant) -> Option<Note> {
        self.remove_first(seq)?;
        self.acknowledged += 1;
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

    /// The sink has not taken the event.
    pub(super) fn fail(&mut self, seq: u64, now: Instant, why: String) -> Option<Note> {
        let number = *self.pending.get(&seq)?;
        let lane = self.lanes.get_mut(&number)?;
        let sent = lane.under_way.take()?;
        self.under_way = self.under_way.saturating_sub(1);
        let first = lane.items.front_mut()?;
        if first.tries == 0 {
            first.since = now;
        }
        first.suspect = first.tries > 0 && self.acknowledged > first.acknowledged_then;
        first.tries = first.tries.saturating_add(1);
        first.strikes += u32::from(first.suspect);
        first.acknowledged_then = self.acknowledged;
        first.not_before = next_try(now, first.since, first.tries, &mut self.rng);
        let (tries, suspect) = (first.tries, first.suspect);
        if first.strikes >= STRIKES {
            self.remove_first(seq);
            return Some(Note::Dead { seq, tries, why });
        }
        if !suspect || sent == Sent::Probe {
            return self.failed(now, sent, why);
        }
        None
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

    /// Takes the event out of its lane, which may go on with the next.
    fn remove_first(&mut self, seq: u64) -> Option<()> {
        let number = self.pending.remove(&seq)?;
        let lane = self.lanes.get_mut(&number)?;
        if lane.under_way.take().is_some() {
            self.under_way = self.under_way.saturating_sub(1);
        }
        lane.items.pop_front().map(|_| ())
    }
}

/// The lane of a call: FNV-1a, so that it is the same in each run.
fn lane_of(subject: &str) -> u64 {
    let hash = subject
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash >> 32) % LANES
}

#[cfg(test)]
mod tests;
