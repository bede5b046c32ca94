//! The template of a whisper: `Дзвінок {from}[, {campaign}]`, and the phrases it makes for a number.

use super::plan::Whisper;
use crate::limits;
use crate::words::{Language, Phrase};

/// What a template can name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    /// The city as it is spoken after "a call".
    From,
    /// The city.
    City,
    /// The campaign.
    Campaign,
    /// Where the caller saw the number.
    Source,
    /// The key of the site.
    Site,
    /// The name people know the number by.
    Name,
}

/// The words of templates.
pub const NAMES: [(&str, Name); 6] = [
    ("from", Name::From),
    ("city", Name::City),
    ("campaign", Name::Campaign),
    ("source", Name::Source),
    ("site", Name::Site),
    ("name", Name::Name),
];

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Name(Name),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Part {
    optional: bool,
    pieces: Vec<Piece>,
}

/// A template that names only what exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

/// What is wrong with a template, and how many characters into it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Characters before it.
    pub offset: usize,
    /// Characters to underline.
    pub width: usize,
    /// What it is.
    pub kind: FaultKind,
}

/// The ways a template can be wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    /// The name in braces is none.
    #[error("a whisper knows no `{{{0}}}`")]
    UnknownName(String),
    /// A brace or bracket has no partner.
    #[error("this `{0}` has no partner")]
    Unpaired(char),
    /// A bracket in a bracket.
    #[error("a part in brackets holds no other one")]
    Nested,
    /// Too many parts in brackets.
    #[error("a whisper has at most {} parts in brackets", limits::WHISPER_PARTS)]
    TooManyParts,
    /// Too long.
    #[error("a phrase has at most {} characters", limits::PHRASE_CHARS)]
    TooLong,
}

