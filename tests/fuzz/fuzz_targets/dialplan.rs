//! libFuzzer's door to `bodies/dialplan.rs`.
#![no_main]

#[path = "../bodies/dialplan.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
