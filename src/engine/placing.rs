//! Calls that operators place: what may be dialled, judged before anything is made of the INVITE.

use super::engine::Engine;
use super::output::Level;
use crate::dialplan::decide::Decision;
use crate::dialplan::dial::Dialled;
use crate::dialplan::plan::{Dialplan, Whisper};
use crate::id::{LegId, OperatorName};
use crate::limits;
use crate::number::Masked;
use crate::sip::identity::number_of;
use crate::sip::session::IncomingInvite;
use crate::time::Now;

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
        let dialled = match self.plan.dialled(&text, now.wall) {
            Ok(dialled) => dialled,
            Err(barred) => {
                let text = format!("{operator} dialled {}, which {barred}", Masked(&text));
                self.log(Level::Info, None, &text);
                return self.reject(now, leg, 403, None);
            }
        };
        let desk = self.desk.operator(operator);
        if desk.is_some_and(|it| it.tickets().count() >= limits::CALLS_OF_AN_OPERATOR) {
            return self.reject(now, leg, 486, None);
        }
        if self.draining {
            self.turned_away += 1;
            return self.reject(now, leg, 503, Some(limits::RETRY_AFTER_SECONDS));
        }
        let refused = self.active >= self.settings.calls || !self.arrival_allowed(now);
        self.admit(now, leg, invite, Some(dialled), refused);
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
        site: who.and_then(|who| who.site.clone()),
        city: None,
        source: None,
        campaign: None,
        language: plan.language,
        whisper: Whisper::default(),
        rule: None,
    }
}
