//! A hall to ask: an engine with two operators at work, a store, and the pages before them.

use std::collections::BTreeMap;
use std::fs;
use std::thread::JoinHandle;

use serde_json::json;

use super::*;
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::diagnose::Severity;
use crate::dialplan::plan::Secret;
use crate::dialplan::secrets::Secrets;
use crate::engine::Engine;
use crate::engine::event::Event;
use crate::engine::input::Input;
use crate::engine::output::{Output, Record};
use crate::id::{CallId, CommandId, EventId, FlowId, OperatorName, Ulid};
use crate::rng::Rng;
use crate::server::archive::Archive;
use crate::server::clock::Clock;
use crate::server::driver::{Inbox, Word};
use crate::server::mailbox::Mailbox;
use crate::server::outbox::Outbox;
use crate::server::settings::{Keep, Token};
use crate::server::store::{StoreOptions, Sync};
use crate::sim::world::engine_settings;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::Binding;
use crate::time::Wall;
use crate::words::Role;

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { to: queue.odesa }
outbound: { via: kyivstar, allow: ["+380*"] }
queues:
  odesa: { operators: { all: true }, strategy: ring_all, ring: 10s, max_wait: 60s }
operators:
  iryna: { name: Ирина, number: "201", password: a }
  olena: { name: Олена, number: "202", password: b }
"#;

/// A call that nobody made.
pub const NOBODYS_CALL: &str = "/v1/calls/01ARZ3NDEKTSV4RRFFQ69G5FAV";
/// One token a role, each named after its role; Ирина's is her own.
pub const TOKENS: &str = "admin supervisor operator auditor integration board iryna";
/// A letter for each role, and the token that has it.
pub const ROLES: [(char, &str); 5] = [
    ('a', "admin"),
    ('s', "supervisor"),
    ('o', "iryna"),
    ('u', "auditor"),
    ('i', "integration"),
];
/// The morning of the day of [`Hall::calls_of_a_day`].
const MORNING: Wall = Wall::from_millis(1_791_183_600_000);

pub struct Nothing;

impl Secrets for Nothing {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

/// What is sent by the bearer of a token.
pub fn bearer(name: &str) -> String {
    format!("Bearer {name}-0123456789abcdef")
}

fn tokens(names: &str) -> Vec<Token> {
    let tokens = names
        .split(' ')
        .filter(|name| !name.is_empty())
        .map(|name| {
            let role = Role::ALL.iter().find(|(word, _)| *word == name);
            let (role, operator) = match (name, role) {
                (_, Some((_, role))) => (*role, None),
                ("iryna", None) => (Role::Operator, Some(OperatorName::from(name))),
                _ => (Role::Auditor, None),
            };
            let secret = bearer(name).split_off("Bearer ".len());
            Token {
                name: name.to_owned(),
                role,
                operator,
                secret: Secret::new(secret),
            }
        });
    tokens.collect()
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub bytes: Vec<u8>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The sentence of a problem, which is the kind of every error.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], "about:blank");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Asks for a page.
pub async fn ask(
    at: SocketAddr,
    method: &str,
    path: &str,
    more: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut headers = BTreeMap::from([
        ("host", at.to_string()),
        ("connection", "close".to_owned()),
        ("content-length", body.len().to_string()),
    ]);
    if !body.is_empty() {
        headers.insert("content-type", "application/json".to_owned());
    }
    for (name, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
        headers.insert(name, (*value).to_owned());
    }
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n{body}");
    // Who answers before the whole body was sent may close at once.
    let _cut = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let bytes = answer.split_off(end + 4);
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: lines
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    }
}

