//! A whisper in words: of one number, then of one caller, in every form in which it can be said.
//!
//! The form that leaves out nothing comes first; parts in brackets fall away from the right. A part
//! alone is a fragment: what is said when no whole form is ready.

use super::Trait;
use crate::limits;
use crate::time::Duration;
use crate::words::{Language, Phrase};

/// What is known of a caller only when a phone rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spoken {
    /// Has called before.
    pub repeat: bool,
    /// Waits for so long.
    pub wait: Duration,
    /// Asked to be called, on the website.
    pub lead: bool,
    /// Is being called back.
    pub callback: bool,
}

impl Spoken {
    /// Everything that can be true of a caller who has not waited a minute, the plainest first.
    #[must_use]
    pub fn without_wait() -> [Self; 8] {
        [0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111].map(|bits| Self {
            repeat: bits & 1 != 0,
            lead: bits & 2 != 0,
            callback: bits & 4 != 0,
            wait: Duration::ZERO,
        })
    }

    /// The caller of whom there is most to say.
    pub const LONGEST: Self = Self {
        repeat: true,
        wait: Duration::from_secs(60 * limits::WHISPER_MINUTES),
        lead: true,
        callback: true,
    };

    const fn has(&self, of: Trait) -> bool {
        match of {
            Trait::Repeat => self.repeat,
            Trait::Wait => self.minutes().is_some(),
            Trait::Lead => self.lead,
            Trait::Callback => self.callback,
        }
    }

    /// Whole minutes of waiting; none where nothing is said of it.
    const fn minutes(&self) -> Option<u64> {
        match self.wait.as_secs() / 60 {
            minutes @ 1..=limits::WHISPER_MINUTES => Some(minutes),
            _ => None,
        }
    }

    fn words(&self, language: Language, of: Trait) -> Option<String> {
        let fixed = |words: [&str; 3]| {
            let [uk, ru, en] = words;
            let words = match language {
                Language::Uk => uk,
                Language::Ru => ru,
                Language::En => en,
            };
            self.has(of).then(|| words.to_owned())
        };
        match of {
            Trait::Repeat => fixed(["повторний клієнт", "повторный клиент", "repeat caller"]),
            Trait::Lead => fixed([
                "заявка із сайту",
                "заявка с сайта",
                "request from the website",
            ]),
            Trait::Callback => fixed(["зворотний дзвінок", "обратный звонок", "callback"]),
            Trait::Wait => self.minutes().map(|minutes| waited(language, minutes)),
        }
    }
}

/// So many minutes, as they follow "has waited".
fn waited(language: Language, minutes: u64) -> String {
    let [one, few, many] = match language {
        Language::Uk => ["хвилину", "хвилини", "хвилин"],
        Language::Ru => ["минуту", "минуты", "минут"],
        Language::En => ["minute", "minutes", "minutes"],
    };
    let form = match (language, minutes % 10, minutes % 100) {
        (Language::En, ..) if minutes == 1 => one,
        (Language::En, ..) | (_, _, 11..=14) => many,
        (_, 1, _) => one,
        (_, 2..=4, _) => few,
        _ => many,
    };
    format!("{minutes} {form}")
}

/// A stretch of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Words.
    Text(String),
    /// What is said of a caller, if it is so.
    Of(Trait),
}

/// A part of a whisper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// It stood in brackets: it falls away when a name in it is empty.
    pub optional: bool,
    /// What it says.
    pub pieces: Vec<Piece>,
}

/// What operators hear of whoever dials one number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whisper {
    /// The language.
    pub language: Language,
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// One that says nothing.
impl Default for Whisper {
    fn default() -> Self {
        Self {
            language: Language::Uk,
            parts: Vec::new(),
        }
    }
}

impl Whisper {
    /// What is said of this caller.
    #[must_use]
    pub fn about(&self, spoken: &Spoken) -> Utterance {
        let said = |part: &Part| {
            let mut text = String::new();
            for piece in &part.pieces {
                match piece {
                    Piece::Text(words) => text.push_str(words),
                    Piece::Of(of) => match spoken.words(self.language, *of) {
                        Some(words) => text.push_str(&words),
                        None if part.optional => return None,
                        None => {}
                    },
                }
            }
            Some((part.optional, text))
        };
        Utterance {
            language: self.language,
            parts: self.parts.iter().filter_map(said).collect(),
        }
    }

