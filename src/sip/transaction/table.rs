//! Every live transaction: the machines, the bytes they repeat, their timers.
//!
//! Matches by key and never searches. What a transaction is for is known to its owner alone, a leg.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::machine::Machine;
use super::timer::T2;
use super::{Action, Timer};
use crate::id::{FlowId, LegId};
use crate::limits;
use crate::sip::flow::Flow;
use crate::sip::registrar::BindingId;
use crate::sip::registration::RegistrationId;
use crate::sip::subscription::SubscriptionId;
use crate::sip::trunk::ProbeId;
use crate::time::{Duration, Instant, Timers};

/// One transaction, for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TransactionId(u64);

/// What a message must carry to belong to a transaction (RFC 3261 17.1.3, 17.2.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A response to a request of ours: our branch, and the method in CSeq.
    Client {
        /// The branch we wrote.
        branch: String,
        /// The method, CANCEL apart from the INVITE whose branch it shares.
        method: String,
    },
    /// A request of a peer.
    Server {
        /// The branch of its top Via, or what stands for one in RFC 2543.
        branch: String,
        /// The `sent-by` of its top Via and the party that sent it: nobody matches another's
        /// transaction by guessing a branch.
        sender: String,
        /// The method; INVITE for an ACK.
        method: String,
    },
}

/// Whom a transaction serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// A session.
    Leg(LegId),
    /// A registration of our own somewhere.
    Registration(RegistrationId),
    /// What a phone watches.
    Subscription(SubscriptionId),
    /// An OPTIONS that asks whether a carrier is there.
    Probe(ProbeId),
    /// An OPTIONS that asks whether a phone is there.
    Binding(BindingId),
}

/// What an owner learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// Nobody answered in time.
    TimedOut(Owner, TransactionId),
    /// The way is broken.
    Broken(Owner, TransactionId),
    /// It is over and forgotten. Comes once, last.
    Gone(Owner, TransactionId),
}

#[derive(Debug)]
struct Entry {
    machine: Machine,
    key: Key,
    flow: Flow,
    owner: Owner,
    /// The request of ours, or the last response to a peer's.
    bytes: Bytes,
    /// The ACK to a refusal of our INVITE.
    ack: Bytes,
    /// The gap of the timer that repeats.
    gap: Duration,
}

/// The store.
#[derive(Debug, Default)]
pub struct Transactions {
    next: u64,
    by_key: BTreeMap<Key, TransactionId>,
    by_stream: BTreeSet<(FlowId, TransactionId)>,
    entries: BTreeMap<TransactionId, Entry>,
    timers: Timers<(TransactionId, Timer)>,
    sent: VecDeque<(Flow, Bytes)>,
    reports: VecDeque<Report>,
}

impl Transactions {
    /// Starts a transaction for a request of ours and sends it.
    pub fn open_client(
        &mut self,
        now: Instant,
        key: Key,
        flow: Flow,
        owner: Owner,
        request: Bytes,
        invite: bool,
    ) -> TransactionId {
        self.open(now, key, flow, owner, request, Machine::client(invite))
    }

    /// Starts a transaction for a peer's request; `first` is sent at once unless it is empty.
    pub fn open_server(
        &mut self,
        now: Instant,
        key: Key,
        flow: Flow,
        owner: Owner,
        first: Bytes,
        invite: bool,
    ) -> TransactionId {
        self.open(now, key, flow, owner, first, Machine::server(invite))
    }

    fn open(
        &mut self,
        now: Instant,
        key: Key,
        flow: Flow,
        owner: Owner,
        bytes: Bytes,
        machine: Machine,
    ) -> TransactionId {
        self.next += 1;
        let id = TransactionId(self.next);
        if !bytes.is_empty() {
            self.sent.push_back((flow, bytes.clone()));
        }
        if flow.transport.is_stream() {
            self.by_stream.insert((flow.id, id));
        }
        self.by_key.insert(key.clone(), id);
        let entry = Entry {
            machine,
            key,
            flow,
            owner,
            bytes,
            ack: Bytes::new(),
            gap: Duration::ZERO,
        };
        self.entries.insert(id, entry);
        self.perform(now, id, machine.opening());
        id
    }

