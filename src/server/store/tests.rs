//! The store over stops and crashes. A crash is a copy of the files taken while the writer works.

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use super::*;
use crate::acd::message::Wish;
use crate::engine::event::Event;
use crate::id::{EventId, FlowId, Ulid};
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::Binding;
use crate::time::Wall;

const NOW: Wall = Wall::from_millis(1_790_000_000_000);

struct Opened {
    store: Store,
    restored: Restored,
    committed: Receiver<AskId>,
    rng: Rng,
}

fn open(folder: &Path) -> Opened {
    try_open(folder).unwrap()
}

fn try_open(folder: &Path) -> anyhow::Result<Opened> {
    let (sender, committed) = channel();
    let options = StoreOptions {
        sync: Sync::Normal,
        sinks: vec!["crm".into()],
        rng: Rng::new([9; 32]),
        clock: Clock::start(),
        callback_due: limits::CALLBACK_DUE,
        on_committed: Box::new(move |id| sender.send(id).unwrap_or(())),
    };
    let (store, restored) = Store::open(folder, "odesa-1", options)?;
    Ok(Opened {
        store,
        restored,
        committed,
        rng: Rng::new([fs::read_dir(folder)?.count() as u8; 32]),
    })
}

impl Opened {
    fn call(&mut self) -> CallId {
        CallId(Ulid::new(NOW, &mut self.rng))
    }

    fn event(&mut self, call: CallId, kind: &'static str, data: Value) {
        let Value::Object(data) = data else {
            panic!("data is an object");
        };
        self.store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(NOW, &mut self.rng)),
            kind,
            subject: Some(call),
            time: NOW,
            data,
        })));
    }

    fn wait(&self) {
        self.store.ask_committed(AskId(77));
        let answer = self.committed.recv_timeout(Duration::from_secs(20));
        assert_eq!(answer, Ok(AskId(77)));
    }

    fn events(&self) -> Vec<Value> {
        let events = self.store.reader().unwrap().after(0, 100_000).unwrap();
        events
            .iter()
            .map(|event| serde_json::from_str(&event.json).unwrap())
            .collect()
    }
}

/// What a `kill -9` at this moment leaves.
fn crash(folder: &Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for name in ["strowger.db", "strowger.db-wal"] {
        fs::copy(folder.join(name), left.path().join(name)).unwrap();
    }
    left
}

fn facts(from: &str) -> Value {
    json!({
        "direction": "inbound", "from": from, "to": "+380800301231", "site": "odesa",
        "started_at": NOW.to_string(), "answered_at": NOW.to_string(),
    })
}

#[test]
fn events_get_a_gap_free_sequence_that_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(folder.path());
    let call = first.call();
    for _ in 0..500 {
        first.event(call, "queue.joined", json!({"queue": "одеса"}));
    }
    first.store.close();
    let mut second = open(folder.path());
    second.event(call, "queue.left", json!({}));
    second.wait();
    let events = second.events();
    assert_eq!(events.len(), 501);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence"], format!("{:020}", index + 1));
    }
    assert_eq!(*second.store.committed().borrow(), 501);
    let last = &events[500];
    assert_eq!(last["specversion"], "1.0");
    assert_eq!(last["type"], "queue.left");
    assert_eq!(last["source"], "/strowger/odesa-1");
    assert_eq!(last["subject"], call.to_string());
    assert_eq!(last["time"], NOW.to_string());
    assert_eq!(last["datacontenttype"], "application/json");
    assert_eq!(events[0]["data"]["queue"], "одеса");
}

#[test]
fn a_crash_gives_a_call_that_an_operator_placed_a_result_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let [talking, ringing] = [(); 2].map(|()| before.call());
    for (call, direction) in [(talking, "outbound"), (ringing, "internal")] {
        let mut placed = facts("201");
        placed["direction"] = json!(direction);
        before.event(call, "call.started", placed.clone());
        if call == talking {
            before.event(call, "call.bridged", placed);
        }
    }
    before.wait();
    let left = crash(folder.path());
    let after = open(left.path());
    assert_eq!(after.restored.interrupted, 2);
    assert!(after.restored.callbacks.is_empty());
    for (call, result) in [(talking, "answered"), (ringing, "failed")] {
        let events = after.events();
        let ended = events
            .iter()
            .filter(|event| event["type"] == "call.ended" && event["subject"] == call.to_string());
        let [end] = ended.collect::<Vec<_>>()[..] else {
            panic!("one end of {call}");
        };
        let data = &end["data"];
        assert_eq!(data["result"], result);
        assert_eq!(data["interrupted"], true);
        for absent in ["outcome", "reason", "callback", "no_callback"] {
            assert!(data.get(absent).is_none(), "{absent} of {call}");
        }
    }
}

