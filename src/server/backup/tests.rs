//! Backups of folders with a store of their own, and what damage does to them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::restoring::restore;
use super::taking::take;
use crate::engine::event::Event;
use crate::engine::output::Record;
use crate::id::{AskId, CallId, EventId, Ulid};
use crate::limits;
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::server::store::{Kept, RESERVE, Store, StoreOptions, Sync};
use crate::time::Wall;

const NOW: Wall = Wall::from_millis(1_790_000_000_000);
const DAY: &str = "recordings/2026/09/21";

struct House {
    folder: tempfile::TempDir,
    store: Store,
    committed: std::sync::mpsc::Receiver<AskId>,
    rng: Rng,
}

fn options(on_committed: impl Fn(AskId) + Send + 'static) -> StoreOptions {
    StoreOptions {
        sync: Sync::Normal,
        sinks: Vec::new(),
        rng: Rng::new([1; 32]),
        clock: Clock::start(),
        callback_due: limits::CALLBACK_DUE,
        on_committed: Box::new(on_committed),
    }
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sender, committed) = std::sync::mpsc::channel();
        let options = options(move |id| sender.send(id).unwrap_or(()));
        let (store, _) = Store::open(&folder.path().join("data"), "odesa-1", options).unwrap();
        Self {
            folder,
            store,
            committed,
            rng: Rng::new([2; 32]),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tell(&mut self, call: CallId, kind: &'static str, data: serde_json::Value) {
        let serde_json::Value::Object(data) = data else {
            panic!("data is an object");
        };
        self.store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(NOW, &mut self.rng)),
            kind,
            subject: Some(call),
            time: NOW,
            data,
        })));
        self.store.ask_committed(AskId(1));
        self.committed.recv().unwrap();
    }

    /// A recorded call; an open one has no end and a mark.
    fn recording(&mut self, open: bool) -> CallId {
        let call = CallId(Ulid::new(NOW, &mut self.rng));
        self.tell(
            call,
            "call.started",
            json!({"direction": "inbound", "from": "1"}),
        );
        self.tell(call, "recording.started", json!({"keep_s": 60}));
        self.write(&format!("{DAY}/{call}.wav"), &format!("sound of {call}"));
        self.write(&format!("{DAY}/{call}.json"), "{}");
        if open {
            self.write(&format!("recordings/open/{call}"), "2026/09/21/x.json");
        } else {
            self.tell(
                call,
                "call.ended",
                json!({"direction": "inbound", "from": "1"}),
            );
        }
        call
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn backup(&self, to: &str) -> super::Sum {
        take(&self.path("data"), &self.path(to), NOW, |_, _| {}).unwrap()
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).unwrap();
                found.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn restored(from: &Path, to: &Path, lenient: bool) -> anyhow::Result<usize> {
    restore(from, to, lenient, |_, _| {}).map(|(_, damaged)| damaged.len())
}

#[test]
fn what_is_restored_is_what_was_there_and_nothing_else() {
    let mut house = House::new();
    let [done, deleted] = [(); 2].map(|()| house.recording(false));
    let open = house.recording(true);
    house.tell(deleted, "recording.deleted", json!({}));
    house.write(&format!("{DAY}/notes.txt"), "somebody's");
    house.write("prompts/uk/x.wav", "made again");
    let stranger = "01JAV3K8Z5W9Q4D6F7G8H9J0KM";
    house.write(&format!("{DAY}/{stranger}.wav"), "of no call");
    let mut expected: Vec<_> = [done, open]
        .iter()
        .flat_map(|call| ["json", "wav"].map(|it| format!("{DAY}/{call}.{it}")))
        .chain([format!("recordings/open/{open}"), "strowger.db".to_owned()])
        .collect();
    expected.sort();

    let sum = house.backup("copy");
    assert_eq!((sum.files, sum.missing), (6, 0));
    assert_eq!(
        restored(&house.path("copy"), &house.path("back"), false).unwrap(),
        0
    );
    assert_eq!(files(&house.path("back")), expected);
    let sound = fs::read_to_string(house.path("back").join(format!("{DAY}/{done}.wav")));
    assert_eq!(sound.unwrap(), format!("sound of {done}"));
    let events = Kept::open(&house.path("back")).unwrap().reader().unwrap();
    assert_eq!(events.after(0, 100).unwrap().len(), 9);
    // An open recording grows on: the backup has its own copy.
    house.write(&format!("{DAY}/{open}.wav"), "longer");
    let copied = house.path("copy").join(format!("{DAY}/{open}.wav"));
    assert_eq!(
        fs::read_to_string(copied).unwrap(),
        format!("sound of {open}")
    );
    // The store went on working.
    house.recording(false);
}

/// What a server with a full disk writes beside its database.
fn reserve_with(text: &str) -> Vec<u8> {
    let (generation, place) = (7_u64.to_le_bytes(), 16_u64.to_le_bytes());
    let sum = Sha256::new()
        .chain_update(generation)
        .chain_update(place)
        .chain_update(text)
        .finalize();
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    let parts: [&[u8]; 5] = [
        b"STROWGER",
        &generation,
        &length,
        &sum[..8],
        text.as_bytes(),
    ];
    parts.concat()
}

#[test]
fn what_waits_in_the_reserve_of_a_full_disk_comes_along() {
    let mut house = House::new();
    house.backup("before");
    let nothing = house.path("before").join(RESERVE);
    assert!(!nothing.exists(), "an empty reserve is not copied");
    let id = Ulid::new(NOW, &mut house.rng);
    let event = json!({
        "id": id.to_string(), "kind": "call.missed", "subject": null, "time": 1, "data": {"a": 1},
    });
    let file = house.path("data").join(RESERVE);
    fs::write(file, reserve_with(&event.to_string())).unwrap();
    assert_eq!(house.backup("copy").files, 2);
    let back = house.path("back");
    assert_eq!(restored(&house.path("copy"), &back, false).unwrap(), 0);
    let (store, _) = Store::open(&back, "odesa-1", options(|_| {})).unwrap();
    drop(store);
    let events = Kept::open(&back).unwrap().reader().unwrap();
    let events = events.after(0, 100).unwrap();
    assert!(events.iter().any(|it| it.json.contains(&id.to_string())));
}

#[test]
fn a_recording_without_its_file_is_counted() {
    let mut house = House::new();
    let call = house.recording(false);
    fs::remove_file(house.path("data").join(format!("{DAY}/{call}.wav"))).unwrap();
    fs::remove_file(house.path("data").join(format!("{DAY}/{call}.json"))).unwrap();
    assert_eq!(house.backup("copy").missing, 1);
}

#[test]
fn damage_is_found_before_there_is_a_database() {
    let mut house = House::new();
    let call = house.recording(false);
    house.backup("copy");
    let wav = house.path("copy").join(format!("{DAY}/{call}.wav"));
    // Not in place: the file in the data folder is the same one.
    fs::remove_file(&wav).unwrap();
    fs::write(&wav, format!("Sound of {call}")).unwrap();
    let refused = restored(&house.path("copy"), &house.path("back"), false);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains(&format!("{call}.wav is not what it was")),
        "{refused}"
    );
    assert!(!house.path("back/strowger.db").exists());
    // What is there already is never written over.
    let refused = restored(&house.path("copy"), &house.path("back"), true);
    assert!(refused.unwrap_err().to_string().contains("is not empty"));
    assert_eq!(
        restored(&house.path("copy"), &house.path("rest"), true).unwrap(),
        1
    );
    assert_eq!(
        files(&house.path("rest")),
        [format!("{DAY}/{call}.json"), "strowger.db".to_owned()]
    );
    fs::write(house.path("copy/strowger.db"), "x".repeat(5_000)).unwrap();
    let refused = restored(&house.path("copy"), &house.path("none"), true).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("strowger.db is not what it was")
    );
}

