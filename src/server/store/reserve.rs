//! Room on the disk that is taken before it is needed: while the database cannot grow, the ledger's
//! events are kept here, and a start after a crash finds them.
//!
//! ```text
//! 16 bytes   the words STROWGER, and the generation
//! frame      length (4), the first 8 bytes of a hash over generation, place and text, the text
//! frame …    until one whose hash is wrong: the end, or what an earlier generation left
//! ```
//!
//! It holds nothing but events, each of which the database takes once whatever comes twice. It is no
//! second journal: as soon as the database has everything, what was here is wiped.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::engine::event::Event;
use crate::time::Wall;

/// The file's name in a data folder.
pub const NAME: &str = "ledger.reserve";
const MAGIC: [u8; 8] = *b"STROWGER";
const HEAD: u64 = 16;
const FRAME: usize = 12;
/// Kinds that one file may name; a file with more was written by nobody.
const KINDS: usize = 1_000;
/// What is wiped at once.
const PIECE: usize = 64 << 10;

/// The file.
#[derive(Debug)]
pub(super) struct Reserve {
    file: File,
    size: u64,
    generation: u64,
    /// Where the next frame goes.
    at: u64,
}

/// An event as it lies in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    kind: String,
    subject: Option<String>,
    time: i64,
    data: Map<String, Value>,
}

impl Reserve {
    /// Opens the file, takes `size` bytes of the disk for it, and gives the events that the last run
    /// left there.
    ///
    /// # Errors
    /// The file cannot be had.
    pub(super) fn open(folder: &Path, size: u64) -> Result<(Self, Vec<Event>)> {
        let path = folder.join(NAME);
        let about = || format!("cannot take {size} bytes for {}", path.display());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(about)?;
        let mut reserve = Self {
            file,
            size,
            generation: 1,
            at: HEAD,
        };
        let mut events = Vec::new();
        match reserve.generation() {
            Some(generation) => {
                reserve.generation = generation;
                events = reserve.read();
            }
            None => reserve.mark().with_context(about)?,
        }
        let flags = rustix::fs::FallocateFlags::empty();
        if let Err(error) = rustix::fs::fallocate(&reserve.file, flags, 0, size) {
            // What the last run left counts all the same, and so does the room that is there.
            tracing::error!(%error, "{}; the ledger has that much less for a full disk", about());
            reserve.size = reserve.file.metadata()?.len().min(size);
        }
        Ok((reserve, events))
    }

