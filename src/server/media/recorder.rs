//! The recorder: one thread that does the disk's work for all recordings.
//!
//! It is allowed to be slow. Media threads never wait for it, and each recording's backlog is bounded
//! by the tap. Hashes of ended recordings are worked off in pieces between the others' sound.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

use super::counters::{Tally, add, take_one};
use super::recording::{Ending, Recording};
use super::tap::{Block, ToRecorder};
use super::{Events, monotonic};
use crate::id::CallId;
use crate::media::command::{MediaEvent, RecordPlan};
use crate::time::{Duration, Instant};

/// How often files are looked at whether they are due.
const LOOK: Duration = Duration::from_millis(50);
/// Orders taken at once before files are looked at.
const BATCH: usize = 1_024;

/// The recorder's thread.
pub(super) struct RecorderThread {
    pub(super) root: PathBuf,
    pub(super) longest_file: u64,
    pub(super) orders: Receiver<ToRecorder>,
    pub(super) events: Events,
    pub(super) tally: Arc<Tally>,
    pub(super) open: BTreeMap<CallId, Open>,
    pub(super) ending: VecDeque<(CallId, Ending)>,
    pub(super) piece: Vec<u8>,
}

/// A recording and its link to the media thread.
pub(super) struct Open {
    recording: Recording,
    backlog: Arc<AtomicUsize>,
    spent: Sender<Block>,
}

impl RecorderThread {
    /// Works until it is told to stop, and then until nothing is left to write.
    pub(super) fn run(mut self) {
        let mut looked = monotonic();
        let mut stopping = false;
        while !stopping {
            let patience = if self.ending.is_empty() {
                LOOK
            } else {
                Duration::ZERO
            };
            match self.orders.recv_timeout(patience) {
                Ok(order) => stopping = self.take_batch(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stopping = true,
            }
            let now = monotonic();
            if now.since(looked) >= LOOK {
                looked = now;
                self.flush_due(now);
            }
            self.step_ending();
        }
        let now = monotonic();
        while let Some(call) = self.open.first_key_value().map(|(call, _)| *call) {
            self.end(call, now);
        }
        while !self.ending.is_empty() {
            self.step_ending();
        }
    }

    /// Takes what has come; true when it was told to stop.
    fn take_batch(&mut self, first: ToRecorder) -> bool {
        let mut next = Some(first);
        for _ in 0..BATCH {
            match next {
                Some(ToRecorder::Stop) => return true,
                Some(order) => self.take(order),
                None => break,
            }
            next = self.orders.try_recv().ok();
        }
        match next {
            Some(ToRecorder::Stop) => true,
            Some(order) => {
                self.take(order);
                false
            }
            None => false,
        }
    }

    fn take(&mut self, order: ToRecorder) {
        match order {
            ToRecorder::Begin {
                plan,
                bridged,
                backlog,
                spent,
            } => self.begin(&plan, bridged, backlog, spent),
            ToRecorder::PassOn { call, at, operator } => {
                if let Some(open) = self.open.get_mut(&call) {
                    open.recording.pass_on(at, operator.as_str());
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
        backlog: Arc<AtomicUsize>,
        spent: Sender<Block>,
    ) {
        match Recording::begin(&self.root, plan, bridged, self.longest_file) {
            Ok(recording) => {
                add(&self.tally.recordings_open, 1);
                let open = Open {
                    recording,
                    backlog,
                    spent,
                };
                self.open.insert(plan.call, open);
            }
            Err(error) => self.fail(plan.call, &error),
        }
    }

    fn sound(&mut self, call: CallId, block: Block) {
        if let Some(open) = self.open.get_mut(&call) {
            open.recording.take(&block);
            open.backlog.fetch_sub(block.len(), Ordering::Relaxed);
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
            Ok((ending, written)) => {
                add(&self.tally.recording_bytes, written);
                self.ending.push_back((call, ending));
            }
            Err(error) => self.fail(call, &error),
        }
    }

    fn flush_due(&mut self, now: Instant) {
        let mut failed = Vec::new();
        for (call, open) in &mut self.open {
            if open.recording.is_due(now) {
                match open.recording.flush(now) {
                    Ok(written) => add(&self.tally.recording_bytes, written),
                    Err(error) => failed.push((*call, error)),
                }
            }
        }
        for (call, error) in failed {
            self.open.remove(&call);
            take_one(&self.tally.recordings_open);
            self.fail(call, &error);
        }
    }

    fn step_ending(&mut self) {
        let Some((call, ending)) = self.ending.front_mut() else {
            return;
        };
        let call = *call;
        match ending.step(&mut self.piece) {
            Ok(None) => {}
            Ok(Some(recorded)) => {
                self.ending.pop_front();
                (self.events)(MediaEvent::Recorded {
                    call,
                    recorded: Box::new(recorded),
                });
            }
            Err(error) => {
                self.ending.pop_front();
                self.fail(call, &error);
            }
        }
    }

    /// The call goes on without its recording; what is on the disk is repaired at the next start.
    fn fail(&self, call: CallId, error: &anyhow::Error) {
        (self.events)(MediaEvent::RecordFailed {
            call,
            why: format!("{error:#}"),
        });
    }
}
