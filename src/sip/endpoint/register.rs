//! REGISTER, without a transaction: challenged, judged, done and forgotten but for its bindings.

use bytes::Bytes;

use super::stateless::RETRY_AFTER;
use super::{Endpoint, HoldId};
use crate::id::OperatorName;
use crate::limits;
use crate::sip::auth::Verdict;
use crate::sip::flow::Flow;
use crate::sip::header::typed::seconds;
use crate::sip::header::{Headers, Name, NameAddr};
use crate::sip::message::Message;
use crate::sip::registrar::{Change, Contact, Refusal, Registration, Wish};
use crate::time::Duration;

/// How long a binding is granted that asks for nothing (RFC 3261 10.2.1.1), within our bounds.
const USUAL: Duration = Duration::from_secs(3600);

/// Why a REGISTER's contacts are refused: the status, and Min-Expires with a 423.
type Objection = u16;

impl Endpoint {
    /// Takes a REGISTER.
    pub(super) fn handle_register(&mut self, flow: Flow, request: &Message) {
        let user = match self.authenticate(&flow, request, &Name::Authorization) {
            Verdict::Silenced => return,
            Verdict::Challenged { stale, .. } => return self.challenge(&flow, request, 401, stale),
            Verdict::Accepted(user) => user,
        };
        let to = request.headers.to().ok();
        let owner = to.as_ref().and_then(|to| to.uri.user_decoded());
        if owner.as_deref() != Some(user.as_str()) {
            return self.refuse(&flow, request, 403, &[]);
        }
        let registration = match self.read_registration(&user, flow, request) {
            Ok(registration) => registration,
            Err(status) => {
                let shortest = self.config.expires.0.as_secs().to_string();
                let extra = [(Name::MinExpires, Bytes::from(shortest))];
                let extra: &[_] = if status == 423 { &extra } else { &[] };
                return self.refuse(&flow, request, status, extra);
            }
        };
        let outbound = match outbound(&flow, request, &registration.wish) {
            Ok(outbound) => outbound,
            Err(status) => return self.refuse(&flow, request, status, &[]),
        };
        match self.registrar.apply(self.now, &registration) {
            Ok(changes) => self.grant(&flow, &user, request, changes, outbound),
            Err(Refusal::OutOfOrder) => self.refuse(&flow, request, 500, &[]),
            Err(Refusal::TooMany) => self.refuse(&flow, request, 403, &[]),
            Err(Refusal::Full) => {
                self.counters.refused.full += 1;
                let extra = [(Name::RetryAfter, RETRY_AFTER.into())];
                self.refuse(&flow, request, 503, &extra);
            }
        }
    }

    /// Answers with the list of bindings; the 200 waits where something must be on disk first.
    fn grant(
        &mut self,
        flow: &Flow,
        user: &OperatorName,
        request: &Message,
        changes: Vec<Change>,
        outbound: Outbound,
    ) {
        let durable = changes.iter().any(|change| match change {
            Change::Bound { durable, .. } => *durable,
            Change::Unbound { .. } => true,
            Change::Silent { .. } | Change::Heard { .. } => false,
        });
        let hold = durable.then(|| {
            self.next_hold += 1;
            HoldId(self.next_hold)
        });
        let mut response = Message::response_to(request, 200);
        response.set_to_tag(&self.stateless_tag(&request.headers));
        for (binding, left) in self.registrar.remaining(self.now.mono, user) {
            let contact = NameAddr::new(binding.contact.clone())
                .with_param("expires", Some(&left.to_string()));
            let contact = match binding.q {
                1_000 => contact,
                q => contact.with_param("q", Some(&format!("0.{q:03}"))),
            };
            response.headers.push(Name::Contact, contact.to_value());
        }
        // RFC 3327 5.3: what was stored is told.
        for hop in request.headers.all(&Name::Path) {
            response.headers.push(Name::Path, hop.clone());
        }
        match outbound {
            Outbound::No => {}
            Outbound::Proxied => response.headers.push(Name::Require, "outbound"),
            Outbound::Direct => {
                response.headers.push(Name::Require, "outbound");
                let seconds = limits::FLOW_TIMER.as_secs().to_string();
                response.headers.push(Name::from("Flow-Timer"), seconds);
            }
        }
        self.announce(changes, hold);
        self.transmit(*flow, response.to_bytes(), hold);
    }

