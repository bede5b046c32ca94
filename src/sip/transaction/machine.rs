//! One of the four machines, behind one set of questions, so that a store can hold them together.

use super::{Action, Timer, client, invite_client, invite_server, server};

/// A machine in its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// Our INVITE.
    InviteClient(invite_client::State),
    /// Another request of ours.
    Client(client::State),
    /// A peer's INVITE.
    InviteServer(invite_server::State),
    /// Another request of a peer.
    Server(server::State),
}

impl Machine {
    /// A machine of ours at its beginning.
    #[must_use]
    pub const fn client(invite: bool) -> Self {
        if invite {
            Self::InviteClient(invite_client::State::Calling)
        } else {
            Self::Client(client::State::Trying)
        }
    }

    /// A machine for a peer's request at its beginning.
    #[must_use]
    pub const fn server(invite: bool) -> Self {
        if invite {
            Self::InviteServer(invite_server::State::Proceeding)
        } else {
            Self::Server(server::State::Trying)
        }
    }

    /// What it does first.
    #[must_use]
    pub const fn opening(self) -> &'static [Action] {
        match self {
            Self::InviteClient(_) => invite_client::OPENING,
            Self::Client(_) => client::OPENING,
            Self::InviteServer(_) => invite_server::OPENING,
            Self::Server(_) => server::OPENING,
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::InviteClient(state) => state == invite_client::State::Terminated,
            Self::Client(state) => state == client::State::Terminated,
            Self::InviteServer(state) => state == invite_server::State::Terminated,
            Self::Server(state) => state == server::State::Terminated,
        }
    }

    /// Whether a final response was received or sent.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::InviteClient(state) => !matches!(
                state,
                invite_client::State::Calling | invite_client::State::Proceeding
            ),
            Self::Client(state) => {
                !matches!(state, client::State::Trying | client::State::Proceeding)
            }
            Self::InviteServer(state) => !matches!(state, invite_server::State::Proceeding),
            Self::Server(state) => {
                !matches!(state, server::State::Trying | server::State::Proceeding)
            }
        }
    }

    /// The timers it may have running.
    #[must_use]
    pub const fn timers(self) -> &'static [Timer] {
        match self {
            Self::InviteClient(_) => &[Timer::A, Timer::B, Timer::D, Timer::M],
            Self::Client(_) => &[Timer::E, Timer::F, Timer::K],
            Self::InviteServer(_) => &[Timer::G, Timer::H, Timer::I, Timer::L],
            Self::Server(_) => &[Timer::J],
        }
    }

    /// A timer fired.
    pub fn handle_timer(&mut self, timer: Timer) -> &'static [Action] {
        match timer {
            Timer::A => self.invite_client(invite_client::Event::TimerA),
            Timer::B => self.invite_client(invite_client::Event::TimerB),
            Timer::D => self.invite_client(invite_client::Event::TimerD),
            Timer::M => self.invite_client(invite_client::Event::TimerM),
            Timer::E => self.plain_client(client::Event::TimerE),
            Timer::F => self.plain_client(client::Event::TimerF),
            Timer::K => self.plain_client(client::Event::TimerK),
            Timer::G => self.invite_server(invite_server::Event::TimerG),
            Timer::H => self.invite_server(invite_server::Event::TimerH),
            Timer::I => self.invite_server(invite_server::Event::TimerI),
            Timer::L => self.invite_server(invite_server::Event::TimerL),
            Timer::J => self.plain_server(server::Event::TimerJ),
        }
    }

    /// A response with this status came, or is sent by the user.
    pub fn handle_status(&mut self, status: u16) -> &'static [Action] {
        match self {
            Self::InviteClient(_) => self.invite_client(match status {
                0..200 => invite_client::Event::Provisional,
                200..300 => invite_client::Event::Success,
                300.. => invite_client::Event::Failure,
            }),
            Self::Client(_) => self.plain_client(match status {
                0..200 => client::Event::Provisional,
                200.. => client::Event::Final,
            }),
            Self::InviteServer(_) => self.invite_server(match status {
                0..200 => invite_server::Event::Provisional,
                200..300 => invite_server::Event::Success,
                300.. => invite_server::Event::Failure,
            }),
            Self::Server(_) => self.plain_server(match status {
                0..200 => server::Event::Provisional,
                200.. => server::Event::Final,
            }),
        }
    }

    /// The peer's request came again.
    pub fn handle_repetition(&mut self) -> &'static [Action] {
        match self {
            Self::InviteServer(_) => self.invite_server(invite_server::Event::Request),
            Self::Server(_) => self.plain_server(server::Event::Request),
            Self::InviteClient(_) | Self::Client(_) => &[],
        }
    }

    /// An ACK with the branch of the peer's INVITE came.
    pub fn handle_ack(&mut self) -> &'static [Action] {
        self.invite_server(invite_server::Event::Ack)
    }

    /// A cancelled INVITE of ours is given up.
    pub fn abandon(&mut self) -> &'static [Action] {
        self.invite_client(invite_client::Event::Abandon)
    }

    /// The stream is gone.
    pub fn handle_broken(&mut self) -> &'static [Action] {
        match self {
            Self::InviteClient(_) => self.invite_client(invite_client::Event::Broken),
            Self::Client(_) => self.plain_client(client::Event::Broken),
            Self::InviteServer(_) => self.invite_server(invite_server::Event::Broken),
            Self::Server(_) => self.plain_server(server::Event::Broken),
        }
    }

    fn invite_client(&mut self, event: invite_client::Event) -> &'static [Action] {
        let Self::InviteClient(state) = self else {
            return &[];
        };
        let (next, actions) = invite_client::step(*state, event);
        *state = next;
        actions
    }

    fn plain_client(&mut self, event: client::Event) -> &'static [Action] {
        let Self::Client(state) = self else {
            return &[];
        };
        let (next, actions) = client::step(*state, event);
        *state = next;
        actions
    }

    fn invite_server(&mut self, event: invite_server::Event) -> &'static [Action] {
        let Self::InviteServer(state) = self else {
            return &[];
        };
        let (next, actions) = invite_server::step(*state, event);
        *state = next;
        actions
    }

    fn plain_server(&mut self, event: server::Event) -> &'static [Action] {
        let Self::Server(state) = self else {
            return &[];
        };
        let (next, actions) = server::step(*state, event);
        *state = next;
        actions
    }
}
