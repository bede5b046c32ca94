//! The recorder: one thread that does the disk's work for all recordings.
//!
//! It is allowed to be slow. Media threads never wait for it, and each recording's backlog is bounded
//! by the tap. Hashes of ended recordings are worked off in pieces between the others' sound.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};

use super::Events;
use super::counters::{Tally, add, take_one};
use super::recording::{Ending, Recording};
use super::tap::{Block, Link, ToRecorder};
use crate::id::{CallId, OperatorName};
use crate::media::command::{MediaEvent, RecordPlan};
use crate::server::clock::Clock;
use crate::time::{Duration, Instant};

/// How often files are looked at whether they are due.
const LOOK: Duration = Duration::from_millis(50);
/// Orders taken at once before files are looked at.
const BATCH: usize = 1_024;

/// The recorder's thread.
pub(super) struct RecorderThread {
    pub(super) root: PathBuf,
    pub(super) longest_file: u64,
    pub(super) clock: Clock,
    pub(super) orders: Receiver<ToRecorder>,
    pub(super) events: Events,
    pub(super) tally: Arc<Tally>,
    pub(super) open: BTreeMap<CallId, Open>,
    pub(super) ending: VecDeque<(CallId, Arc<Link>, Ending)>,
    pub(super) piece: Vec<u8>,
}

/// A recording and its link to the media thread.
pub(super) struct Open {
    recording: Recording,
    link: Arc<Link>,
    spent: Sender<Block>,
}

impl RecorderThread {
    /// Works until it is told to stop, and then until nothing is left to write.
    pub(super) fn run(mut self) {
        let mut looked = self.clock.now().mono;
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
            let now = self.clock.now().mono;
            if now.since(looked) >= LOOK {
                looked = now;
                self.flush_due(now);
            }
            self.step_ending();
        }
        let now = self.clock.now().mono;
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
        match Recording::begin(&self.root, plan, bridged, self.longest_file) {
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
            Ok((ending, written)) => {
                add(&self.tally.recording_bytes, written);
                self.ending.push_back((call, open.link, ending));
            }
            Err(error) => self.fail(call, &open.link, &error),
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
            if let Some(open) = self.open.remove(&call) {
                take_one(&self.tally.recordings_open);
                self.fail(call, &open.link, &error);
            }
        }
    }

    fn step_ending(&mut self) {
        let Some((call, link, mut ending)) = self.ending.pop_front() else {
            return;
        };
        match ending.step(&mut self.piece) {
            Ok(None) => self.ending.push_front((call, link, ending)),
            Ok(Some(recorded)) => (self.events)(MediaEvent::Recorded {
                call,
                recorded: Box::new(recorded),
            }),
            Err(error) => self.fail(call, &link, &error),
        }
    }

    /// The call goes on without its recording; what is on the disk is repaired at the next start.
    fn fail(&self, call: CallId, link: &Link, error: &anyhow::Error) {
        link.give_up();
        if link.say_once() {
            (self.events)(MediaEvent::RecordFailed {
                call,
                why: format!("{error:#}"),
            });
        } else {
            tracing::error!(%call, "the recording stopped: {error:#}");
        }
    }
}
