//! Lists of numbers: blocked callers, regular patients. A number is looked up in a few steps, however
//! long the list is.

use std::collections::{BTreeMap, BTreeSet};

use super::numbers::{Pattern, Shape};
use crate::limits;

/// Numbers, and patterns of numbers with `x` for one digit and `*` at the end for any rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NumberList {
    shapes: BTreeMap<Shape, BTreeSet<String>>,
}

/// The patterns of a list have more than [`limits::NUMBER_SHAPES`] different shapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyShapes;

impl NumberList {
    /// Adds a pattern; one that is in already changes nothing.
    pub fn add(&mut self, pattern: &Pattern) -> Result<(), TooManyShapes> {
        let shape = pattern.shape();
        let known = self.shapes.contains_key(&shape);
        if !known && self.shapes.len() >= limits::NUMBER_SHAPES {
            return Err(TooManyShapes);
        }
        let literals = self.shapes.entry(shape).or_default();
        literals.insert(pattern.literals());
        Ok(())
    }

    /// Whether a number, in E.164 or as bare digits, fits one of the patterns.
    #[must_use]
    pub fn contains(&self, number: &str) -> bool {
        self.shapes.iter().any(|(shape, literals)| {
            let picked = shape.pick(number);
            picked.is_some_and(|picked| literals.contains(&picked))
        })
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// How many numbers and patterns it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shapes.values().map(BTreeSet::len).sum()
    }
}
