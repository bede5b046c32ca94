//! `docs/dialplan.md` has every word of the schema, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use strowger::dialplan::schema::SECTIONS;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).unwrap()
}

/// The words in the first cells of the table under a heading.
fn told<'t>(page: &'t str, heading: &str) -> BTreeSet<&'t str> {
    let heading = format!("\n## {heading}\n");
    let (_, rest) = page
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no heading{heading}"));
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap()).collect()
}

#[test]
fn the_reference_has_every_word_and_no_other() {
    let page = read("docs/dialplan.md");
    for (heading, words) in SECTIONS {
        let known = words.known.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(told(&page, heading), known, "{heading}");
    }
    let later = page.split("## Words that come later").nth(1).unwrap();
    let all = SECTIONS.iter().filter(|(name, _)| *name == "plan");
    for word in all.flat_map(|(_, words)| words.later) {
        assert!(later.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn every_mapping_of_the_schema_is_in_the_reference() {
    let schema = read("src/dialplan/schema.rs");
    let mappings = schema.matches(": Words = Words {").count();
    assert_eq!(SECTIONS.len(), mappings);
}
