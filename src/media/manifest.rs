//! What lies beside a recording: whose it is, what is in it, how long it is kept.
//!
//! A pure document. Its first version is written when the recording begins, with no end and no hash,
//! so that a crash leaves one that can be completed.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::command::{RecordPlan, Recorded, SegmentKind, Silence, SoundFormat};
use crate::id::CallId;
use crate::limits;
use crate::time::{Duration, Wall};

/// `<call-id>.json`. Unknown fields of later versions are not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The call.
    pub call_id: String,
    /// The bridge, RFC 3339.
    pub started_at: String,
    /// The end; none while it is being written.
    pub ended_at: Option<String>,
    /// The dialled number.
    pub to: String,
    /// The caller's number.
    pub from: Option<String>,
    /// The branch.
    pub site: Option<String>,
    /// The queue.
    pub queue: Option<String>,
    /// Who talked when.
    pub segments: Vec<Segment>,
    /// The recording, relative to the recordings folder.
    pub file: String,
    /// Its size.
    pub bytes: Option<u64>,
    /// Its length, continuations included.
    pub duration_ms: Option<u64>,
    /// Of the file as it lies on the disk, lower-case hex.
    pub sha256: Option<String>,
    /// How the sound is written.
    #[serde(default)]
    pub format: SoundFormat,
    /// The id of the master key that opens the files; none when they are in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Where the first file begins on the timeline: later than zero when the disk took nothing before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub file_started_ms: u64,
    /// Files that continue a very long one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub continued: Vec<Part>,
    /// When it may be deleted, RFC 3339; counted from the beginning until the end is known.
    pub keep_until: Option<String>,
    /// Why it must not be deleted, if somebody said so.
    pub hold: Option<String>,
}

/// A stretch of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Where it begins, from the start of the recording.
    pub started_ms: u64,
    /// Where it ends.
    pub ended_ms: Option<u64>,
    /// Who talks on the right channel; nobody in a message.
    pub operator: Option<String>,
    /// What it is.
    pub kind: SegmentKind,
    /// Why nothing is heard in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<Silence>,
}

/// A file that continues a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Relative to the recordings folder.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Where it begins on the timeline.
    #[serde(default)]
    pub started_ms: u64,
}

impl Manifest {
    /// The manifest of a recording that begins.
    #[must_use]
    pub fn begin(plan: &RecordPlan) -> Self {
        Self {
            call_id: plan.call.to_string(),
            started_at: plan.started_at.to_string(),
            ended_at: None,
            to: plan.to.clone(),
            from: plan.from.clone(),
            site: plan.site.clone(),
            queue: plan.queue.clone(),
            segments: vec![Segment {
                started_ms: 0,
                ended_ms: None,
                operator: plan.operator.as_ref().map(ToString::to_string),
                kind: plan.kind,
                silent: None,
            }],
            file: file_of(plan.call, plan.started_at, 1),
            bytes: None,
            duration_ms: None,
            sha256: None,
            format: SoundFormat::default(),
            key_id: None,
            file_started_ms: 0,
            continued: Vec::new(),
            keep_until: plan.keep.map(|keep| (plan.started_at + keep).to_string()),
            hold: None,
        }
    }

    /// Another stretch begins after this long, perhaps with another operator, perhaps in silence.
    pub fn pass_on(
        &mut self,
        after: Duration,
        operator: Option<&str>,
        kind: SegmentKind,
        silent: Option<Silence>,
    ) {
        self.pause(after);
        // Past the bound the last segment stands for the rest.
        if self.segments.len() < limits::RECORDING_SEGMENTS {
            self.segments.push(Segment {
                started_ms: millis(after),
                ended_ms: None,
                operator: operator.map(str::to_owned),
                kind,
                silent,
            });
        } else if let Some(segment) = self.segments.last_mut() {
            segment.ended_ms = None;
        }
    }

    /// The same talk goes on after this long, in silence or heard again. While nobody talks nothing is
    /// noted: the next stretch says it.
    pub fn silence(&mut self, after: Duration, silent: Option<Silence>) {
        let began = self.segments.last().map_or(0, |talk| talk.started_ms);
        let after = after.max(Duration::from_millis(began));
        let open = self.segments.last_mut().filter(|it| it.ended_ms.is_none());
        let Some(talk) = open.filter(|talk| talk.silent != silent) else {
            return;
        };
        if talk.started_ms == millis(after) {
            talk.silent = silent;
            return;
        }
        let (operator, kind) = (talk.operator.clone(), talk.kind);
        self.pass_on(after, operator.as_deref(), kind, silent);
    }

