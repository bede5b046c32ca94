//! All carriers of a plan, and their time: names, ways, OPTIONS, registrations, the calls they bear.
//!
//! ```text
//!  plan ─► names ─► addresses ─► a way to each ─┬► OPTIONS ──► breaker ─┐
//!                                               └► REGISTER ─► enrolment ┴► up, down, ways out
//!  calls out ─ what became of their INVITEs ──────► breaker
//! ```
//!
//! Keeps no socket and sends nothing: what it wants comes out as [`TrunkEffect`].

mod calls;
mod enrolling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use super::carrier::{Carrier, Line, Standing, Target};
use super::enrolment::Enrolment;
use super::{ProbeId, TargetKey, TrunkEffect, TrunkRules, uri_of};
use crate::id::{FlowId, LegId, TrunkName};
use crate::rng::Rng;
use crate::sip::flow::Flow;
use crate::sip::registration::RegistrationId;
use crate::sip::resolve::{DnsRecord, Query, Resolver, Wanted, draw};
use crate::time::{Duration, Instant, Timers};

/// An OPTIONS is answered within this, or the server has failed once.
const PROBE_ANSWER: Duration = Duration::from_secs(4);
/// A server that failed is asked no less often than this.
const PROBE_OPEN: Duration = Duration::from_secs(10);
/// A way that broke is made anew after this, doubling, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A way is made within this, or has failed.
const CONNECT: Duration = Duration::from_secs(15);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum TrunkTimer {
    /// OPTIONS is due.
    Probe(TargetKey),
    /// An OPTIONS has not been answered.
    ProbeLate(TargetKey),
    /// A way is to be made, or was not made in time.
    Connect(TargetKey),
    /// A refresh, or a new round of registrars.
    Enrol(TrunkName),
    /// A registrar has not answered.
    EnrolLate(TrunkName),
    /// A breaker is half open: look whether the carrier can be had.
    Look(TargetKey),
}

/// A leg on a carrier.
#[derive(Clone, Debug)]
struct Borne {
    trunk: TrunkName,
    /// The server an INVITE of ours went to, until it has said something.
    silent: Option<(TargetKey, Instant)>,
    /// That server.
    target: Option<TargetKey>,
}

/// The carriers.
pub struct Trunks {
    rng: Rng,
    resolver: Resolver,
    carriers: BTreeMap<TrunkName, Carrier>,
    timers: Timers<TrunkTimer>,
    probes: BTreeMap<ProbeId, TargetKey>,
    registrations: BTreeMap<RegistrationId, TrunkName>,
    legs: BTreeMap<LegId, Borne>,
    effects: VecDeque<TrunkEffect>,
    last_probe: u64,
    last_registration: u32,
}

