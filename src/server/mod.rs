//! The shell: everything with a side effect. Sockets, clocks, threads, files, HTTP.

pub mod admin;
pub mod clock;
pub mod entropy;
pub mod log;
pub mod media;
pub mod outbox;
pub mod plan_files;
pub mod prompts;
pub mod retention;
pub mod settings;
pub mod store;
pub mod surroundings;
pub mod telemetry;
mod tts;
