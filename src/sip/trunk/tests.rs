//! Carriers in virtual time: the machine of trunks alone, with a world that answers for the network.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::id::{FlowId, LegId, Origin};
use crate::rng::Rng;
use crate::sip::registration::RegistrationEvent;
use crate::sip::resolve::{DnsRecord, RecordData, RecordKind};
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// What a server does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Well,
    Dead,
    Says(u16),
}

struct World {
    trunks: Trunks,
    now: Instant,
    moods: BTreeMap<SocketAddr, Mood>,
    /// What happened, with whole seconds.
    told: Vec<String>,
    /// REGISTERs: when, to whom, by which Contact.
    registers: Vec<(Duration, SocketAddr, String)>,
    accounts: BTreeMap<RegistrationId, (SocketAddr, String)>,
    probes: Vec<(Duration, SocketAddr)>,
    granted: Duration,
    legs: u64,
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::new([192, 0, 2, last].into(), 5060)
}

fn server(host: &str) -> Wanted {
    Wanted {
        server: Server {
            host: host.to_owned(),
            port: None,
        },
        transport: Some(Transport::Udp),
    }
}

fn rules(servers: &[&str]) -> TrunkRules {
    TrunkRules {
        name: TrunkName::from("carrier"),
        servers: servers.iter().map(|host| server(host)).collect(),
        register: None,
        keepalive: None,
        max_calls: None,
        calls_per_second: None,
    }
}

fn registering(servers: &[&str]) -> TrunkRules {
    TrunkRules {
        register: Some(Registering {
            servers: servers.iter().map(|host| server(host)).collect(),
            user: "100200".to_owned(),
            password: "secret".to_owned(),
            expires: 3600 * SECOND,
        }),
        ..rules(servers)
    }
}

impl World {
    fn new(rules: TrunkRules) -> Self {
        let mut world = Self {
            trunks: Trunks::new(Rng::new([5; 32])),
            now: Instant::START + SECOND,
            moods: BTreeMap::new(),
            told: Vec::new(),
            registers: Vec::new(),
            accounts: BTreeMap::new(),
            probes: Vec::new(),
            granted: 1000 * SECOND,
            legs: 0,
        };
        world.trunks.set(world.now, vec![rules]);
        world
    }

    fn mood(&self, at: SocketAddr) -> Mood {
        self.moods.get(&at).copied().unwrap_or(Mood::Well)
    }

    fn set(&mut self, last: u8, mood: Mood) {
        self.moods.insert(address(last), mood);
    }

    fn since(&self) -> Duration {
        self.now.since(Instant::START)
    }

    fn carry(&mut self) {
        while let Some(effect) = self.trunks.poll_effect() {
            self.apply(effect);
        }
    }

    fn apply(&mut self, effect: TrunkEffect) {
        let now = self.now;
        match effect {
            TrunkEffect::Ask(query) => {
                let last = query.name.trim_start_matches(|c: char| !c.is_ascii_digit());
                let last = last
                    .split('.')
                    .next()
                    .and_then(|last| last.parse::<u8>().ok());
                let records = match (query.kind, last) {
                    (RecordKind::Address, Some(last)) => vec![DnsRecord {
                        ttl: 600 * SECOND,
                        data: RecordData::Address(address(last).ip()),
                    }],
                    _ => Vec::new(),
                };
                self.trunks.handle_records(now, &query, Ok(records));
            }
            TrunkEffect::Connect { target, .. } => {
                let broken =
                    target.transport == Transport::Tcp && self.mood(target.address) == Mood::Dead;
                let flow = Flow {
                    id: FlowId(u64::from(target.address.port()) + self.legs),
                    transport: target.transport,
                    local: address(200),
                    peer: target.address,
                };
                let way = if broken {
                    Err("refused".to_owned())
                } else {
                    Ok(flow)
                };
                self.trunks.handle_connected(now, &target, way);
            }
            TrunkEffect::Probe { id, flow, uri } => {
                assert!(uri.user().is_none() && !uri.host_text().is_empty());
                self.probes.push((self.since(), flow.peer));
                match self.mood(flow.peer) {
                    Mood::Well => self.trunks.handle_probed(now, id, Some(200)),
                    Mood::Says(code) => self.trunks.handle_probed(now, id, Some(code)),
                    Mood::Dead => {}
                }
            }
            TrunkEffect::Register {
                id,
                account,
                contact_user,
                registrar,
            } => {
                assert_eq!(registrar.host_text(), account.domain);
                self.accounts.insert(id, (account.flow.peer, contact_user));
                self.answer_register(id);
            }
            TrunkEffect::Refresh(id) => self.answer_register(id),
            TrunkEffect::Forget(id) | TrunkEffect::Unregister(id) => {
                self.accounts.remove(&id);
            }
            TrunkEffect::Moved => {}
            TrunkEffect::State { up, why, .. } => {
                let word = if up { "up" } else { "down" };
                let at = self.since().as_secs();
                self.told.push(format!("{at} {word}: {why}"));
            }
        }
    }

