//! Delivery into PostgreSQL: a batch is one statement, and so one transaction.
//!
//! When the database refuses what is in a batch (and not us, nor the moment) its events are tried one by
//! one, so that the one to blame fails alone. A connection that failed is given up with its error and
//! made anew at the next try, so that an outage has one clock (the lanes') and one reason.

mod rows;
mod tables;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::carrier::Answer;
use super::lanes::{Batch, lane_of};
use super::secure;
use crate::limits;
use crate::server::store::StoredEvent;

/// Where events go in PostgreSQL.
#[derive(Clone)]
pub(super) struct Postgres(Arc<Shared>);

struct Shared {
    config: Config,
    /// None where the connection is not encrypted, or cannot be and need not.
    tls: Option<MakeRustlsConnect>,
    link: Mutex<Option<Link>>,
}

/// A connection, and the task that reads and writes it.
struct Link {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a statement failed.
enum Refusal {
    /// What is in it is at fault.
    Content(String),
    /// We are, the database is, or the way between.
    Way(String),
}

impl Postgres {
    /// Prepares the way; nothing is connected yet. `key` is where the settings name the authority.
    ///
    /// # Errors
    /// When the connection must be encrypted and we have nobody to trust.
    pub(super) fn new(config: &Config, ca: Option<&Path>, key: &str) -> Result<Self, String> {
        let mut config = config.clone();
        // Of several hosts the next is tried in time.
        config.connect_timeout(limits::SINK_TIMEOUT / 2);
        config.tcp_user_timeout(limits::SINK_TRANSACTION);
        if config.get_application_name().is_none() {
            config.application_name("strowger");
        }
        let tls = match (config.get_ssl_mode(), secure::client(ca, key)) {
            (SslMode::Disable, _) => None,
            (_, Ok(client)) => Some(MakeRustlsConnect::new(client)),
            (SslMode::Prefer, Err(_)) if ca.is_none() => None,
            (_, Err(sentence)) => return Err(sentence),
        };
        Ok(Self(Arc::new(Shared {
            config,
            tls,
            link: Mutex::default(),
        })))
    }

    /// Delivers once; an answer for each event, in their order.
    pub(super) async fn deliver(&self, batch: &Batch) -> Vec<Answer> {
        match self.write(batch).await {
            Ok(()) => batch.iter().map(|_| Answer::Taken).collect(),
            Err(Refusal::Content(_)) if batch.len() > 1 => self.one_by_one(batch).await,
            Err(Refusal::Content(why)) => {
                batch.iter().map(|_| Answer::Refused(why.clone())).collect()
            }
            Err(Refusal::Way(why)) => batch.iter().map(|_| Answer::Failed(why.clone())).collect(),
        }
    }

    /// What is refused blocks its lane, and what is behind it there is not tried.
    async fn one_by_one(&self, batch: &Batch) -> Vec<Answer> {
        let mut blocked = BTreeSet::new();
        let mut lost = None;
        let mut answers = Vec::with_capacity(batch.len());
        for event in batch {
            let lane = lane_of(event.subject.as_deref().unwrap_or(""));
            if blocked.contains(&lane) || lost.is_some() {
                answers.push(lost.clone().map_or(Answer::Untried, Answer::Failed));
                continue;
            }
            answers.push(match self.write(std::slice::from_ref(event)).await {
                Ok(()) => Answer::Taken,
                Err(Refusal::Content(why)) => {
                    blocked.insert(lane);
                    Answer::Refused(why)
                }
                Err(Refusal::Way(why)) => {
                    lost = Some(why.clone());
                    Answer::Failed(why)
                }
            });
        }
        answers
    }

    /// One statement, in a bounded time. A connection that failed is let go.
    async fn write(&self, events: &[Arc<StoredEvent>]) -> Result<(), Refusal> {
        let rows = rows::of(events).map_err(Refusal::Content)?;
        let mut held = self.0.link.lock().await;
        let link = match held.take().filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => self.0.connect().await.map_err(Refusal::Way)?,
        };
        let values: [(&(dyn ToSql + Sync), Type); 1] = [(&rows, Type::TEXT)];
        let written = link.client.execute_typed(tables::WRITE, &values);
        let refusal = match timeout(limits::SINK_TRANSACTION, written).await {
            Ok(Ok(_)) => {
                *held = Some(link);
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => {
                let seconds = limits::SINK_TRANSACTION.as_secs();
                return Err(Refusal::Way(format!("no answer within {seconds} s")));
            }
        };
        if is_of_content(&refusal) {
            *held = Some(link);
            return Err(Refusal::Content(in_words(&refusal)));
        }
        Err(Refusal::Way(in_words(&refusal)))
    }
}

impl Shared {
    /// A connection on which both tables are there.
    async fn connect(&self) -> Result<Link, String> {
        let seconds = limits::SINK_TRANSACTION.as_secs();
        let made = timeout(limits::SINK_TRANSACTION, self.dial()).await;
        let link = made.map_err(|_| format!("no connection within {seconds} s"))??;
        let prepared = timeout(limits::SINK_TRANSACTION, prepare(&link.client)).await;
        prepared
            .map_err(|_| "the tables cannot be looked at in time".to_owned())?
            .map_err(|error| in_words(&error))?;
        Ok(link)
    }

    /// `prefer` goes without encryption where it cannot be had, as libpq does.
    async fn dial(&self) -> Result<Link, String> {
        let Some(tls) = &self.tls else {
            return dial(&self.config, NoTls)
                .await
                .map_err(|error| in_words(&error));
        };
        let error = match dial(&self.config, tls.clone()).await {
            Ok(link) => return Ok(link),
            Err(error) => error,
        };
        if self.config.get_ssl_mode() == SslMode::Prefer && error.as_db_error().is_none() {
            let mut config = self.config.clone();
            config.ssl_mode(SslMode::Disable);
            if let Ok(link) = dial(&config, NoTls).await {
                return Ok(link);
            }
        }
        Err(in_words(&error))
    }
}

async fn dial<T>(config: &Config, tls: T) -> Result<Link, Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = config.connect(tls).await?;
    // Its error is told by the statement that it fails.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok(Link { client, task })
}

/// Bounds each statement at the server too, and makes the tables where they are missing.
async fn prepare(client: &Client) -> Result<(), Error> {
    let bound = limits::SINK_TRANSACTION.as_millis();
    client
        .batch_execute(&format!(
            "SET statement_timeout = {bound}; SET client_min_messages = warning"
        ))
        .await?;
    let there = client.query_typed_one(tables::ARE_THERE, &[]).await?;
    if there.try_get(0)? {
        return Ok(());
    }
    client.batch_execute(tables::MAKE).await
}

/// Whether the values are at fault: a data exception, a broken constraint, a value over a limit
/// (SQLSTATE classes 22, 23 and 54).
fn is_of_content(error: &Error) -> bool {
    error.code().is_some_and(|state| {
        ["22", "23", "54"]
            .iter()
            .any(|class| state.code().starts_with(class))
    })
}

/// What went wrong, with its cause and without who we are.
fn in_words(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = next.source();
    }
    words
}