    /// The parties stop hearing each other after this long.
    pub fn pause(&mut self, after: Duration) {
        if let Some(segment) = self.segments.last_mut() {
            segment.ended_ms.get_or_insert(millis(after));
        }
    }

    /// Completes the manifest with the finished files, the first of them first.
    pub fn complete(&mut self, duration: Duration, parts: Vec<Part>) {
        let length = millis(duration);
        // After a crash the file may be shorter than what the manifest knew.
        for segment in &mut self.segments {
            segment.started_ms = segment.started_ms.min(length);
            segment.ended_ms = Some(segment.ended_ms.unwrap_or(length).min(length));
        }
        self.ended_at = later(&self.started_at, duration);
        self.keep_until = self
            .keep_until
            .as_deref()
            .map(|until| later(until, duration).unwrap_or_else(|| until.to_owned()));
        self.duration_ms = Some(length);
        let mut parts = parts.into_iter();
        if let Some(first) = parts.next() {
            self.file = first.file;
            self.bytes = Some(first.bytes);
            self.sha256 = Some(first.sha256);
            self.file_started_ms = first.started_ms;
        }
        self.continued = parts.collect();
    }

    /// Whether the recording had come to its end.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.ended_at.is_some()
    }

    /// What the engine hears of it.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        let continued: u64 = self.continued.iter().map(|part| part.bytes).sum();
        Recorded {
            file: self.file.clone(),
            bytes: self.bytes.unwrap_or(0).saturating_add(continued),
            duration: Duration::from_millis(self.duration_ms.unwrap_or(0)),
            sha256: self.sha256.clone().unwrap_or_default(),
            manifest_sha256: self.hash(),
        }
    }

    /// The manifest as it is written.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        // Texts, numbers and lists of them have no value that JSON cannot say.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// SHA-256 of the manifest as it is written, lower-case hex.
    #[must_use]
    pub fn hash(&self) -> String {
        let hash = Sha256::digest(self.document());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The path of a recording's part under the recordings folder, `YYYY/MM/DD/<call-id>.wav`, the day
/// in UTC; the second part is `<call-id>.2.wav`. Nothing in it comes from a caller.
#[must_use]
pub fn file_of(call: CallId, started_at: Wall, part: u32) -> String {
    let stem = format!("{}/{call}", folder_of(started_at));
    if part <= 1 {
        format!("{stem}.wav")
    } else {
        format!("{stem}.{part}.wav")
    }
}

/// The path of the manifest.
#[must_use]
pub fn manifest_of(call: CallId, started_at: Wall) -> String {
    format!("{}/{call}.json", folder_of(started_at))
}

fn folder_of(started_at: Wall) -> String {
    let stamp = jiff::Timestamp::from_millisecond(started_at.as_millis()).unwrap_or_default();
    let day = jiff::tz::Offset::UTC.to_datetime(stamp).date();
    format!("{:04}/{:02}/{:02}", day.year(), day.month(), day.day())
}

fn later(stamp: &str, duration: Duration) -> Option<String> {
    let stamp: jiff::Timestamp = stamp.parse().ok()?;
    Some((Wall::from_millis(stamp.as_millisecond()) + duration).to_string())
}

/// Serde hands it over by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(millis: &u64) -> bool {
    *millis == 0
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OperatorName, Ulid};
    use crate::rng::Rng;

    #[test]
    fn a_manifest_is_completed_from_its_beginning() {
        let started_at = Wall::from_millis(1_790_000_000_000);
        let call = CallId(Ulid::new(started_at, &mut Rng::new([1; 32])));
        let plan = RecordPlan {
            call,
            started_at,
            to: "+380800111222".into(),
            from: Some("../../etc/passwd".into()),
            site: Some("Одеса".into()),
            queue: Some("odesa".into()),
            operator: Some(OperatorName::from("olena")),
            kind: SegmentKind::Talk,
            keep: Some(Duration::from_secs(86_400)),
        };
        let mut manifest = Manifest::begin(&plan);
        assert!(!manifest.is_complete());
        assert_eq!(manifest.file, format!("2026/09/21/{call}.wav"));
        assert_eq!(
            file_of(call, started_at, 2),
            format!("2026/09/21/{call}.2.wav")
        );
        manifest.pause(Duration::from_secs(2));
        manifest.pause(Duration::from_secs(3));
        manifest.pass_on(
            Duration::from_secs(4),
            Some("iryna"),
            SegmentKind::Transfer,
            None,
        );
        let part = |number| Part {
            file: file_of(call, started_at, number),
            bytes: 100,
            sha256: "ab".into(),
            started_ms: u64::from(number - 1) * 3000,
        };
        manifest.complete(Duration::from_secs(5), vec![part(1), part(2)]);
        let json = serde_json::to_string(&manifest).unwrap();
        let back: Manifest = serde_json::from_str(&json).unwrap();
        assert_eq!(back, manifest);
        assert!(back.is_complete());
        assert_eq!(back.ended_at.as_deref(), Some("2026-09-21T14:13:25.000Z"));
        assert_eq!(back.keep_until.as_deref(), Some("2026-09-22T14:13:25.000Z"));
        assert_eq!(back.segments[0].ended_ms, Some(2000));
        assert_eq!(back.segments[1].started_ms, 4000);
        assert_eq!(back.segments[1].ended_ms, Some(5000));
        assert_eq!(
            serde_json::to_value(&back.segments[1]).unwrap(),
            serde_json::json!({
                "started_ms": 4000, "ended_ms": 5000, "operator": "iryna", "kind": "transfer"
            })
        );
        assert_eq!(back.recorded().bytes, 200);
    }

    #[test]
    fn a_silence_is_a_stretch_of_its_own_and_is_carried_over_a_hold() {
        let started_at = Wall::from_millis(1_790_000_000_000);
        let mut manifest = Manifest::begin(&RecordPlan {
            call: CallId(Ulid::new(started_at, &mut Rng::new([1; 32]))),
            started_at,
            to: "+380800111222".into(),
            from: None,
            site: None,
            queue: None,
            operator: Some(OperatorName::from("olena")),
            kind: SegmentKind::Talk,
            keep: None,
        });
        let at = Duration::from_millis;
        manifest.silence(at(0), Some(Silence::Paused));
        manifest.silence(at(1000), Some(Silence::Paused));
        manifest.silence(at(2000), None);
        manifest.silence(at(3000), Some(Silence::Masked));
        manifest.pause(at(4000));
        manifest.silence(at(4500), None);
        manifest.pass_on(at(5000), Some("olena"), SegmentKind::Talk, None);
        manifest.complete(at(6000), Vec::new());
        let stretches: Vec<_> = manifest
            .segments
            .iter()
            .map(|it| (it.started_ms, it.ended_ms.unwrap(), it.silent))
            .collect();
        let (paused, masked) = (Some(Silence::Paused), Some(Silence::Masked));
        assert_eq!(
            stretches,
            [
                (0, 2000, paused),
                (2000, 3000, None),
                (3000, 4000, masked),
                (5000, 6000, None)
            ]
        );
        let named = manifest
            .segments
            .iter()
            .all(|it| it.operator.as_deref() == Some("olena") && it.kind == SegmentKind::Talk);
        assert!(named);
    }

    #[test]
    fn segments_end_within_the_file_and_are_bounded() {
        let started_at = Wall::from_millis(1_790_000_000_000);
        let mut manifest = Manifest::begin(&RecordPlan {
            call: CallId(Ulid::new(started_at, &mut Rng::new([1; 32]))),
            started_at,
            to: "+380800111222".into(),
            from: None,
            site: None,
            queue: None,
            operator: Some(OperatorName::from("olena")),
            kind: SegmentKind::Talk,
            keep: None,
        });
        for turn in 1..2_000 {
            let after = Duration::from_millis(turn * 10);
            manifest.pass_on(after, Some("iryna"), SegmentKind::Transfer, None);
        }
        assert_eq!(manifest.segments.len(), limits::RECORDING_SEGMENTS);
        manifest.complete(Duration::from_millis(25), Vec::new());
        let ends: Vec<_> = manifest.segments.iter().take(4).collect();
        assert_eq!((ends[1].started_ms, ends[1].ended_ms), (10, Some(20)));
        assert_eq!((ends[2].started_ms, ends[2].ended_ms), (20, Some(25)));
        assert_eq!((ends[3].started_ms, ends[3].ended_ms), (25, Some(25)));
    }
}
