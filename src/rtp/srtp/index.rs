//! The place of a packet in its keystream: 16 bits that it carries, and 32 that both sides count
//! (RFC 3711 3.3.1), with a memory of the places that have been used (3.3.2).

/// How far back the memory goes, which is also how late a packet may be.
const WINDOW: u64 = 64;

/// The places of one stream.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Places {
    /// One more than the newest place; zero before the first.
    next: u64,
    /// The newest places, the newest in the lowest bit.
    used: u64,
}

impl Places {
    /// The place of an RTP packet, guessed from its sequence number (RFC 3711 appendix A). None where
    /// there is none any more, or not yet.
    pub(super) fn guess(&self, sequence: u16) -> Option<u64> {
        let low = u64::from(sequence);
        let Some(newest) = self.next.checked_sub(1) else {
            return Some(low);
        };
        let (roc, last) = (newest >> 16, newest & 0xffff);
        let roc = if last < 0x8000 && low > last + 0x8000 {
            roc.checked_sub(1)?
        } else if last >= 0x8000 && low < last - 0x8000 {
            roc + 1
        } else {
            roc
        };
        (roc <= u64::from(u32::MAX)).then_some((roc << 16) | low)
    }

    /// Whether a place is free: newer than all before, or passed over and not too old.
    pub(super) const fn is_free(&self, place: u64) -> bool {
        if place >= self.next {
            return true;
        }
        let back = self.next - 1 - place;
        back < WINDOW && self.used & (1 << back) == 0
    }

    /// A place is used.
    pub(super) const fn take(&mut self, place: u64) {
        if place >= self.next {
            let ahead = place - self.next + 1;
            self.used = if ahead < WINDOW {
                self.used << ahead
            } else {
                0
            };
            self.used |= 1;
            self.next = place + 1;
        } else {
            let back = self.next - 1 - place;
            if back < WINDOW {
                self.used |= 1 << back;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &mut Places, sequence: u16) -> Option<u64> {
        let place = places.guess(sequence)?;
        places.is_free(place).then(|| {
            places.take(place);
            place
        })
    }

    #[test]
    fn the_sequence_is_counted_on_over_its_end() {
        let mut places = Places::default();
        for expected in 65_000_u64..265_000 {
            let sequence = u16::try_from(expected & 0xffff).unwrap();
            assert_eq!(take(&mut places, sequence), Some(expected));
        }
        // What comes late is of the count before.
        let mut places = Places::default();
        for (sequence, place) in [
            (65_534, Some(65_534)),
            (1, Some(65_537)),
            (65_535, Some(65_535)),
            (0, Some(65_536)),
            (65_535, None),
            (2, Some(65_538)),
        ] {
            assert_eq!(take(&mut places, sequence), place);
        }
        // There is nothing before the first packet.
        let mut young = Places::default();
        take(&mut young, 5);
        assert_eq!(young.guess(65_530), None);
    }

    #[test]
    fn a_place_is_used_once_and_old_ones_are_closed() {
        let mut places = Places::default();
        for (sequence, place) in [
            (100, Some(100)),
            (100, None),
            (163, Some(163)),
            (99, None),
            (101, Some(101)),
            (101, None),
            (300, Some(300)),
            (236, None),
            (237, Some(237)),
        ] {
            assert_eq!(take(&mut places, sequence), place, "{sequence}");
        }
    }

    #[test]
    fn the_count_ends_before_it_begins_again() {
        let last = (u64::from(u32::MAX) << 16) | 0xffff;
        let mut places = Places::default();
        places.take(last);
        assert_eq!(places.guess(0), None);
        assert_eq!(places.guess(0xfffe), Some(last - 1));
    }
}