    fn answer_register(&mut self, id: RegistrationId) {
        let (peer, contact) = self.accounts[&id].clone();
        self.registers.push((self.since(), peer, contact));
        let event = match self.mood(peer) {
            Mood::Well => RegistrationEvent::Registered(id, self.granted),
            Mood::Says(code) => RegistrationEvent::Failed(id, code),
            Mood::Dead => return,
        };
        self.trunks.handle_registration(self.now, event);
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.carry();
        while let Some(due) = self.trunks.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.trunks.handle_timeout(self.now);
            self.carry();
        }
        self.now = end;
    }

    fn ways(&mut self) -> Vec<SocketAddr> {
        let via = [TrunkName::from("carrier")];
        let ways = self.trunks.ways(self.now, &via, false);
        ways.iter().map(|way| way.flow.peer).collect()
    }

    /// A call out to the first way, and what the server says of it.
    fn call(&mut self, status: u16) -> LegId {
        self.legs += 1;
        let leg = LegId {
            origin: Origin::Outbound,
            number: self.legs,
        };
        let name = TrunkName::from("carrier");
        let way = self
            .trunks
            .ways(self.now, std::slice::from_ref(&name), true);
        self.trunks.invited(self.now, leg, &name, &way[0].flow);
        self.trunks.answered(self.now, leg, status);
        self.carry();
        leg
    }

    fn last_register(&self) -> (Duration, SocketAddr) {
        let (at, peer, _) = self.registers.last().unwrap();
        (*at, *peer)
    }
}

#[test]
fn a_registration_is_refreshed_at_four_fifths_under_a_contact_nobody_can_guess() {
    let mut world = World::new(registering(&["sip1.example"]));
    world.run(SECOND);
    assert_eq!(world.told, ["1 up: it registered us"]);
    world.run(798 * SECOND);
    assert_eq!(world.registers.len(), 1);
    world.run(SECOND);
    assert_eq!(world.last_register().0.as_secs(), 801);
    world.run(10_000 * SECOND);
    assert_eq!(world.told.len(), 1, "a refresh is no news");
    let contacts: std::collections::BTreeSet<_> = world
        .registers
        .iter()
        .map(|(.., contact)| contact)
        .collect();
    assert_eq!(contacts.len(), 1, "one Contact for the life of the process");
    let contact = contacts.first().unwrap();
    assert!(
        contact.len() >= 20 && !contact.contains("100200"),
        "{contact}"
    );
    let name = TrunkName::from("carrier");
    assert_eq!(world.trunks.contact_user(&name), Some(contact.as_str()));
    assert_ne!(
        World::new(registering(&["sip1.example"]))
            .trunks
            .contact_user(&name),
        None
    );
}

#[test]
fn a_silent_registrar_is_left_for_the_next_and_never_given_up() {
    let mut world = World::new(registering(&["sip1.example", "sip2.example"]));
    world.set(1, Mood::Dead);
    world.run(11 * SECOND);
    assert_eq!(world.last_register().1, address(2));
    assert_eq!(world.told, ["11 up: it registered us"]);

    // Both die: the refresh fails, the round fails, and it goes on for ever, more and more slowly.
    world.set(2, Mood::Dead);
    world.run(850 * SECOND);
    assert_eq!(world.told.len(), 2, "{:?}", world.told);
    assert!(
        world.told[1].contains("does not answer REGISTER"),
        "{:?}",
        world.told
    );
    let before = world.registers.len();
    world.run(24 * 3600 * SECOND);
    let tries = world.registers.len() - before;
    assert!(
        (2 * 24 * 3600 / 140..2 * 24 * 3600 / 60).contains(&tries),
        "{tries} tries"
    );
    // No two exchanges come back in step: the waits differ.
    let rounds = world
        .registers
        .iter()
        .filter(|(_, peer, _)| *peer == address(1));
    let at: Vec<_> = rounds.map(|(at, ..)| *at).collect();
    let gaps: Vec<_> = at
        .windows(2)
        .rev()
        .take(6)
        .map(|two| two[1] - two[0])
        .collect();
    assert!(gaps.windows(2).all(|two| two[0] != two[1]), "{gaps:?}");

    world.set(1, Mood::Well);
    world.run(160 * SECOND);
    assert_eq!(world.told.len(), 3, "{:?}", world.told);
    assert!(world.told[2].ends_with("up: it registered us"));
    assert_eq!(world.ways()[0], address(1));
}

