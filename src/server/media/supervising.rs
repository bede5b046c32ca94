//! A third leg in a bridge: whose packets go where, on one media thread.
//!
//! What is heard is decided in [`crate::media::mixer`]. While nobody supervises a bridge, nothing of this
//! is touched.

use super::thread::{Buffer, Leg, MediaThread};
use crate::id::{CallId, LegId};
use crate::media::carried::{Carried, Content};
use crate::media::mixer::{Mixer, Voice};
use crate::media::recorder::Side;
use crate::time::Instant;
use crate::words::Supervision;

/// A supervised bridge.
#[derive(Debug)]
pub(super) struct Supervised {
    mixer: Box<Mixer>,
    caller: usize,
    operator: usize,
    supervisor: usize,
}

impl Supervised {
    const fn slot(&self, voice: Voice) -> usize {
        match voice {
            Voice::Caller => self.caller,
            Voice::Operator => self.operator,
            Voice::Supervisor => self.supervisor,
        }
    }
}

const VOICES: [Voice; 3] = [Voice::Caller, Voice::Operator, Voice::Supervisor];

impl MediaThread {
    /// Puts a third leg into a bridge, lets others hear it than before, or takes it out.
    pub(super) fn supervise(
        &mut self,
        now: Instant,
        id: LegId,
        operator: LegId,
        mode: Option<Supervision>,
    ) {
        let (Some(&slot), Some(&operator)) = (self.slots.get(&id), self.slots.get(&operator))
        else {
            return;
        };
        let Some(mode) = mode else {
            if self.leg_at(slot).and_then(|leg| leg.voice) == Some(Voice::Supervisor) {
                self.end_supervision_of(slot);
            }
            return;
        };
        let bridged = self.leg_at(operator).map(|leg| (leg.call, leg.peer));
        let Some((call, Some(caller))) = bridged else {
            return;
        };
        let of_the_call = self.leg_at(slot).is_some_and(|leg| leg.call == call);
        if slot == operator || slot == caller || !of_the_call {
            return;
        }
        let mut under_way = self.supervised.get_mut(&call);
        if let Some(known) = under_way
            .as_mut()
            .filter(|known| (known.supervisor, known.operator) == (slot, operator))
        {
            known.mixer.change(now, mode);
        } else {
            self.begin_supervision(now, call, [caller, operator, slot], mode);
        }
        let recorded = self.leg_at(operator).is_some_and(|leg| leg.side.is_some());
        if let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) {
            leg.side = (recorded && mode == Supervision::Barge).then_some(Side::Supervisor);
        }
    }

    fn begin_supervision(
        &mut self,
        now: Instant,
        call: CallId,
        [caller, operator, supervisor]: [usize; 3],
        mode: Supervision,
    ) {
        self.part(now, supervisor);
        self.end_supervision(call);
        let supervised = Supervised {
            mixer: Box::new(Mixer::new(now, mode)),
            caller,
            operator,
            supervisor,
        };
        for voice in VOICES {
            if let Some(leg) = self
                .legs
                .get_mut(supervised.slot(voice))
                .and_then(Option::as_mut)
            {
                leg.voice = Some(voice);
                if voice == Voice::Supervisor {
                    leg.relay.bridge(now);
                }
            }
        }
        self.supervised.insert(call, supervised);
    }

    /// Nobody supervises the bridge of this leg any more.
    pub(super) fn end_supervision_of(&mut self, slot: usize) {
        if let Some(leg) = self.leg_at(slot).filter(|leg| leg.voice.is_some()) {
            self.end_supervision(leg.call);
        }
    }

    fn end_supervision(&mut self, call: CallId) {
        let Some(supervised) = self.supervised.remove(&call) else {
            return;
        };
        for voice in VOICES {
            let slot = supervised.slot(voice);
            if let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) {
                leg.voice = None;
                leg.relay.rest();
                if voice == Voice::Supervisor {
                    leg.relay.unbridge();
                    leg.side = None;
                }
            }
        }
    }

    /// Gives the packet of somebody in a supervised bridge to those who hear it.
    pub(super) fn carry_mixed(
        &mut self,
        now: Instant,
        (call, voice): (CallId, Voice),
        carried: &Carried,
        buffer: &mut Buffer,
    ) {
        let Some(supervised) = self.supervised.get_mut(&call) else {
            return;
        };
        let mixer = &mut supervised.mixer;
        let (header, payload) = (&carried.packet.header, carried.packet.payload.clone());
        if let Content::Sound(codec) = carried.content
            && let Some(payload) = buffer.get(payload)
        {
            mixer.take(voice, header, codec, payload);
        }
        let (hearer, slot) = match voice {
            Voice::Caller => (Voice::Operator, supervised.operator),
            Voice::Operator => (Voice::Caller, supervised.caller),
            Voice::Supervisor => return,
        };
        if let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) {
            let (target, port) = (leg.relay.target(), &leg.port);
            let aside = mixer.aside(hearer);
            leg.relay
                .forward_with(now, carried, aside, buffer, |bytes| {
                    port.send(target, bytes)
                });
        }
    }

    /// Sends what is mixed anew: to supervisors, and to parties whose other party is silent.
    pub(super) fn send_mixed(&mut self, now: Instant, frames: u64, skipped: u32) {
        for supervised in self.supervised.values_mut() {
            for voice in VOICES {
                let slot = supervised.slot(voice);
                let mixer = &mut supervised.mixer;
                if let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut)
                    && mixer.is_sent_to(voice, now)
                {
                    leg.relay.skip_frames(skipped);
                    for _ in 0..frames {
                        let (target, port) = (leg.relay.target(), &leg.port);
                        leg.relay.sound(
                            now,
                            |codec, out| mixer.frame(voice, codec, out),
                            |bytes| port.send(target, bytes),
                        );
                    }
                }
            }
        }
    }

    fn leg_at(&self, slot: usize) -> Option<&Leg> {
        self.legs.get(slot)?.as_ref()
    }
}
