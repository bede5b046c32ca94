//! Who hears what while a supervisor takes part in a bridge.
//!
//! ```text
//! caller ─────┬── relayed, packet for packet, the supervisor added ──▶ operator   coach, barge
//! operator ───┼── relayed, packet for packet, the supervisor added ──▶ caller     barge alone
//!             └── both added up, 20 ms after 20 ms ──────────────────▶ supervisor always
//! ```
//!
//! The two parties go on hearing each other's packets: their streams do not change when a supervisor
//! comes, goes, or speaks to others than before. Only while a party sends no sound is the supervisor sent
//! alone. There is no packet and no socket here; who may supervise is judged elsewhere.

use super::jitter_buffer::JitterBuffer;
use super::playout::FRAME_BYTES;
use crate::limits;
use crate::rtp::g711;
use crate::rtp::packet::Header;
use crate::time::Instant;
use crate::words::{Codec, Supervision};

/// Somebody in a supervised bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// Hears the supervisor who barges in.
    Caller,
    /// Hears the supervisor who coaches or barges in.
    Operator,
    /// Hears both.
    Supervisor,
}

/// The sound of a supervised bridge.
#[derive(Clone, Debug)]
pub struct Mixer {
    mode: Supervision,
    /// What the supervisor hears.
    caller: JitterBuffer,
    operator: JitterBuffer,
    /// The supervisor, as the operator and as the caller hear them.
    coaching: Aside,
    barging: Aside,
}

/// A voice that is added to another one's packets.
#[derive(Clone, Debug)]
pub struct Aside {
    sound: JitterBuffer,
    /// The stream it is added to, and the timestamp that is due in it.
    beside: Option<(u32, u32)>,
    /// When it is sent alone, if no sound comes to add it to by then.
    alone: Instant,
}

impl Aside {
    fn new(now: Instant) -> Self {
        Self {
            sound: JitterBuffer::default(),
            beside: None,
            alone: now + limits::MIX_ALONE,
        }
    }

    /// Adds the voice to a packet's sound. What comes late, or twice, goes as it is: its time has passed.
    pub fn add(&mut self, now: Instant, header: &Header, codec: Codec, sound: &mut [u8]) {
        self.beside_sound(now);
        let samples = u32::try_from(sound.len()).unwrap_or(0);
        if let Some((ssrc, due)) = self.beside
            && ssrc == header.ssrc
        {
            let ahead = header.timestamp.wrapping_sub(due);
            let behind = due.wrapping_sub(header.timestamp);
            if (1..g711::RATE).contains(&behind) {
                return;
            }
            // What was lost on the way takes what was said meanwhile along.
            for _ in 0..ahead.min(SKIP) {
                self.sound.pull();
            }
        }
        self.beside = Some((header.ssrc, header.timestamp.wrapping_add(samples)));
        for byte in sound {
            let both = g711::decode(codec, *byte).saturating_add(self.sound.pull());
            g711::encode(codec, &[both], std::slice::from_mut(byte));
        }
    }

    /// The other voice sounds, or presses a key: nothing is sent beside it.
    pub fn beside_sound(&mut self, now: Instant) {
        self.alone = now + limits::MIX_ALONE;
    }

    /// The other voice says that it falls silent.
    pub const fn beside_silence(&mut self, now: Instant) {
        self.alone = now;
    }
}

/// Samples that a gap in the other voice takes along at most.
const SKIP: u32 = g711::RATE / 10;

impl Mixer {
    /// A supervisor comes in.
    #[must_use]
    pub fn new(now: Instant, mode: Supervision) -> Self {
        Self {
            mode,
            caller: JitterBuffer::default(),
            operator: JitterBuffer::default(),
            coaching: Aside::new(now),
            barging: Aside::new(now),
        }
    }

    /// How the supervisor takes part.
    #[must_use]
    pub const fn mode(&self) -> Supervision {
        self.mode
    }

    /// The supervisor is heard by others than before.
    pub fn change(&mut self, now: Instant, mode: Supervision) {
        for (hearer, aside) in [
            (Voice::Operator, &mut self.coaching),
            (Voice::Caller, &mut self.barging),
        ] {
            if !(hears(hearer, self.mode) && hears(hearer, mode)) {
                *aside = Aside::new(now);
            }
        }
        self.mode = mode;
    }

