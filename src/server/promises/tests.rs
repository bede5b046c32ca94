//! A folder in which every promise holds, and what breaks each of them.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{Findings, check};
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::server::store::{Store, StoreOptions, Sync};

const ANSWERED: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0K1";
const MISSED: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0K2";
const DIALLED: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0K3";
const LIVE: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0K4";
const LEAD: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0L1";
const CALLBACK: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0C1";
const FILE: &str = "2024/10/20/01JAV3K8Z5W9Q4D6F7G8H9J0K1.wav";

struct Folder {
    folder: tempfile::TempDir,
    db: Connection,
    next: i64,
}

impl Folder {
    /// A call that was answered and recorded, one that was missed twice, one that an operator placed, one
    /// that goes on, some that were refused in a flood, and a lead.
    fn whole() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            sync: Sync::Normal,
            sinks: vec!["crm".to_owned()],
            rng: Rng::new([1; 32]),
            clock: Clock::start(),
            callback_due: crate::limits::CALLBACK_DUE,
            on_committed: Box::new(|_| {}),
        };
        let (store, _) = Store::open(folder.path(), "test", options).unwrap();
        store.close();
        let db = Connection::open(Store::database_in(folder.path())).unwrap();
        let mut it = Self {
            folder,
            db,
            next: 1,
        };
        let inbound = json!({ "direction": "inbound" });
        it.event("call.started", ANSWERED, &inbound);
        it.event("queue.joined", ANSWERED, &json!({}));
        it.event("queue.left", ANSWERED, &json!({}));
        it.event("recording.started", ANSWERED, &json!({}));
        it.event(
            "call.ended",
            ANSWERED,
            &json!({ "direction": "inbound", "outcome": "answered" }),
        );
        it.event("call.quality", ANSWERED, &json!({}));
        it.event("call.started", MISSED, &inbound);
        it.event("callback.opened", MISSED, &json!({ "id": CALLBACK }));
        it.event(
            "call.ended",
            MISSED,
            &json!({ "direction": "inbound", "outcome": "missed", "reason": "abandoned",
                "callback": CALLBACK }),
        );
        it.event("callback.repeated", DIALLED, &json!({ "id": CALLBACK }));
        it.event("call.started", DIALLED, &json!({ "direction": "outbound" }));
        it.event(
            "call.ended",
            DIALLED,
            &json!({ "direction": "outbound", "result": "busy" }),
        );
        it.event("call.started", LIVE, &inbound);
        it.event("queue.joined", LIVE, &json!({}));
        it.event(
            "call.refused",
            "",
            &json!({ "direction": "inbound", "count": 3, "outcome": "missed", "reason": "refused",
                "no_callback": "overload" }),
        );
        for (verb, state, rung) in [
            ("received", "open", 0),
            ("dialled", "attempting", 1),
            ("attempted", "open", 1),
            ("dialled", "attempting", 2),
            ("connected", "connected", 1),
            ("closed", "closed", 1),
        ] {
            let data = json!({ "id": LEAD, "state": state, "rung": rung });
            it.event(&format!("lead.{verb}"), "", &data);
        }
        it.event("call.bridged", LIVE, &talk());
        it.run(&format!(
            "INSERT INTO leads VALUES ('{LEAD}', '+380671112244', NULL, 'closed', '{{}}')"
        ));
        for call in [ANSWERED, MISSED, DIALLED] {
            it.run(&format!(
                "INSERT INTO calls (call, data) VALUES ('{call}', '{{}}')"
            ));
        }
        it.run(&format!(
            "INSERT INTO live_calls VALUES ('{LIVE}', 0, 0, '{{}}')"
        ));
        it.run(&format!(
            "INSERT INTO callbacks (id, phone, call, reason, opened, due, count, open)
             VALUES ('{CALLBACK}', '+380671112233', '{MISSED}', 'abandoned', 0, 0, 2, 1)"
        ));
        it.run(&format!(
            "INSERT INTO recordings (call, file, bytes, started, ended)
             VALUES ('{ANSWERED}', '{FILE}', 44, 0, 1)"
        ));
        it.put(FILE, &[0; 44]);
        let manifest = json!({ "call_id": ANSWERED, "file": FILE }).to_string();
        it.put(&FILE.replace(".wav", ".json"), manifest.as_bytes());
        it
    }

    fn event(&mut self, kind: &str, call: &str, data: &Value) {
        let (seq, id) = (self.next, format!("event-{}", self.next));
        let call = (!call.is_empty()).then_some(call);
        let document = json!({ "id": id, "type": kind, "subject": call,
            "sequence": format!("{seq:020}"), "data": data });
        self.db
            .execute(
                "INSERT INTO events VALUES (?1, ?2, ?3, ?4, 0, ?5)",
                params![seq, id, kind, call, document.to_string()],
            )
            .unwrap();
        self.next += 1;
    }

    fn run(&self, sql: &str) {
        self.db.execute_batch(sql).unwrap();
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join("recordings").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join("recordings").join(name)).unwrap();
    }

    fn check(&self) -> Findings {
        check(self.folder.path(), |_, _| {}).unwrap()
    }

    /// The rules that are broken, and the calls they name.
    fn broken(&self) -> Vec<String> {
        let told = self.check().broken.into_iter();
        let mut told: Vec<_> = told
            .map(|it| format!("{} {}", it.rule, it.subject.unwrap_or_default()))
            .collect();
        told.dedup();
        told
    }
}

