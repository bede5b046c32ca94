//! What the endpoint keeps of a session.
//!
//! ```text
//!  INVITE came             INVITE sent
//!   ┌─────────┐             ┌──────────┐
//!   │ Offered │             │ Inviting │ hung up: CANCEL once a 1xx came
//!   └─┬─────┬─┘             └─┬──────┬─┘
//!     │200  │ ≥300            │2xx   │ ≥300, 408, 503
//!     │     │                 │      │
//!  ┌──▼─────┼─────────────────▼──┐   │
//!  │        │     Talking        │   │   re-INVITE and UPDATE
//!  └──┬─────┼────────────────┬───┘   │
//!     │BYE  │                │hung up, no ACK: BYE sent
//!  ┌──▼─────┼─┐              │       │
//!  │ Leaving│ │              │       │
//!  └──┬─────┼─┘              │       │
//!     │200  │                │       │
//!  ┌──▼─────▼────────────────▼───────▼──┐
//!  │               Over                 │ closed with its last transaction and its last news
//!  └────────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bytes::Bytes;

use super::Cause;
use super::interval::Interval;
use super::reliable::{Early, Reliable};
use super::sent::{Sent, Turn};
use crate::id::{OperatorName, TrunkName};
use crate::sip::auth::answer::Challenge;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::SessionRules;
use crate::sip::flow::Flow;
use crate::sip::header::Name;
use crate::sip::message::{Message, Method};
use crate::sip::refer::Referral;
use crate::sip::transaction::table::TransactionId;
use crate::time::Duration;

/// Who may speak in a dialog besides knowing its tags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// The address.
    pub address: IpAddr,
    /// The trunk of that address: a carrier may speak from any of its own.
    pub trunk: Option<TrunkName>,
    /// The operator registered on the flow: a phone may come back by another one.
    pub operator: Option<OperatorName>,
}

impl Party {
    /// Whether `other` may speak for it.
    #[must_use]
    pub fn admits(&self, other: &Self) -> bool {
        self.address == other.address
            || self.trunk.is_some() && self.trunk == other.trunk
            || self.operator.is_some() && self.operator == other.operator
    }
}

/// What identifies copies of one INVITE that came by several ways (RFC 3261 8.2.2.2).
pub type MergeKey = (String, String, u32);

/// A timer of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SessionTimer {
    /// A 2xx is sent again until its ACK comes (RFC 3261 13.3.1.4).
    Repeat2xx,
    /// The ACK did not come within 64·T1.
    NoAck,
    /// A provisional response is sent again each minute (RFC 3261 13.3.1.1).
    Progress,
    /// A cancelled INVITE of ours got no final response within 64·T1.
    GiveUp,
    /// A REFER of which nothing more is heard.
    Referral,
    /// A reliable provisional response is sent again until its PRACK comes (RFC 3262 3).
    Repeat1xx,
    /// The PRACK did not come within 64·T1.
    NoPrack,
    /// An offer or a refresh of ours that was put off is due (RFC 3261 14.1).
    Again,
    /// A re-INVITE of ours got no final response within 64·T1.
    Stuck,
    /// Half of the session interval is over (RFC 4028 10).
    Refresh,
    /// The session interval is over.
    Expire,
}

impl SessionTimer {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Repeat2xx,
        Self::NoAck,
        Self::Progress,
        Self::GiveUp,
        Self::Referral,
        Self::Repeat1xx,
        Self::NoPrack,
        Self::Again,
        Self::Stuck,
        Self::Refresh,
        Self::Expire,
    ];
}

/// What a peer said it can do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Abilities {
    /// It takes UPDATE (RFC 3311).
    pub update: bool,
    /// It knows provisional responses that are acknowledged (RFC 3262).
    pub rel100: bool,
    /// It insists on them.
    pub wants_rel100: bool,
}

impl Abilities {
    /// Takes note of a message of the peer; one that says nothing changes nothing.
    pub fn note(&mut self, message: &Message) {
        let headers = &message.headers;
        if headers.has(&Name::Allow) {
            self.update = headers.lists(&Name::Allow, Method::Update.as_str());
        }
        self.wants_rel100 = headers.lists(&Name::Require, "100rel");
        self.rel100 = self.wants_rel100 || headers.lists(&Name::Supported, "100rel");
    }
}

/// Where a session stands.
#[derive(Clone, Debug)]
pub enum Phase {
    /// A peer's INVITE waits for its final response.
    Offered {
        /// Its transaction.
        invite: TransactionId,
        /// The INVITE.
        request: Box<Message>,
        /// The peer cancelled it.
        cancelled: bool,
        /// The last provisional response.
        progress: Option<(u16, Bytes)>,
    },
    /// Our INVITE waits for its final response.
    Inviting {
        /// Its transaction.
        invite: TransactionId,
        /// A 1xx came, so a CANCEL may leave (RFC 3261 9.1).
        proceeding: bool,
        /// The CANCEL left.
        cancelled: bool,
    },
    /// The session stands.
    Talking,
    /// The peer's BYE waits for its 200.
    Leaving {
        /// Its transaction.
        bye: TransactionId,
        /// The BYE.
        request: Box<Message>,
    },
    /// Nothing is left but the transactions, and the news of a REFER.
    Over,
}

