//! Where phones are: bindings of an address of record to a contact and a flow (RFC 3261 10).
//!
//! A contact is never followed: it may be a private address, or somebody else's. INVITEs go back by
//! the flow the REGISTER came by. Who may register is settled before this file is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;

use super::flow::{Flow, Transport};
use super::uri::Uri;
use crate::id::{FlowId, OperatorName};
use crate::limits;
use crate::time::{Duration, Instant, Now, Timers, Wall};

/// One binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The user part of the address of record.
    pub user: OperatorName,
    /// What tells this binding from the user's others: `+sip.instance` with reg-id, else the contact.
    pub key: String,
    /// The contact URI, as the phone gave it.
    pub contact: Uri,
    /// The proxies between us and the phone (RFC 3327), as Route values, the one next to us first.
    pub path: Vec<Bytes>,
    /// How much the phone wants to be reached here, of a thousand (RFC 3261 20.10).
    pub q: u16,
    /// The flow the REGISTER came by, and where INVITEs go (a phone behind NAT is reached this way).
    pub flow: Flow,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// When it lapses, on the wall clock: it survives a restart.
    pub expires: Wall,
    /// User-Agent, cut to a bound, for the admin's eyes.
    pub user_agent: String,
}

/// A REGISTER of somebody who may, read.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Whose bindings.
    pub user: OperatorName,
    /// The flow it came by.
    pub flow: Flow,
    /// Its Call-ID.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// Its User-Agent.
    pub user_agent: String,
    /// Its Path.
    pub path: Vec<Bytes>,
    /// What it asks for.
    pub wish: Wish,
}

/// What a REGISTER asks for.
#[derive(Clone, Debug)]
pub enum Wish {
    /// `Contact: *` with Expires 0: every binding goes.
    RemoveAll,
    /// These contacts; none at all asks for the list only.
    Contacts(Vec<Contact>),
}

/// One contact of a REGISTER.
#[derive(Clone, Debug)]
pub struct Contact {
    /// See [`Binding::key`].
    pub key: String,
    /// The URI.
    pub uri: Uri,
    /// How long it is granted; zero removes it.
    pub expires: Duration,
    /// See [`Binding::q`].
    pub q: u16,
    /// It names its instance and its flow (RFC 5626 4.2).
    pub flow: bool,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A later one of the same Call-ID came before it (RFC 3261 10.3, step 7).
    OutOfOrder,
    /// The user has [`limits::BINDINGS_PER_USER`] bindings.
    TooMany,
    /// The registrar is full.
    Full,
}

/// What a REGISTER, a clock or a broken stream did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A binding was made, changed or refreshed.
    Bound {
        /// As it stands now.
        binding: Box<Binding>,
        /// The user had none before.
        first: bool,
        /// It is new, or the phone is somewhere else now; neither a refresh nor a repetition.
        changed: bool,
        /// More than its end changed: it must be on disk before the phone relies on it.
        durable: bool,
    },
    /// A binding is gone.
    Unbound {
        /// Whose.
        user: OperatorName,
        /// Its key.
        key: String,
        /// The user has no other.
        last: bool,
        /// `expired`, `removed` or `flow_closed`.
        why: &'static str,
    },
    /// A phone behind a NAT does not answer any more. Its binding stays, and is not rung.
    Silent {
        /// Whose.
        user: OperatorName,
        /// The user has no other that is rung.
        last: bool,
    },
    /// It answers again.
    Heard {
        /// The binding.
        binding: Box<Binding>,
        /// The user had none that was rung.
        first: bool,
    },
}

#[derive(Debug)]
struct Entry {
    binding: Binding,
    /// The CSeq of the REGISTER that made or last changed it, whose repetitions are durable too.
    durable_at: u32,
    until: Instant,
    id: BindingId,
    echo: Echo,
}

/// Names a binding for as long as it stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BindingId(u64);

/// What came back of our OPTIONS to a phone behind a NAT.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Echo {
    /// One was answered, so that silence means something.
    known: bool,
    /// So many in a row were not.
    missed: u8,
    /// Too many: the phone is not rung until it is heard of again.
    silent: bool,
}

type FlowKey = (FlowId, SocketAddr);

