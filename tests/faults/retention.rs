//! F10: a sweep over a large archive deletes exactly what is due by the store's rows, whatever lies in
//! the folder, whatever the files' times say and wherever the clock stands.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use strowger::engine::event::Event;
use strowger::engine::output::Record;
use strowger::id::{CallId, EventId, Ulid};
use strowger::limits;
use strowger::rng::Rng;
use strowger::server::archive::retention::{Swept, sweep};
use strowger::server::clock::Clock;
use strowger::server::store::{Store, StoreOptions, Sync};
use strowger::time::{Duration, Wall};

use crate::report;

const BEGAN: Wall = Wall::from_millis(1_780_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);
/// The share that may go at once.
const STOP_ABOVE: u8 = 20;

struct Archive {
    folder: tempfile::TempDir,
    store: Store,
    rng: Rng,
    waiting: usize,
}

impl Archive {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            sync: Sync::Normal,
            sinks: Vec::new(),
            rng: Rng::new([1; 32]),
            clock: Clock::start(),
            callback_due: limits::CALLBACK_DUE,
            on_committed: Box::new(|_| {}),
        };
        let (store, _) = Store::open(folder.path(), "f10", options).unwrap();
        fs::create_dir(folder.path().join("recordings")).unwrap();
        Self {
            folder,
            store,
            rng: Rng::new([2; 32]),
            waiting: 0,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    fn tell(&mut self, call: CallId, kind: &'static str, time: Wall, data: Value) {
        let data = data.as_object().cloned().unwrap_or_else(Map::new);
        self.store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(time, &mut self.rng)),
            kind,
            subject: Some(call),
            time,
            data,
        })));
        self.waiting += 1;
        if self.waiting >= limits::STORE_QUEUE / 4 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.waiting = 0;
        self.store.write(|_| Ok(())).unwrap();
    }

    /// A recording that began on a day after the first, kept for ten days; `file` in place of the usual.
    fn recording(&mut self, day: u32, file: Option<&str>, ended: bool) -> (CallId, PathBuf) {
        let began = BEGAN + DAY * day;
        let call = CallId(Ulid::new(began, &mut self.rng));
        let usual = strowger::media::manifest::file_of(call, began, 1);
        let file = file.unwrap_or(&usual).to_owned();
        let keep = json!({ "file": file, "keep_s": 10 * 86_400 });
        self.tell(call, "recording.started", began, keep);
        if ended {
            let whole = json!({ "file": file, "bytes": 8, "sha256": "", "manifest_sha256": "" });
            self.tell(call, "recording.finished", began, whole);
        }
        (call, self.root().join(file))
    }

    fn sweep(&mut self, now: Wall) -> Swept {
        self.settle();
        let swept = sweep(&self.store, &self.root(), STOP_ABOVE, now, false, "f10").unwrap();
        self.settle();
        swept
    }
}

fn put(path: &Path, modified: SystemTime) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for path in [path.to_owned(), path.with_extension("json")] {
        let file = File::create(&path).unwrap();
        std::io::Write::write_all(&mut &file, b"the call").unwrap();
        file.set_modified(modified).unwrap();
    }
}

/// Every file and link under a folder.
fn files(folder: &Path, into: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), into);
        } else {
            into.insert(entry.path());
        }
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one archive, and all that lies in it"
)]
fn f10_a_sweep_deletes_exactly_what_is_due() {
    let all = report::size(10_000_u32, 100_000);
    let mut archive = Archive::open();
    let outside = archive.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("b.wav"), "precious").unwrap();
    let times = [
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000),
    ];
    let (mut goes, mut failing) = (BTreeSet::new(), 0);
    let mut held = Vec::new();
    for index in 0..all {
        let modified = times[index as usize % times.len()];
        // Of a hundred: fifteen are due, one is due and held, one was never ended, one is a link, one
        // leads out; the others are young.
        match index % 100 {
            0..15 => {
                let (_, path) = archive.recording(index % 5, None, true);
                put(&path, modified);
                goes.extend([path.with_extension("json"), path]);
            }
            15 => {
                let (call, path) = archive.recording(0, None, true);
                put(&path, modified);
                held.push(call.to_string());
            }
            16 => {
                let (_, path) = archive.recording(0, None, false);
                put(&path, modified);
            }
            17 if index < 1_000 => {
                let (_, path) = archive.recording(0, None, true);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(outside.join("b.wav"), &path).unwrap();
                failing += 1;
            }
            18 if index < 1_000 => {
                archive.recording(0, Some("../outside/b.wav"), true);
                failing += 1;
            }
            19 => put(
                &archive.root().join(format!("2020/01/01/{index}.wav")),
                modified,
            ),
            _ => {
                let (_, path) = archive.recording(300 + index % 50, None, true);
                put(&path, modified);
            }
        }
    }
    archive.settle();
    let list = held.clone();
    archive
        .store
        .write(move |writing| {
            for call in &list {
                let at = writing.now();
                strowger::server::store::hold(writing.rows(), at, call, Some("court"), "f10", "")?;
            }
            Ok(())
        })
        .unwrap();
    let mut before = BTreeSet::new();
    files(archive.folder.path(), &mut before);

    let now = BEGAN + DAY * 100;
    // The clock a year back, and two years ahead: nothing goes.
    let past = Wall::from_millis(now.as_millis() - 365 * 86_400_000);
    assert_eq!(archive.sweep(past), Swept::default());
    let ahead = archive.sweep(now + DAY * 730);
    assert!(ahead.stopped && ahead.deleted == 0, "{ahead:?}");
    let mut after = BTreeSet::new();
    files(archive.folder.path(), &mut after);
    assert_eq!(before, after, "a clock that jumped cost something");

    let (mut deleted, mut rounds) = (0, 0);
    while deleted < (goes.len() / 2) as u64 && rounds < 100 {
        let swept = archive.sweep(now);
        assert!(!swept.stopped);
        deleted += swept.deleted;
        rounds += 1;
    }
    let last = archive.sweep(now);
    assert_eq!((last.deleted, last.failed), (0, failing));
    let mut left = BTreeSet::new();
    files(archive.folder.path(), &mut left);
    let gone: BTreeSet<_> = before.difference(&left).cloned().collect();
    assert_eq!(gone, goes);
    assert_eq!(fs::read(outside.join("b.wav")).unwrap(), b"precious");
    let rows = archive.store.recordings().unwrap();
    assert_eq!(rows.due_and_held(now).unwrap(), held.len() as u64);
    report::pass(
        "F10",
        &format!(
            "{deleted} of {all} deleted, exactly the due ones; {} held, {failing} links and ways out, \
             clocks of other years: nothing",
            held.len()
        ),
    );
}
