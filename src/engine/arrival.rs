//! How a call comes in: from a new INVITE to a call, or to a refusal that makes none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::engine::Engine;
use super::output::Level;
#[cfg(test)]
use super::sabotage::When;
use crate::call::call::{Call, Effects};
use crate::call::entry::Arrival;
use crate::call::message::World;
use crate::dialplan::decide::Facts;
use crate::id::{CallId, LegId, TicketId, TrunkName, Ulid};
use crate::limits;
use crate::sip::session::{IncomingInvite, SessionCommand, Source};
use crate::sip::uri::Uri;
use crate::time::{Duration, Now};

impl Engine {
    /// Makes a call of a new INVITE, or refuses it.
    pub(super) fn handle_arrival(&mut self, now: Now, leg: LegId, invite: &IncomingInvite) {
        let trunk = match &invite.source {
            Source::Trunk(trunk) => trunk.clone(),
            Source::Operator(operator) => {
                let text = format!("{operator} tried to dial: calls from phones are not supported");
                self.log(Level::Info, None, &text);
                self.reject(now, leg, 403, None);
                return;
            }
        };
        if self.draining {
            self.turned_away += 1;
            self.reject(now, leg, 503, Some(limits::RETRY_AFTER_SECONDS));
            return;
        }
        let refused = self.active >= self.settings.calls || !self.arrival_allowed(now);
        self.admit(now, trunk, leg, invite, refused);
    }

    fn admit(
        &mut self,
        now: Now,
        trunk: TrunkName,
        leg: LegId,
        invite: &IncomingInvite,
        refused: bool,
    ) {
        self.tickets += 1;
        let id = CallId(Ulid::new(now.wall, &mut self.rng));
        let mut effects = Effects::new();
        let mut world = World {
            now,
            settings: &self.settings.call,
            prompts: &self.prompts,
            minted: &mut self.minted,
        };
        // A call's first step is a step like any other: a fault in it costs this INVITE alone.
        let arrived = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            self.sabotage.strike(When::Before);
            let decision = self.plan.decide(&Facts {
                trunk: trunk.clone(),
                to: number_of(&invite.request_uri),
                from: caller_number(invite),
            });
            let arrival = Arrival {
                id,
                ticket: TicketId(self.tickets),
                leg,
                trunk,
                invite,
                plan: Arc::clone(&self.plan),
                decision,
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
        self.active += usize::from(!call.ended());
        self.calls.insert(id, call);
        self.queue_effects(id, effects);
    }

    fn reject(&mut self, now: Now, leg: LegId, code: u16, retry_after: Option<u32>) {
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
    fn arrival_allowed(&mut self, now: Now) -> bool {
        let rate = self.settings.calls_per_second.max(1);
        let gap = Duration::from_secs(1) / rate;
        if self.next_arrival > now.mono + Duration::from_secs(1) {
            return false;
        }
        self.next_arrival = self.next_arrival.max(now.mono) + gap;
        true
    }
}

/// The number in a URI: its user part without parameters, unescaped.
fn number_of(uri: &Uri) -> String {
    let user = uri.user_decoded().unwrap_or_default();
    user.split(';').next().unwrap_or_default().to_owned()
}

/// The caller's number, unless it is withheld (RFC 3323's `anonymous`).
fn caller_number(invite: &IncomingInvite) -> Option<String> {
    let number = number_of(&invite.from);
    let withheld = number.is_empty()
        || ["anonymous", "unknown", "restricted"]
            .iter()
            .any(|word| number.eq_ignore_ascii_case(word));
    (!withheld).then_some(number)
}