    /// Whether one more would be one too many.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= limits::SIP_TRANSACTIONS
    }

    /// How many live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The transaction a message belongs to, and its owner.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<(TransactionId, Owner)> {
        let id = *self.by_key.get(key)?;
        Some((id, self.entries.get(&id)?.owner))
    }

    /// The way a transaction goes, and whom it serves.
    #[must_use]
    pub fn way(&self, id: TransactionId) -> Option<(Flow, Owner)> {
        let entry = self.entries.get(&id)?;
        Some((entry.flow, entry.owner))
    }

    /// Lets what is sent from now on go another way: the stream of before is gone.
    pub fn redirect(&mut self, id: TransactionId, flow: Flow) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        self.by_stream.remove(&(entry.flow.id, id));
        if flow.transport.is_stream() {
            self.by_stream.insert((flow.id, id));
        }
        entry.flow = flow;
    }

    /// Whether a final response was received or sent. True of one that is gone.
    #[must_use]
    pub fn is_final(&self, id: TransactionId) -> bool {
        self.entries
            .get(&id)
            .is_none_or(|entry| entry.machine.is_final())
    }

    /// A response came; `ack` is the ACK to a refusal of our INVITE. True when the owner shall see
    /// it.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: TransactionId,
        status: u16,
        ack: Option<Bytes>,
    ) -> bool {
        if let (Some(entry), Some(ack)) = (self.entries.get_mut(&id), ack) {
            entry.ack = ack;
        }
        self.with(now, id, |machine| machine.handle_status(status))
    }

    /// The peer's request came again.
    pub fn handle_repetition(&mut self, now: Instant, id: TransactionId) {
        self.with(now, id, Machine::handle_repetition);
    }

    /// An ACK matched the peer's INVITE. True when the owner shall see it.
    pub fn handle_ack(&mut self, now: Instant, id: TransactionId) -> bool {
        self.with(now, id, Machine::handle_ack)
    }

    /// Sends a response to a peer's request. After a final one, nothing.
    pub fn respond(&mut self, now: Instant, id: TransactionId, status: u16, response: Bytes) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.machine.is_final() {
            return;
        }
        entry.bytes = response;
        self.with(now, id, |machine| machine.handle_status(status));
    }

    /// Gives up a cancelled INVITE of ours that nobody answers.
    pub fn abandon(&mut self, now: Instant, id: TransactionId) {
        self.with(now, id, Machine::abandon);
    }

    /// A stream is gone.
    pub fn handle_flow_down(&mut self, now: Instant, flow: FlowId) {
        let first = (flow, TransactionId(0));
        let last = (flow, TransactionId(u64::MAX));
        let ids: Vec<_> = self
            .by_stream
            .range(first..=last)
            .map(|&(_, id)| id)
            .collect();
        for id in ids {
            self.with(now, id, Machine::handle_broken);
        }
    }

    /// Fires one timer that is due; false when none is.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let Some((id, timer)) = self.timers.pop_due(now) else {
            return false;
        };
        self.with(now, id, |machine| machine.handle_timer(timer));
        true
    }

    /// When a timer is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What is to be sent, in order.
    pub fn poll_sent(&mut self) -> Option<(Flow, Bytes)> {
        self.sent.pop_front()
    }

    /// What owners shall know, in order.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Steps a machine, does what it asks, and says whether the message passes to the owner.
    fn with(
        &mut self,
        now: Instant,
        id: TransactionId,
        step: impl FnOnce(&mut Machine) -> &'static [Action],
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        let actions = step(&mut entry.machine);
        let over = entry.machine.is_over();
        let pass = self.perform(now, id, actions);
        if over {
            self.forget(id);
        }
        pass
    }

    fn perform(&mut self, now: Instant, id: TransactionId, actions: &[Action]) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        let reliable = entry.flow.transport.is_stream();
        let mut pass = false;
        for &action in actions {
            match action {
                Action::Resend if entry.bytes.is_empty() => {}
                Action::Resend => self.sent.push_back((entry.flow, entry.bytes.clone())),
                Action::Acknowledge => self.sent.push_back((entry.flow, entry.ack.clone())),
                Action::Start(timer) => {
                    if let Some(gap) = timer.first(reliable) {
                        if matches!(timer, Timer::A | Timer::E | Timer::G) {
                            entry.gap = gap;
                        }
                        self.timers.set((id, timer), now + gap);
                    }
                }
                Action::Again(timer) => {
                    entry.gap = timer.next(entry.gap);
                    self.timers.set((id, timer), now + entry.gap);
                }
                Action::Slow(timer) => {
                    entry.gap = T2;
                    self.timers.set((id, timer), now + T2);
                }
                Action::Stop(timer) => {
                    self.timers.cancel(&(id, timer));
                }
                Action::Pass => pass = true,
                Action::TimedOut => self.reports.push_back(Report::TimedOut(entry.owner, id)),
                Action::Broken => self.reports.push_back(Report::Broken(entry.owner, id)),
            }
        }
        pass
    }

    fn forget(&mut self, id: TransactionId) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.by_key.remove(&entry.key);
        self.by_stream.remove(&(entry.flow.id, id));
        for &timer in entry.machine.timers() {
            self.timers.cancel(&(id, timer));
        }
        self.reports.push_back(Report::Gone(entry.owner, id));
    }
}
