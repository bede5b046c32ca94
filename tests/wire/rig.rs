//! The server as a process, with settings, a plan and tone prompts in a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::authority::Files;
use crate::hook::Hook;
use crate::sound;

/// What the operator hears before the bridge, in Hz; nothing else sounds like it.
pub const WHISPER: f64 = 1000.0;
/// What waiting callers hear.
pub const MUSIC: f64 = 300.0;
/// What callers say.
pub const CALLER: f64 = 440.0;

/// A running server.
pub struct Rig {
    pub folder: tempfile::TempDir,
    pub sip: SocketAddr,
    pub tcp: SocketAddr,
    /// Where TLS is listened for, if it is.
    pub tls: SocketAddr,
    pub http: SocketAddr,
    pub carrier: SocketAddr,
    child: Child,
    log: Receiver<String>,
}

impl Rig {
    /// Starts a server with a trunk at a free port, two operators and one queue.
    pub fn start(hook: &Hook) -> Self {
        let carrier = free_port();
        Self::with_plan(hook, carrier, &plan_text(carrier))
    }

    /// Starts a server with a plan of the test's own.
    pub fn with_plan(hook: &Hook, carrier: SocketAddr, text: &str) -> Self {
        Self::with_settings(hook, carrier, text, |settings| settings)
    }

    /// Starts a server that listens for TLS too, with a certificate of `files`.
    pub fn with_tls(hook: &Hook, files: &Files) -> Self {
        let carrier = free_port();
        Self::with_settings(hook, carrier, &plan_text(carrier), |it| {
            with_tls(&it, files)
        })
    }

    /// Starts a server with settings that differ from the usual ones.
    pub fn with_settings(
        hook: &Hook,
        carrier: SocketAddr,
        text: &str,
        differ: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_prompts(&folder.path().join("prompts"));
        let plan = folder.path().join("plan.yaml");
        fs::write(&plan, text).unwrap();
        let config = folder.path().join("strowger.yaml");
        let settings = differ(settings_text(folder.path(), hook.address));
        let tls = settings.contains("tls://");
        fs::write(&config, settings).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_strowger"))
            .args(["serve", "--config"])
            .arg(&config)
            .arg("--dialplans")
            .arg(&plan)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("server: {line}");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut rig = Self {
            folder,
            sip: carrier,
            tcp: carrier,
            tls: carrier,
            http: carrier,
            carrier,
            child,
            log,
        };
        rig.sip = rig.logged("udp://");
        rig.tcp = rig.logged("tcp://");
        if tls {
            rig.tls = rig.logged("tls://");
        }
        rig.http = rig.logged("metrics at http://");
        rig
    }

    /// Waits for the log line with `mark` and reads the address behind it.
    fn logged(&self, mark: &str) -> SocketAddr {
        loop {
            let line = self
                .log
                .recv_timeout(Duration::from_secs(60))
                .expect("the server did not come up");
            if let Some((_, rest)) = line.split_once(mark) {
                let end = rest.find(['/', ' ', '\u{1b}']).unwrap_or(rest.len());
                return rest[..end].parse().unwrap();
            }
        }
    }

    /// A page of the HTTP side.
    pub fn get(&self, path: &str) -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.http).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// One value of `/metrics`.
    pub fn metric(&self, series: &str) -> f64 {
        let page = self.get("/metrics");
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {page}"))
            .parse()
            .unwrap()
    }

    /// The recordings, as WAV files.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("data/recordings")];
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

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.child.wait().unwrap().code()
    }

    /// Stops the server while it drains; its exit code.
    pub fn stop_at_once(&mut self) -> Option<i32> {
        self.terminate();
        while !self.get("/readyz").starts_with("HTTP/1.1 503") {
            std::thread::yield_now();
        }
        self.terminate();
        self.child.wait().unwrap().code()
    }

    fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let _sent = Command::new("kill").args([signal, &pid]).status();
    }

    /// Ends the server without a warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Runs another command of the program on the server's data.
    pub fn command(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_strowger"))
            .args(words)
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .output()
            .unwrap()
    }

    /// Waits for a line of the log.
    pub fn wait_for_log(&self, mark: &str) {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("the log does not say {mark}"));
            if line.contains(mark) {
                return;
            }
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

fn write_prompts(folder: &Path) {
    fs::create_dir_all(folder.join("uk")).unwrap();
    fs::create_dir_all(folder.join("music")).unwrap();
    sound::write_tone(&folder.join("uk/whisper.wav"), WHISPER, 0.8);
    sound::write_tone(&folder.join("music/calm.wav"), MUSIC, 5.0);
    fs::write(
        folder.join("manifest.tsv"),
        "file\tlanguage\ttext\nuk/whisper.wav\tuk\tДзвінок з Одеси, імплантація\n",
    )
    .unwrap();
}

/// Settings that have a TLS listener too.
pub fn with_tls(settings: &str, files: &Files) -> String {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    settings.replace(
        "\"tcp://127.0.0.1:0\"]",
        &format!(
            "\"tcp://127.0.0.1:0\", \"tls://127.0.0.1:0\"]\n  tls: {{ certificate: {certificate}, key: {key} }}"
        ),
    )
}

fn settings_text(folder: &Path, hook: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "version: 1
node: wire
data: {folder}/data
sip:
  domain: strowger.test
  listen: [\"udp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]
media: {{ ports: 22000-24999 }}
http: {{ listen: \"127.0.0.1:0\" }}
tts: [{{ recorded: {folder}/prompts }}]
sinks:
  crm: {{ webhook: \"http://{hook}/\", secret: whsec_c2VjcmV0c2VjcmV0c2VjcmV0, allow_private: true }}
"
    )
}

pub fn plan_text(carrier: SocketAddr) -> String {
    format!(
        "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: {{ city: Одеса, from: з Одеси }}
trunks:
  carrier: {{ peers: [\"{carrier}\"], media: [127.0.0.0/8] }}
numbers:
  \"0800 301 231\": {{ site: odesa, campaign: імплантація, to: queue.odesa }}
operators:
  olena: {{ name: Олена, password: secret-olena }}
  serhii: {{ name: Сергій, password: secret-serhii }}
queues:
  odesa: {{ operators: {{ all: true }}, ring: 10s, wrap_up: 0s, max_wait: 60s }}
whisper:
  uk: \"Дзвінок {{from}}, {{campaign}}\"
recording: {{ keep: 90d }}
"
    )
}
