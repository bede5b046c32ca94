//! Erlang's formula, and the desk under the load that it describes.

use strowger::time::Duration;
use strowger_floor::erlang::Hall;

/// 100 calls in half an hour, three minutes each, 14 operators.
const HALL: Hall = Hall {
    operators: 14,
    gap: 18.0,
    held: 180.0,
    threshold: Duration::from_secs(20),
};
const CALLS: u64 = 5_000_000;

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 0.02 * expected
}

#[test]
fn five_million_calls_wait_as_erlang_says() {
    let theory = HALL.theory();
    assert!(
        near(theory.waited, 0.174) && near(theory.in_time, 0.888) && near(theory.mean, 7.84),
        "{theory:?}"
    );
    let found = HALL.simulate(CALLS, 1);
    println!("of {CALLS} calls {found:?}, by the formula {theory:?}");
    assert!(near(found.waited, 0.174), "{found:?}");
    assert!(near(found.in_time, 0.888), "{found:?}");
    assert!(near(found.mean, 7.84), "{found:?}");
}
