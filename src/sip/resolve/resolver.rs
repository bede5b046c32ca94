//! What the domain name system said, kept: the names that carriers need, asked anew before they lapse.
//!
//! ```text
//!  wanted ─► asked ─answer─► kept ─80 % of its time─► asked again, the old answer serves meanwhile
//!              └─ no answer ─► asked again after 2 s, 4 s … 60 s; an old answer serves as long
//! ```
//!
//! A dead resolver costs nothing that was known: an answer is replaced by an answer alone. Only names
//! of the dialplan and those they lead to are kept, so the cache is as bounded as the plan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{DnsRecord, Located, Query, RecordData, RecordKind, Walk, Wanted, walk};
use crate::limits;
use crate::time::{Duration, Instant, Timers};

#[derive(Clone, Debug, Default)]
struct Kept {
    /// The last answer; none before the first.
    answer: Option<Vec<RecordData>>,
    /// Questions in a row that nobody answered.
    unanswered: u32,
}

/// The cache and its questions.
#[derive(Debug, Default)]
pub struct Resolver {
    wanted: BTreeSet<Wanted>,
    kept: BTreeMap<Query, Kept>,
    timers: Timers<Query>,
    asking: VecDeque<Query>,
}

impl Resolver {
    /// Says which servers are needed from now on; what leads to no other is forgotten.
    pub fn want(&mut self, now: Instant, wanted: BTreeSet<Wanted>) {
        self.wanted = wanted;
        self.follow(now);
    }

    /// Takes the answer to a question; an error leaves what was known. True when it says something new.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        query: &Query,
        answer: Result<Vec<DnsRecord>, String>,
    ) -> bool {
        let Some(kept) = self.kept.get_mut(query) else {
            return false;
        };
        let Ok(records) = answer else {
            kept.unanswered = kept.unanswered.saturating_add(1);
            let first = kept.unanswered == 1 && kept.answer.is_none();
            let (least, most) = limits::DNS_AGAIN;
            let doubled = least.saturating_mul(1 << (kept.unanswered - 1).min(16));
            self.timers.set(query.clone(), now + doubled.min(most));
            // Without an old answer the walk goes on as if there were none: some resolvers never
            // answer for NAPTR.
            self.follow(now);
            return first;
        };
        let life = life(&records);
        let mut fresh: Vec<_> = records.into_iter().map(|record| record.data).collect();
        fresh.retain(|data| fits(data, query.kind));
        fresh.truncate(limits::DNS_RECORDS);
        let changed = kept.unanswered > 0 || kept.answer.as_ref() != Some(&fresh);
        *kept = Kept {
            answer: Some(fresh),
            unanswered: 0,
        };
        self.timers.set(query.clone(), now + life / 5 * 4);
        self.follow(now);
        changed
    }

    /// Asks again for what lapses soon or was not answered.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(query) = self.timers.pop_due(now) {
            self.ask(now, query);
        }
    }

    /// The next question.
    pub fn poll_query(&mut self) -> Option<Query> {
        self.asking.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Where a server is, as far as is known; none while an answer is still awaited.
    #[must_use]
    pub fn locate(&self, wanted: &Wanted) -> Option<Vec<Located>> {
        let walk = self.walk(wanted);
        (walk.complete || !walk.located.is_empty()).then_some(walk.located)
    }

    #[cfg(test)]
    pub(super) fn kept_is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn walk(&self, wanted: &Wanted) -> Walk {
        walk(wanted, |query| {
            let kept = self.kept.get(query)?;
            match &kept.answer {
                Some(answer) => Some(answer.as_slice()),
                None if kept.unanswered > 0 => Some(&[]),
                None => None,
            }
        })
    }

    /// Asks for what the walks came upon, and forgets what none of them passes any more.
    fn follow(&mut self, now: Instant) {
        let walks = self.wanted.iter().map(|wanted| self.walk(wanted));
        let needed: BTreeSet<_> = walks.flat_map(|walk| walk.queries).collect();
        let timers = &mut self.timers;
        self.kept.retain(|query, _| {
            let stays = needed.contains(query);
            if !stays {
                timers.cancel(query);
            }
            stays
        });
        for query in needed {
            if !self.kept.contains_key(&query) {
                self.kept.insert(query.clone(), Kept::default());
                self.ask(now, query);
            }
        }
    }

    fn ask(&mut self, now: Instant, query: Query) {
        self.timers.set(query.clone(), now + limits::DNS_ANSWER);
        self.asking.push_back(query);
    }
}

/// How long an answer is kept.
fn life(records: &[DnsRecord]) -> Duration {
    let (least, most) = limits::DNS_LIFE;
    let shortest = records.iter().map(|record| record.ttl).min();
    shortest.map_or(limits::DNS_NOTHING, |ttl| ttl.clamp(least, most))
}

const fn fits(data: &RecordData, kind: RecordKind) -> bool {
    matches!(
        (data, kind),
        (RecordData::Naptr { .. }, RecordKind::Naptr)
            | (RecordData::Srv { .. }, RecordKind::Srv)
            | (RecordData::Address(_), RecordKind::Address)
    )
}
