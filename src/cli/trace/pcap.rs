//! A call as a capture (pcap, link type raw IP). What went over TCP or TLS is written as UDP packets of
//! whole messages, so that every tool shows SIP; the addresses are the true ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::server::trace::entry::{Sighting, Way};

const UDP: u8 = 17;
const UDP_HEADER: u16 = 8;
const IPV4_HEADER: u16 = 20;
/// LINKTYPE_RAW: a packet begins with its IP header.
const RAW_IP: u32 = 101;
const HOPS: u8 = 64;

/// The capture.
#[must_use]
pub fn capture(messages: &[Sighting]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&4_u16.to_le_bytes());
    // Time zone and accuracy, which nobody uses.
    file.extend_from_slice(&[0; 8]);
    file.extend_from_slice(&u32::from(u16::MAX).saturating_mul(2).to_le_bytes());
    file.extend_from_slice(&RAW_IP.to_le_bytes());
    for seen in messages {
        let packet = packet(seen);
        let millis = seen.at.as_millis().max(0);
        let seconds = u32::try_from(millis / 1000).unwrap_or(u32::MAX);
        let micros = u32::try_from(millis % 1000 * 1000).unwrap_or(0);
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        for word in [seconds, micros, length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    file
}

fn packet(seen: &Sighting) -> Vec<u8> {
    let (from, to) = match seen.way {
        Way::In => (seen.peer, seen.local),
        Way::Out => (seen.local, seen.peer),
    };
    // What one packet cannot hold is cut; no message of a call is so long.
    let room = usize::from(u16::MAX - IPV4_HEADER - UDP_HEADER);
    let payload = seen.bytes.get(..seen.bytes.len().min(room));
    let payload = payload.unwrap_or_default();
    let length = UDP_HEADER.saturating_add(u16::try_from(payload.len()).unwrap_or(u16::MAX));
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let mut packet = ipv4(source, target, length);
            let mut pseudo = [source.octets(), target.octets()].concat();
            pseudo.extend_from_slice(&[0, UDP]);
            pseudo.extend_from_slice(&length.to_be_bytes());
            udp(&mut packet, &pseudo, from, to, length, payload);
            packet
        }
        (source, target) => {
            let (source, target) = (wide(source), wide(target));
            let mut packet = ipv6(source, target, length);
            let mut pseudo = [source.octets(), target.octets()].concat();
            pseudo.extend_from_slice(&u32::from(length).to_be_bytes());
            pseudo.extend_from_slice(&[0, 0, 0, UDP]);
            udp(&mut packet, &pseudo, from, to, length, payload);
            packet
        }
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// RFC 791 3.1.
fn ipv4(source: Ipv4Addr, target: Ipv4Addr, length: u16) -> Vec<u8> {
    let whole = IPV4_HEADER.saturating_add(length);
    let head = |sum: u16| {
        let mut head = vec![0x45, 0];
        head.extend_from_slice(&whole.to_be_bytes());
        // No identification, never fragmented.
        head.extend_from_slice(&[0, 0, 0x40, 0, HOPS, UDP]);
        head.extend_from_slice(&sum.to_be_bytes());
        head.extend_from_slice(&source.octets());
        head.extend_from_slice(&target.octets());
        head
    };
    head(checksum(&[&head(0)]))
}

/// RFC 8200 3.
fn ipv6(source: Ipv6Addr, target: Ipv6Addr, length: u16) -> Vec<u8> {
    let mut head = vec![0x60, 0, 0, 0];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[UDP, HOPS]);
    head.extend_from_slice(&source.octets());
    head.extend_from_slice(&target.octets());
    head
}

/// RFC 768; over IPv6 the checksum must be there, and a sum of zero is written as ones.
fn udp(
    packet: &mut Vec<u8>,
    pseudo: &[u8],
    from: SocketAddr,
    to: SocketAddr,
    length: u16,
    payload: &[u8],
) {
    let head = |sum: u16| [from.port(), to.port(), length, sum].map(u16::to_be_bytes);
    let sum = match checksum(&[pseudo, head(0).as_flattened(), payload]) {
        0 => u16::MAX,
        sum => sum,
    };
    packet.extend_from_slice(head(sum).as_flattened());
    packet.extend_from_slice(payload);
}

/// RFC 1071. Every part but the last is of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum = words.fold(0_u64, |sum, word| {
        let high = word.first().copied().unwrap_or(0);
        let low = word.get(1).copied().unwrap_or(0);
        sum + u64::from(u16::from_be_bytes([high, low]))
    });
    let folded = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sip::flow::Transport;
    use crate::time::Wall;

    fn seen(local: &str, peer: &str, bytes: Vec<u8>) -> Sighting {
        Sighting {
            at: Wall::from_millis(1_763_800_000_123),
            way: Way::Out,
            transport: Transport::Udp,
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            bytes: Bytes::from(bytes),
        }
    }

    #[test]
    fn the_sums_of_headers_are_zero_as_a_receiver_checks_them() {
        // The example of RFC 1071 3.
        assert_eq!(
            checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]),
            !0xddf2
        );
        for odd in [0, 1] {
            let packet = packet(&seen(
                "192.0.2.1:5060",
                "192.0.2.2:5080",
                vec![7; 100 + odd],
            ));
            assert_eq!(checksum(&[&packet[..20]]), 0);
            let mut pseudo = packet[12..20].to_vec();
            pseudo.extend_from_slice(&[0, 17]);
            pseudo.extend_from_slice(&packet[24..26]);
            assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0);
            let ports = [&packet[20..22], &packet[22..24]];
            assert_eq!(ports, [5060_u16.to_be_bytes(), 5080_u16.to_be_bytes()]);
        }
        let packet = packet(&seen(
            "[2001:db8::1]:5060",
            "[2001:db8::2]:5080",
            vec![7; 33],
        ));
        let mut pseudo = packet[8..40].to_vec();
        pseudo.extend_from_slice(&[0, 0, packet[4], packet[5], 0, 0, 0, 17]);
        assert_eq!(checksum(&[&pseudo, &packet[40..]]), 0);
    }

    #[test]
    fn a_message_of_any_length_is_one_packet() {
        for length in [0, 65_507, 65_535] {
            let file = capture(&[seen("192.0.2.1:5060", "192.0.2.2:5080", vec![b'x'; length])]);
            let packet = u32::from_le_bytes(file[32..36].try_into().unwrap());
            assert_eq!(file.len(), 24 + 16 + usize::try_from(packet).unwrap());
            assert!(packet <= 65_535);
        }
    }
}
