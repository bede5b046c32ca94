//! New lines of the file of events, as they are written.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// A reader that remembers how far it has come.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    /// A reader of a file that may not exist yet.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The events that came since the last look; a line that is half written waits for the next.
    pub(super) fn news(&mut self) -> Vec<Value> {
        let Some(text) = self.rest() else {
            return Vec::new();
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        let lines = text.get(..whole).unwrap_or_default().lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn rest(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.read)).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        // A character that is half written is behind the last whole line.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_whole_lines_are_news_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut tail = Tail::new(path.clone());
        assert!(tail.news().is_empty());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let text = "{\"a\":\"Одеса\"}\n{\"b\":\"Ха".as_bytes();
        file.write_all(&text[..text.len() - 1]).unwrap();
        assert_eq!(tail.news().len(), 1);
        assert!(tail.news().is_empty());
        file.write_all(&text[text.len() - 1..]).unwrap();
        file.write_all("рків\"}\n".as_bytes()).unwrap();
        assert_eq!(tail.news(), [serde_json::json!({"b": "Харків"})]);
    }
}
