//! The last lines of the demo: the counts, whether all agree, and where to look and listen.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::ears::Ears;
use super::ending::Evidence;
use super::page::Page;
use crate::words::Outcome;

/// What is summed up.
pub(super) struct Summary<'a> {
    /// What the witnesses said.
    pub(super) evidence: &'a Evidence,
    /// Where they do not agree.
    pub(super) contradictions: &'a [String],
    /// What was heard.
    pub(super) ears: &'a Ears,
    /// Nobody ended it before its time.
    pub(super) by_itself: bool,
    /// The data folder.
    pub(super) data: &'a Path,
    /// The folder of recordings.
    pub(super) recordings: &'a Path,
    /// The file of events.
    pub(super) events: &'a Path,
    /// Where `/metrics` was.
    pub(super) http: SocketAddr,
}

impl Summary<'_> {
    /// For people.
    pub(super) fn show(&self, page: Page) {
        page.line("");
        if !self.by_itself {
            page.line("Ended before its time: the live calls were hung up.");
        }
        self.show_counts(page);
        page.line("");
        self.show_places(page);
    }

    fn show_counts(&self, page: Page) {
        let [answered, missed, blocked, test] = Outcome::ALL.map(|outcome| self.outcome(outcome));
        page.title(&format!(
            "{} calls = {answered} answered + {missed} missed + {blocked} blocked + {test} test",
            self.evidence.events.offered,
        ));
        page.line(format_args!(
            "{} recordings, {} events; {} whispers in operators' ears, music in {} callers'",
            self.evidence.wavs.len(),
            self.evidence.events.events,
            self.ears.whispers,
            self.ears.music,
        ));
        match self.ears.leaks() {
            0 => page.line("No caller heard any of a whisper."),
            leaks => page.line(format_args!("{leaks} callers heard some of a whisper!")),
        }
        if self.contradictions.is_empty() {
            page.line("Events, recordings and /metrics agree on every count.");
            return;
        }
        page.title("Events, recordings and /metrics do not agree:");
        for contradiction in self.contradictions {
            page.line(format_args!("  {contradiction}"));
        }
    }

    fn show_places(&self, page: Page) {
        page.line(format_args!("recordings  {}", self.recordings.display()));
        page.line(format_args!("events      {}", self.events.display()));
        if let Some(first) = self.evidence.wavs.first() {
            let file = self.recordings.join(format!("{first}.wav"));
            page.line(format_args!("to listen   play {}", file.display()));
            page.line(
                "            (any player: the caller is on the left, the operator on the right)",
            );
        }
        page.line(format_args!(
            "All of it stays in {} until you delete it.",
            self.data.display()
        ));
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "calls": self.evidence.events.offered,
            "answered": self.outcome(Outcome::Answered),
            "missed": self.outcome(Outcome::Missed),
            "blocked": self.outcome(Outcome::Blocked),
            "recordings": self.evidence.wavs.len(),
            "events": self.evidence.events.events,
            "recordings_dir": self.recordings,
            "events_file": self.events,
            "http": format!("http://{}", self.http),
        })
    }

    fn outcome(&self, outcome: Outcome) -> u64 {
        self.evidence.events.outcome(outcome.as_str())
    }
}
