//! Being registered: which registrar is asked when, and what its answer changes.

use std::collections::VecDeque;

use super::{Line, TrunkTimer, Trunks, keys};
use crate::id::TrunkName;
use crate::limits;
use crate::sip::registration::{Account, RegistrationEvent, RegistrationId};
use crate::sip::trunk::carrier::Target;
use crate::sip::trunk::enrolment::{ANSWER, Refusal};
use crate::sip::trunk::{TargetKey, TrunkEffect, uri_of};
use crate::time::{Duration, Instant};

impl Trunks {
    /// What became of registrations.
    pub fn handle_registration(&mut self, now: Instant, event: RegistrationEvent) {
        let id = match event {
            RegistrationEvent::Registered(id, _)
            | RegistrationEvent::Failed(id, _)
            | RegistrationEvent::Unregistered(id) => id,
        };
        let Some(name) = self.registrations.get(&id).cloned() else {
            return;
        };
        match event {
            RegistrationEvent::Registered(_, time) if time <= limits::REGISTRATION_REFRESH => {
                self.not_registered(now, &name, id, Refusal::Short(time));
            }
            RegistrationEvent::Registered(_, granted) => self.registered(now, &name, id, granted),
            RegistrationEvent::Failed(_, status) => {
                self.not_registered(now, &name, id, Refusal::Status(status));
            }
            RegistrationEvent::Unregistered(_) => {
                self.registrations.remove(&id);
            }
        }
        self.tell(now, &name);
    }

    fn registered(&mut self, now: Instant, name: &TrunkName, id: RegistrationId, time: Duration) {
        let carrier = self.carriers.get_mut(name);
        let Some(enrolment) = carrier.and_then(|carrier| carrier.enrolment.as_mut()) else {
            return;
        };
        let asked = enrolment.asked.as_ref().filter(|(asked, _)| *asked == id);
        let Some(key) = asked.map(|(_, key)| key.clone()) else {
            return;
        };
        let before = enrolment.held.as_ref().map(|(_, key)| key.clone());
        let refresh = enrolment.granted(now, time);
        if before.as_ref() != Some(&key) {
            self.effects.push_back(TrunkEffect::Moved);
        }
        self.timers.cancel(&TrunkTimer::EnrolLate(name.clone()));
        self.timers.set(TrunkTimer::Enrol(name.clone()), refresh);
        self.alive(now, &key);
    }

    fn not_registered(
        &mut self,
        now: Instant,
        name: &TrunkName,
        id: RegistrationId,
        refusal: Refusal,
    ) {
        let Some(carrier) = self.carriers.get_mut(name) else {
            return;
        };
        let Some(enrolment) = &mut carrier.enrolment else {
            return;
        };
        let asked = enrolment.asked.as_ref().filter(|(asked, _)| *asked == id);
        let Some((_, key)) = asked.cloned() else {
            return;
        };
        let target = carrier.targets.get(&key);
        let host = target.map_or_else(
            || key.address.to_string(),
            |target| target.server.host.clone(),
        );
        enrolment.failed(&host, refusal);
        let again = std::mem::take(&mut enrolment.round);
        let refreshing = enrolment.held.as_ref().is_some_and(|(held, _)| *held == id);
        self.timers.cancel(&TrunkTimer::EnrolLate(name.clone()));
        if refreshing {
            // It stood until now: every registrar gets its chance, this one last.
            let mut round = self.round(name);
            let (last, others): (Vec<_>, Vec<_>) = round.drain(..).partition(|it| *it == key);
            round.extend(others.into_iter().chain(last));
            self.set_round(name, round);
        } else {
            self.set_round(name, again);
        }
        match refusal {
            Refusal::Status(408 | 503) => self.failed(now, &key),
            Refusal::Status(_) | Refusal::Short(_) => self.alive(now, &key),
        }
        self.next_registrar(now, name);
    }

    fn set_round(&mut self, name: &TrunkName, round: VecDeque<TargetKey>) {
        let carrier = self.carriers.get_mut(name);
        if let Some(enrolment) = carrier.and_then(|carrier| carrier.enrolment.as_mut()) {
            enrolment.round = round;
        }
    }

    /// Every registrar of a carrier, in the order in which they are tried this time.
    fn round(&mut self, name: &TrunkName) -> VecDeque<TargetKey> {
        let Some(carrier) = self.carriers.get(name) else {
            return VecDeque::new();
        };
        let Some(register) = &carrier.rules.register else {
            return VecDeque::new();
        };
        keys(&self.resolver, &mut self.rng, name, &register.servers).into()
    }

    /// Begins a round unless we are registered or on the way to it.
    pub(super) fn enrol(&mut self, now: Instant, name: &TrunkName) {
        let Some(carrier) = self.carriers.get(name) else {
            return;
        };
        let Some(enrolment) = &carrier.enrolment else {
            return;
        };
        let busy = enrolment.asked.is_some()
            || enrolment.stands(now)
            || self.timers.due(&TrunkTimer::Enrol(name.clone())).is_some();
        let ready = |target: &Target| matches!(target.line, Line::Up(_));
        if busy || !carrier.targets.values().any(ready) {
            return;
        }
        let round = self.round(name);
        self.set_round(name, round);
        self.next_registrar(now, name);
    }

