//! SUBSCRIBE and NOTIFY, the notifier's side (RFC 6665): lamps (RFC 4235) and waiting messages
//! (RFC 3842), for operators who prove who they are.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::stateless::{Extra, RETRY_AFTER};
use super::{Alarm, Endpoint};
use crate::id::{FlowId, OperatorName, SiteName};
use crate::limits;
use crate::sip::auth::Verdict;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::flow::Flow;
use crate::sip::header::token::{split_once, trim};
use crate::sip::header::{ContentType, Name, Params};
use crate::sip::message::{Message, Method};
use crate::sip::subscription::body::{Lamp, dialog_info, message_summary};
use crate::sip::subscription::{Package, Subscription, SubscriptionId, Topic};
use crate::sip::transaction::table::{Key, Owner, TransactionId};
use crate::sip::uri::{Host, Uri};
use crate::time::{Duration, Now};
use crate::words::OperatorState;

/// How long a subscription lasts that asks for nothing (RFC 4235 3.4), within our bounds.
const USUAL: Duration = Duration::from_secs(3600);

/// What is known of what phones watch.
#[derive(Debug, Default)]
pub(super) struct Published {
    lamps: BTreeMap<OperatorName, Lamp>,
    /// Open callbacks by branch, and all of them under none.
    callbacks: BTreeMap<Option<SiteName>, usize>,
}

/// A SUBSCRIBE, read.
struct Wish {
    package: Package,
    event_id: Option<String>,
    lasts: Duration,
}

impl Endpoint {
    /// What an operator does now; lamps follow.
    pub fn publish_operator(&mut self, now: Now, operator: &OperatorName, state: OperatorState) {
        self.now = now;
        let lamp = Lamp::of(state);
        let before = self.published.lamps.insert(operator.clone(), lamp);
        if before.unwrap_or_default() != lamp {
            self.topic_changed(&Topic::Operator(operator.clone()));
        }
        self.settle();
    }

