//! Keeping a session alive, and noticing that it is not (RFC 4028 10).

use super::{Alarm, Endpoint};
use crate::id::LegId;
use crate::sip::message::Message;
use crate::sip::session::Cause;
use crate::sip::session::sent::Want;
use crate::sip::session::state::SessionTimer;

/// Nobody refreshed the session.
const EXPIRED: Cause = Cause {
    sip: 408,
    q850: Some(102),
    text: "the session expired",
};

impl Endpoint {
    /// Agrees on an interval in our 2xx to a peer's INVITE, re-INVITE or UPDATE.
    pub(super) fn agree_interval(
        &mut self,
        leg: LegId,
        request: &Message,
        response: &mut Message,
        first: bool,
    ) {
        if let Some(session) = self.sessions.get_mut(&leg) {
            let interval = &mut session.interval;
            interval.agree(&request.headers, &mut response.headers, first);
            self.restart_interval(leg);
        }
    }

    /// The session was refreshed.
    pub(super) fn restart_interval(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        let interval = session.interval;
        let now = self.now.mono;
        let refresh = Alarm::Session(leg, SessionTimer::Refresh);
        if interval.ours {
            self.timers.set(refresh, now + interval.refresh_after());
        } else {
            self.timers.cancel(&refresh);
        }
        let expire = Alarm::Session(leg, SessionTimer::Expire);
        self.timers.set(expire, now + interval.expires_after());
    }

    /// Half of the interval is over.
    pub(super) fn refresh(&mut self, leg: LegId) {
        self.want(leg, Want::Refresh);
    }

    /// A peer said no to a refresh. One that knows no intervals has thereby said that it is there;
    /// one that knows them gets another chance before the interval ends.
    pub(super) fn refresh_refused(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get(&leg) else {
            return;
        };
        let interval = session.interval;
        if !interval.shared {
            self.restart_interval(leg);
        } else {
            let refresh = Alarm::Session(leg, SessionTimer::Refresh);
            self.timers.set(refresh, self.now.mono + interval.span / 10);
        }
        self.take_turn(leg);
    }

    /// The interval is over.
    pub(super) fn expire(&mut self, leg: LegId) {
        self.lose(leg, &EXPIRED);
    }
}
