//! The wire format against the RFCs: torture messages, what broke others, round trips, mutations.
//!
//! Only what can be said of one message or one description; what a whole endpoint answers is tested
//! with the endpoint.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic that it failed"
)]

#[path = "../fuzz/bodies/resolve.rs"]
mod fuzz_resolve;
#[path = "../fuzz/bodies/sdp.rs"]
mod fuzz_sdp;
#[path = "../fuzz/bodies/sip_endpoint.rs"]
mod fuzz_sip_endpoint;
#[path = "../fuzz/bodies/sip_message.rs"]
mod fuzz_sip_message;
#[path = "../fuzz/bodies/stream_framing.rs"]
mod fuzz_stream_framing;

mod advisories;
mod corpus;
mod mutation;
mod round_trip;
mod sdp;
mod second_reader;
mod torture;
mod torture_endpoint;

use std::path::{Path, PathBuf};

/// The files of a folder of this test's own corpus, by name.
fn corpus_files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/conformance")
        .join(folder);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}
