//! libFuzzer's door to `bodies/resolve.rs`.
#![no_main]

#[path = "../bodies/resolve.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
