//! OPTIONS to phones behind a NAT, so that it keeps their door open and we learn when they are gone.
//!
//! A phone over UDP whose Contact is not where its REGISTER came from has a NAT before it. It is asked
//! every 25 to 30 s; any answer will do. One that answered before and leaves three in a row unanswered
//! is not rung until it answers again or registers. A stream tells by itself that it is gone.

use super::{Alarm, Endpoint};
use crate::sip::flow::Transport;
use crate::sip::header::Name;
use crate::sip::registrar::{Binding, BindingId};
use crate::sip::transaction::table::Owner;
use crate::sip::uri::Host;
use crate::time::Duration;

/// The usual NAT forgets a UDP flow after 30 s.
const SOONEST: Duration = Duration::from_secs(25);
/// Spread over this, so that phones that came at once are not asked at once.
const SPREAD: Duration = Duration::from_secs(5);

impl Endpoint {
    /// A binding was made, changed or refreshed.
    pub(super) fn keep_alive(&mut self, id: BindingId) {
        let alarm = Alarm::Keepalive(id);
        let behind = self.registrar.named(id).is_some_and(is_behind_nat);
        if behind && self.timers.due(&alarm).is_none() && !self.asked.contains(&id) {
            self.ask_again(id);
        }
    }

    /// Bindings from before a restart.
    pub(super) fn keep_all_alive(&mut self) {
        for id in self.registrar.ids().collect::<Vec<_>>() {
            self.keep_alive(id);
        }
    }

    fn ask_again(&mut self, id: BindingId) {
        let spread = u64::try_from(SPREAD.as_millis()).unwrap_or(u64::MAX);
        let after = SOONEST + Duration::from_millis(self.rng.below(spread));
        self.timers.set(Alarm::Keepalive(id), self.now.mono + after);
    }

    /// It is time to ask.
    pub(super) fn handle_keepalive_timer(&mut self, id: BindingId) {
        let binding = self.registrar.named(id).filter(|it| is_behind_nat(it));
        let Some(binding) = binding.cloned() else {
            return;
        };
        if self.transactions.is_full() {
            return self.ask_again(id);
        }
        let mut options = self.options(&binding.flow, binding.contact.without_headers());
        for hop in binding.path {
            options.headers.push(Name::Route, hop);
        }
        self.asked.insert(id);
        self.send_request(Owner::Binding(id), binding.flow, &mut options);
    }

    /// The phone answered, or did not.
    pub(super) fn handle_echo(&mut self, id: BindingId, answered: bool) {
        if !self.asked.remove(&id) {
            return;
        }
        let change = if answered {
            self.registrar.heard(id)
        } else {
            self.registrar.unheard(id)
        };
        self.announce(change.into_iter().collect(), None);
        self.keep_alive(id);
    }
}

/// Whether the phone gave another address than the one it is reached at.
fn is_behind_nat(binding: &Binding) -> bool {
    let peer = binding.flow.peer;
    let given = match binding.contact.host() {
        Some(Host::Ip(address)) => Some(address.to_canonical()),
        Some(Host::Name(_)) | None => None,
    };
    let port = binding.contact.port().unwrap_or(5060);
    let udp = binding.flow.transport == Transport::Udp;
    udp && (given != Some(peer.ip().to_canonical()) || port != peer.port())
}
