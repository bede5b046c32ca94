//! Endpoints back to back over a network in virtual time.

mod bindings;
mod calls;
mod network;
mod peers;
mod refers;
mod registering;
mod strangers;
mod subscribing;
