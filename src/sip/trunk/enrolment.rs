//! Our registration with a carrier (RFC 3261 10.2), as far as it is about which registrar and when.
//!
//! ```text
//!             ┌──────────────── 80 % of the granted time ────────────────┐
//!             ▼                                                          │
//!  round ─► asking one registrar ─200─► registered ──────────────────────┘
//!    ▲        └─ refused, broken, silent for 10 s ─► the next registrar at once
//!    │                                                  └─ that was the last one
//!    └── 5 s, 10 s … 120 s, for ever; 5 min when one of them refused us ──┘
//! ```
//!
//! We are registered with one registrar at a time: servers of one carrier share their location
//! service, and two bindings would bring each call twice. The waits are drawn from the upper half, so
//! that exchanges that fell together do not come back together.

use super::TargetKey;
use crate::limits;
use crate::rng::Rng;
use crate::sip::registration::RegistrationId;
use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// A registrar that has not answered by then is left for the next one.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// The wait after a round of all registrars, doubling, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));
/// The wait after a round in which a registrar refused us: a wrong password needs a person.
const REFUSED: Duration = Duration::from_secs(300);

/// Why a registrar does not serve us.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// Its final response; 408 is silence, 503 a broken way as well.
    Status(u16),
    /// It agrees for a time too short to be kept up.
    Short(Duration),
}

/// One registration.
#[derive(Clone, Debug)]
pub(super) struct Enrolment {
    /// The user part of our Contact: nobody but the carrier learns it.
    pub(super) contact_user: String,
    /// The registrars that are still to be tried in this round.
    pub(super) round: VecDeque<TargetKey>,
    /// The request that waits for its answer.
    pub(super) asked: Option<(RegistrationId, TargetKey)>,
    /// The registration that stands, or stood last.
    pub(super) held: Option<(RegistrationId, TargetKey)>,
    /// It stands until then.
    pub(super) until: Option<Instant>,
    /// A round has ended, this way or that.
    pub(super) tried: bool,
    /// Why it does not stand.
    pub(super) why: String,
    /// The last round ended in a refusal: a person has to act, and asking again soon is in vain.
    pub(super) slow: bool,
    rounds: u32,
    refused: bool,
}

impl Enrolment {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            contact_user: rng.token(24),
            round: VecDeque::new(),
            asked: None,
            held: None,
            until: None,
            tried: false,
            why: "no registrar has answered yet".to_owned(),
            slow: false,
            rounds: 0,
            refused: false,
        }
    }

    /// The registrar agreed. Says when to refresh.
    pub(super) fn granted(&mut self, now: Instant, time: Duration) -> Instant {
        self.held = self.asked.take().or(self.held.take());
        self.round.clear();
        self.until = Some(now + time);
        self.tried = true;
        self.rounds = 0;
        self.refused = false;
        now + (time / 5)
            .saturating_mul(4)
            .max(limits::REGISTRATION_REFRESH)
    }

    /// The registrar that was asked failed.
    pub(super) fn failed(&mut self, host: &str, refusal: Refusal) {
        self.asked = None;
        self.why = match refusal {
            Refusal::Status(408) => format!("{host} does not answer REGISTER"),
            Refusal::Status(503) => format!("{host} cannot be reached or is out of service"),
            Refusal::Status(status) => format!("{host} refused the registration with {status}"),
            Refusal::Short(time) => format!("{host} grants {} s only", time.as_secs()),
        };
        // 5xx is the server's trouble, 408 and 430 are the network's; any other 4xx is about us.
        self.refused |= match refusal {
            Refusal::Status(408 | 430) => false,
            Refusal::Status(status) => (400..500).contains(&status),
            Refusal::Short(_) => true,
        };
    }

    /// No registrar is left to be tried. Says when the next round begins.
    pub(super) fn round_over(&mut self, now: Instant, rng: &mut Rng) -> Instant {
        self.until = None;
        self.tried = true;
        let (least, most) = AGAIN;
        let doubled = least.saturating_mul(1 << self.rounds.min(8)).min(most);
        let wait = if self.refused { REFUSED } else { doubled };
        self.rounds = self.rounds.saturating_add(1);
        self.slow = self.refused;
        self.refused = false;
        let half = wait / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        now + half + Duration::from_nanos(rng.below(nanos))
    }

    /// Whether it stands.
    pub(super) fn stands(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}