impl Trunks {
    /// No carrier yet.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self {
            rng,
            resolver: Resolver::default(),
            carriers: BTreeMap::new(),
            timers: Timers::default(),
            probes: BTreeMap::new(),
            registrations: BTreeMap::new(),
            legs: BTreeMap::new(),
            effects: VecDeque::new(),
            last_probe: 0,
            last_registration: 0,
        }
    }

    /// Says which carriers there are from now on. One whose rules did not change goes on as it is;
    /// calls under way stay counted.
    pub fn set(&mut self, now: Instant, rules: Vec<TrunkRules>) {
        let names: BTreeSet<_> = rules.iter().map(|rules| rules.name.clone()).collect();
        let known: Vec<_> = self.carriers.keys().cloned().collect();
        for name in known.iter().filter(|name| !names.contains(name)) {
            self.remove(name);
        }
        for rules in rules {
            self.set_one(now, rules);
        }
        let wanted = self.carriers.values().flat_map(|carrier| {
            let register = carrier.rules.register.iter();
            let registrars = register.flat_map(|register| register.servers.iter());
            carrier.rules.servers.iter().chain(registrars).cloned()
        });
        self.resolver.want(now, wanted.collect());
        self.look_up(now);
        self.effects.push_back(TrunkEffect::Moved);
    }

    fn set_one(&mut self, now: Instant, rules: TrunkRules) {
        let name = rules.name.clone();
        let Some(carrier) = self.carriers.get_mut(&name) else {
            let mut carrier = Carrier::new(rules);
            if carrier.rules.register.is_some() {
                carrier.enrolment = Some(Enrolment::new(&mut self.rng));
            }
            self.carriers.insert(name, carrier);
            return;
        };
        if carrier.rules.keepalive != rules.keepalive {
            // Whoever was never asked has no timer, and one that failed would wait for it for ever.
            for key in carrier.targets.keys() {
                self.timers.set(TrunkTimer::Probe(key.clone()), now);
            }
        }
        if carrier.rules.register == rules.register {
            carrier.rules = rules;
            return;
        }
        let before = carrier.enrolment.take();
        carrier.rules = rules;
        if carrier.rules.register.is_some() {
            let mut enrolment = Enrolment::new(&mut self.rng);
            // Those who know our Contact may call it a little longer.
            if let Some(before) = &before {
                enrolment.contact_user.clone_from(&before.contact_user);
            }
            carrier.enrolment = Some(enrolment);
        }
        if let Some(before) = before {
            self.leave(&name, before);
        }
    }

    fn remove(&mut self, name: &TrunkName) {
        let Some(carrier) = self.carriers.remove(name) else {
            return;
        };
        for key in carrier.targets.keys() {
            self.forget_target(key);
        }
        if let Some(enrolment) = carrier.enrolment {
            self.leave(name, enrolment);
        }
    }

    /// Takes back what a registration left behind.
    fn leave(&mut self, name: &TrunkName, enrolment: Enrolment) {
        self.timers.cancel(&TrunkTimer::Enrol(name.clone()));
        self.timers.cancel(&TrunkTimer::EnrolLate(name.clone()));
        let held = enrolment.held.map(|(id, _)| id);
        if let Some(id) = held {
            self.effects.push_back(TrunkEffect::Unregister(id));
        }
        if let Some((id, _)) = enrolment.asked.filter(|(id, _)| Some(*id) != held) {
            self.effects.push_back(TrunkEffect::Forget(id));
            self.registrations.remove(&id);
        }
    }

    fn forget_target(&mut self, key: &TargetKey) {
        for timer in [
            TrunkTimer::Probe(key.clone()),
            TrunkTimer::ProbeLate(key.clone()),
            TrunkTimer::Connect(key.clone()),
            TrunkTimer::Look(key.clone()),
        ] {
            self.timers.cancel(&timer);
        }
        self.probes.retain(|_, target| target != key);
    }

    /// Takes the answer of the domain name system.
    pub fn handle_records(
        &mut self,
        now: Instant,
        query: &Query,
        answer: Result<Vec<DnsRecord>, String>,
    ) {
        if self.resolver.handle_answer(now, query, answer) {
            self.look_up(now);
        }
        self.forward_queries();
    }

    /// Brings the targets of every carrier in line with what names say now.
    fn look_up(&mut self, now: Instant) {
        let names: Vec<_> = self.carriers.keys().cloned().collect();
        for name in names {
            self.look_up_one(now, &name);
        }
        self.forward_queries();
    }

    fn look_up_one(&mut self, now: Instant, name: &TrunkName) {
        let Some(carrier) = self.carriers.get_mut(name) else {
            return;
        };
        let mut found = BTreeMap::new();
        carrier.waits_for_names = false;
        let register = carrier.rules.register.as_ref();
        let registrars = register.map_or(&[][..], |register| &register.servers);
        for (all, takes_calls) in [(registrars, false), (&carrier.rules.servers, true)] {
            for wanted in all {
                let Some(located) = self.resolver.locate(wanted) else {
                    carrier.waits_for_names = true;
                    continue;
                };
                for it in located {
                    let key = TargetKey {
                        trunk: name.clone(),
                        transport: it.transport,
                        address: it.address,
                    };
                    let slot = found.entry(key).or_insert((&wanted.server, false));
                    slot.1 |= takes_calls;
                }
            }
        }
        let known = carrier.targets.keys();
        let gone: Vec<_> = known
            .filter(|key| !found.contains_key(*key))
            .cloned()
            .collect();
        let mut fresh = Vec::new();
        for (key, (server, takes_calls)) in found {
            match carrier.targets.get_mut(&key) {
                Some(target) => {
                    target.server.clone_from(server);
                    target.takes_calls = takes_calls;
                }
                None => {
                    fresh.push(key.clone());
                    carrier
                        .targets
                        .insert(key, Target::new(server, takes_calls));
                }
            }
        }
        let moved = !gone.is_empty() || !fresh.is_empty();
        for key in &gone {
            carrier.targets.remove(key);
        }
        for key in &gone {
            self.forget_target(key);
        }
        for key in fresh {
            self.connect(now, &key);
        }
        if moved {
            self.effects.push_back(TrunkEffect::Moved);
        }
        self.enrol(now, name);
        self.tell(now, name);
    }

    fn forward_queries(&mut self) {
        while let Some(query) = self.resolver.poll_query() {
            self.effects.push_back(TrunkEffect::Ask(query));
        }
    }

    fn target(&mut self, key: &TargetKey) -> Option<&mut Target> {
        self.carriers.get_mut(&key.trunk)?.targets.get_mut(key)
    }

    fn connect(&mut self, now: Instant, key: &TargetKey) {
        let Some(target) = self.target(key) else {
            return;
        };
        target.line = Line::Connecting;
        let server_name = target.server.host.clone();
        self.timers
            .set(TrunkTimer::Connect(key.clone()), now + CONNECT);
        self.effects.push_back(TrunkEffect::Connect {
            target: key.clone(),
            server_name,
        });
    }

    /// A way was made, or was not.
    pub fn handle_connected(&mut self, now: Instant, key: &TargetKey, way: Result<Flow, String>) {
        let Some(target) = self.target(key) else {
            return;
        };
        match way {
            Ok(flow) => {
                target.line = Line::Up(flow);
                target.broken = 0;
                self.timers.cancel(&TrunkTimer::Connect(key.clone()));
                let spread = Duration::from_millis(self.rng.below(500));
                self.timers
                    .set(TrunkTimer::Probe(key.clone()), now + spread);
                self.enrol_over(now, key);
            }
            Err(_) => self.line_broke(now, key, true),
        }
        self.tell(now, &key.trunk);
    }

    /// A stream is gone.
    pub fn handle_flow_down(&mut self, now: Instant, id: FlowId) {
        let lost = |target: &Target| matches!(target.line, Line::Up(flow) if flow.id == id && flow.transport.is_stream());
        let all = self.carriers.values().flat_map(|carrier| &carrier.targets);
        let lost: Vec<_> = all
            .filter(|(_, target)| lost(target))
            .map(|(key, _)| key.clone())
            .collect();
        for key in lost {
            self.line_broke(now, &key, false);
            self.tell(now, &key.trunk);
        }
    }

    fn line_broke(&mut self, now: Instant, key: &TargetKey, counts: bool) {
        let Some(target) = self.target(key) else {
            return;
        };
        target.line = Line::Down;
        target.probing = None;
        let doubled = AGAIN.0.saturating_mul(1 << target.broken.min(8));
        target.broken = target.broken.saturating_add(1);
        let half = doubled.min(AGAIN.1) / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let wait = half + Duration::from_nanos(self.rng.below(nanos));
        self.timers
            .set(TrunkTimer::Connect(key.clone()), now + wait);
        self.timers.cancel(&TrunkTimer::Probe(key.clone()));
        self.timers.cancel(&TrunkTimer::ProbeLate(key.clone()));
        if counts {
            self.failed(now, key);
            self.enrol_over(now, key);
        }
    }

    /// An OPTIONS of ours was answered with a status; none when it was not answered at all.
    pub fn handle_probed(&mut self, now: Instant, id: ProbeId, status: Option<u16>) {
        let Some(key) = self.probes.remove(&id) else {
            return;
        };
        let Some(target) = self.target(&key) else {
            return;
        };
        let awaited = target.probing.take_if(|probing| *probing == id).is_some();
        if awaited {
            self.timers.cancel(&TrunkTimer::ProbeLate(key.clone()));
        }
        match status {
            Some(503) | None if awaited => self.failed(now, &key),
            Some(503) | None => {}
            Some(_) => {
                let returns = self.target(&key).is_some_and(|it| it.breaker.is_open());
                self.alive(now, &key);
                if returns {
                    self.enrol_soon(now, &key.trunk);
                }
            }
        }
    }

    fn alive(&mut self, now: Instant, key: &TargetKey) {
        let Some(target) = self.target(key) else {
            return;
        };
        target.proven = true;
        target.breaker.alive();
        self.timers.cancel(&TrunkTimer::Look(key.clone()));
        self.tell(now, &key.trunk);
    }

    fn failed(&mut self, now: Instant, key: &TargetKey) {
        let Some(target) = self.target(key) else {
            return;
        };
        let opened = target.breaker.failed(now);
        let half_open = target.breaker.half_open_at();
        let stale = opened && matches!(target.line, Line::Up(flow) if !flow.transport.is_stream());
        if let Some(at) = half_open {
            self.timers.set(TrunkTimer::Look(key.clone()), at);
        }
        if stale {
            // Our own address towards it may have changed.
            self.connect(now, key);
        }
        self.tell(now, &key.trunk);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.resolver.handle_timeout(now);
        self.forward_queries();
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                TrunkTimer::Probe(key) => self.probe(now, key),
                TrunkTimer::ProbeLate(key) => {
                    if let Some(target) = self.target(&key) {
                        target.probing = None;
                        self.failed(now, &key);
                    }
                }
                TrunkTimer::Connect(key) => {
                    let line = self.target(&key).map(|target| target.line);
                    match line {
                        Some(Line::Down) => self.connect(now, &key),
                        Some(Line::Connecting) => self.line_broke(now, &key, true),
                        Some(Line::Up(_)) | None => {}
                    }
                    self.tell(now, &key.trunk);
                }
                TrunkTimer::Enrol(name) => {
                    self.enrol_due(now, &name);
                    self.tell(now, &name);
                }
                TrunkTimer::EnrolLate(name) => {
                    self.enrol_late(now, &name);
                    self.tell(now, &name);
                }
                TrunkTimer::Look(key) => self.tell(now, &key.trunk),
            }
        }
    }

    fn probe(&mut self, now: Instant, key: TargetKey) {
        let Some(carrier) = self.carriers.get_mut(&key.trunk) else {
            return;
        };
        let (Some(every), Some(target)) = (carrier.rules.keepalive, carrier.targets.get_mut(&key))
        else {
            return;
        };
        let every = match target.breaker.is_open() {
            true => every.min(PROBE_OPEN),
            false => every,
        };
        let tenth = u64::try_from(every.as_nanos() / 10).unwrap_or(u64::MAX);
        let next = every - every / 20 + Duration::from_nanos(self.rng.below(tenth));
        self.timers.set(TrunkTimer::Probe(key.clone()), now + next);
        let Line::Up(flow) = target.line else {
            return;
        };
        if target.probing.is_some() {
            return;
        }
        self.last_probe += 1;
        let id = ProbeId(self.last_probe);
        target.probing = Some(id);
        let uri = uri_of(None, &target.server);
        self.timers
            .set(TrunkTimer::ProbeLate(key.clone()), now + PROBE_ANSWER);
        self.probes.insert(id, key);
        self.effects.push_back(TrunkEffect::Probe { id, flow, uri });
    }

    /// Tells when a carrier came or went.
    fn tell(&mut self, now: Instant, name: &TrunkName) {
        let Some(carrier) = self.carriers.get_mut(name) else {
            return;
        };
        let (up, why) = match carrier.standing(now) {
            Standing::Unknown => return,
            Standing::Up => (true, String::new()),
            Standing::Down(why) => (false, why),
        };
        if carrier.told == Some(up) {
            return;
        }
        // One that was never asked whether it is there is taken for being there, without a word.
        let proof = carrier.enrolment.is_some() || carrier.is_probed();
        let silent = carrier.told.is_none() && up && !proof;
        carrier.told = Some(up);
        let why = match (up, carrier.enrolment.is_some()) {
            (true, true) => "it registered us".to_owned(),
            (true, false) => "it answers".to_owned(),
            (false, _) => why,
        };
        if !silent {
            let trunk = name.clone();
            self.effects
                .push_back(TrunkEffect::State { trunk, up, why });
        }
    }

    /// What is to be done.
    pub fn poll_effect(&mut self) -> Option<TrunkEffect> {
        self.effects.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let all = [self.timers.next(), self.resolver.poll_timeout()];
        all.into_iter().flatten().min()
    }

    /// The addresses of a carrier's servers, as far as they are known.
    pub fn addresses(&self, name: &TrunkName) -> impl Iterator<Item = IpAddr> {
        let targets = self
            .carriers
            .get(name)
            .map(|carrier| carrier.targets.keys());
        targets.into_iter().flatten().map(|key| key.address.ip())
    }

    /// The ways that stand, which must not be closed for being quiet.
    pub fn flows(&self) -> impl Iterator<Item = FlowId> {
        let targets = self.carriers.values().flat_map(|it| it.targets.values());
        targets.filter_map(|target| match target.line {
            Line::Up(flow) => Some(flow.id),
            Line::Down | Line::Connecting => None,
        })
    }

    /// The user part of our Contact at a carrier that registered us.
    #[must_use]
    pub fn contact_user(&self, name: &TrunkName) -> Option<&str> {
        let enrolment = self.carriers.get(name)?.enrolment.as_ref()?;
        Some(&enrolment.contact_user)
    }

    /// The registrar that knows us, or the one that shall.
    #[must_use]
    pub fn registrar(&self, name: &TrunkName) -> Option<&str> {
        let carrier = self.carriers.get(name)?;
        let held = carrier.enrolment.as_ref()?.held.as_ref();
        let server = held.and_then(|(_, key)| carrier.targets.get(key));
        let server = server.map(|target| &target.server);
        let first = carrier.rules.register.as_ref()?.servers.first();
        let server = server.or(first.map(|first| &first.server))?;
        Some(&server.host)
    }

    /// Each carrier, and whether it can be had.
    pub fn standings(&self) -> impl Iterator<Item = (&TrunkName, bool)> {
        let all = self.carriers.iter();
        all.map(|(name, carrier)| (name, carrier.told == Some(true)))
    }
}

/// The targets of servers in the order in which they are tried this time.
fn keys(
    resolver: &Resolver,
    rng: &mut Rng,
    name: &TrunkName,
    servers: &[Wanted],
) -> Vec<TargetKey> {
    let mut keys = Vec::new();
    for wanted in servers {
        for it in draw(&resolver.locate(wanted).unwrap_or_default(), rng) {
            let key = TargetKey {
                trunk: name.clone(),
                transport: it.transport,
                address: it.address,
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}
