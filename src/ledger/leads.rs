//! Leads: people who asked for a call on the website, or who stand on a list of those to be called.
//!
//! ```text
//! received ──► Open ──due, its queue can serve──► a call of ours ──the patient is about to ring──► Attempting
//!               ▲                                   │ nobody took it                                │   │
//!               ├───────────────────────────────────┘                                               │   │
//!               └────────────────────── the next rung of the ladder ───────── not reached ──────────┘   │
//!                                                                                    reached: Connected ┘
//! Closed ◄── the talk is over, the ladder is over, or the patient spoke with us in another call
//! ```
//!
//! One number has one open lead. A lead that is about to ring its patient is leased: what a restart
//! finds then has that rung behind it, so nobody is dialled twice. Leads of the website and of lists
//! stand in different lines, as lists have a bound of their own. Which call is whose ends with the
//! process; the rest is brought back.

use std::collections::{BTreeMap, BTreeSet};

use super::attempts::{Attempt, Ringing};
use crate::id::{CallId, LeadId, QueueName, SiteName};
use crate::limits;
use crate::time::{Duration, Wall};

/// One lead.
#[derive(Clone, PartialEq, Debug)]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// Whom to ring.
    pub phone: String,
    /// What was said of them.
    pub said: Said,
    /// The branch.
    pub site: Option<SiteName>,
    /// Whose operators call.
    pub queue: QueueName,
    /// The priority there.
    pub priority: i32,
    /// The list it stands on; none when it came alone.
    pub list: Option<String>,
    /// When it came.
    pub received_at: Wall,
    /// The rung of the ladder that is next, from zero.
    pub rung: u32,
    /// When that is due; none when the ladder is over.
    pub next_at: Option<Wall>,
    /// The attempts, the last [`limits::LEAD_ATTEMPTS`] of them.
    pub attempts: Vec<Attempt>,
    /// The attempt that a restart would find begun.
    pub ringing: Option<Ringing>,
    /// How far it is.
    pub state: LeadState,
    /// The call that tries, or tried last, or that closed it.
    pub call: Option<CallId>,
}

/// What the website said of somebody.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// The name.
    pub name: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// Where they came from.
    pub source: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// In their words.
    pub comment: Option<String>,
}

/// How far a lead is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeadState {
    /// It waits for its time, for its queue or for an operator.
    Open,
    /// The patient is rung, or about to be.
    Attempting,
    /// The patient talks with an operator.
    Connected,
    /// It is over.
    Closed(LeadEnd),
}

/// How a lead ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeadEnd {
    /// They talked.
    Connected,
    /// They talked in another call: the patient called in, or was called for something else.
    Elsewhere,
    /// The ladder is over.
    NotReached,
    /// The process died while the patient's phone rang, on the last rung.
    Interrupted,
}

impl LeadEnd {
    /// Every one with its word.
    pub const ALL: [(&'static str, Self); 4] = [
        ("connected", Self::Connected),
        ("elsewhere", Self::Elsewhere),
        ("not_reached", Self::NotReached),
        ("interrupted", Self::Interrupted),
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, it)| *it == self);
        known.map_or("", |(word, _)| word)
    }
}

impl LeadState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Attempting => "attempting",
            Self::Connected => "connected",
            Self::Closed(_) => "closed",
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn end(self) -> Option<LeadEnd> {
        match self {
            Self::Open | Self::Attempting | Self::Connected => None,
            Self::Closed(end) => Some(end),
        }
    }
}

/// Leads that wait for the same: a queue, those of lists apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Line {
    /// Of lists.
    pub listed: bool,
    /// The queue.
    pub queue: QueueName,
}

/// A lead, and what becomes of it in this run.
#[derive(Clone, Debug)]
struct Kept {
    lead: Lead,
    /// The call that is to ring the patient.
    live: Option<CallId>,
    /// Where it stands in its line.
    at: Option<Wall>,
}

/// All leads that are open, and those closed not long ago.
#[derive(Clone, Debug, Default)]
pub struct Leads {
    known: BTreeMap<LeadId, Kept>,
    by_phone: BTreeMap<String, LeadId>,
    lines: BTreeMap<Line, BTreeSet<(Wall, LeadId)>>,
    closed: BTreeSet<(Wall, LeadId)>,
    live: BTreeSet<LeadId>,
    live_of_lists: usize,
}

