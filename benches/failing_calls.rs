//! Calls that fail, each cut at another stage, and what is left of them: a hundred thousand in virtual
//! time, then thousands against the whole server over loopback, with moody phones.
//!
//! `cargo bench --bench failing_calls [calls in virtual time [calls over loopback]]`
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use strowger::sim::phone::Temper;

#[path = "../tests/sim/cuts.rs"]
mod cuts;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/sim/day.rs"]
mod day;
mod exchange;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/sim/hall.rs"]
mod hall;
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../tests/sim/soak.rs"]
mod soak;

use cuts::Cutter;
use exchange::{CARRIER, Exchange, open_files, resident, value};
use soak::Soak;

const PHONES: u32 = 24;
/// Calls a second over loopback.
const RATE: u32 = 40;
/// Transactions, queues and silent talks are over within this after the last call.
const REST: Duration = Duration::from_secs(90);

fn main() {
    let mut counts = std::env::args().filter_map(|arg| arg.parse().ok());
    in_virtual_time(counts.next().unwrap_or(100_000));
    over_loopback(counts.next().unwrap_or(4_000));
}

fn in_virtual_time(calls: u32) {
    let mut soak = Soak::new(1, 10_000);
    let gap = Duration::from_millis(100);
    let mut done = 0;
    for part in [calls / 10, calls - calls / 10] {
        soak.run(part, gap, Duration::from_secs(600));
        done += part;
        println!("{done} calls in virtual time: {} kB resident", resident());
    }
    soak.finish();
    let view = soak.world.engine().view();
    let (live, ports) = (view.live, soak.world.sound().open());
    println!(
        "left: {} calls, {} legs, {} tickets, {} held packets, {} questions, {ports} ports, {live:?}",
        view.calls_kept, view.legs, view.tickets, view.held, view.questions
    );
    println!(
        "{:?} {:?}",
        soak.world.watch.outcomes(),
        soak.world.watch.reasons()
    );
}

fn over_loopback(calls: u32) {
    let moody = Temper {
        declines: 150,
        silent: 150,
        regrets: 150,
        vanishes: 50,
        answer_within: Duration::from_secs(3),
        talk_within: Duration::from_secs(5),
    };
    let exchange = Exchange::start(PHONES, moody);
    // The first calls open what stays open: the database's files, the recorder's, the threads' heaps.
    Carrier::new(&exchange, 1).run(&exchange, calls.min(400), REST);
    let mut carrier = Carrier::new(&exchange, 2);
    let (files, memory) = (open_files(), resident());
    println!(
        "{calls} calls over loopback, {RATE}/s, after {} to warm up",
        calls.min(400)
    );
    carrier.run(&exchange, calls, REST);
    // Counted before the page is asked for, whose connection would be one more.
    let (after, page) = (open_files(), exchange.metrics());
    println!(
        "open files and sockets {} before, {} after; resident {memory} kB before, {} kB after",
        files.len(),
        after.len(),
        resident()
    );
    println!(
        "offered {}, ended {}, active {}; unanswered {}; {:?}",
        value(&page, "strowger_calls_offered_total"),
        value(&page, "strowger_calls_total"),
        value(&page, "strowger_calls_active"),
        carrier.cutter.unanswered(),
        carrier.cutter.tally
    );
    assert_eq!(after, files);
    let (offered, ended) = ("strowger_calls_offered_total", "strowger_calls_total");
    assert!((value(&page, offered) - value(&page, ended)).abs() < 0.5);
}

/// The cutter behind a real socket.
struct Carrier {
    socket: UdpSocket,
    cutter: Cutter,
}

impl Carrier {
    fn new(exchange: &Exchange, seed: u8) -> Self {
        let socket = UdpSocket::bind((CARRIER, 0)).unwrap();
        let wait = Some(Duration::from_millis(2));
        socket.set_read_timeout(wait).unwrap();
        let numbers = ["0800301231", "0800301232"];
        let local = socket.local_addr().unwrap();
        let cutter = Cutter::new(local, exchange.sip, &numbers, seed);
        Self { socket, cutter }
    }

    fn run(&mut self, exchange: &Exchange, calls: u32, rest: Duration) {
        let clock = exchange.clock;
        let begin = clock.now().mono;
        let gap = Duration::from_secs(1) / RATE;
        let end = begin + gap * calls + rest;
        let (mut dialled, mut buffer) = (0, vec![0; 65_536]);
        while clock.now().mono < end {
            let now = clock.now().mono;
            while dialled < calls && begin + gap * dialled <= now {
                self.cutter.dial(dialled, Duration::from_secs(12));
                dialled += 1;
            }
            self.cutter.handle_timeout(now);
            while let Some(bytes) = self.cutter.poll_transmit() {
                let _full = self.socket.send_to(&bytes, exchange.sip);
            }
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                self.cutter.handle_packet(clock.now().mono, &bytes);
            }
        }
    }
}
