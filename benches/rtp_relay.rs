//! What relaying a packet costs, as a ratio to a forwarder that does nothing but receive and send.
//!
//! `cargo bench --bench rtp_relay`. Both use connected sockets on loopback and take turns, so that a
//! busy machine slows both; the cost is the thread's own CPU time, waking up not included.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when its sockets fail"
)]

use std::hint::black_box;
use std::net::UdpSocket;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use strowger::media::command::{Learn, Remote};
use strowger::media::relay::{Received, Relay};
use strowger::rng::Rng;
use strowger::rtp::packet::Header;
use strowger::rtp::srtp::Sealer;
use strowger::time::Instant;
use strowger::words::{Codec, SrtpKey, SrtpKeys, SrtpSuite};

const ROUNDS: u32 = 200;
const PACKETS: u32 = 200;

struct Bench {
    sender: UdpSocket,
    inside: UdpSocket,
    outside: UdpSocket,
    receiver: UdpSocket,
    buffer: [u8; 1500],
}

fn main() {
    let [sender, inside, outside, receiver] =
        std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    for (one, other) in [(&sender, &inside), (&outside, &receiver)] {
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
    }
    let mut bench = Bench {
        sender,
        inside,
        outside,
        receiver,
        buffer: [0; 1500],
    };
    let mut rng = Rng::new([1; 32]);
    let mut leg = |codec| {
        let mut leg = Relay::new(&mut rng, Instant::START);
        leg.connect(Instant::START, far_end(&bench.sender, codec));
        leg.bridge(Instant::START);
        leg
    };
    let (mut caller, mut same, mut other) = (leg(Codec::Pcma), leg(Codec::Pcma), leg(Codec::Pcmu));
    let mut secure = leg(Codec::Pcma);

    let [mut bare, mut relayed, mut converted, mut rewrite] = [Duration::ZERO; 4];
    let [mut sealed, mut opened] = [Duration::ZERO; 2];
    for round in 0..ROUNDS {
        bare += bench.run(None, |_, length| length);
        relayed += bench.run(None, |bytes, length| {
            relay(&mut caller, &mut same, bytes, length)
        });
        converted += bench.run(None, |bytes, length| {
            relay(&mut caller, &mut other, bytes, length)
        });
        rewrite += without_sockets(&mut caller, &mut same);
        // Keys are good for one round, as the same packets come in each.
        secure.connect(Instant::START, encrypted(&bench.sender, round));
        sealed += bench.run(None, |bytes, length| {
            relay(&mut caller, &mut secure, bytes, length)
        });
        let mouth = Sealer::new(&key(round, 2));
        opened += bench.run(Some(mouth), |bytes, length| {
            relay(&mut secure, &mut same, bytes, length)
        });
    }
    for (what, took) in [
        ("receive and send alone", bare),
        ("relayed", relayed),
        ("relayed, A-law to µ-law", converted),
        ("relayed, without sockets", rewrite),
        ("relayed, encrypted", sealed),
        ("relayed, decrypted", opened),
    ] {
        let each = took.as_secs_f64() / f64::from(ROUNDS * PACKETS);
        let ratio = took.as_secs_f64() / bare.as_secs_f64();
        println!(
            "{what:>26} {:>7.0} ns a packet  {ratio:.2} × bare",
            each * 1e9
        );
    }
}

impl Bench {
    /// The CPU time of passing packets on, `work` done to each; it gives the length of what is sent.
    fn run(
        &mut self,
        mut mouth: Option<Sealer>,
        mut work: impl FnMut(&mut [u8], usize) -> usize,
    ) -> Duration {
        let mut took = Duration::ZERO;
        for index in 0..PACKETS {
            let mut said = packet(index);
            if let Some(mouth) = &mut mouth {
                let length = said.len();
                said.resize(length + 10, 0);
                mouth.seal(&mut said, length).unwrap();
            }
            self.sender.send(&said).unwrap();
            let start = cpu();
            let length = self.inside.recv(&mut self.buffer).unwrap();
            let length = work(&mut self.buffer, length);
            self.outside.send(&self.buffer[..length]).unwrap();
            took += cpu() - start;
            self.receiver.recv(&mut [0; 1500]).unwrap();
        }
        took
    }
}

fn without_sockets(from: &mut Relay, to: &mut Relay) -> Duration {
    let mut packets: Vec<Vec<u8>> = (0..PACKETS).map(packet).collect();
    let start = cpu();
    for packet in &mut packets {
        let length = packet.len();
        black_box(relay(from, to, packet, length));
    }
    cpu() - start
}

fn relay(from: &mut Relay, to: &mut Relay, buffer: &mut [u8], length: usize) -> usize {
    let far_end = from.target().unwrap();
    match from.receive(Instant::START, far_end, &mut buffer[..length]) {
        Received::Carried { carried, .. } => {
            let mut sent = 0;
            to.forward(Instant::START, &carried, buffer, |bytes| sent = bytes.len());
            assert!(sent > 0, "a packet was not passed on");
            sent
        }
        other => panic!("{other:?}"),
    }
}

fn key(round: u32, side: u8) -> SrtpKey {
    let mut master = [side; 16];
    master[..4].copy_from_slice(&round.to_be_bytes());
    SrtpKey {
        suite: SrtpSuite::AesCm128HmacSha1Tag80,
        master,
        salt: [side; 14],
        mki: Box::default(),
    }
}

fn encrypted(socket: &UdpSocket, round: u32) -> Remote {
    let keys = SrtpKeys {
        ours: key(round, 1),
        theirs: key(round, 2),
    };
    Remote {
        srtp: Some(Box::new(keys)),
        ..far_end(socket, Codec::Pcma)
    }
}

fn packet(index: u32) -> Vec<u8> {
    let header = Header {
        marker: false,
        payload_type: 8,
        sequence: u16::try_from(index).unwrap(),
        timestamp: index * 160,
        ssrc: 1,
    };
    [&header.to_bytes()[..], &[0x55; 160]].concat()
}

fn far_end(socket: &UdpSocket, codec: Codec) -> Remote {
    let address = socket.local_addr().unwrap();
    Remote::new(address, Learn::Phone(address.ip()), codec)
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}