    /// How many callbacks are open at a branch, or in all.
    pub fn publish_callbacks(&mut self, now: Now, site: Option<&SiteName>, open: usize) {
        self.now = now;
        let before = self.published.callbacks.insert(site.cloned(), open);
        if before.unwrap_or_default() != open {
            self.topic_changed(&Topic::Callbacks(site.cloned()));
        }
        self.settle();
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    fn topic_changed(&mut self, topic: &Topic) {
        for id in self.subscriptions.of_topic(topic) {
            self.notify_when_due(id);
        }
    }

    /// Takes a SUBSCRIBE that is no repetition, outside a dialog or inside its own.
    pub(super) fn handle_subscribe(
        &mut self,
        flow: Flow,
        key: Key,
        request: &Message,
        in_dialog: bool,
    ) {
        let operator = match self.authenticate(&flow, request, &Name::Authorization) {
            Verdict::Silenced => return,
            // We are the one asked, no proxy before it (RFC 3261 22.2).
            Verdict::Challenged { stale, .. } => return self.challenge(&flow, request, 401, stale),
            Verdict::Accepted(operator) => operator,
        };
        let from = request.headers.from().ok();
        let user = from.as_ref().and_then(|from| from.uri.user_decoded());
        if user.as_deref() != Some(operator.as_str()) {
            return self.refuse(&flow, request, 403, &[]);
        }
        if self.transactions.is_full() {
            self.counters.refused.full += 1;
            return self.refuse(
                &flow,
                request,
                503,
                &[(Name::RetryAfter, RETRY_AFTER.into())],
            );
        }
        let wish = match self.read_wish(request) {
            Ok(wish) => wish,
            Err((status, extra)) => return self.refuse(&flow, request, status, &extra),
        };
        let done = if in_dialog {
            self.renew(flow, key, &operator, &wish, request)
        } else {
            self.begin(flow, key, operator, wish, request)
        };
        if let Err((status, extra)) = done {
            self.refuse(&flow, request, status, &extra);
        }
    }

    fn read_wish(&self, request: &Message) -> Result<Wish, (u16, Vec<Extra>)> {
        let bad_event = || {
            let known = Bytes::from_static(Package::ALL.as_bytes());
            // RFC 6665 4.2.1.1
            (489, vec![(Name::AllowEvents, known)])
        };
        let headers = &request.headers;
        let event = headers.get(&Name::Event).ok_or_else(bad_event)?;
        let end = event.iter().position(|&byte| byte == b';');
        let end = end.unwrap_or(event.len());
        let package = Package::parse(trim(event.get(..end).unwrap_or_default()));
        let package = package.ok_or_else(bad_event)?;
        let params = Params::parse(&event.slice(end..)).map_err(|_| (400, Vec::new()))?;
        let event_id = params.get("id").map(str::to_owned);
        if event_id
            .as_ref()
            .is_some_and(|id| id.len() > limits::BINDING_KEY_BYTES)
        {
            return Err((400, Vec::new()));
        }
        let kind = package.content_type();
        let (class, subtype) = split_once(kind.as_bytes(), b'/').unwrap_or_default();
        let words = |text| std::str::from_utf8(text).unwrap_or_default();
        let takes = !headers.has(&Name::Accept)
            || headers.list(&Name::Accept).any(|range| {
                ContentType::parse(&range)
                    .is_ok_and(|range| range.takes(words(class), words(subtype)))
            });
        if !takes {
            return Err((
                406,
                vec![(Name::Accept, Bytes::from_static(kind.as_bytes()))],
            ));
        }
        let (shortest, longest) = self.config.expires;
        let lasts = match headers.expires().map_err(|_| (400, Vec::new()))? {
            None => USUAL.clamp(shortest, longest),
            Some(0) => Duration::ZERO,
            Some(asked) => Duration::from_secs(u64::from(asked)).min(longest),
        };
        if !lasts.is_zero() && lasts < shortest {
            let shortest = shortest.as_secs().to_string();
            return Err((423, vec![(Name::MinExpires, shortest.into())]));
        }
        Ok(Wish {
            package,
            event_id,
            lasts,
        })
    }

    fn begin(
        &mut self,
        flow: Flow,
        key: Key,
        owner: OperatorName,
        wish: Wish,
        request: &Message,
    ) -> Result<(), (u16, Vec<Extra>)> {
        let (topic, entity) = self
            .topic_of(&owner, wish.package, request)
            .map_err(|status| (status, Vec::new()))?;
        if self.subscriptions.len() >= limits::SUBSCRIPTIONS {
            self.counters.refused.full += 1;
            return Err((503, vec![(Name::RetryAfter, RETRY_AFTER.into())]));
        }
        if self.subscriptions.of_owner(&owner).count() >= limits::SUBSCRIPTIONS_PER_OPERATOR {
            return Err((403, Vec::new()));
        }
        let tag = self.rng.token(12);
        let dialog = Dialog::of_callee(request, &tag).ok_or((400, Vec::new()))?;
        let now = self.now.mono;
        let binding = self.binding_of(&owner, &flow, &dialog);
        let id = self.subscriptions.insert(Subscription {
            package: wish.package,
            event_id: wish.event_id,
            owner,
            topic,
            entity,
            dialog,
            flow,
            binding,
            version: 0,
            until: now,
            notify: None,
            stale: false,
            quiet_until: now,
        });
        self.grant_subscription(flow, key, id, wish.lasts, request);
        Ok(())
    }

    /// A SUBSCRIBE inside its dialog: it goes on, or it ends.
    fn renew(
        &mut self,
        flow: Flow,
        key: Key,
        owner: &OperatorName,
        wish: &Wish,
        request: &Message,
    ) -> Result<(), (u16, Vec<Extra>)> {
        let gone = || (481, Vec::new());
        let headers = &request.headers;
        let (to, from) = (headers.to().ok(), headers.from().ok());
        let dialog = DialogKey {
            call_id: headers.call_id().map_err(|_| gone())?.to_owned(),
            local_tag: to
                .as_ref()
                .and_then(|to| to.tag())
                .ok_or_else(gone)?
                .to_owned(),
        };
        let id = self.subscriptions.find(&dialog).ok_or_else(gone)?;
        let one = self.subscriptions.get_mut(id).ok_or_else(gone)?;
        let tag = from.as_ref().and_then(|from| from.tag());
        let same = one.dialog.remote_tag.as_deref() == tag
            && one.owner == *owner
            && one.package == wish.package
            && one.event_id == wish.event_id;
        if !same {
            return Err(gone());
        }
        let number = headers.cseq().map_or(0, |cseq| cseq.number);
        if one.dialog.remote_seq.is_some_and(|last| number <= last) {
            // RFC 3261 12.2.2: out of order.
            return Err((500, Vec::new()));
        }
        one.dialog.remote_seq = Some(number);
        one.dialog.refresh(request);
        let dialog = one.dialog.clone();
        let binding = self.binding_of(owner, &flow, &dialog);
        if let Some(one) = self.subscriptions.get_mut(id) {
            one.binding = binding;
        }
        self.subscriptions.move_to(id, flow);
        self.grant_subscription(flow, key, id, wish.lasts, request);
        Ok(())
    }

    /// What a SUBSCRIBE watches, and how its NOTIFYs call it.
    fn topic_of(
        &self,
        owner: &OperatorName,
        package: Package,
        request: &Message,
    ) -> Result<(Topic, String), u16> {
        let user = request.uri().and_then(Uri::user_decoded).ok_or(404_u16)?;
        let numbers = &self.directory.numbers;
        let named = OperatorName::from(&*user);
        let watched = match self.directory.users.contains_key(&named) {
            true => named,
            false => numbers.get(&*user).cloned().ok_or(404_u16)?,
        };
        let domain = &self.config.domain;
        let host = Host::parse(domain).unwrap_or_else(|_| Host::Name(domain.clone()));
        let entity = Uri::sip(Some(&user), &host, None).as_str().to_owned();
        match package {
            Package::Dialog => Ok((Topic::Operator(watched), entity)),
            Package::MessageSummary if watched == *owner => Ok((self.mailbox(owner), entity)),
            // Another's messages are another's.
            Package::MessageSummary => Err(403),
        }
    }

    fn mailbox(&self, owner: &OperatorName) -> Topic {
        Topic::Callbacks(self.directory.sites.get(owner).cloned())
    }

    /// Sends the 200 and, at once, the state (RFC 6665 4.2.1.2).
    fn grant_subscription(
        &mut self,
        flow: Flow,
        key: Key,
        id: SubscriptionId,
        lasts: Duration,
        request: &Message,
    ) {
        let now = self.now.mono;
        let Some(one) = self.subscriptions.get_mut(id) else {
            return;
        };
        one.until = now + lasts;
        let mut response = Message::response_to(request, 200);
        response.set_to_tag(&one.dialog.key.local_tag);
        let headers = &mut response.headers;
        headers.push(Name::Contact, self.contact(&flow));
        headers.push(Name::Expires, lasts.as_secs().to_string());
        let owner = Owner::Subscription(id);
        let bytes = response.to_bytes();
        let transaction = self
            .transactions
            .open_server(now, key, flow, owner, Bytes::new(), false);
        self.transactions.respond(now, transaction, 200, bytes);
        if lasts.is_zero() {
            return self.end_subscription(id, "timeout");
        }
        self.timers.set(Alarm::Subscription(id), now + lasts);
        let waits = self.subscriptions.get_mut(id).is_some_and(|one| {
            one.stale = one.notify.is_some();
            one.stale
        });
        if !waits {
            self.send_notify(id, None);
        }
    }

    /// Sends a NOTIFY for a change: not while one is on its way, and not twice in a second
    /// (RFC 4235 3.10, RFC 3842 3.10).
    fn notify_when_due(&mut self, id: SubscriptionId) {
        let now = self.now.mono;
        let Some(one) = self.subscriptions.get_mut(id) else {
            return;
        };
        if one.notify.is_some() {
            one.stale = true;
        } else if one.quiet_until > now {
            one.stale = true;
            let at = one.quiet_until;
            self.timers.set(Alarm::Notify(id), at);
        } else {
            self.send_notify(id, None);
        }
    }

    /// Sends the whole state; with a reason it is the last word.
    fn send_notify(&mut self, id: SubscriptionId, reason: Option<&str>) {
        let now = self.now.mono;
        self.reroute_subscription(id);
        let Some(one) = self.subscriptions.get_mut(id) else {
            return;
        };
        let flow = one.flow;
        let body = match &one.topic {
            Topic::Operator(operator) => {
                let lamp = self.published.lamps.get(operator).copied();
                dialog_info(&one.entity, one.version, lamp.unwrap_or_default())
            }
            Topic::Callbacks(site) => {
                let open = self.published.callbacks.get(site).copied();
                message_summary(&one.entity, open.unwrap_or_default())
            }
        };
        one.version = one.version.saturating_add(1);
        one.stale = false;
        one.quiet_until = now + limits::NOTIFY_GAP;
        let event = match &one.event_id {
            Some(event_id) => format!("{};id={event_id}", one.package.as_str()),
            None => one.package.as_str().to_owned(),
        };
        let state = match reason {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", one.until.since(now).as_secs()),
        };
        let kind = one.package.content_type();
        let mut notify = one.dialog.request(Method::Notify);
        notify.headers.push(Name::Event, event);
        notify.headers.push(Name::SubscriptionState, state);
        notify.headers.push(Name::Contact, self.contact(&flow));
        notify.set_body(kind, Bytes::from(body));
        let sent = self.send_request(Owner::Subscription(id), flow, &mut notify);
        if let Some(one) = self.subscriptions.get_mut(id) {
            one.notify = Some(sent);
        }
    }

    /// A phone that came back by another flow hears there what it watches. One that never registered
    /// is where it was.
    fn reroute_subscription(&mut self, id: SubscriptionId) {
        let Some(one) = self.subscriptions.get(id) else {
            return;
        };
        let mut bindings = self.registrar.bindings(&one.owner);
        let same = bindings.find(|binding| one.binding.as_ref() == Some(&binding.key));
        if let Some(flow) = same.map(|binding| binding.flow) {
            self.subscriptions.move_to(id, flow);
        }
    }

    /// A NOTIFY has its final answer, or none will come (RFC 6665 4.2.2).
    pub(super) fn handle_notified(&mut self, id: SubscriptionId, sent: TransactionId, status: u16) {
        let Some(one) = self.subscriptions.get_mut(id) else {
            return;
        };
        if status < 200 || one.notify != Some(sent) {
            return;
        }
        if status >= 300 {
            return self.drop_subscription(id);
        }
        one.notify = None;
        if one.stale {
            self.notify_when_due(id);
        }
    }

    /// A second is over since the last NOTIFY.
    pub(super) fn handle_notify_timer(&mut self, id: SubscriptionId) {
        let stale = self.subscriptions.get(id).is_some_and(|one| one.stale);
        if stale {
            self.notify_when_due(id);
        }
    }

    /// Says the last word and forgets a subscription.
    pub(super) fn end_subscription(&mut self, id: SubscriptionId, reason: &str) {
        self.send_notify(id, Some(reason));
        self.drop_subscription(id);
    }

    fn drop_subscription(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(id);
        self.timers.cancel(&Alarm::Subscription(id));
        self.timers.cancel(&Alarm::Notify(id));
    }

    /// Nobody is at the other end: the operator's last phone is gone.
    pub(super) fn drop_subscriptions_of(&mut self, owner: &OperatorName) {
        for id in self.subscriptions.of_owner(owner).collect::<Vec<_>>() {
            self.drop_subscription(id);
        }
    }

    /// A stream closed. A phone that has come back by another one keeps what it watches.
    pub(super) fn drop_subscriptions_on(&mut self, flow: FlowId) {
        for id in self.subscriptions.on_flow(flow) {
            self.reroute_subscription(id);
            let one = self.subscriptions.get(id);
            if one.is_some_and(|one| one.flow.id == flow) {
                self.drop_subscription(id);
            }
        }
    }

    /// A new directory: who is no more is watched no more, and branches may have moved.
    pub(super) fn review_subscriptions(&mut self) {
        let all: Vec<_> = self
            .subscriptions
            .iter()
            .map(|(id, one)| (id, one.owner.clone(), one.topic.clone()))
            .collect();
        for (id, owner, topic) in all {
            let users = &self.directory.users;
            match topic {
                _ if !users.contains_key(&owner) => self.end_subscription(id, "rejected"),
                Topic::Operator(watched) => {
                    if !users.contains_key(&watched) {
                        self.end_subscription(id, "noresource");
                    }
                }
                Topic::Callbacks(_) => {
                    let mailbox = self.mailbox(&owner);
                    if mailbox != topic {
                        self.subscriptions.set_topic(id, mailbox);
                        self.notify_when_due(id);
                    }
                }
            }
        }
        let users = &self.directory.users;
        self.published
            .lamps
            .retain(|operator, _| users.contains_key(operator));
    }
}
