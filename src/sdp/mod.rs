//! Session descriptions (RFC 8866) and offer/answer (RFC 3264), for one voice stream of G.711.

pub mod crypto;
pub mod description;
pub mod offer_answer;
