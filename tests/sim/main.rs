//! The engine in the virtual world: thousands of calls through a network that loses, doubles and
//! reorders, and the ends that calls can come to one by one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on shall stop"
)]

mod hall;
mod ladders;
mod load;
mod races;
