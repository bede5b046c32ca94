//! What recording costs, as a ratio to writing the same bytes with nothing done to them.
//!
//! `cargo bench --bench recorder`. One minute of a call: both sides placed on the timeline, decoded,
//! written as WAV with its header brought up to date twice a second.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, prints, and stops when its disk fails"
)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use hound::{SampleFormat, WavSpec, WavWriter};
use strowger::media::recorder::{Frame, Recorder, Side};
use strowger::media::track::Stamp;
use strowger::time::Instant;
use strowger::words::Codec;

const ROUNDS: u32 = 20;
const PACKETS: u16 = 60 * 50;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let [mut bare, mut timeline, mut whole] = [Duration::ZERO; 3];
    for _ in 0..ROUNDS {
        bare += time(|| write_bytes(&folder.path().join("bare")));
        timeline += time(|| record(|_| {}));
        whole += time(|| write_wav(&folder.path().join("whole.wav")));
    }
    for (what, took) in [
        ("bytes written alone", bare),
        ("timeline and decoding", timeline),
        ("whole recording", whole),
    ] {
        let minute = took.as_secs_f64() / f64::from(ROUNDS);
        println!(
            "{what:>22} {:>7.2} ms a minute  {:.2} × bare  {:>7.0} recordings a core",
            minute * 1e3,
            took.as_secs_f64() / bare.as_secs_f64(),
            60.0 / minute
        );
    }
}

fn time(job: impl FnOnce()) -> Duration {
    let start = Clock::now();
    job();
    start.elapsed()
}

/// One minute of both sides; every half second's frames go to `sink`.
fn record(mut sink: impl FnMut(&[Frame])) {
    let mut recorder = Recorder::new(Instant::START);
    let mut settled = Vec::new();
    for packet in 0..PACKETS {
        let now = Instant::START + Duration::from_millis(u64::from(packet) * 20);
        let stamp = Stamp {
            arrival: now,
            ssrc: 1,
            sequence: packet,
            timestamp: u32::from(packet) * 160,
            marker: false,
        };
        recorder.take(Side::Caller, &stamp, Codec::Pcma, &[0x55; 160]);
        recorder.take(Side::Operator, &stamp, Codec::Pcmu, &[0x55; 160]);
        if packet % 25 == 24 {
            recorder.settle(now, &mut settled);
            sink(&settled);
            settled.clear();
        }
    }
    recorder.finish(Instant::START + Duration::from_secs(60), &mut settled);
    sink(&settled);
}

fn write_wav(path: &Path) {
    let spec = WavSpec {
        channels: 2,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let file = BufWriter::new(File::create(path).unwrap());
    let mut wav = WavWriter::new(file, spec).unwrap();
    record(|frames| {
        let mut out = wav.get_i16_writer(u32::try_from(frames.len() * 2).unwrap());
        for &[left, right] in frames {
            out.write_sample(left);
            out.write_sample(right);
        }
        out.flush().unwrap();
        wav.flush().unwrap();
    });
    wav.finalize().unwrap();
}

fn write_bytes(path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for _ in 0..120 {
        file.write_all(&[0x55; 16_000]).unwrap();
        file.flush().unwrap();
    }
}
