//! What a decision of the distributor costs, in instructions, which are the same on every run and every
//! day: it grows no faster than the logarithm of the hall.
//!
//! A test cannot count its own instructions, so it runs itself once more under valgrind's callgrind,
//! which counts inside [`Hall::decide`] alone.

use std::env;
use std::fs;
use std::process::Command;

use strowger_floor::decision::Hall;
use strowger_floor::words::Strategy;

/// Says which hall the inner run shall decide in.
const INNER: &str = "STROWGER_COUNT";
const DECISIONS: u64 = 200;

/// The inner run: operators become free in a hall in which twice as many callers wait.
fn decide(asked: &str) {
    let (operators, strategy) = asked.split_once(' ').expect("a number and a strategy");
    let operators = operators.parse::<u64>().expect("a number");
    let known = Strategy::ALL.into_iter().find(|it| it.0 == strategy);
    let (_, strategy) = known.expect("a strategy");
    let mut hall = Hall::new(operators, strategy);
    hall.fill(usize::try_from(2 * operators).unwrap());
    for _ in 0..DECISIONS {
        let input = hall.release().expect("all talk");
        hall.decide(input);
        hall.listen();
        let input = hall.join();
        hall.decide(input);
        hall.listen();
    }
}

/// Instructions of a decision in a hall of so many.
fn count(operators: u64, strategy: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*Hall::decide*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "instructions::a_decision_costs_no_more_than_the_logarithm_of_the_hall",
        ])
        .env(INNER, format!("{operators} {strategy}"))
        .output()
        .expect("valgrind is installed: apt-get install valgrind");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let counted = fs::read_to_string(&out).unwrap();
    let total = counted
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|it| it.trim().parse::<u64>().ok());
    total.expect("callgrind writes the sum") / (2 * DECISIONS)
}

#[test]
fn a_decision_costs_no_more_than_the_logarithm_of_the_hall() {
    if let Ok(asked) = env::var(INNER) {
        decide(&asked);
        return;
    }
    let logarithm = 2_000_f64.ln() / 125_f64.ln();
    for (strategy, _) in Strategy::ALL {
        let [small, large] = [125, 2_000].map(|operators| count(operators, strategy));
        println!("{strategy}: {small} instructions with 125 operators, {large} with 2,000");
        assert!(
            small > 500,
            "{strategy}: {small} instructions are no decision"
        );
        let most = small as f64 * logarithm;
        assert!(large as f64 <= most, "{strategy}: {small} grow to {large}");
    }
}
