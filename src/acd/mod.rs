//! Who serves whom: queues, tickets, operators. Pure, and alone in changing an operator's state.

mod abandoned;
pub mod desk;
mod excluded;
mod free;
mod line;
pub mod message;
pub mod operator;
pub mod queue;
mod statistics;
pub mod ticket;
