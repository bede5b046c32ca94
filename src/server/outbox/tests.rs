//! Sinks over real loopback connections and files. Waits are on channels, with a deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::engine::event::Event;
use crate::engine::output::Record;
use crate::id::{CallId, EventId, Ulid};
use crate::server::store::{StoreOptions, Sync};
use crate::time::Wall;

const DEADLINE: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn open(folder: &Path, sinks: &[Sink]) -> Store {
    let options = StoreOptions {
        sync: Sync::Normal,
        sinks: sinks.iter().map(|sink| sink.name.clone()).collect(),
        rng: Rng::new([1; 32]),
        clock: Clock::start(),
        callback_due: crate::limits::CALLBACK_DUE,
        on_committed: Box::new(|_| {}),
    };
    Store::open(folder, "test", options).unwrap().0
}

fn start(sinks: &[Sink], store: &Store) -> (Outbox, Telemetry) {
    let telemetry = Telemetry::new().unwrap();
    let mut rng = Rng::new([2; 32]);
    let outbox = Outbox::start(
        sinks,
        Keep::default(),
        store,
        &telemetry,
        Clock::start(),
        &mut rng,
    )
    .unwrap();
    (outbox, telemetry)
}

/// Records events of `calls` calls, turn by turn.
fn record(store: &Store, rng: &mut Rng, calls: usize, events: usize) {
    let now = Wall::from_millis(1_790_000_000_000);
    let calls: Vec<_> = (0..calls).map(|_| CallId(Ulid::new(now, rng))).collect();
    for number in 0..events {
        let data = Map::from_iter([("number".to_owned(), json!(number))]);
        store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(now, rng)),
            kind: if number % 10 == 9 {
                "call.ended"
            } else {
                "queue.joined"
            },
            subject: calls.get(number % calls.len()).copied(),
            time: now,
            data,
        })));
    }
}

fn webhook(address: SocketAddr, path: &str) -> Sink {
    Sink {
        name: "crm".into(),
        types: None,
        kind: SinkKind::Webhook {
            url: format!("http://{address}{path}").parse().unwrap(),
            secret: Some(Secret::new(SECRET.into())),
            allow_private: true,
            template: None,
        },
    }
}

/// A CRM that is down for its first requests.
struct Crm {
    failures: AtomicUsize,
    redirected: AtomicUsize,
    answer: fn() -> Response,
    taken: mpsc::UnboundedSender<Value>,
    ids: Mutex<BTreeSet<String>>,
}

async fn hook(State(crm): State<Arc<Crm>>, headers: HeaderMap, body: String) -> Response {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let before = crm
        .failures
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
    if before.is_ok() {
        return (crm.answer)();
    }
    let id = text("webhook-id");
    let key = signature::Key::new(&Secret::new(SECRET.into())).unwrap();
    let timestamp = text("webhook-timestamp").parse().unwrap();
    assert_eq!(text("webhook-signature"), key.sign(&id, timestamp, &body));
    assert!(text("content-type").starts_with("application/cloudevents+json"));
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["id"], id);
    crm.ids.lock().unwrap().insert(id);
    crm.taken.send(event).unwrap();
    StatusCode::NO_CONTENT.into_response()
}

async fn crm(
    failures: usize,
    answer: fn() -> Response,
) -> (SocketAddr, Arc<Crm>, mpsc::UnboundedReceiver<Value>) {
    let (taken, events) = mpsc::unbounded_channel();
    let crm = Arc::new(Crm {
        failures: AtomicUsize::new(failures),
        redirected: AtomicUsize::new(0),
        answer,
        taken,
        ids: Mutex::default(),
    });
    async fn elsewhere(State(crm): State<Arc<Crm>>) -> StatusCode {
        crm.redirected.fetch_add(1, Ordering::SeqCst);
        StatusCode::OK
    }
    let app = Router::new()
        .route("/hook", post(hook))
        .route("/elsewhere", post(elsewhere).get(elsewhere))
        .with_state(Arc::clone(&crm));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, crm, events)
}

async fn take(events: &mut mpsc::UnboundedReceiver<Value>, count: usize) -> Vec<Value> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let event = tokio::time::timeout(DEADLINE, events.recv()).await;
        taken.push(event.unwrap().unwrap());
    }
    taken
}

