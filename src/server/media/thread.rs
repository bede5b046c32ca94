//! A media thread: it owns its legs, their sockets and nothing that anybody else can touch.
//!
//! One epoll waits for packets, for the 20 ms ticker and for commands. A packet is read, judged by its
//! leg's relay, rewritten in place and sent on; no lock is taken and nothing is allocated for it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::counters::{Tally, add};
use super::moving::{Arrivals, Mailbox};
use super::port::{Port, Ports};
use super::supervising::Supervised;
use super::tap::{Blocks, Handed, Tap, ToRecorder};
use super::{Events, Prompts};
use crate::id::{CallId, LegId};
use crate::limits;
use crate::media::carried::{Carried, Content};
use crate::media::command::{MediaCommand, MediaEvent};
use crate::media::mixer::Voice;
use crate::media::recorder::Side;
use crate::media::relay::{Received, Relay, Tick};
use crate::media::track::Stamp;
use crate::rng::Rng;
use crate::rtp::rtcp::REPORT_BYTES;
use crate::server::clock::Clock;
use crate::time::{Duration, Instant, Now};

/// Longer than the longest packet: for what encryption adds, and so that one that is too long is seen
/// to be.
pub(super) type Buffer = [u8; limits::RTP_PACKET_BYTES + limits::SRTP_TRAILER_BYTES];

/// What wakes the thread besides its legs, whose numbers count up from zero.
const COMMANDS: u64 = u64::MAX;
pub(super) const TICKER: u64 = u64::MAX - 1;
/// Set in the number of a leg when its port of the reports is meant.
pub(super) const REPORTS: u64 = 1 << 40;
/// Readiness taken from the kernel at once.
const BATCH: usize = 256;
/// Ticks from one look for silent legs to the next.
const SILENCE_LOOK: u64 = 25;

/// For a media thread.
#[derive(Debug)]
pub(super) enum Order {
    Command(MediaCommand),
    /// A leg will come from another thread, to a call of this one.
    Expect {
        leg: LegId,
        call: CallId,
    },
    /// A leg goes to another thread, to a call of that one.
    Give {
        leg: LegId,
        call: CallId,
        to: Mailbox,
    },
    /// The leg that was expected; none if it was closed meanwhile.
    Arrived {
        leg: LegId,
        call: CallId,
        moved: Option<Box<Leg>>,
    },
    Stop,
}

/// What a media thread is built from.
pub(super) struct Parts {
    pub(super) epoll: OwnedFd,
    pub(super) wake: Arc<OwnedFd>,
    pub(super) clock: Clock,
    /// Ticks every 20 ms.
    pub(super) ticker: OwnedFd,
    pub(super) orders: Receiver<Order>,
    pub(super) ports: Ports,
    pub(super) rng: Rng,
    pub(super) rtp_timeout: Duration,
    pub(super) prompts: Prompts,
    pub(super) events: Events,
    pub(super) recorder: Sender<ToRecorder>,
    pub(super) tally: Arc<Tally>,
}

/// The thread.
pub(super) struct MediaThread {
    pub(super) parts: Parts,
    pub(super) legs: Vec<Option<Leg>>,
    pub(super) slots: BTreeMap<LegId, usize>,
    pub(super) free: Vec<usize>,
    /// How many legs of a call are here.
    pub(super) parties: BTreeMap<CallId, usize>,
    pub(super) arrivals: Arrivals,
    pub(super) taps: BTreeMap<CallId, Tap>,
    pub(super) supervised: BTreeMap<CallId, Supervised>,
    pub(super) blocks: Blocks,
    ticks: u64,
}

/// A leg with its socket.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) call: CallId,
    pub(super) port: Port,
    pub(super) relay: Relay,
    /// Who hears it.
    pub(super) peer: Option<usize>,
    /// Its channel, when the call is recorded.
    pub(super) side: Option<Side>,
    /// Which one it is in a supervised bridge.
    pub(super) voice: Option<Voice>,
}

/// Registers what wakes the thread besides its legs.
pub(super) fn watch(epoll: &OwnedFd, wake: &OwnedFd, ticker: &OwnedFd) -> rustix::io::Result<()> {
    epoll::add(epoll, wake, EventData::new_u64(COMMANDS), EventFlags::IN)?;
    epoll::add(epoll, ticker, EventData::new_u64(TICKER), EventFlags::IN)
}

