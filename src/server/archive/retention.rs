//! Recordings whose time is over are deleted, and nothing else.
//!
//! A sweep goes by the store's own rows, never by what lies in a folder, by names or by file times.
//! It follows no link and leaves the recordings folder by no path. When more would go at once than
//! the settings allow it deletes nothing and raises an alarm: a clock that jumped or a plan that says
//! one day in place of one year must not cost the archive.

use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use anyhow::Context as _;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat, statvfs, unlinkat};
use rustix::io::Errno;
use serde_json::{Map, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::id::CallId;
use crate::limits;
use crate::server::clock::Clock;
use crate::server::settings::Retention;
use crate::server::store::{Store, StoredRecording};
use crate::server::telemetry::Telemetry;
use crate::time::{Duration, Wall};

/// Fewer files than this may always go at once.
const ALWAYS: u64 = 100;
/// A recording that grew past one file goes on in `<id>.2.wav` and so on.
const PARTS: u32 = 100;
/// A day's folder may be removed when the day is over everywhere.
const DAY_IS_OVER: Duration = Duration::from_secs(2 * 86_400);

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Recordings deleted.
    pub deleted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings that could not be deleted; they are tried again.
    pub failed: u64,
    /// So many were due that nothing was deleted.
    pub stopped: bool,
}

/// Sweeps at once, then every `retention.every`, until `stop` turns true.
pub async fn run(
    store: Store,
    recordings: Arc<Path>,
    settings: Retention,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let mut told = false;
    loop {
        let (store_again, folder) = (store.clone(), Arc::clone(&recordings));
        let now = clock.now().wall;
        let swept =
            spawn_blocking(move || sweep(&store_again, &folder, settings.stop_above, now, told))
                .await;
        match swept {
            Ok(Ok(swept)) => {
                told = swept.stopped;
                if swept != Swept::default() {
                    tracing::info!(?swept, "swept the recordings");
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "the recordings could not be swept"),
            Err(error) => tracing::error!(%error, "a sweep ended badly"),
        }
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            () = tokio::time::sleep(settings.every) => {}
        }
    }
}

/// One sweep. `told` says that the alarm of a stopped sweep was raised already.
///
/// # Errors
/// When the store or the recordings folder cannot be read.
pub fn sweep(
    store: &Store,
    recordings: &Path,
    stop_above: u8,
    now: Wall,
    told: bool,
) -> anyhow::Result<Swept> {
    let rows = store.recordings()?;
    let (stock, due) = rows.stock(now)?;
    if due == 0 {
        return Ok(Swept::default());
    }
    let too_many = due.saturating_mul(100) > stock.saturating_mul(u64::from(stop_above));
    if due > ALWAYS && too_many {
        if !told {
            stopped(store, stock, due, stop_above);
        }
        return Ok(Swept {
            stopped: true,
            ..Swept::default()
        });
    }
    let folder = open_folder(CWD, recordings)
        .with_context(|| format!("cannot open the recordings in {}", recordings.display()))?;
    let mut swept = Swept::default();
    for recording in rows.due(now, limits::SWEEP_FILES)? {
        match delete(folder.as_fd(), &recording, now) {
            Ok(bytes) => {
                swept.deleted += 1;
                swept.bytes = swept.bytes.saturating_add(bytes);
                deleted(store, &recording, bytes);
            }
            Err(error) => {
                swept.failed += 1;
                tracing::warn!(call = %recording.call, %error, "a recording could not be deleted");
            }
        }
    }
    Ok(swept)
}

fn stopped(store: &Store, stock: u64, due: u64, stop_above: u8) {
    tracing::error!(
        stock,
        due,
        stop_above,
        "too many recordings are due at once, nothing was deleted; check the clock and `recording.keep`"
    );
    let mut data = Map::new();
    data.insert("stock".into(), json!(stock));
    data.insert("due".into(), json!(due));
    data.insert("stop_above_percent".into(), json!(stop_above));
    store.emit("retention.stopped", None, data);
}

