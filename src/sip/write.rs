//! From a message to bytes.
