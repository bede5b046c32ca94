use super::*;
use crate::rng::Rng;
use crate::words::{SrtpKey, SrtpSuite};

const SUITES: [SrtpSuite; 2] = [
    SrtpSuite::AesCm128HmacSha1Tag80,
    SrtpSuite::AesCm128HmacSha1Tag32,
];

fn key(suite: SrtpSuite, mki: &[u8]) -> SrtpKey {
    let mut master = [0; 16];
    Rng::new([2; 32]).fill(&mut master);
    SrtpKey {
        suite,
        master,
        salt: [5; 14],
        mki: mki.into(),
    }
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 8];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend((u32::from(sequence) * 160).to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0x55; 160]);
    bytes
}

fn report(ssrc: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 201, 0, 1];
    bytes.extend(ssrc.to_be_bytes());
    bytes
}

fn seal(sealer: &mut Sealer, packet: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 16, 0);
    let length = sealer.seal(&mut buffer, packet.len())?;
    buffer.truncate(length);
    Some(buffer)
}

fn open(opener: &mut Opener, packet: &[u8]) -> Result<Vec<u8>, Rejected> {
    let mut buffer = packet.to_vec();
    let length = opener.open(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// The vector of libsrtp's and of RFC 3711's own key: what other implementations make of it.
#[test]
fn a_packet_is_what_other_implementations_make_of_it() {
    let master = [
        0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde, 0x41,
        0x39,
    ];
    let salt = [
        0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6,
    ];
    let mut plain = vec![
        0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe,
    ];
    plain.extend([0xab; 16]);
    let sealed = [
        0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe, 0x4e, 0x55, 0xdc,
        0x4c, 0xe7, 0x99, 0x78, 0xd8, 0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d, 0x24, 0x02, 0xb7, 0x8d,
        0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb,
    ];
    let key = SrtpKey {
        suite: SrtpSuite::AesCm128HmacSha1Tag80,
        master,
        salt,
        mki: Box::default(),
    };
    let mut sealer = Sealer::new(&key);
    assert_eq!(seal(&mut sealer, &plain).unwrap(), sealed);
    let mut opener = Opener::new(&key);
    assert_eq!(open(&mut opener, &sealed).unwrap(), plain);
}

#[test]
fn what_is_sealed_is_opened_whatever_its_order() {
    for suite in SUITES {
        let mut sealer = Sealer::new(&key(suite, &[]));
        let mut opener = Opener::new(&key(suite, &[]));
        let plain: Vec<_> = (0..70_000_u32)
            .map(|at| packet(u16::try_from((65_500 + at) & 0xffff).unwrap(), 9))
            .collect();
        let mut sealed: Vec<_> = plain
            .iter()
            .map(|it| seal(&mut sealer, it).unwrap())
            .collect();
        assert_ne!(sealed[0][12..172], plain[0][12..]);
        sealed.swap(30, 40);
        let mut opened: Vec<_> = sealed
            .iter()
            .map(|it| open(&mut opener, it).unwrap())
            .collect();
        opened.swap(30, 40);
        assert_eq!(opened, plain);
    }
}

#[test]
fn a_packet_changed_anywhere_or_of_another_key_is_dropped() {
    for suite in SUITES {
        let mut sealer = Sealer::new(&key(suite, &[]));
        let mut opener = Opener::new(&key(suite, &[]));
        let sealed = seal(&mut sealer, &packet(1, 9)).unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut forged = sealed.clone();
                forged[at] ^= 1 << bit;
                assert!(open(&mut opener, &forged).is_err(), "{at} {bit}");
            }
        }
        for length in 0..sealed.len() {
            assert!(open(&mut opener, &sealed[..length]).is_err());
        }
        let mut other = key(suite, &[]);
        other.salt[13] ^= 1;
        let mut stranger = Opener::new(&other);
        assert_eq!(open(&mut stranger, &sealed), Err(Rejected::Forged));
        assert!(open(&mut opener, &sealed).is_ok());
    }
}

