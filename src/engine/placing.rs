//! Calls that operators place: what may be dialled, judged before anything is made of the INVITE.

use super::codes::Code;
use super::engine::Engine;
use super::output::Level;
use super::toll::Bound;
use crate::call::call::Call;
use crate::call::message::Way;
use crate::dialplan::decide::Decision;
use crate::dialplan::dial::{Barred, Dialled};
use crate::dialplan::plan::{Dialplan, Whisper};
use crate::id::{CallId, LegId, OperatorName};
use crate::limits;
use crate::number::Masked;
use crate::sip::identity::number_of;
use crate::sip::session::IncomingInvite;
use crate::time::Now;
use crate::words::Direction;

impl Engine {
    /// Makes a call of an operator's INVITE, or refuses it: 403 for whatever the plan does not allow,
    /// before any routing.
    pub(super) fn handle_placing(
        &mut self,
        now: Now,
        leg: LegId,
        invite: &IncomingInvite,
        operator: &OperatorName,
    ) {
        if let Some(old) = invite.replaces {
            return self.handle_replaces(now, leg, old, invite, operator);
        }
        let text = number_of(&invite.request_uri);
        if let Some(code) = Code::read(&self.plan, &text) {
            return self.handle_code(now, leg, invite, operator, &code);
        }
        let dialled = match self.plan.dialled(&text, now.wall) {
            Ok(dialled) => dialled,
            Err(barred) => {
                let text = format!("{operator} dialled {}, which {barred}", Masked(&text));
                self.log(Level::Info, None, &text);
                if barred == Barred::Closed {
                    self.tell_bound(now, operator, "outbound.hours");
                }
                return self.reject(now, leg, 403, None);
            }
        };
        if matches!(
            dialled,
            Dialled::Outside {
                emergency: true,
                ..
            }
        ) {
            return self.admit(now, leg, invite, Some(dialled), false);
        }
        let desk = self.desk.operator(operator);
        if desk.is_some_and(|it| it.tickets().count() >= limits::CALLS_OF_AN_OPERATOR) {
            return self.reject(now, leg, 486, None);
        }
        if self.draining {
            self.turned_away += 1;
            return self.reject(now, leg, 503, Some(limits::RETRY_AFTER_SECONDS));
        }
        if matches!(dialled, Dialled::Outside { .. })
            && let Err(bound) = self.toll.may(&self.plan, operator, now.wall, None)
        {
            self.tell_bound(now, operator, bound.as_str());
            return self.reject(now, leg, refusal(bound), None);
        }
        let refused = self.active >= self.settings.calls || !self.arrival_allowed(now);
        self.admit(now, leg, invite, Some(dialled), refused);
    }

    /// A call out of an operator's has reached the longest time.
    pub(super) fn tell_too_long(&mut self, now: Now, call: CallId) {
        let facts = self.calls.get(&call).map(Call::facts);
        let outbound = facts.filter(|facts| facts.direction == Direction::Outbound);
        if let Some(operator) = outbound.and_then(|facts| facts.placed_by.clone()) {
            self.tell_bound(now, &operator, "limits.call_length");
        }
    }

    /// The ways out for a call. One that came to dial outside by a redirection alone has not been
    /// counted yet: it is a call out of whoever wanted the one who redirects.
    ///
    /// What the live plan forbids by now is not dialled, whatever plan the call came by; and a
    /// carrier that the call's plan does not know could not be spoken to by its rules.
    pub(super) fn ways_of(&mut self, now: Now, call: CallId, number: &str) -> Vec<Way> {
        let allowed = self.plan.dialled(number, now.wall);
        if !matches!(&allowed, Ok(Dialled::Outside { .. })) {
            return Vec::new();
        }
        // A call back is nobody's call out, and never one for help.
        let rings_back = self.calls.get(&call).is_some_and(Call::rings_back);
        if rings_back && allowed.is_ok_and(|dialled| dialled.is_emergency()) {
            return Vec::new();
        }
        if !rings_back && !self.toll.counts(call) {
            let of_call = self.calls.get(&call).filter(|call| !call.ended());
            let payer = of_call.and_then(Call::payer);
            let Some(operator) = payer.cloned() else {
                return Vec::new();
            };
            let mut known = self.plan.outbound.iter().flat_map(|it| &it.emergency);
            let dialled = Dialled::Outside {
                number: number.to_owned(),
                emergency: known.any(|it| it == number),
            };
            if self.meter(now, call, &operator, &dialled).is_err() {
                return Vec::new();
            }
        }
        // By a transfer, too, somebody is on the line with that number.
        self.engage(now, number, call);
        let mut ways = self.ways(now, number);
        if let Some(call) = self.calls.get(&call) {
            let known = &call.plan().trunks;
            ways.retain(|way| known.contains_key(&way.trunk));
        }
        ways
    }

    /// A transfer to a number outside is a call out of the operator's: counted, and bounded.
    pub(super) fn meter(
        &mut self,
        now: Now,
        call: CallId,
        operator: &OperatorName,
        dialled: &Dialled,
    ) -> Result<(), u16> {
        let Dialled::Outside { emergency, .. } = dialled else {
            return Ok(());
        };
        let within = Some(call);
        if !emergency && let Err(bound) = self.toll.may(&self.plan, operator, now.wall, within) {
            self.tell_bound(now, operator, bound.as_str());
            return Err(refusal(bound));
        }
        self.toll.begins(call, operator.clone());
        Ok(())
    }
}

/// An operator who dials too much is forbidden to; one whose line is taken may try again later.
const fn refusal(bound: Bound) -> u16 {
    match bound {
        Bound::AtOnce => 503,
        Bound::PerDay => 403,
    }
}

/// What the plan says of a call that an operator places.
pub(super) fn decision(
    plan: &Dialplan,
    operator: &OperatorName,
    dialled: &Dialled,
    text: &str,
) -> Decision {
    let who = plan.operators.get(operator);
    let short = who.and_then(|who| who.number.as_deref());
    let (to, targets) = match dialled {
        Dialled::Operator(_) => (text, Vec::new()),
        Dialled::Queues(queues) => (text, queues.clone()),
        Dialled::Outside { number, .. } => (number.as_str(), Vec::new()),
    };
    Decision {
        to: to.to_owned(),
        from: Some(short.unwrap_or(operator.as_str()).to_owned()),
        targets,
        reject: None,
        priority: 0,
        site: who.and_then(|who| who.site.clone()),
        city: None,
        source: None,
        campaign: None,
        language: plan.language,
        whisper: Whisper::default(),
        rule: None,
    }
}
