//! How sound gets from a media thread to the recorder: in blocks, over a channel that never makes
//! the media thread wait. What the recorder has not taken is bounded by count; past the bound sound
//! is dropped, counted, and said once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::id::{CallId, OperatorName};
use crate::limits;
use crate::media::command::{RecordPlan, SegmentKind, Silence};
use crate::media::recorder::Side;
use crate::media::track::Stamp;
use crate::time::Instant;
use crate::words::Codec;

/// For the recorder.
#[derive(Debug)]
pub(super) enum ToRecorder {
    /// A recording begins.
    Begin {
        plan: Box<RecordPlan>,
        bridged: Instant,
        link: Arc<Link>,
        spent: Sender<Block>,
    },
    /// Another stretch begins, perhaps with another operator on the right channel.
    PassOn {
        call: CallId,
        at: Instant,
        operator: Option<OperatorName>,
        kind: SegmentKind,
        silence: Option<Silence>,
    },
    /// The recording holds silence from now on, or sound again.
    Silence {
        call: CallId,
        at: Instant,
        silence: Option<Silence>,
    },
    /// The parties stop hearing each other; silence follows.
    Pause { call: CallId, at: Instant },
    /// Sound.
    Sound { call: CallId, block: Block },
    /// A recording ends.
    End { call: CallId, at: Instant },
    /// Everything ends.
    Stop,
}

/// Packets of one recording, in the order they came.
#[derive(Default, Debug)]
pub(super) struct Block {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    side: Side,
    stamp: Stamp,
    codec: Codec,
    len: usize,
}

/// A block is handed over when it holds this many packets.
const BLOCK_PACKETS: usize = 32;
/// Or this many bytes: room for the packets of 100 ms, both ways, and for one of the longest.
const BLOCK_BYTES: usize = 4_096;
/// Spent blocks that are kept for use again.
const SPARE_BLOCKS: usize = 1_024;

impl Block {
    fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < BLOCK_PACKETS && self.bytes.len() + bytes <= BLOCK_BYTES
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    /// How many packets it holds.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its packets.
    pub(super) fn packets(&self) -> impl Iterator<Item = (Side, &Stamp, Codec, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.entries.iter().map(move |entry| {
            let (payload, after) = rest.split_at(entry.len.min(rest.len()));
            rest = after;
            (entry.side, &entry.stamp, entry.codec, payload)
        })
    }
}

/// Blocks to fill, used again and again.
#[derive(Debug)]
pub(super) struct Blocks {
    spare: Vec<Block>,
    back: Receiver<Block>,
    spent: Sender<Block>,
}

impl Blocks {
    pub(super) fn new() -> Self {
        let (spent, back) = channel();
        Self {
            spare: Vec::new(),
            back,
            spent,
        }
    }

    /// Where spent blocks come back.
    pub(super) fn spent(&self) -> Sender<Block> {
        self.spent.clone()
    }

    /// An empty block.
    fn take(&mut self) -> Block {
        while let Ok(block) = self.back.try_recv() {
            self.put_back(block);
        }
        self.spare.pop().unwrap_or_else(|| Block {
            entries: Vec::with_capacity(BLOCK_PACKETS),
            bytes: Vec::with_capacity(BLOCK_BYTES),
        })
    }

    fn put_back(&mut self, mut block: Block) {
        if self.spare.len() < SPARE_BLOCKS {
            block.clear();
            self.spare.push(block);
        }
    }
}

/// What both ends of a tap know.
#[derive(Default, Debug)]
pub(super) struct Link {
    /// Packets that the recorder has not taken.
    backlog: AtomicUsize,
    /// The engine has heard that something is wrong.
    said: AtomicBool,
    /// The recorder has given the recording up.
    over: AtomicBool,
}

impl Link {
    /// The recorder has taken a block.
    pub(super) fn taken(&self, packets: usize) {
        self.backlog.fetch_sub(packets, Ordering::Relaxed);
    }

    /// The recorder has given up; nothing need be handed over any more.
    pub(super) fn give_up(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// True for the first who asks: one failure is one event.
    pub(super) fn say_once(&self) -> bool {
        !self.said.swap(true, Ordering::Relaxed)
    }
}

/// The media thread's end of one recording.
#[derive(Debug)]
pub(super) struct Tap {
    call: CallId,
    block: Option<(Block, Instant)>,
    link: Arc<Link>,
    /// Nothing is taken, for this reason.
    silence: Option<Silence>,
}

/// What became of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handed {
    /// The recorder has it, or there was none.
    Over,
    /// It was dropped.
    Dropped {
        /// With this many packets.
        packets: u64,
        /// Nobody has told the engine yet.
        say: bool,
    },
}

