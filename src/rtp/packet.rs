//! RTP packets, read and rewritten in place.
