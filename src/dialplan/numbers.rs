//! Patterns of dialled numbers, the most specific first.
//!
//! A pattern is a number in which `x` stands for one digit and a `*` at the end for any rest. The
//! one with more written digits is the more specific; of two with as many, the one without `*`; of
//! two with `*`, the longer one. Where that does not tell two patterns apart and one number fits
//! both, the plan is ambiguous and does not load.
//!
//! Patterns of one *shape* (which places are written, and whether any rest may follow) cannot
//! overlap unless they are the same, so a shape is a table, and a look-up asks one table after the
//! other, the most specific first: its cost grows with the shapes, of which there are few, and not
//! with the numbers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::plan::Number;
use crate::limits;
use crate::number::{BadNumber, Country, Length, compact, international};

/// A number of the plan as it is compared: E.164, or the bare digits of a short one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pattern {
    symbols: String,
    any_rest: bool,
}

/// Digits that a number may have and yet be read by no rule: a service number as a carrier hands it
/// over. Longer ones are a slip of the pen.
const SHORT_DIGITS: usize = 6;

impl Pattern {
    /// Reads a pattern as people write it.
    pub fn read(written: &str, country: Country) -> Result<Self, BadNumber> {
        let written = written.trim();
        let (number, length) = match written.strip_suffix('*') {
            Some(number) => (number, Length::Open),
            None => (written, Length::Whole),
        };
        let any_rest = length == Length::Open;
        if any_rest && number.trim().is_empty() {
            let symbols = String::new();
            return Ok(Self { symbols, any_rest });
        }
        let compact = compact(number).ok_or(BadNumber::NotDigits)?;
        let symbols = match international(&compact, country, length) {
            Ok(symbols) => symbols,
            Err(BadNumber::NoRule) if compact.len() <= SHORT_DIGITS => compact,
            Err(error) => return Err(error),
        };
        Ok(Self { symbols, any_rest })
    }

    pub(super) fn shape(&self) -> Shape {
        let places = self.symbols.bytes().map(|symbol| symbol != b'x');
        Shape::new(places.collect(), self.any_rest)
    }

    /// The written symbols, in order.
    pub(super) fn literals(&self) -> String {
        self.symbols.replace('x', "")
    }
}

/// Which places of a pattern are written. Sorts with the most specific first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Shape {
    rank: Rank,
    written: Vec<bool>,
}

/// Written symbols, then whether any rest may follow, then symbols in all.
type Rank = (Reverse<usize>, bool, Reverse<usize>);

impl Shape {
    fn new(written: Vec<bool>, any_rest: bool) -> Self {
        let literals = written.iter().filter(|written| **written).count();
        let rank = (Reverse(literals), any_rest, Reverse(written.len()));
        Self { rank, written }
    }

    const fn any_rest(&self) -> bool {
        self.rank.1
    }

    /// The symbols of `number` in the written places, if its length fits.
    pub(super) fn pick(&self, number: &str) -> Option<String> {
        let fits = if self.any_rest() {
            number.len() >= self.written.len()
        } else {
            number.len() == self.written.len()
        };
        let symbols = number.chars().zip(&self.written);
        fits.then(|| {
            symbols
                .filter(|(_, written)| **written)
                .map(|(c, _)| c)
                .collect()
        })
    }
}

/// All numbers of a plan.
#[derive(Clone, Debug, Default)]
pub struct NumberTable {
    numbers: Vec<Number>,
    shapes: BTreeMap<Shape, BTreeMap<String, usize>>,
    patterns: usize,
}

/// Why a number could not be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clash {
    /// Another pattern, by its index, is as specific and fits the same numbers.
    With(usize),
    /// The patterns have too many different shapes.
    Shapes,
    /// Too many patterns have an `x` or a `*`.
    Patterns,
}

impl NumberTable {
    /// Adds a number under its pattern.
    pub fn add(&mut self, pattern: &Pattern, number: Number) -> Result<(), Clash> {
        let shape = pattern.shape();
        let literals = pattern.literals();
        let same = self
            .shapes
            .get(&shape)
            .and_then(|table| table.get(&literals));
        if let Some(index) = same.copied().or_else(|| self.overlap(&shape, pattern)) {
            return Err(Clash::With(index));
        }
        if pattern.any_rest || literals.len() < pattern.symbols.len() {
            self.patterns += 1;
        }
        if self.patterns > limits::NUMBER_PATTERNS {
            return Err(Clash::Patterns);
        }
        let known = self.shapes.contains_key(&shape);
        if !known && self.shapes.len() >= limits::NUMBER_SHAPES {
            return Err(Clash::Shapes);
        }
        let table = self.shapes.entry(shape).or_default();
        table.insert(literals, self.numbers.len());
        self.numbers.push(number);
        Ok(())
    }