fn talk() -> Value {
    json!({ "direction": "inbound", "queue": "odesa", "operator": "olena" })
}

#[test]
fn where_every_promise_holds_nothing_is_told() {
    let folder = Folder::whole();
    let findings = folder.check();
    assert_eq!(findings.broken, []);
    let checked = findings.checked;
    assert_eq!((checked.events, checked.calls), (22, 4));
    assert_eq!((checked.callbacks, checked.recordings), (1, 1));
}

#[test]
fn events_may_be_pruned_from_the_beginning_on() {
    let folder = Folder::whole();
    for last in [1, 2, 7, 9, 12, 15, 17, 20] {
        folder.run(&format!("DELETE FROM events WHERE seq <= {last}"));
        assert_eq!(folder.broken(), Vec::<String>::new(), "up to {last}");
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of every promise and what breaks it"
)]
fn each_broken_promise_is_told_by_its_name_and_call() {
    let end = "DELETE FROM events WHERE kind = 'call.ended' AND subject =";
    let breaks: &[(&str, &[&str])] = &[
        ("DELETE FROM events WHERE seq = 6", &["sequence "]),
        (
            "UPDATE events SET json = replace(json, 'event-6', 'event-7') WHERE seq = 6",
            &["document K1"],
        ),
        (
            "UPDATE events SET json = '{' WHERE seq = 6",
            &["document K1"],
        ),
        (
            &format!("{end} '{ANSWERED}'"),
            &["end K1", "sequence ", "sum "],
        ),
        (
            "UPDATE events SET subject = 'x', json = json_set(json, '$.subject', 'x') WHERE seq = 12",
            &["beginning x", "call-row x", "end K3"],
        ),
        (
            &format!("INSERT INTO live_calls VALUES ('{DIALLED}', 0, 0, '{{}}')"),
            &["live K3"],
        ),
        (
            "UPDATE events SET kind = 'call.held', json = json_set(json, '$.type', 'call.held')
             WHERE seq = 6",
            &["order K1"],
        ),
        (
            "UPDATE events SET json = json_set(json, '$.data.outcome', 'lost') WHERE seq = 5",
            &["outcome K1"],
        ),
        (
            "UPDATE events SET json = json_set(json, '$.data.outcome', 'test') WHERE seq = 12",
            &["outcome K3", "sum "],
        ),
        (
            "UPDATE events SET json = json_remove(json, '$.data.reason') WHERE seq = 9",
            &["reason K2"],
        ),
        (
            "UPDATE events SET json = json_remove(json, '$.data.callback') WHERE seq = 9",
            &["callback K2"],
        ),
        (
            "DELETE FROM callbacks",
            &["callback K2", "callback-events C1"],
        ),
        ("UPDATE callbacks SET open = 0", &["callback-events K2"]),
        ("UPDATE callbacks SET count = 3", &["callback-count K2"]),
        (
            "UPDATE events SET kind = 'queue.held', json = json_set(json, '$.type', 'queue.held')
             WHERE seq = 3",
            &["queue K1"],
        ),
        (
            &format!("DELETE FROM calls WHERE call = '{MISSED}'"),
            &["call-row K2"],
        ),
        (
            "DELETE FROM recordings",
            &["recording-file ", "recording-row K1"],
        ),
        ("UPDATE sinks SET cursor = 23", &["cursor crm"]),
        (
            "UPDATE events SET json = json_set(json, '$.data.count', 0) WHERE seq = 15",
            &["refused "],
        ),
        (
            "UPDATE events SET json = json_set(json, '$.data.outcome', 'test') WHERE seq = 15",
            &["refused ", "sum "],
        ),
        ("DELETE FROM leads", &["lead L1"]),
        ("UPDATE leads SET state = 'open'", &["lead L1"]),
        (
            "UPDATE events SET kind = 'lead.closed', json = json_set(json, '$.type', 'lead.closed')
             WHERE seq = 20",
            &["lead L1"],
        ),
        (
            "UPDATE events SET json = json_set(json, '$.data.id', 'L9') WHERE seq = 21",
            &["lead L1"],
        ),
        (
            "UPDATE events SET kind = 'lead.noted', json = json_set(json, '$.type', 'lead.noted',
             '$.data.rung', 2) WHERE seq = 18;
             UPDATE events SET json = json_set(json, '$.data.rung', 1) WHERE seq = 19",
            &["lease L1"],
        ),
        ("UPDATE recordings SET bytes = 45", &["recording K1"]),
        ("UPDATE recordings SET deleted = 1", &["recording-file "]),
    ];
    for (sql, expected) in breaks {
        let folder = Folder::whole();
        folder.run(sql);
        let told: Vec<_> = folder
            .broken()
            .iter()
            .map(|it| it.replace("01JAV3K8Z5W9Q4D6F7G8H9J0", ""))
            .collect();
        assert_eq!(&told, expected, "{sql}");
    }
}

