//! Working off leads: whose time has come becomes a call of ours when its queue can serve it, and what
//! came of the call goes back into the ledger.
//!
//! A lead that cannot begin, because its queue is closed, has nobody at work or calls out are not
//! allowed now, is looked at again and again: it waits, and is never lost. Where leads come from is in
//! [`super::intake`]; what has a place in a queue is a call, of whose steps nothing is known here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::attempts::{attempt, attempt_fields, ringing};
use super::engine::{Engine, EngineTimer};
use super::lead_event::lead_fields;
use super::recalling::{between, moment};
use crate::call::facts::{CallFacts, Errand};
use crate::call::message::CallInput;
use crate::call::recall::Recalled;
use crate::dialplan::lead::Asking;
use crate::dialplan::plan::Rung;
use crate::id::{CallId, LeadId, QueueName, Ulid};
use crate::ledger::attempts::{Attempt, Upshot, without_proof};
use crate::ledger::leads::{Lead, LeadEnd, LeadState, Line};
use crate::limits;
use crate::time::{Duration, Now, Wall};
use crate::words::CallResult;

/// Those who were not looked at for want of time wait so long.
const SOON: Duration = Duration::from_secs(1);

/// What became of a lead whose turn came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// It went on, or something of its own is in the way.
    Taken,
    /// Its queue serves nobody now: those behind it need not be asked.
    Closed,
}

impl Engine {
    /// Leads are looked at as soon as this step is over.
    pub(super) fn leads_now(&mut self, now: Now) {
        self.timers.set(EngineTimer::Leads, now.mono);
    }

    /// Comes back when the next lead wants to be looked at, and now and then before that, as the clock
    /// on the wall may be set. `more` when some are due that were not looked at.
    pub(super) fn arm_leads(&mut self, now: Now, more: bool) {
        let Some(next) = self.leads.next_due() else {
            self.timers.cancel(&EngineTimer::Leads);
            return;
        };
        let wait = match (more, between(now.wall, next)) {
            (true, _) => SOON,
            (false, Duration::ZERO) => limits::RECALL_AGAIN,
            (false, wait) => wait.min(limits::RECALL_AGAIN),
        };
        // Whoever is due is put off by nothing that happens meanwhile.
        let set = self.timers.due(&EngineTimer::Leads);
        let at = now.mono + wait;
        let at = set.map_or(at, |set| set.min(at));
        self.timers.set(EngineTimer::Leads, at);
    }

    /// Begins every lead that is due and may begin, those of the website first.
    pub(super) fn work_leads(&mut self, now: Now) {
        let mut more = false;
        let hours = self.plan.leads.hours.as_ref();
        let open = hours.is_none_or(|hours| self.plan.is_open(hours, None, now.wall));
        let lines = if open {
            self.leads.due_lines(now.wall)
        } else {
            Vec::new()
        };
        for line in lines {
            let mut left = limits::LEADS_LOOKED_AT;
            while self.has_room_for_lead(&line) {
                if left == 0 {
                    more = true;
                    break;
                }
                left -= 1;
                let Some(lead) = self.leads.pop_due(&line, now.wall) else {
                    break;
                };
                let turn = self.take_turn(now, &lead);
                self.settle(now);
                if turn == Turn::Closed {
                    break;
                }
            }
        }
        self.arm_leads(now, more);
    }

    fn has_room_for_lead(&self, line: &Line) -> bool {
        let room = self.active < self.settings.calls && !self.draining;
        let listed = !line.listed || self.leads.live_of_lists() < self.plan.leads.at_once;
        room && listed && self.leads.live() < limits::LEAD_CALLS
    }

    fn take_turn(&mut self, now: Now, lead: &Lead) -> Turn {
        if !self.may_ring(&lead.phone) {
            self.look_at_lead_later(now, lead.id);
            return Turn::Taken;
        }
        let show = match self.rung_of_leads(lead.rung) {
            Some(Rung::Call { show, .. }) => show,
            Some(Rung::Message { .. }) => {
                let message = Attempt {
                    at: now.wall,
                    operator: None,
                    sip_code: None,
                    ring: Duration::ZERO,
                    result: Upshot::Message,
                };
                self.note_lead_attempt(now, lead.id, None, message, true);
                return Turn::Taken;
            }
            // The plan has a shorter ladder now.
            None => {
                self.close_lead(now, lead.id, LeadEnd::NotReached, None);
                return Turn::Taken;
            }
        };
        let Some(queue) = self.queue_of_lead(lead) else {
            self.look_at_lead_later(now, lead.id);
            return Turn::Taken;
        };
        if !self.serves_leads(now, &queue, lead) {
            self.look_at_lead_later(now, lead.id);
            return Turn::Closed;
        }
        if !self.dials(now, &lead.phone) {
            self.look_at_lead_later(now, lead.id);
            return Turn::Taken;
        }
        self.begin_lead(now, lead, queue, show);
        Turn::Taken
    }

