//! Taking a backup beside a running server, which notices nothing but the reading.
//!
//! Retention may delete a recording meanwhile, and new ones begin, so files are brought over twice:
//! before the database is copied, so that what it knows is not gone by then, and after, for what began
//! in between. At last what this database says is deleted, or does not know, is taken out again.
//!
//! A finished recording never changes and is linked where the file system can; one that is open is
//! copied together with its mark, and the first start on the restored folder completes it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Entry, Head, LIST, Sum, Tail, VERSION, copy, empty_folder, hash, settle};
use crate::media::manifest::Manifest;
use crate::server::media::OPEN;
use crate::server::store::{DATABASE, Kept, RESERVE, RecordingFilter, Recordings, StoredRecording};
use crate::time::Wall;

/// The folder of the recordings, in the data and in a backup.
const RECORDINGS: &str = "recordings";
/// Recordings that are read from the database at once.
const PAGE: usize = 500;

/// Copies `data` to the empty folder `to`. `progress` hears how many recordings of how many are there.
///
/// # Errors
/// One sentence that says what to do.
pub fn take(data: &Path, to: &Path, now: Wall, progress: impl Fn(usize, usize)) -> Result<Sum> {
    let kept = Kept::open(data)?;
    empty_folder(to)?;
    let mut taking = Taking {
        from: data.join(RECORDINGS),
        to: to.join(RECORDINGS),
        folder: PathBuf::new(),
        files: BTreeMap::new(),
    };
    let live = kept.recordings()?;
    let (all, _) = live.stock(now)?;
    let all = usize::try_from(all).unwrap_or(usize::MAX);
    let mut done = 0;
    each(&live, |recording| {
        progress(done, all.max(done + 1));
        done += 1;
        taking.bring(&recording).map(drop)
    })?;
    kept.copy_reserve_to(&to.join(RESERVE))?;
    kept.copy_to(&to.join(DATABASE))?;
    let copied = Kept::open(to)?.recordings()?;
    let mut missing = 0;
    taking.folder = PathBuf::new();
    each(&copied, |recording| {
        let there = taking.bring(&recording)?;
        missing += u64::from(!there && recording.ended.is_some());
        Ok(())
    })?;
    let mut sum = list(to, &copied, now)?;
    sum.missing = missing;
    Ok(sum)
}

/// Every recording that is not deleted, the latest first.
fn each(recordings: &Recordings, mut act: impl FnMut(StoredRecording) -> Result<()>) -> Result<()> {
    let mut before = None;
    loop {
        let page = recordings.page(&RecordingFilter {
            phone: None,
            before,
            limit: PAGE,
        })?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        before = Some(last.call.clone());
        page.into_iter().try_for_each(&mut act)?;
    }
}

struct Taking {
    from: PathBuf,
    to: PathBuf,
    /// The folder that was looked into last, below both.
    folder: PathBuf,
    /// What was in it: the files of each call.
    files: BTreeMap<String, Vec<String>>,
}

