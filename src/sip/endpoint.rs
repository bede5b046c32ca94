//! The endpoint: packets and commands in, packets and events out.
//!
//! Everything of SIP that has state lives behind this one door: limiter, parser, transactions,
//! dialogs, sessions, registrar, digest. It knows who is a trunk and who an operator because the
//! engine gives it a [`Directory`]; it does not know what a call is.
//!
//! ```text
//! packet → limiter → parse ┬ response → transaction → session ──────────┐
//!                          └ request → transaction ┬ REGISTER → digest → registrar
//!                                                  ├ INVITE → trunk or digest → session → event
//!                                                  ├ in a dialog → session ─────┘
//!                                                  └ anything else: answered without state
//! ```

mod answer_challenge;
mod command;
mod counters;
mod early;
mod egress;
mod errand;
mod in_dialog;
mod info;
mod ingress;
mod invite;
mod keepalive;
mod loops;
mod ours;
mod outgoing;
mod prack;
mod probe;
mod refer;
mod refresh;
mod register;
mod registrations;
mod reliable;
mod reoffer;
mod stateless;
mod streams;
mod subscribe;
mod timeout;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use bytes::Bytes;

use self::counters::Counters;
pub use self::counters::{Live, Refused};
use self::streams::Streams;
use self::subscribe::Published;
use super::auth::Authority;
use super::auth::secret::Secret;
use super::dialog::DialogKey;
use super::flow::Flow;
use super::limiter::Limiter;
use super::registrar::{Binding, BindingId, Registrar};
use super::registration::{Registration, RegistrationEvent, RegistrationId};
use super::session::SessionEvent;
use super::session::state::{MergeKey, Phase, Session, SessionTimer};
use super::subscription::{SubscriptionId, Subscriptions};
use super::transaction::table::Transactions;
use super::trunk::ProbeId;
use crate::id::{FlowId, LegId, OperatorName, SiteName, TrunkName};
use crate::limits;
use crate::net::Net;
use crate::rng::Rng;
use crate::time::{Duration, Now, Timers};
use crate::words::Rel100;

/// A digest algorithm of RFC 8760.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// RFC 2617's, which every phone speaks.
    Md5,
    /// RFC 7616's.
    Sha256,
}

/// What the one who deploys decides.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The domain softphones register at; the digest realm.
    pub domain: String,
    /// The address peers see, where it is not the listening one.
    pub advertise: Option<IpAddr>,
    /// Peers there get the listening address instead of `advertise`.
    pub local_nets: Vec<Net>,
    /// Challenges, in this order.
    pub digest: Vec<Algorithm>,
    /// Requests a second from an address that is no trunk and has no registration.
    pub strangers_rate: u32,
    /// How many may come at once.
    pub strangers_burst: u32,
    /// Addresses whose first REGISTERs are spread rather than silenced.
    pub strangers_trusted: Vec<Net>,
    /// Bindings in all.
    pub registrations: usize,
    /// The shortest and the longest registration we grant.
    pub expires: (Duration, Duration),
}

/// The digest hash of an operator's name, realm and password (RFC 7616's HA1), never the password.
#[derive(Clone)]
pub struct Credentials {
    /// MD5, lower-case hex.
    pub md5: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// The addresses of a trunk, each with a port where only that one counts.
pub type Peers = Vec<(Net, Option<u16>)>;

/// How sessions with somebody are kept.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SessionRules {
    /// Whether provisional responses are acknowledged (RFC 3262).
    pub rel100: Rel100,
    /// The session interval we ask for; none is RFC 4028's recommended half an hour.
    pub session_timer: Option<Duration>,
}

/// The name and password that answer a carrier's challenges.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestAccount {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// A carrier as SIP knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct TrunkEntry {
    /// Its name.
    pub name: TrunkName,
    /// The address and, where given, the port of its signalling.
    pub peers: Peers,
    /// The user part of the Contact we registered with, which nobody else can know.
    pub contact_user: Option<String>,
    /// The host of our From towards it, where it is not our own domain.
    pub domain: Option<String>,
    /// Answers its challenges.
    pub account: Option<DigestAccount>,
    /// How its sessions are kept.
    pub rules: SessionRules,
}

impl TrunkEntry {
    /// A carrier known by its addresses alone.
    #[must_use]
    pub fn at(name: TrunkName, peers: Peers) -> Self {
        Self {
            name,
            peers,
            contact_user: None,
            domain: None,
            account: None,
            rules: SessionRules::default(),
        }
    }
}

