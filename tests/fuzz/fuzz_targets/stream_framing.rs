//! libFuzzer's door to `bodies/stream_framing.rs`.
#![no_main]

#[path = "../bodies/stream_framing.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
