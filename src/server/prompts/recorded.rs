//! A folder of recorded prompts: what people said always wins over a synthesiser.
//!
//! A phrase is found by its words, in `manifest.tsv` or by a file's name, `<language>/<words>.wav`;
//! where the whole is missing, its parts between commas are joined. Files are read when a plan is
//! loaded, so a new recording is heard after the next apply.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use super::sound;
use super::wav::{self, BadWav};
use crate::limits;
use crate::words::Language;

/// The folder, with what its manifest and its file names say.
#[derive(Debug)]
pub(crate) struct Recorded {
    folder: PathBuf,
    phrases: BTreeMap<(Language, String), PathBuf>,
}

/// Why a recorded prompt cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadPrompt {
    /// The file is there or should be, and cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system said.
        why: io::Error,
    },
    /// The file is no sound.
    #[error("{path}: {why}")]
    NoSound {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: BadWav,
    },
    /// The manifest has no columns.
    #[error("{0}: its first line must name the columns file, language and text, with tabs between")]
    Manifest(String),
}

impl Recorded {
    /// Opens a folder and reads its manifest, if it has one.
    pub(crate) fn open(folder: &Path) -> Result<Self, BadPrompt> {
        let mut phrases = BTreeMap::new();
        fs::read_dir(folder).map_err(|why| unreadable(folder, why))?;
        for language in [Language::Uk, Language::Ru, Language::En] {
            let named = fs::read_dir(folder.join(language.as_str()))
                .into_iter()
                .flatten();
            for path in named
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .take(limits::PROMPTS_KEPT)
            {
                if path
                    .extension()
                    .is_some_and(|end| end.eq_ignore_ascii_case("wav"))
                    && let Some(words) = path.file_stem().and_then(|stem| stem.to_str())
                {
                    phrases.insert((language, normalise(words)), path);
                }
            }
        }
        let manifest = folder.join("manifest.tsv");
        if manifest.exists() {
            phrases.extend(read_manifest(folder, &manifest)?);
        }
        Ok(Self {
            folder: folder.to_owned(),
            phrases,
        })
    }

    /// What was recorded for `text`: the whole, or all of its parts between commas, joined. None
    /// when it was not recorded.
    pub(crate) fn say(
        &self,
        language: Language,
        text: &str,
    ) -> Option<Result<Vec<i16>, BadPrompt>> {
        if let Some(path) = self.phrases.get(&(language, normalise(text))) {
            return Some(load(path));
        }
        let paths: Option<Vec<&PathBuf>> = text
            .split(',')
            .map(normalise)
            .filter(|part| !part.is_empty())
            .map(|part| self.phrases.get(&(language, part)))
            .collect();
        let paths = paths.filter(|paths| !paths.is_empty())?;
        let parts: Result<Vec<_>, _> = paths.into_iter().map(|path| load(path)).collect();
        Some(parts.map(|parts| sound::join(&parts)))
    }

    /// The file at `path` under this folder. None when there is none, or when the path leads out of
    /// the folder.
    pub(crate) fn file(&self, path: &str) -> Option<Result<Vec<i16>, BadPrompt>> {
        let path = Path::new(path);
        if !path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return None;
        }
        let path = self.folder.join(path);
        path.is_file().then(|| load(&path))
    }
}

/// Phrase to file, from the columns that the first line names.
fn read_manifest(
    folder: &Path,
    manifest: &Path,
) -> Result<BTreeMap<(Language, String), PathBuf>, BadPrompt> {
    let text = String::from_utf8_lossy(&read_bounded(manifest)?).into_owned();
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let columns: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split('\t')
        .map(str::trim)
        .collect();
    let column = |name| columns.iter().position(|column| *column == name);
    let (Some(file), Some(language), Some(words)) =
        (column("file"), column("language"), column("text"))
    else {
        return Err(BadPrompt::Manifest(manifest.display().to_string()));
    };
    let mut phrases = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        let language = match cell(language) {
            "uk" => Language::Uk,
            "ru" => Language::Ru,
            "en" => Language::En,
            _ => continue,
        };
        let words = normalise(cell(words));
        if !words.is_empty() {
            phrases
                .entry((language, words))
                .or_insert_with(|| folder.join(cell(file)));
        }
    }
    Ok(phrases)
}

/// Reads one recording, to 8 kHz mono.
fn load(path: &Path) -> Result<Vec<i16>, BadPrompt> {
    let samples = wav::read(&read_bounded(path)?).map_err(|why| BadPrompt::NoSound {
        path: path.display().to_string(),
        why,
    })?;
    Ok(sound::quantise(&samples))
}

/// Reads a file that is not longer than a prompt may be.
fn read_bounded(path: &Path) -> Result<Vec<u8>, BadPrompt> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limits::PROMPT_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(|why| unreadable(path, why))?;
    Ok(bytes)
}