    /// The same for somebody who is called back: said before it unless it says so itself.
    #[must_use]
    pub fn of_callback(mut self) -> Self {
        let mut pieces = self.parts.iter().flat_map(|part| &part.pieces);
        if !pieces.any(|piece| *piece == Piece::Of(Trait::Callback)) {
            let comma = Piece::Text(", ".to_owned());
            let part = Part {
                optional: false,
                pieces: vec![Piece::Of(Trait::Callback), comma],
            };
            self.parts.insert(0, part);
        }
        self
    }

    /// Whether it has a word for everything that is known of this caller.
    #[must_use]
    pub fn names_all(&self, spoken: &Spoken) -> bool {
        let named = |of| {
            let mut pieces = self.parts.iter().flat_map(|part| &part.pieces);
            !spoken.has(of) || pieces.any(|piece| *piece == Piece::Of(of))
        };
        [Trait::Repeat, Trait::Wait, Trait::Lead, Trait::Callback]
            .into_iter()
            .all(named)
    }
}

/// What is said of one caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Utterance {
    language: Language,
    /// Whether it may fall away, and its words.
    parts: Vec<(bool, String)>,
}

/// A whole utterance, with fewer or more of its parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Form {
    /// How many parts it says.
    pub parts: usize,
    language: Language,
    text: String,
}

impl Form {
    /// Its words.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is to be spoken.
    #[must_use]
    pub fn phrase(&self) -> Phrase {
        Phrase::Spoken {
            language: self.language,
            text: self.text.clone(),
        }
    }
}

impl Utterance {
    /// Every form, the fullest first; empty when there is nothing to say.
    #[must_use]
    pub fn forms(&self) -> Vec<Form> {
        let optional = self.parts.iter().filter(|(optional, _)| *optional).count();
        let mut forms = Vec::<Form>::new();
        for kept in (0..=optional).rev() {
            let mut left = kept;
            let form = self.form(|optional, _| {
                let stays = !optional || left > 0;
                left -= usize::from(optional && stays);
                stays
            });
            let known = forms.last().is_some_and(|before| before.text == form.text);
            if !form.text.is_empty() && !known {
                forms.push(form);
            }
        }
        forms
    }

    /// Each part alone.
    #[must_use]
    pub fn fragments(&self) -> Vec<Phrase> {
        let fragments = self.parts.iter().map(|(_, text)| self.fragment(text));
        fragments.flatten().collect()
    }

    /// The parts that are `ready`, as one text and as what is to be played for it.
    pub fn glued<T>(&self, ready: impl Fn(&Phrase) -> Option<T>) -> (Form, Vec<T>) {
        let mut sounds = Vec::new();
        let form = self.form(|_, text| {
            let sound = self.fragment(text).and_then(|phrase| ready(&phrase));
            let is_ready = sound.is_some();
            sounds.extend(sound);
            is_ready
        });
        (form, sounds)
    }

    fn fragment(&self, text: &str) -> Option<Phrase> {
        let text = tidy(text);
        let language = self.language;
        (!text.is_empty()).then_some(Phrase::Spoken { language, text })
    }

    fn form(&self, mut stays: impl FnMut(bool, &str) -> bool) -> Form {
        let (mut parts, mut text) = (0, String::new());
        for (_, part) in self.parts.iter().filter(|(opt, part)| stays(*opt, part)) {
            parts += 1;
            text.push_str(part);
        }
        Form {
            parts,
            language: self.language,
            text: tidy(&text),
        }
    }
}