impl MediaThread {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            legs: Vec::new(),
            slots: BTreeMap::new(),
            free: Vec::new(),
            parties: BTreeMap::new(),
            arrivals: Arrivals::default(),
            taps: BTreeMap::new(),
            supervised: BTreeMap::new(),
            blocks: Blocks::new(),
            ticks: 0,
        }
    }

    /// Works until it is told to stop. Packets come before commands, so that a leg closed in one
    /// turn is not asked for in it.
    pub(super) fn run(mut self) {
        let mut buffer: Buffer = [0; limits::RTP_PACKET_BYTES + limits::SRTP_TRAILER_BYTES];
        let mut ready = Vec::with_capacity(BATCH);
        loop {
            ready.clear();
            // Interrupted by a signal, it simply looks again.
            let _ = epoll::wait(&self.parts.epoll, spare_capacity(&mut ready), None);
            let now = self.parts.clock.now().mono;
            let (mut commands, mut ticked) = (false, false);
            for event in &ready {
                match event.data.u64() {
                    COMMANDS => commands = true,
                    TICKER => ticked = true,
                    slot => {
                        let leg = usize::try_from(slot & !REPORTS).unwrap_or(usize::MAX);
                        if slot & REPORTS == 0 {
                            self.packet(now, leg, &mut buffer);
                        } else {
                            self.report(now, leg, &mut buffer);
                        }
                    }
                }
            }
            if ticked {
                self.tick(now);
            }
            if commands && self.commands(now) {
                return self.stop(now);
            }
        }
    }

    fn packet(&mut self, now: Instant, slot: usize, buffer: &mut Buffer) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let Some((length, from)) = leg.port.receive(buffer) else {
            return;
        };
        let tally = &self.parts.tally;
        add(&tally.packets_in, 1);
        let cut = length > limits::RTP_PACKET_BYTES;
        let whole = buffer.get_mut(..length).filter(|_| !cut);
        let bytes = whole.unwrap_or_default();
        match leg.relay.receive(now, from, bytes) {
            Received::Stranger => add(&tally.strangers, 1),
            Received::Forged => add(&tally.forged, 1),
            Received::Garbage => add(&tally.garbage, 1),
            Received::Report { lost } => add(&tally.lost, lost),
            Received::Carried {
                carried,
                digit,
                lost,
            } => {
                leg.port.fasten(leg.relay.far_end());
                add(&tally.lost, lost);
                if let Some(digit) = digit {
                    (self.parts.events)(MediaEvent::Digit { leg: leg.id, digit });
                }
                self.carry(now, slot, &carried, buffer);
            }
        }
    }

    /// A packet came to the port of a leg's reports.
    fn report(&mut self, now: Instant, slot: usize, buffer: &mut Buffer) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let Some((length, from)) = leg.port.receive_report(buffer) else {
            return;
        };
        let tally = &self.parts.tally;
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        match leg.relay.receive_report(now, from, bytes) {
            Received::Stranger => add(&tally.strangers, 1),
            Received::Forged => add(&tally.forged, 1),
            Received::Garbage => add(&tally.garbage, 1),
            Received::Report { lost } => add(&tally.lost, lost),
            Received::Carried { .. } => {}
        }
    }

    /// Gives a party's packet to the recording and to the other party, in this order: the second
    /// rewrites it.
    fn carry(&mut self, now: Instant, slot: usize, carried: &Carried, buffer: &mut Buffer) {
        let Some(leg) = self.legs.get(slot).and_then(Option::as_ref) else {
            return;
        };
        let (call, side, peer, voice) = (leg.call, leg.side, leg.peer, leg.voice);
        if let Some(side) = side {
            self.record(now, call, side, carried, buffer);
        }
        if let Some(voice) = voice {
            return self.carry_mixed(now, (call, voice), carried, buffer);
        }
        let Some(peer) = peer.and_then(|peer| self.legs.get_mut(peer)?.as_mut()) else {
            return;
        };
        let (target, port) = (peer.relay.target(), &peer.port);
        peer.relay
            .forward(now, carried, buffer, |bytes| port.send(target, bytes));
    }

    fn record(
        &mut self,
        now: Instant,
        call: CallId,
        side: Side,
        carried: &Carried,
        buffer: &Buffer,
    ) {
        let Content::Sound(codec) = carried.content else {
            return;
        };
        let header = carried.packet.header;
        let stamp = Stamp {
            arrival: now,
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
        };
        if let Some(tap) = self.taps.get_mut(&call)
            && let Some(payload) = buffer.get(carried.packet.payload.clone())
        {
            let recorder = &self.parts.recorder;
            let handed = tap.take(side, stamp, codec, payload, &mut self.blocks, recorder);
            note(&self.parts, call, handed);
        }
    }

    /// The ticker has ticked, perhaps several times.
    fn tick(&mut self, now: Instant) {
        let mut count = [0; 8];
        if rustix::io::read(&self.parts.ticker, &mut count) != Ok(8) {
            return;
        }
        let ticks = u64::from_ne_bytes(count);
        let made_up = ticks.min(limits::PLAYOUT_CATCH_UP);
        let skipped = u32::try_from(ticks - made_up).unwrap_or(u32::MAX);
        for leg in self.legs.iter_mut().flatten() {
            if leg.relay.is_playing() {
                if skipped > 0 {
                    leg.relay.skip_frames(skipped);
                }
                for _ in 0..made_up {
                    play_frame(&self.parts, now, leg);
                }
            }
        }
        self.send_mixed(now, made_up, skipped);
        for (call, tap) in &mut self.taps {
            if tap.is_due(now) {
                let handed = tap.hand_over(&mut self.blocks, &self.parts.recorder);
                note(&self.parts, *call, handed);
            }
        }
        self.send_reports(now);
        self.ticks += 1;
        if self.ticks.is_multiple_of(SILENCE_LOOK) {
            for leg in self.legs.iter_mut().flatten() {
                if leg.relay.falls_silent(now, self.parts.rtp_timeout) {
                    (self.parts.events)(MediaEvent::Silent { leg: leg.id });
                }
            }
        }
    }

    fn send_reports(&mut self, now: Instant) {
        let mut due = self.legs.iter_mut().flatten();
        let Some(first) = due.find(|leg| leg.relay.report_is_due(now)) else {
            return;
        };
        let now = self.parts.clock.now();
        send_report(now, false, &mut self.parts.rng, first);
        for leg in due.filter(|leg| leg.relay.report_is_due(now.mono)) {
            send_report(now, false, &mut self.parts.rng, leg);
        }
    }

    /// Takes all commands that have come; true when it is told to stop.
    fn commands(&mut self, now: Instant) -> bool {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.parts.wake, &mut count);
        while let Ok(order) = self.parts.orders.try_recv() {
            if matches!(order, Order::Stop) {
                return true;
            }
            self.order(now, order);
        }
        false
    }

    fn stop(mut self, now: Instant) {
        while let Some(call) = self.taps.first_key_value().map(|(call, _)| *call) {
            self.end_recording(now, call);
        }
    }
}

