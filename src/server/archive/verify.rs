//! Whether the archive is what the store says it is: every link of the chain, every manifest, every
//! sample, and nothing beside them.
//!
//! It only reads, and works beside a running server: what looks broken is looked at once more before it
//! is told, as it may have changed in between.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fd::OwnedFd;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::files;
use crate::id::CallId;
use crate::limits;
use crate::server::store::chain::{self, Chain};
use crate::server::store::{Kept, KnownRecording, Recordings};

const PAGE: usize = 1_000;
const PIECE: usize = 1 << 20;

/// What was looked at, and what is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Verified {
    /// Links of the chain.
    pub links: u64,
    /// Recordings that are there and whole.
    pub whole: u64,
    /// Recordings that are being written.
    pub open: u64,
    /// Recordings of before the chain: their sound was compared with their manifests alone.
    pub unchained: u64,
    /// Bytes of sound that were read.
    pub bytes: u64,
    /// What is wrong, in all.
    pub broken: u64,
    /// What is wrong, the first of it.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fault {
    /// The recording, link, day or file.
    pub of: String,
    /// What is wrong with it.
    pub what: String,
}

impl Verified {
    fn fault(&mut self, of: impl Into<String>, what: impl Into<String>) {
        self.broken += 1;
        if self.faults.len() < limits::VERIFY_FAULTS {
            let (of, what) = (of.into(), what.into());
            self.faults.push(Fault { of, what });
        }
    }
}

/// What the chain says of a recording.
#[derive(Clone, Debug)]
struct State {
    gone: bool,
    file: Option<String>,
    sha256: Option<String>,
    manifest_sha256: Option<String>,
}

impl State {
    fn of(link: &chain::Link) -> Self {
        let fields = link.fields();
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        Self {
            gone: matches!(text("kind"), Some("deleted" | "erased")),
            file: text("file").map(str::to_owned),
            sha256: text("sha256").map(str::to_owned),
            manifest_sha256: text("manifest_sha256").map(str::to_owned),
        }
    }
}

/// Looks at everything. `progress` hears how many recordings of how many are done.
///
/// # Errors
/// When the database or the folder cannot be read at all.
pub fn verify(
    kept: &Kept,
    recordings: &Path,
    progress: impl Fn(usize, usize),
) -> anyhow::Result<Verified> {
    let mut found = Verified::default();
    let mut looking = Looking {
        rows: kept.recordings()?,
        chain: kept.chain()?,
        states: BTreeMap::new(),
        parts: BTreeMap::new(),
        root: match files::root(recordings) {
            Ok(root) => Some(root),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        },
        bytes: 0,
    };
    looking.chain(&mut found)?;
    let (all, mut done) = (looking.count()?, 0);
    let mut after = String::new();
    loop {
        let page = looking.rows.known(&after, PAGE)?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.call);
        for row in page {
            progress(done, all.max(done + 1));
            done += 1;
            looking.recording(&row, recordings, &mut found)?;
        }
    }
    for call in looking.states.keys() {
        if looking.rows.known_one(call)?.is_none() {
            found.fault(
                call.as_str(),
                "it stands in the chain, and its row is missing",
            );
        }
    }
    looking.foreign(recordings, &mut found)?;
    found.bytes = looking.bytes;
    Ok(found)
}

struct Looking {
    rows: Recordings,
    chain: Chain,
    states: BTreeMap<String, State>,
    /// How many files a whole recording has.
    parts: BTreeMap<String, usize>,
    root: Option<OwnedFd>,
    bytes: u64,
}

/// What a look at one recording gives.
enum Look {
    Whole { parts: usize, bytes: u64 },
    Open,
    Unchained { parts: usize, bytes: u64 },
    Gone,
    Broken(String),
}

impl Looking {
    fn count(&self) -> anyhow::Result<usize> {
        let (stock, _) = self.rows.stock(crate::time::Wall::default())?;
        Ok(usize::try_from(stock).unwrap_or(usize::MAX))
    }

