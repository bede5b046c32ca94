//! What a dialled number means: YAML in, a plan that cannot be wrong out, decisions from it.

pub mod calendar;
pub mod compile;
pub mod decide;
pub mod diagnose;
pub mod dial;
pub mod lead;
pub mod lists;
pub mod numbers;
pub mod plan;
pub mod read;
pub mod routes;
pub mod schema;
pub mod secrets;
pub mod speech;
pub mod whisper;
pub mod yaml;
