//! A registration of our own with somebody else's registrar (RFC 3261 10.2): a softphone's side.
//!
//! ```text
//!  register → REGISTER ─401→ REGISTER with digest ─200→ registered ─80 % of its time→ REGISTER …
//!                  └─ anything else, nothing: failed, tried again after a while
//! ```
//!
//! Makes requests and reads responses; [`super::endpoint::Endpoint`] sends them and keeps the time.

use bytes::Bytes;

use super::auth::answer::{Challenge, Subject};
use super::flow::Flow;
use super::header::{CSeq, Name, NameAddr};
use super::message::{Message, Method};
use super::uri::{Host, Uri, UriError};
use crate::rng::Rng;
use crate::time::Duration;

/// Names a registration of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RegistrationId(pub u32);

/// What a registrar has to know of us.
#[derive(Clone)]
pub struct Account {
    /// The user part of the address of record, and the name of the digest.
    pub user: String,
    /// The password.
    pub password: String,
    /// The registrar's domain.
    pub domain: String,
    /// The way to it.
    pub flow: Flow,
    /// How long a registration shall last.
    pub expires: Duration,
}

/// What became of a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationEvent {
    /// It stands for this long and will be refreshed in time.
    Registered(RegistrationId, Duration),
    /// It was refused with this status, 408 when nobody answered, and will be tried again.
    Failed(RegistrationId, u16),
    /// It was taken back.
    Unregistered(RegistrationId),
}

/// What follows of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// Send the next request: it answers a challenge.
    Again,
    /// The registrar agreed, for this long.
    Done(Duration),
    /// It refused.
    Refused(u16),
}

/// A registration.
#[derive(Clone)]
pub struct Registration {
    account: Account,
    registrar: Uri,
    contact: Uri,
    call_id: String,
    tag: String,
    cseq: u32,
    challenge: Option<Challenge>,
    /// This attempt answered a challenge already, so a second one is a refusal.
    answered: bool,
    leaving: bool,
}

impl Registration {
    /// A registration that has sent nothing yet. `contact` is our address as the registrar sees it.
    ///
    /// # Errors
    /// The domain is none.
    pub fn new(account: Account, contact: Uri, rng: &mut Rng) -> Result<Self, UriError> {
        Ok(Self {
            registrar: Uri::sip(None, &Host::parse(&account.domain)?, None),
            contact,
            call_id: rng.token(24),
            tag: rng.token(12),
            cseq: 0,
            challenge: None,
            answered: false,
            leaving: false,
            account,
        })
    }

    /// The way its requests go.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        self.account.flow
    }

    /// From now on it asks to be forgotten.
    pub const fn leave(&mut self) {
        self.leaving = true;
        self.answered = false;
    }

    /// Whether it asks to be forgotten.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// The next REGISTER, without Via.
    pub fn request(&mut self, rng: &mut Rng) -> Message {
        self.cseq = self.cseq.saturating_add(1);
        let host = Host::parse(&self.account.domain)
            .unwrap_or_else(|_| Host::Name(self.account.domain.clone()));
        let record = NameAddr::new(Uri::sip(Some(&self.account.user), &host, None));
        let cseq = CSeq {
            number: self.cseq,
            method: Method::Register,
        };
        let seconds = if self.leaving {
            0
        } else {
            self.account.expires.as_secs()
        };
        let mut request = Message::request(Method::Register, self.registrar.clone());
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        let from = record.clone().with_param("tag", Some(&self.tag));
        headers.push(Name::From, from.to_value());
        headers.push(Name::To, record.to_value());
        headers.push(Name::CallId, self.call_id.clone());
        headers.push(Name::CSeq, cseq.to_value());
        headers.push(
            Name::Contact,
            NameAddr::new(self.contact.clone()).to_value(),
        );
        headers.push(Name::Expires, seconds.to_string());
        if let Some((name, value)) = self.authorize(rng) {
            request.headers.push(name, value);
        }
        request
    }

    fn authorize(&mut self, rng: &mut Rng) -> Option<(Name, Bytes)> {
        let challenge = self.challenge.as_mut()?;
        let Account { user, password, .. } = &self.account;
        let subject = Subject {
            method: Method::Register.as_str(),
            uri: self.registrar.as_str(),
            body: b"",
        };
        let value = challenge.answer(user, password, subject, rng);
        Some((Name::Authorization, Bytes::from(value)))
    }

    /// Reads a response to the last REGISTER.
    pub fn handle_response(&mut self, response: &Message) -> Next {
        match response.status().unwrap_or(500) {
            0..200 => Next::Wait,
            200..300 => {
                self.answered = false;
                Next::Done(self.granted(response))
            }
            401 if self.take_challenge(response) => Next::Again,
            status => {
                self.answered = false;
                Next::Refused(status)
            }
        }
    }

    /// Takes a challenge to answer; false when none can be, or one was in vain.
    fn take_challenge(&mut self, response: &Message) -> bool {
        let given = response.headers.credentials(&Name::WwwAuthenticate);
        let Some((challenge, stale)) = Challenge::choose(given) else {
            return false;
        };
        // With stale=true the password was right and only the nonce too old.
        if self.answered && !stale {
            return false;
        }
        self.answered = true;
        self.challenge = Some(challenge);
        true
    }

    /// How long the registrar granted our contact, or else the response as a whole.
    fn granted(&self, response: &Message) -> Duration {
        let contacts = response.headers.contacts().unwrap_or_default();
        let own = contacts
            .iter()
            .find(|contact| contact.uri.equivalent(&self.contact))
            .and_then(|contact| contact.params.get("expires"))
            .and_then(|seconds| seconds.parse::<u32>().ok());
        let common = response.headers.expires().ok().flatten();
        own.or(common).map_or(self.account.expires, |seconds| {
            Duration::from_secs(u64::from(seconds))
        })
    }
}
