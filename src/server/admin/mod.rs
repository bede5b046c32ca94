//! The HTTP side: numbers for Prometheus, and whether the server lives and takes calls.
//!
//! It reads the engine's pulse and the telemetry; it can change nothing.

mod health;
mod listener;
mod problem;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use health::{Health, Phase};

use super::telemetry::Telemetry;
use crate::limits;
use crate::time::Duration;
use listener::Bounded;
use problem::Problem;

/// Requests under way at the end have this long.
const GRACE: Duration = Duration::from_secs(1);

/// The running HTTP side.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    telemetry: Telemetry,
    health: Arc<Health>,
}

impl Admin {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(
        listen: SocketAddr,
        telemetry: Telemetry,
        health: Arc<Health>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen at {listen}; stop what listens there or set `http.listen`")
        })?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        let listener = Bounded::new(listener, limits::HTTP_CONNECTIONS, limits::HTTP_REQUEST);
        let (stop, stopped) = oneshot::channel();
        let app = router(telemetry, health);
        let task = tokio::spawn(async move {
            let served = axum::serve(listener, app)
                .with_graceful_shutdown(async {
                    // A dropped sender asks for the same.
                    let _dropped = stopped.await;
                })
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the HTTP side ended");
            }
        });
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// Where it listens; with port 0 in the settings this is the one it got.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and ends. A client that keeps its connection open is not waited for.
    pub async fn stop(self) {
        drop(self.stop);
        let mut task = self.task;
        if tokio::time::timeout(GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

fn router(telemetry: Telemetry, health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(no_such_page)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Desk { telemetry, health })
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
    let what = "there are /metrics, /healthz and /readyz";
    Problem::new(StatusCode::NOT_FOUND, what)
}

async fn wrong_method() -> Problem {
    let what = "this page is only read: use GET";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, what)
}
