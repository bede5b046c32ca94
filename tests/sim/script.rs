//! Random scripts for the body that libFuzzer runs too.

use strowger::rng::Rng;

use crate::engine_script::run;

#[test]
fn any_script_of_a_day_keeps_every_promise() {
    for seed in 0..60_u8 {
        let mut script = vec![0; 120];
        Rng::new([seed; 32]).fill(&mut script);
        println!("seed {seed}");
        run(&script);
    }
}

#[test]
fn a_shutdown_in_the_middle_of_everything_leaves_nothing() {
    let calls = [0, 200, 4, 40, 1, 201, 4, 90, 2, 130, 4, 120, 0, 180];
    for wait in (0..250).step_by(10) {
        let mut script = calls.to_vec();
        script.extend([4, wait, 15, 1, 15, 0, 0, 200, 4, 100]);
        run(&script);
    }
}

#[test]
fn calls_that_a_key_accepts_keep_every_promise() {
    for seed in 0..60_u8 {
        let mut rng = Rng::new([seed; 32]);
        // The plan that asks for a key, its whispers rendered while phones ring.
        let mut script = vec![12, 3];
        for _ in 0..60 {
            let mut byte = || u8::try_from(rng.below(256)).unwrap();
            let how = byte();
            let step = match byte() % 8 {
                0 | 1 => [0, how | 128],
                2..=4 => [4, how],
                5 => [15, 5 + how % 2 + 8 * (how / 16)],
                6 => [byte(), how],
                _ => [15, 4 + 8 * (how % 4)],
            };
            script.extend(step);
        }
        println!("seed {seed}");
        run(&script);
    }
}
