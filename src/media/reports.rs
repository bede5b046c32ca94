//! When a leg sends its RTCP, to whom, and what it has learned from the other end's (RFC 3550 6.2).
//!
//! One report about every five seconds, at random so that a thousand legs do not speak at once, and
//! a goodbye at the end. Reports are no sound: neither their coming nor their absence says anything
//! about whether somebody is there.

use std::net::SocketAddr;

use crate::limits;
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// The reports of one leg.
#[derive(Debug)]
pub struct Reports {
    /// The name of our streams.
    name: u64,
    next: Option<Instant>,
    /// Packets that the last report told of.
    told: u32,
    /// The other end's last report, and when it came.
    last: Option<(u32, Instant)>,
    /// Where the other end's reports come from.
    learned: Option<SocketAddr>,
    /// What the other end has said that it lost.
    lost: u32,
}

impl Reports {
    /// Of a leg that has nothing to report yet.
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            name: rng.next_u64(),
            next: None,
            told: 0,
            last: None,
            learned: None,
            lost: 0,
        }
    }

    /// The name of our streams.
    #[must_use]
    pub const fn name(&self) -> u64 {
        self.name
    }

    /// An offer/answer names the far end, perhaps another one.
    pub fn reopen(&mut self, now: Instant) {
        self.learned = None;
        // The first one comes sooner (RFC 3550 6.2).
        self.next.get_or_insert(now + limits::RTCP_INTERVAL / 2);
    }

    /// Whether a report is due.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| now >= next)
    }

    /// A report goes: the next one is due in a half to one and a half of the interval (RFC 3550 6.3.1).
    pub fn schedule(&mut self, now: Instant, rng: &mut Rng) {
        let interval = u64::try_from(limits::RTCP_INTERVAL.as_millis()).unwrap_or(0);
        let after = interval / 2 + rng.below(interval);
        self.next = Some(now + Duration::from_millis(after));
    }

    /// Whether packets have been sent since the last report, which tells of them from now on.
    pub const fn tell(&mut self, packets: u32) -> bool {
        let more = packets != self.told;
        self.told = packets;
        more
    }

    /// What a block says of the other end's last report: its time, and how long ago it came.
    #[must_use]
    pub fn last(&self, now: Instant) -> (u32, u32) {
        self.last.map_or((0, 0), |(ntp, came)| {
            let delay = now.since(came).as_millis() * 65_536 / 1000;
            (ntp, u32::try_from(delay).unwrap_or(u32::MAX))
        })
    }

    /// A report of the other end's came from here; where it comes from first is where ours go.
    pub fn heard(&mut self, now: Instant, from: SocketAddr, ntp: Option<u32>) {
        self.learned.get_or_insert(from);
        if let Some(ntp) = ntp {
            self.last = Some((ntp, now));
        }
    }

    /// Packets of ours that are newly known to be lost; never more than we sent.
    pub fn lost(&mut self, lost: u32, sent: u32) -> u64 {
        // The other end counts in 24 bits with a sign: more came than were sent.
        let lost = if lost & 0x0080_0000 != 0 { 0 } else { lost };
        let new = lost.min(sent).saturating_sub(self.lost);
        self.lost += new;
        u64::from(new)
    }

    /// Where the other end's reports come from.
    #[must_use]
    pub const fn learned(&self) -> Option<SocketAddr> {
        self.learned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_millis(millis)
    }

    #[test]
    fn reports_come_about_every_five_seconds_and_never_at_once() {
        let mut rng = Rng::new([1; 32]);
        let mut reports = Reports::new(&mut rng);
        assert!(!reports.is_due(at(1_000_000)));
        reports.reopen(at(0));
        let (mut times, mut now) = (Vec::new(), 0);
        while times.len() < 200 {
            now += 20;
            if reports.is_due(at(now)) {
                reports.schedule(at(now), &mut rng);
                times.push(now);
            }
        }
        assert_eq!(times[0], 2_500);
        assert!(
            times
                .windows(2)
                .all(|it| (2_500..=7_520).contains(&(it[1] - it[0])))
        );
        assert!(
            (900_000..1_100_000).contains(times.last().unwrap()),
            "{times:?}"
        );
    }

    #[test]
    fn what_the_other_end_lost_is_counted_once_and_within_reason() {
        let mut reports = Reports::new(&mut Rng::new([1; 32]));
        let told: Vec<_> = [3, 3, 2, 7, 0x00ff_ffff, 0x007f_ffff]
            .into_iter()
            .map(|lost| reports.lost(lost, 100))
            .collect();
        assert_eq!(told, [3, 0, 0, 4, 0, 93]);
        assert!(reports.tell(5) && !reports.tell(5) && reports.tell(6));
    }
}
