//! libFuzzer's door to `bodies/sdp.rs`.
#![no_main]

#[path = "../bodies/sdp.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
