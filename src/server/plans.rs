//! The dialplan on disk: read, compiled, its prompts made ready; watched for changes.
//!
//! A plan that does not load never replaces the live one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::plan_files;
use super::prompts::PromptStore;
use super::surroundings::Surroundings;
use crate::dialplan::diagnose::{Problem, Severity};
use crate::dialplan::plan::Dialplan;
use crate::time::Duration;
use crate::words::{Phrase, Prompt};

/// A plan with the prompts its calls can ask for.
pub struct Loaded {
    /// The plan.
    pub plan: Arc<Dialplan>,
    /// Its prompts.
    pub prompts: Arc<BTreeMap<Phrase, Prompt>>,
    /// The files of its lists.
    pub lists: Vec<PathBuf>,
}

/// Why a plan is not taken.
pub enum Refused {
    /// It does not compile.
    Problems(Vec<Problem>),
    /// It cannot be read, or a prompt cannot be had; one sentence each.
    Sentences(Vec<String>),
}

impl Refused {
    /// How many problems there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Problems(problems) => problems.len(),
            Self::Sentences(sentences) => sentences.len(),
        }
    }

    /// The first problem, in a line.
    #[must_use]
    pub fn first(&self) -> String {
        match self {
            Self::Problems(problems) => problems
                .first()
                .map(|problem| format!("{}: {}", problem.position(), problem.message)),
            Self::Sentences(sentences) => sentences.first().cloned(),
        }
        .unwrap_or_default()
    }

    /// All problems, as `check` prints them.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Problems(problems) => problems
                .iter()
                .map(|problem| problem.to_string())
                .collect::<Vec<_>>()
                .join("\n"),
            Self::Sentences(sentences) => sentences.join("\n"),
        }
    }
}

/// Reads, compiles and renders the plan at `path`.
///
/// # Errors
/// What keeps it from being live.
pub fn load(
    path: &Path,
    store: &PromptStore,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Loaded, Refused> {
    let compiled = plan_files::load(path, Severity::Error);
    for problem in &compiled.problems {
        if problem.severity == Severity::Warning {
            tracing::warn!("{}: {}", problem.position(), problem.message);
        }
    }
    let Some(plan) = compiled.plan else {
        return Err(Refused::Problems(compiled.problems));
    };
    let phrases: Vec<_> = plan.phrases().into_iter().collect();
    let wishes = plan.fragments().into_iter();
    let wishes: Vec<_> = wishes.filter(|it| !phrases.contains(it)).collect();
    let (prompts, missing) = store.render_all(&phrases, &wishes, progress);
    if !missing.is_empty() {
        return Err(Refused::Sentences(missing));
    }
    let beside = Surroundings::of(path);
    let lists = plan.list_files.keys().map(|file| beside.beside(file));
    Ok(Loaded {
        lists: lists.collect(),
        plan: Arc::new(plan),
        prompts: Arc::new(prompts),
    })
}

/// How soon a callback is due by the plan at `path`, which the store asks for before anything else is
/// made of the plan.
///
/// # Errors
/// What keeps the plan from being live.
pub fn callback_due(path: &Path) -> Result<Duration, Refused> {
    let compiled = plan_files::load(path, Severity::Error);
    let plan = compiled.plan.ok_or(Refused::Problems(compiled.problems))?;
    Ok(plan.callbacks.due)
}

/// What tells one state of a folder from another without reading it: names, sizes, times.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Fingerprint {
    /// The state of `path` now; an unreadable one is empty.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let entry = |path: PathBuf| {
            let about = std::fs::metadata(&path).ok()?;
            Some((path, about.len(), about.modified().ok()))
        };
        if path.is_file() {
            return Self(entry(path.to_owned()).into_iter().collect());
        }
        let folder = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut files: Vec<_> = folder
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
            .filter_map(entry)
            .collect();
        files.sort();
        Self(files)
    }

    /// The state of several paths.
    #[must_use]
    pub fn of_all(paths: &[PathBuf]) -> Self {
        Self(paths.iter().flat_map(|path| Self::of(path).0).collect())
    }
}

/// Files that are looked at now and then.
#[derive(Debug)]
pub struct Look {
    paths: Vec<PathBuf>,
    live: Fingerprint,
    seen: Fingerprint,
}

impl Look {
    /// Looks at paths whose state `live` was read.
    #[must_use]
    pub fn at(paths: Vec<PathBuf>, live: Fingerprint) -> Self {
        let seen = Fingerprint::of_all(&paths);
        Self { paths, live, seen }
    }

    /// From now on these lists are looked at beside the plan, as they are now, and those of before no
    /// more.
    pub fn follow(&mut self, lists: &[PathBuf]) {
        let old = self.paths.split_off(1.min(self.paths.len()));
        if old != lists {
            let now = Fingerprint::of_all(lists);
            for print in [&mut self.live, &mut self.seen] {
                print.0.retain(|(path, ..)| !old.contains(path));
                print.0.extend(now.0.iter().cloned());
            }
        }
        self.paths.extend(lists.iter().cloned());
    }

    /// Whether they differ from what is live and have been quiet since the look before.
    pub fn changed(&mut self) -> bool {
        let now = Fingerprint::of_all(&self.paths);
        let changed = now != self.live && now == self.seen;
        if changed {
            self.live = now.clone();
        }
        self.seen = now;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_changes_is_a_change_of_the_plan() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("plan.yaml", "version: 1\n");
        let lists = [write("spam.txt", "101\n"), write("vip.txt", "")];
        let live = Fingerprint::of(folder.path());
        let mut look = Look::at(vec![folder.path().to_owned()], live);
        look.follow(&lists);
        assert!(!look.changed());
        look.follow(&lists);
        assert!(!look.changed());
        write("spam.txt", "101\n102\n");
        assert!(!look.changed(), "it has not been quiet yet");
        look.follow(&lists);
        assert!(look.changed() && !look.changed());
        look.follow(&lists[1..]);
        write("spam.txt", "");
        assert!(!look.changed() && !look.changed());
        write("plan.yaml", "version: 1\ncountry: UA\n");
        assert!(!look.changed() && look.changed());
    }
}
