//! The INVITE server transaction (RFC 3261 17.2.1, RFC 6026 8.5).
//!
//! ```text
//!        INVITE came, 100 sent
//!                 │
//!          ┌──────▼───┐ 1xx sent, INVITE again: resend
//!          │Proceeding├───────────────────┐
//!          └──┬───────┘                   │ 2xx sent by the user,
//!     300-699 │                           │ who repeats it
//!      ┌──────▼──┐ G, INVITE again:  ┌────▼───┐ INVITE again: absorbed
//!      │Completed│ resend            │Accepted│ ACK: passed on
//!      └─┬─────┬─┘                   └────┬───┘
//!    ACK │     │ H: timed out             │ L
//!  ┌─────▼───┐ │                          │
//!  │Confirmed├─┴──────►Terminated◄────────┘
//!  └─────────┘ I
//! ```

use super::Action::{self, Again, Pass, Resend, Start, Stop, TimedOut};
use super::Timer;

/// Where the transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The INVITE waits for its final response.
    Proceeding,
    /// It was refused; the refusal is sent again until the ACK comes.
    Completed,
    /// The refusal was acknowledged; late ACKs are absorbed.
    Confirmed,
    /// It was accepted; the user repeats the 2xx.
    Accepted,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The INVITE came again.
    Request,
    /// An ACK with the branch of the INVITE came.
    Ack,
    /// The user sends a 1xx.
    Provisional,
    /// The user sends a 2xx.
    Success,
    /// The user sends a 300 to 699.
    Failure,
    /// Timer G fired.
    TimerG,
    /// Timer H fired.
    TimerH,
    /// Timer I fired.
    TimerI,
    /// Timer L fired.
    TimerL,
    /// The way is broken.
    Broken,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Proceeding,
        Self::Completed,
        Self::Confirmed,
        Self::Accepted,
        Self::Terminated,
    ];
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 10] = [
        Self::Request,
        Self::Ack,
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::TimerG,
        Self::TimerH,
        Self::TimerI,
        Self::TimerL,
        Self::Broken,
    ];
}

/// What a new transaction does besides sending its first response.
pub const OPENING: &[Action] = &[];

/// The table. A response of the user is sent by [`Resend`], as it is the last one by then.
#[must_use]
pub const fn step(state: State, event: Event) -> (State, &'static [Action]) {
    match state {
        State::Proceeding => match event {
            Event::Request | Event::Provisional => (state, &[Resend]),
            Event::Success => (State::Accepted, &[Resend, Start(Timer::L)]),
            Event::Failure => (
                State::Completed,
                &[Resend, Start(Timer::G), Start(Timer::H)],
            ),
            // The user still owes a final response, so the transaction stays until it is given.
            Event::Broken
            | Event::Ack
            | Event::TimerG
            | Event::TimerH
            | Event::TimerI
            | Event::TimerL => (state, &[]),
        },
        State::Completed => match event {
            Event::Request => (state, &[Resend]),
            Event::TimerG => (state, &[Resend, Again(Timer::G)]),
            Event::Ack => (
                State::Confirmed,
                &[Stop(Timer::G), Stop(Timer::H), Start(Timer::I)],
            ),
            Event::TimerH => (State::Terminated, &[TimedOut]),
            Event::Broken => (State::Terminated, &[]),
            Event::Provisional
            | Event::Success
            | Event::Failure
            | Event::TimerI
            | Event::TimerL => (state, &[]),
        },
        State::Confirmed => match event {
            Event::TimerI | Event::Broken => (State::Terminated, &[]),
            Event::Request
            | Event::Ack
            | Event::Provisional
            | Event::Success
            | Event::Failure
            | Event::TimerG
            | Event::TimerH
            | Event::TimerL => (state, &[]),
        },
        State::Accepted => match event {
            Event::Ack => (state, &[Pass]),
            Event::TimerL => (State::Terminated, &[]),
            // The dialog outlives the way the INVITE came by; the wait for late copies goes on.
            Event::Broken
            | Event::Request
            | Event::Provisional
            | Event::Success
            | Event::Failure
            | Event::TimerG
            | Event::TimerH
            | Event::TimerI => (state, &[]),
        },
        State::Terminated => (state, &[]),
    }
}
