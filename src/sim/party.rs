//! A party of the virtual world: a SIP endpoint of its own, and somebody who uses it. Sans IO like the
//! engine, so that the same callers and operators can stand behind real sockets too.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;

use super::caller::{CallPlan, Callers};
use super::phone::Phone;
use super::sound::Heard;
use crate::id::{LegId, Origin, TrunkName};
use crate::net::Net;
use crate::rng::Rng;
use crate::sip::endpoint::{
    Algorithm, Directory, Endpoint, EndpointConfig, EndpointEvent, TrunkEntry,
};
use crate::sip::flow::Flow;
use crate::sip::registration::{self, RegistrationId};
use crate::sip::session::{OutgoingInvite, SessionCommand, SessionEvent};
use crate::sip::uri::Uri;
use crate::time::{Duration, Instant, Now, Timers};

/// Something a person is going to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cue {
    /// A caller dials: which of the plans.
    Call(usize),
    /// Whoever is on this leg hangs up.
    HangUp(LegId),
    /// An operator answers.
    Answer(LegId),
    /// An operator refuses with this code.
    Decline(LegId, u16),
    /// The phone loses its network.
    Vanish,
    /// The phone is switched on again, and knows nothing of before.
    Return,
}

/// What a person wants done.
#[derive(Debug)]
pub(super) struct Todo {
    flow: Flow,
    next_leg: u64,
    pub(super) commands: VecDeque<SessionCommand>,
    pub(super) cues: Vec<(Instant, Cue)>,
    stopped: Vec<Cue>,
    /// Addresses at which legs listen from now on.
    listening: Vec<(SocketAddr, LegId)>,
}

impl Todo {
    pub(super) fn say(&mut self, command: SessionCommand) {
        self.commands.push_back(command);
    }

    pub(super) fn stop(&mut self, cue: Cue) {
        self.stopped.push(cue);
    }

    pub(super) fn call(&mut self, plan: &CallPlan) -> LegId {
        self.next_leg += 1;
        let leg = LegId {
            origin: Origin::Outbound,
            number: self.next_leg,
        };
        let offer = self.describe(leg);
        let target = Uri::at(Some(&plan.to), self.flow.peer);
        let from = plan.from.as_deref().unwrap_or("anonymous");
        let invite = OutgoingInvite::new(target, self.flow, from, offer);
        self.say(SessionCommand::Invite {
            leg,
            invite: Box::new(invite),
        });
        leg
    }

    pub(super) fn accept(&mut self, leg: LegId) {
        let answer = self.describe(leg);
        self.say(SessionCommand::Accept { leg, answer });
    }

    /// A plain description with a port of the leg's own.
    fn describe(&mut self, leg: LegId) -> Bytes {
        let ip = self.flow.local.ip();
        let slot = u16::try_from(leg.number % 20_000).unwrap_or(0);
        let port = 10_000 + 2 * slot + self.flow.local.port() % 2;
        self.listening.push((SocketAddr::new(ip, port), leg));
        Bytes::from(format!(
            "v=0\r\no=- {n} {n} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
            n = leg.number,
        ))
    }
}

/// Who uses the endpoint.
#[derive(Debug)]
pub enum Role {
    /// The callers behind a trunk.
    Callers(Callers),
    /// An operator.
    Phone(Box<Phone>),
}

/// How a phone registers.
#[derive(Clone)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The secret.
    pub password: String,
    /// The domain.
    pub domain: String,
    /// How long a registration is asked for.
    pub expires: Duration,
}

/// A party.
pub struct Party {
    /// How charts name it.
    pub name: String,
    flow: Flow,
    endpoint: Endpoint,
    account: Option<Account>,
    /// Who uses it.
    pub role: Role,
    cues: Timers<Cue>,
    todo: Todo,
    rng: Rng,
    reachable: bool,
    vanished: bool,
}

impl Party {
    /// A party that sends to and hears from the server on `flow`.
    #[must_use]
    pub fn new(
        name: String,
        flow: Flow,
        role: Role,
        account: Option<Account>,
        mut rng: Rng,
        now: Now,
    ) -> Self {
        let mut party = Self {
            name,
            flow,
            endpoint: endpoint(flow, rng.fork(), now),
            account,
            role,
            cues: Timers::default(),
            todo: Todo {
                flow,
                next_leg: 0,
                commands: VecDeque::new(),
                cues: Vec::new(),
                stopped: Vec::new(),
                listening: Vec::new(),
            },
            rng,
            reachable: true,
            vanished: false,
        };
        party.register(now);
        party
    }

