//! The fuzz bodies of RTP and of the mixer over a call's packets and seeded mutations of them, on stable
//! Rust.

use strowger::rng::Rng;
use strowger::rtp::telephone_event::TelephoneEvent;
use strowger::words::Codec;

use crate::phone::packet;
use crate::{mixer_body, rtp_body};

const MUTATIONS: u32 = 10_000;

/// A short call: both parties talk, a key is pressed, a stranger sends.
fn script() -> Vec<u8> {
    let mut script = Vec::new();
    let mut say = |head: u8, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(8), 0xd5);
        script.extend([head | 5 << 2, u8::try_from(bytes.len() / 8).unwrap()]);
        script.extend(bytes);
    };
    for index in 0..8 {
        say(0, &packet(Codec::Pcma, 440.0, index));
        say(1, &packet(Codec::Pcmu, 1000.0, index));
        say(2, &packet(Codec::Pcma, 2500.0, index));
        let event = TelephoneEvent {
            code: 5,
            end: index > 4,
            duration: 160,
        };
        let mut press = packet(Codec::Pcma, 440.0, index);
        press[1] = 101;
        press.truncate(12);
        press.extend(event.to_bytes());
        say(0, &press);
    }
    script
}

#[test]
fn a_call_survives_any_packet() {
    mutate(&script(), MUTATIONS, rtp_body::run);
}

/// A supervised call: all three talk, and the mode changes.
fn supervised() -> Vec<u8> {
    let mut script = Vec::new();
    for index in 0..24 {
        let codecs = [Codec::Pcma, Codec::Pcmu, Codec::Pcma];
        for (who, codec) in (0_u8..).zip(codecs) {
            let mut bytes = packet(codec, 440.0 + 100.0 * f64::from(who), index);
            bytes.resize(bytes.len().next_multiple_of(8), 0xd5);
            let pause = if who == 2 { 5 << 2 } else { 0 };
            script.extend([who | pause, u8::try_from(bytes.len() / 8).unwrap()]);
            script.extend(bytes);
        }
        if index % 6 == 0 {
            let mode = u8::try_from(index / 6).unwrap();
            script.extend([3, 1, mode, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
    script
}

#[test]
fn a_caller_whom_nobody_barges_in_on_hears_no_supervisor_whatever_comes() {
    mutate(&supervised(), MUTATIONS / 40, mixer_body::run);
}

fn mutate(script: &[u8], mutations: u32, run: impl Fn(&[u8])) {
    run(script);
    let mut rng = Rng::new([7; 32]);
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    for _ in 0..mutations {
        let mut bytes = script.to_vec();
        for _ in 0..=below(12) {
            let at = below(bytes.len());
            match below(20) {
                0..8 => bytes[at] ^= 1 << below(8),
                8..16 => bytes[at] = u8::try_from(below(256)).unwrap(),
                16 => bytes.truncate(at.max(1)),
                _ => {
                    let (from, to) = (below(bytes.len()), below(bytes.len()));
                    let piece = bytes[from.min(to)..from.max(to)].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes.truncate(100_000);
        run(&bytes);
    }
}