#[test]
fn what_was_not_finished_is_no_backup() {
    let mut house = House::new();
    house.recording(false);
    house.backup("copy");
    let list = house.path("copy/backup.jsonl");
    let text = fs::read_to_string(&list).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let short = lines[..lines.len() - 1].join("\n") + "\n";
    let fewer = [&lines[..1], &lines[2..]].concat().join("\n") + "\n";
    let outside = text.replacen("strowger.db", "../strowger.db", 1);
    let later = text.replacen("\"backup\":1", "\"backup\":2", 1);
    for bad in [
        short,
        fewer,
        outside,
        later,
        String::new(),
        "x".repeat(9_000),
    ] {
        fs::write(&list, bad).unwrap();
        assert!(restored(&house.path("copy"), &house.path("back"), true).is_err());
        assert!(!house.path("back").exists() && !house.path("strowger.db").exists());
    }
    fs::remove_file(&list).unwrap();
    let refused = restored(&house.path("copy"), &house.path("back"), true).unwrap_err();
    assert!(refused.to_string().contains("is no backup"), "{refused}");
    let nothing = take(
        &house.path("copy/recordings"),
        &house.path("y"),
        NOW,
        |_, _| {},
    );
    assert!(
        nothing
            .unwrap_err()
            .to_string()
            .contains("there are no data")
    );
    let full = take(&house.path("data"), &house.path("copy"), NOW, |_, _| {});
    assert!(full.unwrap_err().to_string().contains("is not empty"));
}
