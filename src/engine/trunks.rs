//! The carriers, as the engine keeps them: what they need is sent and asked, what they bear is counted.

use super::engine::{Asked, Engine};
use super::floor;
use super::output::Question;
use crate::call::message::Way;
use crate::dialplan::plan::{Server, Trunk};
use crate::limits;
use crate::net::Net;
use crate::sip::endpoint::{DigestAccount, SessionRules, TrunkEntry};
use crate::sip::resolve::Wanted;
use crate::sip::session::{SessionCommand, SessionEvent};
use crate::sip::trunk::{Registering, TrunkEffect, TrunkRules, uri_of};
use crate::time::Now;

impl Engine {
    /// Makes the carriers those of the live plan.
    pub(super) fn apply_trunks(&mut self, now: Now) {
        let via = self.plan.outbound.iter().flat_map(|outbound| &outbound.via);
        let via: Vec<_> = via.collect();
        let trunks = self.plan.trunks.values();
        let rules = trunks.map(|trunk| rules(trunk, via.contains(&&trunk.name)));
        self.trunks.set(now.mono, rules.collect());
    }

    /// Carries between the carriers and the endpoint until neither has anything to say; false when
    /// neither had.
    pub(super) fn carry_trunks(&mut self, now: Now) -> bool {
        let mut had = false;
        while let Some(event) = self.endpoint.poll_registration() {
            self.trunks.handle_registration(now.mono, event);
            had = true;
        }
        while let Some(effect) = self.trunks.poll_effect() {
            self.apply_trunk(now, effect);
            had = true;
        }
        had
    }

    fn apply_trunk(&mut self, now: Now, effect: TrunkEffect) {
        match effect {
            TrunkEffect::Ask(query) => {
                let question = Question::Records {
                    name: query.name.clone(),
                    kind: query.kind,
                };
                self.ask(Asked::Records(query), question);
            }
            TrunkEffect::Connect {
                target,
                server_name,
            } => {
                let question = Question::Connect {
                    transport: target.transport,
                    peer: target.address,
                    server_name,
                };
                self.ask(Asked::Connect(target), question);
            }
            TrunkEffect::Probe { id, flow, uri } => self.endpoint.probe(now, id, flow, uri),
            TrunkEffect::Register {
                id,
                account,
                registrar,
                contact_user,
            } => self
                .endpoint
                .register_with(now, id, *account, registrar, &contact_user),
            TrunkEffect::Refresh(id) => self.endpoint.refresh_registration(now, id),
            TrunkEffect::Forget(id) => self.endpoint.forget_registration(id),
            TrunkEffect::Unregister(id) => self.endpoint.unregister(now, id),
            TrunkEffect::Moved => {
                let trunks = self.trunk_entries();
                self.endpoint.set_trunks(trunks);
            }
            TrunkEffect::State { trunk, up, why } => self.tell_trunk(now, &trunk, up, &why),
        }
    }

    /// Tells SIP whom we know, the carriers at the addresses that their names lead to now.
    pub(super) fn apply_directory(&mut self) {
        let realm = &self.settings.endpoint.domain;
        let directory = floor::directory(&self.plan, realm, self.trunk_entries());
        self.endpoint.set_directory(directory);
    }

    fn trunk_entries(&self) -> Vec<TrunkEntry> {
        let trunks = self.plan.trunks.values();
        trunks.map(|trunk| self.entry(trunk)).collect()
    }

    fn entry(&self, trunk: &Trunk) -> TrunkEntry {
        let written = trunk.peers.iter().map(|peer| (peer.net, peer.port));
        let mut peers: Vec<_> = written.collect();
        for address in self.trunks.addresses(&trunk.name) {
            let whole = (Net::single(address.to_canonical()), None);
            // What is written for another carrier is that one's.
            let others = self.plan.trunks.values().filter(|it| it.name != trunk.name);
            let taken = others
                .flat_map(|it| &it.peers)
                .any(|it| it.net.contains(address));
            if !taken && !peers.contains(&whole) {
                peers.push(whole);
            }
        }
        let account = trunk.register.as_ref().and_then(|register| {
            let password = register.password.as_ref()?;
            Some(DigestAccount {
                user: register.user.clone(),
                password: password.reveal().to_owned(),
            })
        });
        TrunkEntry {
            name: trunk.name.clone(),
            peers,
            contact_user: self.trunks.contact_user(&trunk.name).map(str::to_owned),
            domain: self.trunks.registrar(&trunk.name).map(str::to_owned),
            account,
            rules: SessionRules {
                rel100: trunk.rel100,
                session_timer: trunk.session_timer,
            },
        }
    }