/// Single spaces, none at the ends, and no comma left over by an empty name.
fn tidy(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words
        .replace(" ,", ",")
        .replace(" .", ".")
        .trim_matches([' ', ',', ';', ':', '-', '–', '—'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Name, Template};
    use super::*;

    fn whisper(template: &str) -> Whisper {
        let template = Template::read(template).unwrap();
        template.fill(Language::Uk, |name| {
            (name == Name::From).then_some("з Одеси")
        })
    }

    fn said(whisper: &Whisper, spoken: Spoken) -> Vec<String> {
        let forms = whisper.about(&spoken).forms();
        forms.iter().map(|form| form.text().to_owned()).collect()
    }

    fn after(seconds: u64) -> Spoken {
        Spoken {
            wait: Duration::from_secs(seconds),
            ..Spoken::default()
        }
    }

    #[test]
    fn what_is_not_so_takes_its_bracket_along() {
        let whisper = whisper("Дзвінок {from}[, {repeat}][, чекає {wait}][, {lead}][, {callback}]");
        assert_eq!(said(&whisper, Spoken::default()), ["Дзвінок з Одеси"]);
        assert_eq!(
            said(&whisper, after(185)),
            ["Дзвінок з Одеси, чекає 3 хвилини", "Дзвінок з Одеси"]
        );
        let lead = Spoken {
            repeat: true,
            lead: true,
            callback: true,
            ..after(59)
        };
        assert_eq!(
            said(&whisper, lead),
            [
                "Дзвінок з Одеси, повторний клієнт, заявка із сайту, зворотний дзвінок",
                "Дзвінок з Одеси, повторний клієнт, заявка із сайту",
                "Дзвінок з Одеси, повторний клієнт",
                "Дзвінок з Одеси",
            ]
        );
    }

    #[test]
    fn who_is_called_back_is_said_to_be_whatever_the_template() {
        let back = Spoken {
            callback: true,
            ..Spoken::default()
        };
        for (template, heard) in [
            ("Дзвінок {from}", "зворотний дзвінок, Дзвінок з Одеси"),
            (
                "Дзвінок {from}[, {callback}]",
                "Дзвінок з Одеси, зворотний дзвінок",
            ),
            ("", "зворотний дзвінок"),
        ] {
            let whisper = whisper(template).of_callback();
            assert_eq!(said(&whisper, back)[0], heard);
        }
    }

    #[test]
    fn minutes_have_the_grammar_of_their_language() {
        let waits = |language, minutes: &[u64]| {
            let template = Template::read("{wait}").unwrap();
            let whisper = template.fill(language, |_| None);
            let said = minutes.iter().map(|it| said(&whisper, after(it * 60 + 59)));
            said.flatten().collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            waits(Language::Uk, &[0, 1, 2, 4, 5, 11, 12, 21, 22, 25, 101, 111]),
            "1 хвилину, 2 хвилини, 4 хвилини, 5 хвилин, 11 хвилин, 12 хвилин, 21 хвилину, \
             22 хвилини, 25 хвилин, 101 хвилину, 111 хвилин"
        );
        assert_eq!(
            waits(Language::Ru, &[1, 3, 14, 30]),
            "1 минуту, 3 минуты, 14 минут, 30 минут"
        );
        assert_eq!(
            waits(Language::En, &[1, 2, 21]),
            "1 minute, 2 minutes, 21 minutes"
        );
        let (longest, longer) = (limits::WHISPER_MINUTES, limits::WHISPER_MINUTES + 1);
        assert!(!waits(Language::En, &[longest]).is_empty());
        assert!(waits(Language::En, &[longer]).is_empty());
    }

    #[test]
    fn parts_that_are_ready_are_glued() {
        let whisper = whisper("Дзвінок {from}[, {repeat}][, чекає {wait}]");
        let spoken = Spoken {
            repeat: true,
            ..after(130)
        };
        let about = whisper.about(&spoken);
        let words = |phrase: &Phrase| match phrase {
            Phrase::Spoken { text, .. } => text.clone(),
            Phrase::File(_) | Phrase::Tone(_) => String::new(),
        };
        let parts = ["Дзвінок з Одеси", "повторний клієнт", "чекає 2 хвилини"];
        let fragments = about.fragments();
        assert_eq!(fragments.iter().map(words).collect::<Vec<_>>(), parts);
        for (missing, glued) in [
            (0, "повторний клієнт, чекає 2 хвилини"),
            (1, "Дзвінок з Одеси, чекає 2 хвилини"),
            (2, "Дзвінок з Одеси, повторний клієнт"),
        ] {
            let (form, sounds) = about.glued(|phrase| {
                let at = parts.iter().position(|part| *part == words(phrase));
                at.filter(|at| *at != missing)
            });
            assert_eq!((form.text(), form.parts), (glued, 2));
            assert_eq!(
                sounds,
                [0, 1, 2]
                    .into_iter()
                    .filter(|at| *at != missing)
                    .collect::<Vec<_>>()
            );
        }
        let (form, sounds) = about.glued(|_| None::<()>);
        assert_eq!((form.text(), form.parts, sounds.len()), ("", 0, 0));
    }
}