fn assert_in_order(events: &[Value]) {
    let mut last = BTreeMap::new();
    for event in events {
        let (call, sequence) = (event["subject"].to_string(), event["sequence"].to_string());
        let before = last.insert(call, sequence.clone());
        assert!(before.is_none_or(|before| before < sequence));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_was_down_gets_every_event_in_order_and_none_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (address, crm, mut events) =
        crm(8, || StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let sinks = [webhook(address, "/hook")];
    let store = open(folder.path(), &sinks);
    let mut rng = Rng::new([5; 32]);
    record(&store, &mut rng, 20, 300);
    // All are there before the sink begins, so that its first requests, one a lane, meet the failures.
    let mut committed = store.committed();
    committed.wait_for(|&seq| seq == 300).await.unwrap();
    let (outbox, telemetry) = start(&sinks, &store);
    record(&store, &mut rng, 20, 300);
    let taken = take(&mut events, 600).await;
    assert_eq!(crm.ids.lock().unwrap().len(), 600);
    assert_in_order(&taken);
    let count = 600;
    assert!(outbox.drained(DEADLINE).await);
    assert!(
        telemetry
            .render()
            .contains("strowger_outbox_backlog{sink=\"crm\"} 0")
    );
    outbox.stop().await;
    store.close();
    drop(store);

    let store = open(folder.path(), &sinks);
    assert_eq!(store.reader().unwrap().cursor("crm").unwrap(), count);
    let (outbox, _) = start(&sinks, &store);
    record(&store, &mut rng, 1, 1);
    let next = take(&mut events, 1).await;
    assert_eq!(next[0]["sequence"], format!("{:020}", count + 1));
    assert!(outbox.drained(DEADLINE).await);
    outbox.stop().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let redirect = || {
        (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, "/elsewhere")],
        )
            .into_response()
    };
    let (address, crm, mut events) = crm(2, redirect).await;
    let sinks = [webhook(address, "/hook")];
    let store = open(folder.path(), &sinks);
    let (outbox, _) = start(&sinks, &store);
    record(&store, &mut Rng::new([5; 32]), 1, 1);
    take(&mut events, 1).await;
    assert_eq!(crm.redirected.load(Ordering::SeqCst), 0);
    outbox.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_home_is_refused_where_it_is_connected_to() {
    let (address, crm, _events) = crm(0, || StatusCode::OK.into_response()).await;
    let url = format!("http://localhost:{}/hook", address.port())
        .parse()
        .unwrap();
    let event = crate::server::store::StoredEvent {
        seq: 1,
        id: "id".into(),
        kind: "call.ended".into(),
        subject: None,
        json: r#"{"id":"id"}"#.into(),
    };
    let key = || signature::Key::new(&Secret::new(SECRET.into()));
    let refused = webhook::Webhook::new(&url, key(), false, Clock::start()).unwrap();
    let Err(webhook::Refusal::Sink(why)) = refused.deliver(&event).await else {
        panic!("nothing leaves for a private address");
    };
    assert!(why.contains("no public address"), "{why}");
    assert!(crm.ids.lock().unwrap().is_empty());
    let allowed = webhook::Webhook::new(&url, key(), true, Clock::start()).unwrap();
    assert_eq!(allowed.deliver(&event).await, Ok(()));
    for literal in [
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::1]/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://10.0.0.1:8080@127.0.0.1/",
    ] {
        let url = literal.parse().unwrap();
        assert!(
            webhook::Webhook::new(&url, None, false, Clock::start()).is_err(),
            "{literal}"
        );
    }
}