/// The error with the path in it.
fn unreadable(path: &Path, why: io::Error) -> BadPrompt {
    BadPrompt::Unreadable {
        path: path.display().to_string(),
        why,
    }
}

/// Words as they are compared: lower case, single spaces, no final dot, one kind of apostrophe, and
/// the Cyrillic letters that some systems write as two characters in file names put together.
fn normalise(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let joined = words
        .join(" ")
        .replace("и\u{306}", "й")
        .replace("і\u{308}", "ї")
        .replace("е\u{308}", "ё");
    let straight = joined.replace(['\u{2019}', '\u{2bc}', '\u{2018}', '`'], "'");
    straight.trim_end_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prompts that come along.
    fn shipped() -> Recorded {
        Recorded::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts")).unwrap()
    }

    /// The words found in this folder, as seconds.
    fn seconds(recorded: &Recorded, language: Language, text: &str) -> Option<f32> {
        let said = recorded.say(language, text)?.unwrap();
        Some(said.len() as f32 / 8_000.0)
    }

    #[test]
    fn words_are_found_however_they_are_written() {
        let shipped = shipped();
        for text in [
            "Дзвінок із Харкова",
            "дзвінок  ІЗ харкова. ",
            "Дзвінок із Харкова.",
        ] {
            assert!(seconds(&shipped, Language::Uk, text).is_some(), "{text}");
        }
        for apostrophe in ['\'', '’', 'ʼ'] {
            let text = format!("Дзвінок із Кам{apostrophe}янського");
            assert!(seconds(&shipped, Language::Uk, &text).is_some(), "{text}");
        }
        assert_eq!(seconds(&shipped, Language::Ru, "Дзвінок із Харкова"), None);
        assert_eq!(seconds(&shipped, Language::Uk, ""), None);
        assert_eq!(seconds(&shipped, Language::Uk, " , ,"), None);
    }

    #[test]
    fn a_phrase_is_joined_from_its_parts_or_not_said_at_all() {
        let shipped = shipped();
        let city = seconds(&shipped, Language::Uk, "Дзвінок з Одеси").unwrap();
        let campaign = seconds(&shipped, Language::Uk, "імплантація").unwrap();
        let whole = seconds(&shipped, Language::Uk, "Дзвінок з Одеси, імплантація").unwrap();
        // Of 100 ms of silence at each of the two inner ends, and of what fades away before it,
        // 60 ms are left in all.
        let cut = city + campaign - whole;
        assert!((0.14..0.34).contains(&cut), "{city} + {campaign} = {whole}");
        assert_eq!(
            seconds(&shipped, Language::Uk, "Дзвінок з Одеси, марсохід"),
            None
        );
    }

    #[test]
    fn every_line_of_the_shipped_manifest_has_its_sound() {
        let shipped = shipped();
        assert!(shipped.phrases.len() > 290, "{}", shipped.phrases.len());
        for path in shipped.phrases.values() {
            let samples = load(path).unwrap();
            assert!(samples.len() > 1_000, "{}", path.display());
        }
        assert_eq!(
            shipped.file("music/calm.wav").unwrap().unwrap().len(),
            48 * 8_000
        );
    }

    #[test]
    fn a_folder_of_ones_own_needs_no_manifest() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("uk")).unwrap();
        let beep =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/uk/announce/voicemail-beep.wav");
        // As a Mac writes it: и and a breve in place of й.
        fs::copy(
            &beep,
            folder.path().join("uk/Наш рекламнии\u{306} номер.WAV"),
        )
        .unwrap();
        let own = Recorded::open(folder.path()).unwrap();
        assert!(
            own.say(Language::Uk, "наш рекламний номер")
                .unwrap()
                .is_ok()
        );
        fs::write(folder.path().join("uk/Біда.wav"), b"RIFF").unwrap();
        let own = Recorded::open(folder.path()).unwrap();
        let error = own
            .say(Language::Uk, "біда")
            .unwrap()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("Біда.wav") && error.contains("no PCM WAV"),
            "{error}"
        );
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let inside = outside.path().join("prompts");
        fs::create_dir(&inside).unwrap();
        let beep =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/uk/announce/voicemail-beep.wav");
        fs::copy(&beep, outside.path().join("secret.wav")).unwrap();
        fs::copy(&beep, inside.join("open.wav")).unwrap();
        let recorded = Recorded::open(&inside).unwrap();
        assert!(recorded.file("open.wav").is_some());
        let absolute = outside.path().join("secret.wav");
        for path in [
            "../secret.wav",
            "x/../../secret.wav",
            absolute.to_str().unwrap(),
            "",
            ".",
            "none.wav",
        ] {
            assert!(recorded.file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_one_sentence() {
        let error = Recorded::open(Path::new("/no/such/folder"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("/no/such/folder cannot be read: "),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("manifest.tsv"), "щось інше\n").unwrap();
        let error = Recorded::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("columns file, language and text"), "{error}");
    }
}
