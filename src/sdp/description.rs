//! What a description says of its one voice stream.
