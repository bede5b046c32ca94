//! One file of a recording while it is written: plain WAV, or sealed.
//!
//! Everything is written at its own place, so that what failed is written again over what it left, and
//! the header of a plain file is true whenever a write has gone well.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;

use super::sealed::{self, CHUNK_FRAMES, Seal};
use super::vault::Vault;
use crate::media::command::SoundFormat;
use crate::media::recorder::Frame;

/// A file that grows.
pub(super) struct PartFile {
    file: File,
    format: SoundFormat,
    seal: Option<Seal>,
    /// Frames that are in it.
    frames: u64,
    bytes: Vec<u8>,
}

impl PartFile {
    /// A new file with a valid header. One that exists already is never written over; one whose header
    /// cannot be written is taken away again.
    pub(super) fn create(path: &Path, vault: &Vault) -> anyhow::Result<Self> {
        let seal = vault.key.as_ref();
        let seal = seal.map(|key| Seal::begin(key, vault.format)).transpose()?;
        let (seal, header) = match seal {
            Some((seal, header)) => (Some(seal), header),
            None => (None, vault.format.header(0)),
        };
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Err(error) = file.write_all_at(&header, 0) {
            // Left behind, the next start makes it an empty one.
            let _ = fs::remove_file(path);
            return Err(error.into());
        }
        Ok(Self {
            file,
            format: vault.format,
            seal,
            frames: 0,
            bytes: Vec::new(),
        })
    }

    /// Frames that still fit below this size.
    pub(super) fn room(&self, longest_file: u64) -> u64 {
        let most = longest_file / self.format.frame_bytes();
        let most = match self.seal {
            Some(_) => (most / CHUNK_FRAMES).max(1) * CHUNK_FRAMES,
            None => most,
        };
        most.saturating_sub(self.frames)
    }

    /// Writes frames, and the header after them; a sealed file takes whole chunks only, but for the
    /// last. Gives how many it took: all of them or, after an error, none that count.
    pub(super) fn append(&mut self, frames: &[Frame], last: bool) -> anyhow::Result<usize> {
        if self.seal.is_some() {
            return self.append_sealed(frames, last);
        }
        if frames.is_empty() {
            return Ok(0);
        }
        let bytes = &mut self.bytes;
        bytes.clear();
        self.format.write(frames.iter(), bytes);
        let at = self.format.header_bytes() + self.frames * self.format.frame_bytes();
        self.file.write_all_at(bytes, at)?;
        let more = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        let header = self.format.header(self.frames + more);
        self.file.write_all_at(&header, 0)?;
        self.frames += more;
        Ok(frames.len())
    }

    fn append_sealed(&mut self, frames: &[Frame], last: bool) -> anyhow::Result<usize> {
        let Some(seal) = &self.seal else {
            return Ok(0);
        };
        let chunk = usize::try_from(CHUNK_FRAMES).unwrap_or(usize::MAX);
        let chunks = frames.chunks(chunk).filter(|it| last || it.len() == chunk);
        let (mut sealed, mut taken) = (Vec::new(), 0);
        for (number, chunk) in (self.frames / CHUNK_FRAMES..).zip(chunks) {
            self.bytes.clear();
            self.format.write(chunk.iter(), &mut self.bytes);
            seal.seal(number, &mut self.bytes)?;
            sealed.append(&mut self.bytes);
            taken += chunk.len();
        }
        let whole = self.frames / CHUNK_FRAMES;
        let at = sealed::HEADER_BYTES + whole * sealed::chunk_bytes(self.format);
        self.file.write_all_at(&sealed, at)?;
        self.frames += u64::try_from(taken).unwrap_or(u64::MAX);
        Ok(taken)
    }

    /// Takes away what a write that failed has left, as far as the disk lets us; what it does not is put
    /// right at the next start or by the reader.
    pub(super) fn trim(&self) {
        let length = match &self.seal {
            Some(_) => {
                let whole = self.frames / CHUNK_FRAMES;
                sealed::HEADER_BYTES + whole * sealed::chunk_bytes(self.format)
            }
            None => self.format.header_bytes() + self.frames * self.format.frame_bytes(),
        };
        let header = self.format.header(self.frames);
        let trimmed = self.file.set_len(length).and_then(|()| match &self.seal {
            Some(_) => Ok(()),
            None => self.file.write_all_at(&header, 0),
        });
        if let Err(error) = trimmed {
            tracing::warn!("a recording's file could not be trimmed: {error}");
        }
    }
}

/// Makes a file that a crash cut off whole again; gives its frames. One without a whole header is begun
/// anew.
pub(super) fn repair(
    path: &Path,
    vault: &Vault,
    format: SoundFormat,
    sealed: bool,
) -> anyhow::Result<u64> {
    let about = || format!("repair {}", path.display());
    let header = if sealed {
        sealed::HEADER_BYTES
    } else {
        format.header_bytes()
    };
    if !path.exists() || fs::metadata(path)?.len() < header {
        if path.exists() {
            fs::remove_file(path).with_context(about)?;
        }
        let vault = Vault {
            format,
            key: vault.key.clone().filter(|_| sealed),
            old_keys: Vec::new(),
        };
        PartFile::create(path, &vault).with_context(about)?;
        return Ok(0);
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.with_context(about)?;
    let frames = if sealed {
        repair_sealed(&file, vault, format)
    } else {
        repair_plain(&file, format)
    };
    frames.with_context(about)
}

fn repair_plain(file: &File, format: SoundFormat) -> anyhow::Result<u64> {
    let mut header = format.header(0);
    file.read_exact_at(&mut header, 0)?;
    anyhow::ensure!(
        format.is_begun_by(&header),
        "it is no recording of ours; move it away"
    );
    let frames = (file.metadata()?.len() - format.header_bytes()) / format.frame_bytes();
    file.set_len(format.header_bytes() + frames * format.frame_bytes())?;
    file.write_all_at(&format.header(frames), 0)?;
    Ok(frames)
}

/// Whole chunks stay as they are; a short one at the end stays when it opens.
fn repair_sealed(file: &File, vault: &Vault, format: SoundFormat) -> anyhow::Result<u64> {
    let length = file.metadata()?.len();
    let size = sealed::chunk_bytes(format);
    let whole = (length - sealed::HEADER_BYTES) / size;
    let end = sealed::HEADER_BYTES + whole * size;
    let mut rest = vec![0; usize::try_from(length - end).unwrap_or(0)];
    file.read_exact_at(&mut rest, end)?;
    let good = read_seal(file, vault).is_ok_and(|seal| seal.open_chunk(whole, &mut rest).is_some());
    if good {
        return Ok(sealed::frames_in(format, length));
    }
    file.set_len(end)?;
    Ok(whole * CHUNK_FRAMES)
}

/// The seal of a file, by its header.
pub(super) fn read_seal(file: &File, vault: &Vault) -> anyhow::Result<Seal> {
    let mut header = vec![0; usize::try_from(sealed::HEADER_BYTES).unwrap_or(0)];
    file.read_exact_at(&mut header, 0)?;
    Seal::open(vault, &header)
}

/// Whether a file could not be made because it is there already.
pub(super) fn is_there_already(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
}
