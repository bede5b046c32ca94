//! The INVITE client transaction (RFC 3261 17.1.1, RFC 6026 8.4).
//!
//! ```text
//!            INVITE sent
//!                 │
//!            ┌────▼────┐ A: resend   B, broken, abandon
//!            │ Calling ├──────────────────────────────┐
//!            └─┬──┬──┬─┘                              │
//!          1xx │  │  │ 2xx                            │
//!     ┌────────▼┐ │  └──────────────┐                 │
//!     │Proceeding├┼─2xx────────────┐│                 │
//!     └────────┬┘ │ 300-699        ││                 │
//!      300-699 │  │                ││                 │
//!        ┌─────▼──▼┐          ┌────▼▼──┐              │
//!        │Completed│ ACK each │Accepted│ pass each 2xx│
//!        └─────┬───┘          └────┬───┘              │
//!              │ D                 │ M                │
//!              └──────►Terminated◄─┴──────────────────┘
//! ```

use super::Action::{self, Acknowledge, Again, Broken, Pass, Resend, Start, Stop, TimedOut};
use super::Timer;

/// Where the transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The INVITE is sent and sent again.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// It was refused; the ACK is repeated to late repetitions.
    Completed,
    /// It was accepted; the user acknowledges.
    Accepted,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A 1xx came.
    Provisional,
    /// A 2xx came.
    Success,
    /// A 300 to 699 came.
    Failure,
    /// Timer A fired.
    TimerA,
    /// Timer B fired.
    TimerB,
    /// Timer D fired.
    TimerD,
    /// Timer M fired.
    TimerM,
    /// The way is broken.
    Broken,
    /// A cancelled INVITE got no final response in 64·T1 (RFC 3261 9.1).
    Abandon,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Calling,
        Self::Proceeding,
        Self::Completed,
        Self::Accepted,
        Self::Terminated,
    ];
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 9] = [
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::TimerA,
        Self::TimerB,
        Self::TimerD,
        Self::TimerM,
        Self::Broken,
        Self::Abandon,
    ];
}

/// What a new transaction does besides sending its request.
pub const OPENING: &[Action] = &[Start(Timer::A), Start(Timer::B)];

/// The table.
#[must_use]
pub const fn step(state: State, event: Event) -> (State, &'static [Action]) {
    match state {
        State::Calling => match event {
            Event::Provisional => (State::Proceeding, &[Stop(Timer::A), Stop(Timer::B), Pass]),
            Event::TimerA => (state, &[Resend, Again(Timer::A)]),
            Event::Success | Event::Failure | Event::TimerB | Event::Broken | Event::Abandon => {
                open(event)
            }
            Event::TimerD | Event::TimerM => (state, &[]),
        },
        State::Proceeding => match event {
            Event::Provisional => (state, &[Pass]),
            Event::Success | Event::Failure | Event::Broken | Event::Abandon => open(event),
            Event::TimerA | Event::TimerB | Event::TimerD | Event::TimerM => (state, &[]),
        },
        State::Completed => match event {
            Event::Failure => (state, &[Acknowledge]),
            Event::TimerD | Event::Broken => (State::Terminated, &[]),
            Event::Provisional
            | Event::Success
            | Event::TimerA
            | Event::TimerB
            | Event::TimerM
            | Event::Abandon => (state, &[]),
        },
        State::Accepted => match event {
            Event::Success => (state, &[Pass]),
            Event::TimerM | Event::Broken => (State::Terminated, &[]),
            Event::Provisional
            | Event::Failure
            | Event::TimerA
            | Event::TimerB
            | Event::TimerD
            | Event::Abandon => (state, &[]),
        },
        State::Terminated => (state, &[]),
    }
}

/// What ends the wait for a final response, the same before and after a provisional one.
const fn open(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::Success => (
            State::Accepted,
            &[Stop(Timer::A), Stop(Timer::B), Start(Timer::M), Pass],
        ),
        Event::Failure => (
            State::Completed,
            &[
                Stop(Timer::A),
                Stop(Timer::B),
                Acknowledge,
                Start(Timer::D),
                Pass,
            ],
        ),
        Event::Broken => (State::Terminated, &[Broken]),
        Event::TimerB
        | Event::Abandon
        | Event::Provisional
        | Event::TimerA
        | Event::TimerD
        | Event::TimerM => (State::Terminated, &[TimedOut]),
    }
}