impl Leads {
    /// Takes up what was known before a restart. A phone that the last run left ringing may ring on
    /// for a while: nobody is rung before `not_before`.
    #[must_use]
    pub fn restore(leads: Vec<Lead>, not_before: Wall) -> Self {
        let mut restored = Self::default();
        for mut lead in leads {
            if lead.state == LeadState::Attempting && lead.next_at.is_some() {
                lead.state = LeadState::Open;
            }
            let (id, next) = (lead.id, lead.next_at);
            restored.keep(lead);
            if let Some(next) = next {
                restored.stand(id, next.max(not_before));
            }
        }
        restored
    }

    /// Leads that the last run left with nothing more to try, and how each ended.
    #[must_use]
    pub fn left_over(&self) -> Vec<(LeadId, LeadEnd)> {
        let kept = self.known.values();
        let over = kept.filter_map(|kept| {
            let end = match (kept.lead.state, kept.lead.next_at) {
                (LeadState::Connected, _) => LeadEnd::Connected,
                (LeadState::Attempting, None) => LeadEnd::Interrupted,
                (LeadState::Open, None) => LeadEnd::NotReached,
                (LeadState::Open | LeadState::Attempting, Some(_)) | (LeadState::Closed(_), _) => {
                    return None;
                }
            };
            Some((kept.lead.id, end))
        });
        over.collect()
    }

    /// The lead that another one of this number would be the same as: one that is open, or that came
    /// less than `within` ago.
    #[must_use]
    pub fn same(&self, phone: &str, now: Wall, within: Duration) -> Option<&Lead> {
        let lead = self.of(phone)?;
        let fresh = lead.received_at <= now && now < lead.received_at + within;
        (lead.state.end().is_none() || fresh).then_some(lead)
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.open() < limits::LEADS
    }

    /// Takes a new lead, which is due at its `next_at`.
    pub fn receive(&mut self, lead: Lead) {
        let (id, next) = (lead.id, lead.next_at);
        self.keep(lead);
        if let Some(next) = next {
            self.stand(id, next);
        }
    }

    fn keep(&mut self, lead: Lead) {
        let (id, came) = (lead.id, lead.received_at);
        let over = lead.state.end().is_some();
        let newest = self.of(&lead.phone).is_none_or(|known| known.id <= id);
        if newest {
            self.by_phone.insert(lead.phone.clone(), id);
        }
        let kept = Kept {
            lead,
            live: None,
            at: None,
        };
        self.known.insert(id, kept);
        if over {
            self.closed.insert((came, id));
        }
        self.forget_closed(came);
    }

    /// Those that nobody asks for any more, and the earliest where there are too many.
    fn forget_closed(&mut self, now: Wall) {
        while let Some((came, id)) = self.closed.first().copied() {
            let old = came + limits::LEAD_DEDUPE <= now;
            if !old && self.closed.len() <= limits::LEADS {
                break;
            }
            self.closed.pop_first();
            self.drop_lead(id);
        }
    }

    fn drop_lead(&mut self, id: LeadId) -> Option<Lead> {
        self.leave_line(id);
        self.free(id);
        let kept = self.known.remove(&id)?;
        self.closed.remove(&(kept.lead.received_at, id));
        if self.by_phone.get(&kept.lead.phone) == Some(&id) {
            self.by_phone.remove(&kept.lead.phone);
        }
        Some(kept.lead)
    }

    /// A lead by its id.
    #[must_use]
    pub fn get(&self, id: LeadId) -> Option<&Lead> {
        self.known.get(&id).map(|kept| &kept.lead)
    }

    /// The newest lead of a number, open or closed.
    #[must_use]
    pub fn of(&self, phone: &str) -> Option<&Lead> {
        self.get(*self.by_phone.get(phone)?)
    }

    fn open_of(&mut self, phone: &str) -> Option<&mut Kept> {
        let id = self.by_phone.get(phone)?;
        let kept = self.known.get_mut(id)?;
        kept.lead.state.end().is_none().then_some(kept)
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.known.len().saturating_sub(self.closed.len())
    }

