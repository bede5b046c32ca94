//! Endpoints back to back over a network in virtual time.

mod bindings;
mod calls;
mod challenges;
mod endings;
mod hand;
mod network;
mod peers;
mod refers;
mod refreshes;
mod registering;
mod reliable;
mod reoffers;
mod strangers;
mod streams;
mod subscribing;
mod thieves;
mod updates;
