//! A tone that counts: each packet of 20 ms says by its samples whose it is and which one it is, so that
//! a recording shows what is in it and what is not.
//!
//! ```text
//! 8 samples of the mark, 16 bits of the number and 8 of the leg, 6 samples each, 8 samples of nothing
//! ```

use strowger::rtp::g711;
use strowger::words::Codec;

/// A-law of three levels that no other sound of these tests has together.
const MARK: u8 = 0xaa;
const ONE: u8 = 0xa5;
const ZERO: u8 = 0x25;
const NOTHING: u8 = 0xd5;
const BITS: usize = 24;
const WIDTH: usize = 6;
const HEAD: usize = 8;
/// Samples of a packet.
pub const FRAME: usize = 160;

/// One packet's payload.
pub fn payload(leg: u8, number: u16) -> [u8; FRAME] {
    let word = u32::from(number) << 8 | u32::from(leg);
    let mut bytes = [NOTHING; FRAME];
    bytes[..HEAD].fill(MARK);
    for bit in 0..BITS {
        let at = HEAD + bit * WIDTH;
        let one = word >> (BITS - 1 - bit) & 1 == 1;
        bytes[at..at + WIDTH].fill(if one { ONE } else { ZERO });
    }
    bytes
}

/// Whose packet it is and which, when its samples say so without a doubt.
pub fn read(samples: &[i16]) -> Option<(u8, u16)> {
    let level = |byte| g711::decode(Codec::Pcma, byte);
    let (mark, one, zero) = (level(MARK), level(ONE), level(ZERO));
    let body = samples.get(HEAD..HEAD + BITS * WIDTH)?;
    if samples[..HEAD].iter().any(|it| *it != mark) {
        return None;
    }
    let mut word = 0_u32;
    for bit in body.chunks_exact(WIDTH) {
        if bit.iter().any(|it| *it != bit[0]) || bit[0] != one && bit[0] != zero {
            return None;
        }
        word = word << 1 | u32::from(bit[0] == one);
    }
    Some((word.to_be_bytes()[3], (word >> 8) as u16))
}

/// The same of a payload.
pub fn read_payload(bytes: &[u8]) -> Option<(u8, u16)> {
    let samples: Vec<i16> = bytes
        .iter()
        .map(|byte| g711::decode(Codec::Pcma, *byte))
        .collect();
    read(&samples)
}

/// Every packet in a channel: where it begins, whose it is, its number.
pub fn find(samples: &[i16]) -> Vec<(usize, u8, u16)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + FRAME <= samples.len() {
        match read(&samples[at..]) {
            Some((leg, number)) => {
                found.push((at, leg, number));
                at += FRAME;
            }
            None => at += 1,
        }
    }
    found
}

/// The two channels of a WAV file of 16 bits, read strictly: every chunk ends where its header says,
/// the last one with the file, and the frames are whole.
pub fn strict(bytes: &[u8]) -> Result<[Vec<i16>; 2], String> {
    let word = |at: usize| -> Result<usize, String> {
        let it = bytes.get(at..at + 4).ok_or("it is cut in a header")?;
        Ok(u32::from_le_bytes(it.try_into().unwrap()) as usize)
    };
    let named = |at: usize, name: &[u8]| bytes.get(at..at + 4) == Some(name);
    if !named(0, b"RIFF") || !named(8, b"WAVE") {
        return Err("no RIFF WAVE".to_owned());
    }
    if word(4)? + 8 != bytes.len() {
        return Err(format!(
            "RIFF says {}, {} are there",
            word(4)? + 8,
            bytes.len()
        ));
    }
    let (mut at, mut data, mut form) = (12, None, None);
    while at < bytes.len() {
        let length = word(at + 4)?;
        let body = bytes.get(at + 8..at + 8 + length);
        let body = body.ok_or_else(|| format!("a chunk of {length} at {at} is cut"))?;
        if named(at, b"fmt ") {
            form = Some(body);
        } else if named(at, b"data") {
            data = Some(body);
        }
        at += 8 + length + length % 2;
    }
    let form = form.ok_or("no format")?;
    // PCM, two channels, 8,000 Hz, 16 bits.
    if form.get(..8) != Some(&[1, 0, 2, 0, 0x40, 0x1f, 0, 0]) || form.get(14..16) != Some(&[16, 0])
    {
        return Err(format!("the format is {form:?}"));
    }
    let data = data.ok_or("no data")?;
    if data.len() % 4 != 0 {
        return Err(format!("{} bytes are no whole frames", data.len()));
    }
    let side = |side: usize| {
        data.chunks_exact(4)
            .map(|frame| i16::from_le_bytes([frame[2 * side], frame[2 * side + 1]]))
            .collect()
    };
    Ok([side(0), side(1)])
}

#[test]
fn a_packet_is_read_back_wherever_it_lies() {
    let mut samples = vec![0_i16; 37];
    for number in [0, 7, 0xaaaa, 0xffff] {
        samples.extend(payload(0x5a, number).map(|it| g711::decode(Codec::Pcma, it)));
    }
    let found = find(&samples);
    let numbers: Vec<_> = found
        .iter()
        .map(|(at, leg, number)| (*at, *leg, *number))
        .collect();
    assert_eq!(
        numbers,
        [
            (37, 0x5a, 0),
            (197, 0x5a, 7),
            (357, 0x5a, 0xaaaa),
            (517, 0x5a, 0xffff)
        ]
    );
    samples[250] += 8;
    assert_eq!(find(&samples).len(), 3, "a packet that was touched is none");
}