impl Taking {
    /// Brings over the files of one recording that are not there yet; false when it has none.
    fn bring(&mut self, recording: &StoredRecording) -> Result<bool> {
        let folder = Path::new(&recording.file).parent().unwrap_or(Path::new(""));
        if self.folder != folder {
            self.files = names(&self.from.join(folder))?;
            self.folder = folder.to_owned();
        }
        let call = &recording.call;
        let Some(files) = self.files.get(call) else {
            return Ok(false);
        };
        let mark = Path::new(OPEN).join(call);
        let mut open = self.to.join(&mark).exists();
        let still_open = self.from.join(&mark).exists();
        if open && !still_open {
            // It was finished meanwhile, and the database may know its length and hash.
            for name in files {
                remove(&self.to.join(folder).join(name))?;
            }
        }
        let known = |name: &String| self.to.join(folder).join(name).exists();
        if files.iter().all(known) {
            return Ok(true);
        }
        if !open && still_open {
            // The mark comes first: with it the rest may be of any later moment.
            match copy(&self.from.join(&mark), &self.to.join(&mark)) {
                Ok(_) => open = true,
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        for name in files {
            let (from, to) = (
                self.from.join(folder).join(name),
                self.to.join(folder).join(name),
            );
            if to.exists() {
                continue;
            }
            let brought = if open || !link(&from, &to) {
                copy(&from, &to).map(drop)
            } else {
                Ok(())
            };
            match brought {
                Ok(()) => {}
                // Retention took it a moment ago; the database that is copied next says so.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    let error = error.root_cause().downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn link(from: &Path, to: &Path) -> bool {
    let made = to
        .parent()
        .is_some_and(|folder| fs::create_dir_all(folder).is_ok());
    // A link to a link would lead outside the backup.
    let plain = fs::symlink_metadata(from).is_ok_and(|it| it.is_file());
    made && plain && fs::hard_link(from, to).is_ok()
}

/// The files of a folder by the call that their names begin with.
fn names(folder: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        let name = entry.file_name();
        // Half a manifest is written beside the whole one.
        let name = name.to_str().filter(|name| !name.ends_with(".tmp"));
        if let (Some(name), true) = (name, entry.file_type().is_ok_and(|it| it.is_file())) {
            let call = name.split('.').next().unwrap_or(name);
            files
                .entry(call.to_owned())
                .or_default()
                .push(name.to_owned());
        }
    }
    Ok(files)
}

/// Takes out what the database does not know, and writes the list.
fn list(to: &Path, known: &Recordings, now: Wall) -> Result<Sum> {
    let part = to.join(format!("{LIST}.part"));
    let about = || format!("cannot write {}", part.display());
    let mut list = BufWriter::new(File::create(&part).with_context(about)?);
    let mut write = |line: String| -> Result<()> { Ok(writeln!(list, "{line}")?) };
    write(serde_json::to_string(&Head {
        backup: VERSION,
        made_at: now.to_string(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    })?)?;
    let mut sum = Sum::default();
    let mut folders = vec![to.join(RECORDINGS)];
    let mut files = vec![to.join(DATABASE), to.join(RESERVE)];
    files.retain(|path| path.exists());
    loop {
        while let Some(path) = files.pop() {
            let below = path.strip_prefix(to).unwrap_or(&path);
            let name = below
                .to_str()
                .context("a file's name is not UTF-8")?
                .to_owned();
            let call = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let call = call.split('.').next().unwrap_or_default();
            if ![DATABASE, RESERVE].contains(&name.as_str()) && known.one(call)?.is_none() {
                fs::remove_file(&path)?;
                continue;
            }
            let (bytes, sha256) = fingerprint(&path)?;
            sum.add(bytes);
            write(serde_json::to_string(&Entry {
                file: name,
                bytes,
                sha256,
            })?)?;
        }
        let Some(folder) = folders.pop() else { break };
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            if path.is_dir() {
                &mut folders
            } else {
                &mut files
            }
            .push(path);
        }
    }
    write(serde_json::to_string(&Tail {
        files: sum.files,
        bytes: sum.bytes,
    })?)?;
    list.into_inner()
        .map_err(std::io::Error::from)?
        .sync_all()
        .with_context(about)?;
    settle(to)?;
    fs::rename(&part, to.join(LIST)).with_context(about)?;
    File::open(to)?.sync_all()?;
    Ok(sum)
}

/// Length and hash; those of a finished recording stand in its manifest.
fn fingerprint(path: &Path) -> Result<(u64, String)> {
    let about = || format!("cannot read {}", path.display());
    let length = fs::metadata(path).with_context(about)?.len();
    let manifest = path.extension().is_some_and(|it| it == "wav").then(|| {
        let text = fs::read(path.with_extension("json")).ok()?;
        let manifest: Manifest = serde_json::from_slice(&text).ok()?;
        let same = path.ends_with(&manifest.file) && manifest.bytes == Some(length);
        manifest.sha256.filter(|_| same)
    });
    match manifest.flatten() {
        Some(sha256) => Ok((length, sha256)),
        None => hash(File::open(path).with_context(about)?, |_| Ok(())).with_context(about),
    }
}
