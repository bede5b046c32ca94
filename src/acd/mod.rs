//! Who serves whom: queues, tickets, operators. Pure, and alone in changing an operator's state.

pub mod desk;
mod former;
pub mod message;
pub mod operator;
pub mod queue;
pub mod selection;
pub mod ticket;
