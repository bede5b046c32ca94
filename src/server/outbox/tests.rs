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
    let why = refused.deliver(&event).await.unwrap_err();
    assert!(why.contains("no public address"), "{why}");
    assert!(crm.ids.lock().unwrap().is_empty());
    let allowed = webhook::Webhook::new(&url, key(), true, Clock::start()).unwrap();
    assert_eq!(allowed.deliver(&event).await, Ok(()));
    for literal in [
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::ffff:10.0.0.1]/",
        "https://2130706433/",
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
