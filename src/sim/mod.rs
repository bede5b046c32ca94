//! A virtual world around the real engine: network, callers, operators, carriers. No socket, no
//! clock; the same seed gives the same bytes.

pub mod caller;
pub mod disk;
pub mod ladder;
pub mod load;
pub mod network;
pub mod party;
pub mod phone;
pub mod rehearsal;
pub mod sound;
pub mod trace;
pub mod watch;
pub mod world;
