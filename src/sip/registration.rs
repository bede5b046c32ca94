//! A registration of our own with somebody else's registrar (RFC 3261 10.2): a softphone's side.
//!
//! ```text
//!  register → REGISTER ─401, 407→ with digest ─200→ registered ─80 % of its time→ REGISTER …
//!                  │    ─423→ for longer
//!                  └─ anything else, nothing: failed, tried again after a while
//! ```
//!
//! Makes requests and reads responses; [`super::endpoint::Endpoint`] sends them. It keeps a phone's
//! time too; a carrier's registration is driven by [`super::trunk::Trunks`].

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
    /// It was refused with this status, 408 when nobody answered, 503 when the way is broken.
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
    challenge: Option<(Name, Challenge)>,
    /// What is asked for once a registrar found our time too short.
    longer: Option<Duration>,
    /// Answers that this attempt gave to challenges and to 423.
    answered: u8,
    leaving: bool,
    /// The endpoint refreshes it and tries again by itself.
    keeps_time: bool,
}

/// Answers of one attempt to what a registrar wants of it; a stale nonce may cost a second one.
const ANSWERS: u8 = 3;
/// We ask for no longer than this, whatever a registrar finds too short.
const LONGEST: Duration = Duration::from_secs(86_400);

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
            longer: None,
            answered: 0,
            leaving: false,
            keeps_time: true,
            account,
        })
    }

    /// The same with a registrar of that URI, and driven by somebody else.
    #[must_use]
    pub fn driven(mut self, registrar: Uri) -> Self {
        self.registrar = registrar;
        self.keeps_time = false;
        self
    }

    /// Whether the endpoint refreshes it and tries again by itself.
    #[must_use]
    pub const fn keeps_time(&self) -> bool {
        self.keeps_time
    }

    /// The way its requests go.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        self.account.flow
    }

    /// From now on it asks to be forgotten.
    pub const fn leave(&mut self) {
        self.leaving = true;
        self.answered = 0;
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
            self.longer.unwrap_or(self.account.expires).as_secs()
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
        let (name, challenge) = self.challenge.as_mut()?;
        let Account { user, password, .. } = &self.account;
        let subject = Subject {
            method: Method::Register.as_str(),
            uri: self.registrar.as_str(),
            body: b"",
        };
        let value = challenge.answer(user, password, subject, rng);
        Some((name.clone(), Bytes::from(value)))
    }

    /// Reads a response to the last REGISTER.
    pub fn handle_response(&mut self, response: &Message) -> Next {
        match response.status().unwrap_or(500) {
            0..200 => Next::Wait,
            200..300 => {
                self.answered = 0;
                Next::Done(self.granted(response))
            }
            status @ (401 | 407) if self.take_challenge(response, status) => Next::Again,
            423 if self.ask_for_longer(response) => Next::Again,
            status => {
                self.answered = 0;
                Next::Refused(status)
            }
        }
    }

    /// Takes a challenge to answer; false when none can be, or one was in vain.
    fn take_challenge(&mut self, response: &Message, status: u16) -> bool {
        let (asked, answer) = match status {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let given = response.headers.credentials(&asked);
        let Some((challenge, stale)) = Challenge::choose(given) else {
            return false;
        };
        // With stale=true the password was right and only the nonce too old.
        if self.answered > 0 && !stale || self.answered >= ANSWERS {
            return false;
        }
        self.answered += 1;
        self.challenge = Some((answer, challenge));
        true
    }

    /// RFC 3261 10.2.8: a time that is too short is asked for again as the registrar wants it.
    fn ask_for_longer(&mut self, response: &Message) -> bool {
        let least = response.headers.text(&Name::MinExpires);
        let least = least.and_then(|text| text.trim().parse::<u32>().ok());
        let Some(least) = least.map(|seconds| Duration::from_secs(u64::from(seconds))) else {
            return false;
        };
        let asked = self.longer.unwrap_or(self.account.expires);
        if least <= asked || least > LONGEST || self.leaving {
            return false;
        }
        self.longer = Some(least);
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
        let asked = self.longer.unwrap_or(self.account.expires);
        own.or(common)
            .map_or(asked, |seconds| Duration::from_secs(u64::from(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sip::flow::Transport;

    fn registration(rng: &mut Rng) -> Registration {
        let account = Account {
            user: "100200".to_owned(),
            password: "secret".to_owned(),
            domain: "sip.example.net".to_owned(),
            flow: Flow {
                id: FlowId(1),
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                peer: "192.0.2.2:5060".parse().unwrap(),
            },
            expires: Duration::from_secs(600),
        };
        let contact = Uri::parse("sip:abc@192.0.2.1:5060").unwrap();
        let registrar = Uri::parse("sip:sip.example.net:5070").unwrap();
        let fresh = Registration::new(account, contact, rng).unwrap();
        fresh.driven(registrar)
    }

    fn answer(request: &Message, status: u16, name: Name, value: &'static str) -> Message {
        let mut response = Message::response_to(request, status);
        response.headers.push(name, value);
        response
    }

    #[test]
    fn a_registrar_may_want_more_time_and_two_kinds_of_digest() {
        let mut rng = Rng::new([9; 32]);
        let mut ours = registration(&mut rng);
        let first = ours.request(&mut rng);
        assert_eq!(first.headers.text(&Name::Expires).unwrap(), "600");
        assert_eq!(first.uri().unwrap().as_str(), "sip:sip.example.net:5070");
        // RFC 3261 10.2.8.
        let brief = answer(&first, 423, Name::MinExpires, "1800");
        assert_eq!(ours.handle_response(&brief), Next::Again);
        let longer = ours.request(&mut rng);
        assert_eq!(longer.headers.text(&Name::Expires).unwrap(), "1800");
        assert_eq!(
            ours.handle_response(&brief),
            Next::Refused(423),
            "we asked for that"
        );

        // RFC 3261 22.3: a proxy before the registrar challenges in its own header.
        let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
        let proxy = answer(&longer, 407, Name::ProxyAuthenticate, challenge);
        assert_eq!(ours.handle_response(&proxy), Next::Again);
        let proven = ours.request(&mut rng);
        assert!(proven.headers.has(&Name::ProxyAuthorization));
        assert!(!proven.headers.has(&Name::Authorization));
        let text = proven.headers.text(&Name::ProxyAuthorization).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(
            ours.handle_response(&proxy),
            Next::Refused(407),
            "the password is wrong"
        );

        // A registrar for which every nonce is stale is not asked for ever.
        let stale = "Digest realm=\"r\", nonce=\"m\", stale=true, qop=\"auth\"";
        let stale = answer(&longer, 401, Name::WwwAuthenticate, stale);
        let again = (0..20).take_while(|_| ours.handle_response(&stale) == Next::Again);
        assert!(again.count() <= 4);
        let granted = answer(&longer, 200, Name::Expires, "1200");
        let time = Duration::from_secs(1_200);
        assert_eq!(ours.handle_response(&granted), Next::Done(time));
    }
}