impl Tap {
    pub(super) fn new(call: CallId) -> Self {
        Self {
            call,
            block: None,
            link: Arc::default(),
            silence: None,
        }
    }

    /// For the recorder.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// Why nothing is taken now.
    pub(super) const fn silence(&self) -> Option<Silence> {
        self.silence
    }

    /// From now on nothing is taken, or everything again.
    pub(super) const fn silence_for(&mut self, silence: Option<Silence>) {
        self.silence = silence;
    }

    /// Takes a packet's sound; hands the block before it over when that is full.
    pub(super) fn take(
        &mut self,
        side: Side,
        stamp: Stamp,
        codec: Codec,
        payload: &[u8],
        blocks: &mut Blocks,
        recorder: &Sender<ToRecorder>,
    ) -> Handed {
        if self.silence.is_some() {
            return Handed::Over;
        }
        let full = self
            .block
            .as_ref()
            .is_some_and(|(block, _)| !block.has_room(payload.len()));
        let handed = if full {
            self.hand_over(blocks, recorder)
        } else {
            Handed::Over
        };
        let (block, _) = self
            .block
            .get_or_insert_with(|| (blocks.take(), stamp.arrival));
        block.bytes.extend_from_slice(payload);
        block.entries.push(Entry {
            side,
            stamp,
            codec,
            len: payload.len(),
        });
        handed
    }

    /// Whether the block has waited long enough.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.block
            .as_ref()
            .is_some_and(|(_, since)| now.since(*since) >= limits::RECORDING_BLOCK)
    }

    /// Gives the block to the recorder, unless that is too far behind.
    pub(super) fn hand_over(
        &mut self,
        blocks: &mut Blocks,
        recorder: &Sender<ToRecorder>,
    ) -> Handed {
        let Some((block, _)) = self.block.take() else {
            return Handed::Over;
        };
        let packets = block.len();
        let link = &self.link;
        if link.over.load(Ordering::Relaxed) {
            blocks.put_back(block);
            return Handed::Over;
        }
        if link.backlog.load(Ordering::Relaxed) + packets > limits::RECORDING_BACKLOG {
            blocks.put_back(block);
            return Handed::Dropped {
                packets: u64::try_from(packets).unwrap_or(u64::MAX),
                say: link.say_once(),
            };
        }
        link.backlog.fetch_add(packets, Ordering::Relaxed);
        // A recorder that is gone has said so; the call goes on without it.
        let _ = recorder.send(ToRecorder::Sound {
            call: self.call,
            block,
        });
        Handed::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ulid;
    use crate::rng::Rng;
    use crate::time::Wall;

    #[test]
    fn a_recorder_that_does_not_keep_up_costs_sound_and_never_memory() {
        let call = CallId(Ulid::new(Wall::default(), &mut Rng::new([1; 32])));
        let (recorder, orders) = channel();
        let mut blocks = Blocks::new();
        let mut tap = Tap::new(call);
        let stamp = Stamp {
            arrival: Instant::START,
            ssrc: 1,
            sequence: 1,
            timestamp: 1,
            marker: false,
        };
        let (mut lost, mut firsts) = (0, 0);
        for _ in 0..5_000 {
            let handed = tap.take(
                Side::Caller,
                stamp,
                Codec::Pcma,
                &[7; 160],
                &mut blocks,
                &recorder,
            );
            if let Handed::Dropped { packets, say } = handed {
                lost += packets;
                firsts += u32::from(say);
            }
        }
        let queued: usize = orders
            .try_iter()
            .map(|order| match order {
                ToRecorder::Sound { block, .. } => {
                    assert!(block.packets().all(|(.., payload)| payload == [7; 160]));
                    block.len()
                }
                other => panic!("{other:?}"),
            })
            .sum();
        assert!(queued <= limits::RECORDING_BACKLOG && queued > limits::RECORDING_BACKLOG - 32);
        assert_eq!(firsts, 1);
        let waiting = tap.block.as_ref().map_or(0, |(block, _)| block.len());
        assert_eq!(u64::try_from(queued + waiting).unwrap() + lost, 5_000);
    }
}
