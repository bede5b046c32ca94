//! libFuzzer's door to `bodies/rtp.rs`.
#![no_main]

#[path = "../bodies/rtp.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
