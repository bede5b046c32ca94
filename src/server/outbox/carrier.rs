//! How a batch of events gets to a sink that answers: by HTTP, by NATS or into PostgreSQL.
//!
//! A carrier tries once, in a bounded time, and says for each event what became of it. When to send,
//! in which order, and when to try again is the business of the lanes.

use super::lanes::{Batch, Pace};
use super::nats::Nats;
use super::postgres::Postgres;
use super::webhook::{Refusal, Webhook};
use crate::limits;
use crate::server::store::StoredEvent;
use crate::time::Duration;

/// What became of one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The sink has it.
    Taken,
    /// The sink does not have it, in a few words.
    Failed(String),
    /// The sink says that the event itself is wrong.
    Refused(String),
    /// The sink is busy, and wants nothing before this is over.
    Later { why: String, wait: Duration },
    /// It was not tried, because one before it failed.
    Untried,
}

impl From<String> for Answer {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy { why, wait } => Self::Later { why, wait },
            Refusal::Event(why) => Self::Refused(why),
            Refusal::Sink(why) => Self::Failed(why),
        }
    }
}

/// The way to one sink.
#[derive(Clone)]
pub(super) enum Carrier {
    Webhook(Box<Webhook>),
    Nats(Nats),
    Postgres(Postgres),
}

impl Carrier {
    /// How much it takes at once.
    pub(super) const fn pace(&self) -> Pace {
        match self {
            Self::Webhook(_) | Self::Nats(_) => Pace {
                in_flight: limits::SINK_IN_FLIGHT,
                batch: 1,
            },
            // One transaction after another, on one connection.
            Self::Postgres(_) => Pace {
                in_flight: 1,
                batch: limits::SINK_BATCH,
            },
        }
    }

    /// Delivers once; an answer for each event, in their order.
    pub(super) async fn deliver(&self, batch: &Batch) -> Vec<Answer> {
        match self {
            Self::Webhook(webhook) => one_by_one(batch, |event| webhook.deliver(event)).await,
            Self::Nats(nats) => one_by_one(batch, |event| nats.deliver(event)).await,
            Self::Postgres(postgres) => postgres.deliver(batch).await,
        }
    }
}

async fn one_by_one<'b, F, E>(
    batch: &'b Batch,
    deliver: impl Fn(&'b StoredEvent) -> F,
) -> Vec<Answer>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Answer>,
{
    let mut answers = Vec::with_capacity(batch.len());
    for event in batch {
        answers.push(match deliver(event).await {
            Ok(()) => Answer::Taken,
            Err(why) => why.into(),
        });
    }
    answers
}
