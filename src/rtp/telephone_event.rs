//! Telephone events (RFC 4733): keys pressed on the phone, sent as packets of their own.
//!
//! One press is many packets with one timestamp: updates while the key is down, then the end three
//! times. Any of them may be lost, doubled or late. Reading them is all that happens here; passing
//! them on is the relay's work.

/// The payload of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    /// Which event; 0 to 15 are keys.
    pub code: u8,
    /// The key is up again.
    pub end: bool,
    /// Samples since the timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the first block of a payload; none when it is too short.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low, ..] = payload else {
            return None;
        };
        Some(Self {
            code,
            end: flags & 0x80 != 0,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload on the wire, at a usual loudness.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | 10, high, low]
    }

    /// The key, if the event is one.
    #[must_use]
    pub fn digit(self) -> Option<char> {
        match self.code {
            0..=9 => Some(char::from(b'0' + self.code)),
            10 => Some('*'),
            11 => Some('#'),
            12..=15 => Some(char::from(b'A' + (self.code - 12))),
            _ => None,
        }
    }
}

/// The event code of a key.
#[must_use]
pub fn code_of(digit: char) -> Option<u8> {
    (0..16).find(|&code| {
        let event = TelephoneEvent {
            code,
            end: false,
            duration: 0,
        };
        event.digit() == Some(digit)
    })
}

/// Tells a new press from the repeated, late and continued packets of one already reported.
#[derive(Clone, Default, Debug)]
pub struct Presses {
    last: Option<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    ended: bool,
}

/// A longer press goes on under a new timestamp, this much later (RFC 4733 2.5.1.3).
const LONGEST_SEGMENT: u32 = 0xffff;

impl Presses {
    /// Takes a packet; gives the key when this is the first that is seen of its press.
    pub fn take(&mut self, ssrc: u32, timestamp: u32, event: TelephoneEvent) -> Option<char> {
        let digit = event.digit()?;
        let press = Press {
            ssrc,
            timestamp,
            code: event.code,
            ended: event.end,
        };
        let Some(last) = self.last.as_mut().filter(|last| last.ssrc == ssrc) else {
            self.last = Some(press);
            return Some(digit);
        };
        let ahead = timestamp.wrapping_sub(last.timestamp);
        if ahead == 0 {
            last.ended |= event.end;
            return None;
        }
        if ahead > u32::MAX / 2 {
            return None;
        }
        let continued = !last.ended && last.code == event.code && ahead == LONGEST_SEGMENT;
        self.last = Some(press);
        (!continued).then_some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: u8, end: bool, duration: u16) -> TelephoneEvent {
        TelephoneEvent {
            code,
            end,
            duration,
        }
    }

    #[test]
    fn every_key_has_a_code_and_reads_back() {
        for digit in "0123456789*#ABCD".chars() {
            let event = event(code_of(digit).unwrap(), true, 800);
            assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
            assert_eq!(event.digit(), Some(digit));
        }
        assert_eq!(code_of('Ж'), None);
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
        assert_eq!(event(16, false, 0).digit(), None);
    }

    #[test]
    fn a_press_is_reported_once_whatever_is_lost_doubled_or_late() {
        let mut presses = Presses::default();
        let mut heard = String::new();
        let script = [
            (1000, event(5, false, 160)),
            (1000, event(5, false, 320)),
            (1000, event(5, true, 480)),
            (1000, event(5, true, 480)),
            (3000, event(5, true, 480)),
            (1000, event(5, true, 480)),
            (3000, event(5, true, 480)),
            (9000, event(11, true, 160)),
        ];
        for (timestamp, event) in script {
            heard.extend(presses.take(1, timestamp, event));
        }
        assert_eq!(heard, "55#");
    }

    #[test]
    fn a_press_longer_than_a_duration_can_say_is_one() {
        let mut presses = Presses::default();
        let start = u32::MAX - 100;
        assert_eq!(presses.take(1, start, event(1, false, 0xffff)), Some('1'));
        let next = start.wrapping_add(0xffff);
        assert_eq!(presses.take(1, next, event(1, false, 160)), None);
        assert_eq!(presses.take(1, next, event(1, true, 320)), None);
        let again = next.wrapping_add(0xffff);
        assert_eq!(presses.take(1, again, event(1, true, 320)), Some('1'));
    }

    #[test]
    fn another_stream_starts_afresh() {
        let mut presses = Presses::default();
        assert_eq!(presses.take(1, 5000, event(2, true, 160)), Some('2'));
        assert_eq!(presses.take(2, 100, event(2, true, 160)), Some('2'));
    }
}