    /// Takes somebody's sound for those who hear it added up.
    pub fn take(&mut self, voice: Voice, header: &Header, codec: Codec, payload: &[u8]) {
        match voice {
            Voice::Caller => self.caller.put(header, codec, payload),
            Voice::Operator => self.operator.put(header, codec, payload),
            Voice::Supervisor => {
                for hearer in [Voice::Operator, Voice::Caller] {
                    if let Some(aside) = self.aside(hearer) {
                        aside.sound.put(header, codec, payload);
                    }
                }
            }
        }
    }

    /// The supervisor as this party hears them, if it does.
    pub fn aside(&mut self, hearer: Voice) -> Option<&mut Aside> {
        if !hears(hearer, self.mode) {
            return None;
        }
        match hearer {
            Voice::Caller => Some(&mut self.barging),
            Voice::Operator => Some(&mut self.coaching),
            Voice::Supervisor => None,
        }
    }

    /// Whether this listener gets frames of its own, and not what is relayed.
    #[must_use]
    pub fn is_sent_to(&self, hearer: Voice, now: Instant) -> bool {
        match hearer {
            Voice::Caller => hears(hearer, self.mode) && now >= self.barging.alone,
            Voice::Operator => hears(hearer, self.mode) && now >= self.coaching.alone,
            Voice::Supervisor => true,
        }
    }

    /// The next 20 ms of a listener that is sent to; false when there is nothing to send.
    pub fn frame(&mut self, hearer: Voice, codec: Codec, out: &mut [u8; FRAME_BYTES]) -> bool {
        let (first, second) = match hearer {
            Voice::Caller => (&mut self.barging.sound, None),
            Voice::Operator => (&mut self.coaching.sound, None),
            Voice::Supervisor => (&mut self.caller, Some(&mut self.operator)),
        };
        let sounds = second.is_some() || first.waits();
        let mut samples = [0; FRAME_BYTES];
        for sample in &mut samples {
            *sample = first.pull();
        }
        if let Some(second) = second {
            for sample in &mut samples {
                *sample = sample.saturating_add(second.pull());
            }
        }
        g711::encode(codec, &samples, out);
        sounds
    }
}

