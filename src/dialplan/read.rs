//! Typed reading of a YAML tree that reports every problem instead of stopping at the first.
//!
//! How to read a file with it, the server settings included:
//!
//! ```
//! use std::time::Duration;
//! use strowger::dialplan::diagnose::{Problems, Source};
//! use strowger::dialplan::read::{Fields, Name, Words};
//! use strowger::dialplan::yaml;
//!
//! const TOP: Words = Words { known: &["node", "media"], later: &["dtls"] };
//! const MEDIA: Words = Words { known: &["threads", "rtp_timeout"], later: &[] };
//!
//! let sources = [Source { name: "strowger.yaml", text: "node: odesa\nmedia: { rtp_timeuot: 60s }\n" }];
//! let mut problems = Problems::new(&sources);
//! let root = yaml::parse(0, &mut problems).unwrap();
//! let top = Fields::open(&root, root.at, Name::Phrase("the settings"), &TOP, &mut problems);
//! assert_eq!(top.text("node", &mut problems), Some("odesa".to_owned()));
//! let media = top.section("media", &MEDIA, &mut problems);
//! let range = Duration::from_secs(1)..=Duration::from_secs(3600);
//! assert_eq!(media.duration("rtp_timeout", range, &mut problems), None);
//! let list = problems.into_list();
//! assert!(list[0].to_string().starts_with("strowger.yaml:2:10: error: unknown key `rtp_timeuot` in `media`"));
//! assert!(list[0].to_string().ends_with("did you mean `rtp_timeout`?"));
//! ```
//!
//! A value that is absent or wrong reads as `None` (or empty); the wrong one has been reported. What
//! is left out and what the defaults are is the reader's business.

use std::fmt;
use std::ops::RangeInclusive;

use super::diagnose::{Place, Problems};
use super::yaml::{Entry, Node, Scalar, Value};
use crate::time::Duration;

/// The keys of one mapping.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Those that work.
    pub known: &'static [&'static str],
    /// Those of the contract that do not work yet; they are refused as such.
    pub later: &'static [&'static str],
}

/// A mapping whose keys are all known.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    /// Where it is named.
    pub at: Place,
    /// What messages call it.
    name: Name<'n>,
    entries: &'n [Entry],
    /// Whether it is a mapping, or nothing at all.
    sound: bool,
}

/// What messages call a mapping.
#[derive(Clone, Copy, Debug)]
pub enum Name<'n> {
    /// The key it stands under.
    Key(&'n str),
    /// A description, where it has no key.
    Phrase(&'n str),
}

impl<'n> From<&'n str> for Name<'n> {
    fn from(key: &'n str) -> Self {
        Self::Key(key)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "`{}`", cut(key)),
            Self::Phrase(phrase) => f.write_str(phrase),
        }
    }
}

impl<'n> Fields<'n> {
    /// Opens the mapping that messages call `name` and reports each key that is not among `words`.
    /// `at` is the place of its key, where a missing word is reported. What is no mapping reads as
    /// empty.
    pub fn open(
        node: &'n Node,
        at: Place,
        name: impl Into<Name<'n>>,
        words: &Words,
        problems: &mut Problems<'_>,
    ) -> Self {
        let name = name.into();
        let entries = entries(node, name, problems);
        for entry in entries {
            let key = entry.key.as_str();
            if words.known.contains(&key) {
                continue;
            }
            if words.later.contains(&key) {
                problems.error(entry.at, format!("`{key}` is not yet supported"));
            } else {
                let message = format!("unknown key `{}` in {name}", cut(key));
                if key.contains(' ') && matches!(entry.value.value, Value::Null) {
                    let help = "a text with a comma stands in quotes";
                    problems.error_do(entry.at, message, help);
                    continue;
                }
                problems.error_near(entry.at, message, key, words.known.iter().copied());
            }
        }
        let sound = matches!(node.value, Value::Map(_) | Value::Null);
        Self {
            at,
            name,
            entries,
            sound,
        }
    }

