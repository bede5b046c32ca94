//! Finished recordings: what shows that they are whole, how long they are kept, who holds them, and how
//! they go. Nothing here writes sound; whoever records is in `server/media`.
//!
//! One thing at a time is done to the archive, so that nothing is deleted that is being held at this
//! moment. What is done is a link of the store's chain in the transaction that does it.

mod erase;
mod files;
mod forecast;
mod hold;
pub mod retention;
pub mod verify;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::store::{Store, chain};
use crate::engine::command::{Actor, Refused};
use crate::time::Wall;
use retention::Swept;

/// What is done to finished recordings. Copies share one archive.
#[derive(Clone)]
pub struct Archive {
    store: Store,
    recordings: Arc<Path>,
    stop_above: u8,
    clock: Clock,
    acting: Arc<Mutex<()>>,
}

/// Why something was not done.
#[derive(Debug)]
pub enum Undone {
    /// It makes no sense, or may not be.
    Refused(Refused),
    /// The disk or the store failed.
    Failed(anyhow::Error),
}

impl Undone {
    fn refused(status: u16, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Refused(Refused { status, why })
    }
}

impl<E: Into<anyhow::Error>> From<E> for Undone {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Archive {
    /// The archive of a data folder.
    #[must_use]
    pub fn new(store: Store, recordings: Arc<Path>, stop_above: u8, clock: Clock) -> Self {
        Self {
            store,
            recordings,
            stop_above,
            clock,
            acting: Arc::default(),
        }
    }

    fn act(&self) -> MutexGuard<'_, ()> {
        self.acting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Wall {
        self.clock.now().wall
    }

    /// Notes who wanted what, done or refused.
    fn journal(
        &self,
        actor: &Actor,
        action: &str,
        recording: Option<&str>,
        reason: Option<&str>,
        done: Result<Value, Undone>,
    ) -> Result<Value, Undone> {
        let mut deed = Map::new();
        deed.insert("actor".into(), json!(actor.name));
        deed.insert("role".into(), json!(actor.role));
        deed.insert("action".into(), json!(action));
        deed.insert("recording".into(), json!(recording));
        deed.insert("reason".into(), json!(reason));
        match &done {
            Ok(_) => deed.insert("result".into(), json!("done")),
            Err(Undone::Refused(refused)) => {
                deed.insert("status".into(), json!(refused.status));
                deed.insert("why".into(), json!(refused.why));
                deed.insert("result".into(), json!("refused"))
            }
            Err(Undone::Failed(_)) => deed.insert("result".into(), json!("failed")),
        };
        let subject = recording.and_then(|it| it.parse().ok());
        self.store.emit("audit.action", subject, deed);
        done
    }

    /// Sweeps because somebody asks for it.
    ///
    /// # Errors
    /// When the store or the recordings folder cannot be read.
    pub fn sweep_now(&self, actor: &Actor) -> Result<Value, Undone> {
        let swept = self.sweep(&actor.name, false);
        let done = swept.map(|swept| json!(swept)).map_err(Undone::Failed);
        self.journal(actor, "recording_sweep", None, None, done)
    }

    /// One sweep. `told` says that the alarm of a stopped sweep was raised already.
    ///
    /// # Errors
    /// When the store or the recordings folder cannot be read.
    pub fn sweep(&self, by: &str, told: bool) -> anyhow::Result<Swept> {
        let _alone = self.act();
        let (store, now) = (&self.store, self.now());
        retention::sweep(store, &self.recordings, self.stop_above, now, told, by)
    }

    /// Tells the root of the days that are over, once.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn close_day(&self) -> anyhow::Result<()> {
        let now = self.now();
        let today = midnight(now);
        let before = Wall::from_millis(today.as_millis().saturating_sub(1));
        let (yesterday, began) = (day_of(before), today.to_string());
        self.store.write(move |writing| {
            let Some(root) = chain::close_day(writing.rows(), &yesterday, &began)? else {
                return Ok(());
            };
            let mut data = Map::new();
            data.insert("day".into(), json!(root.day));
            data.insert("links".into(), json!(root.link));
            data.insert("hash".into(), json!(root.hash));
            writing.emit("recording.root", None, &data)
        })
    }

    /// What happened to a recording: every link about it, which is its certificate when it is gone.
    ///
    /// # Errors
    /// When there never was such a recording.
    pub fn certificate(&self, recording: &str) -> Result<Value, Undone> {
        let links = self.store.chain()?.of(recording)?;
        if links.is_empty() {
            return Err(Undone::refused(404, NONE_SUCH));
        }
        Ok(certificate(recording, &links))
    }
}

const NONE_SUCH: &str = "there is no such recording, or it has been deleted";

/// The links about a recording as a document.
#[must_use]
pub fn certificate(recording: &str, links: &[chain::Link]) -> Value {
    let links = links.iter().map(|link| {
        let mut fields = link.fields();
        fields.insert("hash".into(), json!(link.hash));
        Value::Object(fields)
    });
    json!({ "recording": recording, "links": links.collect::<Vec<_>>() })
}

/// The day in UTC as `2026-11-22`.
fn day_of(wall: Wall) -> String {
    let text = wall.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// When the day of this moment began, UTC.
fn midnight(wall: Wall) -> Wall {
    const DAY_MS: i64 = 86_400_000;
    let millis = wall.as_millis();
    Wall::from_millis(millis.saturating_sub(millis.rem_euclid(DAY_MS)))
}

#[cfg(test)]
mod tests;
