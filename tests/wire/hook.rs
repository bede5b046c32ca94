//! A webhook receiver: takes CloudEvents, answers 204, and hands them to the test in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Events of one server, as a sink received them.
pub struct Hook {
    pub address: SocketAddr,
    events: Receiver<Value>,
    /// Everything heard so far.
    pub heard: Vec<Value>,
    open: Arc<Mutex<bool>>,
}

impl Hook {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = channel();
        let open = Arc::new(Mutex::new(true));
        let door = Arc::clone(&open);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, door) = (sender.clone(), Arc::clone(&door));
                std::thread::spawn(move || serve(stream, &sender, &door));
            }
        });
        Self {
            address,
            events,
            heard: Vec::new(),
            open,
        }
    }

    /// While closed every request gets 503 and nothing is taken.
    pub fn set_open(&self, open: bool) {
        *self.open.lock().unwrap() = open;
    }

    /// Waits until the events heard so far satisfy `enough`.
    pub fn wait(&mut self, what: &str, within: Duration, enough: impl Fn(&[Value]) -> bool) {
        let deadline = deadline(within);
        while !enough(&self.heard) {
            let left = deadline.saturating_duration_since(now());
            match self.events.recv_timeout(left) {
                Ok(event) => self.heard.push(event),
                Err(_) => panic!(
                    "{what} did not happen within {within:?}; heard: {:#?}",
                    self.heard
                        .iter()
                        .map(|event| event["type"].to_string())
                        .collect::<Vec<_>>()
                ),
            }
        }
    }

    /// Waits until so many events of a type were heard.
    pub fn wait_for(&mut self, kind: &str, count: usize, within: Duration) {
        let what = format!("{kind} × {count}");
        self.wait(&what, within, |heard| of(heard, kind).count() >= count);
    }

    /// The events of a type.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        of(&self.heard, kind)
    }
}

pub fn of<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == kind)
}

#[expect(clippy::disallowed_methods, reason = "wire tests have real deadlines")]
pub fn now() -> Instant {
    Instant::now()
}

pub fn deadline(within: Duration) -> Instant {
    now() + within
}

fn serve(stream: TcpStream, sender: &Sender<Value>, open: &Mutex<bool>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut signed = false;
        let mut lines = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            lines += 1;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            signed |= line.starts_with("webhook-signature: v1,");
            if line.is_empty() && lines > 1 {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let taken = signed && *open.lock().unwrap();
        let answer = if taken {
            sender.send(serde_json::from_slice(&body).unwrap()).ok();
            "HTTP/1.1 204 No Content\r\n\r\n"
        } else {
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
