//! F12: a webhook's server that fails in every way there is, and then takes everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use strowger::engine::event::Event;
use strowger::engine::output::Record;
use strowger::id::{CallId, EventId, Ulid};
use strowger::rng::Rng;
use strowger::server::clock::Clock;
use strowger::server::outbox::Outbox;
use strowger::server::settings::{Keep, Sink, SinkKind};
use strowger::server::store::{Store, StoreOptions, Sync};
use strowger::server::telemetry::Telemetry;
use strowger::time::Wall;

use crate::report;
use crate::rig::now;

const CALLS: usize = 20;
const EVENTS: u64 = 400;
/// The event that the server never takes.
const POISON: &str = "\"number\":7,";
const RETRY_AFTER: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(150);

/// What is wrong with an answer, one request each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    ServerError,
    TooMany,
    Hangs,
    ByteASecond,
    Reset,
    Redirect,
    HalfAnAnswer,
    Huge,
}

const FAULTS: [Fault; 8] = [
    Fault::ServerError,
    Fault::TooMany,
    Fault::Hangs,
    Fault::ByteASecond,
    Fault::Reset,
    Fault::Redirect,
    Fault::HalfAnAnswer,
    Fault::Huge,
];

#[derive(Default)]
struct Crm {
    requests: AtomicUsize,
    elsewhere: AtomicBool,
    /// When the 429 was sent, and when the next request came.
    silence: Mutex<(Option<Instant>, Option<Duration>)>,
    met: Mutex<Vec<Fault>>,
    taken: Mutex<Vec<(String, String, String)>>,
    refused: AtomicUsize,
}

impl Crm {
    fn serve(self: &Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let crm = Arc::clone(self);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (crm, stream) = (Arc::clone(&crm), stream.unwrap());
                thread::spawn(move || crm.answer(stream, address));
            }
        });
        address
    }

    fn answer(&self, mut stream: TcpStream, here: SocketAddr) -> Option<()> {
        let (path, body) = request(&stream)?;
        if path != "/hook" {
            self.elsewhere.store(true, Ordering::SeqCst);
        }
        let mut silence = self.silence.lock().unwrap();
        if let (Some(asked), None) = *silence {
            silence.1 = Some(now() - asked);
        }
        drop(silence);
        if body.contains(POISON) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return plain(&mut stream, "400 Bad Request", "");
        }
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = FAULTS.get(number).copied() {
            self.met.lock().unwrap().push(fault);
            if fault == Fault::Huge {
                self.take(&body);
            }
            return self.fail(&mut stream, fault, here);
        }
        self.take(&body);
        plain(&mut stream, "204 No Content", "")
    }

    fn take(&self, body: &str) {
        let event: Value = serde_json::from_str(body).unwrap();
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        let taken = (text("subject"), text("sequence"), text("id"));
        self.taken.lock().unwrap().push(taken);
    }

    fn fail(&self, stream: &mut TcpStream, fault: Fault, here: SocketAddr) -> Option<()> {
        match fault {
            Fault::ServerError => plain(stream, "500 Internal Server Error", ""),
            Fault::TooMany => {
                let wait = format!("retry-after: {}\r\n", RETRY_AFTER.as_secs());
                self.silence.lock().unwrap().0 = Some(now());
                plain(stream, "429 Too Many Requests", &wait)
            }
            Fault::Hangs => wait_for_the_end(stream),
            Fault::ByteASecond => {
                for byte in b"HTTP/1.1 204 No Content\r\n\r\n" {
                    stream.write_all(&[*byte]).ok()?;
                    thread::park_timeout(Duration::from_secs(1));
                }
                Some(())
            }
            Fault::Reset => {
                let linger = Some(Duration::ZERO);
                socket2::SockRef::from(&*stream).set_linger(linger).ok()
            }
            Fault::Redirect => {
                let to = format!("location: http://{here}/elsewhere\r\n");
                plain(stream, "307 Temporary Redirect", &to)
            }
            Fault::HalfAnAnswer => stream.write_all(b"HTTP/1.1 20").ok(),
            Fault::Huge => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
                stream.write_all(head.as_bytes()).ok()?;
                // The reader goes away long before the end.
                let block = vec![b'x'; 1 << 20];
                (0..100).try_for_each(|_| stream.write_all(&block).ok())
            }
        }
    }
}

fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}

