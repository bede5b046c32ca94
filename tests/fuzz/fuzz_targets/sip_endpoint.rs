//! libFuzzer's door to `bodies/sip_endpoint.rs`.
#![no_main]

#[path = "../bodies/sip_endpoint.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