impl Template {
    /// Reads a template; the faults are all of it, in order.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        for (offset, character) in text.chars().enumerate() {
            if offset == limits::PHRASE_CHARS {
                reader.fault(0, 1, FaultKind::TooLong);
                break;
            }
            reader.take(offset, character);
        }
        reader.finish()
    }

    /// Every form for one number, the fullest first. Names that are empty take their bracket along.
    pub fn forms<'a>(
        &self,
        language: Language,
        value: impl Fn(Name) -> Option<&'a str>,
    ) -> Whisper {
        let filled = |part: &Part| {
            part.pieces
                .iter()
                .try_fold(String::new(), |mut text, piece| {
                    match piece {
                        Piece::Text(fixed) => text.push_str(fixed),
                        Piece::Name(name) => match value(*name) {
                            Some(value) => text.push_str(value),
                            None if part.optional => return None,
                            None => {}
                        },
                    }
                    Some(text)
                })
        };
        let parts = self
            .parts
            .iter()
            .filter_map(|part| filled(part).map(|text| (part.optional, text)))
            .collect::<Vec<_>>();
        let optional = parts.iter().filter(|(optional, _)| *optional).count();
        let mut forms = Vec::<Phrase>::new();
        for kept in (0..=optional).rev() {
            let mut left = kept;
            let mut text = String::new();
            for (optional, part) in &parts {
                if *optional && left == 0 {
                    continue;
                }
                left -= usize::from(*optional);
                text.push_str(part);
            }
            let text = tidy(&text);
            let form = Phrase::Spoken {
                language,
                text: text.clone(),
            };
            if !text.is_empty() && !forms.contains(&form) {
                forms.push(form);
            }
        }
        Whisper { forms }
    }

    /// Whether the template names this outside brackets.
    #[must_use]
    pub fn requires(&self, name: Name) -> bool {
        let mut fixed = self.parts.iter().filter(|part| !part.optional);
        fixed.any(|part| part.pieces.contains(&Piece::Name(name)))
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

#[derive(Default)]
struct Reader {
    parts: Vec<Part>,
    current: Part,
    text: String,
    brace: Option<(usize, String)>,
    bracket: Option<usize>,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, offset: usize, width: usize, kind: FaultKind) {
        self.faults.push(Fault {
            offset,
            width,
            kind,
        });
    }

    fn take(&mut self, offset: usize, character: char) {
        match (character, self.brace.take()) {
            ('}', Some((start, word))) => self.name(start, &word),
            ('{' | '[' | ']', Some((start, _))) => {
                self.fault(start, 1, FaultKind::Unpaired('{'));
                self.take(offset, character);
            }
            (_, Some((start, mut word))) => {
                word.push(character);
                self.brace = Some((start, word));
            }
            ('{', None) => self.brace = Some((offset, String::new())),
            ('}', None) => self.fault(offset, 1, FaultKind::Unpaired('}')),
            ('[', None) if self.bracket.is_some() => self.fault(offset, 1, FaultKind::Nested),
            ('[', None) => {
                self.part(true);
                self.bracket = Some(offset);
            }
            (']', None) if self.bracket.is_none() => {
                self.fault(offset, 1, FaultKind::Unpaired(']'));
            }
            (']', None) => {
                self.part(false);
                self.bracket = None;
            }
            (_, None) => self.text.push(character),
        }
    }

    fn name(&mut self, start: usize, word: &str) {
        let known = NAMES.iter().find(|(known, _)| *known == word.trim());
        if let Some((_, name)) = known {
            self.flush();
            self.current.pieces.push(Piece::Name(*name));
        } else {
            let width = word.chars().count() + 2;
            self.fault(start, width, FaultKind::UnknownName(word.to_owned()));
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.current.pieces.push(Piece::Text(text));
        }
    }

    /// Ends the current part and begins one of the other kind.
    fn part(&mut self, optional: bool) {
        self.flush();
        let next = Part {
            optional,
            pieces: Vec::new(),
        };
        let done = std::mem::replace(&mut self.current, next);
        if !done.pieces.is_empty() {
            self.parts.push(done);
        }
    }

    fn finish(mut self) -> Result<Template, Vec<Fault>> {
        self.part(false);
        if let Some((start, _)) = self.brace.take() {
            self.fault(start, 1, FaultKind::Unpaired('{'));
        }
        if let Some(start) = self.bracket.take() {
            self.fault(start, 1, FaultKind::Unpaired('['));
        }
        if self.parts.iter().filter(|part| part.optional).count() > limits::WHISPER_PARTS {
            self.fault(0, 1, FaultKind::TooManyParts);
        }
        if self.faults.is_empty() {
            Ok(Template { parts: self.parts })
        } else {
            Err(self.faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(template: &str, names: &[(Name, &str)]) -> Vec<String> {
        let whisper = Template::read(template)
            .unwrap()
            .forms(Language::Uk, |wanted| {
                let found = names.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| *value)
            });
        let text = |form: &Phrase| match form {
            Phrase::Spoken { text, .. } => text.clone(),
            Phrase::File(path) => path.clone(),
            Phrase::Tone(tone) => format!("{tone:?}"),
        };
        whisper.forms.iter().map(text).collect()
    }

    #[test]
    fn parts_in_brackets_fall_away_from_the_right() {
        let template = "Дзвінок {from}[, {campaign}][, {source}]";
        let all = [
            (Name::From, "з Одеси"),
            (Name::Campaign, "імплантація"),
            (Name::Source, "сайт"),
        ];
        assert_eq!(
            forms(template, &all),
            [
                "Дзвінок з Одеси, імплантація, сайт",
                "Дзвінок з Одеси, імплантація",
                "Дзвінок з Одеси",
            ]
        );
        assert_eq!(
            forms(template, &[(Name::From, "з Одеси"), (Name::Source, "сайт")]),
            ["Дзвінок з Одеси, сайт", "Дзвінок з Одеси"]
        );
        assert_eq!(forms(template, &[]), ["Дзвінок"]);
        assert_eq!(forms("[{campaign}]", &[]), Vec::<String>::new());
        assert_eq!(
            forms("{from}, {city}.", &[(Name::City, "Одеса")]),
            ["Одеса."]
        );
    }

    #[test]
    fn every_fault_has_its_place() {
        let faults = Template::read("Дзвінок {form}[, {campaign} і [x]").unwrap_err();
        let told = faults
            .iter()
            .map(|fault| format!("{}+{}: {}", fault.offset, fault.width, fault.kind))
            .collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                "8+6: a whisper knows no `{form}`",
                "30+1: a part in brackets holds no other one",
            ]
        );
        for wrong in [
            "{",
            "}",
            "[",
            "]",
            "a {b [c]",
            "[[]]",
            &"а".repeat(401),
            &"[а]".repeat(9),
        ] {
            assert!(Template::read(wrong).is_err(), "{wrong}");
        }
    }
}