    /// The ways to a number outside, the best first.
    pub(super) fn ways(&mut self, now: Now, number: &str) -> Vec<Way> {
        let Some(outbound) = &self.plan.outbound else {
            return Vec::new();
        };
        let emergency = outbound.emergency.iter().any(|it| it == number);
        let ways = self.trunks.ways(now.mono, &outbound.via, emergency);
        let ways = ways.into_iter().take(limits::WAYS_OUT).map(|way| Way {
            uri: uri_of(Some(number), &way.server),
            trunk: way.trunk,
            flow: way.flow,
        });
        ways.collect()
    }

    /// Lets the carriers see what a call says to its sessions.
    pub(super) fn watch_command(&mut self, now: Now, command: &SessionCommand) {
        match command {
            SessionCommand::Invite { leg, invite } => {
                if let Some(trunk) = &invite.trunk {
                    self.trunks.invited(now.mono, *leg, trunk, &invite.flow);
                }
            }
            SessionCommand::HangUp { leg, .. } => self.trunks.hung_up(now.mono, *leg),
            SessionCommand::Progress { .. }
            | SessionCommand::Accept { .. }
            | SessionCommand::Reject { .. }
            | SessionCommand::RejectOffer { .. }
            | SessionCommand::ConfirmBye { .. }
            | SessionCommand::AnswerReoffer { .. }
            | SessionCommand::Reoffer { .. }
            | SessionCommand::AnswerRefer { .. }
            | SessionCommand::ReferProgress { .. } => {}
        }
    }

    /// Lets the carriers see what their servers answer.
    pub(super) fn watch_event(&mut self, now: Now, event: &SessionEvent) {
        match event {
            SessionEvent::Progress { leg, code, .. } | SessionEvent::Rejected { leg, code, .. } => {
                self.trunks.answered(now.mono, *leg, *code);
            }
            SessionEvent::Answered { leg, .. } => self.trunks.answered(now.mono, *leg, 200),
            SessionEvent::Closed { leg } => self.trunks.closed(*leg),
            SessionEvent::Incoming { .. }
            | SessionEvent::Cancelled { .. }
            | SessionEvent::Confirmed { .. }
            | SessionEvent::Reoffer { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Refer { .. }
            | SessionEvent::Digit { .. }
            | SessionEvent::Bye { .. }
            | SessionEvent::Failed { .. } => {}
        }
    }
}

/// What the carriers' machine needs of a trunk; `dialled` says that calls go out by it.
fn rules(trunk: &Trunk, dialled: bool) -> TrunkRules {
    let wanted = |server: &Server| Wanted {
        server: server.clone(),
        transport: trunk.transport,
    };
    let register = trunk.register.as_ref().and_then(|register| {
        Some(Registering {
            servers: register.servers.iter().map(wanted).collect(),
            user: register.user.clone(),
            password: register.password.as_ref()?.reveal().to_owned(),
            expires: register.expires,
        })
    });
    TrunkRules {
        name: trunk.name.clone(),
        servers: servers_of(trunk, dialled).iter().map(wanted).collect(),
        register,
        keepalive: trunk.keepalive,
        max_calls: trunk.max_calls,
        calls_per_second: trunk.calls_per_second,
    }
}

/// Where calls out go: to `servers`, else to the registrars, else to the first single peer. A peer that
/// is neither dialled nor asked whether it is there needs no way to it.
fn servers_of(trunk: &Trunk, dialled: bool) -> Vec<Server> {
    if !trunk.servers.is_empty() {
        return trunk.servers.clone();
    }
    if let Some(register) = &trunk.register {
        return register.servers.clone();
    }
    if !dialled && trunk.keepalive.is_none() {
        return Vec::new();
    }
    let single = trunk.peers.iter().find_map(|peer| {
        Some(Server {
            host: peer.net.only()?.to_string(),
            port: peer.port,
        })
    });
    single.into_iter().collect()
}