fn deleted(store: &Store, recording: &StoredRecording, bytes: u64) {
    let mut data = Map::new();
    data.insert("recording".into(), json!(recording.call));
    data.insert("file".into(), json!(recording.file));
    data.insert("reason".into(), json!("expired"));
    data.insert("bytes".into(), json!(bytes));
    let call: Option<CallId> = recording.call.parse().ok();
    store.emit("recording.deleted", call, data);
}

/// Deletes the files of one recording; says how many bytes they had. What is gone already is no
/// error: a crash may have come between the file and the event.
fn delete<Fd: AsFd>(folder: Fd, recording: &StoredRecording, now: Wall) -> io::Result<u64> {
    let (day, name) = parts_of(&recording.file)?;
    let stem = name
        .strip_suffix(".wav")
        .ok_or_else(|| io::Error::other("its file is no .wav"))?;
    let mut folders = Vec::new();
    for part in &day {
        let opened = match folders.last() {
            Some(above) => open_folder(above, Path::new(part)),
            None => open_folder(&folder, Path::new(part)),
        };
        match opened {
            Ok(opened) => folders.push(opened),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        }
    }
    let at = folders.last().map_or(folder.as_fd(), AsFd::as_fd);
    let mut bytes = remove(at, name)?.unwrap_or(0);
    for part in 2..PARTS {
        let Some(more) = remove(at, &format!("{stem}.{part}.wav"))? else {
            break;
        };
        bytes = bytes.saturating_add(more);
    }
    remove(at, &format!("{stem}.json"))?;
    if is_over(&day, now) {
        remove_empty(folder.as_fd(), &folders, &day)?;
    }
    Ok(bytes)
}

/// The folders and the name of a relative path that leads down and nowhere else.
fn parts_of(file: &str) -> io::Result<(Vec<&str>, &str)> {
    let mut parts = Vec::new();
    for part in Path::new(file).components() {
        match part {
            Component::Normal(name) => parts.extend(name.to_str()),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => {
                return Err(io::Error::other("its path leads out of the recordings"));
            }
        }
    }
    let name = parts
        .pop()
        .ok_or_else(|| io::Error::other("it has no file"))?;
    Ok((parts, name))
}

/// Opens a folder that is a folder, not a link to one.
fn open_folder<Fd: AsFd>(above: Fd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above, path, flags, Mode::empty())?)
}

/// Removes a regular file and says how long it was; none when it was not there.
fn remove<Fd: AsFd>(folder: Fd, name: &str) -> io::Result<Option<u64>> {
    let about = match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) => about,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return Err(io::Error::other(
            "what lies in its place is no regular file",
        ));
    }
    unlinkat(&folder, name, AtFlags::empty())?;
    Ok(Some(u64::try_from(about.st_size).unwrap_or(0)))
}

/// Whether no recording can begin in this `YYYY/MM/DD` any more.
fn is_over(day: &[&str], now: Wall) -> bool {
    let back = i64::try_from(DAY_IS_OVER.as_millis()).unwrap_or(i64::MAX);
    let limit = Wall::from_millis(now.as_millis().saturating_sub(back)).to_string();
    day.join("-").as_str() < limit.split('T').next().unwrap_or("")
}

/// Removes the day's folder, then the month's, then the year's, as far as they are empty.
fn remove_empty<Fd: AsFd>(root: Fd, folders: &[OwnedFd], day: &[&str]) -> io::Result<()> {
    for (depth, name) in day.iter().enumerate().rev() {
        let above = match depth.checked_sub(1).and_then(|above| folders.get(above)) {
            Some(above) => above.as_fd(),
            None => root.as_fd(),
        };
        match unlinkat(above, *name, AtFlags::REMOVEDIR) {
            Ok(()) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Shows the free space of the data folder at each scrape.
pub fn watch_disk(data: &Path, telemetry: &Telemetry) {
    let data = data.to_owned();
    telemetry.before_scrape(move |telemetry| {
        if let Ok(disk) = statvfs(&data) {
            telemetry.disk_free(disk.f_bavail.saturating_mul(disk.f_frsize));
        }
    });
}

#[cfg(test)]
mod tests;