    /// How many calls for leads are under way.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// How many of them are for lists.
    #[must_use]
    pub const fn live_of_lists(&self) -> usize {
        self.live_of_lists
    }

    /// When the first lead wants to be looked at.
    #[must_use]
    pub fn next_due(&self) -> Option<Wall> {
        let lines = self.lines.values();
        lines.filter_map(|line| Some(line.first()?.0)).min()
    }

    /// The lines in which somebody is due; those of the website first.
    #[must_use]
    pub fn due_lines(&self, now: Wall) -> Vec<Line> {
        let due = self.lines.iter().filter(|(_, standing)| {
            let first = standing.first();
            first.is_some_and(|(at, _)| *at <= now)
        });
        due.map(|(line, _)| line.clone()).collect()
    }

    /// The first of a line, if its time has come; it is taken out of the line.
    pub fn pop_due(&mut self, line: &Line, now: Wall) -> Option<Lead> {
        let (at, id) = *self.lines.get(line)?.first()?;
        if at > now {
            return None;
        }
        self.leave_line(id);
        self.get(id).cloned()
    }

    /// A lead is looked at again then.
    pub fn look_again(&mut self, id: LeadId, at: Wall) {
        self.free(id);
        if let Some(kept) = self.known.get_mut(&id) {
            let waits = kept.lead.state.end().is_none();
            if kept.lead.state == LeadState::Attempting {
                kept.lead.state = LeadState::Open;
            }
            if let (true, Some(next)) = (waits, kept.lead.next_at) {
                self.stand(id, next.max(at));
            }
        }
    }

    /// A call of ours is for this lead. Nobody else rings the patient until it is over.
    pub fn begun(&mut self, id: LeadId, call: CallId) {
        self.leave_line(id);
        if let Some(kept) = self.known.get_mut(&id) {
            kept.live = Some(call);
            kept.lead.call = Some(call);
            if self.live.insert(id) && kept.lead.list.is_some() {
                self.live_of_lists += 1;
            }
        }
    }

    /// The call that is for the open lead of this number, if any.
    #[must_use]
    pub fn rung_by(&self, phone: &str) -> Option<CallId> {
        self.known.get(self.by_phone.get(phone)?)?.live
    }

    /// The lead that this call is for, while it is open.
    #[must_use]
    pub fn served_by(&self, id: LeadId, call: CallId) -> Option<&Lead> {
        let kept = self.known.get(&id)?;
        let serves = kept.live == Some(call) && kept.lead.state.end().is_none();
        serves.then_some(&kept.lead)
    }

    /// The patient is about to be rung. Gives the lease: the lead as a restart is to find it, with the
    /// rung behind it; `next` is when the one after it is due, none when the ladder is over.
    pub fn dials(&mut self, id: LeadId, ringing: Ringing, next: Option<Wall>) -> Option<Lead> {
        let kept = self.known.get_mut(&id)?;
        kept.lead.state = LeadState::Attempting;
        let mut lease = kept.lead.clone();
        lease.rung = lease.rung.saturating_add(1);
        lease.next_at = next;
        lease.ringing = Some(ringing);
        Some(lease)
    }

    /// The attempts in which the last run died, each given once.
    pub fn interrupted(&mut self) -> Vec<(LeadId, Attempt)> {
        let known = self.known.values_mut();
        let cut = known.filter_map(|kept| {
            let ringing = kept.lead.ringing.take()?;
            Some((kept.lead.id, ringing.interrupted()))
        });
        cut.collect()
    }

    /// Notes an attempt.
    pub fn note_attempt(&mut self, id: LeadId, attempt: Attempt) {
        if let Some(kept) = self.known.get_mut(&id) {
            let attempts = &mut kept.lead.attempts;
            if attempts.len() >= limits::LEAD_ATTEMPTS {
                attempts.remove(0);
            }
            attempts.push(attempt);
        }
    }

