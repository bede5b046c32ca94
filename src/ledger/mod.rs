//! What must never be lost: outcomes, callbacks and who called before, as state machines over records.

pub mod attempts;
pub mod callbacks;
pub mod history;
pub mod outcomes;
pub mod recalls;
