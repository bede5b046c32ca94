//! The recorder: one thread that does the disk's work for all recordings.
//!
//! It is allowed to be slow. Media threads never wait for it, and each recording's backlog is bounded
//! by the tap. Hashes of ended recordings are worked off in pieces between the others' sound.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

use super::Events;
use super::counters::{Tally, add, take_one};
use super::recording::{Ending, Flushed, Recording, Shelf};
use super::tap::{Block, Link, ToRecorder};
use crate::id::{CallId, OperatorName};
use crate::limits;
use crate::media::command::{MediaEvent, RecordPlan};
use crate::server::clock::Clock;
use crate::time::{Duration, Instant};

/// How often files are looked at whether they are due.
const LOOK: Duration = Duration::from_millis(50);
/// An end that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// The recorder's thread.
pub(super) struct RecorderThread {
    pub(super) shelf: Shelf,
    pub(super) clock: Clock,
    pub(super) orders: Receiver<ToRecorder>,
    pub(super) events: Events,
    pub(super) tally: Arc<Tally>,
    pub(super) open: BTreeMap<CallId, Open>,
    pub(super) ending: VecDeque<Last>,
    pub(super) piece: Vec<u8>,
}

/// A recording and its link to the media thread.
pub(super) struct Open {
    recording: Recording,
    link: Arc<Link>,
    spent: Sender<Block>,
}

/// A recording whose last words are written.
pub(super) struct Last {
    call: CallId,
    link: Arc<Link>,
    ending: Ending,
    /// Not before this.
    from: Instant,
}

