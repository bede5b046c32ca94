//! The server transaction of every request but INVITE and ACK (RFC 3261 17.2.2).
//!
//! ```text
//!      request came
//!           │
//!       ┌───▼──┐ request again: absorbed
//!       │Trying├─────────────────────────┐
//!       └─┬────┘                         │
//!     1xx │                      200-699 │
//!  ┌──────▼───┐ request again:           │
//!  │Proceeding│ resend                   │
//!  └──────┬───┘                          │
//!  200-699│  ┌─────────┐ request again:  │
//!         └──►Completed│ resend     ◄────┘
//!            └────┬────┘
//!                 │ J, broken
//!             Terminated
//! ```

use super::Action::{self, Resend, Start};
use super::Timer;

/// Where the transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing was answered yet.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// The final response was sent; it is given again to late repetitions.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The request came again.
    Request,
    /// The user sends a 1xx.
    Provisional,
    /// The user sends a 200 to 699.
    Final,
    /// Timer J fired.
    TimerJ,
    /// The way is broken.
    Broken,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Trying,
        Self::Proceeding,
        Self::Completed,
        Self::Terminated,
    ];
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 5] = [
        Self::Request,
        Self::Provisional,
        Self::Final,
        Self::TimerJ,
        Self::Broken,
    ];
}

/// What a new transaction does.
pub const OPENING: &[Action] = &[];

/// The table. A response of the user is sent by [`Resend`], as it is the last one by then.
#[must_use]
pub const fn step(state: State, event: Event) -> (State, &'static [Action]) {
    match state {
        State::Trying | State::Proceeding => match event {
            Event::Request => match state {
                State::Proceeding => (state, &[Resend]),
                State::Trying | State::Completed | State::Terminated => (state, &[]),
            },
            Event::Provisional => (State::Proceeding, &[Resend]),
            Event::Final => (State::Completed, &[Resend, Start(Timer::J)]),
            // The user still owes a final response, so the transaction stays until it is given.
            Event::TimerJ | Event::Broken => (state, &[]),
        },
        State::Completed => match event {
            Event::Request => (state, &[Resend]),
            Event::TimerJ | Event::Broken => (State::Terminated, &[]),
            Event::Provisional | Event::Final => (state, &[]),
        },
        State::Terminated => (state, &[]),
    }
}
