//! What must never be lost: outcomes and callbacks, as a state machine over records.

pub mod callbacks;
pub mod outcomes;
