//! The template of a whisper: `Дзвінок {from}[, {campaign}][, {repeat}]`. What the dialled number says
//! is filled in when the plan is loaded; what the caller says, when a phone rings ([`utterance`]).

pub mod utterance;

use self::utterance::{Part, Piece, Whisper};
use crate::limits;
use crate::words::Language;

/// What a dialled number says in a template.
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

/// What a caller says in a template; each is empty unless it is so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trait {
    /// Has called before.
    Repeat,
    /// For how long the caller has waited, in whole minutes.
    Wait,
    /// Asked to be called, on the website.
    Lead,
    /// Is being called back.
    Callback,
}

/// A word in braces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    /// Known when the plan is loaded.
    OfNumber(Name),
    /// Known when a phone rings.
    OfCaller(Trait),
}

/// The words of templates.
pub const NAMES: [(&str, Word); 10] = [
    ("from", Word::OfNumber(Name::From)),
    ("city", Word::OfNumber(Name::City)),
    ("campaign", Word::OfNumber(Name::Campaign)),
    ("source", Word::OfNumber(Name::Source)),
    ("site", Word::OfNumber(Name::Site)),
    ("name", Word::OfNumber(Name::Name)),
    ("repeat", Word::OfCaller(Trait::Repeat)),
    ("wait", Word::OfCaller(Trait::Wait)),
    ("lead", Word::OfCaller(Trait::Lead)),
    ("callback", Word::OfCaller(Trait::Callback)),
];

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Text(String),
    Word(Word),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Segment {
    optional: bool,
    tokens: Vec<Token>,
}

/// A template that names only what exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    segments: Vec<Segment>,
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

    /// The whisper of one number. Names that are empty take their bracket along.
    pub fn fill<'a>(&self, language: Language, value: impl Fn(Name) -> Option<&'a str>) -> Whisper {
        let filled = |segment: &Segment| {
            let mut pieces = Vec::<Piece>::new();
            for token in &segment.tokens {
                let text = match token {
                    Token::Text(text) => text.as_str(),
                    Token::Word(Word::OfCaller(of)) => {
                        pieces.push(Piece::Of(*of));
                        continue;
                    }
                    Token::Word(Word::OfNumber(name)) => match value(*name) {
                        Some(value) => value,
                        None if segment.optional => return None,
                        None => "",
                    },
                };
                match pieces.last_mut() {
                    Some(Piece::Text(before)) => before.push_str(text),
                    Some(Piece::Of(_)) | None => pieces.push(Piece::Text(text.to_owned())),
                }
            }
            let optional = segment.optional;
            Some(Part { optional, pieces })
        };
        Whisper {
            language,
            parts: self.segments.iter().filter_map(filled).collect(),
        }
    }
}

#[derive(Default)]
struct Reader {
    segments: Vec<Segment>,
    current: Segment,
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
                self.segment(true);
                self.bracket = Some(offset);
            }
            (']', None) if self.bracket.is_none() => {
                self.fault(offset, 1, FaultKind::Unpaired(']'));
            }
            (']', None) => {
                self.segment(false);
                self.bracket = None;
            }
            (_, None) => self.text.push(character),
        }
    }

    fn name(&mut self, start: usize, word: &str) {
        let known = NAMES.iter().find(|(known, _)| *known == word.trim());
        if let Some((_, word)) = known {
            self.flush();
            self.current.tokens.push(Token::Word(*word));
        } else {
            let width = word.chars().count() + 2;
            self.fault(start, width, FaultKind::UnknownName(word.to_owned()));
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.current.tokens.push(Token::Text(text));
        }
    }

    /// Ends the current segment and begins one of the other kind.
    fn segment(&mut self, optional: bool) {
        self.flush();
        let next = Segment {
            optional,
            tokens: Vec::new(),
        };
        let done = std::mem::replace(&mut self.current, next);
        if !done.tokens.is_empty() {
            self.segments.push(done);
        }
    }

    fn finish(mut self) -> Result<Template, Vec<Fault>> {
        self.segment(false);
        if let Some((start, _)) = self.brace.take() {
            self.fault(start, 1, FaultKind::Unpaired('{'));
        }
        if let Some(start) = self.bracket.take() {
            self.fault(start, 1, FaultKind::Unpaired('['));
        }
        if self.segments.iter().filter(|it| it.optional).count() > limits::WHISPER_PARTS {
            self.fault(0, 1, FaultKind::TooManyParts);
        }
        if self.faults.is_empty() {
            Ok(Template {
                segments: self.segments,
            })
        } else {
            Err(self.faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::utterance::Spoken;
    use super::*;

    fn forms(template: &str, names: &[(Name, &str)]) -> Vec<String> {
        let template = Template::read(template).unwrap();
        let whisper = template.fill(Language::Uk, |wanted| {
            let found = names.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        });
        let forms = whisper.about(&Spoken::default()).forms();
        forms.iter().map(|form| form.text().to_owned()).collect()
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
