//! PJSIP as an operator's softphone, led by lines of text: `phone.py` says what happens to it and does
//! what it is asked.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::hook::{deadline, now};
use crate::sound;

/// A running phone.
pub struct Phone {
    user: String,
    folder: PathBuf,
    child: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    heard: Vec<String>,
}

/// How a phone reaches us.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The listener.
    pub server: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'a str,
    /// `off`, `optional` or `required`.
    pub srtp: &'a str,
    /// Whom it trusts to know the server.
    pub authority: &'a Path,
}

const SOON: Duration = Duration::from_secs(30);

impl Phone {
    /// Starts a phone at an address of its own, which says a tone when it talks; waits until it is
    /// registered.
    pub fn start(folder: &Path, user: &str, hertz: f64, line: Line<'_>) -> Self {
        let folder = folder.join(format!("pjsua-{user}"));
        fs::create_dir_all(&folder).unwrap();
        let says = folder.join("says.wav");
        sound::write_tone(&says, hertz, 60.0);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = root.join("target/pjsua2/bin/python3");
        let python = if own.exists() { own } else { "python3".into() };
        let Line {
            server,
            transport,
            srtp,
            authority,
        } = line;
        let mut child = Command::new(python)
            .arg(root.join("tests/wire/pjsua/phone.py"))
            .args([
                user,
                &format!("sip:{server};transport={transport}"),
                "127.0.0.1",
            ])
            .arg(authority)
            .arg(srtp)
            .arg(says)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .expect("python3 is missing: run ./test, or install it with pjsua2-python from PyPI");
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut phone = Self {
            user: user.to_owned(),
            folder,
            orders: child.stdin.take().unwrap(),
            child,
            lines,
            heard: Vec::new(),
        };
        phone.wait("registered 200");
        phone
    }

    /// Asks it to do something.
    pub fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// Lets it talk or listen for some milliseconds of its own clock.
    pub fn rest(&mut self, millis: u32) {
        self.order(&format!("rest {millis}"));
        self.wait("rested");
    }

    /// Waits for a line that begins so; what was heard up to it is not looked at again.
    pub fn wait(&mut self, beginning: &str) -> String {
        let until = deadline(SOON);
        loop {
            let left = until.saturating_duration_since(now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.starts_with(beginning) {
                        return line;
                    }
                }
                Err(_) => panic!("no `{beginning}` of {}", self.story()),
            }
        }
    }

    /// What happened to it so far, for whoever looks for the reason of a failure.
    pub fn story(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let (user, heard) = (&self.user, &self.heard);
        format!("{user}: {heard:#?}\n{}\n{}", read("stderr"), read("log"))
    }

    /// Ends it; what it heard in a call.
    pub fn heard(mut self, call: u32) -> Vec<f64> {
        self.order("quit");
        self.wait("quits");
        let _ended = self.child.wait();
        let file = self.folder.join(format!("heard-{call}.wav"));
        assert!(file.exists(), "no sound of {}", self.story());
        sound::channels(&file).remove(0)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