pub struct Hall {
    pub health: Arc<Health>,
    pub telemetry: Telemetry,
    admin: Admin,
    inbox: Inbox,
    store: Store,
    outbox: Outbox,
    engine: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Hall {
    /// Opens the doors, with these tokens.
    pub async fn open(names: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let inbox: Inbox = Arc::new(Mailbox::new(64));
        let committed = Arc::clone(&inbox);
        let options = StoreOptions {
            sync: Sync::Normal,
            sinks: Vec::new(),
            rng: Rng::new([7; 32]),
            clock,
            callback_due: limits::CALLBACK_DUE,
            on_committed: Box::new(move |id| committed.post(Word::Committed(id))),
        };
        let (store, _) = Store::open(folder.path(), "hall", options).unwrap();
        let engine = engine(&inbox, &store, clock);
        let telemetry = Telemetry::new().unwrap();
        let health = Arc::new(Health::new(clock));
        let mut rng = Rng::new([9; 32]);
        let outbox = Outbox::start(&[], Keep::default(), &store, &telemetry, clock, &mut rng);
        let outbox = outbox.unwrap();
        let sources = Sources {
            telemetry: telemetry.clone(),
            health: Arc::clone(&health),
            commands: Commands::new(Arc::clone(&inbox)),
            store: store.clone(),
            archive: archive(&store, &folder),
            sinks: outbox.sinks().clone(),
            data: folder.path().to_owned(),
            recordings: Arc::from(folder.path().join("recordings")),
            vault: Arc::default(),
            tokens: tokens(names),
        };
        let admin = Admin::start("127.0.0.1:0".parse().unwrap(), sources)
            .await
            .unwrap();
        Self {
            health,
            telemetry,
            admin,
            inbox,
            store,
            outbox,
            engine,
            folder,
        }
    }

    pub fn sources(&self, names: &str) -> Sources {
        Sources {
            telemetry: self.telemetry.clone(),
            health: Arc::clone(&self.health),
            commands: Commands::new(Arc::clone(&self.inbox)),
            store: self.store.clone(),
            archive: archive(&self.store, &self.folder),
            sinks: self.outbox.sinks().clone(),
            data: self.folder.path().to_owned(),
            recordings: Arc::from(self.folder.path().join("recordings")),
            vault: Arc::default(),
            tokens: tokens(names),
        }
    }

    /// Another one at the same address.
    pub async fn another(&self) -> anyhow::Result<Admin> {
        Admin::start(self.address(), self.sources("")).await
    }

    pub fn address(&self) -> SocketAddr {
        self.admin.address()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("", "GET", path, "").await
    }

    pub async fn ask_as(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        self.ask(&bearer(token), method, path, body).await
    }

    pub async fn ask(&self, authorization: &str, method: &str, path: &str, body: &str) -> Answer {
        let headers = [("authorization", authorization)];
        ask(self.address(), method, path, &headers, body).await
    }

    /// Calls from five past ten on, a minute apart.
    pub async fn calls_of_a_day(&self, count: u8) -> Vec<String> {
        let mut rng = Rng::new([3; 32]);
        let mut ids = Vec::new();
        for index in 0..count {
            let at = MORNING + Duration::from_secs(60 * u64::from(index));
            let call = CallId(Ulid::new(at, &mut rng));
            let missed = index % 2 == 0;
            let data = json!({
                "id": call.to_string(),
                "from": format!("+3806711122{index:02}"),
                "to": "+380800301231",
                "queue": "odesa",
                "operator": (index % 5 == 0).then_some("iryna"),
                "outcome": if missed { "missed" } else { "answered" },
            });
            self.event(call, "call.ended", data, &mut rng);
            ids.push(call.to_string());
        }
        self.committed(u64::from(count)).await;
        ids
    }

    /// A call with a recording of some length.
    pub async fn recorded(&self) -> (String, Vec<u8>) {
        let mut rng = Rng::new([5; 32]);
        let call = CallId(Ulid::new(MORNING, &mut rng));
        let mut sound = vec![0; 200_001];
        rng.fill(&mut sound);
        let file = format!("2026/10/05/{call}.wav");
        let path = self.folder.path().join("recordings").join(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &sound).unwrap();
        let data = json!({ "recording": call.to_string(), "file": file, "bytes": sound.len() });
        self.event(call, "recording.finished", data, &mut rng);
        self.committed(1).await;
        (call.to_string(), sound)
    }

    /// An event about a call of its own, kept.
    pub async fn told(&self, kind: &'static str, data: Value) {
        let before = *self.store.committed().borrow();
        let mut rng = Rng::new([u8::try_from(before % 251).unwrap(); 32]);
        let call = CallId(Ulid::new(MORNING, &mut rng));
        self.event(call, kind, data, &mut rng);
        self.committed(before + 1).await;
    }

    fn event(&self, call: CallId, kind: &'static str, data: Value, rng: &mut Rng) {
        let Value::Object(data) = data else {
            panic!("data is an object");
        };
        let time = call.0.made();
        self.store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(time, rng)),
            kind,
            subject: Some(call),
            time,
            data,
        })));
    }

    async fn committed(&self, seq: u64) {
        let mut committed = self.store.committed();
        committed.wait_for(|last| *last >= seq).await.unwrap();
    }

    /// What the journal says.
    pub async fn journal(&self) -> Vec<Value> {
        self.events("audit.action").await
    }

    /// The data of all events of a kind, once those on their way are kept.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let mark = self.store.clone();
        let before = *mark.committed().borrow();
        mark.emit("sink.recovered", None, serde_json::Map::new());
        self.committed(before + 1).await;
        let mut committed = self.store.committed();
        // The mark is the last of them.
        loop {
            let events = self.store.reader().unwrap().after(0, 1_000).unwrap();
            if events
                .last()
                .is_some_and(|last| last.kind == "sink.recovered")
            {
                let of_kind = events.iter().filter(|event| event.kind == kind);
                let data = of_kind.map(|event| {
                    let event: Value = serde_json::from_str(&event.json).unwrap();
                    event["data"].clone()
                });
                return data.collect();
            }
            committed.changed().await.unwrap();
        }
    }

    pub async fn close(self) {
        self.admin.stop().await;
        self.outbox.stop().await;
        self.inbox.post(Word::Stop);
        self.engine.join().unwrap();
        self.store.close();
    }
}

