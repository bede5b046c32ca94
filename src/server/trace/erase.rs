//! The messages of one person are blotted out in their places, also in the file that is being written.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;

use super::entry::{Entry, MAGIC};
use super::ring::segments;

/// A number is written in full, without its country or with a `0`: its last digits are always there.
const LAST_DIGITS: usize = 9;

/// Blots out every message with the number in it; gives how many there were.
///
/// # Errors
/// A file cannot be read or written.
pub fn erase(folder: &Path, digits: &str) -> io::Result<u64> {
    let files = match segments(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let from = digits.len().saturating_sub(LAST_DIGITS);
    let wanted = digits.get(from..).unwrap_or(digits);
    let mut count = 0;
    for path in files {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // The ring has let it go.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut at = MAGIC.len();
        let mut rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
        while let Some((entry, length)) = Entry::decode(rest) {
            if let Some(blot) = blotted(entry, wanted) {
                let file = OpenOptions::new().write(true).open(&path)?;
                file.write_all_at(&blot, u64::try_from(at).unwrap_or(u64::MAX))?;
                count += 1;
            }
            at += length;
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Ok(count)
}

/// The same entry with nothing in it, of the same length; none when it does not speak of the number.
fn blotted(entry: Entry, wanted: &str) -> Option<Vec<u8>> {
    let Entry::Message(mut seen) = entry else {
        return None;
    };
    let text = String::from_utf8_lossy(&seen.bytes);
    let speaks = text.match_indices(wanted).any(|(at, found)| {
        let after = text.get(at + found.len()..).unwrap_or_default();
        !after.starts_with(|it: char| it.is_ascii_digit())
    });
    if wanted.is_empty() || !speaks {
        return None;
    }
    seen.bytes = Bytes::from(vec![b' '; seen.bytes.len()]);
    let mut bytes = Vec::new();
    Entry::Message(seen).encode(&mut bytes);
    Some(bytes)
}