    fn look_at_lead_later(&mut self, now: Now, id: LeadId) {
        self.leads.look_again(id, now.wall + limits::RECALL_AGAIN);
    }

    /// A plan without a ladder has one rung: the patient is rung once.
    fn rung_of_leads(&self, rung: u32) -> Option<Rung> {
        let ladder = self.plan.ladder_of_leads();
        if ladder.is_empty() && rung == 0 {
            let after = Duration::ZERO;
            return Some(Rung::Call { show: None, after });
        }
        ladder.get(usize::try_from(rung).ok()?).cloned()
    }

    /// When the rung after this one is due, if there is one.
    fn rung_after(&self, now: Now, rung: u32) -> Option<Wall> {
        match self.rung_of_leads(rung.saturating_add(1))? {
            Rung::Call { after, .. } | Rung::Message { after } => Some(now.wall + after),
        }
    }

    /// Its own queue, or the one that a lead without any would get where the plan has that no more.
    fn queue_of_lead(&self, lead: &Lead) -> Option<QueueName> {
        if self.plan.queues.contains_key(&lead.queue) {
            return Some(lead.queue.clone());
        }
        self.plan.queue_of_leads(lead.site.as_ref())
    }

    /// Whether the queue is open, somebody is at work there, and it would let the lead in.
    fn serves_leads(&self, now: Now, name: &QueueName, lead: &Lead) -> bool {
        let Some(queue) = self.plan.queues.get(name) else {
            return false;
        };
        let entered = moment(now, stood_since(now, lead));
        let lets_in = || self.desk.lets_in(now.mono, name, entered, lead.priority);
        self.is_served(now, queue, lead.site.as_ref()) && lets_in()
    }

    fn begin_lead(&mut self, now: Now, lead: &Lead, queue: QueueName, show: Option<String>) {
        let outbound = self.plan.outbound.as_ref();
        let of_site = lead.site.as_ref();
        let of_site = of_site.and_then(|site| outbound?.show.get(site));
        let of_site = of_site.or_else(|| outbound?.show_else.as_ref());
        let asking = Asking {
            phone: &lead.phone,
            site: lead.site.as_ref(),
            queue: &queue,
            city: lead.said.city.as_deref(),
            source: lead.said.source.as_deref(),
            campaign: lead.said.campaign.as_deref(),
            listed: lead.list.is_some(),
        };
        let id = CallId(Ulid::new(now.wall, &mut self.rng));
        let recalled = Recalled {
            id,
            errand: Errand::Lead(lead.id),
            ticket: self.minted.ticket(),
            decision: self.plan.decide_lead(&asking),
            plan: Arc::clone(&self.plan),
            number: lead.phone.clone(),
            show: show.or_else(|| of_site.cloned()),
            entered: moment(now, stood_since(now, lead)),
            priority: lead.priority,
            operator: None,
            queue,
        };
        self.leads.begun(lead.id, id);
        if !self.place_recall(now, recalled) {
            self.look_at_lead_later(now, lead.id);
        }
    }

    /// The patient is about to be rung: the lease is kept first, and a restart finds it.
    pub(super) fn lead_dials(&mut self, now: Now, facts: &CallFacts) {
        let Some(lead) = self.lead_of_call(facts) else {
            return;
        };
        let (id, next) = (lead.id, self.rung_after(now, lead.rung));
        if let Some(lease) = self.leads.dials(id, ringing(now, facts), next) {
            let fields = lead_fields(&lease);
            self.record(now, "lead.dialled", Some(facts.id), fields);
        }
    }

    fn lead_of_call(&self, facts: &CallFacts) -> Option<&Lead> {
        let Some(Errand::Lead(id)) = facts.errand else {
            return None;
        };
        self.leads.served_by(id, facts.id)
    }

    /// The patient and an operator talk.
    pub(super) fn lead_connected(&mut self, now: Now, facts: &CallFacts) {
        let Some(lead) = self.lead_of_call(facts) else {
            return;
        };
        if lead.state == LeadState::Connected {
            return;
        }
        let id = lead.id;
        if let Some(tried) = &facts.patient {
            let attempt = attempt(tried, Some(CallResult::Answered));
            self.leads.note_attempt(id, attempt.clone());
            self.tell_lead_attempt(now, id, Some(facts.id), &attempt);
        }
        if let Some(lead) = self.leads.connected(id) {
            self.record(now, "lead.connected", Some(facts.id), lead_fields(&lead));
        }
    }