/// Sends a leg's report, and its goodbye if it ends.
pub(super) fn send_report(now: Now, bye: bool, rng: &mut Rng, leg: &mut Leg) {
    let mut out = [0; REPORT_BYTES];
    let shared = leg.relay.reports_share_the_port();
    if let Some((target, bytes)) = leg.relay.report(now, bye, rng, &mut out) {
        leg.port.send_report(shared, target, bytes);
    }
}

/// Sends the next 20 ms of what plays to a leg.
fn play_frame(parts: &Parts, now: Instant, leg: &mut Leg) {
    let (target, port) = (leg.relay.target(), &leg.port);
    let tick = leg.relay.tick(now, |bytes| port.send(target, bytes));
    match tick {
        Tick::Idle | Tick::Muted | Tick::Sounded => {}
        Tick::Played(play) => (parts.events)(MediaEvent::Played { leg: leg.id, play }),
    }
}

/// Counts what the recorder was too slow for, and says so once.
pub(super) fn note(parts: &Parts, call: CallId, handed: Handed) {
    if let Handed::Dropped { packets, say } = handed {
        add(&parts.tally.recording_lost, packets);
        if say {
            add(&parts.tally.recording_failures, 1);
            (parts.events)(MediaEvent::RecordTroubled {
                call,
                why: Some("the disk is too slow; the recording has holes".to_owned()),
            });
        }
    }
}
