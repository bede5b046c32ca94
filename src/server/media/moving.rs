//! Legs that move from one media thread to another because they now belong to another call.
//!
//! ```text
//! engine ──Expect──▶ new thread: what is said of the call from now on waits
//!        ──Give────▶ old thread: takes the leg off ──Arrived──▶ new thread: settles it, catches up
//! ```
//!
//! No thread ever waits for another one. What waits is a few orders, for as long as the old thread
//! needs to come to the one that gives the leg away. An order waits only for legs that were on their way
//! when it came: so it depends on what the engine said before it, and never, by any number of threads,
//! on itself.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use rustix::event::epoll;

use super::thread::{Leg, MediaThread, Order};
use crate::id::{CallId, LegId};
use crate::media::command::MediaCommand;
use crate::time::Instant;

/// Where a media thread takes its orders.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) orders: Sender<Order>,
    pub(super) wake: Arc<OwnedFd>,
}

impl Mailbox {
    pub(super) fn send(&self, order: Order) {
        // A thread that is gone has nothing left to do the order with.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

/// The legs that are on their way to a thread.
#[derive(Default, Debug)]
pub(super) struct Arrivals {
    /// As the how manieth each was announced, and its call; a handful at most, and none nearly always.
    legs: Vec<(u64, LegId, CallId)>,
    announced: u64,
    /// What is said of those calls meanwhile, in order, and how many legs were announced by then.
    waiting: VecDeque<(CallId, u64, Order)>,
}

impl Arrivals {
    /// The call that a leg on its way belongs to.
    pub(super) fn call_of(&self, leg: LegId) -> Option<CallId> {
        let mut newest = self.legs.iter().rev();
        newest.find(|(_, known, _)| *known == leg).map(|it| it.2)
    }

    fn expect(&mut self, leg: LegId, call: CallId) {
        self.announced += 1;
        self.legs.push((self.announced, leg, call));
    }

    /// Whether a leg of the call is still on its way that was among the first so many.
    fn awaits(&self, call: CallId, announced: u64) -> bool {
        let mut legs = self.legs.iter();
        legs.any(|(number, _, of)| *of == call && *number <= announced)
    }
}

impl MediaThread {
    /// Does what it is told, or keeps it until the leg it is about, or another of the same call, is
    /// here.
    pub(super) fn order(&mut self, now: Instant, order: Order) {
        if !self.arrivals.legs.is_empty()
            && let Some(call) = self.subject(&order)
            && self.arrivals.awaits(call, self.arrivals.announced)
        {
            let announced = self.arrivals.announced;
            self.arrivals.waiting.push_back((call, announced, order));
            return;
        }
        self.carry_out(now, order);
    }

    fn carry_out(&mut self, now: Instant, order: Order) {
        match order {
            Order::Command(command) => self.obey(now, command),
            Order::Expect { leg, call } => self.arrivals.expect(leg, call),
            Order::Give { leg, call, to } => self.give(now, leg, call, &to),
            Order::Arrived { leg, call, moved } => self.arrived(now, leg, call, moved),
            Order::Stop => {}
        }
    }

    /// Which call an order is about, if it has to keep its place among that call's orders.
    fn subject(&self, order: &Order) -> Option<CallId> {
        match order {
            Order::Command(command) => match command {
                MediaCommand::Open { call, .. }
                | MediaCommand::StopRecording { call }
                | MediaCommand::Silence { call, .. } => Some(*call),
                MediaCommand::Connect { leg, .. }
                | MediaCommand::Play { leg, .. }
                | MediaCommand::Record { leg, .. }
                | MediaCommand::Adopt { leg, .. }
                | MediaCommand::Close { leg } => self.call_of(*leg),
                MediaCommand::Bridge {
                    caller, operator, ..
                }
                | MediaCommand::Unbridge { caller, operator }
                | MediaCommand::Supervise {
                    leg: caller,
                    operator,
                    ..
                } => self.call_of(*caller).or_else(|| self.call_of(*operator)),
            },
            Order::Give { leg, .. } => self.call_of(*leg),
            Order::Expect { .. } | Order::Arrived { .. } | Order::Stop => None,
        }
    }

    fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.arrivals.call_of(leg).or_else(|| {
            let slot = self.slots.get(&leg)?;
            self.legs.get(*slot)?.as_ref().map(|leg| leg.call)
        })
    }

    /// The leg changes its call and stays on this thread.
    pub(super) fn adopt(&mut self, now: Instant, id: LegId, call: CallId) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        self.part(now, slot);
        let Some(leg) = self.leg(id) else {
            return;
        };
        let former = std::mem::replace(&mut leg.call, call);
        *self.parties.entry(call).or_default() += 1;
        self.leave(now, former);
    }

    fn give(&mut self, now: Instant, id: LegId, call: CallId, to: &Mailbox) {
        let moved = self.unsettle(now, id).and_then(|mut leg| {
            leg.call = call;
            epoll::delete(&self.parts.epoll, &leg.port).ok()?;
            epoll::delete(&self.parts.epoll, leg.port.control()).ok()?;
            Some(Box::new(leg))
        });
        to.send(Order::Arrived {
            leg: id,
            call,
            moved,
        });
    }

    fn arrived(&mut self, now: Instant, id: LegId, call: CallId, moved: Option<Box<Leg>>) {
        let mut announced = self.arrivals.legs.iter();
        if let Some(at) = announced.position(|(_, leg, of)| (*leg, *of) == (id, call)) {
            self.arrivals.legs.remove(at);
        }
        if let Some(leg) = moved
            && let Err(error) = self.settle(*leg)
        {
            self.no_port(id, call, &error);
        }
        // What still has to wait is put back at the end, in the same order.
        for (call, announced, order) in std::mem::take(&mut self.arrivals.waiting) {
            if self.arrivals.awaits(call, announced) {
                self.arrivals.waiting.push_back((call, announced, order));
            } else {
                self.carry_out(now, order);
            }
        }
    }
}
