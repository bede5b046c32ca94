//! Subscriptions to what phones watch (RFC 6665): the lamps of colleagues and the messages that wait.
//!
//! ```text
//! SUBSCRIBE → active ┬ something changed, a second since the last → NOTIFY ─200→ active
//!                    ├ SUBSCRIBE again → NOTIFY at once
//!                    └ Expires 0, time over, NOTIFY refused or lost, phone gone → nothing
//! ```
//!
//! Keeps them and finds them by what they watch, never by looking through all. What is told is made
//! in [`body`]; who may subscribe and what is sent when, the endpoint says.

pub mod body;

use std::collections::{BTreeMap, BTreeSet};

use super::dialog::{Dialog, DialogKey};
use super::flow::Flow;
use super::transaction::table::TransactionId;
use crate::id::{FlowId, OperatorName, SiteName};
use crate::time::Instant;

/// Names a subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SubscriptionId(u64);

/// An event package.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Package {
    /// The dialogs of an operator (RFC 4235).
    Dialog,
    /// Messages that wait (RFC 3842).
    MessageSummary,
}

impl Package {
    /// All of them, for Allow-Events.
    pub const ALL: &str = "dialog, message-summary";

    /// Reads the name of a package, which has no parameters.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        [Self::Dialog, Self::MessageSummary]
            .into_iter()
            .find(|package| name.eq_ignore_ascii_case(package.as_str().as_bytes()))
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
        }
    }

    /// The type of its bodies.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
        }
    }
}

/// What is watched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// What an operator's phone does.
    Operator(OperatorName),
    /// The open callbacks of a branch, or all of them.
    Callbacks(Option<SiteName>),
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The package.
    pub package: Package,
    /// The `id` of its Event, which each NOTIFY repeats.
    pub event_id: Option<String>,
    /// Who watches.
    pub owner: OperatorName,
    /// What is watched.
    pub topic: Topic,
    /// The address it was subscribed at.
    pub entity: String,
    /// Its dialog.
    pub dialog: Dialog,
    /// The way to the phone.
    pub flow: Flow,
    /// The key of the phone's binding on that way, which may move; none where it did not register.
    pub binding: Option<String>,
    /// How many NOTIFYs with a body were sent.
    pub version: u32,
    /// When it ends.
    pub until: Instant,
    /// The NOTIFY that waits for its answer.
    pub notify: Option<TransactionId>,
    /// Something changed since the last NOTIFY.
    pub stale: bool,
    /// No NOTIFY for a mere change before this.
    pub quiet_until: Instant,
}

/// Every subscription.
#[derive(Debug, Default)]
pub struct Subscriptions {
    last: u64,
    all: BTreeMap<SubscriptionId, Subscription>,
    dialogs: BTreeMap<DialogKey, SubscriptionId>,
    topics: BTreeSet<(Topic, SubscriptionId)>,
    owners: BTreeSet<(OperatorName, SubscriptionId)>,
    flows: BTreeSet<(FlowId, SubscriptionId)>,
}

const FIRST: SubscriptionId = SubscriptionId(0);
const LAST: SubscriptionId = SubscriptionId(u64::MAX);

impl Subscriptions {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds one.
    pub fn insert(&mut self, subscription: Subscription) -> SubscriptionId {
        self.last += 1;
        let id = SubscriptionId(self.last);
        self.dialogs.insert(subscription.dialog.key.clone(), id);
        self.topics.insert((subscription.topic.clone(), id));
        self.owners.insert((subscription.owner.clone(), id));
        self.flows.insert((subscription.flow.id, id));
        self.all.insert(id, subscription);
        id
    }

    /// Forgets one.
    pub fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let gone = self.all.remove(&id)?;
        self.dialogs.remove(&gone.dialog.key);
        self.topics.remove(&(gone.topic.clone(), id));
        self.owners.remove(&(gone.owner.clone(), id));
        self.flows.remove(&(gone.flow.id, id));
        Some(gone)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.all.get(&id)
    }

    /// One of them, to be changed; its dialog's key, owner, topic and flow stay.
    pub fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.all.get_mut(&id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (SubscriptionId, &Subscription)> {
        self.all.iter().map(|(id, one)| (*id, one))
    }

    /// The one of a dialog.
    #[must_use]
    pub fn find(&self, key: &DialogKey) -> Option<SubscriptionId> {
        self.dialogs.get(key).copied()
    }

    /// Those that watch this.
    #[must_use]
    pub fn of_topic(&self, topic: &Topic) -> Vec<SubscriptionId> {
        let range = (topic.clone(), FIRST)..=(topic.clone(), LAST);
        self.topics.range(range).map(|(_, id)| *id).collect()
    }

    /// Those of an operator.
    pub fn of_owner(&self, owner: &OperatorName) -> impl Iterator<Item = SubscriptionId> {
        let range = (owner.clone(), FIRST)..=(owner.clone(), LAST);
        self.owners.range(range).map(|(_, id)| *id)
    }

    /// Those on a stream.
    #[must_use]
    pub fn on_flow(&self, flow: FlowId) -> Vec<SubscriptionId> {
        let range = (flow, FIRST)..=(flow, LAST);
        self.flows.range(range).map(|(_, id)| *id).collect()
    }

    /// The flows that are in use.
    pub fn flows(&self) -> impl Iterator<Item = FlowId> {
        self.flows.iter().map(|(flow, _)| *flow)
    }

    /// The phone is somewhere else now.
    pub fn move_to(&mut self, id: SubscriptionId, flow: Flow) {
        if let Some(one) = self.all.get_mut(&id) {
            self.flows.remove(&(one.flow.id, id));
            one.flow = flow;
            self.flows.insert((flow.id, id));
        }
    }

    /// It watches something else from now on.
    pub fn set_topic(&mut self, id: SubscriptionId, topic: Topic) {
        if let Some(one) = self.all.get_mut(&id) {
            self.topics.remove(&(one.topic.clone(), id));
            one.topic = topic.clone();
            self.topics.insert((topic, id));
        }
    }
}
