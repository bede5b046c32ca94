//! What comes by itself: timers, streams that close, transactions that end.

use super::{Alarm, Endpoint, EndpointEvent, SessionEvent};
use crate::id::{FlowId, LegId};
use crate::sip::session::Cause;
use crate::sip::session::state::{Phase, SessionTimer};
use crate::sip::transaction::table::{Owner, Report};
use crate::sip::transaction::timer::T2;
use crate::time::Now;

impl Endpoint {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        loop {
            while self.transactions.handle_timeout(now.mono) {}
            self.settle();
            while let Some(change) = self.registrar.handle_timeout(now.mono) {
                self.announce(vec![change], None);
            }
            match self.timers.pop_due(now.mono) {
                Some(Alarm::Session(leg, timer)) => self.handle_session_timer(leg, timer),
                Some(Alarm::Registration(id)) => self.handle_registration_timer(id),
                Some(Alarm::Subscription(id)) => self.end_subscription(id, "timeout"),
                Some(Alarm::Notify(id)) => self.handle_notify_timer(id),
                Some(Alarm::Keepalive(id)) => self.handle_keepalive_timer(id),
                None => return,
            }
            self.settle();
        }
    }

    /// A stream is gone: its bindings go, its open requests fail with 503. A session that stands
    /// stays; its media may still flow and its phone may come back.
    pub fn handle_flow_down(&mut self, now: Now, flow: FlowId) {
        self.now = now;
        self.streams.forget(flow);
        let changes = self.registrar.handle_flow_down(flow);
        self.announce(changes, None);
        self.drop_subscriptions_on(flow);
        self.transactions.handle_flow_down(now.mono, flow);
        self.settle();
    }

    fn handle_session_timer(&mut self, leg: LegId, timer: SessionTimer) {
        match timer {
            SessionTimer::Repeat2xx => self.repeat_2xx(leg),
            SessionTimer::NoAck => self.give_up_ack(leg),
            SessionTimer::Progress => self.repeat_progress(leg),
            SessionTimer::Referral => self.referral_lapses(leg),
            SessionTimer::Repeat1xx => self.repeat_1xx(leg, true),
            SessionTimer::NoPrack => self.give_up_prack(leg),
            SessionTimer::Again => self.take_turn(leg),
            SessionTimer::Stuck => self.handle_stuck(leg),
            SessionTimer::Refresh => self.refresh(leg),
            SessionTimer::Expire => self.expire(leg),
            SessionTimer::GiveUp => {
                if let Some(session) = self.sessions.get(&leg)
                    && let Phase::Inviting { invite, .. } = session.phase
                {
                    self.transactions.abandon(self.now.mono, invite);
                }
            }
        }
    }

    fn repeat_2xx(&mut self, leg: LegId) {
        let Some(session) = self.sessions.get_mut(&leg) else {
            return;
        };
        let Some(unacked) = &mut session.unacked else {
            return;
        };
        unacked.gap = unacked.gap.saturating_mul(2).min(T2);
        let (gap, bytes) = (unacked.gap, unacked.response.clone());
        let alarm = Alarm::Session(leg, SessionTimer::Repeat2xx);
        self.timers.set(alarm, self.now.mono + gap);
        self.reroute(leg);
        if let Some(session) = self.sessions.get(&leg) {
            let flow = session.flow;
            self.transmit(flow, bytes, None);
        }
    }

    fn give_up_ack(&mut self, leg: LegId) {
        let waits = self
            .sessions
            .get(&leg)
            .is_some_and(|session| session.unacked.is_some());
        if waits {
            let cause = Cause {
                sip: 408,
                q850: Some(102),
                text: "no ACK",
            };
            self.lose(leg, &cause);
        }
    }

    /// Takes what transactions report, sends what they sent, and closes what is over. Every input
    /// ends here, so that nothing half-done is visible.
    pub(super) fn settle(&mut self) {
        self.flush();
        while let Some(report) = self.transactions.poll_report() {
            match report {
                Report::TimedOut(Owner::Leg(leg), id) => {
                    if self.is_invite(leg, id) {
                        self.handle_no_response(leg, 408);
                    } else if self.is_errand(leg, id) {
                        self.errand_failed(leg, id, 408);
                    } else {
                        self.handle_notify_failure(leg, id);
                    }
                }
                Report::Broken(Owner::Leg(leg), id) => {
                    if self.is_invite(leg, id) {
                        self.handle_no_response(leg, 503);
                    } else if self.is_errand(leg, id) {
                        self.errand_failed(leg, id, 503);
                    } else {
                        self.handle_notify_failure(leg, id);
                    }
                }
                Report::TimedOut(Owner::Registration(id), _) => {
                    self.handle_registration_failure(id, 408);
                }
                Report::Broken(Owner::Registration(id), _) => {
                    self.handle_registration_failure(id, 503);
                }
                Report::TimedOut(Owner::Probe(id), _) | Report::Broken(Owner::Probe(id), _) => {
                    self.events
                        .push_back(EndpointEvent::Probed { id, status: None });
                }
                Report::Gone(Owner::Leg(leg), id) => {
                    if let Some(session) = self.sessions.get_mut(&leg) {
                        session.open.remove(&id);
                        session.sent.remove(&id);
                    }
                    self.close_if_over(leg);
                }
                Report::TimedOut(Owner::Binding(id), _) | Report::Broken(Owner::Binding(id), _) => {
                    self.handle_echo(id, false);
                }
                Report::TimedOut(Owner::Subscription(one), id) => {
                    self.handle_notified(one, id, 408);
                }
                Report::Broken(Owner::Subscription(one), id) => {
                    self.handle_notified(one, id, 503);
                }
                Report::Gone(
                    Owner::Registration(_)
                    | Owner::Subscription(_)
                    | Owner::Probe(_)
                    | Owner::Binding(_),
                    _,
                ) => {}
            }
            self.flush();
        }
    }

    fn is_invite(&self, leg: LegId, id: crate::sip::transaction::table::TransactionId) -> bool {
        self.sessions.get(&leg).is_some_and(
            |session| matches!(session.phase, Phase::Inviting { invite, .. } if invite == id),
        )
    }

    pub(super) fn close_if_over(&mut self, leg: LegId) {
        if !self
            .sessions
            .get(&leg)
            .is_some_and(|session| session.is_closed())
        {
            return;
        }
        let Some(session) = self.sessions.remove(&leg) else {
            return;
        };
        self.dialogs.remove(&session.dialog.key);
        if let Some(merge) = &session.merge {
            self.merges.remove(merge);
        }
        for timer in SessionTimer::ALL {
            self.timers.cancel(&Alarm::Session(leg, timer));
        }
        self.tell(SessionEvent::Closed { leg });
    }
}
