//! How a call comes in: from a new INVITE to a call, or to a refusal that makes none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::engine::Engine;
use super::output::Level;
use super::placing;
#[cfg(test)]
use super::sabotage::When;
use super::who;
use crate::call::call::{Call, Effects};
use crate::call::entry::Arrival;
use crate::call::message::World;
use crate::dialplan::decide::Facts;
use crate::dialplan::dial::Dialled;
use crate::id::{CallId, LegId, TrunkName, Ulid};
use crate::limits;
use crate::sip::session::{IncomingInvite, SessionCommand, Source};
use crate::time::{Duration, Now};

impl Engine {
    /// Makes a call of a new INVITE, or refuses it.
    pub(super) fn handle_arrival(&mut self, now: Now, leg: LegId, invite: &IncomingInvite) {
        let trunk = match &invite.source {
            Source::Trunk(trunk) => trunk,
            Source::Operator(operator) => {
                return self.handle_placing(now, leg, invite, operator);
            }
        };
        if self.draining {
            self.turned_away += 1;
            self.reject(now, leg, 503, Some(limits::RETRY_AFTER_SECONDS));
            return;
        }
        let refused = self.active >= self.settings.calls
            || !self.arrival_allowed(now)
            || !self.trunks.admit(now.mono, trunk, leg);
        if refused && !self.refusals.is_told(now.mono) {
            return self.refuse_in_bulk(now, leg, trunk);
        }
        self.admit(now, leg, invite, None, refused);
    }

    pub(super) fn admit(
        &mut self,
        now: Now,
        leg: LegId,
        invite: &IncomingInvite,
        dialled: Option<Dialled>,
        refused: bool,
    ) {
        let ticket = self.minted.ticket();
        let id = CallId(Ulid::new(now.wall, &mut self.rng));
        let mut effects = Effects::new();
        let mut world = World {
            now,
            settings: &self.settings.call,
            prompts: &self.prompts,
            history: &self.history,
            takes_recalls: self.callbacks.takes_recalls(),
            minted: &mut self.minted,
            rng: &mut self.rng,
        };
        // A call's first step is a step like any other: a fault in it costs this INVITE alone.
        let arrived = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            self.sabotage.strike(When::Before);
            let to = who::called(&self.plan, &self.trunks, invite);
            let decision = match (&invite.source, &dialled) {
                (Source::Operator(operator), Some(dialled)) => {
                    placing::decision(&self.plan, operator, dialled, &to)
                }
                (source, _) => {
                    let facts = Facts {
                        trunk: carrier(source),
                        to,
                        from: who::caller(&self.plan, invite),
                    };
                    self.plan.decide(&facts, now.wall)
                }
            };
            let dials = dialled
                .clone()
                .filter(|dialled| !matches!(dialled, Dialled::Queues(_)));
            let arrival = Arrival {
                id,
                ticket,
                leg,
                invite,
                plan: Arc::clone(&self.plan),
                decision,
                dials,
            };
            let call = Call::arrive(arrival, refused, &mut world, &mut effects);
            #[cfg(test)]
            self.sabotage.strike(When::After);
            call
        }));
        let Ok(call) = arrived else {
            self.faults += 1;
            let text = "a fault of ours refused this call; please report the panic above it";
            self.log(Level::Error, Some(id), text);
            self.reject(now, leg, 500, None);
            return;
        };
        if let (Source::Operator(operator), Some(Dialled::Outside { .. }), false) =
            (&invite.source, &dialled, call.ended())
        {
            self.toll.begins(id, operator.clone());
        }
        self.active += usize::from(!call.ended());
        self.calls.insert(id, call);
        self.queue_effects(id, effects);
        self.recognise(now, id);
    }

    pub(super) fn reject(&mut self, now: Now, leg: LegId, code: u16, retry_after: Option<u32>) {
        self.endpoint.handle_command(
            now,
            SessionCommand::Reject {
                leg,
                code,
                retry_after,
            },
        );
    }

    /// GCRA over all new calls, with a burst of one second.
    pub(super) fn arrival_allowed(&mut self, now: Now) -> bool {
        let rate = self.settings.calls_per_second.max(1);
        let gap = Duration::from_secs(1) / rate;
        if self.next_arrival > now.mono + Duration::from_secs(1) {
            return false;
        }
        self.next_arrival = self.next_arrival.max(now.mono) + gap;
        true
    }
}

/// The carrier whose rules read the numbers.
fn carrier(source: &Source) -> TrunkName {
    match source {
        Source::Trunk(trunk) => trunk.clone(),
        Source::Operator(_) => TrunkName::from(""),
    }
}