#[test]
fn a_call_that_ended_twice_is_told() {
    let mut folder = Folder::whole();
    folder.event(
        "call.ended",
        DIALLED,
        &json!({ "direction": "outbound", "result": "busy" }),
    );
    assert_eq!(folder.broken(), [format!("one-end {DIALLED}")]);
}

#[test]
fn every_row_has_its_files_and_every_file_its_row() {
    let one = [format!("recording {ANSWERED}")];
    for file in [FILE.to_owned(), FILE.replace(".wav", ".json")] {
        let folder = Folder::whole();
        folder.remove(&file);
        assert_eq!(folder.broken(), one, "{file}");
    }
    let folder = Folder::whole();
    let parts = json!({ "call_id": ANSWERED, "continued": [{ "file": "2024/10/20/x.2.wav" }] });
    folder.put(&FILE.replace(".wav", ".json"), parts.to_string().as_bytes());
    assert_eq!(folder.broken(), one);
    // A kill left nothing of it: that was told, or it is a loss.
    let mut folder = Folder::whole();
    folder.remove(FILE);
    folder.remove(&FILE.replace(".wav", ".json"));
    folder.run("UPDATE recordings SET bytes = 0");
    assert_eq!(folder.broken(), one);
    folder.event("recording.failed", ANSWERED, &json!({ "final": false }));
    assert_eq!(folder.broken(), one, "it was to go on");
    folder.event("recording.failed", ANSWERED, &json!({ "final": true }));
    assert_eq!(folder.broken(), Vec::<String>::new());
    folder.run("UPDATE recordings SET bytes = 44");
    assert_eq!(folder.broken(), one, "it was finished once");
    let folder = Folder::whole();
    folder.put(&format!("2024/10/20/{LIVE}.wav"), b"RIFF");
    folder.put(&format!("open/{LIVE}"), b"2024/10/20/x.json");
    assert_eq!(folder.broken(), Vec::<String>::new(), "it goes on");
    folder.put("2024/10/20/notes.txt", b"mine");
    folder.put("loose.wav", b"RIFF");
    assert_eq!(folder.check().broken.len(), 2);
}

