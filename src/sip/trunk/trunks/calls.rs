//! The calls that carriers bear: their limits, the ways out, and what an INVITE of ours tells of a
//! server.

use std::net::SocketAddr;

use super::{Borne, Line, Trunks, keys};
use crate::id::{LegId, TrunkName};
use crate::sip::flow::Flow;
use crate::sip::trunk::attempt::SILENCE;
use crate::sip::trunk::carrier::Standing;
use crate::sip::trunk::{TargetKey, TrunkRules, WayOut};
use crate::time::Instant;

impl Trunks {
    /// Counts a call that a carrier brings; false when that is one too many.
    pub fn admit(&mut self, now: Instant, name: &TrunkName, leg: LegId) -> bool {
        let Some(carrier) = self.carriers.get_mut(name) else {
            return true;
        };
        let TrunkRules {
            max_calls,
            calls_per_second,
            ..
        } = carrier.rules;
        if !carrier.pace.admits(now, max_calls, calls_per_second) {
            return false;
        }
        carrier.pace.begin(now, calls_per_second);
        let borne = Borne {
            trunk: name.clone(),
            silent: None,
            target: None,
        };
        self.legs.insert(leg, borne);
        true
    }

    /// The ways out through these carriers, the best first. A call for help goes out whatever the
    /// limits, and whatever is believed of the carrier.
    pub fn ways(&mut self, now: Instant, via: &[TrunkName], emergency: bool) -> Vec<WayOut> {
        let mut ways = Vec::new();
        for name in via {
            let Some(carrier) = self.carriers.get(name) else {
                continue;
            };
            let TrunkRules {
                max_calls,
                calls_per_second,
                servers,
                ..
            } = &carrier.rules;
            let fits = carrier.pace.admits(now, *max_calls, *calls_per_second);
            let there = !matches!(carrier.standing(now), Standing::Down(_));
            if !(emergency || fits && there) {
                continue;
            }
            for key in keys(&self.resolver, &mut self.rng, name, servers) {
                let Some(target) = carrier.targets.get(&key) else {
                    continue;
                };
                let Line::Up(flow) = target.line else {
                    continue;
                };
                if emergency || carrier.is_usable(now, target) {
                    ways.push(WayOut {
                        trunk: name.clone(),
                        server: target.server.clone(),
                        flow,
                    });
                }
            }
        }
        ways
    }

    /// An INVITE of ours leaves for a carrier.
    pub fn invited(&mut self, now: Instant, leg: LegId, name: &TrunkName, flow: &Flow) {
        let Some(carrier) = self.carriers.get_mut(name) else {
            return;
        };
        carrier.pace.begin(now, carrier.rules.calls_per_second);
        let key = TargetKey {
            trunk: name.clone(),
            transport: flow.transport,
            // A socket of IPv6 writes IPv4 in its own way.
            address: SocketAddr::new(flow.peer.ip().to_canonical(), flow.peer.port()),
        };
        let borne = Borne {
            trunk: name.clone(),
            silent: Some((key.clone(), now)),
            target: Some(key),
        };
        self.legs.insert(leg, borne);
    }

    /// A server answered an INVITE of ours, with a final status or with something before it.
    pub fn answered(&mut self, now: Instant, leg: LegId, status: u16) {
        let Some(borne) = self.legs.get_mut(&leg) else {
            return;
        };
        let silent = borne.silent.take().is_some();
        let Some(key) = borne.target.clone() else {
            return;
        };
        // A request that timed out is reported as 408, a broken way as 503.
        if status == 503 || status == 408 && silent {
            self.failed(now, &key);
        } else {
            self.alive(now, &key);
        }
    }

    /// We hang up. A server that had said nothing for long enough has failed.
    pub fn hung_up(&mut self, now: Instant, leg: LegId) {
        let borne = self.legs.get_mut(&leg);
        let Some((key, since)) = borne.and_then(|borne| borne.silent.take()) else {
            return;
        };
        if now.since(since) >= SILENCE {
            self.failed(now, &key);
        }
    }

    /// A leg is gone.
    pub fn closed(&mut self, leg: LegId) {
        let Some(borne) = self.legs.remove(&leg) else {
            return;
        };
        if let Some(carrier) = self.carriers.get_mut(&borne.trunk) {
            carrier.pace.end();
        }
    }
}
