//! Patterns of dialled numbers, the most specific first.

use super::plan::Number;

/// All numbers of a plan.
#[derive(Clone, Debug, Default)]
pub struct NumberTable {
    numbers: Vec<Number>,
}

impl NumberTable {
    /// Every number, in the plan's order.
    pub fn iter(&self) -> impl Iterator<Item = &Number> {
        self.numbers.iter()
    }
}
