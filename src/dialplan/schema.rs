//! The YAML as serde reads it.

/// One entry of `tests:`.
#[derive(Clone, Debug)]
pub struct PlanTest;
