//! What a sink's task tells the rest: its cursor, its backlog, its outages.

use std::sync::Arc;

use serde_json::{Map, json};

use super::Desk;
use crate::time::Duration;

impl Desk {
    /// The sink has everything up to `cursor`.
    pub(super) fn reached(&self, cursor: u64) {
        self.store.move_cursor(&self.name, cursor);
        self.backlog(cursor);
        self.progress.send_modify(|all| {
            all.insert(Arc::clone(&self.name), cursor);
        });
    }

    /// Shows how far the sink is behind.
    pub(super) fn backlog(&self, cursor: u64) {
        let behind = self.store.committed().borrow().saturating_sub(cursor);
        self.telemetry.outbox_backlog(&self.name, behind);
    }

    /// `sink.degraded`, once an outage.
    pub(super) fn degraded(&self, why: &str) {
        tracing::warn!(sink = %self.name, why, "a sink takes no events; they wait");
        let mut data = Map::new();
        data.insert("sink".into(), json!(&*self.name));
        data.insert("reason".into(), json!(why));
        self.store.emit("sink.degraded", None, data);
    }

    /// `sink.recovered`, when an outage that was told is over.
    pub(super) fn recovered(&self, lasted: Duration) {
        tracing::info!(sink = %self.name, seconds = lasted.as_secs(), "a sink takes events again");
        let mut data = Map::new();
        data.insert("sink".into(), json!(&*self.name));
        data.insert("outage_s".into(), json!(lasted.as_secs()));
        self.store.emit("sink.recovered", None, data);
    }
}
