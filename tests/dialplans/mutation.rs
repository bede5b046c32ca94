//! The fuzz body over every plan of these tests and seeded mutations of them, on stable Rust.

use strowger::rng::Rng;

use crate::{fuzz_dialplan, fuzz_whisper, plans};

/// Words that have broken readers of YAML before, and those that mean something here.
const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\t",
    "  ",
    " - ",
    "- ",
    ": ",
    ":",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "%%%%\n",
    "# ",
    "\u{feff}",
    "~",
    "null",
    "\\",
    "\\x00",
    "\0",
    "\u{1b}[31m",
    "é",
    "\u{202e}",
    "х",
    "*",
    "x",
    "+",
    "0800",
    "${env:",
    "${file:AB}",
    "}",
    "queue.",
    "queue.all",
    "20s",
    "0s",
    "99999999999999999999d",
    "-1",
    "true",
    "version: 1\n",
    "\nqueues:\n",
    "\nnumbers:\n",
    "\noperators:\n",
    "\ntests:\n",
    "overflow: queue.all",
];

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn mutate(rng: &mut Rng, seeds: &[String]) -> Vec<u8> {
    let mut bytes = seeds[below(rng, seeds.len())].clone().into_bytes();
    for _ in 0..=below(rng, 5) {
        let at = below(rng, bytes.len() + 1);
        let end = (at + below(rng, 60)).min(bytes.len());
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                let to = below(rng, bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            3 => {
                let other = seeds[below(rng, seeds.len())].as_bytes();
                let from = below(rng, other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let word = WORDS[below(rng, WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

#[test]
fn mutated_plans_get_problems_or_a_plan() {
    let folders = [
        "dialplans",
        "dialplans/demo",
        "dialplans/cookbook",
        "tests/dialplans/bad",
        "tests/dialplans/good",
    ];
    let seeds = folders.into_iter().flat_map(plans).map(|(_, text)| text);
    let seeds = seeds.collect::<Vec<_>>();
    for seed in &seeds {
        fuzz_dialplan::run(seed.as_bytes());
    }
    let mut rng = Rng::new([7; 32]);
    for _ in 0..4_000 {
        fuzz_dialplan::run(&mutate(&mut rng, &seeds));
    }
}

#[test]
fn mutated_whispers_get_faults_or_forms() {
    let seeds = [
        "\u{f}\u{3}Дзвінок {from}[, {campaign}][, {repeat}][, чекає {wait}][, {lead}][, {callback}]",
        "\u{7}\u{0}[{city}: ]{from}, {site} - {name}. {repeat}",
        "\u{1}\u{7f}Call from {city}[, waiting {wait}][ ({callback})]",
    ];
    let seeds = seeds.map(str::to_owned);
    for seed in &seeds {
        fuzz_whisper::run(seed.as_bytes());
    }
    let mut rng = Rng::new([8; 32]);
    for _ in 0..20_000 {
        fuzz_whisper::run(&mutate(&mut rng, &seeds));
    }
}