fn plain(stream: &mut TcpStream, status: &str, more: &str) -> Option<()> {
    let answer =
        format!("HTTP/1.1 {status}\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
    let answer = if status.starts_with("204") {
        answer.replace("content-length: 0\r\n", "")
    } else {
        answer
    };
    stream.write_all(answer.as_bytes()).ok()
}

fn wait_for_the_end(stream: &mut TcpStream) -> Option<()> {
    let mut sink = [0; 64];
    while stream.read(&mut sink).ok()? > 0 {}
    Some(())
}

/// Events with these numbers, of some calls turn by turn.
fn record(store: &Store, numbers: std::ops::Range<u64>) {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&numbers.start.to_le_bytes());
    let mut rng = Rng::new(seed);
    let now = Wall::from_millis(1_790_000_000_000);
    let calls: Vec<_> = (0..CALLS)
        .map(|_| CallId(Ulid::new(now, &mut rng)))
        .collect();
    for number in numbers {
        let mut data = Map::new();
        data.insert("number".into(), json!(number));
        data.insert("z".into(), json!(null));
        store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(now, &mut rng)),
            kind: "call.ended",
            subject: Some(calls[usize::try_from(number).unwrap() % CALLS]),
            time: now,
            data,
        })));
    }
}

fn sink(address: SocketAddr) -> Sink {
    Sink {
        name: "crm".into(),
        types: Some(BTreeSet::from(["call.ended".to_owned()])),
        kind: SinkKind::Webhook {
            url: format!("http://{address}/hook").parse().unwrap(),
            secret: None,
            allow_private: true,
            template: None,
        },
    }
}

#[test]
fn a_webhook_that_fails_in_every_way_gets_everything_and_a_poison_event_is_set_aside() {
    let crm = Arc::new(Crm::default());
    let address = crm.serve();
    let folder = tempfile::tempdir().unwrap();
    let sinks = [sink(address)];
    let options = StoreOptions {
        sync: Sync::Normal,
        sinks: vec!["crm".into()],
        rng: Rng::new([1; 32]),
        clock: Clock::start(),
        callback_due: strowger::limits::CALLBACK_DUE,
        on_committed: Box::new(|_| {}),
    };
    let (store, _) = Store::open(folder.path(), "test", options).unwrap();
    record(&store, 0..1);
    let mut recorded = EVENTS;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let telemetry = Telemetry::new().unwrap();
    let began = now();
    runtime.block_on(async {
        assert!(store.settled().await);
        let (keep, clock) = (Keep::default(), Clock::start());
        let mut rng = Rng::new([2; 32]);
        let outbox = Outbox::start(&sinks, keep, &store, &telemetry, clock, &mut rng).unwrap();
        // One event alone meets the first two faults, so that nothing is on its way when the server
        // asks to be left alone.
        let deadline = now() + DEADLINE;
        while crm.silence.lock().unwrap().1.is_none() {
            assert!(now() < deadline, "the server is never asked again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        record(&store, 1..EVENTS);
        // An event is poison when others are taken: the calls go on.
        while store.reader().unwrap().dead_letters("crm").unwrap() == 0 {
            assert!(now() < deadline, "the poison is never set aside");
            record(&store, recorded..recorded + 1);
            recorded += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(outbox.drained(DEADLINE).await, "it never catches up");
        assert!(store.settled().await);
        let told = outbox.sinks().overview().unwrap();
        let sink = &told["sinks"][0];
        assert_eq!(sink["dead_letters"], 1, "{sink}");
        assert_eq!(sink["letters"][0]["reason"], "it answered 400");
        outbox.stop().await;
    });
    store.close();
    assert_eq!(
        *crm.met.lock().unwrap(),
        FAULTS,
        "every fault was met, one by one"
    );
    assert!(
        !crm.elsewhere.load(Ordering::SeqCst),
        "no redirect is followed"
    );
    let silence = crm.silence.lock().unwrap().1.unwrap();
    assert!(silence >= RETRY_AFTER, "Retry-After is kept: {silence:?}");
    let taken = crm.taken.lock().unwrap();
    let ids: BTreeSet<_> = taken.iter().map(|(_, _, id)| id).collect();
    assert_eq!(ids.len() as u64, recorded - 1, "everything but the poison");
    let mut last = BTreeMap::new();
    for (call, sequence, _) in taken.iter() {
        let before = last.insert(call, sequence);
        assert!(
            before.is_none_or(|before| before <= sequence),
            "the order of a call"
        );
    }
    let tries = crm.refused.load(Ordering::SeqCst);
    report::pass(
        "F12",
        &format!(
            "{} of {recorded} events taken, order of each call kept, through {} faults of the server; \
             1 dead letter after {tries} tries; silent {} ms for Retry-After {} s; {} s in all",
            ids.len(),
            FAULTS.len(),
            silence.as_millis(),
            RETRY_AFTER.as_secs(),
            (now() - began).as_secs(),
        ),
    );
}
