//! Where the references of a file lead: the process's environment, and files beside it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::dialplan::secrets::{NoList, Secrets};
use crate::limits;

/// More of a secret's file is not read.
const LONGEST: u64 = 65_536;

/// The environment, and the folder that relative paths begin at.
#[derive(Debug)]
pub struct Surroundings {
    folder: PathBuf,
}

impl Surroundings {
    /// Those of a file, or of a folder of files.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or_else(|| Path::new(""))
        };
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Where a path of the plan leads.
    #[must_use]
    pub fn beside(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

impl Secrets for Surroundings {
    fn env(&self, name: &str) -> Option<String> {
        // The standard library panics on names that no variable can have.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        let file = File::open(self.beside(path)).ok()?;
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        // An editor ends the last line; the secret does not.
        let end = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(end);
        Some(text)
    }

    fn list(&self, path: &str) -> Result<String, NoList> {
        let mut bytes = Vec::new();
        let file = File::open(self.beside(path)).map_err(|_| NoList::Unreadable)?;
        let longest = limits::LIST_FILE_BYTES;
        let mut bounded = file.take(longest.saturating_add(1));
        bounded
            .read_to_end(&mut bytes)
            .map_err(|_| NoList::Unreadable)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= longest) {
            String::from_utf8(bytes).map_err(|_| NoList::Unreadable)
        } else {
            Err(NoList::TooLong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_beside_the_plan_and_lose_their_last_newline() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "тайна \r\n").unwrap();
        for path in [folder.path().to_owned(), folder.path().join("a.yaml")] {
            let surroundings = Surroundings::of(&path);
            assert_eq!(surroundings.file("secret").as_deref(), Some("тайна "));
            assert_eq!(surroundings.file("none"), None);
            assert_eq!(surroundings.file("a\0b"), None);
        }
        let list = "0441112233\n".repeat(10_000);
        std::fs::write(folder.path().join("list"), &list).unwrap();
        std::fs::write(folder.path().join("no list"), [0xff]).unwrap();
        let surroundings = Surroundings::of(folder.path());
        assert_eq!(surroundings.list("list"), Ok(list));
        assert_eq!(surroundings.list("no list"), Err(NoList::Unreadable));
        assert_eq!(surroundings.list("none"), Err(NoList::Unreadable));
        let remark = "ї".repeat(usize::try_from(limits::LIST_FILE_BYTES / 2).unwrap());
        std::fs::write(folder.path().join("cut"), remark + "ї").unwrap();
        let cut = surroundings.list("cut");
        assert_eq!(cut, Err(NoList::TooLong), "cut in a letter");
        let long = File::create(folder.path().join("long")).unwrap();
        long.set_len(limits::LIST_FILE_BYTES + 1).unwrap();
        assert_eq!(surroundings.list("long"), Err(NoList::TooLong));
        assert_eq!(Surroundings::of(Path::new("")).env("A=B"), None);
        assert!(Surroundings::of(Path::new("")).env("PATH").is_some());
    }
}
