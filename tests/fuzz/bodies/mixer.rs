//! Any bytes as packets of three legs while a supervisor changes what they do: whatever comes, a caller
//! whom nobody barges in on gets, byte for byte, what a plain relay would send.
//!
//! The input is a script: a byte that says who speaks and how long before the next one, a byte of length
//! (in steps of eight), then that many bytes. Somebody who is nobody's leg changes the mode.

use std::net::SocketAddr;

use strowger::media::carried::Content;
use strowger::media::command::{Learn, Remote};
use strowger::media::mixer::{Mixer, Voice};
use strowger::media::relay::{Received, Relay};
use strowger::rng::Rng;
use strowger::rtp::packet::Packet;
use strowger::time::{Duration, Instant};
use strowger::words::{Codec, Supervision};

const VOICES: [Voice; 3] = [Voice::Caller, Voice::Operator, Voice::Supervisor];

/// Checks one input, without anybody who barges in and with.
pub fn run(data: &[u8]) {
    talk(data, &[Supervision::Listen, Supervision::Coach]);
    talk(
        data,
        &[Supervision::Barge, Supervision::Listen, Supervision::Coach],
    );
}

/// One leg, and the stream that its far end hears.
struct Ear {
    relay: Relay,
    address: SocketAddr,
    stream: Option<u32>,
    sent: Vec<Vec<u8>>,
}

impl Ear {
    fn new(seed: u8, address: &str, codec: Codec, ptime: u8) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let mut relay = Relay::new(&mut Rng::new([seed; 32]), Instant::START);
        relay.connect(
            Instant::START,
            Remote {
                ptime,
                comfort_noise: true,
                telephone_event: Some(101),
                our_telephone_event: Some(101),
                ..Remote::new(address, Learn::Phone(address.ip()), codec)
            },
        );
        relay.bridge(Instant::START);
        Self {
            relay,
            address,
            stream: None,
            sent: Vec::new(),
        }
    }

    fn check(&mut self) {
        for bytes in &self.sent {
            let ssrc = Packet::parse(bytes).unwrap().header.ssrc;
            assert_eq!(*self.stream.get_or_insert(ssrc), ssrc);
        }
    }
}

fn talk(data: &[u8], modes: &[Supervision]) {
    let barges = modes.contains(&Supervision::Barge);
    let caller = || Ear::new(1, "203.0.113.1:9000", Codec::Pcma, 20);
    let mut plain = caller();
    let mut ears = [
        caller(),
        Ear::new(2, "192.0.2.9:4000", Codec::Pcmu, 30),
        Ear::new(3, "192.0.2.10:4000", Codec::Pcma, 60),
    ];
    let mut mixer = Mixer::new(Instant::START, modes[0]);
    let (mut now, mut ticked) = (Instant::START, Instant::START);
    let mut rest = data;
    while let Some((head, bytes, after)) = next(rest) {
        rest = after;
        now = now + Duration::from_millis(u64::from(head >> 2) * 4);
        while now.since(ticked) >= Duration::from_millis(20) {
            ticked = ticked + Duration::from_millis(20);
            tick(ticked, &mut mixer, &mut ears);
        }
        let Some(&voice) = VOICES.get(usize::from(head & 3)) else {
            let at = usize::from(bytes.first().copied().unwrap_or(0)) % modes.len();
            mixer.change(now, modes[at]);
            assert_eq!(mixer.mode(), modes[at]);
            continue;
        };
        let mut buffer = bytes.to_vec();
        let from = &mut ears[usize::from(head & 3)];
        let heard = from.relay.receive(now, from.address, &mut buffer);
        let Received::Carried { carried, .. } = heard else {
            continue;
        };
        if let Content::Sound(codec) = carried.content {
            let payload = &buffer[carried.packet.payload.clone()];
            mixer.take(voice, &carried.packet.header, codec, payload);
        }
        buffer.resize(buffer.len() + 16, 0);
        let hearer = match voice {
            Voice::Caller => Voice::Operator,
            Voice::Operator => Voice::Caller,
            Voice::Supervisor => continue,
        };
        let to = &mut ears[usize::from(hearer == Voice::Operator)];
        if hearer == Voice::Caller {
            let mut bytes = buffer.clone();
            let sent = &mut plain.sent;
            plain
                .relay
                .forward(now, &carried, &mut bytes, |it| sent.push(it.to_vec()));
        }
        let (aside, sent) = (mixer.aside(hearer), &mut to.sent);
        to.relay
            .forward_with(now, &carried, aside, &mut buffer, |it| {
                sent.push(it.to_vec());
            });
        let same = barges || ears[0].sent == plain.sent;
        assert!(same, "the caller hears the supervisor");
        ears.iter_mut().for_each(Ear::check);
        for ear in ears.iter_mut().chain([&mut plain]) {
            ear.sent.clear();
        }
    }
}

fn tick(now: Instant, mixer: &mut Mixer, ears: &mut [Ear; 3]) {
    for (voice, ear) in VOICES.into_iter().zip(ears) {
        if mixer.is_sent_to(voice, now) {
            let sent = &mut ear.sent;
            ear.relay.sound(
                now,
                |codec, out| mixer.frame(voice, codec, out),
                |bytes| sent.push(bytes.to_vec()),
            );
        }
    }
}

fn next(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[head, eighths], rest) = data.split_first_chunk::<2>()?;
    let (bytes, rest) = rest.split_at(rest.len().min(usize::from(eighths) * 8));
    Some((head, bytes, rest))
}
