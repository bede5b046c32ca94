//! RTP (RFC 3550) and what travels in it. Pure: packets in, packets out.

pub mod g711;
pub mod packet;
pub mod rtcp;
pub mod srtp;
pub mod telephone_event;
