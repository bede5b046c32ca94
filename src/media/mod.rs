//! What happens to sound: relaying, playing, recording. Pure; the media threads of the shell own the
//! sockets and call in here with `&mut`.

pub mod carried;
pub mod command;
pub mod cover;
pub mod jitter_buffer;
pub mod manifest;
pub mod mixer;
pub mod outbound;
pub mod packetiser;
pub mod playout;
pub mod reception;
pub mod recorder;
pub mod relay;
pub mod reports;
pub mod source;
pub mod track;
pub mod wav;