#[test]
fn a_refusal_is_told_and_tried_again_slowly() {
    let mut world = World::new(registering(&["sip1.example"]));
    world.set(1, Mood::Says(403));
    world.run(SECOND);
    assert_eq!(
        world.told,
        ["1 down: sip1.example refused the registration with 403"]
    );
    assert!(
        world.ways().is_empty(),
        "an unregistered trunk has no way out"
    );
    world.run(3600 * SECOND);
    let tries = world.registers.len();
    assert!((12..=25).contains(&tries), "{tries} tries in an hour");
    world.set(1, Mood::Well);
    world.run(300 * SECOND);
    assert_eq!(world.told.len(), 2);
    assert_eq!(world.ways(), [address(1)]);
}

#[test]
fn a_registrar_that_grants_next_to_nothing_refuses_us() {
    // RFC 3261 10.2.4
    for seconds in [0, 1, 5] {
        let mut world = World::new(registering(&["sip1.example"]));
        world.granted = Duration::from_secs(seconds);
        world.run(3600 * SECOND);
        assert_eq!(
            world.told,
            [format!("1 down: sip1.example grants {seconds} s only")]
        );
        assert!(world.ways().is_empty());
        let tries = world.registers.len();
        assert!((12..=25).contains(&tries), "{tries} tries in an hour");
        world.granted = 6 * SECOND;
        world.run(360 * SECOND);
        assert_eq!(world.told.len(), 2, "{:?}", world.told);
        let times: Vec<_> = world.registers.iter().map(|(at, ..)| *at).collect();
        assert!(times.len() > tries + 10);
        assert!(times.windows(2).all(|two| two[1] - two[0] >= 5 * SECOND));
    }
}

#[test]
fn options_find_a_dead_server_and_its_return() {
    let mut one = rules(&["s1.example", "s2.example"]);
    one.keepalive = Some(30 * SECOND);
    let mut world = World::new(one);
    world.run(SECOND);
    assert_eq!(world.told, ["1 up: it answers"]);
    assert_eq!(world.ways(), [address(1), address(2)]);
    world.run(65 * SECOND);
    let count = world
        .probes
        .iter()
        .filter(|(_, peer)| *peer == address(1))
        .count();
    assert_eq!(
        count, 3,
        "one at once, then every half a minute or so: {:?}",
        world.probes
    );

    world.set(1, Mood::Dead);
    world.run(110 * SECOND);
    assert_eq!(world.ways(), [address(2)]);
    assert_eq!(world.told.len(), 1, "the other one answers");
    // Any answer but 503 means alive.
    world.set(1, Mood::Says(405));
    world.run(11 * SECOND);
    assert_eq!(world.ways(), [address(1), address(2)]);

    world.set(1, Mood::Says(503));
    world.set(2, Mood::Dead);
    world.run(110 * SECOND);
    assert_eq!(world.told.len(), 2);
    assert!(world.told[1].ends_with("down: none of its servers answers"));
    assert!(world.ways().is_empty());
    let via = [TrunkName::from("carrier")];
    let emergency = world.trunks.ways(world.now, &via, true);
    assert_eq!(emergency.len(), 2, "a call for help tries all the same");
    world.set(2, Mood::Says(404));
    world.run(11 * SECOND);
    assert!(world.told[2].ends_with("up: it answers"));
    assert_eq!(world.ways(), [address(2)]);
}

#[test]
fn calls_tell_of_a_server_too_and_without_options_time_brings_it_back() {
    let mut world = World::new(rules(&["s1.example", "s2.example"]));
    world.run(SECOND);
    assert!(
        world.told.is_empty(),
        "one that is not asked is taken for there, in silence"
    );
    world.call(503);
    world.call(503);
    world.call(486);
    world.call(503);
    world.call(408);
    assert_eq!(
        world.ways().len(),
        2,
        "a 486 came between: not three in a row"
    );
    world.call(503);
    assert_eq!(world.ways(), [address(2)], "the third in a row");
    world.run(10 * SECOND);
    assert_eq!(world.ways(), [address(1), address(2)]);
    world.call(503);
    assert_eq!(
        world.ways(),
        [address(2)],
        "half open, one failure is enough"
    );
    world.run(20 * SECOND);
    world.call(180);
    assert_eq!(world.ways().len(), 2);
}

#[test]
fn an_attempt_that_is_given_up_after_four_silent_seconds_counts_as_a_failure() {
    let mut world = World::new(rules(&["s1.example", "s2.example"]));
    world.run(SECOND);
    let name = TrunkName::from("carrier");
    for number in 0..3 {
        let leg = LegId {
            origin: Origin::Outbound,
            number,
        };
        let via = std::slice::from_ref(&name);
        let way = world.trunks.ways(world.now, via, false).remove(0);
        assert_eq!(way.flow.peer, address(1));
        world.trunks.invited(world.now, leg, &name, &way.flow);
        world.run(4 * SECOND);
        world.trunks.hung_up(world.now, leg);
        world.trunks.closed(leg);
    }
    assert_eq!(world.ways(), [address(2)]);
}