    /// Opens the mapping under a key.
    pub fn of(entry: &'n Entry, words: &Words, problems: &mut Problems<'_>) -> Self {
        let name = Name::Key(&entry.key);
        Self::open(&entry.value, entry.at, name, words, problems)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key with its value.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Reports that a key must be there when it is not.
    pub fn need(&self, key: &str, problems: &mut Problems<'_>) {
        if self.sound && self.entry(key).is_none() {
            problems.error(self.at, format!("{} needs `{key}`", self.name));
        }
    }

    /// The mapping under a key; empty when it is absent.
    pub fn section(&self, key: &'n str, words: &Words, problems: &mut Problems<'_>) -> Fields<'n> {
        match self.entry(key) {
            Some(entry) => Self::of(entry, words, problems),
            None => Fields {
                at: self.at,
                name: Name::Key(key),
                entries: &[],
                sound: true,
            },
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The scalar under a key.
    pub fn scalar(
        &self,
        key: &str,
        takes: &str,
        problems: &mut Problems<'_>,
    ) -> Option<(&'n Scalar, Place)> {
        let node = self.get(key)?;
        scalar(node, key, takes, problems).map(|scalar| (scalar, node.at))
    }

    /// The text under a key, not empty.
    pub fn text(&self, key: &str, problems: &mut Problems<'_>) -> Option<String> {
        let (scalar, at) = self.scalar(key, "a text", problems)?;
        if scalar.text.trim().is_empty() {
            problems.error(at, format!("`{key}` is empty"));
            return None;
        }
        Some(scalar.text.clone())
    }

    /// The text under a key as another type; `takes` says what is wanted.
    pub fn parsed<T>(
        &self,
        key: &str,
        takes: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let node = self.get(key)?;
        parsed(node, key, takes, parse, problems)
    }

    /// The duration under a key, within a range.
    pub fn duration(
        &self,
        key: &str,
        range: RangeInclusive<Duration>,
        problems: &mut Problems<'_>,
    ) -> Option<Duration> {
        let takes = "a duration like 20s, 3m, 2h, 90d or 500ms";
        let value = self.parsed(key, takes, duration, problems)?;
        self.within(key, value, range, |value| spoken(*value), problems)
    }

    /// The whole number under a key, within a range.
    pub fn whole(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
        problems: &mut Problems<'_>,
    ) -> Option<u64> {
        let value = self.parsed(key, "a whole number", |text| text.parse().ok(), problems)?;
        self.within(key, value, range, u64::to_string, problems)
    }

    /// The whole number under a key that may be below zero, within a range.
    pub fn between(
        &self,
        key: &str,
        range: RangeInclusive<i32>,
        problems: &mut Problems<'_>,
    ) -> Option<i32> {
        let value = self.parsed(key, "a whole number", |text| text.parse().ok(), problems)?;
        self.within(key, value, range, i32::to_string, problems)
    }

    fn within<T: PartialOrd>(
        &self,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
        show: impl Fn(&T) -> String,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        let (least, most) = (show(range.start()), show(range.end()));
        let at = self.get(key).map_or(self.at, |node| node.at);
        problems.error(at, format!("`{key}` is from {least} to {most}"));
        None
    }

    /// `true` or `false` under a key.
    pub fn flag(&self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        self.parsed(key, "true or false", |text| text.parse().ok(), problems)
    }

    /// One of some words under a key. Words of the contract that come later are told apart.
    pub fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        later: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let node = self.get(key)?;
        choice(node, key, words, later, problems)
    }

    /// What stands under a key, where one thing needs no list.
    #[must_use]
    pub fn one_or_many(&self, key: &str) -> &'n [Node] {
        self.get(key).map_or(&[], one_or_many)
    }
}

