//! One server a data folder: an advisory lock that the kernel drops with the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Held as long as the folder is ours.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder if need be and takes it.
    pub(super) fn take(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| {
            format!(
                "cannot make the data folder {}; make it yourself or set `data` to another one",
                folder.display()
            )
        })?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .with_context(|| {
                format!(
                    "cannot write in the data folder {}; give it to the user the server runs as",
                    folder.display()
                )
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another server works in the data folder {}; stop it or set `data` to another one",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| {
                format!(
                    "the data folder {} cannot be locked; put it on a local file system",
                    folder.display()
                )
            }),
        }
    }
}
