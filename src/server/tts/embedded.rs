//! The voice inside the binary: a robot, but it is everywhere and reads Cyrillic.
//!
//! Its data is embedded too and unpacked into the data folder at the first use. Without the feature
//! `embedded-tts` it does not exist, and settings that name it are refused.

use std::path::Path;

use crate::words::Language;

/// Part of the cache's key: another version may sound different.
pub(crate) const NAME: &str = "embedded espeak-ng 0.2.0";

/// Why the voice said nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mute {
    /// This binary has no voice.
    #[cfg(not(feature = "embedded-tts"))]
    #[error(
        "this binary was built without its voice; take `embedded` out of `tts`, or build with the feature embedded-tts"
    )]
    Absent,
    /// Its data could not be unpacked.
    #[cfg(feature = "embedded-tts")]
    #[error("the embedded voice cannot be unpacked to {path}: {why}")]
    Unpack {
        /// Where to.
        path: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// It failed over this text.
    #[cfg(feature = "embedded-tts")]
    #[error("the embedded voice failed: {0}")]
    Failed(String),
}

/// Whether this binary has the voice.
pub(crate) fn present() -> Result<(), Mute> {
    #[cfg(feature = "embedded-tts")]
    return Ok(());
    #[cfg(not(feature = "embedded-tts"))]
    return Err(Mute::Absent);
}

/// Says `text`: samples from −1 to 1 and their rate. `folder` is where the voice's data is kept.
#[cfg(not(feature = "embedded-tts"))]
pub(crate) fn say(
    _folder: &Path,
    _language: Language,
    _text: &str,
) -> Result<(Vec<f32>, u32), Mute> {
    Err(Mute::Absent)
}

/// Says `text`: samples from −1 to 1 and their rate. `folder` is where the voice's data is kept.
#[cfg(feature = "embedded-tts")]
pub(crate) fn say(folder: &Path, language: Language, text: &str) -> Result<(Vec<f32>, u32), Mute> {
    let data = unpack(folder)?;
    let plain = plain(text);
    // The synthesiser is a port from C and somebody else's; what it trips over must stay one phrase.
    let spoken = std::panic::catch_unwind(|| {
        espeak_ng::EspeakNg::with_data_dir(language.as_str(), &data)?.synth(&plain)
    });
    match spoken {
        Ok(Ok((samples, rate))) => Ok((
            samples
                .iter()
                .map(|sample| f32::from(*sample) / 32_768.0)
                .collect(),
            rate,
        )),
        Ok(Err(error)) => Err(Mute::Failed(error.to_string())),
        Err(_) => Err(Mute::Failed("it panicked over this phrase".to_owned())),
    }
}

/// The folder with the voice's data, unpacked once: written beside and renamed, so that another
/// thread or process never meets a half of it.
#[cfg(feature = "embedded-tts")]
fn unpack(folder: &Path) -> Result<std::path::PathBuf, Mute> {
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};
    static TRIES: AtomicU32 = AtomicU32::new(0);

    let data = folder.join("espeak-ng-0.2.0");
    if data.is_dir() {
        return Ok(data);
    }
    let mark = TRIES.fetch_add(1, Ordering::Relaxed);
    let beside = folder.join(format!("espeak-ng.{}.{mark}.tmp", std::process::id()));
    let unpacked = fs::create_dir_all(&beside)
        .and_then(|()| espeak_ng::install_bundled_languages(&beside, &["uk", "ru", "en"]))
        .and_then(|()| fs::rename(&beside, &data));
    match unpacked {
        Ok(()) => Ok(data),
        Err(why) => {
            // Another may have been faster; then its copy serves and ours goes.
            let _ = fs::remove_dir_all(&beside);
            if data.is_dir() {
                return Ok(data);
            }
            Err(Mute::Unpack {
                path: data.display().to_string(),
                why,
            })
        }
    }
}

/// The text without what the synthesiser takes for commands: control characters and `[[phonemes]]`.
#[cfg(feature = "embedded-tts")]
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '[' | ']') {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(all(test, feature = "embedded-tts"))]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_three_languages_and_cyrillic() {
        let folder = tempfile::tempdir().unwrap();
        let mut lengths = Vec::new();
        for (language, text) in [
            (Language::Uk, "Дзвінок із Харкова, імплантація"),
            (Language::Ru, "Звонок из Краснодара, чистка лица"),
            (Language::En, "Call from Odesa, implants"),
        ] {
            let (samples, rate) = say(folder.path(), language, text).unwrap();
            let seconds = samples.len() as f32 / rate as f32;
            assert!((1.0..5.0).contains(&seconds), "{text}: {seconds} s");
            assert!(
                samples.iter().any(|sample| sample.abs() > 0.05),
                "{text} is silent"
            );
            lengths.push(samples.len());
        }
        lengths.dedup();
        assert_eq!(lengths.len(), 3);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn odd_texts_neither_panic_nor_hang() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "",
            " ",
            "…",
            "🦷🦷",
            "[[",
            "\u{1}2P",
            "<speak>",
            "0800 301 232",
            "ÀÉ漢字",
            "а́",
            "ʼʼʼ",
            "\u{202e}abc",
        ] {
            for language in [Language::Uk, Language::Ru, Language::En] {
                if let Err(error) = say(folder.path(), language, text) {
                    assert!(!error.to_string().contains("panicked"), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn many_threads_unpack_it_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(say(folder.path(), Language::En, "yes").is_ok()));
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
