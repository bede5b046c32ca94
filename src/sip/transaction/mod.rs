//! Transactions (RFC 3261 17, RFC 6026): four tables and the one store that runs them.
//!
//! A table is a pure function of state and event; it sees neither messages nor clocks. The
//! [`table::Transactions`] beside it keeps the bytes to repeat and the timers, and does what a
//! table's [`Action`]s say.

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod machine;
pub mod server;
pub mod table;
pub mod timer;

pub use timer::Timer;

/// What a table asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Sends the request, or the last response, again.
    Resend,
    /// Sends the ACK to a refusal of our INVITE.
    Acknowledge,
    /// Starts a timer with its first gap.
    Start(Timer),
    /// Starts a timer that just fired with its next, longer gap.
    Again(Timer),
    /// Starts timer E with T2, its gap once a provisional response came.
    Slow(Timer),
    /// Stops a timer.
    Stop(Timer),
    /// The message goes on to the user of the transaction.
    Pass,
    /// The user learns that nobody answered.
    TimedOut,
    /// The user learns that the way is broken.
    Broken,
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write as _};

    use super::*;

    fn rows<S: Debug + Copy, E: Debug + Copy>(
        name: &str,
        states: &[S],
        events: &[E],
        step: impl Fn(S, E) -> (S, &'static [Action]),
    ) -> String {
        let mut text = format!("{name}\n");
        for &state in states {
            for &event in events {
                let (next, actions) = step(state, event);
                let _ = writeln!(text, "  {state:?} + {event:?} → {next:?} {actions:?}");
            }
        }
        text
    }

    #[test]
    fn all_states_and_events_of_the_four_machines() {
        let mut text = rows(
            "INVITE client",
            &invite_client::State::ALL,
            &invite_client::Event::ALL,
            invite_client::step,
        );
        text += &rows(
            "client",
            &client::State::ALL,
            &client::Event::ALL,
            client::step,
        );
        text += &rows(
            "INVITE server",
            &invite_server::State::ALL,
            &invite_server::Event::ALL,
            invite_server::step,
        );
        text += &rows(
            "server",
            &server::State::ALL,
            &server::Event::ALL,
            server::step,
        );
        insta::assert_snapshot!(text);
    }
}
