//! libFuzzer's door to `bodies/mixer.rs`.
#![no_main]

#[path = "../bodies/mixer.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
