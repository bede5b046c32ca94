//! A SIP line over a real UDP socket: the project's own endpoint, driven by hand.
//!
//! The carrier and each softphone have one. It knows a single peer, the server.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::net::UdpSocket;

use crate::id::{FlowId, LegId, Origin, TrunkName};
use crate::limits;
use crate::net::Net;
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::sip::endpoint::{
    Algorithm, Directory, Endpoint, EndpointConfig, EndpointEvent, TrunkEntry,
};
use crate::sip::flow::{Flow, Transport};
use crate::sip::registration::{Account, RegistrationEvent, RegistrationId};
use crate::sip::session::{OutgoingInvite, SessionCommand, SessionEvent};
use crate::sip::uri::Uri;
use crate::time::{Duration, Now};

/// The only registration of a line.
const REGISTRATION: RegistrationId = RegistrationId(1);
/// How long a softphone asks to be known.
const EXPIRES: Duration = Duration::from_secs(300);

/// What a line has to say.
#[derive(Debug)]
pub(super) enum Ring {
    /// Something of a session.
    Session(SessionEvent),
    /// Something of the registration.
    Registration(RegistrationEvent),
}

/// A line.
pub(super) struct Line {
    socket: UdpSocket,
    flow: Flow,
    endpoint: Endpoint,
    clock: Clock,
    next_leg: u64,
    buffer: Vec<u8>,
}

impl Line {
    /// A line to the server from a free port.
    ///
    /// # Errors
    /// No port is free.
    pub(super) async fn open(server: SocketAddr, clock: Clock, rng: &mut Rng) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("a phone of the demo finds no free UDP port")?;
        // Until the runtime has seen the socket writable, a first packet would be lost.
        socket
            .writable()
            .await
            .context("a socket cannot be written to")?;
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: socket.local_addr().context("a socket has no address")?,
            peer: server,
        };
        let mut endpoint = Endpoint::new(config(flow), rng.fork(), clock.now());
        endpoint.set_directory(Directory {
            trunks: vec![TrunkEntry::at(
                TrunkName::from("strowger"),
                vec![(Net::single(server.ip()), Some(server.port()))],
            )],
            ..Directory::default()
        });
        Ok(Self {
            socket,
            flow,
            endpoint,
            clock,
            next_leg: 0,
            buffer: vec![0; limits::SIP_MESSAGE_BYTES],
        })
    }

    /// What time it is.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Registers as `user`.
    pub(super) fn register(&mut self, user: &str, password: &str, domain: &str) {
        let account = Account {
            user: user.to_owned(),
            password: password.to_owned(),
            domain: domain.to_owned(),
            flow: self.flow,
            expires: EXPIRES,
        };
        self.endpoint
            .register(self.clock.now(), REGISTRATION, account);
    }

    /// Takes the registration back.
    pub(super) fn unregister(&mut self) {
        self.endpoint.unregister(self.clock.now(), REGISTRATION);
    }

    /// Dials `to` as `from`.
    pub(super) fn dial(&mut self, from: &str, to: &str, offer: Bytes) -> LegId {
        self.next_leg += 1;
        let leg = LegId {
            origin: Origin::Outbound,
            number: self.next_leg,
        };
        let target = Uri::at(Some(to), self.flow.peer);
        let invite = OutgoingInvite::new(target, self.flow, from, offer);
        self.say(SessionCommand::Invite {
            leg,
            invite: Box::new(invite),
        });
        leg
    }

    /// Commands a session.
    pub(super) fn say(&mut self, command: SessionCommand) {
        self.endpoint.handle_command(self.clock.now(), command);
    }

    /// Carries packets until there is something to say. May be dropped at any await.
    pub(super) async fn ring(&mut self) -> Ring {
        loop {
            while let Some(packet) = self.endpoint.poll_transmit() {
                // What a full socket refuses is sent again by its transaction.
                let _lost = self.socket.try_send_to(&packet.bytes, packet.flow.peer);
            }
            if let Some(event) = self.endpoint.poll_registration() {
                return Ring::Registration(event);
            }
            match self.endpoint.poll_event() {
                Some(EndpointEvent::Session(event)) => return Ring::Session(event),
                Some(
                    EndpointEvent::Registered { .. }
                    | EndpointEvent::Unregistered { .. }
                    | EndpointEvent::Silent { .. }
                    | EndpointEvent::Heard { .. }
                    | EndpointEvent::Probed { .. }
                    | EndpointEvent::Noted(_),
                ) => continue,
                None => {}
            }
            self.carry().await;
        }
    }

    /// Waits for one packet or the next timer.
    async fn carry(&mut self) {
        let now = self.clock.now();
        let due = self.endpoint.poll_timeout().map(|wakeup| wakeup.at);
        let patience = due.map_or(EXPIRES, |at| at.since(now.mono));
        tokio::select! {
            received = self.socket.recv_from(&mut self.buffer) => {
                // An ICMP error of an earlier packet shows up here and means nothing.
                let Ok((length, peer)) = received else { return };
                let bytes = self.buffer.get(..length).unwrap_or_default();
                let flow = Flow { peer, ..self.flow };
                self.endpoint.handle_packet(self.clock.now(), flow, bytes);
            }
            () = tokio::time::sleep(patience) => {
                self.endpoint.handle_timeout(self.clock.now());
            }
        }
    }
}

fn config(flow: Flow) -> EndpointConfig {
    EndpointConfig {
        domain: flow.local.ip().to_string(),
        advertise: None,
        local_nets: Vec::new(),
        digest: vec![Algorithm::Md5],
        strangers_rate: 50,
        strangers_burst: 200,
        strangers_trusted: Vec::new(),
        registrations: 1,
        expires: limits::REGISTRATION,
    }
}
