//! The server as a process, with settings, a plan and prompts in a folder of its own: started, killed
//! without a warning, and started again on the same data and the same ports.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio, id};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// How long a test waits for what must come soon.
pub const SOON: Duration = Duration::from_secs(60);

/// A server of a test. Dropped, it is killed.
pub struct Rig {
    pub folder: tempfile::TempDir,
    /// Where SIP is, over UDP and TCP.
    pub sip: SocketAddr,
    pub http: SocketAddr,
    environment: Vec<(&'static str, OsString)>,
    child: Option<Child>,
    log: Receiver<String>,
}

/// An address of the loopback network that no other test uses: a server's is the first of sixteen.
pub struct House(Ipv4Addr);

impl House {
    /// The next one of this process.
    pub fn next() -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed) % 15;
        let [_, _, high, low] = id().to_be_bytes();
        // 127.1 is the other tests' ground.
        Self(Ipv4Addr::new(127, 2 + high % 250, low, 1 + number * 16))
    }

    /// An address of a neighbour, from 0 (the server) to 15.
    pub fn address(&self, neighbour: u8) -> IpAddr {
        let [a, b, c, d] = self.0.octets();
        Ipv4Addr::new(a, b, c, d + neighbour).into()
    }
}

impl Rig {
    /// Starts a server with the settings of [`settings`] and this plan, and waits until it is ready.
    pub fn start(plan: &str) -> Self {
        Self::with(&House::next(), plan, "", |_| Vec::new())
    }

    /// The same at a house that the plan knows, with sections added to its settings, and with an
    /// environment that may depend on the data folder.
    pub fn with(
        house: &House,
        plan: &str,
        more: &str,
        environment: impl FnOnce(&Path) -> Vec<(&'static str, OsString)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        write_prompts(&folder.path().join("prompts"));
        fs::write(folder.path().join("plan.yaml"), plan).unwrap();
        let text = settings(folder.path(), house) + more;
        fs::write(folder.path().join("strowger.yaml"), text).unwrap();
        let (_, log) = channel();
        let mut rig = Self {
            sip: SocketAddr::new(house.address(0), 5060),
            http: SocketAddr::new(house.address(0), 8080),
            environment: environment(&data),
            folder,
            child: None,
            log,
        };
        rig.restart();
        rig
    }

    /// Starts the server again, as it was; how long it took until it was ready.
    pub fn restart(&mut self) -> Duration {
        let began = now();
        self.spawn();
        self.wait("ready", SOON, || self.ready());
        now() - began
    }

    /// Starts the process and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        let path = |name: &str| self.folder.path().join(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_strowger"))
            .arg("serve")
            .arg("--config")
            .arg(path("strowger.yaml"))
            .arg("--dialplans")
            .arg(path("plan.yaml"))
            .envs(self.environment.iter().cloned())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("server: {line}");
                let _nobody_listens = sender.send(line);
            }
        });
        self.child = Some(child);
        self.log = log;
    }

    /// The process's environment from the next start on.
    pub fn environment(&mut self, environment: Vec<(&'static str, OsString)>) {
        self.environment = environment;
    }

    /// Ends the server without a warning.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        let mut child = self.child.take().expect("the server runs");
        child.wait().unwrap().code()
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let _sent = Command::new("kill").args([signal, &pid]).status();
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Waits until something holds.
    pub fn wait(&self, what: &str, within: Duration, holds: impl FnMut() -> bool) {
        wait(what, within, holds);
    }

    /// Waits for a line of the log since the last start, and takes the lines before it.
    pub fn wait_for_log(&self, mark: &str) -> String {
        loop {
            let line = self.log.recv_timeout(SOON);
            let line = line.unwrap_or_else(|_| panic!("the log does not say {mark}"));
            if line.contains(mark) {
                return line;
            }
        }
    }

    /// Whether `/readyz` says so.
    pub fn ready(&self) -> bool {
        matches!(self.ask("GET", "/readyz", None), Ok((200, _)))
    }

    /// The status and the body of a page.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, None).unwrap()
    }

    /// A JSON answer of the API.
    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Sends JSON to the API.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.ask(method, path, Some(&body.to_string())).unwrap()
    }

    /// One request on a connection of its own.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.http, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        let body = body.unwrap_or_default();
        let (host, length) = (self.http, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        Ok((status.unwrap_or(0), body.to_owned()))
    }

    /// One value of `/metrics`.
    pub fn metric(&self, series: &str) -> f64 {
        let (_, page) = self.get("/metrics");
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {page}"))
            .parse()
            .unwrap()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The database, read only.
    pub fn database(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(self.data().join("strowger.db"), flags).unwrap();
        db.busy_timeout(SOON).unwrap();
        db
    }

    /// The events of a type that are in the database, in order; of every type for an empty one.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let db = self.database();
        let mut statement = db
            .prepare("SELECT json FROM events WHERE ?1 IN ('', kind) ORDER BY seq")
            .unwrap();
        let rows = statement.query_map([kind], |row| row.get::<_, String>(0));
        rows.unwrap()
            .map(|json| serde_json::from_str(&json.unwrap()).unwrap())
            .collect()
    }

    /// Waits until so many events of a type are in the database.
    pub fn wait_for(&self, kind: &str, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        wait(&format!("{kind} × {count}"), SOON, || {
            events = self.events(kind);
            events.len() >= count
        });
        events
    }

    /// Every recording, as WAV files.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.data().join("recordings")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "wav") {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Has every promise compared with what is on the disk.
    pub fn keeps_its_promises(&self) {
        let data = self.data();
        let told = self.command(&["check-data", data.to_str().unwrap()]);
        let says = String::from_utf8_lossy(&told.stdout);
        let why = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success(), "{says}{why}");
    }

    /// Runs another command of the program, with these words alone.
    pub fn command(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_strowger"))
            .args(words)
            .output()
            .unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// The settings of a server of a test, without sinks.
fn settings(folder: &Path, house: &House) -> String {
    let (folder, host) = (folder.display(), house.address(0));
    format!(
        "version: 1
node: faults
data: {folder}/data
sip:
  domain: strowger.test
  listen: [\"udp://{host}:5060\", \"tcp://{host}:5060\"]
media: {{ listen: {host}, ports: 20000-29999 }}
http: {{ listen: \"{host}:8080\" }}
tts: [{{ recorded: {folder}/prompts }}]
"
    )
}

/// What is said and played in a plan of a test: the whisper `дзвінок`, and music.
fn write_prompts(folder: &Path) {
    fs::create_dir_all(folder.join("uk")).unwrap();
    fs::create_dir_all(folder.join("music")).unwrap();
    write_tone(&folder.join("uk/whisper.wav"), 1000.0, 0.2);
    write_tone(&folder.join("music/calm.wav"), 300.0, 2.0);
    fs::write(
        folder.join("manifest.tsv"),
        "file\tlanguage\ttext\nuk/whisper.wav\tuk\tдзвінок\n",
    )
    .unwrap();
}

fn write_tone(path: &Path, hertz: f64, seconds: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for at in 0..(seconds * 8000.0) as u32 {
        let angle = std::f64::consts::TAU * hertz * f64::from(at) / 8000.0;
        writer
            .write_sample((angle.sin() * 12_000.0) as i16)
            .unwrap();
    }
    writer.finalize().unwrap();
}

#[expect(clippy::disallowed_methods, reason = "these tests have real deadlines")]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits until something holds, and looks often.
pub fn wait(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = now() + within;
    while !holds() {
        assert!(now() < deadline, "{what} did not happen within {within:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
