//! Somebody being rung outside any queue: a colleague's phones all at once, or a number outside by one
//! carrier after another, until one answers or nobody is left to try.

use std::collections::{BTreeMap, VecDeque};

use super::leg::Leg;
use super::message::{Contact, Way};
use super::seat::Seat;
use crate::dialplan::dial::Dialled;
use crate::id::LegId;
use crate::sip::trunk::attempt::Heard;
use crate::time::Instant;

/// Where one INVITE goes.
#[derive(Clone, Debug)]
pub enum Line {
    /// To a colleague's phone.
    Phone(Contact),
    /// To a carrier.
    Trunk(Way),
}

/// One INVITE under way, or waiting for its port.
#[derive(Clone, Debug)]
pub struct Try {
    /// The leg.
    pub leg: Leg,
    /// Where it goes.
    pub line: Line,
    /// What the far side has said.
    pub heard: Heard,
}

/// The ringing.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Who is wanted.
    pub dialled: Dialled,
    /// The colleague's place, from the moment the phones are rung.
    pub seat: Option<Seat>,
    /// INVITEs in play.
    pub tries: BTreeMap<LegId, Try>,
    /// Ways that are left.
    pub ways: VecDeque<Way>,
    /// Since when.
    pub since: Instant,
    /// The one who waits has been told that it rings.
    pub told: bool,
    /// Whose sound the one who waits hears already.
    pub early: Option<LegId>,
    /// Redirections followed.
    pub redirections: u8,
    /// The best of the final responses so far.
    pub failed: Option<u16>,
}

impl Dial {
    /// Nobody is rung yet.
    #[must_use]
    pub const fn new(dialled: Dialled, since: Instant) -> Self {
        Self {
            dialled,
            seat: None,
            tries: BTreeMap::new(),
            ways: VecDeque::new(),
            since,
            told: false,
            early: None,
            redirections: 0,
            failed: None,
        }
    }

    /// Notes a final response. A person's word counts more than a dead device.
    pub fn note(&mut self, code: u16) {
        let worth = |code: u16| match code {
            600.. => 5,
            486 => 4,
            480 | 404 | 410 | 484 => 3,
            408 => 2,
            _ => 1,
        };
        if self.failed.is_none_or(|before| worth(code) > worth(before)) {
            self.failed = Some(code);
        }
    }
}
