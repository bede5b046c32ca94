//! The one door: `(now, input)` in, outputs out.

pub mod event;
pub mod input;
pub mod output;
