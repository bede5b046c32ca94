//! One carrier: its servers, and whether it can be had.

use std::collections::BTreeMap;

use super::breaker::Breaker;
use super::enrolment::Enrolment;
use super::pace::Pace;
use super::{ProbeId, TargetKey, TrunkRules};
use crate::sip::flow::Flow;
use crate::sip::resolve::Server;
use crate::time::Instant;

/// The way to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// There is none; a timer makes it anew.
    Down,
    /// It was asked for.
    Connecting,
    /// It stands.
    Up(Flow),
}

/// One address of a server.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The server as the plan names it.
    pub(super) server: Server,
    /// Calls out go there.
    pub(super) takes_calls: bool,
    /// The way.
    pub(super) line: Line,
    /// Failures to make the way, in a row.
    pub(super) broken: u32,
    /// Whether it is worth a call.
    pub(super) breaker: Breaker,
    /// It answered something once.
    pub(super) proven: bool,
    /// The OPTIONS that waits for its answer.
    pub(super) probing: Option<ProbeId>,
}

impl Target {
    pub(super) fn new(server: &Server, takes_calls: bool) -> Self {
        Self {
            server: server.clone(),
            takes_calls,
            line: Line::Down,
            broken: 0,
            breaker: Breaker::default(),
            proven: false,
            probing: None,
        }
    }
}

/// Whether a carrier can be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Nothing has said so yet, one way or the other.
    Unknown,
    /// It can.
    Up,
    /// It cannot, and why.
    Down(String),
}

/// One carrier.
pub(super) struct Carrier {
    pub(super) rules: TrunkRules,
    pub(super) targets: BTreeMap<TargetKey, Target>,
    /// Some name has had no answer yet.
    pub(super) waits_for_names: bool,
    pub(super) enrolment: Option<Enrolment>,
    pub(super) pace: Pace,
    /// What was told last.
    pub(super) told: Option<bool>,
}

impl Carrier {
    pub(super) fn new(rules: TrunkRules) -> Self {
        Self {
            rules,
            targets: BTreeMap::new(),
            waits_for_names: false,
            enrolment: None,
            pace: Pace::default(),
            told: None,
        }
    }

    /// Whether OPTIONS asks its servers.
    pub(super) const fn is_probed(&self) -> bool {
        self.rules.keepalive.is_some()
    }

    /// Whether a server is worth a call.
    pub(super) fn is_usable(&self, now: Instant, target: &Target) -> bool {
        target.takes_calls && target.breaker.admits(now, self.is_probed())
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        if let Some(enrolment) = &self.enrolment
            && !enrolment.stands(now)
        {
            return match enrolment.tried {
                true => Standing::Down(enrolment.why.clone()),
                false => Standing::Unknown,
            };
        }
        let mut of_calls = self.targets.values().filter(|it| it.takes_calls).peekable();
        if of_calls.peek().is_none() {
            return match (self.rules.servers.is_empty(), self.waits_for_names) {
                (true, _) => Standing::Up,
                (false, true) => Standing::Unknown,
                (false, false) => Standing::Down("its servers have no address".to_owned()),
            };
        }
        let usable: Vec<_> = of_calls.filter(|it| self.is_usable(now, it)).collect();
        if usable.is_empty() {
            return Standing::Down("none of its servers answers".to_owned());
        }
        let waits = self.is_probed() && !usable.iter().any(|target| target.proven);
        if waits {
            Standing::Unknown
        } else {
            Standing::Up
        }
    }
}
