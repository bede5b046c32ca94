//! The prompt store: every phrase of a plan as sound, ready before the first call asks for it.
//!
//! Rendering happens when a plan is loaded and may take seconds; in a call there is only a look-up by
//! key. What depends on the caller is rendered while a phone rings, beside the calls ([`on_demand`]). A
//! phrase is tried with each engine in the settings' order, and the first that says it wins.

mod cache;
pub mod hold_music;
pub mod on_demand;
mod recorded;
mod sound;
mod tones;
mod wav;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use self::cache::Cache;
use self::on_demand::Rack;
use self::recorded::Recorded;
use super::tts::{command, embedded};
use crate::dialplan::plan::DEFAULT_MUSIC;
use crate::limits;
use crate::time::Duration;
use crate::words::{Language, Phrase, Prompt};

/// A link of the chain that the settings name under `tts`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Engine {
    /// A folder of recordings.
    Recorded(PathBuf),
    /// A program with its arguments: text on stdin, WAV on stdout, `{language}` replaced.
    Command(Vec<String>),
    /// The voice inside the binary.
    Embedded,
}

/// The sounds of the loaded plan and of the one before it, whose calls may still be ringing.
#[derive(Debug, Default)]
struct Shelf {
    current: BTreeMap<u128, Arc<[i16]>>,
    previous: BTreeMap<u128, Arc<[i16]>>,
}

/// Phrases to sounds, and sounds by their key.
#[derive(Debug)]
pub struct PromptStore {
    voices: Vec<Voice>,
    cache: Cache,
    shelf: RwLock<Arc<Shelf>>,
    /// What was rendered for calls.
    rack: RwLock<Rack>,
}

/// An engine that is ready to be asked.
#[derive(Debug)]
enum Voice {
    Recorded(Recorded),
    Command(Vec<String>),
    Embedded,
}

/// What rendering gives: the phrases that are ready, and a sentence for each that is not.
pub type Rendered = (BTreeMap<Phrase, Prompt>, Vec<String>);

impl PromptStore {
    /// Opens the folders of the chain and the cache in the data folder `data`.
    pub fn open(data: &Path, chain: Vec<Engine>) -> Result<Self> {
        let folder = data.join("prompts");
        let cache = Cache::open(folder.clone()).with_context(|| {
            format!(
                "the prompts cannot be kept in {}; make the data folder writable",
                folder.display()
            )
        })?;
        let voices = chain.into_iter().map(Voice::open).collect::<Result<_>>()?;
        Ok(Self {
            voices,
            cache,
            shelf: RwLock::default(),
            rack: RwLock::default(),
        })
    }

    /// Makes every phrase ready and puts all of them on the shelf, or none when one cannot be said; a
    /// wish that nothing says is left out. `progress` hears how many of how many are done, from two
    /// threads. Phrases that no engine says come back as sentences.
    pub fn render_all(
        &self,
        phrases: &[Phrase],
        wishes: &[Phrase],
        progress: impl Fn(usize, usize) + Sync,
    ) -> Rendered {
        let round = self.round();
        let phrases = [phrases, wishes].concat();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            let mut rendered = Vec::new();
            while let Some(phrase) = phrases.get(next.fetch_add(1, Ordering::Relaxed)) {
                rendered.push((phrase, round.render(phrase)));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, phrases.len());
            }
            rendered
        };
        let rendered = std::thread::scope(|scope| {
            let second = scope.spawn(work);
            let mut rendered = work();
            match second.join() {
                Ok(more) => rendered.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            rendered
        });
        let (mut prompts, mut problems, mut sounds) =
            (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for (phrase, result) in rendered {
            match result {
                Ok(samples) => {
                    let prompt = prompt(&samples);
                    prompts.insert(phrase.clone(), prompt);
                    sounds.insert(prompt.key, samples);
                }
                Err(_) if wishes.contains(phrase) => {}
                Err(problem) => {
                    problems.insert(problem);
                }
            }
        }
        if !problems.is_empty() {
            // The plan will be refused: what the live one plays stays on the shelf.
            return (prompts, problems.into_iter().collect());
        }
        self.shelve(sounds);
        let used = round
            .used
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.cache.sweep(&used) {
            tracing::warn!(
                "old prompts in {} cannot be deleted: {error}",
                self.cache.folder().display()
            );
        }
        (prompts, Vec::new())
    }

    fn round(&self) -> Round<'_> {
        Round {
            store: self,
            failures: self.voices.iter().map(|_| AtomicUsize::new(0)).collect(),
            used: Mutex::default(),
            keeps: true,
        }
    }

    /// The samples of a prompt, 8 kHz mono. None when it belongs to no plan loaded lately, and to no
    /// call.
    #[must_use]
    pub fn samples(&self, key: u128) -> Option<Arc<[i16]>> {
        let shelf = Arc::clone(&self.shelf.read().unwrap_or_else(PoisonError::into_inner));
        shelf
            .current
            .get(&key)
            .or_else(|| shelf.previous.get(&key))
            .cloned()
            .or_else(|| self.rack().samples(key))
    }

    /// Puts new sounds on the shelf; those of the plan before the last go.
    fn shelve(&self, sounds: BTreeMap<u128, Arc<[i16]>>) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        *shelf = Arc::new(Shelf {
            current: sounds,
            previous: shelf.current.clone(),
        });
    }
}