/// The entries of a mapping; nothing reads as an empty one, anything else is reported.
pub fn entries<'n, 'm>(
    node: &'n Node,
    name: impl Into<Name<'m>>,
    problems: &mut Problems<'_>,
) -> &'n [Entry] {
    let name = name.into();
    match &node.value {
        Value::Map(entries) => entries,
        Value::Null => &[],
        Value::Scalar(_) | Value::List(_) => {
            let message = format!("{name} takes a mapping, not {}", node.kind());
            problems.error(node.at, message);
            &[]
        }
    }
}

/// The scalar in a node.
pub fn scalar<'n>(
    node: &'n Node,
    name: &str,
    takes: &str,
    problems: &mut Problems<'_>,
) -> Option<&'n Scalar> {
    if let Value::Scalar(scalar) = &node.value {
        return Some(scalar);
    }
    let message = format!("`{name}` takes {takes}, not {}", node.kind());
    problems.error(node.at, message);
    None
}

/// The text in a node as another type. What is unset reads as none: that has been reported.
pub fn parsed<T>(
    node: &Node,
    name: &str,
    takes: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let scalar = scalar(node, name, takes, problems)?;
    if scalar.unset {
        return None;
    }
    let value = parse(scalar.text.trim());
    if value.is_none() {
        let message = format!("`{name}` takes {takes}, not {}", shown(scalar));
        problems.error(node.at, message);
    }
    value
}

/// One of some words in a node.
pub fn choice<T: Copy>(
    node: &Node,
    name: &str,
    words: &[(&str, T)],
    later: &[&str],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let known = || words.iter().map(|(word, _)| *word);
    let takes = alternatives(words);
    let scalar = scalar(node, name, &takes, problems)?;
    let word = scalar.text.as_str();
    let found = words.iter().find(|(known, _)| *known == word);
    if found.is_none() && !scalar.unset {
        if later.contains(&word) {
            problems.error(node.at, format!("`{name}: {word}` is not yet supported"));
        } else {
            let message = format!("`{name}` takes {takes}, not {}", shown(scalar));
            problems.error_near(node.at, message, word, known());
        }
    }
    found.map(|(_, value)| *value)
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives<T>(words: &[(&str, T)]) -> String {
    let words = words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The items of a list, or the one thing that stands in its place.
#[must_use]
pub fn one_or_many(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Null => &[],
        Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
    }
}

/// A value as a message may show it: short, and never what came from a reference.
#[must_use]
pub fn shown(scalar: &Scalar) -> String {
    if scalar.resolved {
        "what the reference holds".to_owned()
    } else {
        format!("`{}`", cut(&scalar.text))
    }
}

/// A text short enough for a message.
#[must_use]
pub fn cut(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short = text
        .chars()
        .take(LONGEST)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect::<String>();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// Reads `20s`, `3m`, `2h`, `90d`, `500ms`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    let count = digits.parse::<u64>().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

/// Writes a duration the way it is read, in the largest unit that fits.
#[must_use]
pub fn spoken(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let fits = units
        .iter()
        .find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

/// Words as a sentence lists them.
pub fn listed<T: fmt::Display>(words: impl IntoIterator<Item = T>) -> String {
    let words = words.into_iter().map(|word| format!("`{word}`"));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let millis = |text| duration(text).map(|duration| duration.as_millis());
        assert_eq!(millis("20s"), Some(20_000));
        assert_eq!(millis("3m"), Some(180_000));
        assert_eq!(millis("2h"), Some(7_200_000));
        assert_eq!(millis("90d"), Some(7_776_000_000));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("0s"), Some(0));
        for wrong in [
            "",
            "20",
            "s",
            "20 s",
            "-3s",
            "1.5s",
            "20с",
            "99999999999999999999d",
            "9999999999999d",
        ] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
        for text in ["20s", "3m", "2h", "90d", "500ms", "0s", "90s"] {
            assert_eq!(spoken(duration(text).unwrap()), text);
        }
    }
}
