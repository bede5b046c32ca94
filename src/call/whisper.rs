//! Which form of the whisper is said: the fullest one that is ready.
//!
//! A call never waits for a synthesiser: a form that is not ready now is not said in this call.

use std::collections::BTreeMap;

use crate::dialplan::plan::Whisper;
use crate::words::{Phrase, Prompt};

/// The fullest form that is ready.
#[must_use]
pub fn choose<'a>(
    whisper: &'a Whisper,
    prompts: &BTreeMap<Phrase, Prompt>,
) -> Option<(&'a Phrase, Prompt)> {
    whisper
        .forms
        .iter()
        .find_map(|form| prompts.get(form).map(|prompt| (form, *prompt)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use crate::words::Language;

    fn spoken(text: &str) -> Phrase {
        Phrase::Spoken {
            language: Language::Uk,
            text: text.to_owned(),
        }
    }

    #[test]
    fn an_optional_part_that_is_not_ready_falls_away() {
        let full = spoken("Дзвінок з Одеси, імплантація");
        let bare = spoken("Дзвінок з Одеси");
        let whisper = Whisper {
            forms: vec![full.clone(), bare.clone()],
        };
        let prompt = Prompt {
            key: 1,
            duration: Duration::from_secs(2),
        };
        let mut ready = BTreeMap::from([(bare.clone(), prompt)]);
        assert_eq!(choose(&whisper, &ready), Some((&bare, prompt)));
        ready.insert(full.clone(), prompt);
        assert_eq!(choose(&whisper, &ready), Some((&full, prompt)));
        assert_eq!(choose(&whisper, &BTreeMap::new()), None);
    }
}