    /// A number of another shape of the same rank that overlaps the pattern: they agree in every
    /// place that both write.
    fn overlap(&self, shape: &Shape, pattern: &Pattern) -> Option<usize> {
        let rivals = self
            .shapes
            .iter()
            .filter(|(rival, _)| rival.rank == shape.rank && *rival != shape);
        for (rival, table) in rivals {
            let found = table.iter().find(|(literals, _)| {
                let mut theirs = literals.chars();
                let places = rival.written.iter().zip(pattern.symbols.chars());
                let mut agree = places.map(|(written, ours)| {
                    let symbol = written.then(|| theirs.next()).flatten();
                    symbol.is_none_or(|symbol| symbol == ours || ours == 'x')
                });
                agree.all(|agrees| agrees)
            });
            if let Some((_, index)) = found {
                return Some(*index);
            }
        }
        None
    }

    /// The number that a dialled one means; `dialled` is E.164, or bare digits.
    #[must_use]
    pub fn find(&self, dialled: &str) -> Option<&Number> {
        self.shapes.iter().find_map(|(shape, table)| {
            let index = table.get(&shape.pick(dialled)?)?;
            self.numbers.get(*index)
        })
    }

    /// Every number, in the plan's order.
    pub fn iter(&self) -> impl Iterator<Item = &Number> {
        self.numbers.iter()
    }

    /// How many numbers there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::plan::{Position, Whisper};
    use crate::words::Language;

    fn number(written: &str) -> Number {
        Number {
            written: written.to_owned(),
            name: None,
            site: None,
            city: None,
            source: None,
            campaign: None,
            to: Vec::new(),
            language: Language::Uk,
            whisper: Whisper::default(),
            keep: None,
            position: Position {
                file: "a.yaml".into(),
                line: 1,
                column: 1,
            },
        }
    }

    fn table(patterns: &[&str]) -> Result<NumberTable, Clash> {
        let mut table = NumberTable::default();
        for written in patterns {
            let pattern = Pattern::read(written, Country::Ua).unwrap();
            table.add(&pattern, number(written))?;
        }
        Ok(table)
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let all = [
            "*",
            "+7*",
            "0800 301 230",
            "0800 301 23x",
            "0800 301 2xx",
            "0800 301*",
            "0800 301 x*",
            "048 705 32 0х",
            "104",
        ];
        let table = table(&all).unwrap();
        for (dialled, expected) in [
            ("+380800301230", "0800 301 230"),
            ("+380800301231", "0800 301 23x"),
            ("+380800301245", "0800 301 2xx"),
            ("+380800301999", "0800 301 x*"),
            ("+380800301", "0800 301*"),
            ("+380487053209", "048 705 32 0х"),
            ("+78612003040", "+7*"),
            ("104", "104"),
            ("+12025550123", "*"),
        ] {
            let found = table.find(dialled).map(|number| number.written.as_str());
            assert_eq!(found, Some(expected), "{dialled}");
        }
        assert_eq!(table.len(), all.len());
    }

    #[test]
    fn a_tie_is_found_and_a_near_miss_is_not() {
        let clash = |patterns: &[&str]| table(patterns).err();
        assert_eq!(
            clash(&["0800 301 23x", "0800 301 2x0"]),
            Some(Clash::With(0))
        );
        assert_eq!(
            clash(&["0800 301 230", "+380 800 301 230"]),
            Some(Clash::With(0))
        );
        assert_eq!(
            clash(&["104", "0800 3x1*", "0800 30x*"]),
            Some(Clash::With(1))
        );
        assert_eq!(clash(&["0800 301 23x", "0800 301 3x0"]), None);
        assert_eq!(
            clash(&["0800 301 23x", "0800 301 x30", "0800 301*"]),
            Some(Clash::With(0))
        );
    }

    #[test]
    fn a_look_up_agrees_with_trying_every_pattern() {
        let patterns = [
            "06x 111 22 3x",
            "067 1xx xx 33",
            "067*",
            "0671*",
            "067 111 22 3x",
        ];
        let table = table(&patterns).unwrap();
        for dialled in 0..100_000_u32 {
            let dialled = format!("+38067{:07}", dialled * 97 % 10_000_000);
            let fits = |pattern: &Pattern| {
                let symbols = pattern.symbols.chars().zip(dialled.chars());
                (pattern.any_rest || pattern.symbols.len() == dialled.len())
                    && symbols
                        .into_iter()
                        .all(|(symbol, digit)| symbol == 'x' || symbol == digit)
            };
            let best = patterns
                .iter()
                .map(|written| (Pattern::read(written, Country::Ua).unwrap(), written))
                .filter(|(pattern, _)| fits(pattern))
                .min_by_key(|(pattern, _)| pattern.shape().rank);
            let found = table.find(&dialled).map(|number| number.written.as_str());
            assert_eq!(found, best.map(|(_, written)| *written), "{dialled}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let read = |written| Pattern::read(written, Country::Ua).err();
        assert_eq!(read("0800 301 23"), Some(BadNumber::NoRule));
        assert_eq!(read("+380 800 301 23"), Some(BadNumber::Length));
        assert_eq!(read("08*00"), Some(BadNumber::NotDigits));
        assert_eq!(read("Одеса"), Some(BadNumber::NotDigits));
        assert_eq!(read(""), Some(BadNumber::NotDigits));
        assert_eq!(read("104"), None);
    }
}
