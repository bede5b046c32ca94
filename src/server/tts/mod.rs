//! Voices that say what nobody recorded. They work when a plan is loaded, never in a call.

pub(crate) mod command;
pub(crate) mod embedded;
