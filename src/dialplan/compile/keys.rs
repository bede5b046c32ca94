//! Short numbers for keypads: each means one operator or one queue, and nothing else.

use std::collections::BTreeMap;

use super::Defaults;
use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::read::Fields;
use crate::number::{Country, normalise};

/// Digits of a short number.
const DIGITS: std::ops::RangeInclusive<usize> = 2..=6;

/// The short numbers read so far.
pub(super) struct Keys {
    country: Country,
    taken: BTreeMap<String, (Place, &'static str)>,
}

impl Keys {
    pub(super) fn new(defaults: &Defaults) -> Self {
        Self {
            country: defaults.country,
            taken: BTreeMap::new(),
        }
    }

    /// The short number under `number` of somebody who is a `kind`.
    pub(super) fn short_number(
        &mut self,
        fields: &Fields<'_>,
        kind: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<String> {
        let digits = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            (digits && DIGITS.contains(&text.len())).then(|| text.to_owned())
        };
        let number = fields.parsed("number", "2 to 6 digits", digits, problems)?;
        let at = fields.get("number").map_or(fields.at, |node| node.at);
        let country = self.country;
        if country.emergency().contains(&number.as_str()) {
            let country = country.as_str();
            problems.error(at, format!("`{number}` calls for help in {country}"));
        } else if normalise(&number, country).is_ok() {
            let country = country.as_str();
            problems.error(at, format!("`{number}` is a number of {country}"));
        }
        if let Some(&(first, whose)) = self.taken.get(&number) {
            let first = problems.position(first);
            let other = if whose == kind { "another" } else { "the" };
            let message = format!("`{number}` is taken by {other} {whose} at {first}");
            problems.error(at, message);
        } else {
            self.taken.insert(number.clone(), (at, kind));
        }
        Some(number)
    }

    /// A feature code must not mean anybody here, nor call for help, nor be a number of the country.
    /// One that is `open` takes every number that begins so.
    pub(super) fn keep_code_free(
        &self,
        code: &str,
        open: bool,
        at: Place,
        problems: &mut Problems<'_>,
    ) {
        let takes = |number: &str| number == code || open && number.starts_with(code);
        let country = self.country;
        if let Some(help) = country.emergency().iter().find(|number| takes(number)) {
            let country = country.as_str();
            let message =
                format!("`{code}` would take `{help}`, which calls for help in {country}");
            problems.error(at, message);
        } else if normalise(code, country).is_ok() {
            let country = country.as_str();
            problems.error(at, format!("`{code}` is a number of {country}"));
        }
        if let Some((number, (first, whose))) = self.taken.iter().find(|(it, _)| takes(it)) {
            let first = problems.position(*first);
            let message = format!("`{code}` would take `{number}` of the {whose} at {first}");
            problems.error(at, message);
        }
    }

    /// Numbers that call for help must not mean anybody here.
    pub(super) fn keep_free(&self, number: &str, at: Place, problems: &mut Problems<'_>) {
        if let Some(&(first, whose)) = self.taken.get(number) {
            let first = problems.position(first);
            let message = format!("`{number}` is the short number of the {whose} at {first}");
            problems.error(at, message);
        }
    }
}
