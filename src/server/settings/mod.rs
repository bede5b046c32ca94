//! The server's settings: where it listens, where it keeps its data, where events go.
//!
//! Not the dialplan: nothing here says what a number means. Everything has a default, and by default
//! only this machine can reach it.

mod check;
mod read;
mod recordings;
mod sinks;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use reqwest::Url;

pub use tokens::Token;

use super::media::Vault;
use super::outbox::Template;
use super::prompts::Engine;
use super::store::Sync;
use crate::dialplan::plan::Secret;
use crate::limits;
use crate::net::Net;
use crate::sip::flow::Transport;
use crate::time::Duration;

/// Everything the one who deploys decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names this machine in events.
    pub node: String,
    /// Database, recordings, prompt cache.
    pub data: PathBuf,
    /// The dialplan: a file or a folder.
    pub dialplans: PathBuf,
    /// Signalling.
    pub sip: Sip,
    /// Sound.
    pub media: Media,
    /// Where the API, `/metrics`, `/healthz` and `/readyz` are.
    pub http: SocketAddr,
    /// Who may use the API; none: whoever is on this machine.
    pub tokens: Vec<Token>,
    /// Where phrases come from, in order.
    pub tts: Vec<Engine>,
    /// Where events go.
    pub sinks: Vec<Sink>,
    /// How safe a commit is.
    pub sync: Sync,
    /// How long events are kept.
    pub keep: Keep,
    /// When recordings are deleted.
    pub retention: Retention,
    /// How recordings are written and opened.
    pub recordings: Arc<Vault>,
    /// How much is taken on.
    pub limits: Limits,
    /// How long live calls may go on after SIGTERM.
    pub drain: Duration,
    /// What is logged, and how.
    pub log: Log,
    /// The SIP messages kept for `strowger trace`.
    pub trace: Trace,
}

/// `trace`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    /// Whether messages are kept at all.
    pub write: bool,
    /// For how long.
    pub keep: Duration,
    /// How many bytes of them.
    pub size: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            write: true,
            keep: Duration::from_secs(24 * 3600),
            size: 1 << 30,
        }
    }
}

/// `sip`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sip {
    /// What softphones register at; the digest realm.
    pub domain: String,
    /// The listeners.
    pub listen: Vec<Listener>,
    /// The address peers see, where it is not the listening one.
    pub advertise: Option<IpAddr>,
    /// Peers there get the listening address instead.
    pub local_nets: Vec<Net>,
    /// The digest algorithms, in the order they are offered.
    pub digest: Vec<DigestWord>,
    /// What listeners of TLS show and outgoing connections trust.
    pub tls: Tls,
}

/// `sip.tls`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// What listeners show.
    pub shown: Option<CertificateFiles>,
    /// The authorities that carriers' servers are verified by; none: those this machine trusts.
    pub ca: Option<PathBuf>,
}

/// A certificate with its chain, and its key; PEM both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// `certificate`.
    pub certificate: PathBuf,
    /// `key`.
    pub key: PathBuf,
}

/// One SIP listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Datagrams or streams.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// A digest algorithm by its word in the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestWord {
    /// `md5`.
    Md5,
    /// `sha-256`.
    Sha256,
}

/// `media`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// The address RTP is received at.
    pub listen: IpAddr,
    /// The address peers see, where it is not the listening one.
    pub advertise: Option<IpAddr>,
    /// The ports.
    pub ports: RangeInclusive<u16>,
    /// Threads that forward.
    pub threads: usize,
    /// A bridged leg that is silent this long ends the call.
    pub rtp_timeout: Duration,
    /// Peers there get the listening address instead.
    pub local_nets: Vec<Net>,
}

/// One place events go.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its key.
    pub name: String,
    /// The types it wants; none wants all.
    pub types: Option<BTreeSet<String>>,
    /// How they get there.
    pub kind: SinkKind,
}

/// How events get to a sink.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// Lines of a file.
    Jsonl {
        /// The file.
        path: PathBuf,
    },
    /// Lines as Asterisk's queues log them.
    QueueLog {
        /// The file.
        path: PathBuf,
    },
    /// Lines as Asterisk records calls.
    CdrCsv {
        /// The file.
        path: PathBuf,
        /// By whose clock.
        zone: TimeZone,
    },
    /// POST requests with Standard Webhooks headers.
    Webhook {
        /// Where.
        url: Url,
        /// The signing secret; without one nothing is signed.
        secret: Option<Secret>,
        /// Private and loopback addresses may be reached.
        allow_private: bool,
        /// What the body looks like; none sends the event as it is.
        template: Option<Template>,
    },
    /// Messages to a stream of NATS.
    Nats {
        /// Where, the first that answers; no address says who we are.
        servers: Vec<Url>,
        /// Who we are, when the address said it.
        login: Option<Login>,
        /// A file that says who we are.
        credentials: Option<PathBuf>,
        /// The authority of the servers; none trusts those of the system.
        ca: Option<PathBuf>,
        /// What each subject begins with.
        subject: String,
        /// The stream to make when it is not there; none makes none.
        stream: Option<String>,
    },
    /// Rows of a database.
    Postgres {
        /// Where, and who we are there.
        database: Box<tokio_postgres::Config>,
        /// The authority of the server; none trusts those of the system.
        ca: Option<PathBuf>,
    },
}