impl Voice {
    /// Makes an engine ready; a sentence when it never will be.
    fn open(engine: Engine) -> Result<Self> {
        match engine {
            Engine::Recorded(folder) => Ok(Self::Recorded(Recorded::open(&folder).context(
                "the folder of `recorded` under `tts` in the settings is no folder of prompts",
            )?)),
            Engine::Command(arguments) => Ok(Self::Command(arguments)),
            Engine::Embedded => {
                embedded::present()?;
                Ok(Self::Embedded)
            }
        }
    }
}

/// One rendering of all phrases: what failed so far and which files it used.
struct Round<'a> {
    store: &'a PromptStore,
    /// For each voice, how often it failed in a row.
    failures: Vec<AtomicUsize>,
    used: Mutex<BTreeSet<String>>,
    /// Whether what is synthesised is kept on the disk.
    keeps: bool,
}

impl Round<'_> {
    /// One phrase as samples, or the sentence that says what is missing.
    fn render(&self, phrase: &Phrase) -> Result<Arc<[i16]>, String> {
        match phrase {
            Phrase::File(path) => self.file(path),
            Phrase::Spoken { language, text } => self.spoken(*language, text),
            Phrase::Tone(tone) => Ok(tones::sound(*tone).into()),
        }
    }

    /// A sound file from the first folder that has it.
    fn file(&self, path: &str) -> Result<Arc<[i16]>, String> {
        let folders = self.store.voices.iter().filter_map(|voice| match voice {
            Voice::Recorded(recorded) => Some(recorded),
            Voice::Command(_) | Voice::Embedded => None,
        });
        match folders.filter_map(|recorded| recorded.file(path)).next() {
            Some(Ok(samples)) => Ok(samples.into()),
            Some(Err(error)) => Err(error.to_string()),
            None if path == DEFAULT_MUSIC => Ok(hold_music::compose().into()),
            None => Err(format!(
                "no folder of `recorded` under `tts` has a file {path}; put it there, or name another one in the plan"
            )),
        }
    }

    /// A phrase from the first engine that says it.
    fn spoken(&self, language: Language, text: &str) -> Result<Arc<[i16]>, String> {
        let mut reasons = Vec::new();
        for (voice, failures) in self.store.voices.iter().zip(&self.failures) {
            if failures.load(Ordering::Relaxed) >= limits::TTS_FAILURES {
                reasons.push(
                    "an engine was left out after it had failed several times in a row".to_owned(),
                );
                continue;
            }
            match self.ask(voice, language, text) {
                Ok(Some(samples)) => {
                    failures.store(0, Ordering::Relaxed);
                    return Ok(samples.into());
                }
                Ok(None) => {}
                Err(error) => {
                    // A program that hangs would cost its whole time at every phrase.
                    if error.is::<command::Mute>() {
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                    tracing::warn!(
                        "\"{text}\" ({}): {error:#}; the next engine of `tts` is asked",
                        language.as_str()
                    );
                    reasons.push(format!("{error:#}"));
                }
            }
        }
        if reasons.is_empty() {
            reasons.push("it was not recorded and no other engine is named under `tts`".to_owned());
        }
        Err(format!(
            "nothing says \"{text}\" ({}): {}",
            language.as_str(),
            reasons.join("; ")
        ))
    }

    /// One engine's rendering; none when it has nothing for these words.
    fn ask(&self, voice: &Voice, language: Language, text: &str) -> Result<Option<Vec<i16>>> {
        match voice {
            Voice::Recorded(recorded) => Ok(recorded.say(language, text).transpose()?),
            Voice::Command(arguments) => self.kept(&arguments.join("\0"), language, text, || {
                let wav = command::say(arguments, language, text)?;
                let name = arguments.first().map_or("", String::as_str);
                wav::read(&wav).with_context(|| format!("what {name} wrote is unusable"))
            }),
            Voice::Embedded => self.kept(embedded::NAME, language, text, || {
                let (samples, rate) = embedded::say(self.store.cache.folder(), language, text)?;
                Ok(sound::resample(&samples, rate))
            }),
        }
    }

    /// What was synthesised before, or is now; then it is kept.
    fn kept(
        &self,
        voice: &str,
        language: Language,
        text: &str,
        synthesise: impl FnOnce() -> Result<Vec<f32>>,
    ) -> Result<Option<Vec<i16>>> {
        let cache = &self.store.cache;
        let name = Cache::name(voice, language.as_str(), text);
        let samples = match cache.get(&name) {
            Some(samples) => samples,
            None => {
                let samples = sound::speech(&synthesise()?).context("it is silent")?;
                if self.keeps
                    && let Err(error) = cache.put(&name, &samples)
                {
                    tracing::warn!(
                        "a prompt cannot be kept in {}: {error}",
                        cache.folder().display()
                    );
                }
                samples
            }
        };
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name);
        Ok(Some(samples))
    }
}

/// The key and the length of these samples.
fn prompt(samples: &[i16]) -> Prompt {
    let mut hash = Sha256::new();
    for sample in samples {
        hash.update(sample.to_le_bytes());
    }
    let key = hash
        .finalize()
        .iter()
        .take(16)
        .fold(0, |key, byte| key << 8 | u128::from(*byte));
    let nanos = samples.len() as u64 * (1_000_000_000 / u64::from(sound::RATE));
    Prompt {
        key,
        duration: Duration::from_nanos(nanos),
    }
}

#[cfg(test)]
mod tests;
