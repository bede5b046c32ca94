//! Events as lines of a file, each one JSON document.
//!
//! A batch is written, put on the disk (`fdatasync`), and only then acknowledged, so a line may come
//! twice after a crash and never gets lost. The file may be rotated under it: when its name leads
//! elsewhere it is opened anew. A last line that a crash tore is taken away (or finished, if only
//! its end is missing) before the next is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::server::store::StoredEvent;

/// How much of the end is read at a time in search of the last whole line.
const BLOCK: u64 = 64 * 1024;

/// The file.
#[derive(Debug)]
pub(super) struct Jsonl {
    path: PathBuf,
    open: Option<File>,
}

impl Jsonl {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Appends the events and puts them on the disk.
    pub(super) fn append(&mut self, events: &[StoredEvent]) -> io::Result<()> {
        let written = self.try_append(events);
        if written.is_err() {
            // Half a batch may be there: the next try looks at the end of the file again.
            self.open = None;
        }
        written
    }

    fn try_append(&mut self, events: &[StoredEvent]) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_none_or(|file| !is_at(file, &self.path))
        {
            self.open = Some(open(&self.path)?);
        }
        let Some(file) = &mut self.open else {
            return Ok(());
        };
        let length = events.iter().map(|event| event.json.len() + 1).sum();
        let mut lines = Vec::with_capacity(length);
        for event in events {
            lines.extend_from_slice(event.json.as_bytes());
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        file.sync_data()
    }
}

/// Whether `path` still leads to `file`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    mend(&mut file)?;
    Ok(file)
}

/// Makes the file end with a whole line.
fn mend(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut tail = Vec::new();
    let mut start = length;
    while start > 0 && !tail.contains(&b'\n') {
        let from = start.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(start - from).unwrap_or(0)];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        block.append(&mut tail);
        tail = block;
        start = from;
    }
    let torn = tail.rsplit(|&byte| byte == b'\n').next().unwrap_or(&[]);
    if torn.is_empty() {
        return Ok(());
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(torn).is_ok() {
        return file.write_all(b"\n");
    }
    let whole = length.saturating_sub(u64::try_from(torn.len()).unwrap_or(0));
    file.set_len(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64) -> StoredEvent {
        StoredEvent {
            seq,
            id: seq.to_string(),
            kind: "call.ended".into(),
            subject: None,
            json: format!(r#"{{"seq":{seq},"місто":"Одеса"}}"#),
        }
    }

    fn numbers(path: &Path) -> Vec<u64> {
        fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                value["seq"].as_u64().unwrap()
            })
            .collect()
    }

    #[test]
    fn lines_follow_each_other_and_a_rotated_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/events.jsonl");
        let mut jsonl = Jsonl::new(path.clone());
        jsonl.append(&[event(1), event(2)]).unwrap();
        let rotated = path.with_extension("1");
        fs::rename(&path, &rotated).unwrap();
        jsonl.append(&[event(3)]).unwrap();
        fs::remove_file(&path).unwrap();
        jsonl.append(&[event(4)]).unwrap();
        assert_eq!(numbers(&rotated), [1, 2]);
        assert_eq!(numbers(&path), [4]);
    }

    #[test]
    fn a_torn_line_is_never_glued_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for (left, kept) in [
            ("{\"seq\":1}\n{\"seq\":2,\"a\":\"Оде", vec![1, 9]),
            ("{\"seq\":1}\n{\"seq\":2}", vec![1, 2, 9]),
            ("{\"seq\":", vec![9]),
            ("{\"seq\":1}\n", vec![1, 9]),
        ] {
            fs::write(&path, left).unwrap();
            Jsonl::new(path.clone()).append(&[event(9)]).unwrap();
            assert_eq!(numbers(&path), kept, "{left}");
        }
        let long = format!("{{\"seq\":1}}\n{{\"seq\":2,\"x\":\"{}", "я".repeat(100_000));
        fs::write(&path, long).unwrap();
        Jsonl::new(path.clone()).append(&[event(9)]).unwrap();
        assert_eq!(numbers(&path), [1, 9]);
    }
}
