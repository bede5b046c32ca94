//! What a media thread does on command: taking and giving back ports, connecting, playing, bridging.

use std::collections::btree_map::Entry;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use super::tap::{Tap, ToRecorder};
use super::thread::{Leg, MediaThread, TICKER, note};
use crate::id::{CallId, LegId, PlayId};
use crate::media::command::{MediaCommand, MediaEvent, RecordPlan, Remote};
use crate::media::playout::Playout;
use crate::media::recorder::Side;
use crate::media::relay::Relay;
use crate::time::Instant;
use crate::words::Prompt;

impl MediaThread {
    /// Does what the engine asks.
    pub(super) fn command(&mut self, now: Instant, command: MediaCommand) {
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
            MediaCommand::Close { leg } => self.close(now, leg),
        }
    }

    fn open(&mut self, now: Instant, id: LegId, call: CallId) {
        self.close(now, id);
        let slot = self.free.pop().unwrap_or(self.legs.len());
        let port = self.parts.ports.open().and_then(|port| {
            let data = EventData::new_u64(u64::try_from(slot).unwrap_or(TICKER));
            epoll::add(&self.parts.epoll, &port, data, EventFlags::IN)?;
            Ok(port)
        });
        let port = match port {
            Ok(port) => port,
            Err(error) => {
                tracing::warn!(%call, "no RTP port: {error}");
                if slot < self.legs.len() {
                    self.free.push(slot);
                }
                (self.parts.events)(MediaEvent::OpenFailed { leg: id });
                return;
            }
        };
        let number = port.number();
        let leg = Leg {
            id,
            call,
            port,
            relay: Relay::new(&mut self.parts.rng, now),
            peer: None,
            side: None,
        };
        match self.legs.get_mut(slot) {
            Some(place) => *place = Some(leg),
            None => self.legs.push(Some(leg)),
        }
        if self.slots.is_empty() {
            self.set_ticker(true);
        }
        self.slots.insert(id, slot);
        (self.parts.events)(MediaEvent::Opened {
            leg: id,
            port: number,
        });
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
                (self.parts.events)(MediaEvent::RecordFailed {
                    call: plan.call,
                    why: "a party was gone before the bridge".to_owned(),
                });
            }
            return;
        };
        if caller == operator {
            return;
        }
        self.part(caller);
        self.part(operator);
        let call = record.map(|plan| self.begin_recording(now, plan));
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

    /// Begins a recording, or goes on with the call's own under another operator.
    fn begin_recording(&mut self, now: Instant, plan: Box<RecordPlan>) -> CallId {
        let call = plan.call;
        let order = match self.taps.entry(call) {
            Entry::Occupied(_) => ToRecorder::PassOn {
                call,
                at: now,
                operator: plan.operator,
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
        call
    }

    /// Takes a leg out of its bridge; the other one is left alone, with no sound due from it.
    fn part(&mut self, slot: usize) {
        let peer = self
            .legs
            .get_mut(slot)
            .and_then(Option::as_mut)
            .and_then(|leg| {
                leg.side = None;
                leg.peer.take()
            });
        if let Some(peer) = peer.and_then(|peer| self.legs.get_mut(peer)?.as_mut()) {
            peer.peer = None;
            peer.side = None;
            peer.relay.unbridge();
        }
    }

    fn close(&mut self, now: Instant, id: LegId) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        let recorded = self
            .legs
            .get(slot)
            .and_then(Option::as_ref)
            .and_then(|leg| leg.side.map(|_| leg.call));
        if let Some(call) = recorded {
            self.end_recording(now, call);
        }
        self.part(slot);
        // The kernel forgets a closed socket by itself.
        if let Some(place) = self.legs.get_mut(slot) {
            *place = None;
        }
        self.free.push(slot);
        if self.slots.is_empty() {
            self.set_ticker(false);
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

    fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        let slot = *self.slots.get(&id)?;
        self.legs.get_mut(slot)?.as_mut()
    }
}
