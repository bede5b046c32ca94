//! Sweeps over real files: what goes, what stays, and when nothing goes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::engine::event::Event;
use crate::engine::output::Record;
use crate::id::{EventId, Ulid};
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::server::store::{StoreOptions, Sync};

const BEGAN: Wall = Wall::from_millis(1_780_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

struct Archive {
    folder: tempfile::TempDir,
    store: Store,
    rng: Rng,
}

impl Archive {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            sync: Sync::Normal,
            sinks: Vec::new(),
            rng: Rng::new([1; 32]),
            clock: Clock::start(),
            callback_due: limits::CALLBACK_DUE,
            on_committed: Box::new(|_| {}),
        };
        let (store, _) = Store::open(folder.path(), "test", options).unwrap();
        fs::create_dir(folder.path().join("recordings")).unwrap();
        Self {
            folder,
            store,
            rng: Rng::new([4; 32]),
        }
    }

    fn recordings(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    fn event(&mut self, call: CallId, kind: &'static str, time: Wall, data: Value) {
        let Value::Object(data) = data else {
            panic!("data is an object");
        };
        let id = EventId(Ulid::new(time, &mut self.rng));
        let subject = Some(call);
        self.store.record(Record::Event(Box::new(Event {
            id,
            kind,
            subject,
            time,
            data,
        })));
    }

    /// A recording whose call ended at `BEGAN`, kept for an hour.
    fn record(&mut self, file: Option<&str>) -> (CallId, PathBuf) {
        let call = CallId(Ulid::new(BEGAN, &mut self.rng));
        let file = file.map_or_else(|| format!("2026/05/28/{call}.wav"), str::to_owned);
        let path = self.recordings().join(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [0; 1000]).unwrap();
        fs::write(path.with_extension("json"), "{}").unwrap();
        self.event(
            call,
            "recording.started",
            BEGAN,
            json!({"file": file, "keep_s": 3600}),
        );
        self.event(
            call,
            "recording.finished",
            BEGAN,
            json!({"file": file, "bytes": 1000}),
        );
        (call, path)
    }

    /// Waits until everything recorded is committed.
    fn settle(&mut self) {
        let before = *self.store.committed().borrow();
        self.store.emit("audit.action", None, Map::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut committed = self.store.committed();
        runtime.block_on(async {
            let done = committed.wait_for(|&seq| {
                seq > before && {
                    let last = self.store.reader().unwrap().after(seq - 1, 1).unwrap();
                    last[0].kind == "audit.action"
                }
            });
            tokio::time::timeout(HOUR, done).await.unwrap().unwrap();
        });
    }

    fn sweep(&mut self, now: Wall) -> Swept {
        self.settle();
        let swept = sweep(&self.store, &self.recordings(), 20, now, false, "retention").unwrap();
        self.settle();
        swept
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.store.reader().unwrap().after(0, 100_000).unwrap();
        let of_kind = events.iter().filter(|event| event.kind == kind);
        of_kind
            .map(|event| serde_json::from_str(&event.json).unwrap())
            .collect()
    }
}

#[test]
fn what_is_due_goes_with_its_manifest_and_parts_and_the_rest_stays() {
    let mut archive = Archive::new();
    let (call, path) = archive.record(None);
    let second = path.with_extension("2.wav");
    fs::write(&second, [0; 50]).unwrap();
    let live = CallId(Ulid::new(BEGAN, &mut archive.rng));
    archive.event(live, "recording.started", BEGAN, json!({"keep_s": 1}));
    let foreign = archive.recordings().join("2020/01/01/foreign.wav");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "not ours").unwrap();

    let early = BEGAN + HOUR.saturating_sub(Duration::from_millis(1));
    assert_eq!(archive.sweep(early), Swept::default());
    assert!(path.exists());

    let late = BEGAN + HOUR * 100;
    let swept = archive.sweep(late);
    let expected = Swept {
        deleted: 1,
        bytes: 1050,
        ..Swept::default()
    };
    assert_eq!(swept, expected);
    assert!(!path.exists() && !second.exists() && !path.with_extension("json").exists());
    assert!(
        !archive.recordings().join("2026").exists(),
        "empty folders go"
    );
    assert!(foreign.exists());
    let told = archive.events("recording.deleted");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["subject"], call.to_string());
    assert_eq!(told[0]["data"]["bytes"], 1050);
    assert_eq!(archive.sweep(late), Swept::default(), "once is enough");
}

#[test]
fn a_day_that_goes_on_keeps_its_folder() {
    let mut archive = Archive::new();
    let (_, path) = archive.record(None);
    assert_eq!(archive.sweep(BEGAN + HOUR * 2).deleted, 1);
    assert!(!path.exists() && path.parent().unwrap().exists());
}

#[test]
fn no_path_and_no_link_leads_out_of_the_folder() {
    let mut archive = Archive::new();
    let outside = archive.folder.path().join("outside");
    fs::create_dir_all(outside.join("28")).unwrap();
    fs::write(outside.join("28/a.wav"), "precious").unwrap();
    fs::write(outside.join("b.wav"), "precious").unwrap();
    fs::create_dir_all(archive.recordings().join("2026")).unwrap();
    symlink(&outside, archive.recordings().join("2026/05")).unwrap();
    archive.record(Some("2026/05/28/a.wav"));
    archive.record(Some("../outside/b.wav"));
    archive.record(Some("2026/04/01/c.wav"));
    let link = archive.recordings().join("2026/04/01/c.wav");
    fs::remove_file(&link).unwrap();
    symlink(outside.join("b.wav"), &link).unwrap();
    let swept = archive.sweep(BEGAN + HOUR * 100);
    assert_eq!((swept.deleted, swept.failed), (0, 3));
    assert!(outside.join("28/a.wav").exists() && outside.join("b.wav").exists());
    assert!(link.symlink_metadata().is_ok());
    assert_eq!(archive.events("recording.deleted").len(), 0);
}

#[test]
fn too_many_at_once_stop_the_sweep_and_raise_one_alarm() {
    let mut archive = Archive::new();
    let paths: Vec<_> = (0..101).map(|_| archive.record(None).1).collect();
    let late = BEGAN + HOUR * 100;
    let swept = archive.sweep(late);
    assert!(swept.stopped && swept.deleted == 0);
    assert!(paths.iter().all(|path| path.exists()));
    let alarms = archive.events("retention.stopped");
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0]["data"]["due"], 101);
    let told = sweep(
        &archive.store,
        &archive.recordings(),
        20,
        late,
        true,
        "retention",
    )
    .unwrap();
    assert!(told.stopped);
    archive.settle();
    assert_eq!(archive.events("retention.stopped").len(), 1);
    let all = sweep(
        &archive.store,
        &archive.recordings(),
        100,
        late,
        true,
        "retention",
    )
    .unwrap();
    assert_eq!(all.deleted, 101);
}

#[test]
fn a_file_that_is_gone_already_is_reported_once() {
    let mut archive = Archive::new();
    let (_, path) = archive.record(None);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert_eq!(archive.sweep(BEGAN + HOUR * 2).deleted, 1);
    assert_eq!(archive.events("recording.deleted").len(), 1);
}

#[test]
fn the_free_space_is_shown() {
    let telemetry = Telemetry::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    watch_disk(folder.path(), &telemetry);
    let text = telemetry.render();
    let line = text
        .lines()
        .find(|line| line.starts_with("strowger_disk_free_bytes "))
        .unwrap();
    assert!(line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 0.0);
}
