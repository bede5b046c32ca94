//! The files of one recording: opened, replaced and deleted by a path that leads down from the
//! recordings folder and nowhere else. No link is followed.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::media::manifest::Manifest;
use crate::time::{Duration, Wall};

/// How the name of a sound file ends: plain, and encrypted.
pub(super) const ENDINGS: [&str; 2] = [".wav", ".wav.enc"];
/// A recording that grew past one file goes on in `<id>.2.wav` and so on.
const PARTS: u32 = 100;
/// A day's folder may be removed when the day is over everywhere.
const DAY_IS_OVER: Duration = Duration::from_secs(2 * 86_400);
/// The folder of the marks of recordings that are being written.
pub(super) const OPEN: &str = "open";
/// Nothing is written so long after the end of a call.
const STALE: Duration = Duration::from_secs(86_400);
/// A manifest is far shorter.
const MANIFEST_BYTES: u64 = 1 << 20;

/// Opens the recordings folder itself.
pub(super) fn root(recordings: &Path) -> io::Result<OwnedFd> {
    open_folder(CWD, recordings)
}

/// Opens a regular file of a recording to read it.
pub(super) fn open<Fd: AsFd>(folder: Fd, file: &str) -> io::Result<File> {
    let (day, name) = parts_of(file)?;
    let above = lead(folder.as_fd(), &day)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let at = above.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
    let opened = File::from(openat(at, name, flags, Mode::empty())?);
    if opened.metadata()?.is_file() {
        return Ok(opened);
    }
    Err(io::Error::other(NOT_REGULAR))
}

/// The manifest of the recording whose sound is in `file`, as it stands on the disk.
pub(super) fn manifest<Fd: AsFd>(folder: Fd, file: &str) -> io::Result<(Vec<u8>, Manifest)> {
    let mut bytes = Vec::new();
    let opened = open(folder, &manifest_of(file)?)?;
    opened.take(MANIFEST_BYTES).read_to_end(&mut bytes)?;
    let manifest = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    Ok((bytes, manifest))
}

/// Puts another manifest in the place of the one that is there, whole or not at all.
pub(super) fn put_manifest<Fd: AsFd>(folder: Fd, file: &str, bytes: &[u8]) -> io::Result<()> {
    let path = manifest_of(file)?;
    let (day, name) = parts_of(&path)?;
    let above = lead(folder.as_fd(), &day)?;
    let at = above.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
    let beside = format!("{name}.tmp");
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut written = File::from(openat(
        at,
        beside.as_str(),
        flags,
        Mode::from_raw_mode(0o640),
    )?);
    written.write_all(bytes)?;
    written.sync_all()?;
    renameat(at, beside.as_str(), at, name)?;
    Ok(())
}

/// Whether the recorder has the files of a recording in its hands: its mark is there. One that is left a
/// day after the end is of a recording that could not be repaired, and keeps nothing.
pub(super) fn is_being_written(
    recordings: &Path,
    call: &str,
    ended: Option<Wall>,
    now: Wall,
) -> bool {
    let marked = recordings.join(OPEN).join(call).symlink_metadata().is_ok();
    let day = i64::try_from(STALE.as_millis()).unwrap_or(i64::MAX);
    let stale = |ended: Wall| now.as_millis().saturating_sub(ended.as_millis()) > day;
    marked && !ended.is_some_and(stale)
}

fn manifest_of(file: &str) -> io::Result<String> {
    let stem = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending));
    let stem = stem.ok_or_else(|| io::Error::other("its file is no .wav"))?;
    Ok(format!("{stem}.json"))
}

/// The folder at the end of a way down; none when the way is empty.
fn lead(folder: rustix::fd::BorrowedFd<'_>, way: &[&str]) -> io::Result<Option<OwnedFd>> {
    let mut at: Option<OwnedFd> = None;
    for part in way {
        let above = at.as_ref().map_or(folder, AsFd::as_fd);
        at = Some(open_folder(above, Path::new(part))?);
    }
    Ok(at)
}

const NOT_REGULAR: &str = "what lies in its place is no regular file";

/// Deletes the files of one recording; says how many bytes they had. What is gone already is no
/// error: a crash may have come between the file and the event.
pub(super) fn delete<Fd: AsFd>(folder: Fd, file: &str, now: Wall) -> io::Result<u64> {
    let (day, name) = parts_of(file)?;
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    let stem = stem.ok_or_else(|| io::Error::other("its file is no .wav"))?;
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
    let mut bytes = 0_u64;
    for part in 1..=PARTS {
        let mut there = false;
        for ending in ENDINGS {
            let name = match part {
                1 => format!("{stem}{ending}"),
                part => format!("{stem}.{part}{ending}"),
            };
            if let Some(more) = remove(at, &name)? {
                bytes = bytes.saturating_add(more);
                there = true;
            }
        }
        if part > 1 && !there {
            break;
        }
    }
    // A manifest that a crash left half replaced names the number as well.
    for ending in ["json", "json.tmp"] {
        remove(at, &format!("{stem}.{ending}"))?;
    }
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
        return Err(io::Error::other(NOT_REGULAR));
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