    /// Every link follows from the one before it, and the roots are those of then.
    fn chain(&mut self, found: &mut Verified) -> anyhow::Result<()> {
        let roots = self.chain.roots()?;
        let mut roots: BTreeMap<u64, _> = roots.into_iter().map(|it| (it.link, it)).collect();
        let (mut last, mut before) = (0, String::new());
        loop {
            let page = self.chain.after(last, PAGE)?;
            if page.is_empty() {
                break;
            }
            for link in page {
                let name = format!("link {}", link.number);
                if link.number != last + 1 {
                    found.fault(
                        name.as_str(),
                        format!("link {} is missing before it", last + 1),
                    );
                } else if chain::hash(&before, &link.says) != link.hash {
                    found.fault(name.as_str(), "it is not what was written");
                }
                let fields = link.fields();
                let recording = fields.get("recording").and_then(Value::as_str);
                let number = fields.get("link").and_then(Value::as_u64);
                if recording != link.recording.as_deref() || number != Some(link.number) {
                    found.fault(
                        name.as_str(),
                        "its row says another thing than the link itself",
                    );
                }
                if let Some(root) = roots.remove(&link.number)
                    && root.hash != link.hash
                {
                    found.fault(root.day, "the root of this day is another one");
                }
                if let Some(recording) = &link.recording {
                    self.states.insert(recording.clone(), State::of(&link));
                }
                found.links += 1;
                last = link.number;
                before = link.hash;
            }
        }
        for root in roots.into_values() {
            found.fault(root.day, "the chain ends before the root of this day");
        }
        Ok(())
    }

    fn recording(
        &mut self,
        row: &KnownRecording,
        folder: &Path,
        found: &mut Verified,
    ) -> anyhow::Result<()> {
        let state = self.states.get(&row.call).cloned();
        let mut look = self.look(row, state.as_ref(), folder);
        if matches!(look, Look::Broken(_)) {
            // The server may have gone on since the row was read.
            let again = self.rows.known_one(&row.call)?;
            let last = self.chain.of(&row.call)?.last().map(State::of);
            if let Some(again) = again {
                look = self.look(&again, last.as_ref(), folder);
            }
        }
        match look {
            Look::Whole { parts, bytes } => {
                found.whole += 1;
                self.parts.insert(row.call.clone(), parts);
                self.bytes += bytes;
            }
            Look::Unchained { parts, bytes } => {
                found.unchained += 1;
                self.parts.insert(row.call.clone(), parts);
                self.bytes += bytes;
            }
            Look::Open => found.open += 1,
            Look::Gone => {}
            Look::Broken(what) => {
                // Whatever files it has are spoken of here.
                self.parts.insert(row.call.clone(), usize::MAX);
                found.fault(row.call.as_str(), what);
            }
        }
        Ok(())
    }

    fn look(&self, row: &KnownRecording, state: Option<&State>, folder: &Path) -> Look {
        match (state, row.deleted) {
            (Some(state), true) if state.gone => return Look::Gone,
            (Some(_), true) => {
                return Look::Broken("its row says deleted, the chain does not".into());
            }
            (Some(state), false) if state.gone => {
                return Look::Broken("the chain says deleted, its row does not".into());
            }
            (None, true) => return Look::Gone,
            (None, false) if folder.join(files::OPEN).join(&row.call).exists() || !row.ended => {
                return Look::Open;
            }
            (Some(_) | None, false) => {}
        }
        match self.compare(row, state) {
            Ok((parts, bytes)) if state.is_some() => Look::Whole { parts, bytes },
            Ok((parts, bytes)) => Look::Unchained { parts, bytes },
            Err(what) => Look::Broken(what),
        }
    }