impl RecorderThread {
    /// Works until it is told to stop, and then until nothing is left to write.
    pub(super) fn run(mut self) {
        let mut looked = self.clock.now().mono;
        let mut stopping = false;
        while !stopping {
            let now = self.clock.now().mono;
            let ready = self.ending.front().is_some_and(|last| last.from <= now);
            let patience = if ready { Duration::ZERO } else { LOOK };
            let first = match self.orders.recv_timeout(patience) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(ToRecorder::Stop),
            };
            // The sound of this moment is taken before any file is brought up to it, however long a write
            // has kept us: what is settled first and comes later would be silence.
            let now = self.clock.now().mono;
            stopping = self.take_all(first);
            if now.since(looked) >= LOOK {
                looked = now;
                self.flush_due(now);
            }
            self.step_ending(now, true);
        }
        let now = self.clock.now().mono;
        while let Some(call) = self.open.first_key_value().map(|(call, _)| *call) {
            self.end(call, now);
        }
        while !self.ending.is_empty() {
            // What the disk does not take now the next start repairs.
            let end = now + limits::RECORDING_LAST_TRY;
            self.step_ending(end, false);
        }
    }

    /// Takes what has come; true when it was told to stop. How much there can be is bounded by the taps.
    fn take_all(&mut self, first: Option<ToRecorder>) -> bool {
        let mut next = first;
        while let Some(order) = next {
            if matches!(order, ToRecorder::Stop) {
                return true;
            }
            self.take(order);
            next = self.orders.try_recv().ok();
        }
        false
    }

    fn take(&mut self, order: ToRecorder) {
        match order {
            ToRecorder::Begin {
                plan,
                bridged,
                link,
                spent,
            } => self.begin(&plan, bridged, link, spent),
            ToRecorder::PassOn {
                call,
                at,
                operator,
                kind,
                silence,
            } => {
                if let Some(open) = self.open.get_mut(&call) {
                    let operator = operator.as_ref().map(OperatorName::as_str);
                    open.recording.pass_on(at, operator, kind, silence);
                }
            }
            ToRecorder::Silence { call, at, silence } => {
                if let Some(open) = self.open.get_mut(&call) {
                    open.recording.silence(at, silence);
                }
            }
            ToRecorder::Pause { call, at } => {
                if let Some(open) = self.open.get_mut(&call) {
                    open.recording.pause(at);
                }
            }
            ToRecorder::Sound { call, block } => self.sound(call, block),
            ToRecorder::End { call, at } => self.end(call, at),
            ToRecorder::Stop => {}
        }
    }

    fn begin(
        &mut self,
        plan: &RecordPlan,
        bridged: Instant,
        link: Arc<Link>,
        spent: Sender<Block>,
    ) {
        match Recording::begin(&self.shelf, plan, bridged) {
            Ok(recording) => {
                add(&self.tally.recordings_open, 1);
                let open = Open {
                    recording,
                    link,
                    spent,
                };
                self.open.insert(plan.call, open);
            }
            Err(error) => self.fail(plan.call, &link, &error),
        }
    }

    fn sound(&mut self, call: CallId, block: Block) {
        if let Some(open) = self.open.get_mut(&call) {
            open.recording.take(&block);
            open.link.taken(block.len());
            // The media thread may be gone already.
            let _ = open.spent.send(block);
        }
    }

    fn end(&mut self, call: CallId, at: Instant) {
        let Some(open) = self.open.remove(&call) else {
            return;
        };
        take_one(&self.tally.recordings_open);
        match open.recording.end(at) {
            Ok((ending, frames)) => {
                self.count(frames);
                self.ending.push_back(Last {
                    call,
                    link: open.link,
                    ending,
                    from: at,
                });
            }
            Err(error) => self.fail(call, &open.link, &error),
        }
    }

    fn count(&self, frames: u64) {
        let bytes = frames * self.shelf.vault.format.frame_bytes();
        add(&self.tally.recording_bytes, bytes);
    }

    fn flush_due(&mut self, now: Instant) {
        let mut over = Vec::new();
        let mut frames = 0;
        for (call, open) in &mut self.open {
            if !open.recording.is_due(now) {
                continue;
            }
            match open.recording.flush(now) {
                Flushed::Written(more) => frames += more,
                Flushed::Mended(more) => {
                    frames += more;
                    tracing::warn!(%call, "the recording goes on");
                    (self.events)(MediaEvent::RecordTroubled {
                        call: *call,
                        why: None,
                    });
                }
                Flushed::Lost(error) => {
                    add(&self.tally.recording_failures, 1);
                    tracing::error!(%call, "the recording loses sound: {error:#}");
                    (self.events)(MediaEvent::RecordTroubled {
                        call: *call,
                        why: Some(format!("{error:#}")),
                    });
                }
                Flushed::Over(error) => over.push((*call, error)),
            }
        }
        self.count(frames);
        for (call, error) in over {
            if let Some(open) = self.open.remove(&call) {
                take_one(&self.tally.recordings_open);
                self.fail(call, &open.link, &error);
            }
        }
    }

    fn step_ending(&mut self, now: Instant, patient: bool) {
        let Some(mut last) = self.ending.pop_front() else {
            return;
        };
        if last.from > now {
            return self.ending.push_front(last);
        }
        let call = last.call;
        match last.ending.step(&mut self.piece) {
            Ok(None) => self.ending.push_front(last),
            Ok(Some(recorded)) => (self.events)(MediaEvent::Recorded {
                call,
                recorded: Box::new(recorded),
            }),
            Err(error)
                if patient
                    && self.ending.len() < limits::RECORDING_ENDS
                    && last.ending.try_again(now) =>
            {
                tracing::warn!(%call, "the end of a recording is tried again: {error:#}");
                last.from = now + AGAIN;
                self.ending.push_back(last);
            }
            Err(error) => self.fail(call, &last.link, &error),
        }
    }

    /// The call goes on without its recording; what is on the disk is repaired at the next start.
    fn fail(&self, call: CallId, link: &Link, error: &anyhow::Error) {
        link.give_up();
        add(&self.tally.recording_failures, 1);
        tracing::error!(%call, "the recording failed: {error:#}");
        (self.events)(MediaEvent::RecordFailed {
            call,
            why: format!("{error:#}"),
        });
    }
}
