//! Events for the outside world, before the store gives them a place in the sequence.
//!
//! `data` is built here and nowhere else, so that a field has one name.

use serde_json::{Map, Value};

use crate::id::{CallId, EventId};
use crate::time::Wall;

/// One event. The store adds `sequence` when it commits; `source` and `specversion` are the same for
/// every event of a node.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Unique for ever, and the same at each delivery.
    pub id: EventId,
    /// `call.started`, `queue.joined` and so on.
    pub kind: &'static str,
    /// The call; none for `operator.state` and the like.
    pub subject: Option<CallId>,
    /// When it happened.
    pub time: Wall,
    /// The rest.
    pub data: Map<String, Value>,
}
