//! What must never be lost: outcomes, callbacks, leads and who called before, as state machines over records.

pub mod answers;
pub mod attempts;
pub mod callbacks;
pub mod due;
pub mod engaged;
pub mod history;
pub mod leads;
pub mod outcomes;
pub mod recalls;
pub mod refusals;
