//! The distributor alone, with what proves it: a reference and days on which both must agree, and a
//! load whose waiting times are known from theory.
//!
//! The first modules are the product's own files, word for word; they stand here a second time only to
//! be compiled with optimisation, which the rest of the product is not when it is tested.

#[path = "../../../src/acd/mod.rs"]
pub mod acd;
#[path = "../../../src/id.rs"]
pub mod id;
#[path = "../../../src/limits.rs"]
pub mod limits;
#[path = "../../../src/rng.rs"]
pub mod rng;
#[path = "../../../src/time.rs"]
pub mod time;
#[path = "../../../src/words.rs"]
pub mod words;

pub mod decision;
pub mod erlang;
pub mod reference;
pub mod walk;
