//! The shell: everything with a side effect. Sockets, clocks, threads, files, HTTP.

pub mod prompts;
mod tts;
