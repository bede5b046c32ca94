//! The engine in the virtual world: thousands of calls through a network that loses, doubles and
//! reorders, and the ends that calls can come to one by one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall stop"
)]

mod callbacks;
mod commands;
mod cuts;
mod day;
mod engaged;
#[path = "../fuzz/bodies/engine_script.rs"]
mod engine_script;
mod erlang;
mod exchange;
mod hall;
mod instructions;
mod ladders;
mod leads;
mod load;
mod losers;
mod loss;
mod model;
mod outside;
mod passing_on;
mod queues;
mod races;
mod recalls;
mod rehearsals;
mod reload;
mod script;
mod sessions;
mod silences;
mod soak;
mod strangers;
mod supervising;
mod waiting;
mod whispers;
