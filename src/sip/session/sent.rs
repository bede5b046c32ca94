//! A request of ours inside a dialog: what it is for, and what is needed to send it again.

use bytes::Bytes;

use crate::sip::message::Message;

/// What we want of a peer whose session stands, once it is our turn (RFC 3261 14.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Want {
    /// That it takes this offer.
    Offer(Bytes),
    /// That it says it is still there (RFC 4028 10).
    Refresh,
}

/// A want, and how often it was refused for the time being.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// What is wanted.
    pub want: Want,
    /// Refusals so far.
    pub tries: u8,
}

/// What a request of ours is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Errand {
    /// It ends the session; `again` when the way of the first one broke.
    Bye {
        /// The second one.
        again: bool,
    },
    /// It acknowledges a provisional response.
    Prack,
    /// A re-INVITE or an UPDATE.
    Turn(Turn),
    /// Its answer changes nothing.
    Other,
}

/// A request of ours that may still be answered.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it is for.
    pub errand: Errand,
    /// The request, with its Via.
    pub request: Box<Message>,
    /// Challenges answered so far.
    pub answers: u8,
    /// A provisional response came.
    pub proceeding: bool,
    /// A re-INVITE that we took back.
    pub cancelled: bool,
    /// The ACK to its 2xx, sent again with each repetition.
    pub ack: Option<Bytes>,
}

impl Sent {
    /// A request that just left.
    #[must_use]
    pub fn new(errand: Errand, request: Message, answers: u8) -> Self {
        Self {
            errand,
            request: Box::new(request),
            answers,
            proceeding: false,
            cancelled: false,
            ack: None,
        }
    }
}
