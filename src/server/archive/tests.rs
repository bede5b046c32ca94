//! The archive over real files and a real store: what is chained, held, swept, and found broken.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::verify::{Verified, verify};
use super::*;
use crate::engine::event::Event;
use crate::engine::output::Record;
use crate::id::{CallId, CallbackId, EventId, LeadId, OperatorName, Ulid};
use crate::ledger::answers::Answered;
use crate::media::command::{RecordPlan, SegmentKind};
use crate::media::manifest::{Manifest, Part};
use crate::rng::Rng;
use crate::server::store::{Kept, LeadFilter, StoreOptions, Sync};
use crate::server::{promises, trace};
use crate::time::Duration;
use crate::words::Role;

const BEGAN: Wall = Wall::from_millis(1_780_000_000_000);

pub(super) struct Shelf {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) archive: Archive,
    rng: Rng,
}

pub(super) fn admin() -> Actor {
    Actor {
        name: "head".to_owned(),
        role: Role::Admin,
        operator: None,
    }
}

impl Shelf {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let options = StoreOptions {
            sync: Sync::Normal,
            sinks: Vec::new(),
            rng: Rng::new([1; 32]),
            clock,
            callback_due: crate::limits::CALLBACK_DUE,
            on_committed: Box::new(|_| {}),
        };
        let (store, _) = Store::open(folder.path(), "test", options).unwrap();
        let recordings: Arc<Path> = Arc::from(folder.path().join("recordings"));
        fs::create_dir(&recordings).unwrap();
        Self {
            archive: Archive::new(store.clone(), recordings, 20, clock),
            folder,
            store,
            rng: Rng::new([4; 32]),
        }
    }

    pub(super) fn event(&mut self, call: CallId, kind: &'static str, data: Value) {
        let Value::Object(data) = data else {
            panic!("data is an object");
        };
        self.store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(BEGAN, &mut self.rng)),
            kind,
            subject: Some(call),
            time: BEGAN,
            data,
        })));
    }

    /// A finished recording of two files, due long ago, of a call from `from`.
    pub(super) fn record(&mut self, from: &str) -> (String, PathBuf) {
        self.record_as(from, "")
    }

    /// The same, in files whose names end so.
    fn record_as(&mut self, from: &str, ending: &str) -> (String, PathBuf) {
        let call = CallId(Ulid::new(BEGAN, &mut self.rng));
        let mut manifest = Manifest::begin(&RecordPlan {
            call,
            started_at: BEGAN,
            to: "+380800111222".into(),
            from: Some(from.to_owned()),
            site: None,
            queue: None,
            operator: Some(OperatorName::from("olena")),
            kind: SegmentKind::Talk,
            keep: Some(Duration::from_secs(3600)),
        });
        let root = self.folder.path().join("recordings");
        manifest.file += ending;
        let first = root.join(&manifest.file);
        fs::create_dir_all(first.parent().unwrap()).unwrap();
        let mut parts = Vec::new();
        for (number, length) in [(1, 1000), (2, 500)] {
            let file = crate::media::manifest::file_of(call, BEGAN, number) + ending;
            let mut sound = vec![0; length];
            self.rng.fill(&mut sound);
            fs::write(root.join(&file), &sound).unwrap();
            let hash = Sha256::digest(&sound);
            let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let bytes = sound.len() as u64;
            parts.push(Part {
                file,
                bytes,
                sha256,
                started_ms: 0,
            });
        }
        manifest.complete(Duration::from_secs(1), parts);
        let beside = root.join(crate::media::manifest::manifest_of(call, BEGAN));
        fs::write(beside, manifest.document()).unwrap();
        let recorded = manifest.recorded();
        let id = call.to_string();
        self.event(
            call,
            "recording.started",
            json!({ "file": recorded.file, "keep_s": 3600 }),
        );
        self.event(
            call,
            "recording.finished",
            json!({
                "recording": id, "file": recorded.file, "bytes": recorded.bytes,
                "sha256": recorded.sha256, "manifest_sha256": recorded.manifest_sha256,
            }),
        );
        let ended = json!({
            "id": id, "direction": "inbound", "from": from, "to": "+380800111222",
            "started_at": BEGAN.to_string(), "outcome": "answered", "operator": "olena",
        });
        self.event(call, "call.ended", ended);
        self.settle();
        (id, first)
    }

    /// Waits until everything recorded is committed.
    pub(super) fn settle(&self) {
        self.store.write(|_| Ok(())).unwrap();
    }

    fn verify(&self) -> Verified {
        self.settle();
        let kept = Kept::open(self.folder.path()).unwrap();
        verify(&kept, &self.folder.path().join("recordings"), |_, _| {}).unwrap()
    }

    fn broken(&self) -> Vec<String> {
        let found = self.verify();
        assert_eq!(found.broken as usize, found.faults.len());
        found.faults.into_iter().map(|it| it.what).collect()
    }

    fn sql(&self, text: &str) {
        let db = rusqlite::Connection::open(Store::database_in(self.folder.path())).unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        db.execute_batch(text).unwrap();
    }
}

