//! What an event looks like as a line: as it is, or as other programs write theirs.

use std::io;

use super::master_csv::MasterCsv;
use super::queue_log::QueueLog;
use crate::server::store::StoredEvent;

/// The form of a file's lines.
pub(super) enum Form {
    /// Each event one JSON document.
    Jsonl,
    /// Asterisk's log of queues.
    QueueLog(QueueLog),
    /// Asterisk's records of calls.
    MasterCsv(MasterCsv),
}

impl Form {
    /// The line of an event, without its end; none when this form does not tell of it. The same event
    /// is the same line in each run.
    pub(super) fn line(&mut self, event: &StoredEvent) -> io::Result<Option<String>> {
        match self {
            Self::Jsonl => Ok(Some(event.json.clone())),
            Self::QueueLog(log) => log.line(event).map_err(io::Error::other),
            Self::MasterCsv(csv) => Ok(csv.line(event)),
        }
    }

    /// Whether a last line that lacks its end may be one all the same.
    pub(super) fn is_whole(&self, torn: &[u8]) -> bool {
        match self {
            Self::Jsonl => serde_json::from_slice::<serde::de::IgnoredAny>(torn).is_ok(),
            // Another program wrote it; ours are known by the line that follows.
            Self::QueueLog(_) | Self::MasterCsv(_) => true,
        }
    }
}