#[test]
fn a_crash_ends_each_call_exactly_once_and_opens_a_callback() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let [talking, waiting, done, anonymous, again] = [(); 5].map(|()| before.call());
    before.event(talking, "call.started", facts("+380671112233"));
    before.event(talking, "call.bridged", facts("+380671112233"));
    before.event(talking, "recording.started", json!({"keep_s": 60}));
    before.event(waiting, "call.started", facts("+380672223344"));
    let mut joined = facts("+380672223344");
    joined["id"] = json!(waiting.to_string());
    joined["queue"] = json!("odesa");
    joined["position"] = json!(1);
    before.event(waiting, "queue.joined", joined);
    before.event(done, "call.started", facts("+380673334455"));
    before.event(done, "call.ended", facts("+380673334455"));
    before.event(
        anonymous,
        "call.started",
        json!({"direction": "inbound", "from": null}),
    );
    before.event(again, "call.started", facts("+380672223344"));
    before.wait();
    let left = crash(folder.path());

    let after = open(left.path());
    assert_eq!(after.restored.interrupted, 4);
    let events = after.events();
    let ended = |call: CallId| -> Vec<_> {
        let of_call =
            |event: &&Value| event["type"] == "call.ended" && event["subject"] == call.to_string();
        events.iter().filter(of_call).collect()
    };
    for call in [talking, waiting, done, anonymous, again] {
        assert_eq!(ended(call).len(), 1, "{call}");
    }
    let end = &ended(talking)[0]["data"];
    assert_eq!(end["outcome"], "answered");
    assert_eq!(end["interrupted"], true);
    assert!(
        end["callback"].is_string() && end["ended_at"].is_string() && end["talk_s"].is_number()
    );
    let end = &ended(waiting)[0]["data"];
    assert_eq!(
        (&end["outcome"], &end["reason"]),
        (&json!("missed"), &json!("interrupted"))
    );
    assert_eq!(end["site"], "odesa");
    assert_eq!(end["queue"], "odesa");
    assert!(end.get("position").is_none());
    assert_eq!(ended(anonymous)[0]["data"]["no_callback"], "anonymous");
    // One number, one callback: the second call of the same number counts it up.
    assert_eq!(
        ended(again)[0]["data"]["callback"],
        ended(waiting)[0]["data"]["callback"]
    );
    let callbacks = &after.restored.callbacks;
    assert_eq!(callbacks.len(), 2);
    assert!(
        callbacks
            .iter()
            .any(|open| open.phone == "+380672223344" && open.count == 2)
    );
    after.store.close();

    let later = open(left.path());
    assert_eq!(later.restored.interrupted, 0);
    assert_eq!(later.events().len(), events.len());
    assert_eq!(later.restored.callbacks.len(), 2);
    let due = later
        .store
        .recordings()
        .unwrap()
        .due(Wall::from_millis(i64::MAX), 10)
        .unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].file, format!("2026/09/21/{talking}.wav"));
}

#[test]
fn a_crash_takes_callers_out_of_the_queue_they_were_in_and_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let [waiting, talking, moved] = [(); 3].map(|()| before.call());
    let mut tell = |call: CallId, kind, queue: &str| {
        let mut data = facts("+380671112233");
        data["id"] = json!(call.to_string());
        data["queue"] = json!(queue);
        before.event(call, kind, data);
    };
    for call in [waiting, talking, moved] {
        tell(call, "call.started", "odesa");
        tell(call, "queue.joined", "odesa");
    }
    tell(talking, "queue.left", "odesa");
    tell(talking, "call.bridged", "odesa");
    tell(moved, "queue.left", "odesa");
    tell(moved, "queue.joined", "all");
    before.wait();
    let left = crash(folder.path());

    let after = open(left.path());
    let events = after.events();
    let of_kind =
        |kind: &str| -> Vec<_> { events.iter().filter(|it| it["type"] == kind).collect() };
    let lost = of_kind("queue.left").split_off(2);
    let said: BTreeSet<_> = lost
        .iter()
        .map(|it| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&it["subject"]), text(&it["data"]["queue"]))
        })
        .collect();
    let expected = [(waiting, "odesa"), (moved, "all")];
    let expected = expected.map(|(call, queue)| (call.to_string(), queue.to_owned()));
    assert_eq!(said, BTreeSet::from(expected));
    assert_eq!(lost.len(), 2);
    for left in lost {
        assert_eq!(left["data"]["left_reason"], "interrupted");
        assert!(left["data"]["queue_wait_s"].is_number());
    }
    assert_eq!(of_kind("queue.joined").len(), of_kind("queue.left").len());
    after.store.close();
    assert_eq!(open(left.path()).events().len(), events.len());
}

#[test]
fn what_was_answered_as_committed_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let call = before.call();
    for number in 0..50 {
        before.event(call, "menu.choice", json!({ "number": number }));
        before.wait();
        if number % 10 == 0 {
            let left = crash(folder.path());
            assert_eq!(open(left.path()).events().len(), number + 1);
        }
    }
}