    /// Copies what lies in a folder's file to the new file `to`, beside a server that may be writing;
    /// false when nothing does.
    ///
    /// # Errors
    /// It cannot be read, or the copy not written.
    pub(super) fn copy(folder: &Path, to: &Path) -> io::Result<bool> {
        let file = match File::open(folder.join(NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let size = file.metadata()?.len();
        let mut from = Self {
            file,
            size,
            generation: 0,
            at: HEAD,
        };
        let Some(generation) = from.generation() else {
            return Ok(false);
        };
        from.generation = generation;
        let mut copy = None;
        while let Some((text, end)) = from.frame() {
            let copy = match &mut copy {
                Some(copy) => copy,
                None => {
                    let mut begun = BufWriter::new(File::create_new(to)?);
                    begun.write_all(&MAGIC)?;
                    begun.write_all(&generation.to_le_bytes())?;
                    copy.insert(begun)
                }
            };
            copy.write_all(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes())?;
            copy.write_all(&from.sum(from.at, &text))?;
            copy.write_all(&text)?;
            from.at = end;
        }
        let Some(copy) = copy else { return Ok(false) };
        copy.into_inner()?.sync_all()?;
        Ok(true)
    }

    /// Whether something is in it.
    pub(super) const fn is_used(&self) -> bool {
        self.at > HEAD
    }

    /// Adds events; they are on the disk when this returns. Nothing of them counts when it fails.
    pub(super) fn put(&mut self, events: &[&Event]) -> io::Result<()> {
        let mut frames = Vec::new();
        for event in events {
            let text = serde_json::to_vec(&Kept {
                id: event.id.to_string(),
                kind: event.kind.to_owned(),
                subject: event.subject.map(|call| call.to_string()),
                time: event.time.as_millis(),
                data: event.data.clone(),
            })?;
            let length = u32::try_from(text.len()).map_err(io::Error::other)?;
            let place = self.at + frames.len() as u64;
            frames.extend(length.to_le_bytes());
            frames.extend(self.sum(place, &text));
            frames.extend(text);
        }
        let end = self.at + frames.len() as u64;
        if end > self.size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all_at(&frames, self.at)?;
        self.file.sync_data()?;
        self.at = end;
        Ok(())
    }

    /// The database has everything: wipes what is there, since it is about people.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.generation += 1;
        self.mark()?;
        let nothing = [0; PIECE];
        let mut at = HEAD;
        while at < self.at {
            let length = usize::try_from(self.at - at).unwrap_or(PIECE).min(PIECE);
            let piece = nothing.get(..length).unwrap_or(&nothing);
            self.file.write_all_at(piece, at)?;
            at += length as u64;
        }
        self.file.sync_data()?;
        self.at = HEAD;
        Ok(())
    }

    fn generation(&self) -> Option<u64> {
        let (mut magic, mut number) = ([0; 8], [0; 8]);
        self.file.read_exact_at(&mut magic, 0).ok()?;
        self.file.read_exact_at(&mut number, 8).ok()?;
        (magic == MAGIC).then(|| u64::from_le_bytes(number))
    }

    fn mark(&self) -> io::Result<()> {
        self.file.write_all_at(&MAGIC, 0)?;
        self.file.write_all_at(&self.generation.to_le_bytes(), 8)?;
        self.file.sync_data()
    }

    fn sum(&self, place: u64, text: &[u8]) -> [u8; 8] {
        let mut hasher = Sha256::new();
        hasher.update(self.generation.to_le_bytes());
        hasher.update(place.to_le_bytes());
        hasher.update(text);
        let mut sum = [0; 8];
        for (to, from) in sum.iter_mut().zip(hasher.finalize()) {
            *to = from;
        }
        sum
    }

    /// Reads as far as the frames are whole, and goes on from there.
    fn read(&mut self) -> Vec<Event> {
        let mut kinds = Kinds::default();
        let mut events = Vec::new();
        while let Some((text, end)) = self.frame() {
            self.at = end;
            let kept = serde_json::from_slice(&text).ok();
            let Some(event) = kept.and_then(|kept| event(kept, &mut kinds)) else {
                tracing::error!("an event of {NAME} cannot be read; it is left out");
                continue;
            };
            events.push(event);
        }
        events
    }

    fn frame(&self) -> Option<(Vec<u8>, u64)> {
        let mut head = [0; FRAME];
        self.file.read_exact_at(&mut head, self.at).ok()?;
        let (length, sum) = head.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let begin = self.at + FRAME as u64;
        let end = begin + u64::from(length);
        if length == 0 || end > self.size {
            return None;
        }
        let mut text = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut text, begin).ok()?;
        (self.sum(self.at, &text) == *sum).then_some((text, end))
    }
}

/// The words for kinds that were read: events name theirs by words of the program.
#[derive(Default)]
struct Kinds(Vec<&'static str>);

impl Kinds {
    fn word(&mut self, kind: String) -> Option<&'static str> {
        if let Some(known) = self.0.iter().find(|known| **known == kind) {
            return Some(known);
        }
        if self.0.len() >= KINDS {
            return None;
        }
        // A few dozen short words at the start after a crash, and never again.
        let word: &'static str = Box::leak(kind.into_boxed_str());
        self.0.push(word);
        Some(word)
    }
}