    /// A call for a lead is over. When the patient was not rung the rung is tried again.
    pub(super) fn lead_over(&mut self, now: Now, facts: &CallFacts) {
        let Some(lead) = self.lead_of_call(facts) else {
            return;
        };
        let (id, state, rung) = (lead.id, lead.state, lead.rung);
        match (&facts.patient, state) {
            (_, LeadState::Connected) => {
                self.close_lead(now, id, LeadEnd::Connected, Some(facts.id));
            }
            (Some(tried), _) if tried.receded => {
                let attempt = attempt(tried, facts.result);
                self.leads.note_attempt(id, attempt.clone());
                self.leads.look_again(id, now.wall);
                self.tell_lead_attempt(now, id, Some(facts.id), &attempt);
            }
            (Some(tried), _) => {
                let attempt = attempt(tried, facts.result);
                // Whoever answered and met nobody is rung by the next rung.
                let climbs = attempt.in_vain() || attempt.reached();
                self.note_lead_attempt(now, id, Some(facts.id), attempt, climbs);
            }
            // A stop or a fault of ours ended the call while the patient was rung.
            (None, LeadState::Attempting) => {
                let next = self.rung_after(now, rung);
                self.leads.climb(id, next);
                if next.is_none() {
                    self.close_lead(now, id, LeadEnd::Interrupted, Some(facts.id));
                }
            }
            (None, LeadState::Open | LeadState::Closed(_)) => self.look_at_lead_later(now, id),
        }
        self.leads_now(now);
    }

    /// Tells of an attempt, and goes on to the next rung, or to the same one a while later.
    fn note_lead_attempt(
        &mut self,
        now: Now,
        id: LeadId,
        call: Option<CallId>,
        attempt: Attempt,
        climbs: bool,
    ) {
        self.leads.note_attempt(id, attempt.clone());
        let Some(lead) = self.leads.get(id) else {
            return;
        };
        let (rung, unproven) = (lead.rung, without_proof(lead.attempts.iter()));
        let next = self.rung_after(now, rung);
        if climbs {
            self.leads.climb(id, next);
        } else {
            self.leads.look_again(id, now.wall + pause(unproven));
        }
        self.tell_lead_attempt(now, id, call, &attempt);
        if climbs && next.is_none() {
            self.close_lead(now, id, LeadEnd::NotReached, call);
        }
    }

    pub(super) fn tell_lead_attempt(
        &mut self,
        now: Now,
        id: LeadId,
        call: Option<CallId>,
        attempt: &Attempt,
    ) {
        if let Some(lead) = self.leads.get(id) {
            let mut fields: Map<String, Value> = lead_fields(lead);
            fields.insert("attempt".into(), attempt_fields(attempt));
            self.record(now, "lead.attempted", call, fields);
        }
    }

    pub(super) fn close_lead(&mut self, now: Now, id: LeadId, end: LeadEnd, call: Option<CallId>) {
        if let Some(lead) = self.leads.close(id, end, call) {
            self.record(now, "lead.closed", call, lead_fields(&lead));
        }
    }

    /// Somebody has spoken with this number: its lead, if any, is over, and nobody else rings it.
    pub(super) fn lead_answered(&mut self, now: Now, facts: &CallFacts, phone: Option<&str>) {
        let Some(phone) = phone else {
            return;
        };
        let Some(id) = self.leads.of(phone).map(|lead| lead.id) else {
            return;
        };
        let live = self.leads.rung_by(phone).filter(|live| *live != facts.id);
        self.close_lead(now, id, LeadEnd::Elsewhere, Some(facts.id));
        if let Some(live) = live {
            self.step(now, live, CallInput::Recede);
        }
    }

    /// Leads that the last run left with nothing more to try are over.
    pub(super) fn close_leads_left(&mut self, now: Now) {
        for (id, end) in self.leads.left_over() {
            self.close_lead(now, id, end, None);
        }
        self.arm_leads(now, false);
    }
}

/// Since when a lead stands in its queue: one of the website since it was due, one of a list only now,
/// so that no list passes callers who wait.
fn stood_since(now: Now, lead: &Lead) -> Wall {
    let due = lead.next_at.filter(|_| lead.list.is_none());
    due.map_or(now.wall, |due| due.min(now.wall))
}

/// How long after so many attempts that showed nothing the next one is made.
fn pause(unproven: usize) -> Duration {
    let doubled = u32::try_from(unproven.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = 2_u32
        .checked_pow(doubled)
        .map(|times| limits::RECALL_AGAIN.saturating_mul(times));
    pause.map_or(limits::LEAD_AGAIN, |pause| pause.min(limits::LEAD_AGAIN))
}
