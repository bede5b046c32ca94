//! SIP (RFC 3261): messages, transactions, dialogs, sessions, and the endpoint that ties them.
//!
//! Pure: bytes and instants in, bytes and events out. Knows nothing of calls, queues or SDP.

pub mod auth;
pub mod dialog;
pub mod endpoint;
pub mod flow;
pub mod framing;
pub mod header;
pub mod identity;
pub mod limiter;
pub mod message;
mod multipart;
pub mod parse;
pub mod refer;
pub mod registrar;
pub mod registration;
pub mod replaces;
pub mod resolve;
pub mod session;
pub mod status;
pub mod subscription;
pub mod transaction;
pub mod trunk;
pub mod uri;
pub mod write;
