//! Carriers: whether they are there, whether they know us, and how a call out goes on when one is not.

pub mod attempt;