fn refused(done: Result<Value, Undone>) -> (u16, String) {
    match done.unwrap_err() {
        Undone::Refused(refused) => (refused.status, refused.why),
        Undone::Failed(error) => panic!("{error:#}"),
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_flipped_byte_anywhere_is_found_and_so_is_what_is_missing_or_foreign() {
    let mut shelf = Shelf::new();
    let (_, first) = shelf.record("+380671112233");
    shelf.record("+380671112234");
    let whole = shelf.verify();
    assert_eq!((whole.whole, whole.broken, whole.links), (2, 0, 2));
    assert_eq!(whole.bytes, 3000);
    let (second, manifest) = (first.with_extension("2.wav"), first.with_extension("json"));
    for (path, what) in [
        (&first, "is not what was recorded"),
        (&second, "is not what was recorded"),
        (&manifest, "manifest"),
    ] {
        flip(path);
        let broken = shelf.broken();
        assert!(broken.len() == 1 && broken[0].contains(what), "{broken:?}");
        flip(path);
        let kept = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let broken = shelf.broken();
        assert!(
            broken.len() == 1 && broken[0].contains("missing"),
            "{broken:?}"
        );
        fs::write(path, kept).unwrap();
    }
    let foreign = [
        first.with_file_name("notes.txt"),
        first.with_extension("3.wav"),
        shelf.folder.path().join("recordings/a.wav"),
    ];
    for path in &foreign {
        fs::write(path, "x").unwrap();
    }
    assert_eq!(shelf.broken(), ["no recording owns this file"; 3]);
    for path in &foreign {
        fs::remove_file(path).unwrap();
    }
    std::os::unix::fs::symlink(&first, &foreign[0]).unwrap();
    assert_eq!(shelf.broken(), ["no recording owns this file"]);
    fs::remove_file(&foreign[0]).unwrap();
    assert_eq!(shelf.broken(), Vec::<String>::new());
}

#[test]
fn a_changed_link_a_changed_row_and_a_chain_cut_short_are_found() {
    let mut shelf = Shelf::new();
    let (id, _) = shelf.record("+380671112233");
    shelf.record("+380671112234");
    shelf.sql("CREATE TABLE kept AS SELECT * FROM archive_links");
    let back = "DELETE FROM archive_links; INSERT INTO archive_links SELECT * FROM kept";
    shelf.sql("UPDATE archive_links SET says = replace(says, '1500', '1501') WHERE link = 1");
    assert_eq!(shelf.broken(), ["it is not what was written"]);
    shelf.sql(back);
    shelf.sql("DELETE FROM archive_links WHERE link = 1");
    assert!(shelf.broken()[0].contains("link 1 is missing"));
    shelf.sql(back);
    shelf.sql(&format!(
        "UPDATE recordings SET bytes = 7 WHERE call = '{id}'"
    ));
    assert_eq!(
        shelf.broken(),
        ["its row says another thing than its manifest"]
    );
    shelf.sql(&format!(
        "UPDATE recordings SET bytes = 1500 WHERE call = '{id}'"
    ));
    shelf.sql(&format!("DELETE FROM recordings WHERE call = '{id}'"));
    assert!(
        shelf
            .broken()
            .iter()
            .any(|it| it.contains("its row is missing"))
    );

    // The links are of a day that is long over, so it gets its root, once.
    shelf.archive.close_day().unwrap();
    shelf.archive.close_day().unwrap();
    let events = shelf.store.reader().unwrap().after(0, 1000).unwrap();
    let roots = events.iter().filter(|it| it.kind == "recording.root");
    assert_eq!(roots.count(), 1);
    shelf.sql("DELETE FROM archive_links WHERE link = 2");
    let broken = shelf.broken();
    let cut = "the chain ends before the root of this day";
    assert!(broken.iter().any(|it| it == cut), "{broken:?}");
}

#[test]
fn what_is_held_stays_and_what_goes_leaves_a_certificate() {
    let mut shelf = Shelf::new();
    let (held, path) = shelf.record("+380671112233");
    let (gone, other) = shelf.record("+380671112234");
    let archive = shelf.archive.clone();
    assert_eq!(refused(archive.hold(&held, " ", &admin())).0, 422);
    assert_eq!(refused(archive.release(&held, &admin())).0, 409);
    let unknown = "01JAV3K8Z5W9Q4D6F7G8H9J0KM";
    assert_eq!(refused(archive.hold(unknown, "why", &admin())).0, 404);
    archive.hold(&held, "court order 12", &admin()).unwrap();
    assert_eq!(shelf.broken(), Vec::<String>::new(), "held, and whole");
    let manifest = fs::read_to_string(path.with_extension("json")).unwrap();
    assert!(manifest.contains("court order 12"));

    let rows = shelf.store.recordings().unwrap();
    let plan = retention::plan(&rows, 100, archive.now()).unwrap();
    assert_eq!((plan.stock, plan.due, plan.held), (2, 1, 1));
    assert_eq!(plan.goes[0].call, gone);
    assert!(other.exists(), "a plan changes nothing");
    assert_eq!(archive.sweep("retention", false).unwrap().deleted, 1);
    assert!(path.exists() && !other.exists());
    assert_eq!(shelf.broken(), Vec::<String>::new());

    let told = archive.certificate(&gone).unwrap();
    let last = told["links"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["kind"], &last["reason"], &last["by"]),
        (&json!("deleted"), &json!("expired"), &json!("retention"))
    );
    assert_eq!(last["sha256"], told["links"][0]["sha256"]);
    assert!(!told.to_string().contains("671112234"), "no number in it");

    archive.release(&held, &admin()).unwrap();
    assert_eq!(shelf.broken(), Vec::<String>::new());
    assert_eq!(archive.sweep("head", false).unwrap().deleted, 1);
    assert!(!path.exists());
    assert_eq!(refused(archive.hold(&held, "too late", &admin())).0, 404);
    assert_eq!(refused(archive.certificate(unknown)).0, 404);
    // What lies there again is nobody's.
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "back").unwrap();
    assert_eq!(shelf.broken(), ["no recording owns this file"]);
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "the story of one person, from the first call to the last byte"
)]
fn a_person_is_forgotten_everywhere_and_the_counts_stay() {
    let mut shelf = Shelf::new();
    let (person, other) = ("+380671112233", "+380671112234");
    let (first, path) = shelf.record(person);
    let (kept, theirs) = shelf.record(other);
    let call: CallId = first.parse().unwrap();
    let callback_id = CallbackId(Ulid::new(BEGAN, &mut Rng::new([8; 32]))).to_string();
    let callback = json!({
        "id": callback_id, "call_id": first,
        "attempts": [{
            "at": BEGAN.to_string(), "operator": "olena", "sip_code": 486, "ring_s": 3.0,
            "result": "busy",
        }],
        "phone": person, "reason": "abandoned", "state": "open", "count": 1,
        "opened_at": BEGAN.to_string(), "due_at": BEGAN.to_string(),
    });
    // One that the engine has closed already, without the number.
    let mut noted = callback.clone();
    noted["id"] = json!(CallbackId(Ulid::new(BEGAN, &mut Rng::new([9; 32]))).to_string());
    shelf.event(call, "callback.opened", noted.clone());
    let said = json!({
        "action": "callback_describe", "callback_id": noted["id"], "note": "Олена чекає на лікаря",
    });
    let Value::Object(said) = said else {
        panic!("data is an object");
    };
    shelf.store.emit("audit.action", None, said);
    noted["phone"] = Value::Null;
    noted["note"] = json!("Олена просила після обіду");
    shelf.event(call, "callback.closed", noted);
    shelf.event(call, "callback.opened", callback.clone());
    let mut again = callback;
    again["count"] = json!(2);
    shelf.event(call, "callback.repeated", again);
    let said = json!({
        "action": "describe", "result": "done", "call_id": first, "comment": "Олена боїться болю",
    });
    shelf.event(call, "audit.action", said);
    let whisper = json!({ "text": "дзвінок від Олени", "played_s": 2.0 });
    shelf.event(call, "whisper.played", whisper);
    let trace = shelf.folder.path().join("trace");
    fs::create_dir(&trace).unwrap();
    let message = |number: &str| {
        trace::entry::Entry::Message(trace::entry::Sighting {
            at: BEGAN,
            way: trace::entry::Way::In,
            transport: crate::sip::flow::Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            peer: "127.0.0.1:5070".parse().unwrap(),
            bytes: format!("INVITE sip:a SIP/2.0\r\nFrom: Olena <sip:0{number}@b>\r\n\r\n").into(),
        })
    };
    // Leads, answers to requests, a note without the number, a copy from before a migration, and so many
    // calls of others in between that pages were split and left bytes behind.
    let lead = |rng: &mut Rng, phone: &str| {
        json!({
            "id": LeadId(Ulid::new(BEGAN, rng)).to_string(), "phone": phone, "name": "Олена Бойко",
            "comment": "передзвоніть на 067 111", "state": "open", "attempts": [], "rung": 0,
            "received_at": BEGAN.to_string(), "priority": 0, "queue": "all",
        })
    };
    for (of, call) in [(person, call), (other, kept.parse().unwrap())] {
        let data = lead(&mut shelf.rng, of);
        shelf.event(call, "lead.received", data);
        shelf.store.record(Record::Answered(Box::new(Answered {
            key: format!("site {of}"),
            fingerprint: "f".to_owned(),
            at: BEGAN,
            answer: json!({ "phone": of }).to_string(),
        })));
    }
    let note = json!({
        "action": "callback_describe", "result": "done", "callback_id": callback_id,
        "note": "каже чоловік Олени",
    });
    shelf.event(call, "audit.action", note);
    let mentions = CallId(Ulid::new(BEGAN, &mut shelf.rng));
    shelf.event(mentions, "call.ended", json!({
        "id": mentions.to_string(), "direction": "inbound", "from": other, "to": "+380800111222",
        "outcome": "answered", "comment": "просить набрати 0671112233",
    }));
    for index in 0..600 {
        let call = CallId(Ulid::new(BEGAN, &mut shelf.rng));
        let from = if index % 20 == 0 {
            person.to_owned()
        } else {
            format!("+38050{:07}", index * 7919)
        };
        shelf.event(
            call,
            "call.ended",
            json!({
                "id": call.to_string(), "direction": "inbound", "from": from, "to": "+380800111222",
                "started_at": BEGAN.to_string(), "outcome": "answered", "operator": "olena",
            }),
        );
        if index % 50 == 0 {
            shelf.settle();
        }
    }
    let copy = shelf.folder.path().join("strowger.db.schema-3");
    fs::write(&copy, person).unwrap();
    let mut bytes = trace::entry::MAGIC.to_vec();
    message("671112233").encode(&mut bytes);
    message("671112234").encode(&mut bytes);
    let segment = trace.join("00000000000000000001.sip");
    fs::write(&segment, &bytes).unwrap();
    shelf.settle();

    let archive = shelf.archive.clone();
    archive.hold(&first, "court", &admin()).unwrap();
    let (status, why) = refused(archive.erase(person, &admin()));
    assert!(status == 409 && why.contains("held"), "{why}");
    archive.release(&first, &admin()).unwrap();
    assert_eq!(
        refused(archive.erase("+380800111222", &admin())).0,
        409,
        "ours"
    );
    assert_eq!(refused(archive.erase("+380679999999", &admin())).0, 404);
    assert_eq!(refused(archive.erase("112", &admin())).0, 422);
    let cut = refused(archive.erase("+3806711122", &admin()));
    assert_eq!(cut.0, 404, "the beginning of a number is nobody's");
    shelf.settle();
    let before = shelf.store.reader().unwrap().after(0, 2000).unwrap();

    // The recorder has not let go of the file.
    let marks = shelf.folder.path().join("recordings/open");
    fs::create_dir(&marks).unwrap();
    fs::write(marks.join(&first), "").unwrap();
    shelf.sql(&format!(
        "UPDATE recordings SET ended = {} WHERE call = '{first}'",
        archive.now().as_millis()
    ));
    let (status, why) = refused(archive.erase(person, &admin()));
    assert!(
        status == 409 && why.contains("still being written"),
        "{why}"
    );
    fs::remove_file(marks.join(&first)).unwrap();

    let certificate = archive.erase(person, &admin()).unwrap();
    assert_eq!(
        (
            &certificate["recordings"],
            &certificate["calls"],
            &certificate["sip_messages"]
        ),
        (&json!(1), &json!(31), &json!(1))
    );
    assert_eq!(
        (
            &certificate["database_copies_deleted"],
            &certificate["residue"]
        ),
        (&json!(["strowger.db.schema-3"]), &json!(false))
    );
    assert_eq!(certificate["exports_changed"], json!(["2026-05-28"]));
    shelf.settle();
    assert!(!path.exists() && theirs.exists());
    let after = shelf.store.reader().unwrap().after(0, 2000).unwrap();
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((old.seq, &old.id, &old.kind), (new.seq, &new.id, &new.kind));
        let ended = |event: &crate::server::store::StoredEvent| {
            let json: Value = serde_json::from_str(&event.json).unwrap();
            (json["sequence"].clone(), json["data"]["outcome"].clone())
        };
        assert_eq!(ended(old), ended(new), "what counts stays");
    }
    let told = |kind: &str| after.iter().filter(|it| it.kind == kind).count();
    assert_eq!((told("recording.erased"), told("callback.closed")), (1, 2));
    assert_eq!(told("lead.closed"), 1);
    // These calls have no beginning; whatever else is promised of the rows holds as before.
    let broken = promises::check(shelf.folder.path(), |_, _| {})
        .unwrap()
        .broken;
    let made = ["beginning", "sum"];
    let broken = broken.into_iter().filter(|it| !made.contains(&it.rule));
    assert_eq!(broken.collect::<Vec<_>>(), []);
    assert_eq!(shelf.broken(), Vec::<String>::new());
    let last = archive.certificate(&first).unwrap()["links"].clone();
    assert_eq!(last.as_array().unwrap().last().unwrap()["kind"], "erased");
    assert_eq!(
        archive.certificate(&kept).unwrap()["links"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let seen = fs::read(&segment).unwrap();
    let holds =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    assert_eq!(seen.len(), bytes.len());
    assert!(!holds(&seen, "671112233") && holds(&seen, "671112234"));
    assert!(!holds(&certificate.to_string().into_bytes(), "671112233"));

    // Nothing of it stands in any byte of the folder, the journal and free pages included, while the
    // server works on.
    let gone = [
        "671112233",
        "Олена боїться",
        "Олена просила",
        "Олена чекає",
        "від Олени",
        "чоловік Олени",
        "набрати",
    ];
    let mut seen_others = false;
    let mut folders = vec![shelf.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            for gone in gone {
                assert!(!text.contains(gone), "{gone} in {}", path.display());
            }
            seen_others |= text.contains("671112234");
        }
    }
    assert!(seen_others, "others are not forgotten");
    let names = shelf.store.leads().unwrap().page(&LeadFilter {
        limit: 9,
        ..LeadFilter::default()
    });
    let names: Vec<_> = names
        .unwrap()
        .iter()
        .map(|it| (it["phone"].clone(), it["state"].clone()))
        .collect();
    assert!(names.contains(&(json!(other), json!("open"))), "{names:?}");
    let callback = shelf
        .store
        .callbacks()
        .unwrap()
        .one(&callback_id)
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            &callback["state"],
            &callback["closed_by"],
            &callback["reason"],
            &callback["phone"]
        ),
        (
            &json!("closed"),
            &json!("erasure"),
            &json!("abandoned"),
            &Value::Null
        )
    );
}