#[tokio::test]
async fn a_file_gets_the_types_it_wants_in_the_order_of_the_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let sinks = [Sink {
        name: "log".into(),
        types: Some(BTreeSet::from([
            "call.ended".to_owned(),
            "sink.degraded".to_owned(),
        ])),
        kind: SinkKind::Jsonl { path: path.clone() },
    }];
    let store = open(&folder.path().join("data"), &sinks);
    let (outbox, telemetry) = start(&sinks, &store);
    record(&store, &mut Rng::new([5; 32]), 7, 1_000);
    for sink in ["log", "crm"] {
        let data = Map::from_iter([("sink".to_owned(), json!(sink))]);
        store.emit("sink.degraded", None, data);
    }
    let mut committed = store.committed();
    committed.wait_for(|&seq| seq == 1_002).await.unwrap();
    assert!(outbox.drained(DEADLINE).await);
    outbox.stop().await;
    let text = std::fs::read_to_string(&path).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 101);
    assert!(
        events
            .iter()
            .map(|event| event["sequence"].to_string())
            .is_sorted()
    );
    assert_eq!(
        events[100]["data"]["sink"], "crm",
        "its own troubles are not told to itself"
    );
    assert!(
        telemetry
            .render()
            .contains("strowger_outbox_backlog{sink=\"log\"} 0")
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_once_and_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("logs");
    std::fs::write(&blocked, "in the way").unwrap();
    let path = blocked.join("events.jsonl");
    let sinks = [Sink {
        name: "log".into(),
        types: None,
        kind: SinkKind::Jsonl { path: path.clone() },
    }];
    let store = open(&folder.path().join("data"), &sinks);
    let (outbox, _) = start(&sinks, &store);
    record(&store, &mut Rng::new([5; 32]), 3, 10);
    let mut committed = store.committed();
    committed.wait_for(|&seq| seq >= 11).await.unwrap();
    std::fs::remove_file(&blocked).unwrap();
    committed.wait_for(|&seq| seq >= 12).await.unwrap();
    assert!(outbox.drained(DEADLINE).await);
    outbox.stop().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 10);
    let kinds: Vec<_> = store
        .reader()
        .unwrap()
        .after(10, 10)
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["sink.degraded", "sink.recovered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_told_delivered_again_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (address, crm, mut events) = crm(0, || StatusCode::BAD_REQUEST.into_response()).await;
    let sinks = [webhook(address, "/hook")];
    let store = open(folder.path(), &sinks);
    let (outbox, _) = start(&sinks, &store);
    record(&store, &mut Rng::new([5; 32]), 2, 10);
    take(&mut events, 10).await;
    for seq in [3, 7, 9] {
        store.bury(&"crm".into(), seq, 8, "it answered 400".into());
    }
    assert!(store.settled().await);
    let told = outbox.sinks().overview().unwrap();
    assert_eq!(told["sinks"][0]["dead_letters"], 3);
    assert_eq!(told["sinks"][0]["letters"][0]["reason"], "it answered 400");
    // The sink refuses one more time, then takes them.
    crm.failures.store(1, Ordering::SeqCst);
    let told = outbox.sinks().retry("crm").await.unwrap();
    assert_eq!(
        (&told["delivered"], &told["refused"]),
        (&json!(2), &json!(1))
    );
    let again: Vec<_> = take(&mut events, 2).await;
    assert_eq!(again[0]["sequence"], format!("{:020}", 7));
    assert!(store.settled().await);
    let told = outbox.sinks().overview().unwrap();
    assert_eq!(told["sinks"][0]["letters"][0]["tries"], 9);
    let told = outbox.sinks().retry("crm").await.unwrap();
    assert_eq!(told["delivered"], 1);
    assert!(store.settled().await);
    assert_eq!(store.reader().unwrap().dead_letters("crm").unwrap(), 0);
    let unknown = outbox.sinks().retry("crn").await.unwrap_err();
    assert_eq!(unknown, Refused::Unknown("crn".into()));
    outbox.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_gives_everything_since_a_moment_once_more_with_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    let (address, crm, mut events) = crm(0, || StatusCode::OK.into_response()).await;
    let path = folder.path().join("events.jsonl");
    let log = Sink {
        name: "log".into(),
        types: None,
        kind: SinkKind::Jsonl { path: path.clone() },
    };
    let sinks = [webhook(address, "/hook"), log];
    let store = open(folder.path(), &sinks);
    let (outbox, _) = start(&sinks, &store);
    let mut rng = Rng::new([5; 32]);
    record(&store, &mut rng, 3, 20);
    assert!(store.settled().await);
    let since = Wall::from_millis(1_790_000_000_001);
    let late = outbox.sinks().replay("crm", since).await.unwrap_err();
    assert!(
        late.to_string().starts_with("no event is as late as"),
        "{late}"
    );
    take(&mut events, 20).await;
    assert!(outbox.drained(DEADLINE).await);
    std::fs::remove_file(&path).unwrap();
    let since = Wall::from_millis(1_790_000_000_000);
    for sink in ["crm", "log"] {
        let told = outbox.sinks().replay(sink, since).await.unwrap();
        assert_eq!((&told["from"], &told["events"]), (&json!("1"), &json!(20)));
    }
    let again = take(&mut events, 20).await;
    assert_in_order(&again);
    assert_eq!(
        crm.ids.lock().unwrap().len(),
        20,
        "the ids are those of before"
    );
    assert!(outbox.drained(DEADLINE).await);
    outbox.stop().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_sink_holds_no_more_than_the_bound_and_the_loss_is_told() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there any more.
    let (address, ..) = crm(usize::MAX, || StatusCode::BAD_GATEWAY.into_response()).await;
    let sinks = [webhook(address, "/hook")];
    let store = open(folder.path(), &sinks);
    record(&store, &mut Rng::new([5; 32]), 3, 2_000);
    assert!(store.settled().await);
    let telemetry = Telemetry::new().unwrap();
    let keep = Keep {
        age: Duration::from_secs(86_400),
        most: 300,
    };
    let mut rng = Rng::new([2; 32]);
    let outbox = Outbox::start(&sinks, keep, &store, &telemetry, Clock::start(), &mut rng).unwrap();
    let reader = store.reader().unwrap();
    let mut committed = store.committed();
    committed.wait_for(|&seq| seq > 2_000).await.unwrap();
    let told = reader.after(2_000, 1).unwrap().remove(0);
    assert_eq!(told.kind, "sink.degraded");
    let data: Value = serde_json::from_str(&told.json).unwrap();
    assert_eq!(
        (&data["data"]["sink"], &data["data"]["dropped"]),
        (&json!("crm"), &json!(500))
    );
    while reader.stock().unwrap().events() > 301 {
        tokio::task::yield_now().await;
    }
    let row = reader.sinks().unwrap().remove(0);
    assert!(row.dropped >= 1_700 && row.cursor == row.dropped, "{row:?}");
    outbox.stop().await;
    store.close();
    drop(store);
    // The sequence goes on where it was.
    let store = open(folder.path(), &sinks);
    record(&store, &mut Rng::new([6; 32]), 1, 1);
    assert!(store.settled().await);
    assert!(*store.committed().borrow() > 2_001);
    store.close();
}

