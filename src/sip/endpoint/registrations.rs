//! Registrations of our own: the endpoint sends for them and keeps their time.

use super::{Alarm, Endpoint};
use crate::sip::message::Message;
use crate::sip::registration::{Account, Next, Registration, RegistrationEvent, RegistrationId};
use crate::sip::transaction::table::Owner;
use crate::sip::uri::Uri;
use crate::time::{Duration, Now};

/// A registration that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// A refresh comes no earlier than this, however short the registrar's mind.
const SOONEST: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Registers us somewhere, and keeps us registered. An account whose domain is none fails at
    /// once.
    pub fn register(&mut self, now: Now, id: RegistrationId, account: Account) {
        self.now = now;
        let contact = Uri::at(Some(&account.user), self.visible(&account.flow));
        match Registration::new(account, contact, &mut self.rng) {
            Ok(registration) => {
                self.registrations.insert(id, registration);
                self.send_register(id);
            }
            Err(_) => self
                .registration_events
                .push_back(RegistrationEvent::Failed(id, 400)),
        }
        self.settle();
    }

    /// Takes a registration back.
    pub fn unregister(&mut self, now: Now, id: RegistrationId) {
        self.now = now;
        if let Some(registration) = self.registrations.get_mut(&id) {
            registration.leave();
            self.timers.cancel(&Alarm::Registration(id));
            self.send_register(id);
        }
        self.settle();
    }

    /// What became of registrations of ours, in order.
    pub fn poll_registration(&mut self) -> Option<RegistrationEvent> {
        self.registration_events.pop_front()
    }

    fn send_register(&mut self, id: RegistrationId) {
        let Some(registration) = self.registrations.get_mut(&id) else {
            return;
        };
        let flow = registration.flow();
        let mut request = registration.request(&mut self.rng);
        self.send_request(Owner::Registration(id), flow, &mut request);
    }

    pub(super) fn handle_registration_response(&mut self, id: RegistrationId, response: &Message) {
        let Some(registration) = self.registrations.get_mut(&id) else {
            return;
        };
        match registration.handle_response(response) {
            Next::Wait => {}
            Next::Again => self.send_register(id),
            Next::Done(_) | Next::Refused(_) if registration.is_leaving() => self.forget(id),
            Next::Done(granted) => {
                let refresh = (granted / 5).saturating_mul(4).max(SOONEST);
                self.wake_registration(id, refresh);
                self.registration_events
                    .push_back(RegistrationEvent::Registered(id, granted));
            }
            Next::Refused(status) => self.fail_registration(id, status),
        }
    }

    /// Nobody answered.
    pub(super) fn handle_registration_failure(&mut self, id: RegistrationId) {
        match self.registrations.get(&id) {
            Some(registration) if registration.is_leaving() => self.forget(id),
            Some(_) => self.fail_registration(id, 408),
            None => {}
        }
    }

    pub(super) fn handle_registration_timer(&mut self, id: RegistrationId) {
        self.send_register(id);
    }

    fn fail_registration(&mut self, id: RegistrationId, status: u16) {
        self.wake_registration(id, AGAIN);
        self.registration_events
            .push_back(RegistrationEvent::Failed(id, status));
    }

    fn wake_registration(&mut self, id: RegistrationId, after: Duration) {
        let at = self.now.mono + after;
        self.timers.set(Alarm::Registration(id), at);
    }

    fn forget(&mut self, id: RegistrationId) {
        self.registrations.remove(&id);
        self.registration_events
            .push_back(RegistrationEvent::Unregistered(id));
    }
}
