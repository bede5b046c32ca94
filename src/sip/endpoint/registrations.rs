//! Registrations of our own: the endpoint sends for them and keeps their time.

use super::{Alarm, Endpoint};
use crate::limits;
use crate::sip::message::Message;
use crate::sip::registration::{Account, Next, Registration, RegistrationEvent, RegistrationId};
use crate::sip::transaction::table::Owner;
use crate::sip::uri::Uri;
use crate::time::{Duration, Now};

/// A registration that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);

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

    /// Registers us with a carrier's registrar, under a Contact of `contact_user`. What becomes of it
    /// is told; refreshes and further tries are asked for.
    pub fn register_with(
        &mut self,
        now: Now,
        id: RegistrationId,
        account: Account,
        registrar: Uri,
        contact_user: &str,
    ) {
        self.now = now;
        let contact = self.contact_of(contact_user, &account.flow);
        match Registration::new(account, contact, &mut self.rng) {
            Ok(registration) => {
                let registration = registration.driven(registrar);
                self.registrations.insert(id, registration);
                self.send_register(id);
            }
            Err(_) => self
                .registration_events
                .push_back(RegistrationEvent::Failed(id, 400)),
        }
        self.settle();
    }

    /// Sends the REGISTER of a registration again.
    pub fn refresh_registration(&mut self, now: Now, id: RegistrationId) {
        self.now = now;
        self.send_register(id);
        self.settle();
    }

    /// Forgets a registration without a word to the registrar.
    pub fn forget_registration(&mut self, id: RegistrationId) {
        self.registrations.remove(&id);
        self.timers.cancel(&Alarm::Registration(id));
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
                if registration.keeps_time() {
                    let refresh = (granted / 5).saturating_mul(4);
                    let refresh = refresh.max(limits::REGISTRATION_REFRESH);
                    self.wake_registration(id, refresh);
                }
                self.registration_events
                    .push_back(RegistrationEvent::Registered(id, granted));
            }
            Next::Refused(status) => self.fail_registration(id, status),
        }
    }

    /// Nobody answered, or the way is broken.
    pub(super) fn handle_registration_failure(&mut self, id: RegistrationId, status: u16) {
        match self.registrations.get(&id) {
            Some(registration) if registration.is_leaving() => self.forget(id),
            Some(_) => self.fail_registration(id, status),
            None => {}
        }
    }

    pub(super) fn handle_registration_timer(&mut self, id: RegistrationId) {
        self.send_register(id);
    }

    fn fail_registration(&mut self, id: RegistrationId, status: u16) {
        let registration = self.registrations.get(&id);
        if registration.is_some_and(Registration::keeps_time) {
            self.wake_registration(id, AGAIN);
        }
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
