//! A NATS server of a test's own, with JetStream in a folder of its own, reached over
//! TLS with a password: killed, frozen, started again, and read.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use async_nats::jetstream::{self, stream::Stream};
use tokio::runtime::Runtime;

use crate::database::{certify, free_port, signal};
use crate::rig::{SOON, wait};

/// The server. Dropped, it is killed.
pub struct Broker {
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    runtime: Runtime,
}

/// A message of the stream.
pub struct Message {
    pub subject: String,
    pub id: String,
    pub event: serde_json::Value,
}

impl Broker {
    /// A new server that knows the user `pbx`.
    pub fn start() -> Self {
        let mut broker = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            child: None,
            runtime: Runtime::new().unwrap(),
        };
        certify(broker.folder.path());
        broker.spawn();
        broker
    }

    /// What the settings of a sink say.
    pub fn sink(&self) -> String {
        format!(
            "{{ nats: \"tls://pbx:s%40cret@localhost:{}\", subject: clinic.pbx, stream: CALLS, ca: {} }}",
            self.port,
            self.at("ca.pem").display()
        )
    }

    /// Starts it again, on the same folder.
    pub fn spawn(&mut self) {
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["--user", "pbx", "--pass", "s@cret", "--tls", "--tlscert"])
            .arg(self.at("server.pem"))
            .arg("--tlskey")
            .arg(self.at("server.key"))
            .arg("-sd")
            .arg(self.at("streams"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait("nats-server listens", SOON, || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// It stops answering, and its connections stay.
    pub fn freeze(&self) {
        signal(self.child.as_ref().expect("it runs"), "-STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        signal(self.child.as_ref().expect("it runs"), "-CONT");
    }

    /// Every message of the stream, in its order.
    pub fn messages(&self) -> Vec<Message> {
        self.runtime.block_on(async {
            let mut stream = self.stream().await;
            let state = stream.info().await.unwrap().state.clone();
            let mut messages = Vec::new();
            for sequence in state.first_sequence..=state.last_sequence {
                let message = stream.get_raw_message(sequence).await.unwrap();
                messages.push(Message {
                    subject: message.subject.to_string(),
                    id: message.headers.get("Nats-Msg-Id").unwrap().to_string(),
                    event: serde_json::from_slice(&message.payload).unwrap(),
                });
            }
            messages
        })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn stream(&self) -> Stream {
        let client = async_nats::ConnectOptions::new()
            .user_and_password("pbx".to_owned(), "s@cret".to_owned())
            .add_root_certificates(self.at("ca.pem"))
            .connect(format!("tls://localhost:{}", self.port))
            .await
            .unwrap();
        jetstream::new(client).get_stream("CALLS").await.unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