#[test]
fn a_recording_that_is_being_written_is_left_alone() {
    let mut shelf = Shelf::new();
    let (open, path) = shelf.record("+380671112233");
    let (stale, other) = shelf.record("+380671112234");
    let marks = shelf.folder.path().join("recordings/open");
    fs::create_dir(&marks).unwrap();
    fs::write(marks.join(&open), "").unwrap();
    fs::write(marks.join(&stale), "").unwrap();
    let now = shelf.archive.now().as_millis();
    shelf.sql(&format!(
        "UPDATE recordings SET ended = {now}, keep_until = {now} WHERE call = '{open}'"
    ));
    let swept = shelf.archive.sweep("retention", false).unwrap();
    assert_eq!((swept.deleted, swept.failed), (1, 0));
    assert!(
        path.exists() && !other.exists(),
        "a mark of long ago keeps nothing"
    );
    fs::remove_file(marks.join(&open)).unwrap();
    assert_eq!(shelf.archive.sweep("retention", false).unwrap().deleted, 1);
    assert!(!path.exists());
}

#[test]
fn sealed_recordings_of_several_files_are_verified_swept_and_erased_as_others_are() {
    let mut shelf = Shelf::new();
    let (person, other) = ("+380671112233", "+380671112234");
    let (_, mine) = shelf.record_as(person, ".enc");
    let (_, theirs) = shelf.record_as(other, ".enc");
    assert!(theirs.to_string_lossy().ends_with(".wav.enc"));
    let whole = shelf.verify();
    assert_eq!((whole.whole, whole.broken, whole.bytes), (2, 0, 3000));
    let stem = |path: &Path| path.to_string_lossy().replace(".wav.enc", "");
    let second = PathBuf::from(format!("{}.2.wav.enc", stem(&theirs)));
    for path in [&theirs, &second] {
        flip(path);
        let broken = shelf.broken();
        assert!(
            broken.len() == 1 && broken[0].contains("is not what was recorded"),
            "{broken:?}"
        );
        flip(path);
    }
    let third = PathBuf::from(format!("{}.3.wav.enc", stem(&theirs)));
    fs::write(&third, "x").unwrap();
    assert_eq!(shelf.broken(), ["no recording owns this file"]);
    fs::remove_file(third).unwrap();
    let left = |of: &Path| {
        let name = of
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(".wav.enc", "");
        let all = fs::read_dir(of.parent().unwrap())
            .into_iter()
            .flatten()
            .flatten();
        all.filter(|it| it.file_name().to_string_lossy().starts_with(&name))
            .count()
    };
    fs::write(format!("{}.json.tmp", stem(&mine)), person).unwrap();
    assert_eq!((left(&mine), left(&theirs)), (4, 3));
    shelf.archive.erase(person, &admin()).unwrap();
    assert_eq!((left(&mine), left(&theirs)), (0, 3));
    assert_eq!(shelf.archive.sweep("retention", false).unwrap().deleted, 1);
    assert_eq!(left(&theirs), 0);
    assert_eq!(shelf.broken(), Vec::<String>::new());
}
