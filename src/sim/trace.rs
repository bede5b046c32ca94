//! A fingerprint of everything that happened, so that two runs can be compared byte by byte without
//! keeping them. Not a cryptographic hash: nobody is trying to fool it.

use crate::time::Instant;

const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

/// The fingerprint so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    state: [u64; 2],
    /// Datagrams sent.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            state: [PRIME, !PRIME],
            datagrams: 0,
            bytes: 0,
        }
    }
}

impl Trace {
    /// Notes a datagram and when it was sent.
    pub fn datagram(&mut self, now: Instant, bytes: &[u8]) {
        self.datagrams += 1;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.number(now.as_nanos());
        self.text(bytes);
    }

    /// Notes any bytes.
    pub fn text(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (slot, byte) in word.iter_mut().zip(chunk) {
                *slot = *byte;
            }
            self.number(u64::from_le_bytes(word));
        }
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn number(&mut self, value: u64) {
        let [a, b] = self.state;
        self.state = [
            (a ^ value).wrapping_mul(PRIME).rotate_left(29),
            b.rotate_left(17).wrapping_add(value ^ a),
        ];
    }

    /// The fingerprint, as text.
    #[must_use]
    pub fn digest(&self) -> String {
        let [a, b] = self.state;
        format!("{a:016x}{b:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_one_nanosecond_or_another_order_shows() {
        let digest = |parts: &[(u64, &str)]| {
            let mut trace = Trace::default();
            for (at, text) in parts {
                trace.datagram(Instant::from_nanos(*at), text.as_bytes());
            }
            trace.digest()
        };
        let same = digest(&[(1, "INVITE"), (2, "BYE")]);
        assert_eq!(same, digest(&[(1, "INVITE"), (2, "BYE")]));
        assert_ne!(same, digest(&[(1, "INVITE"), (3, "BYE")]));
        assert_ne!(same, digest(&[(1, "INVITE"), (2, "BYF")]));
        assert_ne!(same, digest(&[(2, "BYE"), (1, "INVITE")]));
        assert_ne!(same, digest(&[(1, "INVIT"), (2, "EBYE")]));
    }
}