    /// The way to a server was made anew, or could not be. A registrar knows us by the connection that
    /// we registered over (RFC 5626 4.4), so it hears from us again, or another one does.
    pub(super) fn enrol_over(&mut self, now: Instant, key: &TargetKey) {
        let name = &key.trunk;
        let carrier = self.carriers.get_mut(name);
        let Some(enrolment) = carrier.and_then(|carrier| carrier.enrolment.as_mut()) else {
            return;
        };
        let held = enrolment.held.as_ref().is_some_and(|(_, held)| held == key);
        let moved = held && key.transport.is_stream();
        if !moved || !enrolment.stands(now) || enrolment.asked.is_some() {
            return self.enrol(now, name);
        }
        let round = self.round(name);
        self.set_round(name, round);
        self.next_registrar(now, name);
    }

    /// A server is back: the wait for the next round is over, unless it is one for a person.
    pub(super) fn enrol_soon(&mut self, now: Instant, name: &TrunkName) {
        let carrier = self.carriers.get(name);
        let enrolment = carrier.and_then(|carrier| carrier.enrolment.as_ref());
        if enrolment.is_some_and(|it| !it.slow && !it.stands(now) && it.asked.is_none()) {
            self.timers.cancel(&TrunkTimer::Enrol(name.clone()));
            self.enrol(now, name);
        }
    }

    fn next_registrar(&mut self, now: Instant, name: &TrunkName) {
        loop {
            let Some(carrier) = self.carriers.get_mut(name) else {
                return;
            };
            let (Some(enrolment), Some(register)) =
                (&mut carrier.enrolment, &carrier.rules.register)
            else {
                return;
            };
            let Some(key) = enrolment.round.pop_front() else {
                if carrier.targets.is_empty() {
                    "no registrar has an address".clone_into(&mut enrolment.why);
                }
                let at = enrolment.round_over(now, &mut self.rng);
                self.timers.set(TrunkTimer::Enrol(name.clone()), at);
                return;
            };
            let Some(target) = carrier.targets.get(&key) else {
                continue;
            };
            let Line::Up(flow) = target.line else {
                enrolment.why = format!("{} cannot be reached", target.server.host);
                continue;
            };
            let account = Account {
                user: register.user.clone(),
                password: register.password.clone(),
                domain: target.server.host.trim_matches(['[', ']']).to_owned(),
                flow,
                expires: register.expires,
            };
            let registrar = uri_of(None, &target.server);
            let contact_user = enrolment.contact_user.clone();
            self.last_registration = self.last_registration.wrapping_add(1);
            let id = RegistrationId(self.last_registration);
            enrolment.asked = Some((id, key));
            if let Some((old, _)) = enrolment.held.take() {
                self.registrations.remove(&old);
                self.effects.push_back(TrunkEffect::Forget(old));
            }
            self.registrations.insert(id, name.clone());
            self.timers.cancel(&TrunkTimer::Enrol(name.clone()));
            self.timers
                .set(TrunkTimer::EnrolLate(name.clone()), now + ANSWER);
            self.effects.push_back(TrunkEffect::Register {
                id,
                account: Box::new(account),
                registrar,
                contact_user,
            });
            return;
        }
    }

    /// The time of a registration has come: its refresh, or a new round.
    pub(super) fn enrol_due(&mut self, now: Instant, name: &TrunkName) {
        let Some(carrier) = self.carriers.get_mut(name) else {
            return;
        };
        let Some(enrolment) = &mut carrier.enrolment else {
            return;
        };
        let way = enrolment.held.clone().filter(|(_, key)| {
            let target = carrier.targets.get(key);
            target.is_some_and(|target| matches!(target.line, Line::Up(_)))
        });
        if let Some((id, key)) = way.filter(|_| enrolment.stands(now)) {
            enrolment.asked = Some((id, key));
            self.timers
                .set(TrunkTimer::EnrolLate(name.clone()), now + ANSWER);
            self.effects.push_back(TrunkEffect::Refresh(id));
            return;
        }
        let round = self.round(name);
        self.set_round(name, round);
        self.next_registrar(now, name);
    }

    pub(super) fn enrol_late(&mut self, now: Instant, name: &TrunkName) {
        let carrier = self.carriers.get(name);
        let enrolment = carrier.and_then(|carrier| carrier.enrolment.as_ref());
        let Some((id, _)) = enrolment.and_then(|enrolment| enrolment.asked.clone()) else {
            return;
        };
        self.effects.push_back(TrunkEffect::Forget(id));
        self.not_registered(now, name, id, Refusal::Status(408));
        self.registrations.remove(&id);
    }
}
