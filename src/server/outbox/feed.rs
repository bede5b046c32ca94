//! A sink's view of the committed events: pages after a place, without those it does not want.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::limits;
use crate::server::store::{EventReader, Store, StoredEvent};

/// Reads for one sink. The database is read on a thread of its own, never on the runtime's.
pub(super) struct Feed {
    name: Arc<str>,
    types: Option<BTreeSet<String>>,
    reader: Option<EventReader>,
    /// The highest committed place, and word of each new one.
    pub(super) committed: watch::Receiver<u64>,
}

/// One page.
pub(super) struct Page {
    /// The events the sink wants, in order.
    pub(super) wanted: Vec<StoredEvent>,
    /// Everything up to here was looked at.
    pub(super) looked_at: u64,
}

impl Feed {
    /// Opens a reader; says where the sink stands.
    pub(super) async fn open(
        store: &Store,
        name: Arc<str>,
        types: Option<BTreeSet<String>>,
    ) -> anyhow::Result<(Self, u64)> {
        let (store_again, sink) = (store.clone(), Arc::clone(&name));
        let (reader, cursor) = spawn_blocking(move || {
            let reader = store_again.reader()?;
            let cursor = reader.cursor(&sink)?;
            anyhow::Ok((reader, cursor))
        })
        .await
        .context("the reading thread ended")??;
        let feed = Self {
            name,
            types,
            reader: Some(reader),
            committed: store.committed(),
        };
        Ok((feed, cursor))
    }

    /// Whether something was committed after `seq`.
    pub(super) fn has_more(&self, seq: u64) -> bool {
        *self.committed.borrow() > seq
    }

    /// The next page after `seq`.
    pub(super) async fn page(&mut self, seq: u64, room: usize) -> anyhow::Result<Page> {
        let reader = self.reader.take().context("the reader is gone")?;
        let limit = room.min(limits::SINK_PAGE);
        let (reader, events) = spawn_blocking(move || {
            let events = reader.after(seq, limit);
            (reader, events)
        })
        .await
        .context("the reading thread ended")?;
        self.reader = Some(reader);
        let mut events = events?;
        let looked_at = events.last().map_or(seq, |event| event.seq);
        events.retain(|event| self.wants(event));
        Ok(Page {
            wanted: events,
            looked_at,
        })
    }

    /// A sink hears nothing of its own troubles: it would be told them by the trouble.
    fn wants(&self, event: &StoredEvent) -> bool {
        let named = self
            .types
            .as_ref()
            .is_none_or(|types| types.contains(&event.kind));
        named && !(event.kind.starts_with("sink.") && self.is_about_itself(event))
    }

    fn is_about_itself(&self, event: &StoredEvent) -> bool {
        serde_json::from_str::<serde_json::Value>(&event.json).is_ok_and(|document| {
            document
                .pointer("/data/sink")
                .and_then(|sink| sink.as_str())
                == Some(&self.name)
        })
    }
}