/// A day of three calls in one queue: which call, the event and its data.
fn a_day() -> Vec<(Option<usize>, &'static str, Value)> {
    vec![
        (
            None,
            "operator.state",
            json!({"operator": "olena", "from": "logged_out", "to": "available"}),
        ),
        (
            Some(0),
            "queue.joined",
            json!({"queue": "odesa", "from": "+380671112233", "position": 2}),
        ),
        (
            Some(0),
            "operator.missed",
            json!({"queue": "odesa", "operator": "iryna", "missed_reason": "no_answer", "ring_s": 10.25}),
        ),
        (
            Some(0),
            "operator.missed",
            json!({"queue": "odesa", "operator": "iryna", "missed_reason": "withdrawn", "ring_s": 1.0}),
        ),
        (
            Some(0),
            "operator.answered",
            json!({"operator": "olena", "ring_s": 4.9}),
        ),
        (
            Some(0),
            "queue.left",
            json!({"id": "x", "queue": "odesa", "operator": "olena", "left_reason": "answered", "queue_wait_s": 17.2}),
        ),
        (
            Some(0),
            "call.ended",
            json!({"operator": "olena", "talk_s": 60.7, "ended_by": "caller", "outcome": "answered"}),
        ),
        (
            Some(1),
            "queue.joined",
            json!({"queue": "odesa", "from": null, "position": 1}),
        ),
        (
            Some(1),
            "queue.left",
            json!({"queue": "odesa", "left_reason": "abandoned", "queue_wait_s": 30.0}),
        ),
        (Some(1), "call.ended", json!({"outcome": "missed"})),
        (
            Some(2),
            "queue.left",
            json!({"queue": "odesa", "left_reason": "queue_full", "queue_wait_s": 0.0}),
        ),
        (
            None,
            "operator.state",
            json!({"operator": "olena", "from": "available", "to": "paused", "reason": "обід|\nx"}),
        ),
        (None, "dialplan.applied", json!({})),
    ]
}

#[test]
fn asterisks_queue_log_tells_a_day_of_a_queue_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue_log");
    let store = open(folder.path(), &[]);
    let now = Wall::from_millis(1_790_000_000_000);
    let mut rng = Rng::new([4; 32]);
    let calls: Vec<_> = (0..3).map(|_| CallId(Ulid::new(now, &mut rng))).collect();
    for (call, kind, data) in a_day() {
        let Value::Object(data) = data else { panic!() };
        store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(now, &mut rng)),
            kind,
            subject: call.map(|call| calls[call]),
            time: now,
            data,
        })));
    }
    store.close();
    let reader = store.reader().unwrap();
    let events = reader.after(0, 100).unwrap();
    let fresh = || {
        LineFile::new(
            path.clone(),
            Form::QueueLog(queue_log::QueueLog::new(store.clone())),
        )
    };
    fresh().append(&events[..7]).unwrap();
    // A restart that had acknowledged two of them.
    fresh().append(&events[2..]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace(&calls[0].to_string(), "A")
        .replace(&calls[1].to_string(), "B");
    assert_eq!(
        text,
        "1790000000|NONE|NONE|olena|ADDMEMBER|\n\
         1790000000|A|odesa|NONE|ENTERQUEUE||380671112233|2\n\
         1790000000|A|odesa|iryna|RINGNOANSWER|10250\n\
         1790000000|A|odesa|olena|CONNECT|17|x|4\n\
         1790000000|A|odesa|olena|COMPLETECALLER|17|60|2\n\
         1790000000|B|odesa|NONE|ENTERQUEUE|||1\n\
         1790000000|B|odesa|NONE|ABANDON|1|1|30\n\
         1790000000|NONE|NONE|olena|PAUSE|обід__x\n\
         1790000000|NONE|NONE|NONE|CONFIGRELOAD|\n"
    );
}
