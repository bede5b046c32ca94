//! Thousands of calls that fail, each cut at another stage, with phones that decline, vanish and let it
//! ring: at the end nothing is left of them.

use std::net::{Ipv4Addr, SocketAddr};

use strowger::engine::input::Input;
use strowger::id::FlowId;
use strowger::rng::Rng;
use strowger::sim::load::account;
use strowger::sim::network::Quality;
use strowger::sim::party::Cue;
use strowger::sim::phone::{Phone, Temper};
use strowger::sim::world::{SERVER, World};
use strowger::sip::endpoint::Live;
use strowger::sip::flow::{Flow, Transport};
use strowger::time::{Duration, Instant};

use crate::cuts::{Cut, Cutter};
use crate::hall::{carrier, clinic, settings};

/// How far the clock goes between two looks at the mail.
const LOOK: Duration = Duration::from_millis(20);

/// A world full of failing calls.
pub struct Soak {
    pub world: World,
    pub cutter: Cutter,
    phones: Vec<usize>,
    dialled: u32,
}

impl Soak {
    pub fn new(seed: u64, ports: usize) -> Self {
        let plan = clinic(24);
        let mut settings = settings(plan.clone(), seed);
        settings.network = Quality::LOSSY;
        settings.ports = ports;
        settings.keep_events = false;
        settings.inspect_every = 256;
        let mut world = World::new(settings);
        let mut rng = Rng::new([u8::try_from(seed).unwrap(); 32]);
        let temper = Temper {
            declines: 150,
            silent: 150,
            regrets: 150,
            vanishes: 50,
            answer_within: Duration::from_secs(8),
            talk_within: Duration::from_secs(20),
        };
        let mut phones = Vec::new();
        for (operator, n) in plan.operators.values().zip(1_u32..) {
            let account = account(operator.name.as_str(), operator.password.as_ref());
            let address = SocketAddr::new(Ipv4Addr::from(0x0a00_0000 + n).into(), 5060);
            let phone = Phone::new(temper, [], rng.fork());
            phones.push(world.phone(address, account, phone));
        }
        world.keep_mail(carrier());
        let numbers = ["0800301231", "0800301232", "0800301233"];
        let seed = u8::try_from(seed).unwrap();
        let cutter = Cutter::new(carrier(), SERVER, &numbers, seed);
        Self {
            world,
            cutter,
            phones,
            dialled: 0,
        }
    }

    /// Places so many more calls with this gap, and lets the cuts happen until `rest` after the last.
    pub fn run(&mut self, calls: u32, gap: Duration, rest: Duration) {
        self.world
            .run_until(Instant::START + Duration::from_secs(10));
        let begin = self.world.now().mono;
        let end = begin + gap * calls + rest;
        let mut dialled = 0;
        while self.world.now().mono < end {
            let now = self.world.now().mono + LOOK;
            self.world.run_until(now);
            while dialled < calls && begin + gap * dialled <= now {
                self.cutter.dial(self.dialled, Duration::from_secs(40));
                self.dialled += 1;
                dialled += 1;
            }
            self.cutter.handle_timeout(now);
            while let Some(bytes) = self.world.poll_mail(carrier()) {
                self.cutter.handle_packet(now, &bytes);
            }
            while let Some(bytes) = self.cutter.poll_transmit() {
                let flow = Flow {
                    id: FlowId(1),
                    transport: Transport::Udp,
                    local: SERVER,
                    peer: carrier(),
                };
                let bytes = &bytes;
                self.world.tell(Input::Sip { flow, bytes });
            }
        }
    }

    /// Looks whether anything is left; then the phones leave too, and not even a clock may be set.
    pub fn finish(&mut self) {
        self.world.finish();
        assert_eq!(self.world.watch.broken, Vec::<String>::new());
        let view = self.world.engine().view();
        assert_eq!((view.calls_kept, view.legs, view.tickets), (0, 0, 0));
        assert_eq!((view.held, view.questions, view.faults), (0, 0, 0));
        assert_eq!(view.live, Live::default());
        assert_eq!(
            (self.world.sound().open(), self.world.sound().recordings()),
            (0, 0)
        );
        let now = self.world.now().mono;
        for phone in &self.phones {
            self.world.cue(*phone, now, Cue::Vanish);
        }
        self.world.run_until(now + Duration::from_secs(3_600));
        let due = self.world.engine().poll_timeout();
        assert!(due.is_none(), "a clock is still set: {due:?}");
    }
}

const REST: Duration = Duration::from_secs(600);

#[test]
fn calls_cut_at_every_stage_leave_nothing() {
    let mut soak = Soak::new(1, 10_000);
    soak.run(2_600, Duration::from_millis(200), REST);
    soak.finish();
    let tally = &soak.cutter.tally;
    let seen = |cut: Cut| {
        tally
            .iter()
            .any(|((it, _), count)| *it == cut && *count > 20)
    };
    for cut in Cut::ALL {
        assert!(seen(cut), "{cut:?} was never answered: {tally:?}");
    }
    assert_eq!(soak.cutter.unanswered(), 0);
}

#[test]
fn calls_cut_at_every_stage_where_ports_are_short_leave_nothing() {
    let mut soak = Soak::new(2, 20);
    soak.run(1_300, Duration::from_millis(200), REST);
    soak.finish();
    let refused = soak
        .cutter
        .tally
        .iter()
        .filter(|((_, status), _)| *status == 503);
    let refused = refused.map(|(_, count)| count).sum::<u32>();
    assert!(refused > 200, "{refused}: {:?}", soak.cutter.tally);
}
