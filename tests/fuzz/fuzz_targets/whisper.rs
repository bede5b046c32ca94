//! libFuzzer's door to `bodies/whisper.rs`.
#![no_main]

#[path = "../bodies/whisper.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
