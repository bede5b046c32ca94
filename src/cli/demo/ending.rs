//! The ending: three witnesses, the events, the recordings on the disk and `/metrics`, must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::recordings;
use super::tally::Tally;
use crate::time::Duration;
use crate::words::Outcome;

/// `/metrics` is awaited this long.
const METRICS: Duration = Duration::from_secs(5);

/// What the witnesses say.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The calls the carrier placed.
    pub(super) placed: u64,
    /// The events.
    pub(super) events: Tally,
    /// The WAV files, relative to the folder of recordings.
    pub(super) wavs: BTreeSet<String>,
    /// The manifests beside them.
    pub(super) manifests: BTreeSet<String>,
    /// The samples of `/metrics` that count.
    pub(super) metrics: BTreeMap<String, u64>,
}

impl Evidence {
    /// Hears every witness.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(super) async fn gather(
        placed: u64,
        events: &Path,
        folder: &Path,
        http: SocketAddr,
    ) -> Result<Self> {
        let lines = fs::read_to_string(events)
            .with_context(|| format!("cannot read {}", events.display()))?;
        let files = recordings::files(folder)?;
        let page = tokio::time::timeout(METRICS, get(http, "/metrics"));
        let page = page.await.context("/metrics does not answer")??;
        Ok(Self {
            placed,
            events: Tally::of(&lines),
            wavs: recordings::ending(&files, ".wav"),
            manifests: recordings::ending(&files, ".json"),
            metrics: samples(&page),
        })
    }

    /// What does not agree, a sentence each.
    pub(super) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut equal = |what: &str, left: u64, right: u64| {
            if left != right {
                found.push(format!("{what}: {left} and {right}"));
            }
        };
        let events = &self.events;
        let sum = Outcome::ALL.map(|outcome| events.outcome(outcome.as_str()));
        equal(
            "placed calls and offered calls",
            self.placed,
            events.offered,
        );
        equal(
            "offered calls and answered + missed + blocked + test",
            events.offered,
            sum.iter().sum(),
        );
        equal(
            "call.ended in all and with a known outcome",
            events.ended.values().sum(),
            sum.iter().sum(),
        );
        let offered = self.metric("strowger_calls_offered_total");
        equal(
            "offered in the events and in /metrics",
            events.offered,
            offered,
        );
        for outcome in Outcome::ALL.map(Outcome::as_str) {
            let metric = self.metric(&format!("strowger_calls_total{{outcome=\"{outcome}\"}}"));
            let what = format!("{outcome} in the events and in /metrics");
            equal(&what, events.outcome(outcome), metric);
        }
        equal(
            "recordings begun and finished",
            events.recordings_begun,
            events.recordings.len() as u64,
        );
        equal("recordings that failed", events.recordings_failed, 0);
        equal("gaps in the sequence of events", events.gaps, 0);
        let told: BTreeSet<_> = events
            .recordings
            .keys()
            .map(|file| file.strip_suffix(".wav").unwrap_or(file).to_owned())
            .collect();
        for (what, there) in [("WAV files", &self.wavs), ("manifests", &self.manifests)] {
            if *there != told {
                found.push(format!(
                    "{what} on the disk and recording.finished: {} and {}, {} of them the same",
                    there.len(),
                    told.len(),
                    there.intersection(&told).count(),
                ));
            }
        }
        found
    }

    fn metric(&self, name: &str) -> u64 {
        self.metrics.get(name).copied().unwrap_or(0)
    }
}

/// A page of our own server, over a socket like anybody else's.
async fn get(server: SocketAddr, path: &str) -> Result<String> {
    let failed = || format!("cannot fetch http://{server}{path}");
    let mut stream = TcpStream::connect(server).await.with_context(failed)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .with_context(failed)?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .with_context(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(failed)?;
    let ok = head.split(' ').nth(1) == Some("200");
    anyhow::ensure!(ok, "{}: {}", failed(), head.lines().next().unwrap_or(head));
    Ok(body.to_owned())
}

/// The whole-number samples of a Prometheus page, by name and labels.
fn samples(page: &str) -> BTreeMap<String, u64> {
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreeing() -> Evidence {
        let lines = [
            r#"{"type":"call.started","sequence":"1","data":{"direction":"inbound"}}"#,
            r#"{"type":"recording.started","sequence":"2","data":{}}"#,
            r#"{"type":"call.ended","sequence":"3","data":{"direction":"inbound","outcome":"answered"}}"#,
            r#"{"type":"recording.finished","sequence":"4","data":{"file":"2026/11/21/A.wav"}}"#,
        ];
        let page = "# HELP x\nstrowger_calls_offered_total 1\n\
                    strowger_calls_total{outcome=\"answered\"} 1\nstrowger_setup_seconds_sum 0.25\n";
        let name = BTreeSet::from(["2026/11/21/A".to_owned()]);
        Evidence {
            placed: 1,
            events: Tally::of(&lines.join("\n")),
            wavs: name.clone(),
            manifests: name,
            metrics: samples(page),
        }
    }

    #[test]
    fn witnesses_that_agree_contradict_nothing() {
        assert_eq!(agreeing().contradictions(), Vec::<String>::new());
    }

    #[test]
    fn every_witness_is_heard() {
        type Lie = fn(&mut Evidence);
        let lies: [(&str, Lie); 5] = [
            ("placed", |all| all.placed = 2),
            ("offered in the events", |all| {
                all.metrics.insert("strowger_calls_offered_total".into(), 2);
            }),
            ("missed", |all| {
                let name = "strowger_calls_total{outcome=\"missed\"}";
                all.metrics.insert(name.into(), 1);
            }),
            ("WAV files", |all| all.wavs.clear()),
            ("manifests", |all| {
                all.manifests.insert("2026/11/21/B".into());
            }),
        ];
        for (word, lie) in lies {
            let mut evidence = agreeing();
            lie(&mut evidence);
            let found = evidence.contradictions();
            assert_eq!(found.len(), 1, "{word}: {found:?}");
            assert!(found[0].contains(word), "{found:?}");
        }
    }
}
