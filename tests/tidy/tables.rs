//! The tables of `docs/sip.md` name a test in their last column; each must exist, and no row may be
//! without one. What the tests show is for them to say.

use std::collections::BTreeSet;

use crate::Broken;

/// The names of the tests in a source.
pub fn tests_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let attributes = ["#[test]", "#[tokio::test"];
    attributes.into_iter().flat_map(|attribute| {
        text.split(attribute).skip(1).filter_map(|rest| {
            let (_, name) = rest.split_once("fn ")?;
            let end =
                name.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
            name.get(..end).map(str::to_owned)
        })
    })
}

/// The rows of a document that break the law.
pub fn check(path: &str, text: &str, known: &BTreeSet<String>) -> Vec<Broken> {
    let mut found = Vec::new();
    let mut rows = 0;
    for (at, line) in text.lines().enumerate() {
        let cells: Vec<_> = line.trim().trim_matches('|').split(" | ").collect();
        let is_row = line.starts_with('|') && !line.starts_with("|-") && cells.len() > 1;
        let last = cells.last().map_or("", |cell| cell.trim());
        if !is_row || last == "test" {
            continue;
        }
        rows += 1;
        let place = || format!("{path}:{}", at + 1);
        let names: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        if cells.iter().any(|cell| cell.trim().is_empty()) || names.is_empty() {
            let law = "a row of this table has no empty cell and names its test".to_owned();
            found.push(Broken {
                place: place(),
                law,
            });
        }
        for name in names {
            if !known.contains(name) {
                let law = format!("there is no test `{name}`");
                found.push(Broken {
                    place: place(),
                    law,
                });
            }
        }
    }
    assert!(rows > 0, "{path} has no table");
    found
}
