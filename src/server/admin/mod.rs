//! The HTTP side: figures for Prometheus, whether the server lives and takes calls, and the API.
//!
//! It changes nothing by itself. What somebody wants is proved to come from one who may ask
//! ([`access`]), read strictly ([`asked`]) and given to the engine, which judges it and does it; what is
//! kept is read from the store.

mod access;
mod archive;
mod asked;
mod callbacks;
mod calls;
mod control;
mod events;
mod floor;
mod health;
mod leads;
mod listener;
mod local;
mod openapi;
mod pages;
mod problem;
mod recordings;
mod routes;
mod sinks;
mod words;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, spawn_blocking};

pub use health::{Health, Phase};
pub use local::socket_in;

use super::archive::Archive;
use super::commands::Commands;
use super::media::Vault;
use super::outbox::Sinks;
use super::settings::Token;
use super::store::Store;
use super::telemetry::Telemetry;
use crate::engine::command::{Actor, Command};
use crate::limits;
use crate::time::Duration;
use access::Access;
use listener::Bounded;
use problem::Problem;

/// Requests under way at the end have this long.
const GRACE: Duration = Duration::from_secs(1);

/// The running HTTP side.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    socket: PathBuf,
}

/// What the pages are made of.
pub struct Sources {
    /// Figures.
    pub telemetry: Telemetry,
    /// The pulse of the engine.
    pub health: Arc<Health>,
    /// The way to the engine.
    pub commands: Commands,
    /// What is kept.
    pub store: Store,
    /// What is done to finished recordings.
    pub archive: Archive,
    /// Where events go.
    pub sinks: Sinks,
    /// Where it is kept, and where the commands of this machine find the server.
    pub data: PathBuf,
    /// Where recordings are.
    pub recordings: Arc<Path>,
    /// What opens them.
    pub vault: Arc<Vault>,
    /// Who may use the API; none: whoever is on this machine.
    pub tokens: Vec<Token>,
}

#[derive(Clone)]
struct Desk {
    telemetry: Telemetry,
    health: Arc<Health>,
    api: Arc<Api>,
}

struct Api {
    commands: Commands,
    store: Store,
    archive: Archive,
    sinks: Sinks,
    recordings: Arc<Path>,
    vault: Arc<Vault>,
    access: Access,
    readers: Semaphore,
    downloads: Arc<Semaphore>,
}

impl Desk {
    fn new(sources: Sources) -> Self {
        let api = Api {
            commands: sources.commands,
            store: sources.store,
            archive: sources.archive,
            sinks: sources.sinks,
            recordings: sources.recordings,
            vault: sources.vault,
            access: Access::new(&sources.tokens),
            readers: Semaphore::new(limits::API_READERS),
            downloads: Arc::new(Semaphore::new(limits::DOWNLOADS)),
        };
        Self {
            telemetry: sources.telemetry,
            health: sources.health,
            api: Arc::new(api),
        }
    }

    fn commands(&self) -> &Commands {
        &self.api.commands
    }

    /// Gives the engine a command; what came of it, or why not.
    async fn give(&self, actor: Actor, command: Command) -> Result<Value, Problem> {
        Ok(self.api.commands.give(actor, command).await??)
    }

    /// Reads what is kept, on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending");
        let _place = self.api.readers.acquire().await.map_err(|_| busy())?;
        let store = self.api.store.clone();
        let read = spawn_blocking(move || read(&store)).await;
        read.map_err(|_| busy())?
            .map_err(|error| Problem::unread(&error))
    }
}

impl Admin {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the port is taken, or when anybody could reach an API that is open to everybody.
    pub async fn start(listen: SocketAddr, sources: Sources) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen at {listen}; stop what listens there or set `http.listen`")
        })?;
        Self::start_on(listener, sources)
    }

    /// Answers from now on where somebody listens already.
    ///
    /// # Errors
    /// When anybody could reach an API that is open to everybody.
    pub fn start_on(listener: TcpListener, sources: Sources) -> anyhow::Result<Self> {
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        ensure!(
            address.ip().is_loopback() || !sources.tokens.is_empty(),
            "{address} can be reached from outside, and without tokens the API is open to whoever \
             reaches it; add `tokens` to `http`, or listen at 127.0.0.1"
        );
        let listener = Bounded::new(listener, limits::HTTP_CONNECTIONS, limits::HTTP_REQUEST);
        let (stop, stopped) = watch::channel(false);
        let socket = socket_in(&sources.data);
        let app = router(Desk::new(sources));
        let mut tasks = vec![tokio::spawn(serve(listener, app.clone(), stopped.clone()))];
        match local::listen(&socket) {
            Ok(listener) => {
                let places = limits::LOCAL_CONNECTIONS;
                let listener = Bounded::new(listener, places, limits::LOCAL_REQUEST);
                tasks.push(tokio::spawn(serve(listener, local::door(app), stopped)));
            }
            Err(error) => {
                let socket = socket.display();
                tracing::warn!(%error, "cannot listen at {socket}; commands on this machine will not find the server");
            }
        }
        Ok(Self {
            address,
            stop,
            tasks,
            socket,
        })
    }

    /// Where it listens; with port 0 in the settings this is the one it got.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and ends. A client that keeps its connection open is not waited for.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let until = tokio::time::Instant::now() + GRACE;
        for mut task in self.tasks {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                task.abort();
            }
        }
        local::forget(&self.socket);
    }
}

async fn serve<L>(listener: Bounded<L>, app: Router, mut stopped: watch::Receiver<bool>)
where
    L: Listener<Io: Unpin>,
    L::Addr: std::fmt::Debug,
{
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            // A dropped sender asks for the same.
            let _dropped = stopped.wait_for(|&stop| stop).await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP side ended");
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(routes::router())
        .fallback(no_such_page)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY))
        .layer(from_fn_with_state(desk.clone(), access::guard))
        .with_state(desk)
}

async fn metrics(State(desk): State<Desk>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], desk.telemetry.render()).into_response()
}

async fn healthz(State(desk): State<Desk>) -> Response {
    if desk.health.is_alive() {
        return "ok\n".into_response();
    }
    let why = "the engine has stopped answering";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn readyz(State(desk): State<Desk>) -> Response {
    let why = match desk.health.phase() {
        Phase::Ready if desk.health.is_alive() => return "ready\n".into_response(),
        Phase::Ready => "the engine has stopped answering",
        Phase::Starting => "the server is starting",
        Phase::Draining => "the server takes no new calls; it ends when the last call has ended",
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn no_such_page() -> Problem {
    let what = "there is no such page; /openapi.json lists those of the API, and beside it there are \
                /metrics, /healthz and /readyz";
    Problem::new(StatusCode::NOT_FOUND, what)
}

async fn wrong_method() -> Problem {
    let what = "this page has other methods; `Allow` lists them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, what)
}
