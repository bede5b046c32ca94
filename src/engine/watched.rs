//! What phones watch (BLF and MWI): operators' states and open callbacks, carried to the endpoint as
//! they change. It finds who watches; nobody is looked through here.

use super::engine::Engine;
use crate::acd::message::AcdEffect;
use crate::id::SiteName;
use crate::time::Now;

impl Engine {
    /// An operator's state changed.
    pub(super) fn show_operator(&mut self, now: Now, effect: &AcdEffect) {
        if let AcdEffect::State { operator, to, .. } = effect {
            self.endpoint.publish_operator(now, operator, *to);
        }
    }

    /// A callback of a branch was opened or closed.
    pub(super) fn show_callbacks(&mut self, now: Now, site: Option<&SiteName>) {
        if let Some(site) = site {
            let open = self.callbacks.open_at(site);
            self.endpoint.publish_callbacks(now, Some(site), open);
        }
        let all = self.callbacks.open();
        self.endpoint.publish_callbacks(now, None, all);
    }

    /// What is open at the start.
    pub(super) fn show_all_callbacks(&mut self, now: Now) {
        let sites: Vec<_> = self.callbacks.sites().cloned().collect();
        for site in sites {
            self.show_callbacks(now, Some(&site));
        }
        self.show_callbacks(now, None);
    }
}
