//! Identifiers. A number never travels without its kind, and no id is built from what a stranger
//! sent.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::rng::Rng;
use crate::time::Wall;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A 128-bit id that sorts by time: 48 bits of wall-clock milliseconds, then 80 random bits, written
/// as 26 characters of Crockford's base 32 (a ULID).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid(u128);

impl Ulid {
    /// A new id for the moment `wall`.
    pub fn new(wall: Wall, rng: &mut Rng) -> Self {
        let millis = u128::from(wall.as_millis().unsigned_abs() & 0xffff_ffff_ffff);
        let low = (u128::from(rng.next_u32() & 0xffff) << 64) | u128::from(rng.next_u64());
        Self((millis << 80) | low)
    }
}

impl Ulid {
    /// The lowest id of a moment.
    #[must_use]
    pub fn first_of(wall: Wall) -> Self {
        Self(u128::from(wall.as_millis().unsigned_abs() & 0xffff_ffff_ffff) << 80)
    }

    /// When it was made.
    #[must_use]
    pub fn made(self) -> Wall {
        Wall::from_millis(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 26];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 31).unwrap_or(0);
            *slot = CROCKFORD.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or(""))
    }
}

impl fmt::Debug for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 26 characters of 0-9 and A-Z without I, L, O and U")]
pub struct BadId;

impl FromStr for Ulid {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.len() != 26 || text.as_bytes().first().is_none_or(|&first| first > b'7') {
            return Err(BadId);
        }
        let mut value = 0_u128;
        for byte in text.bytes() {
            let digit = CROCKFORD
                .iter()
                .position(|&known| known == byte)
                .ok_or(BadId)?;
            value = (value << 5) | digit as u128;
        }
        Ok(Self(value))
    }
}

macro_rules! ulid_kind {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Ulid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.parse().map(Self)
            }
        }
    };
}

ulid_kind!(
    /// One call: a caller leg, its attempts, one terminal event. Also the id of its recording.
    CallId
);
ulid_kind!(
    /// One event of the outside stream.
    EventId
);
ulid_kind!(
    /// One promise to ring a patient back.
    CallbackId
);
ulid_kind!(
    /// Somebody who asked for a call on the website, or stands on a list of those to be called.
    LeadId
);

/// Which side began a leg.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Origin {
    /// The other side sent the INVITE.
    Inbound,
    /// We sent the INVITE.
    Outbound,
}

/// One dialog and its media port. The SIP endpoint mints inbound ids, the engine outbound ones, so
/// both can mint without asking the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId {
    /// Who began the leg.
    pub origin: Origin,
    /// Counts up from one within its origin.
    pub number: u64,
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Inbound => write!(f, "in{}", self.number),
            Origin::Outbound => write!(f, "out{}", self.number),
        }
    }
}

macro_rules! counter_kind {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter_kind!(
    /// A way bytes reach a peer: a UDP listener, or one TCP connection.
    FlowId
);
counter_kind!(
    /// One playout on a leg, so that a late "finished" is not taken for another's.
    PlayId
);
counter_kind!(
    /// A question to the shell whose answer is awaited.
    AskId
);
counter_kind!(
    /// Something that somebody outside wants done, until it is answered.
    CommandId
);
counter_kind!(
    /// A place in a queue. Kept while the call moves from queue to queue.
    TicketId
);

macro_rules! name_kind {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as the dialplan writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name_kind!(
    /// An operator, by the key under `operators`; also the user part a softphone registers with.
    OperatorName
);
name_kind!(
    /// A queue, by the key under `queues`.
    QueueName
);
name_kind!(
    /// A trunk, by the key under `trunks`.
    TrunkName
);
name_kind!(
    /// A branch, by the key under `sites`.
    SiteName
);
name_kind!(
    /// A voicemail box, by the key under `voicemail`.
    VoicemailName
);
name_kind!(
    /// Opening hours, by the key under `calendars`.
    CalendarName
);
name_kind!(
    /// A list of numbers, by the key under `lists`.
    ListName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let mut rng = Rng::new([1; 32]);
        let early = CallId(Ulid::new(Wall::from_millis(1_000), &mut rng));
        let late = CallId(Ulid::new(Wall::from_millis(2_000), &mut rng));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.0.made(), Wall::from_millis(1_000));
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!("81ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<Ulid>(), Err(BadId));
        assert_eq!("Одеса".parse::<Ulid>(), Err(BadId));
    }
}