/// Every binding.
#[derive(Debug)]
pub struct Registrar {
    capacity: usize,
    count: usize,
    users: BTreeMap<OperatorName, BTreeMap<String, Entry>>,
    flows: BTreeMap<FlowKey, BTreeSet<(OperatorName, String)>>,
    /// The same by contact: behind a proxy many phones share a flow.
    places: BTreeSet<(FlowKey, String, OperatorName, String)>,
    timers: Timers<(OperatorName, String)>,
    ids: BTreeMap<BindingId, (OperatorName, String)>,
    last: u64,
}

impl Registrar {
    /// A registrar for at most `capacity` bindings.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            count: 0,
            users: BTreeMap::new(),
            flows: BTreeMap::new(),
            places: BTreeSet::new(),
            timers: Timers::default(),
            ids: BTreeMap::new(),
            last: 0,
        }
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bindings of a user at which somebody is, the most wanted first.
    pub fn bindings(&self, user: &OperatorName) -> impl Iterator<Item = &Binding> + use<'_> {
        let own = self.users.get(user).into_iter();
        let own = own.flat_map(BTreeMap::values);
        let own = own.filter(|entry| !entry.echo.silent);
        let own = own.map(|entry| &entry.binding);
        let mut all: Vec<_> = own.collect();
        all.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        all.into_iter()
    }

    /// The bindings of a user, each with what is left of it in whole seconds.
    pub fn remaining(
        &self,
        now: Instant,
        user: &OperatorName,
    ) -> impl Iterator<Item = (&Binding, u64)> {
        self.users.get(user).into_iter().flat_map(move |entries| {
            entries
                .values()
                .map(move |entry| (&entry.binding, entry.until.since(now).as_secs()))
        })
    }

    /// A user with a binding on this flow.
    #[must_use]
    pub fn user_of(&self, flow: &Flow) -> Option<&OperatorName> {
        let bound = self.flows.get(&(flow.id, flow.peer))?;
        bound.first().map(|(user, _)| user)
    }

    /// Whose phone is at this contact on this flow; none where two say it is theirs.
    #[must_use]
    pub fn user_at(&self, flow: &Flow, contact: &Uri) -> Option<&OperatorName> {
        let flow = (flow.id, flow.peer);
        if let Some(bound) = self.flows.get(&flow)
            && bound.len() == 1
        {
            return bound.first().map(|(user, _)| user);
        }
        let first = (
            flow,
            contact.as_str().to_owned(),
            OperatorName::from(""),
            String::new(),
        );
        let same = |place: &&(FlowKey, String, OperatorName, String)| {
            place.0 == flow && place.1 == contact.as_str()
        };
        let mut here = self.places.range(first..).take_while(same);
        let (_, _, user, _) = here.next()?;
        here.all(|(_, _, other, _)| other == user).then_some(user)
    }

    /// Whether a user has a binding on this flow.
    #[must_use]
    pub fn is_on(&self, user: &OperatorName, flow: &Flow) -> bool {
        self.users.get(user).is_some_and(|own| {
            let mut flows = own.values().map(|entry| entry.binding.flow);
            flows.any(|own| own.id == flow.id && own.peer == flow.peer)
        })
    }

    /// The flows that have a binding.
    pub fn flows(&self) -> impl Iterator<Item = FlowId> {
        self.flows.keys().map(|(flow, _)| *flow)
    }

    /// Takes back bindings from before a restart. Streams did not survive it.
    pub fn restore(&mut self, now: Now, bindings: Vec<Binding>, longest: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        for binding in bindings {
            let left = u64::try_from(binding.expires.as_millis() - now.wall.as_millis());
            let why = match left {
                Ok(1..) if binding.flow.transport == Transport::Udp => None,
                Ok(1..) => Some("flow_closed"),
                Ok(0) | Err(_) => Some("expired"),
            };
            if let Some(why) = why {
                changes.push(Change::Unbound {
                    last: !self.users.contains_key(&binding.user),
                    user: binding.user,
                    key: binding.key,
                    why,
                });
                continue;
            }
            let left = Duration::from_millis(left.unwrap_or(0)).min(longest);
            self.insert(now.mono + left, binding, 0);
        }
        changes
    }

    /// Does what a REGISTER asks for, all of it or nothing.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn apply(&mut self, now: Now, request: &Registration) -> Result<Vec<Change>, Refusal> {
        let own = self.users.get(&request.user);
        let is_late = |entry: &Entry| {
            entry.binding.call_id == request.call_id && entry.binding.cseq > request.cseq
        };
        match &request.wish {
            Wish::RemoveAll => {
                if own.is_some_and(|own| own.values().any(is_late)) {
                    return Err(Refusal::OutOfOrder);
                }
                let keys: Vec<_> = own
                    .into_iter()
                    .flat_map(|own| own.keys().cloned())
                    .collect();
                Ok(keys
                    .iter()
                    .filter_map(|key| self.remove(&request.user, key, "removed"))
                    .collect())
            }
            Wish::Contacts(contacts) => {
                let known = |key: &String| own.and_then(|own| own.get(key));
                if contacts
                    .iter()
                    .filter_map(|contact| known(&contact.key))
                    .any(is_late)
                {
                    return Err(Refusal::OutOfOrder);
                }
                let new = contacts
                    .iter()
                    .filter(|contact| !contact.expires.is_zero() && known(&contact.key).is_none())
                    .count();
                if new > 0 && own.map_or(0, BTreeMap::len) + new > limits::BINDINGS_PER_USER {
                    return Err(Refusal::TooMany);
                }
                if new > 0 && self.count + new > self.capacity {
                    return Err(Refusal::Full);
                }
                Ok(contacts
                    .iter()
                    .filter_map(|contact| self.apply_contact(now, request, contact))
                    .collect())
            }
        }
    }

    fn apply_contact(
        &mut self,
        now: Now,
        request: &Registration,
        contact: &Contact,
    ) -> Option<Change> {
        if contact.expires.is_zero() {
            return self.remove(&request.user, &contact.key, "removed");
        }
        let binding = Binding {
            user: request.user.clone(),
            key: contact.key.clone(),
            contact: contact.uri.clone(),
            path: request.path.clone(),
            q: contact.q,
            flow: request.flow,
            call_id: request.call_id.clone(),
            cseq: request.cseq,
            expires: now.wall + contact.expires,
            user_agent: request.user_agent.clone(),
        };
        let own = self.users.get(&request.user);
        let first = !own.is_some_and(is_reachable);
        let old = own.and_then(|own| own.get(&contact.key));
        let same = old.filter(|old| {
            let old = &old.binding;
            let here = old.contact == contact.uri && old.flow == request.flow;
            here && old.path == request.path && old.q == contact.q
        });
        // One that was told gone is told to be back.
        let changed = same.is_none() || old.is_some_and(|old| old.echo.silent);
        let durable_at = same.map_or(request.cseq, |old| old.durable_at);
        // A repetition of the REGISTER that made the binding is as good as that one.
        let durable = durable_at == request.cseq;
        self.insert(now.mono + contact.expires, binding.clone(), durable_at);
        Some(Change::Bound {
            binding: Box::new(binding),
            first,
            changed,
            durable,
        })
    }

    /// A stream is gone, and with it what was bound to it.
    pub fn handle_flow_down(&mut self, flow: FlowId) -> Vec<Change> {
        let low = (flow, SocketAddr::from(([0, 0, 0, 0], 0)));
        let bound: Vec<_> = self
            .flows
            .range(low..)
            .take_while(|((id, _), _)| *id == flow)
            .flat_map(|(_, bound)| bound.iter().cloned())
            .collect();
        bound
            .iter()
            .filter_map(|(user, key)| self.remove(user, key, "flow_closed"))
            .collect()
    }

    /// Users who are no more lose their bindings.
    pub fn retain(&mut self, is_known: impl Fn(&OperatorName) -> bool) -> Vec<Change> {
        let gone: Vec<_> = self
            .users
            .iter()
            .filter(|(user, _)| !is_known(user))
            .flat_map(|(user, own)| own.keys().map(|key| (user.clone(), key.clone())))
            .collect();
        gone.iter()
            .filter_map(|(user, key)| self.remove(user, key, "removed"))
            .collect()
    }

    /// Drops one binding that lapsed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Change> {
        let (user, key) = self.timers.pop_due(now)?;
        self.remove(&user, &key, "expired")
    }

    /// When the next binding lapses.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The name of a binding.
    #[must_use]
    pub fn id_of(&self, user: &OperatorName, key: &str) -> Option<BindingId> {
        Some(self.users.get(user)?.get(key)?.id)
    }

    /// Every binding by its name.
    pub fn ids(&self) -> impl Iterator<Item = BindingId> {
        self.ids.keys().copied()
    }

    /// A binding by its name.
    #[must_use]
    pub fn named(&self, id: BindingId) -> Option<&Binding> {
        let (user, key) = self.ids.get(&id)?;
        Some(&self.users.get(user)?.get(key)?.binding)
    }

    /// A phone answered our OPTIONS.
    pub fn heard(&mut self, id: BindingId) -> Option<Change> {
        let (user, key) = self.ids.get(&id)?;
        let own = self.users.get_mut(user)?;
        let first = !is_reachable(own);
        let entry = own.get_mut(key)?;
        let was_silent = entry.echo.silent;
        entry.echo = Echo {
            known: true,
            ..Echo::default()
        };
        was_silent.then(|| Change::Heard {
            binding: Box::new(entry.binding.clone()),
            first,
        })
    }

    /// A phone did not answer our OPTIONS. One that never answered any may be of the kind that
    /// answers none, and is rung all the same.
    pub fn unheard(&mut self, id: BindingId) -> Option<Change> {
        let (user, key) = self.ids.get(&id)?;
        let own = self.users.get_mut(user)?;
        let echo = &mut own.get_mut(key)?.echo;
        echo.missed = echo.missed.saturating_add(1);
        if !echo.known || echo.silent || echo.missed < limits::KEEPALIVES_MISSED {
            return None;
        }
        echo.silent = true;
        Some(Change::Silent {
            user: user.clone(),
            last: !is_reachable(own),
        })
    }

    fn insert(&mut self, until: Instant, binding: Binding, durable_at: u32) {
        let name = (binding.user.clone(), binding.key.clone());
        let flow = (binding.flow.id, binding.flow.peer);
        let place = place(&binding);
        let own = self.users.entry(binding.user.clone()).or_default();
        let known = own.get(&name.1).map(|old| old.id);
        let id = known.unwrap_or_else(|| {
            self.last += 1;
            BindingId(self.last)
        });
        // Whoever registers is there; whether silence means something is known of the same place only.
        let heard = own.get(&name.1).is_some_and(|old| {
            let old_flow = (old.binding.flow.id, old.binding.flow.peer);
            old.echo.known && old_flow == flow
        });
        let entry = Entry {
            binding,
            durable_at,
            until,
            id,
            echo: Echo {
                known: heard,
                ..Echo::default()
            },
        };
        match own.insert(name.1.clone(), entry) {
            Some(old) => self.leave_flow(&old.binding),
            None => self.count += 1,
        }
        self.flows.entry(flow).or_default().insert(name.clone());
        self.places.insert(place);
        self.ids.insert(id, name.clone());
        self.timers.set(name, until);
    }

    fn remove(&mut self, user: &OperatorName, key: &str, why: &'static str) -> Option<Change> {
        let own = self.users.get_mut(user)?;
        let old = own.remove(key)?;
        let last = !is_reachable(own);
        if own.is_empty() {
            self.users.remove(user);
        }
        self.count -= 1;
        self.ids.remove(&old.id);
        self.leave_flow(&old.binding);
        self.timers.cancel(&(user.clone(), key.to_owned()));
        Some(Change::Unbound {
            user: user.clone(),
            key: key.to_owned(),
            last,
            why,
        })
    }

    fn leave_flow(&mut self, binding: &Binding) {
        self.places.remove(&place(binding));
        let flow = (binding.flow.id, binding.flow.peer);
        if let Some(bound) = self.flows.get_mut(&flow) {
            bound.remove(&(binding.user.clone(), binding.key.clone()));
            if bound.is_empty() {
                self.flows.remove(&flow);
            }
        }
    }
}

/// Whether one of a user's bindings is rung.
fn is_reachable(own: &BTreeMap<String, Entry>) -> bool {
    own.values().any(|entry| !entry.echo.silent)
}

fn place(binding: &Binding) -> (FlowKey, String, OperatorName, String) {
    let flow = (binding.flow.id, binding.flow.peer);
    let contact = binding.contact.as_str().to_owned();
    (flow, contact, binding.user.clone(), binding.key.clone())
}

#[cfg(test)]
mod tests;
