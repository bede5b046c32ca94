//! The client transaction of every request but INVITE (RFC 3261 17.1.2).
//!
//! ```text
//!      request sent
//!           │
//!       ┌───▼──┐ E: resend         F, broken
//!       │Trying├────────────────────────────┐
//!       └─┬──┬─┘                            │
//!     1xx │  │ 200-699                      │
//!  ┌──────▼───┐│ E: resend, gap T2          │
//!  │Proceeding├┼────────────────────────────┤
//!  └──────┬───┘│                            │
//!  200-699│  ┌─▼───────┐  K                 │
//!         └──►Completed├────►Terminated◄────┘
//!            └─────────┘
//! ```

use super::Action::{self, Again, Broken, Pass, Resend, Slow, Start, Stop, TimedOut};
use super::Timer;

/// Where the transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The request is sent and sent again.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// The final response came; its repetitions are absorbed.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A 1xx came.
    Provisional,
    /// A 200 to 699 came.
    Final,
    /// Timer E fired.
    TimerE,
    /// Timer F fired.
    TimerF,
    /// Timer K fired.
    TimerK,
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
    pub const ALL: [Self; 6] = [
        Self::Provisional,
        Self::Final,
        Self::TimerE,
        Self::TimerF,
        Self::TimerK,
        Self::Broken,
    ];
}

/// What a new transaction does besides sending its request.
pub const OPENING: &[Action] = &[Start(Timer::E), Start(Timer::F)];

/// The table.
#[must_use]
pub const fn step(state: State, event: Event) -> (State, &'static [Action]) {
    match state {
        State::Trying | State::Proceeding => match event {
            Event::Provisional => (State::Proceeding, &[Pass]),
            Event::Final => (
                State::Completed,
                &[Stop(Timer::E), Stop(Timer::F), Start(Timer::K), Pass],
            ),
            Event::TimerE => match state {
                State::Proceeding => (state, &[Resend, Slow(Timer::E)]),
                State::Trying | State::Completed | State::Terminated => {
                    (state, &[Resend, Again(Timer::E)])
                }
            },
            Event::TimerF => (State::Terminated, &[TimedOut]),
            Event::TimerK => (state, &[]),
            Event::Broken => (State::Terminated, &[Broken]),
        },
        State::Completed => match event {
            Event::TimerK | Event::Broken => (State::Terminated, &[]),
            Event::Provisional | Event::Final | Event::TimerE | Event::TimerF => (state, &[]),
        },
        State::Terminated => (state, &[]),
    }
}
