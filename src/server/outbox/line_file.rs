//! Events as lines of a file.
//!
//! A batch is written, put on the disk (`fdatasync`), and only then acknowledged. What a crash kept from
//! being acknowledged is found at the end of the file again and not written twice; a line that it tore
//! is cut off and written whole. The file may be rotated: when its name leads elsewhere it is opened
//! anew. A file that was emptied or edited meanwhile gets what is missing at its end, no more.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::form::Form;
use crate::server::store::StoredEvent;

/// How much of the end is looked at for lines that are there already.
const TAIL: u64 = 1 << 20;

/// The file.
pub(super) struct LineFile {
    path: PathBuf,
    form: Form,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Whole lines at the end, as long as it is not known which of them are of what comes.
    tail: VecDeque<Vec<u8>>,
    /// What the lines of the tail are taken for.
    tail_is: Tail,
    /// A line without its end.
    torn: Vec<u8>,
    length: u64,
}

/// What is known of the lines at the end of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nothing was compared.
    Unread,
    /// All that are left were written by the last run, and come again.
    Ours,
}

impl LineFile {
    pub(super) const fn new(path: PathBuf, form: Form) -> Self {
        Self {
            path,
            form,
            open: None,
        }
    }

    /// Appends the events and puts them on the disk.
    pub(super) fn append(&mut self, events: &[StoredEvent]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(events.len());
        for event in events {
            lines.extend(self.form.line(event)?.map(String::into_bytes));
        }
        let written = self.write(&lines);
        if written.is_err() {
            // Half a batch may be there: the next try looks at the end of the file again.
            self.open = None;
        }
        written
    }

    fn write(&mut self, lines: &[Vec<u8>]) -> io::Result<()> {
        let at = |open: &Open| is_at(&open.file, &self.path);
        if !self.open.as_ref().is_some_and(at) {
            self.open = Some(Open::at(&self.path)?);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let there = open.already(lines);
        let rest = lines.get(there..).unwrap_or_default();
        let Some(first) = rest.first() else {
            return Ok(());
        };
        open.mend(first, &self.form)?;
        let length = rest.iter().map(|line| line.len() + 1).sum();
        let mut bytes = Vec::with_capacity(length);
        for line in rest {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        open.file.write_all(&bytes)?;
        open.file.sync_data()
    }
}

/// Whether `path` still leads to `file`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(TAIL).read_to_end(&mut bytes)?;
        let mut tail: VecDeque<Vec<u8>> = bytes
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let torn = tail.pop_back().unwrap_or_default();
        if from > 0 {
            // Its beginning was not read.
            tail.pop_front();
        }
        Ok(Self {
            file,
            tail,
            tail_is: Tail::Unread,
            torn,
            length,
        })
    }

    /// How many of the lines, from the first on, are at the end of the file already.
    fn already(&mut self, lines: &[Vec<u8>]) -> usize {
        if lines.is_empty() {
            return 0;
        }
        if self.tail_is == Tail::Unread {
            self.tail_is = Tail::Ours;
            let found = (0..self.tail.len()).find(|&place| {
                let from = self.tail.iter().skip(place);
                from.zip(lines).all(|(there, line)| there == line)
            });
            let before = found.unwrap_or(self.tail.len());
            self.tail.drain(..before);
        }
        let same = self.tail.iter().zip(lines);
        let same = same.take_while(|(there, line)| there == line).count();
        if same < lines.len() {
            // What comes next is not what stands there: it is written.
            self.tail.clear();
        } else {
            self.tail.drain(..same);
        }
        same
    }

    /// Makes the file end with a whole line, before `next` is written.
    fn mend(&mut self, next: &[u8], form: &Form) -> io::Result<()> {
        let torn = std::mem::take(&mut self.torn);
        if torn.is_empty() {
            return Ok(());
        }
        if !next.starts_with(&torn) && form.is_whole(&torn) {
            return self.file.write_all(b"\n");
        }
        let torn = u64::try_from(torn.len()).unwrap_or(0);
        self.file.set_len(self.length.saturating_sub(torn))
    }
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

    fn events(numbers: impl IntoIterator<Item = u64>) -> Vec<StoredEvent> {
        numbers.into_iter().map(event).collect()
    }

    fn jsonl(path: &Path) -> LineFile {
        LineFile::new(path.to_owned(), Form::Jsonl)
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
        let mut file = jsonl(&path);
        file.append(&events([1, 2])).unwrap();
        let rotated = path.with_extension("1");
        fs::rename(&path, &rotated).unwrap();
        file.append(&events([3])).unwrap();
        fs::remove_file(&path).unwrap();
        file.append(&events([4])).unwrap();
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
            jsonl(&path).append(&events([9])).unwrap();
            assert_eq!(numbers(&path), kept, "{left}");
        }
        let long = format!("{{\"seq\":1}}\n{{\"seq\":2,\"x\":\"{}", "я".repeat(100_000));
        fs::write(&path, long).unwrap();
        jsonl(&path).append(&events([9])).unwrap();
        assert_eq!(numbers(&path), [1, 9]);
    }

    #[test]
    fn what_a_crash_left_unacknowledged_is_not_written_twice_wherever_it_struck() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        jsonl(&path).append(&events(1..=7)).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            for (acknowledged, batch) in [(0, 3), (2, 100), (2, 2), (1, 1)] {
                fs::write(&path, &whole[..cut]).unwrap();
                // What is acknowledged was on the disk.
                if numbers_whole(&path) < acknowledged {
                    continue;
                }
                let mut file = jsonl(&path);
                let comes = events(acknowledged + 1..=9);
                for batch in comes.chunks(batch) {
                    file.append(batch).unwrap();
                }
                assert_eq!(numbers(&path), (1..=9).collect::<Vec<_>>(), "{cut}");
            }
        }
    }

    fn numbers_whole(path: &Path) -> u64 {
        let bytes = fs::read(path).unwrap();
        bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
    }
}
