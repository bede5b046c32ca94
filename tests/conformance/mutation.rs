//! The fuzz bodies over the corpus and 200,000 seeded mutations of it, on stable Rust.

use strowger::rng::Rng;

use crate::{corpus_files, fuzz_sdp, fuzz_sip_message, fuzz_stream_framing};

/// Words that have broken parsers before.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b":",
    b"@",
    b"%",
    b"%00",
    b"=",
    b"[",
    b"]",
    b"/",
    b"?",
    b"-1",
    b"0",
    b"999",
    b"4294967296",
    b"\xff\xfe",
    b"\xd0",
    "я".as_bytes(),
    b"SIP/2.0",
    b"SIP/2.0 200 OK\r\n",
    b"Via: ",
    b"l: 9\r\n",
    b"Content-Length: 4294967328\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"c=IN IP4 0.0.0.0\r\n",
    b"a=rtpmap:",
    b"a=inactive\r\n",
    b"RTP/SAVP",
];

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn mutate(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[below(rng, seeds.len())].clone();
    for _ in 0..=below(rng, 6) {
        let at = below(rng, bytes.len() + 1);
        let end = (at + below(rng, 40)).min(bytes.len());
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                let to = below(rng, bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            3 => {
                let other = &seeds[below(rng, seeds.len())];
                let from = below(rng, other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = WORDS[below(rng, WORDS.len())];
                bytes.splice(
                    at..if rng.chance(300) { end } else { at },
                    word.iter().copied(),
                );
            }
        }
    }
    bytes
}

fn drive(seed: u8, count: usize, seeds: &[Vec<u8>], body: fn(&[u8])) {
    for seed in seeds {
        body(seed);
    }
    let mut rng = Rng::new([seed; 32]);
    for _ in 0..count {
        body(&mutate(&mut rng, seeds));
    }
}

fn messages() -> Vec<Vec<u8>> {
    ["rfc4475", "rfc5118"]
        .into_iter()
        .flat_map(corpus_files)
        .map(|(_, bytes)| bytes)
        .collect()
}

#[test]
fn mutated_messages_get_a_verdict() {
    drive(1, 80_000, &messages(), fuzz_sip_message::run);
}

#[test]
fn mutated_streams_are_cut_alike() {
    let streams: Vec<Vec<u8>> = messages()
        .chunks(3)
        .enumerate()
        .map(|(piece, messages)| {
            let piece = u8::try_from(piece).unwrap() + 1;
            [vec![piece], messages.join(b"\r\n\r\n".as_slice())].concat()
        })
        .collect();
    drive(2, 40_000, &streams, fuzz_stream_framing::run);
}

#[test]
fn mutated_descriptions_are_answered_or_refused() {
    let mut seeds: Vec<Vec<u8>> = messages()
        .into_iter()
        .filter_map(|bytes| {
            let at = bytes.windows(5).position(|word| word == b"v=0\r\n")?;
            Some(bytes[at..].to_vec())
        })
        .collect();
    seeds.push(
        b"v=0\r\no=- 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\n\
          m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n\
          a=sendonly\r\nm=audio 0 RTP/AVP 0\r\nm=image 4002 udptl t38\r\n"
            .to_vec(),
    );
    drive(3, 80_000, &seeds, fuzz_sdp::run);
}