/// Who we are at a server.
#[derive(Clone, Debug)]
pub enum Login {
    /// A name and a password.
    User(String, Secret),
    /// A token alone.
    Token(Secret),
}

impl SinkKind {
    /// The word of the settings that makes a sink one of these.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Jsonl { .. } => "jsonl",
            Self::QueueLog { .. } => "queue_log",
            Self::CdrCsv { .. } => "cdr_csv",
            Self::Webhook { .. } => "webhook",
            Self::Nats { .. } => "nats",
            Self::Postgres { .. } => "postgres",
        }
    }
}

/// `store.keep_events` and `store.max_events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Events that every sink has are kept this long.
    pub age: Duration,
    /// So many events at most, whoever still wants them.
    pub most: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(30 * 86_400),
            most: 5_000_000,
        }
    }
}

/// `retention`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// How often is swept.
    pub every: Duration,
    /// A sweep that would delete more of the stock, in per cent, stops and raises an alarm.
    pub stop_above: u8,
}

/// `limits`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Calls at once.
    pub calls: usize,
    /// New calls a second.
    pub calls_per_second: u32,
    /// Registered phones.
    pub registrations: usize,
    /// What is taken from addresses nobody knows.
    pub strangers: Strangers,
    /// The longest call.
    pub call_length: Duration,
    /// TCP and TLS connections.
    pub connections: Connections,
}

/// `limits.connections`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connections {
    /// In all.
    pub all: usize,
    /// From one address.
    pub per_address: usize,
}

/// `limits.strangers`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Strangers {
    /// Requests a second and address.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
    /// Networks that are told to come later where others meet silence.
    pub trusted: Vec<Net>,
}

/// `log`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log {
    /// The least that is logged.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
    /// Phone numbers in full; masked by default.
    pub full_numbers: bool,
}

/// The words of `log.level`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// `error`.
    Error,
    /// `warn`.
    Warn,
    /// `info`.
    Info,
    /// `debug`.
    Debug,
}

/// The words of `log.format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: "strowger".to_owned(),
            data: PathBuf::from("data"),
            dialplans: PathBuf::from("dialplans"),
            sip: Sip::default(),
            media: Media::default(),
            http: SocketAddr::new(LOOPBACK, 8080),
            tokens: Vec::new(),
            tts: default_voices(),
            sinks: Vec::new(),
            sync: Sync::Normal,
            keep: Keep::default(),
            retention: Retention {
                every: Duration::from_secs(3600),
                stop_above: 20,
            },
            recordings: Arc::default(),
            limits: Limits::default(),
            drain: limits::DRAIN,
            log: Log {
                level: LogLevel::Info,
                format: LogFormat::Text,
                full_numbers: false,
            },
            trace: Trace::default(),
        }
    }
}

impl Default for Sip {
    fn default() -> Self {
        let address = SocketAddr::new(LOOPBACK, 5060);
        Self {
            domain: "localhost".to_owned(),
            listen: vec![
                Listener {
                    transport: Transport::Udp,
                    address,
                },
                Listener {
                    transport: Transport::Tcp,
                    address,
                },
            ],
            advertise: None,
            local_nets: Vec::new(),
            digest: vec![DigestWord::Md5],
            tls: Tls::default(),
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            listen: LOOPBACK,
            advertise: None,
            ports: 20_000..=29_999,
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            rtp_timeout: Duration::from_secs(60),
            local_nets: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: limits::CALLS,
            calls_per_second: limits::CALLS_PER_SECOND,
            registrations: 5_000,
            strangers: Strangers {
                rate: 50,
                burst: 200,
                trusted: Vec::new(),
            },
            call_length: limits::CALL_LENGTH,
            connections: Connections {
                all: limits::TCP_CONNECTIONS,
                per_address: limits::TCP_CONNECTIONS_PER_ADDRESS,
            },
        }
    }
}

/// What people recorded first, where a folder of it is there, then the built-in voice where it was
/// built in.
fn default_voices() -> Vec<Engine> {
    let recorded = PathBuf::from("prompts");
    let mut voices = Vec::new();
    if recorded.is_dir() {
        voices.push(Engine::Recorded(recorded));
    }
    if cfg!(feature = "embedded-tts") {
        voices.push(Engine::Embedded);
    }
    voices
}
