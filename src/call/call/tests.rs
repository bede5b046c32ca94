//! Every input in every phase: nothing panics, nothing hangs, nothing is left, one end is told.

mod bench;
mod endings;
mod inputs;
mod stations;
mod updates;

use super::*;
use bench::*;
use inputs::*;
use stations::*;

fn every_input(stations: Vec<(&'static str, Bench)>, twice: bool) {
    for (station, bench) in stations {
        bench.clone().run_out(station);
        for first in inputs(&bench) {
            let mut once = bench.clone();
            tell(&mut once, first.clone());
            once.clone().run_out(&format!("{station}, {first:?}"));
            if !twice || once.done {
                continue;
            }
            for second in inputs(&once) {
                let mut both = once.clone();
                tell(&mut both, second.clone());
                both.run_out(&format!("{station}, {first:?}, {second:?}"));
            }
        }
    }
}

#[test]
fn every_input_in_every_phase_leaves_nothing_behind() {
    every_input(stations(&plan("queue"), Some(SDP)), true);
    every_input(stations(&plan("operator"), Some(SDP)), false);
    every_input(stations(&plan("queue"), None), false);
    every_input(stations(&plan("operator"), None), false);
}

#[test]
fn every_input_in_a_call_that_a_key_accepts_leaves_nothing_behind() {
    every_input(accepted(), true);
}

#[test]
fn every_input_in_a_call_that_an_operator_places_leaves_nothing_behind() {
    let outside = Dialled::Outside {
        number: "+380671112233".to_owned(),
        emergency: false,
    };
    let olena = Dialled::Operator(operator("olena"));
    every_input(placed(&plan("queue"), Some(SDP), &olena), true);
    every_input(placed(&plan("queue"), None, &olena), false);
    every_input(placed(&plan("queue"), Some(SDP), &outside), false);
}

#[test]
fn every_input_in_a_transfer_leaves_nothing_behind() {
    every_input(transferred(&plan("queue")), true);
}

#[test]
fn every_input_in_a_call_that_nobody_takes_leaves_nothing_behind() {
    every_input(alone(Some(SDP)), true);
    every_input(alone(None), false);
}