#[test]
fn a_folder_of_garbage_is_a_sentence() {
    let says = |folder: &Path| format!("{:#}", check(folder, |_, _| {}).unwrap_err());
    let folder = tempfile::tempdir().unwrap();
    assert!(says(&folder.path().join("none")).contains("there are no data in"));
    assert!(says(folder.path()).contains("there are no data in"));
    let database = Store::database_in(folder.path());
    fs::write(&database, b"").unwrap();
    assert!(says(folder.path()).contains("earlier version"));
    fs::write(&database, [0x5a; 20_000]).unwrap();
    assert!(says(folder.path()).contains("is not a database of this program"));
    // The head is ours, what follows is torn.
    let whole = Folder::whole();
    whole.run("PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = fs::read(Store::database_in(whole.folder.path())).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0x5a;
    }
    fs::write(&database, bytes).unwrap();
    let told = check(folder.path(), |_, _| {});
    let told = told.map_or_else(
        |error| format!("{error:#}"),
        |it| it.broken[0].rule.to_owned(),
    );
    assert!(
        told == "database" || told.contains("restore the folder"),
        "{told}"
    );
}

#[test]
fn a_sealed_recording_has_its_own_name_while_it_grows_and_after() {
    let folder = Folder::whole();
    let sealed = FILE.replace(".wav", ".wav.enc");
    let manifest = json!({ "call_id": ANSWERED, "file": sealed, "key_id": "k" }).to_string();
    folder.remove(FILE);
    folder.put(&sealed, &[0; 44]);
    folder.put(&FILE.replace(".wav", ".json"), manifest.as_bytes());
    // The row is told the name with the size, when it is finished.
    folder.run("UPDATE recordings SET bytes = 0, ended = NULL");
    assert_eq!(folder.broken(), Vec::<String>::new());
    folder.run(&format!(
        "UPDATE recordings SET bytes = 44, ended = 1, file = '{sealed}'"
    ));
    assert_eq!(folder.broken(), Vec::<String>::new());
    folder.remove(&sealed);
    assert_eq!(folder.broken(), [format!("recording {ANSWERED}")]);
}

#[test]
fn an_operator_talks_in_one_call_of_a_queue_at_a_time() {
    const OTHER: &str = "01JAV3K8Z5W9Q4D6F7G8H9J0K5";
    let over = json!({ "operator": "olena", "from": "talking", "to": "wrap_up" });
    for (kind, call, data, broken) in [
        ("operator.state", "", &over, false),
        ("call.transferred", LIVE, &talk(), false),
        ("call.held", LIVE, &talk(), true),
    ] {
        let mut folder = Folder::whole();
        folder.event(kind, call, data);
        folder.event("call.started", OTHER, &json!({ "direction": "inbound" }));
        folder.event("call.bridged", OTHER, &talk());
        folder.run(&format!(
            "INSERT INTO live_calls VALUES ('{OTHER}', 0, 0, '{{}}')"
        ));
        let expected = broken.then(|| format!("talk {OTHER}"));
        assert_eq!(folder.broken(), Vec::from_iter(expected), "{kind}");
    }
}

#[test]
fn an_erased_person_breaks_no_promise() {
    let folder = Folder::whole();
    // What an erasure by phone leaves: every text of the person null, the rows and their counts as before.
    folder.run(
        "UPDATE events SET json = json_set(json, '$.data.from', NULL, '$.data.phone', NULL,
             '$.data.erased', json('true'));
         UPDATE callbacks SET phone = '', data = '{}'; UPDATE leads SET phone = '';
         UPDATE calls SET caller = NULL, called = NULL; UPDATE recordings SET deleted = 1;
         UPDATE events SET kind = 'recording.erased', json = json_set(json, '$.type',
             'recording.erased') WHERE seq = 4",
    );
    folder.remove(FILE);
    folder.remove(&FILE.replace(".wav", ".json"));
    assert_eq!(folder.broken(), Vec::<String>::new());
}