/// Whom we know.
#[derive(Clone, Default)]
pub struct Directory {
    /// Carriers.
    pub trunks: Vec<TrunkEntry>,
    /// Operators.
    pub users: BTreeMap<OperatorName, Credentials>,
    /// Their short numbers.
    pub numbers: BTreeMap<String, OperatorName>,
    /// The branches they sit in.
    pub sites: BTreeMap<OperatorName, SiteName>,
}

/// Names a packet that must not leave before the engine lets it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HoldId(pub u64);

/// A packet to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The way.
    pub flow: Flow,
    /// The bytes.
    pub bytes: Bytes,
    /// Set on the 200 to a REGISTER that made or changed a binding: it leaves once that is on disk.
    pub hold: Option<HoldId>,
}

/// What the endpoint tells the engine.
#[derive(Clone, Debug)]
pub enum EndpointEvent {
    /// Something of a session.
    Session(SessionEvent),
    /// A binding was made, changed or refreshed.
    Registered {
        /// The binding as it stands now.
        binding: Box<Binding>,
        /// The user had no binding before.
        first: bool,
        /// It is new, or the phone is somewhere else now; neither a refresh nor a repetition.
        changed: bool,
        /// Its 200 waits in a [`Transmit`] with this hold; none for a mere refresh.
        hold: Option<HoldId>,
    },
    /// A binding is gone: it lapsed, was removed, or its stream closed.
    Unregistered {
        /// Whose.
        user: OperatorName,
        /// Its key.
        key: String,
        /// The user has no other.
        last: bool,
        /// `expired`, `removed` or `flow_closed`.
        why: &'static str,
        /// The 200 to the REGISTER that removed it waits with this hold.
        hold: Option<HoldId>,
    },
    /// What came of [`Endpoint::probe`]: a final status, or none when nobody answered.
    Probed {
        /// Which one.
        id: ProbeId,
        /// The status.
        status: Option<u16>,
    },
    /// A phone behind a NAT stopped answering: it stays bound, and is not rung.
    Silent {
        /// Whose.
        user: OperatorName,
        /// The user has no other phone that is rung.
        last: bool,
    },
    /// It answers again.
    Heard {
        /// The binding.
        binding: Box<Binding>,
        /// The user had no phone that was rung.
        first: bool,
    },
    /// Something an admin may want to read, numbers masked.
    Noted(String),
}

/// The endpoint.
pub struct Endpoint {
    config: EndpointConfig,
    directory: Directory,
    /// Trunks of earlier directories: what they began they may still repeat, cancel and acknowledge.
    former: VecDeque<TrunkEntry>,
    rng: Rng,
    /// When the last input came.
    now: Now,
    secret: Secret,
    limiter: Limiter,
    /// How often something is noted, and how many notes were left out since the last.
    notes: Limiter,
    left_out: u64,
    authority: Authority,
    registrar: Registrar,
    transactions: Transactions,
    sessions: BTreeMap<LegId, Session>,
    dialogs: BTreeMap<DialogKey, LegId>,
    merges: BTreeMap<MergeKey, LegId>,
    registrations: BTreeMap<RegistrationId, Registration>,
    subscriptions: Subscriptions,
    published: Published,
    /// Bindings whose OPTIONS waits for its answer.
    asked: BTreeSet<BindingId>,
    timers: Timers<Alarm>,
    streams: Streams,
    /// The realm in which each trunk asked first; no other is answered.
    realms: BTreeMap<TrunkName, String>,
    next_leg: u64,
    next_hold: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<EndpointEvent>,
    registration_events: VecDeque<RegistrationEvent>,
    counters: Counters,
}

/// A timer of the endpoint's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Alarm {
    /// Of a session.
    Session(LegId, SessionTimer),
    /// A registration of ours is due for a refresh or another try.
    Registration(RegistrationId),
    /// A subscription ends.
    Subscription(SubscriptionId),
    /// A NOTIFY that waited may leave.
    Notify(SubscriptionId),
    /// A phone behind a NAT is to be asked whether it is there.
    Keepalive(BindingId),
}

impl Endpoint {
    /// An endpoint that knows nobody yet.
    #[must_use]
    pub fn new(config: EndpointConfig, mut rng: Rng, now: Now) -> Self {
        let secret = Secret::new(&mut rng);
        Self {
            directory: Directory::default(),
            former: VecDeque::new(),
            now,
            limiter: Limiter::new(config.strangers_rate, config.strangers_burst),
            notes: Limiter::new(limits::NOTES.0, limits::NOTES.1),
            left_out: 0,
            authority: Authority::new(&config.domain, &config.digest, secret.clone()),
            secret,
            registrar: Registrar::new(config.registrations),
            transactions: Transactions::default(),
            sessions: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            merges: BTreeMap::new(),
            registrations: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            published: Published::default(),
            asked: BTreeSet::new(),
            timers: Timers::default(),
            streams: Streams::default(),
            realms: BTreeMap::new(),
            next_leg: 0,
            next_hold: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            registration_events: VecDeque::new(),
            counters: Counters::default(),
            config,
            rng,
        }
    }