/// A 2xx of ours whose ACK has not come.
#[derive(Clone, Debug)]
pub struct Unacked {
    /// The CSeq number its ACK will carry.
    pub seq: u32,
    /// The bytes.
    pub response: Bytes,
    /// The gap before it was sent last.
    pub gap: Duration,
    /// It carries our offer, so its ACK carries the answer.
    pub offered: bool,
    /// It answers the first INVITE, not a later one.
    pub initial: bool,
}

/// A re-INVITE or UPDATE that waits for the call machine.
#[derive(Clone, Debug)]
pub struct Reoffer {
    /// Its transaction.
    pub transaction: TransactionId,
    /// The request.
    pub request: Box<Message>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where it stands.
    pub phase: Phase,
    /// Its dialog.
    pub dialog: Dialog,
    /// The flow it lives on.
    pub flow: Flow,
    /// Who is at the other end.
    pub party: Party,
    /// The carrier our INVITE went to.
    pub trunk: Option<TrunkName>,
    /// Our INVITE, for its CANCEL and its ACKs.
    pub invite: Option<Box<Message>>,
    /// The ACK to the 2xx of our INVITE, sent again with each repetition.
    pub ack: Option<Bytes>,
    /// The call machine hung up and hears nothing more but that it is closed.
    pub hung_up: Option<Cause>,
    /// Our 2xx that waits for its ACK.
    pub unacked: Option<Unacked>,
    /// The peer's reoffer that waits for an answer.
    pub reoffer: Option<Reoffer>,
    /// The peer's REFER that is not over.
    pub referral: Option<Referral>,
    /// The peer has sent one.
    pub referred: bool,
    /// Forks of our INVITE that answered too late and got a BYE, by tag.
    pub forks: BTreeSet<String>,
    /// Its transactions.
    pub open: BTreeSet<TransactionId>,
    /// How the INVITE is known if it comes again by another way.
    pub merge: Option<MergeKey>,
    /// How it is kept.
    pub rules: SessionRules,
    /// What the peer can do.
    pub peer: Abilities,
    /// How long it lasts without a refresh.
    pub interval: Interval,
    /// The description of ours that counts.
    pub local: Option<Bytes>,
    /// The peer's description that counts.
    pub remote: Option<Bytes>,
    /// Our requests inside the dialog that may still be answered.
    pub sent: BTreeMap<TransactionId, Sent>,
    /// The one of them that is an offer or a refresh.
    pub ours: Option<TransactionId>,
    /// An offer or a refresh that waits for its turn.
    pub pending: Option<Turn>,
    /// Challenges of a carrier, with the field that answers each.
    pub challenges: Vec<(Name, Challenge)>,
    /// Challenges answered for our INVITE.
    pub answers: u8,
    /// Provisional responses that are acknowledged, of a peer's INVITE.
    pub reliable: Option<Reliable>,
    /// The early dialogs of our INVITE, by the peer's tag.
    pub early: BTreeMap<String, Early>,
    /// The phone's binding, which outlives its flow.
    pub binding: Option<String>,
}

impl Session {
    /// A session at its beginning.
    #[must_use]
    pub fn new(
        phase: Phase,
        dialog: Dialog,
        flow: Flow,
        party: Party,
        rules: SessionRules,
    ) -> Self {
        Self {
            phase,
            dialog,
            flow,
            party,
            trunk: None,
            invite: None,
            ack: None,
            hung_up: None,
            unacked: None,
            reoffer: None,
            referral: None,
            referred: false,
            forks: BTreeSet::new(),
            open: BTreeSet::new(),
            merge: None,
            rules,
            peer: Abilities::default(),
            interval: Interval::wished(rules.session_timer),
            local: None,
            remote: None,
            sent: BTreeMap::new(),
            ours: None,
            pending: None,
            challenges: Vec::new(),
            answers: 0,
            reliable: None,
            early: BTreeMap::new(),
            binding: None,
        }
    }

    /// Whether it stands and nobody has said goodbye.
    #[must_use]
    pub const fn stands(&self) -> bool {
        matches!(self.phase, Phase::Talking) && self.hung_up.is_none()
    }

    /// Whether an offer of ours waits for its answer: one of the peer's would be glare.
    #[must_use]
    pub fn offers(&self) -> bool {
        let ours = self.ours.and_then(|ours| self.sent.get(&ours));
        ours.is_some_and(|sent| !sent.request.body.is_empty())
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let over = matches!(self.phase, Phase::Over) && self.referral.is_none();
        over && self.open.is_empty() && self.unacked.is_none()
    }
}
