//! One delivery by NATS: a message to a stream of JetStream, and the stream's own acknowledgement.
//!
//! The subject is the sink's prefix and the event's type, the body the whole document, and
//! `Nats-Msg-Id` the event's id, by which the stream knows one that comes again. A connection that
//! failed is given up with its error and made anew at the next try, so that an outage has one clock
//! (the lanes') and one reason.

use std::path::PathBuf;
use std::sync::Arc;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::{Client, ConnectOptions, HeaderMap, HeaderValue, ServerAddr};
use reqwest::Url;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::limits;
use crate::server::settings::Login;
use crate::server::store::StoredEvent;
use crate::time::Duration;

/// How soon a connection without answers is seen to be dead: after three of these.
const PING: Duration = Duration::from_secs(2);
/// How long a stream that we make keeps events.
const KEEP: Duration = Duration::from_secs(30 * 86_400);
/// How long a stream that we make knows an event that comes again.
const DUPLICATES: Duration = Duration::from_secs(600);
const CONTENT: &str = "application/cloudevents+json; charset=utf-8";

/// Where events go by NATS.
#[derive(Clone)]
pub(super) struct Nats(Arc<Shared>);

struct Shared {
    place: Place,
    link: Mutex<Option<Link>>,
}

/// What the settings say.
pub(super) struct Place {
    pub(super) servers: Vec<Url>,
    pub(super) login: Option<Login>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) subject: String,
    pub(super) stream: Option<String>,
}

/// A connection that was good when it was last looked at.
#[derive(Clone)]
struct Link {
    client: Client,
    jetstream: Context,
    number: u64,
}

impl Nats {
    /// Prepares the way; nothing is connected yet.
    pub(super) fn new(place: Place) -> Self {
        crate::server::provide_tls();
        Self(Arc::new(Shared {
            place,
            link: Mutex::default(),
        }))
    }

    /// Delivers once. The stream's acknowledgement alone is one; whatever else happened is told in a
    /// few words.
    pub(super) async fn deliver(&self, event: &StoredEvent) -> Result<(), String> {
        let seconds = limits::SINK_TIMEOUT.as_secs();
        let link = timeout(limits::SINK_TIMEOUT, self.link())
            .await
            .map_err(|_| format!("no connection within {seconds} s"))??;
        let subject = format!("{}.{}", self.0.place.subject, event.kind);
        match timeout(limits::SINK_TIMEOUT, publish(&link, &subject, event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                let kind = error.kind();
                if matches!(
                    kind,
                    PublishErrorKind::TimedOut
                        | PublishErrorKind::BrokenPipe
                        | PublishErrorKind::StreamNotFound
                ) {
                    self.give_up(&link).await;
                }
                if kind == PublishErrorKind::StreamNotFound {
                    return Err(format!(
                        "no stream takes {subject}; make one, or give the sink a `stream`"
                    ));
                }
                Err(error.to_string())
            }
            Err(_) => {
                self.give_up(&link).await;
                Err(format!("no acknowledgement within {seconds} s"))
            }
        }
    }

    /// The connection, made anew when there is none that is good.
    async fn link(&self) -> Result<Link, String> {
        let mut held = self.0.link.lock().await;
        if let Some(link) = held
            .as_ref()
            .filter(|link| link.client.connection_state() == State::Connected)
        {
            return Ok(link.clone());
        }
        let number = held.take().map_or(0, |link| link.number + 1);
        let link = self.0.place.connect(number).await?;
        *held = Some(link.clone());
        Ok(link)
    }

    /// Lets go of a connection, unless another has taken its place.
    async fn give_up(&self, failed: &Link) {
        let mut held = self.0.link.lock().await;
        if held
            .as_ref()
            .is_some_and(|link| link.number == failed.number)
        {
            *held = None;
        }
    }
}

async fn publish(link: &Link, subject: &str, event: &StoredEvent) -> Result<(), PublishError> {
    let id: HeaderValue = event
        .id
        .parse()
        .map_err(|error| PublishError::with_source(PublishErrorKind::Other, error))?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    headers.insert("Content-Type", CONTENT);
    let acknowledgement = link
        .jetstream
        .publish_with_headers(subject.to_owned(), headers, event.json.clone().into())
        .await?;
    acknowledgement.await.map(drop)
}

impl Place {
    async fn connect(&self, number: u64) -> Result<Link, String> {
        let mut options = ConnectOptions::new()
            .name("strowger")
            // Of several servers the next is tried in time.
            .connection_timeout(limits::SINK_TIMEOUT / 2)
            .ping_interval(PING)
            .max_reconnects(self.servers.len());
        options = match &self.login {
            Some(Login::User(user, password)) => {
                options.user_and_password(user.clone(), password.reveal().to_owned())
            }
            Some(Login::Token(token)) => options.token(token.reveal().to_owned()),
            None => options,
        };
        if let Some(path) = &self.credentials {
            let path = path.clone();
            options = options.credentials_file(&path).await.map_err(|error| {
                format!(
                    "the credentials of {} cannot be used ({error})",
                    path.display()
                )
            })?;
        }
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone());
        }
        let servers = self.servers.iter().cloned().map(ServerAddr::from_url);
        let servers: Vec<_> = servers
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let client = options
            .connect(servers)
            .await
            .map_err(|error| error.to_string())?;
        let mut jetstream = async_nats::jetstream::new(client.clone());
        jetstream.set_timeout(limits::SINK_TIMEOUT);
        if let Some(name) = &self.stream {
            let made = jetstream.get_or_create_stream(self.stream(name)).await;
            made.map_err(|error| {
                format!("the stream {name} is not there and cannot be made: {error}")
            })?;
        }
        Ok(Link {
            client,
            jetstream,
            number,
        })
    }

    /// The stream as it is made where there is none; what it keeps is changed by the tools of NATS.
    fn stream(&self, name: &str) -> Config {
        Config {
            name: name.to_owned(),
            subjects: vec![format!("{}.>", self.subject)],
            storage: StorageType::File,
            max_age: KEEP,
            duplicate_window: DUPLICATES,
            ..Config::default()
        }
    }
}
