//! What an endpoint counts. Labels are bounded: a stranger's words are never one.

use std::collections::BTreeMap;

use crate::sip::message::{Message, Method};

/// What lives in an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Live {
    /// Transactions.
    pub transactions: usize,
    /// Dialogs, early ones too.
    pub dialogs: usize,
    /// Sessions.
    pub sessions: usize,
    /// Sessions with something left to say or to hear, repetitions apart.
    pub unsettled: usize,
}

/// What an endpoint refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refused {
    /// Messages that could not be used, by the status of their refusal; 0 is silence.
    pub parse: BTreeMap<u16, u64>,
    /// Packets above the rate of strangers.
    pub limited: u64,
    /// Packets from an address that guessed too many passwords.
    pub silenced: u64,
    /// Digests that failed.
    pub auth: u64,
    /// Requests that found no room.
    pub full: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    messages: BTreeMap<(&'static str, bool), u64>,
    pub(super) refused: Refused,
}

impl Counters {
    /// A message came in.
    pub(super) fn count_in(&mut self, message: &Message) {
        let label = match (message.method(), message.headers.cseq()) {
            (Some(method), _) => label(method),
            (None, Ok(cseq)) => label(&cseq.method),
            (None, Err(_)) => "other",
        };
        *self.messages.entry((label, true)).or_default() += 1;
    }

    /// Bytes of ours go out.
    pub(super) fn count_out(&mut self, bytes: &[u8]) {
        let cseq = bytes
            .split(|&byte| byte == b'\n')
            .find_map(|line| line.strip_prefix(b"CSeq: "))
            .unwrap_or_default();
        let method = cseq.trim_ascii().rsplit(|&byte| byte == b' ').next();
        let label = match method.and_then(Method::parse) {
            Some(method) => label(&method),
            None => "other",
        };
        *self.messages.entry((label, false)).or_default() += 1;
    }

    /// A message could not be used.
    pub(super) fn count_unreadable(&mut self, status: u16) {
        *self.refused.parse.entry(status).or_default() += 1;
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = (&'static str, bool, u64)> {
        self.messages
            .iter()
            .map(|(&(label, inbound), &count)| (label, inbound, count))
    }

    pub(super) const fn refused(&self) -> &Refused {
        &self.refused
    }
}

const fn label(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Register => "REGISTER",
        Method::Options => "OPTIONS",
        Method::Info => "INFO",
        Method::Update => "UPDATE",
        Method::Prack => "PRACK",
        Method::Subscribe => "SUBSCRIBE",
        Method::Notify => "NOTIFY",
        Method::Refer => "REFER",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
        Method::Other(_) => "other",
    }
}
