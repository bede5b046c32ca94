//! What is promised of a data folder, compared with what is in it: every call has one end, every missed
//! one its callback, no event is missing, every recording is there.
//!
//! A reader. It mends nothing and takes no lock, and it works beside the server that writes: it reads one
//! moment of the database, and looks a second time before it calls a recording lost.

mod recordings;
mod rules;
pub mod watch;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Context as _;
use rusqlite::Connection;
use serde::Serialize;

use super::store::Kept;
use crate::limits;

/// A promise that is broken, and where.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Broken {
    /// The promise, by its short name.
    pub rule: &'static str,
    /// The call it is about, or another thing that has a name.
    pub subject: Option<String>,
    /// What is there instead.
    pub what: String,
}

/// What a data folder was found to be like.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Findings {
    /// The broken promises, as far as [`limits::BROKEN_PROMISES`] goes.
    pub broken: Vec<Broken>,
    /// How many more there are.
    pub more: usize,
    /// What was looked at.
    pub checked: Checked,
}

/// How much was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Checked {
    /// Events.
    pub events: u64,
    /// Calls that began.
    pub calls: u64,
    /// Callbacks.
    pub callbacks: u64,
    /// Recordings that are kept.
    pub recordings: u64,
}

impl Findings {
    /// Whether every promise holds.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.broken.is_empty()
    }

    /// How many promises are broken.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.broken.len().saturating_add(self.more)
    }

    fn tell(&mut self, broken: Broken) {
        if self.broken.len() < limits::BROKEN_PROMISES {
            self.broken.push(broken);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

/// Compares everything in a data folder; `progress` hears how many of the steps are done.
///
/// # Errors
/// One sentence that says what to do: it is no data folder, or it cannot be read.
pub fn check(folder: &Path, progress: impl Fn(usize, usize)) -> anyhow::Result<Findings> {
    let kept = Kept::open(folder)?;
    let db = kept.connection()?;
    let mut findings = Findings::default();
    read(&db, &mut findings, &progress).with_context(|| {
        format!(
            "cannot read {}; if the disk is whole, restore the folder from a backup",
            kept.database().display()
        )
    })?;
    recordings::check(&kept, &folder.join("recordings"), &mut findings)?;
    progress(rules::COUNT, rules::COUNT);
    findings.broken.sort();
    Ok(findings)
}

/// Everything that the database alone can say, at one moment of it.
fn read(
    db: &Connection,
    findings: &mut Findings,
    progress: &impl Fn(usize, usize),
) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN")?;
    let whole = rules::check_pages(db, findings)?;
    // What lies in torn pages says nothing of what was promised.
    if whole {
        rules::check(db, findings, progress)?;
    }
    db.execute_batch("COMMIT")
}
