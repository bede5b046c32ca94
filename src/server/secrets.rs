//! Where `${env:NAME}` and `${file:PATH}` lead: the process's environment, and files beside the plan.

use std::path::{Path, PathBuf};

use crate::dialplan::secrets::Secrets;

/// A secret's file over this is none.
const LONGEST: u64 = 64 << 10;

/// The environment and the files of this process.
#[derive(Clone, Debug)]
pub struct ShellSecrets {
    folder: PathBuf,
}

impl ShellSecrets {
    /// References of the plan or the settings at `path`; relative files start in its folder.
    #[must_use]
    pub fn beside(path: &Path) -> Self {
        let folder = if path.is_dir() {
            path.to_owned()
        } else {
            path.parent().unwrap_or(Path::new(".")).to_owned()
        };
        Self { folder }
    }
}

impl Secrets for ShellSecrets {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Option<String> {
        let path = self.folder.join(path);
        let about = std::fs::metadata(&path).ok()?;
        if !about.is_file() || about.len() > LONGEST {
            return None;
        }
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}