#[test]
fn limits_hold_for_calls_both_ways() {
    let mut one = rules(&["s1.example"]);
    one.max_calls = Some(3);
    one.calls_per_second = Some(2);
    let mut world = World::new(one);
    world.run(SECOND);
    let name = TrunkName::from("carrier");
    let inbound = |number| LegId {
        origin: Origin::Inbound,
        number,
    };
    assert!(world.trunks.admit(world.now, &name, inbound(1)));
    let out = world.call(200);
    assert!(
        !world.trunks.admit(world.now, &name, inbound(2)),
        "two a second"
    );
    assert!(world.ways().is_empty(), "outward too");
    world.run(SECOND);
    assert!(world.trunks.admit(world.now, &name, inbound(3)));
    world.run(10 * SECOND);
    assert!(
        !world.trunks.admit(world.now, &name, inbound(4)),
        "three at once"
    );
    world.trunks.closed(out);
    world.trunks.closed(out);
    assert!(world.trunks.admit(world.now, &name, inbound(5)));
    assert!(!world.trunks.admit(world.now, &name, inbound(6)));
}

#[test]
fn a_lost_connection_is_made_anew_and_we_register_over_it() {
    let mut one = registering(&["s1.example"]);
    for wanted in one
        .servers
        .iter_mut()
        .chain(&mut one.register.as_mut().unwrap().servers)
    {
        wanted.transport = Some(Transport::Tcp);
    }
    let mut world = World::new(one);
    world.run(SECOND);
    assert_eq!(world.ways(), [address(1)]);
    let flow = world.trunks.flows().next().unwrap();
    world.trunks.handle_flow_down(world.now, flow);
    world.carry();
    assert!(world.ways().is_empty(), "no way without a connection");
    world.run(2 * SECOND);
    assert_eq!(world.ways(), [address(1)]);
    // RFC 5626 4.4.1: the flow is what the registrar knows us by.
    assert_eq!(world.registers.len(), 2);

    world.set(1, Mood::Dead);
    let flow = world.trunks.flows().next().unwrap();
    world.trunks.handle_flow_down(world.now, flow);
    world.run(600 * SECOND);
    assert!(
        world.told.last().unwrap().contains("down"),
        "{:?}",
        world.told
    );
    world.set(1, Mood::Well);
    world.run(130 * SECOND);
    assert!(
        world.told.last().unwrap().contains("up"),
        "{:?}",
        world.told
    );
}

#[test]
fn a_new_plan_keeps_what_it_did_not_change_and_takes_back_what_it_did() {
    let mut world = World::new(registering(&["sip1.example"]));
    world.run(SECOND);
    let mut same = registering(&["sip1.example"]);
    same.max_calls = Some(7);
    world.trunks.set(world.now, vec![same]);
    world.run(SECOND);
    assert_eq!(world.registers.len(), 1);
    assert_eq!(world.accounts.len(), 1);

    let mut other = registering(&["sip1.example"]);
    other.register.as_mut().unwrap().user = "300400".to_owned();
    world.trunks.set(world.now, vec![other]);
    world.run(SECOND);
    assert_eq!(
        world.registers.len(),
        2,
        "another account registers at once"
    );
    assert_eq!(world.accounts.len(), 1, "and the former one is taken back");

    world.trunks.set(world.now, Vec::new());
    world.run(3600 * SECOND);
    assert!(world.accounts.is_empty() && world.trunks.poll_timeout().is_none());
}

#[test]
fn a_registrar_that_answers_options_again_is_registered_with_at_once() {
    let mut one = registering(&["sip1.example"]);
    one.keepalive = Some(30 * SECOND);
    let mut world = World::new(one);
    world.set(1, Mood::Dead);
    world.run(3600 * SECOND);
    world.set(1, Mood::Well);
    world.run(12 * SECOND);
    let back = world.told.last().unwrap();
    assert!(back.ends_with("up: it registered us"), "{:?}", world.told);
}

#[test]
fn a_new_plan_that_asks_for_options_has_them_sent_to_servers_that_stand() {
    let mut world = World::new(rules(&["s1.example"]));
    world.run(60 * SECOND);
    assert!(world.probes.is_empty());
    let mut asked = rules(&["s1.example"]);
    asked.keepalive = Some(30 * SECOND);
    world.trunks.set(world.now, vec![asked]);
    world.run(45 * SECOND);
    assert_eq!(world.probes.len(), 2, "{:?}", world.probes);
    world.trunks.set(world.now, vec![rules(&["s1.example"])]);
    world.run(60 * SECOND);
    assert_eq!(world.probes.len(), 2, "{:?}", world.probes);
}
