//! libFuzzer's door to `bodies/engine_script.rs`.
#![no_main]

#[path = "../bodies/engine_script.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