const fn hears(hearer: Voice, mode: Supervision) -> bool {
    match (hearer, mode) {
        (Voice::Supervisor, _)
        | (Voice::Operator, Supervision::Coach | Supervision::Barge)
        | (Voice::Caller, Supervision::Barge) => true,
        (Voice::Operator, Supervision::Listen)
        | (Voice::Caller, Supervision::Listen | Supervision::Coach) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    fn header(ssrc: u32, number: u32) -> Header {
        Header {
            marker: false,
            payload_type: 8,
            sequence: 0,
            timestamp: number.wrapping_mul(160),
            ssrc,
        }
    }

    fn loud(codec: Codec, sample: i16) -> [u8; 160] {
        let mut bytes = [0; 160];
        g711::encode(codec, &[sample; 160], &mut bytes);
        bytes
    }

    fn say(mixer: &mut Mixer, voice: Voice, number: u32, sample: i16) {
        let codec = match voice {
            Voice::Caller => Codec::Pcma,
            Voice::Operator | Voice::Supervisor => Codec::Pcmu,
        };
        let header = header(voice as u32, number);
        mixer.take(voice, &header, codec, &loud(codec, sample));
    }

    fn level(codec: Codec, bytes: &[u8]) -> i16 {
        let sum: i32 = bytes
            .iter()
            .map(|&byte| i32::from(g711::decode(codec, byte)))
            .sum();
        i16::try_from(sum / i32::try_from(bytes.len()).unwrap()).unwrap()
    }

    fn near(heard: i16, wanted: i16) -> bool {
        (i32::from(heard) - i32::from(wanted)).abs() <= i32::from(wanted).abs() / 16 + 16
    }

    #[test]
    fn the_supervisor_hears_both_added_up_and_never_louder_than_can_be() {
        let mut mixer = Mixer::new(at(0), Supervision::Listen);
        let mut heard = Vec::new();
        for number in 0..6 {
            let (caller, operator) = if number < 3 {
                (3000, -1000)
            } else {
                (30_000, 30_000)
            };
            say(&mut mixer, Voice::Caller, number, caller);
            say(&mut mixer, Voice::Operator, number, operator);
            say(&mut mixer, Voice::Supervisor, number, 9000);
            let mut frame = [0; 160];
            assert!(mixer.frame(Voice::Supervisor, Codec::Pcma, &mut frame));
            heard.push(level(Codec::Pcma, &frame));
        }
        let wanted = [0, 0, 2000, 2000, 2000, 32_000];
        for (heard, wanted) in heard.iter().zip(wanted) {
            assert!(near(*heard, wanted), "{heard} for {wanted}");
        }
    }

    #[test]
    fn the_supervisor_is_added_for_those_who_hear_them_and_for_nobody_else() {
        for (mode, caller_hears, operator_hears) in [
            (Supervision::Listen, false, false),
            (Supervision::Coach, false, true),
            (Supervision::Barge, true, true),
        ] {
            let mut mixer = Mixer::new(at(0), Supervision::Barge);
            mixer.change(at(0), mode);
            for number in 0..4 {
                say(&mut mixer, Voice::Supervisor, number, 2000);
            }
            for (hearer, hears) in [
                (Voice::Caller, caller_hears),
                (Voice::Operator, operator_hears),
            ] {
                assert_eq!(mixer.aside(hearer).is_some(), hears, "{mode:?} {hearer:?}");
                let Some(aside) = mixer.aside(hearer) else {
                    assert!(!mixer.is_sent_to(hearer, at(9_000)));
                    continue;
                };
                for number in 0..6 {
                    let mut sound = loud(Codec::Pcma, 1000);
                    aside.add(at(20), &header(9, number), Codec::Pcma, &mut sound);
                    let wanted = if (2..6).contains(&number) { 3000 } else { 1000 };
                    let heard = level(Codec::Pcma, &sound);
                    assert!(near(heard, wanted), "{hearer:?} {number}: {heard}");
                }
            }
        }
    }

    #[test]
    fn doubles_go_as_they_are_and_gaps_take_along_what_was_said() {
        let mut mixer = Mixer::new(at(0), Supervision::Coach);
        for number in 0..6 {
            let loud = i16::try_from(number).unwrap() * 1000 + 1000;
            say(&mut mixer, Voice::Supervisor, number, loud);
        }
        let aside = mixer.aside(Voice::Operator).unwrap();
        let mut heard = Vec::new();
        for number in [0, 1, 2, 2, 4, 3, 5] {
            let mut sound = loud(Codec::Pcmu, 0);
            aside.add(at(20), &header(9, number), Codec::Pcmu, &mut sound);
            heard.push(level(Codec::Pcmu, &sound));
        }
        let wanted = [0, 0, 1000, 0, 3000, 0, 4000];
        for (heard, wanted) in heard.iter().zip(wanted) {
            assert!(near(*heard, wanted), "{heard} for {wanted}");
        }
    }

    #[test]
    fn a_party_that_is_silent_does_not_silence_the_supervisor() {
        let mut mixer = Mixer::new(at(0), Supervision::Coach);
        assert!(!mixer.is_sent_to(Voice::Operator, at(99)));
        assert!(mixer.is_sent_to(Voice::Operator, at(100)));
        let aside = mixer.aside(Voice::Operator).unwrap();
        aside.beside_sound(at(100));
        assert!(!mixer.is_sent_to(Voice::Operator, at(199)));
        mixer
            .aside(Voice::Operator)
            .unwrap()
            .beside_silence(at(150));
        assert!(mixer.is_sent_to(Voice::Operator, at(150)));
        assert!(!mixer.is_sent_to(Voice::Caller, at(9_000)));
        let mut frame = [0; 160];
        assert!(!mixer.frame(Voice::Operator, Codec::Pcma, &mut frame));
        say(&mut mixer, Voice::Supervisor, 0, 5000);
        let heard: Vec<bool> = (0..4)
            .map(|_| {
                assert!(mixer.frame(Voice::Operator, Codec::Pcma, &mut frame) || frame[0] == 0xd5);
                near(level(Codec::Pcma, &frame), 5000)
            })
            .collect();
        assert_eq!(heard, [false, false, true, false]);
    }
}
