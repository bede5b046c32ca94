//! From bytes to a message.
