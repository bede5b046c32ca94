//! Counts over the events: what the demo's three witnesses must agree on.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the events say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    /// Events in all.
    pub(super) events: u64,
    /// `call.started` of inbound calls.
    pub(super) offered: u64,
    /// `call.ended` by outcome.
    pub(super) ended: BTreeMap<String, u64>,
    /// `recording.started`.
    pub(super) recordings_begun: u64,
    /// `recording.finished`, by the recording's name.
    pub(super) recordings: BTreeMap<String, u64>,
    /// `recording.failed`.
    pub(super) recordings_failed: u64,
    /// Answered calls with a second of talk or more; in a shorter one there may be nothing to hear.
    pub(super) talks: u64,
    /// The number of the last event, and how often it did not follow the one before.
    last: u64,
    /// Places at which the sequence has a gap, or goes back.
    pub(super) gaps: u64,
}

impl Tally {
    /// Counts every line.
    pub(super) fn of(lines: &str) -> Self {
        let mut tally = Self::default();
        for event in lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
        {
            tally.take(&event);
        }
        tally
    }

    /// Counts one event.
    pub(super) fn take(&mut self, event: &Value) {
        self.events += 1;
        let sequence = event["sequence"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let sequence = sequence.unwrap_or(0);
        if self.last != 0 && sequence != self.last + 1 {
            self.gaps += 1;
        }
        self.last = sequence;
        let (kind, data) = (event["type"].as_str().unwrap_or_default(), &event["data"]);
        match kind {
            "call.started" if data["direction"] == "inbound" => self.offered += 1,
            "call.ended" if data["direction"] == "inbound" => {
                let outcome = data["outcome"].as_str().unwrap_or("none");
                *self.ended.entry(outcome.to_owned()).or_default() += 1;
                let talk = data["talk_s"].as_f64().unwrap_or(0.0);
                self.talks += u64::from(outcome == "answered" && talk >= 1.0);
            }
            "recording.started" => self.recordings_begun += 1,
            "recording.failed" if data["final"] == false => {}
            "recording.failed" => self.recordings_failed += 1,
            "recording.finished" => {
                let file = data["file"].as_str().unwrap_or_default();
                *self.recordings.entry(file.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Calls with this outcome.
    pub(super) fn outcome(&self, outcome: &str) -> u64 {
        self.ended.get(outcome).copied().unwrap_or(0)
    }

    /// Whether every call has ended and every recording is finished or failed.
    pub(super) fn complete(&self) -> bool {
        let finished = self.recordings.len() as u64 + self.recordings_failed;
        self.offered == self.ended.values().sum::<u64>() && self.recordings_begun == finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_gaps_seen() {
        let lines = [
            r#"{"type":"call.started","sequence":"0007","data":{"direction":"inbound"}}"#,
            r#"{"type":"recording.started","sequence":"0008","data":{}}"#,
            r#"{"type":"call.ended","sequence":"0010","data":{"direction":"inbound","outcome":"answered"}}"#,
        ];
        let mut tally = Tally::of(&lines.join("\n"));
        assert_eq!((tally.events, tally.offered, tally.gaps), (3, 1, 1));
        assert_eq!(tally.outcome("answered"), 1);
        assert!(!tally.complete(), "the recording is under way");
        let finished = r#"{"type":"recording.finished","sequence":"0011","data":{"file":"a.wav"}}"#;
        tally.take(&serde_json::from_str(finished).unwrap());
        assert!(tally.complete());
    }
}