    /// The rung is behind it: the next one is due at `next`. One whose ladder is over stands in no line
    /// any more, and is still to be closed.
    pub fn climb(&mut self, id: LeadId, next: Option<Wall>) {
        if let Some(kept) = self.known.get_mut(&id) {
            kept.lead.rung = kept.lead.rung.saturating_add(1);
            kept.lead.next_at = next;
            self.look_again(id, next.unwrap_or_default());
        }
    }

    /// The patient talks with an operator in the call for this lead.
    pub fn connected(&mut self, id: LeadId) -> Option<Lead> {
        let kept = self.known.get_mut(&id)?;
        if !matches!(kept.lead.state, LeadState::Open | LeadState::Attempting) {
            return None;
        }
        kept.lead.state = LeadState::Connected;
        kept.lead.next_at = None;
        Some(kept.lead.clone())
    }

    /// The lead is over. Gives it as it is then; none when it was over before.
    pub fn close(&mut self, id: LeadId, end: LeadEnd, call: Option<CallId>) -> Option<Lead> {
        self.leave_line(id);
        self.free(id);
        let kept = self.known.get_mut(&id)?;
        if kept.lead.state.end().is_some() {
            return None;
        }
        kept.lead.state = LeadState::Closed(end);
        kept.lead.next_at = None;
        kept.lead.call = call.or(kept.lead.call);
        let lead = kept.lead.clone();
        self.closed.insert((lead.received_at, id));
        Some(lead)
    }

    /// Nobody is on the line with this number any more: its lead, if one waits, is looked at. Gives
    /// whether one does.
    pub fn line_is_free(&mut self, phone: &str, now: Wall) -> bool {
        let waits = self.open_of(phone).filter(|kept| kept.live.is_none());
        let waits = waits.map(|kept| kept.lead.id);
        if let Some(id) = waits {
            self.look_again(id, now);
        }
        waits.is_some()
    }

    /// The clock on the wall, which showed `before`, was set by so many milliseconds: a next attempt is
    /// as far away as it was. The time that was named for a first one stays.
    pub fn clock_set(&mut self, before: Wall, millis: i64) {
        self.lines.clear();
        for (id, kept) in &mut self.known {
            let lead = &mut kept.lead;
            let named = lead.rung == 0 && lead.next_at.is_some_and(|at| at > before);
            if !named {
                lead.next_at = lead.next_at.map(|at| at.moved(millis));
                kept.at = kept.at.map(|at| at.moved(millis));
            }
            if let Some(at) = kept.at {
                let line = line_of(&kept.lead);
                self.lines.entry(line).or_default().insert((at, *id));
            }
        }
    }

    /// Forgets everybody with this number. Gives how many leads it had.
    pub fn erase(&mut self, phone: &str) -> usize {
        let of_phone = self.known.values().filter(|it| it.lead.phone == phone);
        let ids: Vec<_> = of_phone.map(|kept| kept.lead.id).collect();
        for id in &ids {
            self.drop_lead(*id);
        }
        ids.len()
    }

    fn stand(&mut self, id: LeadId, at: Wall) {
        self.leave_line(id);
        if let Some(kept) = self.known.get_mut(&id) {
            kept.at = Some(at);
            let line = line_of(&kept.lead);
            self.lines.entry(line).or_default().insert((at, id));
        }
    }

    fn leave_line(&mut self, id: LeadId) {
        let Some(kept) = self.known.get_mut(&id) else {
            return;
        };
        let Some(at) = kept.at.take() else {
            return;
        };
        let line = line_of(&kept.lead);
        if let Some(standing) = self.lines.get_mut(&line) {
            standing.remove(&(at, id));
            if standing.is_empty() {
                self.lines.remove(&line);
            }
        }
    }

    /// No call is for this lead any more.
    fn free(&mut self, id: LeadId) {
        if let Some(kept) = self.known.get_mut(&id) {
            kept.live = None;
            if self.live.remove(&id) && kept.lead.list.is_some() {
                self.live_of_lists = self.live_of_lists.saturating_sub(1);
            }
        }
    }
}

fn line_of(lead: &Lead) -> Line {
    Line {
        listed: lead.list.is_some(),
        queue: lead.queue.clone(),
    }
}

#[cfg(test)]
mod tests;