/// RFC 3711 3.3.2 and 9.1: neither are packets taken twice nor is a place of the keystream used twice.
#[test]
fn nothing_is_opened_or_sealed_twice() {
    let key = key(SUITES[0], &[]);
    let mut sealer = Sealer::new(&key);
    let mut opener = Opener::new(&key);
    let sealed: Vec<_> = (0..200)
        .map(|at| seal(&mut sealer, &packet(at, 9)).unwrap())
        .collect();
    assert_eq!(seal(&mut sealer, &packet(199, 9)), None);
    assert_eq!(seal(&mut sealer, &packet(100, 9)), None);
    for packet in &sealed {
        assert!(open(&mut opener, packet).is_ok());
    }
    for packet in &sealed {
        assert_eq!(open(&mut opener, packet), Err(Rejected::Replayed));
    }
}

#[test]
fn each_stream_of_a_peer_has_its_own_count_and_they_are_bounded() {
    let key = key(SUITES[0], &[]);
    let mut opener = Opener::new(&key);
    for ssrc in 0..20 {
        let mut sealer = Sealer::new(&key);
        let sealed = seal(&mut sealer, &packet(500, ssrc)).unwrap();
        assert!(open(&mut opener, &sealed).is_ok());
        assert_eq!(open(&mut opener, &sealed), Err(Rejected::Replayed));
    }
}

/// RFC 3711 3.1: the name of a key lies between the packet and its tag.
#[test]
fn the_name_of_a_key_is_taken_off_and_must_fit() {
    let mut sealer = Sealer::new(&key(SUITES[0], &[]));
    let plain = packet(1, 9);
    let mut sealed = seal(&mut sealer, &plain).unwrap();
    sealed.splice(172..172, [0, 1]);
    let mut opener = Opener::new(&key(SUITES[0], &[0, 1]));
    assert_eq!(open(&mut opener, &sealed), Ok(plain));
    sealed[173] = 2;
    assert_eq!(open(&mut opener, &sealed), Err(Rejected::Forged));
}

#[test]
fn sources_and_extensions_stay_readable() {
    let mut plain = vec![0x91, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4];
    plain.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9, 42, 42]);
    let mut sealer = Sealer::new(&key(SUITES[0], &[]));
    let mut opener = Opener::new(&key(SUITES[0], &[]));
    let sealed = seal(&mut sealer, &plain).unwrap();
    assert_eq!(sealed[..24], plain[..24]);
    assert_ne!(sealed[24..26], plain[24..]);
    assert_eq!(open(&mut opener, &sealed), Ok(plain.clone()));
    plain[18] = 0xff;
    assert_eq!(seal(&mut sealer, &plain), None);
}

/// RFC 3711 3.4: reports carry an index of their own, and are opened once.
#[test]
fn reports_are_sealed_and_opened_once() {
    for suite in SUITES {
        let mut sealer = Sealer::new(&key(suite, &[]));
        let mut opener = Opener::new(&key(suite, &[]));
        for round in 0..3_u32 {
            let mut plain = report(9);
            plain.extend([0x77; 20]);
            let mut sealed = plain.clone();
            sealed.resize(plain.len() + 16, 0);
            let length = sealer.seal_rtcp(&mut sealed, plain.len()).unwrap();
            sealed.truncate(length);
            assert_eq!(length, plain.len() + 14);
            assert_eq!(sealed[..8], plain[..8]);
            assert_ne!(sealed[8..28], plain[8..]);
            assert_eq!(sealed[28..32], (round | 1 << 31).to_be_bytes());
            let mut opened = sealed.clone();
            assert_eq!(opener.open_rtcp(&mut opened), Ok(plain.len()));
            assert_eq!(opened[..28], plain);
            assert_eq!(
                opener.open_rtcp(&mut sealed.clone()),
                Err(Rejected::Replayed)
            );
            for at in 0..sealed.len() {
                let mut forged = sealed.clone();
                forged[at] ^= 4;
                assert!(opener.open_rtcp(&mut forged).is_err());
            }
            assert!(opener.open_rtcp(&mut sealed[..13]).is_err());
        }
    }
}
