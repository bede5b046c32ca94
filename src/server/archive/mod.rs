//! Finished recordings: how long they are kept, and how they go. Nothing here writes sound; whoever
//! records is in `server/media`.

pub mod retention;