    fn read_registration(
        &self,
        user: &OperatorName,
        flow: Flow,
        request: &Message,
    ) -> Result<Registration, Objection> {
        let headers = &request.headers;
        let common = headers.expires().map_err(|_| 400_u16)?;
        let wish = if headers.contact_is_star() {
            // RFC 3261 10.2.2: alone, and with Expires 0.
            if common != Some(0) || headers.list(&Name::Contact).count() != 1 {
                return Err(400);
            }
            Wish::RemoveAll
        } else {
            let contacts = headers.contacts().map_err(|_| 400_u16)?;
            let contacts = contacts
                .iter()
                .map(|contact| self.read_contact(contact, common))
                .collect::<Result<_, _>>()?;
            Wish::Contacts(contacts)
        };
        Ok(Registration {
            user: user.clone(),
            flow,
            call_id: headers.call_id().map_err(|_| 400_u16)?.to_owned(),
            cseq: headers.cseq().map_err(|_| 400_u16)?.number,
            user_agent: cut(headers.text(&Name::UserAgent).unwrap_or_default()),
            path: read_path(headers)?,
            wish,
        })
    }

    fn read_contact(&self, contact: &NameAddr, common: Option<u32>) -> Result<Contact, Objection> {
        if !contact.uri.is_sip() {
            return Err(400);
        }
        let (shortest, longest) = self.config.expires;
        // A value that cannot be read counts as none (RFC 3261 10.3, step 7).
        let own = contact.params.raw("expires").and_then(seconds);
        let expires = match own.or(common) {
            None => USUAL.clamp(shortest, longest),
            Some(0) => Duration::ZERO,
            Some(asked) => {
                let asked = Duration::from_secs(u64::from(asked));
                if asked < shortest {
                    return Err(423);
                }
                asked.min(longest)
            }
        };
        let instance = contact.params.unquoted("+sip.instance");
        let key = match &instance {
            Some(instance) => {
                let reg_id = contact.params.get("reg-id").unwrap_or("0");
                format!("{instance} {reg_id}")
            }
            None => contact.uri.as_str().to_owned(),
        };
        if key.len() > limits::BINDING_KEY_BYTES
            || contact.uri.as_str().len() > limits::BINDING_KEY_BYTES
        {
            return Err(400);
        }
        Ok(Contact {
            flow: contact.params.has("reg-id") && instance.is_some(),
            key,
            uri: contact.uri.clone(),
            expires,
            q: contact
                .params
                .get("q")
                .and_then(thousandths)
                .unwrap_or(1_000),
        })
    }
}

/// Whether a REGISTER is one of RFC 5626.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outbound {
    /// It is not; over UDP it never is, as its keep-alives there would be STUN.
    No,
    /// The phone's stream ends here, and it keeps it alive with line breaks.
    Direct,
    /// The phone's flow ends at the proxy before us.
    Proxied,
}

/// What a REGISTER is to RFC 5626 6: 439 where the first proxy does not know of flows, 400 where more
/// than one contact wants one.
fn outbound(flow: &Flow, request: &Message, wish: &Wish) -> Result<Outbound, Objection> {
    let contacts = match wish {
        Wish::Contacts(contacts) => contacts.as_slice(),
        Wish::RemoveAll => &[],
    };
    let flows = contacts.iter().filter(|contact| contact.flow).count();
    if flows == 0 || !request.headers.lists(&Name::Supported, "outbound") {
        return Ok(Outbound::No);
    }
    if flows > 1 {
        return Err(400);
    }
    let proxied = request.headers.list(&Name::Via).count() > 1;
    if !proxied {
        return Ok(if flow.transport.is_stream() {
            Outbound::Direct
        } else {
            Outbound::No
        });
    }
    let path = request.headers.addresses(&Name::Path).unwrap_or_default();
    let knows = path.last().is_some_and(|first| first.uri.has_param("ob"));
    if knows {
        Ok(Outbound::Proxied)
    } else {
        Err(439)
    }
}

/// The proxies a REGISTER came by (RFC 3327 5.3). A phone that does not say that it supports Path is
/// served all the same: without it, calls would not find it.
fn read_path(headers: &Headers) -> Result<Vec<Bytes>, Objection> {
    let hops = headers.addresses(&Name::Path).map_err(|_| 400_u16)?;
    let path: Vec<_> = hops.iter().map(NameAddr::to_value).collect();
    let length: usize = path.iter().map(Bytes::len).sum();
    if path.len() > limits::PATH_HOPS || length > limits::BINDING_KEY_BYTES {
        return Err(400);
    }
    Ok(path)
}

/// A `qvalue` (RFC 3261 25.1) in thousandths; none when it is none.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = rest.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || rest.len() > 3 {
        return None;
    }
    let part: u16 = format!("{rest:0<3}").parse().ok()?;
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

/// A User-Agent, cut to [`limits::DISPLAY_NAME_BYTES`] at a character.
fn cut(mut text: String) -> String {
    let mut end = text.len().min(limits::DISPLAY_NAME_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
