//! Typed header fields.
