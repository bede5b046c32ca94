//! What a media thread does on command: taking and giving back ports, connecting, playing, bridging.
//! How a leg moves to another thread is in [`super::moving`].

use std::collections::btree_map::Entry;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use super::tap::{Tap, ToRecorder};
use super::thread::{Leg, MediaThread, REPORTS, TICKER, note, send_report};
use crate::id::{CallId, LegId, PlayId};
use crate::media::command::{MediaCommand, MediaEvent, RecordPlan, Remote, Silence};
use crate::media::playout::Playout;
use crate::media::recorder::Side;
use crate::media::relay::Relay;
use crate::time::Instant;
use crate::words::Prompt;

impl MediaThread {
    /// Does what the engine asks.
    pub(super) fn obey(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::Open { leg, call } => self.open(now, leg, call),
            MediaCommand::Connect { leg, remote } => self.connect(now, leg, remote),
            MediaCommand::Play {
                leg,
                play,
                prompts,
                looped,
            } => self.play(leg, play, &prompts, looped),
            MediaCommand::Bridge {
                caller,
                operator,
                record,
            } => self.bridge(now, caller, operator, record),
            MediaCommand::Unbridge { caller, operator } => self.unbridge(now, caller, operator),
            MediaCommand::Record { leg, plan } => self.record_alone(now, leg, plan),
            MediaCommand::StopRecording { call } => self.end_recording(now, call),
            MediaCommand::Silence { call, silence } => self.silence(now, call, silence),
            MediaCommand::Supervise {
                leg,
                operator,
                mode,
            } => self.supervise(now, leg, operator, mode),
            MediaCommand::Adopt { leg, call } => self.adopt(now, leg, call),
            MediaCommand::Close { leg } => self.close(now, leg),
        }
    }

    fn open(&mut self, now: Instant, id: LegId, call: CallId) {
        self.close(now, id);
        let port = match self.parts.ports.open() {
            Ok(port) => port,
            Err(error) => return self.no_port(id, call, &error),
        };
        let number = port.number();
        let leg = Leg {
            id,
            call,
            port,
            relay: Relay::new(&mut self.parts.rng, now),
            peer: None,
            side: None,
            voice: None,
        };
        match self.settle(leg) {
            Ok(()) => (self.parts.events)(MediaEvent::Opened {
                leg: id,
                port: number,
            }),
            Err(error) => self.no_port(id, call, &error),
        }
    }

    pub(super) fn no_port(&self, leg: LegId, call: CallId, error: &std::io::Error) {
        tracing::warn!(%call, "no RTP port: {error}");
        (self.parts.events)(MediaEvent::OpenFailed { leg });
    }

    /// Gives a leg its place on this thread.
    pub(super) fn settle(&mut self, leg: Leg) -> std::io::Result<()> {
        let slot = self.free.pop().unwrap_or(self.legs.len());
        let number = u64::try_from(slot).unwrap_or(TICKER);
        let (sound, reports) = (number, number | REPORTS);
        let epoll = &self.parts.epoll;
        let watched = epoll::add(epoll, &leg.port, EventData::new_u64(sound), EventFlags::IN)
            .and_then(|()| {
                let reports = EventData::new_u64(reports);
                epoll::add(epoll, leg.port.control(), reports, EventFlags::IN)
            });
        if let Err(error) = watched {
            if slot < self.legs.len() {
                self.free.push(slot);
            }
            return Err(error.into());
        }
        if self.slots.is_empty() {
            self.set_ticker(true);
        }
        self.slots.insert(leg.id, slot);
        *self.parties.entry(leg.call).or_default() += 1;
        match self.legs.get_mut(slot) {
            Some(place) => *place = Some(leg),
            None => self.legs.push(Some(leg)),
        }
        Ok(())
    }

    fn connect(&mut self, now: Instant, id: LegId, remote: Remote) {
        if let Some(leg) = self.leg(id) {
            leg.port.loosen();
            leg.relay.connect(now, remote);
        }
    }

    fn play(&mut self, id: LegId, play: PlayId, prompts: &[Prompt], looped: bool) {
        let sounds = prompts
            .iter()
            .filter_map(|prompt| {
                let sound = (self.parts.prompts)(prompt.key);
                if sound.is_none() {
                    tracing::warn!(leg = %id, key = %format_args!("{:032x}", prompt.key), "a prompt is missing and is passed over");
                }
                sound
            })
            .collect();
        let playing = (!prompts.is_empty()).then(|| (play, Playout::new(sounds, looped)));
        if let Some(leg) = self.leg(id) {
            leg.relay.play(playing);
        }
    }

    fn bridge(
        &mut self,
        now: Instant,
        caller: LegId,
        operator: LegId,
        record: Option<Box<RecordPlan>>,
    ) {
        let (caller, operator) = (self.slots.get(&caller), self.slots.get(&operator));
        let (Some(&caller), Some(&operator)) = (caller, operator) else {
            if let Some(plan) = record {
                self.unrecorded(plan.call, "a party was gone before the bridge");
            }
            return;
        };
        if caller == operator {
            return;
        }
        self.part(now, caller);
        self.part(now, operator);
        let call = record.and_then(|plan| self.record_leg(now, caller, plan));
        for (slot, peer, side) in [
            (caller, operator, Side::Caller),
            (operator, caller, Side::Operator),
        ] {
            if let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) {
                leg.peer = Some(peer);
                leg.relay.bridge(now);
                leg.side = call.filter(|call| *call == leg.call).map(|_| side);
            }
        }
    }

    /// A leg that is bridged is recorded with its bridge.
    fn record_alone(&mut self, now: Instant, id: LegId, plan: Box<RecordPlan>) {
        let call = plan.call;
        let Some(&slot) = self.slots.get(&id) else {
            return self.unrecorded(call, "the party was gone before the recording");
        };
        self.part(now, slot);
        let recorded = self.record_leg(now, slot, plan);
        if let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) {
            leg.side = recorded.map(|_| Side::Caller);
        }
    }

    fn unrecorded(&self, call: CallId, why: &str) {
        let why = why.to_owned();
        (self.parts.events)(MediaEvent::RecordFailed { call, why });
    }

    /// Begins a recording, or goes on with the call's own as another segment. Only the call of the leg
    /// on the left can be recorded; its last leg ends the recording.
    fn record_leg(&mut self, now: Instant, left: usize, plan: Box<RecordPlan>) -> Option<CallId> {
        let call = plan.call;
        if self.legs.get(left)?.as_ref()?.call != call {
            self.unrecorded(call, "the leg is of another call");
            return None;
        }
        let order = match self.taps.entry(call) {
            Entry::Occupied(tap) => ToRecorder::PassOn {
                call,
                at: now,
                operator: plan.operator,
                kind: plan.kind,
                silence: tap.get().silence(),
            },
            Entry::Vacant(place) => ToRecorder::Begin {
                plan,
                bridged: now,
                link: place.insert(Tap::new(call)).link(),
                spent: self.blocks.spent(),
            },
        };
        // A recorder that is gone has said so.
        let _ = self.parts.recorder.send(order);
        Some(call)
    }

    fn unbridge(&mut self, now: Instant, caller: LegId, operator: LegId) {
        if let (Some(&caller), Some(&operator)) =
            (self.slots.get(&caller), self.slots.get(&operator))
            && let Some(Some(leg)) = self.legs.get(caller)
            && leg.peer == Some(operator)
        {
            self.part(now, caller);
        }
    }

    /// Takes a leg out of its bridge; no sound is due from either any more, and their recording goes
    /// on with silence. Nobody supervises the bridge any more.
    pub(super) fn part(&mut self, now: Instant, slot: usize) {
        self.end_supervision_of(slot);
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let (call, recorded) = (leg.call, leg.side.take().is_some());
        let peer = leg.peer.take();
        leg.relay.unbridge();
        if let Some(peer) = peer.and_then(|peer| self.legs.get_mut(peer)?.as_mut()) {
            peer.peer = None;
            peer.side = None;
            peer.relay.unbridge();
        }
        if recorded {
            self.pause_recording(now, call);
        }
    }

    fn close(&mut self, now: Instant, id: LegId) {
        // The kernel forgets a closed socket by itself.
        if let Some(mut leg) = self.unsettle(now, id) {
            let now = self.parts.clock.now();
            send_report(now, true, &mut self.parts.rng, &mut leg);
        }
    }

    /// Takes a leg off this thread. With the last one of its call the recording ends.
    pub(super) fn unsettle(&mut self, now: Instant, id: LegId) -> Option<Leg> {
        let slot = self.slots.remove(&id)?;
        self.part(now, slot);
        let leg = self.legs.get_mut(slot)?.take();
        self.free.push(slot);
        if self.slots.is_empty() {
            self.set_ticker(false);
        }
        if let Some(leg) = &leg {
            self.leave(now, leg.call);
        }
        leg
    }

    /// A call has one leg less here.
    pub(super) fn leave(&mut self, now: Instant, call: CallId) {
        if let Entry::Occupied(mut legs) = self.parties.entry(call) {
            *legs.get_mut() -= 1;
            if *legs.get() == 0 {
                legs.remove();
                self.end_recording(now, call);
            }
        }
    }

    /// What the parties said so far belongs to the segment that ends here.
    fn pause_recording(&mut self, now: Instant, call: CallId) {
        if let Some(tap) = self.taps.get_mut(&call) {
            let handed = tap.hand_over(&mut self.blocks, &self.parts.recorder);
            note(&self.parts, call, handed);
            let _ = self
                .parts
                .recorder
                .send(ToRecorder::Pause { call, at: now });
        }
    }

    /// What was said before is recorded, what is said from now on is not, or is again.
    fn silence(&mut self, now: Instant, call: CallId, silence: Option<Silence>) {
        if let Some(tap) = self.taps.get_mut(&call) {
            let handed = tap.hand_over(&mut self.blocks, &self.parts.recorder);
            note(&self.parts, call, handed);
            tap.silence_for(silence);
            let order = ToRecorder::Silence {
                call,
                at: now,
                silence,
            };
            let _ = self.parts.recorder.send(order);
        }
    }

    /// Gives the recorder what is left of a recording, and its end.
    pub(super) fn end_recording(&mut self, now: Instant, call: CallId) {
        if let Some(mut tap) = self.taps.remove(&call) {
            let handed = tap.hand_over(&mut self.blocks, &self.parts.recorder);
            note(&self.parts, call, handed);
            let _ = self.parts.recorder.send(ToRecorder::End { call, at: now });
        }
    }

    /// The ticker runs while there are legs.
    fn set_ticker(&self, on: bool) {
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: if on { 20_000_000 } else { 0 },
        };
        let every = Itimerspec {
            it_interval: pause,
            it_value: pause,
        };
        if let Err(error) = timerfd_settime(&self.parts.ticker, TimerfdTimerFlags::empty(), &every)
        {
            tracing::error!(%error, "the media ticker cannot be set");
        }
    }

    pub(super) fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        let slot = *self.slots.get(&id)?;
        self.legs.get_mut(slot)?.as_mut()
    }
}