    /// Says whom we know from now on. Operators who are no more lose their bindings; calls under
    /// way stay.
    pub fn set_directory(&mut self, mut directory: Directory) {
        let trunks = std::mem::take(&mut directory.trunks);
        directory.trunks = std::mem::take(&mut self.directory.trunks);
        self.directory = directory;
        self.set_trunks(trunks);
        let users = &self.directory.users;
        let changes = self.registrar.retain(|user| users.contains_key(user));
        self.review_subscriptions();
        self.announce(changes, None);
        self.settle();
    }

    /// Says which carriers we know from now on. The realm a carrier asked in stays its own for as
    /// long as it is the same carrier, wherever its names lead.
    pub fn set_trunks(&mut self, trunks: Vec<TrunkEntry>) {
        let before = std::mem::replace(&mut self.directory.trunks, trunks);
        let known = &self.directory.trunks;
        for gone in before.into_iter().filter(|it| !known.contains(it)) {
            let same = |it: &TrunkEntry| {
                it.name == gone.name && it.account == gone.account && it.domain == gone.domain
            };
            if !known.iter().any(same) {
                self.realms.remove(&gone.name);
            }
            self.former.push_back(gone);
        }
        while self.former.len() > limits::FORMER_TRUNKS {
            self.former.pop_front();
        }
    }

    /// Takes back bindings from before a restart. Those of streams, and those that lapsed, are
    /// reported gone.
    pub fn restore(&mut self, bindings: Vec<Binding>) {
        let longest = self.config.expires.1;
        let changes = self.registrar.restore(self.now, bindings, longest);
        self.announce(changes, None);
        self.keep_all_alive();
    }

    /// Where a user's phones are, those that stopped answering apart.
    pub fn bindings(&self, user: &OperatorName) -> impl Iterator<Item = &Binding> {
        self.registrar.bindings(user)
    }

    /// How many bindings there are.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.registrar.len()
    }

    /// What lives now; all zero at the end of a run.
    #[must_use]
    pub fn live(&self) -> Live {
        Live {
            transactions: self.transactions.len(),
            dialogs: self.dialogs.len(),
            sessions: self.sessions.len(),
            unsettled: self
                .sessions
                .values()
                .filter(|session| !self.is_settled(session))
                .count(),
        }
    }

    /// Whether a leg has a session, perhaps one that is still being made, that nobody has ended.
    #[must_use]
    pub fn is_live(&self, leg: LegId) -> bool {
        let session = self.sessions.get(&leg);
        let session = session.filter(|session| session.hung_up.is_none());
        session.is_some_and(|session| match session.phase {
            Phase::Offered { .. } | Phase::Inviting { .. } | Phase::Talking => true,
            Phase::Leaving { .. } | Phase::Over => false,
        })
    }

    /// The flows that a binding, a session or a registration of ours is on.
    #[must_use]
    pub fn flows_in_use(&self) -> BTreeSet<FlowId> {
        let sessions = self.sessions.values().map(|session| session.flow.id);
        let registrations = self.registrations.values().map(|ours| ours.flow().id);
        let used = self.registrar.flows().chain(sessions);
        let used = used.chain(self.subscriptions.flows());
        used.chain(registrations).collect()
    }

    /// The Call-ID of a session's dialog.
    #[must_use]
    pub fn sip_call_id(&self, leg: LegId) -> Option<&str> {
        let session = self.sessions.get(&leg)?;
        Some(&session.dialog.key.call_id)
    }

    /// Whether a session only lingers to answer repetitions.
    fn is_settled(&self, session: &Session) -> bool {
        matches!(session.phase, Phase::Over)
            && session.unacked.is_none()
            && session
                .open
                .iter()
                .all(|transaction| self.transactions.is_final(*transaction))
    }

    /// Messages so far: method, an answer's being its request's; whether they came in; how many.
    pub fn messages(&self) -> impl Iterator<Item = (&'static str, bool, u64)> {
        self.counters.messages()
    }

    /// What was refused so far.
    #[must_use]
    pub const fn refused(&self) -> &Refused {
        self.counters.refused()
    }
}

#[cfg(test)]
mod tests;