    /// The manifest is the one that was chained, and its files are those it names.
    fn compare(&self, row: &KnownRecording, state: Option<&State>) -> Result<(usize, u64), String> {
        let root = self
            .root
            .as_ref()
            .ok_or("the recordings folder is missing")?;
        let (bytes, manifest) = files::manifest(root, &row.file).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                "its manifest is missing".to_owned()
            } else {
                format!("its manifest cannot be read: {error}")
            }
        })?;
        if let Some(state) = state {
            let hash = hex(&Sha256::digest(&bytes));
            if state.manifest_sha256.as_ref().is_some_and(|it| *it != hash) {
                return Err("its manifest is not the one that was chained".into());
            }
            let named = state.file.as_ref().is_none_or(|it| *it == manifest.file);
            let hashed = state.sha256.is_none() || state.sha256 == manifest.sha256;
            if !named || !hashed {
                return Err("its manifest speaks of another file than the chain".into());
            }
        }
        let whole = manifest.call_id == row.call && manifest.file == row.file;
        if !whole || row.bytes != manifest.recorded().bytes {
            return Err("its row says another thing than its manifest".into());
        }
        if manifest.hold != row.hold {
            return Err("its row and its manifest differ on who holds it".into());
        }
        let (first, whole) = (&manifest.file, manifest.sha256.as_deref());
        let mut read = self.sound(root, first, manifest.bytes.unwrap_or(0), whole)?;
        for part in &manifest.continued {
            read += self.sound(root, &part.file, part.bytes, Some(&part.sha256))?;
        }
        Ok((1 + manifest.continued.len(), read))
    }

    fn sound(
        &self,
        root: &OwnedFd,
        name: &str,
        bytes: u64,
        sha256: Option<&str>,
    ) -> Result<u64, String> {
        let mut file = files::open(root, name).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                format!("{name} is missing")
            } else {
                format!("{name} cannot be read: {error}")
            }
        })?;
        let (mut hash, mut length, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
        loop {
            let count = file
                .read(&mut piece)
                .map_err(|error| format!("{name}: {error}"))?;
            if count == 0 {
                break;
            }
            hash.update(piece.get(..count).unwrap_or_default());
            length += u64::try_from(count).unwrap_or(0);
        }
        if length != bytes {
            return Err(format!("{name} has {length} bytes, and had {bytes}"));
        }
        if sha256 != Some(&hex(&hash.finalize())) {
            return Err(format!("{name} is not what was recorded"));
        }
        Ok(length)
    }

    /// Nothing lies in the folder that no recording owns.
    fn foreign(&self, folder: &Path, found: &mut Verified) -> anyhow::Result<()> {
        let mut waiting = vec![folder.to_owned()];
        while let Some(at) = waiting.pop() {
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                // A day that was swept while we came to it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            for entry in entries.flatten() {
                let (path, Ok(kind)) = (entry.path(), entry.file_type()) else {
                    continue;
                };
                if kind.is_dir() {
                    if path != folder.join(files::OPEN) {
                        waiting.push(path);
                    }
                    continue;
                }
                let below = path.strip_prefix(folder).unwrap_or(&path);
                let below = below.to_string_lossy().into_owned();
                if !kind.is_file() || !self.owned(&below)? {
                    // A file that is being replaced, or that went away, is no news.
                    if path.symlink_metadata().is_ok() {
                        found.fault(
                            below.escape_debug().to_string(),
                            "no recording owns this file",
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn owned(&self, path: &str) -> anyhow::Result<bool> {
        let (day, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (stem, rest) = name.split_once('.').unwrap_or((name, ""));
        if stem.parse::<CallId>().is_err() {
            return Ok(false);
        }
        let Some(row) = self.rows.known_one(stem)?.filter(|row| !row.deleted) else {
            return Ok(false);
        };
        if row.file.rsplit_once('/').map_or("", |it| it.0) != day {
            return Ok(false);
        }
        let sound = files::ENDINGS.iter().find_map(|ending| {
            let part = format!(".{rest}");
            part.strip_suffix(ending).map(str::to_owned)
        });
        let part = match sound.as_deref() {
            Some("") => 1,
            Some(part) => part.trim_start_matches('.').parse::<usize>().unwrap_or(0),
            None => return Ok(matches!(rest, "json" | "json.tmp")),
        };
        let most = self.parts.get(stem).copied().unwrap_or(usize::MAX);
        Ok((1..=most).contains(&part))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