#[test]
fn bindings_operators_and_closed_callbacks_are_as_they_were_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let binding = |user: &str, transport, expires| Binding {
        user: user.into(),
        key: format!("key-{user}"),
        contact: "sip:олена@192.0.2.7:5070;ob"
            .replace("олена", "olena")
            .parse()
            .unwrap(),
        flow: Flow {
            id: FlowId(3),
            transport,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "192.0.2.7:5070".parse().unwrap(),
        },
        path: vec![
            "<sip:edge.example;lr>".into(),
            "<sip:10.0.0.1;lr;ob>".into(),
        ],
        q: 700,
        call_id: "abc".into(),
        cseq: 4_000_000_000,
        expires,
        user_agent: "телефон".into(),
    };
    let later = Wall::from_millis(i64::MAX / 2);
    let kept = binding("olena", Transport::Udp, later);
    for bound in [
        kept.clone(),
        binding("serhii", Transport::Tcp, later),
        binding("iryna", Transport::Udp, Wall::from_millis(1)),
        binding("gone", Transport::Udp, later),
    ] {
        before.store.record(Record::Bound(Box::new(bound)));
    }
    before.store.record(Record::Unbound {
        user: "gone".into(),
        key: "key-gone".into(),
    });
    let call = before.call();
    let paused = Wish {
        pause: Some("обід".into()),
        owes: Some(call),
        ..Wish::default()
    };
    let gone = Wish {
        logged_out: true,
        ..Wish::default()
    };
    for (operator, wish) in [
        ("iryna", &gone),
        ("olena", &gone),
        ("olena", &paused),
        ("serhii", &Wish::default()),
    ] {
        before.store.record(Record::Operator {
            operator: operator.into(),
            wish: wish.clone(),
        });
    }
    let id = CallbackIdText::of(&mut before.rng);
    before.event(
        call,
        "callback.opened",
        json!({"id": id.0, "phone": "+380671112233"}),
    );
    before.event(call, "callback.closed", json!({"id": id.0}));
    before.store.close();
    let after = open(folder.path());
    assert_eq!(after.restored.bindings, [kept]);
    assert_eq!(
        after.restored.wishes,
        [
            ("iryna".into(), gone),
            ("olena".into(), paused),
            ("serhii".into(), Wish::default()),
        ]
    );
    assert_eq!(after.restored.callbacks, []);
}

struct CallbackIdText(String);

impl CallbackIdText {
    fn of(rng: &mut Rng) -> Self {
        Self(Ulid::new(NOW, rng).to_string())
    }
}

#[test]
fn one_server_a_folder_and_no_later_database() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let refused = try_open(folder.path()).err().unwrap();
    assert!(
        refused
            .to_string()
            .starts_with("another server works in the data folder")
    );
    first.store.close();
    drop(first);
    let db = rusqlite::Connection::open(Store::database_in(folder.path())).unwrap();
    db.pragma_update(None, "user_version", 999).unwrap();
    drop(db);
    let refused = try_open(folder.path()).err().unwrap();
    assert!(
        refused
            .to_string()
            .contains("was written by a later version"),
        "{refused}"
    );
}

#[test]
fn a_file_that_is_no_database_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        Store::database_in(folder.path()),
        "not a database at all, but long enough".repeat(40),
    )
    .unwrap();
    let refused = try_open(folder.path()).err().unwrap();
    assert!(
        refused
            .to_string()
            .contains("not a database of this program"),
        "{refused}"
    );
}

#[test]
fn a_cursor_only_moves_on_and_survives() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let call = before.call();
    before.event(call, "call.started", json!({}));
    let crm: Arc<str> = "crm".into();
    before.store.move_cursor(&crm, 7);
    before.store.move_cursor(&crm, 5);
    before.store.bury(&crm, 6, 8, "it answered 400".into());
    before.store.close();
    let after = open(folder.path());
    let reader = after.store.reader().unwrap();
    assert_eq!(reader.cursor("crm").unwrap(), 7);
    assert_eq!(reader.dead_letters("crm").unwrap(), 1);
}

#[test]
fn a_recording_that_a_kill_left_without_a_file_is_told_once_and_its_call_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = open(folder.path());
    let call = before.call();
    let mut told = facts("+380671112233");
    before.event(call, "call.started", told.clone());
    told["recording"] = json!(call.to_string());
    before.event(call, "recording.started", told.clone());
    before.event(call, "call.bridged", told);
    before.wait();
    let left = crash(folder.path());
    let after = open(left.path());
    let unfinished = || after.store.recordings().unwrap().unfinished().unwrap();
    let calls: Vec<_> = unfinished().into_iter().map(|it| it.0).collect();
    assert_eq!(calls, [call]);
    for _ in 0..2 {
        let calls = calls.clone();
        let closes = move |writing: &mut Writing<'_>| never_came(writing, &calls);
        after.store.write(closes).unwrap();
    }
    let events = after.events();
    let failed: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "recording.failed")
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["subject"], call.to_string());
    assert_eq!(failed[0]["data"]["final"], true);
    assert!(unfinished().is_empty());
    let rows = after.store.recordings().unwrap();
    assert!(rows.one(&call.to_string()).unwrap().is_none());
    assert!(rows.known_one(&call.to_string()).unwrap().unwrap().deleted);
    let kept = after
        .store
        .calls()
        .unwrap()
        .one(&call.to_string())
        .unwrap()
        .unwrap();
    assert_eq!(kept["recording"], Value::Null, "{kept}");
}
