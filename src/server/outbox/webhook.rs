//! One delivery by HTTP: a CloudEvent in structured mode under Standard Webhooks headers.
//!
//! It follows no redirect, uses no proxy, reads a bounded answer in a bounded time, and connects to
//! public addresses only unless it is told otherwise: the addresses a name resolves to are filtered
//! where they are about to be connected to, so a name that changes its mind gains nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::address::is_public;
use super::signature::Key;
use super::template::Template;
use crate::limits;
use crate::server::clock::Clock;
use crate::server::store::StoredEvent;
use crate::time::Duration;

/// Where events go by HTTP.
#[derive(Clone)]
pub(super) struct Webhook {
    client: Client,
    url: Url,
    key: Option<Key>,
    clock: Clock,
    template: Option<Template>,
}

impl Webhook {
    /// Prepares the client.
    ///
    /// # Errors
    /// When the address is private and not allowed, or when the system has no root certificates.
    pub(super) fn new(
        url: &Url,
        key: Option<Key>,
        allow_private: bool,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        if !allow_private && super::is_plainly_private(url) {
            bail!("its address is private; set `allow_private: true` if that is meant");
        }
        crate::server::provide_tls();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(limits::SINK_TIMEOUT)
            .user_agent(concat!("strowger/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver { allow_private }));
        if url.scheme() == "http" {
            // No certificate is ever looked at, so a system without any is no obstacle.
            builder = builder.tls_certs_only(std::iter::empty());
        }
        let client = builder.build().context(
            "cannot prepare HTTPS; install the system's root certificates (ca-certificates)",
        )?;
        Ok(Self {
            client,
            url: url.clone(),
            key,
            clock,
            template: None,
        })
    }

    /// The same with bodies by a template.
    pub(super) fn with(self, template: Option<Template>) -> Self {
        Self { template, ..self }
    }

    /// Delivers once. Any 2xx acknowledges; whatever else happened is told in a few words.
    pub(super) async fn deliver(&self, event: &StoredEvent) -> Result<(), Refusal> {
        let timestamp = self.clock.now().wall.as_secs();
        let (kind, body) = match &self.template {
            None => (
                "application/cloudevents+json; charset=utf-8",
                event.json.clone(),
            ),
            Some(template) => ("application/json", template.body(&event.json)),
        };
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", kind)
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp);
        if let Some(key) = &self.key {
            let signature = key.sign(&event.id, timestamp, &body);
            request = request.header("webhook-signature", signature);
        }
        let response = request.body(body).send().await;
        let response = response.map_err(|error| Refusal::Sink(in_words(&error)))?;
        let status = response.status();
        let after = self.asks_to_wait(&response);
        read_out(response).await;
        if status.is_success() {
            return Ok(());
        }
        let why = format!("it answered {}", status.as_u16());
        Err(match after {
            Some(wait) => Refusal::Busy { why, wait },
            None if WRONG.contains(&status) => Refusal::Event(why),
            None => Refusal::Sink(why),
        })
    }

    /// How long a sink that is busy wants to be left alone (RFC 9110 10.2.3), to a bound.
    fn asks_to_wait(&self, response: &Response) -> Option<Duration> {
        let busy = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        let header = response.headers().get(RETRY_AFTER)?;
        let said = header.to_str().ok()?.trim();
        let seconds = said.parse::<i64>().ok().or_else(|| {
            let date = jiff::fmt::rfc2822::parse(said).ok()?;
            Some(date.timestamp().as_second() - self.clock.now().wall.as_secs())
        })?;
        let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        busy.contains(&response.status())
            .then(|| wait.min(limits::SINK_RETRY_AFTER))
    }
}

/// Why an event was not taken, in a few words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// For now nothing is taken.
    Busy {
        /// Why.
        why: String,
        /// Nothing shall come before this is over.
        wait: Duration,
    },
    /// It is the event's fault.
    Event(String),
    /// It is the sink's, or nobody's.
    Sink(String),
}

/// What a server answers when it has understood the request and what is in it is wrong (RFC 9110
/// 15.5). Who is not let in, or finds nobody there, is told of the way and not of the event.
const WRONG: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::CONFLICT,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// Reads the answer so that the connection can be used again, to a bound and no further.
async fn read_out(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > limits::SINK_ANSWER_BYTES {
            return;
        }
    }
}

/// What went wrong, without the address and its secrets.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", limits::SINK_TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The address, where the URL names one in place of a host.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
        .parse()
        .ok()
}

struct Resolver {
    allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| allow_private || is_public(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::other(
                    "the host has no public address, and `allow_private` is not set",
                )
                .into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
