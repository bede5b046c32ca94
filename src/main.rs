//! The binary: arguments, settings, the server, the exit code.

fn main() {}