/// A registered phone.
fn phone(user: &str, clock: Clock) -> Binding {
    Binding {
        user: user.into(),
        key: user.to_owned(),
        contact: format!("sip:{user}@192.0.2.7:5070").parse().unwrap(),
        flow: Flow {
            id: FlowId(3),
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "192.0.2.7:5070".parse().unwrap(),
        },
        path: Vec::new(),
        q: 1_000,
        call_id: user.to_owned(),
        cseq: 1,
        expires: clock.now().wall + Duration::from_secs(3_600),
        user_agent: String::new(),
    }
}

/// An engine that hears commands alone, in a thread of its own.
fn engine(inbox: &Inbox, store: &Store, clock: Clock) -> JoinHandle<()> {
    let source = Source {
        name: "plan.yaml",
        text: PLAN,
    };
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let plan = compile(&[source], &Nothing, options).plan.unwrap();
    let mut settings = engine_settings(Arc::new(plan));
    settings.restored.bindings = ["iryna", "olena"].map(|user| phone(user, clock)).into();
    let mut engine = Engine::new(settings, [1; 32], clock.now());
    let (inbox, store) = (Arc::clone(inbox), store.clone());
    std::thread::spawn(move || {
        let mut last = 0;
        let mut waiting = BTreeMap::new();
        let mut words = Vec::new();
        loop {
            inbox.take(Duration::from_secs(1), 64, &mut words);
            for word in words.drain(..) {
                match word {
                    Word::Command {
                        actor,
                        command,
                        answer,
                    } => {
                        last += 1;
                        let id = CommandId(last);
                        waiting.insert(id, answer);
                        let input = Input::Command { id, actor, command };
                        engine.handle_input(clock.now(), input);
                    }
                    Word::Stop => return,
                    _ => {}
                }
                while let Some(output) = engine.poll_output() {
                    match output {
                        Output::Reply { id, reply } => {
                            let answer = waiting.remove(&id).unwrap();
                            let _gone = answer.send(reply);
                        }
                        Output::Record(record) => store.record(record),
                        _ => {}
                    }
                }
            }
        }
    })
}

fn archive(store: &Store, folder: &tempfile::TempDir) -> Archive {
    let recordings = Arc::from(folder.path().join("recordings"));
    Archive::new(store.clone(), recordings, 20, Clock::start())
}