    /// Where the party is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.flow.local
    }

    /// Whether datagrams reach it.
    #[must_use]
    pub fn reachable(&self) -> bool {
        self.reachable
    }

    /// Lets a person do something at a time.
    pub fn cue(&mut self, at: Instant, cue: Cue) {
        self.cues.set(cue, at);
    }

    /// A datagram from the server.
    pub fn handle_packet(&mut self, now: Now, bytes: &[u8]) {
        if !self.reachable {
            return;
        }
        self.endpoint.handle_packet(now, self.flow, bytes);
        self.pump(now);
    }

    /// Whatever is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.reachable {
            self.endpoint.handle_timeout(now);
        }
        self.pump(now);
        while let Some(cue) = self.cues.pop_due(now.mono) {
            match cue {
                Cue::Vanish => {
                    self.vanished |= self.reachable;
                    self.reachable = false;
                }
                Cue::Return => self.switch_on(now),
                Cue::Call(_) | Cue::HangUp(_) | Cue::Answer(_) | Cue::Decline(..) => {
                    match &mut self.role {
                        Role::Callers(callers) => callers.handle_cue(now, &cue, &mut self.todo),
                        Role::Phone(phone) => phone.handle_cue(now, &cue, &mut self.todo),
                    }
                }
            }
            self.pump(now);
        }
    }

    /// Something is heard on a leg.
    pub fn hears(&mut self, now: Now, leg: LegId, heard: Heard) {
        match &mut self.role {
            Role::Callers(callers) => callers.hears(now, leg, &heard, &mut self.todo),
            Role::Phone(phone) => phone.hears(now, leg, heard, &mut self.todo),
        }
        self.pump(now);
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        loop {
            let transmit = self.endpoint.poll_transmit()?;
            if self.reachable {
                return Some(transmit.bytes);
            }
        }
    }

    /// A leg that listens at a new address.
    pub fn poll_listening(&mut self) -> Option<(SocketAddr, LegId)> {
        self.todo.listening.pop()
    }

    /// Whether it has lost its network since this was asked last.
    pub fn poll_vanished(&mut self) -> bool {
        std::mem::take(&mut self.vanished)
    }

    /// When something is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sip = self.endpoint.poll_timeout().map(|wakeup| wakeup.at);
        let sip = sip.filter(|_| self.reachable);
        [sip, self.cues.next()].into_iter().flatten().min()
    }

    fn switch_on(&mut self, now: Now) {
        self.reachable = true;
        self.endpoint = endpoint(self.flow, self.rng.fork(), now);
        if let Role::Phone(phone) = &mut self.role {
            phone.forget_calls();
        }
        self.register(now);
    }

    fn register(&mut self, now: Now) {
        let Some(account) = &self.account else {
            return;
        };
        let account = registration::Account {
            flow: self.flow,
            user: account.user.clone(),
            password: account.password.clone(),
            domain: account.domain.clone(),
            expires: account.expires,
        };
        self.endpoint.register(now, RegistrationId(0), account);
    }

    fn pump(&mut self, now: Now) {
        while self.endpoint.poll_registration().is_some() {}
        loop {
            for cue in self.todo.stopped.drain(..) {
                self.cues.cancel(&cue);
            }
            for (at, cue) in self.todo.cues.drain(..) {
                self.cues.set(cue, at);
            }
            if let Some(command) = self.todo.commands.pop_front() {
                self.endpoint.handle_command(now, command);
                continue;
            }
            match self.endpoint.poll_event() {
                Some(EndpointEvent::Session(event)) => self.handle_session(now, &event),
                Some(
                    EndpointEvent::Registered { .. }
                    | EndpointEvent::Unregistered { .. }
                    | EndpointEvent::Silent { .. }
                    | EndpointEvent::Heard { .. }
                    | EndpointEvent::Probed { .. }
                    | EndpointEvent::Noted(_),
                ) => {}
                None => break,
            }
        }
    }

    fn handle_session(&mut self, now: Now, event: &SessionEvent) {
        match &mut self.role {
            Role::Callers(callers) => callers.handle_session(now, event, &mut self.todo),
            Role::Phone(phone) => phone.handle_session(now, event, &mut self.todo),
        }
    }
}

/// An endpoint that knows one peer: the server.
fn endpoint(flow: Flow, rng: Rng, now: Now) -> Endpoint {
    let config = EndpointConfig {
        domain: flow.local.ip().to_string(),
        advertise: None,
        local_nets: Vec::new(),
        digest: vec![Algorithm::Md5],
        strangers_rate: 50,
        strangers_burst: 200,
        strangers_trusted: Vec::new(),
        registrations: 1,
        expires: (Duration::from_secs(60), Duration::from_secs(3600)),
    };
    let mut endpoint = Endpoint::new(config, rng, now);
    endpoint.set_directory(Directory {
        trunks: vec![TrunkEntry::at(
            TrunkName::from("server"),
            vec![(Net::single(flow.peer.ip()), Some(flow.peer.port()))],
        )],
        ..Directory::default()
    });
    endpoint
}