fn event(kept: Kept, kinds: &mut Kinds) -> Option<Event> {
    Some(Event {
        id: kept.id.parse().ok()?,
        kind: kinds.word(kept.kind)?,
        subject: match kept.subject {
            Some(call) => Some(call.parse().ok()?),
            None => None,
        },
        time: Wall::from_millis(kept.time),
        data: kept.data,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::id::{CallId, EventId, Ulid};
    use crate::rng::Rng;

    const SIZE: u64 = 4_096;

    fn events(count: u8) -> Vec<Event> {
        let mut rng = Rng::new([count; 32]);
        let now = Wall::from_millis(1_790_000_000_000);
        let mut event = |number| Event {
            id: EventId(Ulid::new(now, &mut rng)),
            kind: if number % 2 == 0 {
                "call.ended"
            } else {
                "callback.opened"
            },
            subject: (number > 0).then(|| CallId(Ulid::new(now, &mut rng))),
            time: now,
            data: json!({"from": "Олена", "n": number})
                .as_object()
                .cloned()
                .unwrap(),
        };
        (0..count).map(&mut event).collect()
    }

    fn put(reserve: &mut Reserve, events: &[Event]) -> io::Result<()> {
        reserve.put(&events.iter().collect::<Vec<_>>())
    }

    fn left(folder: &Path) -> Vec<Event> {
        Reserve::open(folder, SIZE).unwrap().1
    }

    #[test]
    fn what_was_put_is_found_by_the_next_run_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let (mut reserve, before) = Reserve::open(folder.path(), SIZE).unwrap();
        assert_eq!(before, []);
        let size = fs::metadata(folder.path().join(NAME)).unwrap().len();
        assert_eq!(size, SIZE, "the room is taken at once");
        let all = events(6);
        put(&mut reserve, &all[..4]).unwrap();
        put(&mut reserve, &all[4..]).unwrap();
        assert_eq!(left(folder.path()), all);
        // Another run goes on behind them.
        let (mut again, _) = Reserve::open(folder.path(), SIZE).unwrap();
        put(&mut again, &events(1)).unwrap();
        assert_eq!(left(folder.path()).len(), 7);
        again.clear().unwrap();
        assert!(!again.is_used());
        assert_eq!(left(folder.path()), []);
        let bytes = fs::read(folder.path().join(NAME)).unwrap();
        assert!(
            bytes[16..].iter().all(|byte| *byte == 0),
            "nobody's name stays"
        );
        put(&mut again, &all[..1]).unwrap();
        assert_eq!(left(folder.path()), all[..1]);
    }

    #[test]
    fn a_copy_has_what_is_in_it_and_nothing_makes_none() {
        let (folder, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let copy = || Reserve::copy(folder.path(), &to.path().join(NAME)).unwrap();
        assert!(!copy(), "there is no file");
        let (mut reserve, _) = Reserve::open(folder.path(), SIZE).unwrap();
        assert!(!copy(), "it is empty");
        assert!(!to.path().join(NAME).exists());
        let all = events(3);
        put(&mut reserve, &all).unwrap();
        assert!(copy());
        let copied = fs::metadata(to.path().join(NAME)).unwrap().len();
        assert_eq!(copied, reserve.at, "what is empty is not copied");
        assert_eq!(left(to.path()), all);
    }

    #[test]
    fn a_full_reserve_refuses_all_of_what_is_put_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let (mut reserve, _) = Reserve::open(folder.path(), SIZE).unwrap();
        let all = events(100);
        put(&mut reserve, &all[..2]).unwrap();
        let refused = put(&mut reserve, &all[2..]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(left(folder.path()), all[..2]);
    }

    #[test]
    fn a_frame_that_was_cut_or_changed_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let (mut reserve, _) = Reserve::open(folder.path(), SIZE).unwrap();
        let all = events(3);
        put(&mut reserve, &all).unwrap();
        let whole = fs::read(folder.path().join(NAME)).unwrap();
        let end = usize::try_from(reserve.at).unwrap();
        for place in 0..end {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x40;
            fs::write(folder.path().join(NAME), &bytes).unwrap();
            let left = left(folder.path());
            assert!(left.len() < 3 && left == all[..left.len()], "byte {place}");
        }
        for length in [0, 7, 16, 20, end - 1] {
            fs::write(folder.path().join(NAME), &whole[..length]).unwrap();
            assert!(left(folder.path()).len() < 3);
        }
    }
}
