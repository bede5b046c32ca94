//! One entry of the trace: how it is written, and how it is read from a file that may end anywhere.
//!
//! ```text
//!  length (4)  checksum (4)  kind (1)  time (8)  then, of a message:
//!                                                way (1) transport (1) ours (19) theirs (19) bytes
//!                                                of a leg: the call's id (26), its SIP Call-ID
//! ```
//!
//! Numbers are little-endian; an address is its family, sixteen bytes and a port. The checksum tells a
//! tail that a power cut left from an entry; it is no protection against anybody.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use crate::id::CallId;
use crate::limits;
use crate::sip::flow::Transport;
use crate::time::Wall;

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// What is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// One message on the wire.
    Message(Sighting),
    /// A dialog belongs to a call.
    Leg {
        /// When that became known.
        at: Wall,
        /// The call.
        call: CallId,
        /// The dialog's Call-ID.
        sip_call_id: String,
    },
}

/// One message on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// When it was taken or sent.
    pub at: Wall,
    /// Which way it went.
    pub way: Way,
    /// Over what.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
    /// The message.
    pub bytes: Bytes,
}

/// What a file begins with; another version has another one.
pub const MAGIC: &[u8; 8] = b"STROWGR1";
const PREFIX: usize = 8;
/// What an entry is longer than what it carries.
const OVERHEAD: usize = 64;

impl Entry {
    /// Adds the entry to what is to be written.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&[0; PREFIX]);
        match self {
            Self::Message(seen) => {
                into.push(1);
                into.extend_from_slice(&seen.at.as_millis().to_le_bytes());
                into.push(match seen.way {
                    Way::In => 0,
                    Way::Out => 1,
                });
                into.push(match seen.transport {
                    Transport::Udp => 0,
                    Transport::Tcp => 1,
                    Transport::Tls => 2,
                });
                put_address(seen.local, into);
                put_address(seen.peer, into);
                into.extend_from_slice(&seen.bytes);
            }
            Self::Leg {
                at,
                call,
                sip_call_id,
            } => {
                into.push(2);
                into.extend_from_slice(&at.as_millis().to_le_bytes());
                into.extend_from_slice(call.to_string().as_bytes());
                into.extend_from_slice(sip_call_id.as_bytes());
            }
        }
        let payload = into.get(start + PREFIX..).unwrap_or_default();
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let sum = checksum(payload);
        let prefix = into.iter_mut().skip(start);
        let values = length.to_le_bytes().into_iter().chain(sum.to_le_bytes());
        for (slot, value) in prefix.zip(values) {
            *slot = value;
        }
    }

    /// The first entry of what a file holds, and how long it is; none where the file is torn.
    #[must_use]
    pub fn decode(file: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader(file);
        let length = usize::try_from(u32::from_le_bytes(reader.array()?)).ok()?;
        let sum = u32::from_le_bytes(reader.array()?);
        if length > limits::SIP_MESSAGE_BYTES + OVERHEAD {
            return None;
        }
        let payload = reader.take(length)?;
        if checksum(payload) != sum {
            return None;
        }
        let mut reader = Reader(payload);
        let [kind] = reader.array()?;
        let at = Wall::from_millis(i64::from_le_bytes(reader.array()?));
        let entry = match kind {
            1 => Self::Message(reader.message(at)?),
            2 => Self::Leg {
                at,
                call: std::str::from_utf8(reader.take(26)?).ok()?.parse().ok()?,
                sip_call_id: std::str::from_utf8(reader.0).ok()?.to_owned(),
            },
            _ => return None,
        };
        Some((entry, PREFIX + length))
    }

    /// How many bytes it carries.
    #[must_use]
    pub fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Message(seen) => seen.bytes.len(),
                Self::Leg { sip_call_id, .. } => sip_call_id.len(),
            }
    }
}

fn put_address(address: SocketAddr, into: &mut Vec<u8>) {
    let (family, octets) = match address.ip() {
        IpAddr::V4(v4) => (4, v4.to_ipv6_mapped().octets()),
        IpAddr::V6(v6) => (6, v6.octets()),
    };
    into.push(family);
    into.extend_from_slice(&octets);
    into.extend_from_slice(&address.port().to_le_bytes());
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let [family] = self.array()?;
        let ip = IpAddr::V6(Ipv6Addr::from(self.array::<16>()?));
        let port = u16::from_le_bytes(self.array()?);
        let ip = if family == 4 { ip.to_canonical() } else { ip };
        Some(SocketAddr::new(ip, port))
    }

    fn message(&mut self, at: Wall) -> Option<Sighting> {
        let way = match self.array()? {
            [0] => Way::In,
            [1] => Way::Out,
            _ => return None,
        };
        let transport = match self.array()? {
            [0] => Transport::Udp,
            [1] => Transport::Tcp,
            [2] => Transport::Tls,
            _ => return None,
        };
        Some(Sighting {
            at,
            way,
            transport,
            local: self.address()?,
            peer: self.address()?,
            bytes: Bytes::copy_from_slice(self.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ulid;
    use crate::rng::Rng;

    fn entries() -> Vec<Entry> {
        let call = CallId(Ulid::new(Wall::from_millis(5), &mut Rng::new([7; 32])));
        vec![
            Entry::Message(Sighting {
                at: Wall::from_millis(1_700_000_000_123),
                way: Way::In,
                transport: Transport::Tls,
                local: "192.0.2.1:5061".parse().unwrap(),
                peer: "[2001:db8::1]:40000".parse().unwrap(),
                bytes: Bytes::from_static(b"OPTIONS sip:a SIP/2.0\r\n\r\n"),
            }),
            Entry::Leg {
                at: Wall::from_millis(-1),
                call,
                sip_call_id: "abc@193.0.2.1".to_owned(),
            },
            Entry::Message(Sighting {
                at: Wall::from_millis(0),
                way: Way::Out,
                transport: Transport::Udp,
                local: "0.0.0.0:5060".parse().unwrap(),
                peer: "[::ffff:192.0.2.9]:5060".parse().unwrap(),
                bytes: Bytes::new(),
            }),
        ]
    }

    #[test]
    fn what_was_written_is_read_and_a_torn_tail_is_not() {
        let mut file = Vec::new();
        for entry in entries() {
            entry.encode(&mut file);
        }
        let mut rest = &file[..];
        for entry in entries() {
            let (read, length) = Entry::decode(rest).unwrap();
            assert_eq!(read, entry);
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        let (_, first) = Entry::decode(&file).unwrap();
        for cut in 0..first {
            assert_eq!(Entry::decode(&file[..cut]), None, "torn at {cut}");
            let mut bent = file[..first].to_vec();
            bent[cut] ^= 0x40;
            assert_eq!(Entry::decode(&bent), None, "bent at {cut}");
        }
        assert_eq!(Entry::decode(&[0; 4096]), None, "zeros of a power cut");
    }
}
