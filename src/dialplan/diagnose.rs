//! Problems with file, line, column, a caret under the character, and a suggestion.
//!
//! A [`Problems`] collects everything that is wrong with a set of files, so that an admin sees all
//! of it at once. It knows nothing of the words that the files may hold: the dialplan and the server
//! settings both report here.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::limits;

/// One file, as text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What problems call it, usually its path.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// A stretch of one line of one source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Which source, counted from zero.
    pub file: usize,
    /// From one.
    pub line: u32,
    /// From one, in characters.
    pub column: u32,
    /// How many characters the caret underlines.
    pub width: u32,
}

impl Place {
    /// The beginning of a source.
    #[must_use]
    pub const fn start(file: usize) -> Self {
        Self {
            file,
            line: 1,
            column: 1,
            width: 1,
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken.
    Warning,
}

impl Severity {
    /// The word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What to do about a problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Help {
    /// A known word that is near.
    DidYouMean(String),
    /// A sentence that says what to write.
    Do(String),
}

/// The line a problem is in, cut to a window around it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt {
    text: String,
    before: usize,
    width: usize,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file as it was named.
    pub file: Arc<str>,
    /// From one.
    pub line: u32,
    /// From one, in characters.
    pub column: u32,
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// What is wrong, one lower-case sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<Help>,
    /// The source line; none where the file could not be read.
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    /// A problem of a file that has no readable text.
    #[must_use]
    pub fn of_file(file: &str, message: String) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
            severity: Severity::Error,
            message,
            help: None,
            excerpt: None,
        }
    }

    /// Where it is, as `file:line:column`.
    #[must_use]
    pub fn position(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }
}

/// `file:line:column: error: message`, the line, the caret and the help.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (position, severity) = (self.position(), self.severity.as_str());
        write!(f, "{position}: {severity}: {}", self.message)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n    {}\n    ", excerpt.text)?;
            // A tab before the caret stays a tab, so that the caret lands under its character.
            for character in excerpt.text.chars().take(excerpt.before) {
                f.write_str(if character == '\t' { "\t" } else { " " })?;
            }
            for _ in 0..excerpt.width {
                f.write_str("^")?;
            }
        }
        match &self.help {
            Some(Help::DidYouMean(word)) => write!(f, "\n  help: did you mean `{word}`?"),
            Some(Help::Do(sentence)) => write!(f, "\n  help: {sentence}"),
            None => Ok(()),
        }
    }
}

/// The fields of the tools' JSON.
impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut fields = serializer.serialize_struct("Problem", 6)?;
        fields.serialize_field("file", &*self.file)?;
        fields.serialize_field("line", &self.line)?;
        fields.serialize_field("column", &self.column)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("message", &self.message)?;
        let suggestion = self.help.as_ref().map(|help| match help {
            Help::DidYouMean(text) | Help::Do(text) => text,
        });
        fields.serialize_field("suggestion", &suggestion)?;
        fields.end()
    }
}

/// Everything that is wrong with some sources, in the order it was found.
#[derive(Debug)]
pub struct Problems<'s> {
    sources: &'s [Source<'s>],
    list: Vec<Problem>,
    more: usize,
    errors: bool,
}

impl<'s> Problems<'s> {
    /// Nothing is wrong yet.
    #[must_use]
    pub const fn new(sources: &'s [Source<'s>]) -> Self {
        Self {
            sources,
            list: Vec::new(),
            more: 0,
            errors: false,
        }
    }

    /// Adds an error.
    pub fn error(&mut self, at: Place, message: impl Into<String>) {
        self.add(Severity::Error, at, message.into(), None);
    }

    /// Adds an error about a secret: its line is not shown.
    pub fn error_unshown(&mut self, at: Place, message: impl Into<String>) {
        let count = self.list.len();
        self.error(at, message);
        for problem in self.list.iter_mut().skip(count) {
            problem.excerpt = None;
        }
    }

    /// Adds an error with a sentence that says what to write.
    pub fn error_do(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        self.add(
            Severity::Error,
            at,
            message.into(),
            Some(Help::Do(help.into())),
        );
    }

    /// Adds an error about `word`, with the nearest of the `known` words.
    pub fn error_near<'k>(
        &mut self,
        at: Place,
        message: impl Into<String>,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        // The search is not worth its time for what will not be listed.
        let near = (self.list.len() < limits::PROBLEMS)
            .then(|| nearest(word, known))
            .flatten()
            .map(|near| Help::DidYouMean(near.to_owned()));
        self.add(Severity::Error, at, message.into(), near);
    }

    /// Adds a warning.
    pub fn warning(&mut self, at: Place, message: impl Into<String>) {
        self.add(Severity::Warning, at, message.into(), None);
    }

    /// Adds a problem of any severity, with or without help.
    pub fn add(&mut self, severity: Severity, at: Place, message: String, help: Option<Help>) {
        let message = message.chars().map(visible).collect();
        self.errors |= severity == Severity::Error;
        if self.list.len() >= limits::PROBLEMS {
            self.more = self.more.saturating_add(1);
            return;
        }
        let source = self.sources.get(at.file);
        self.list.push(Problem {
            file: source.map_or("", |source| source.name).into(),
            line: at.line,
            column: at.column,
            severity,
            message,
            help,
            excerpt: source
                .and_then(|source| line(source.text, at.line))
                .map(|text| Excerpt::around(text, at)),
        });
    }

    /// How many problems there are so far.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.list.len().saturating_add(self.more)
    }

    /// Whether something is so wrong that the files are refused.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        self.errors
    }

    /// The sources that the places point into.
    #[must_use]
    pub const fn sources(&self) -> &'s [Source<'s>] {
        self.sources
    }

    /// `file:line:column` of a place, for a message that names a second one.
    #[must_use]
    pub fn position(&self, at: Place) -> String {
        let name = self.sources.get(at.file).map_or("", |source| source.name);
        format!("{name}:{}:{}", at.line, at.column)
    }

    /// The list, sorted by file and position. What was left off is said at the end.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Problem> {
        let order = |problem: &Problem| {
            let file = self
                .sources
                .iter()
                .position(|source| *source.name == *problem.file);
            (file, problem.line, problem.column)
        };
        self.list.sort_by_key(order);
        if let (Some(last), true) = (self.list.last(), self.more > 0) {
            let message = format!("{} more problems are not listed", self.more);
            self.list.push(Problem {
                message,
                help: None,
                ..last.clone()
            });
        }
        self.list
    }
}

/// A character as a terminal may get it: nothing that moves the cursor or turns the direction.
fn visible(character: char) -> char {
    let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns {
        '\u{fffd}'
    } else {
        character
    }
}

/// The line with this number, without its end. YAML ends lines with LF, CR LF or CR.
pub(super) fn line(text: &str, number: u32) -> Option<&str> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    for _ in 1..number {
        let end = rest.find(['\n', '\r'])?;
        let (_, tail) = rest.split_at_checked(end)?;
        rest = tail
            .strip_prefix("\r\n")
            .or_else(|| tail.strip_prefix(['\n', '\r']))?;
    }
    rest.split(['\n', '\r']).next()
}

impl Excerpt {
    /// Cuts a long line to what lies around the place; control characters are not shown.
    fn around(line: &str, at: Place) -> Self {
        let before = (at.column.saturating_sub(1)) as usize;
        let skipped = before.saturating_sub(limits::EXCERPT_CHARS / 2);
        let text = line
            .chars()
            .skip(skipped)
            .take(limits::EXCERPT_CHARS)
            .map(|c| if c == '\t' { c } else { visible(c) })
            .collect::<String>();
        let before = before - skipped;
        let room = text
            .trim_end()
            .chars()
            .count()
            .saturating_sub(before)
            .max(1);
        Self {
            before,
            width: (at.width as usize).clamp(1, room),
            text: text.trim_end().to_owned(),
        }
    }
}

/// The known word nearest to `word`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.chars().take(64).collect::<Vec<_>>();
    // Of one letter nothing is left once it is changed.
    let allowed = (word.len() / 3).clamp(usize::from(word.len() > 1), 3);
    known
        .into_iter()
        .take(limits::SUGGESTED_FROM)
        .filter_map(|candidate| {
            let letters = candidate.chars().take(64).collect::<Vec<_>>();
            if letters.len().abs_diff(word.len()) > allowed {
                return None;
            }
            let distance = distance(&word, &letters);
            // Of two words as near, the one that has the same letters is the likelier.
            let other_letters = sorted(&word) != sorted(&letters);
            (distance <= allowed).then_some((distance, other_letters, candidate))
        })
        .min_by_key(|(distance, other_letters, _)| (*distance, *other_letters))
        .map(|(_, _, candidate)| candidate)
}

fn sorted(letters: &[char]) -> Vec<char> {
    let mut letters = letters.to_vec();
    letters.sort_unstable();
    letters
}

/// Letters to insert, drop, change or swap with their neighbour to get from one word to the other
/// (optimal string alignment); upper and lower case are the same.
fn distance(from: &[char], to: &[char]) -> usize {
    let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
    let mut above = Vec::new();
    let mut row = (0..=to.len()).collect::<Vec<_>>();
    for (i, &a) in from.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(0);
            let change = at(&row, j) + usize::from(!same(a, b));
            let mut best = change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0
                && j > 0
                && from.get(i - 1).is_some_and(|&before| same(before, b))
                && to.get(j - 1).is_some_and(|&before| same(a, before));
            if swapped {
                best = best.min(at(&above, j - 1) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, at: Place) -> String {
        let sources = [Source {
            name: "a.yaml",
            text,
        }];
        let mut problems = Problems::new(&sources);
        problems.error_near(at, "unknown key `місо`", "місо", ["місто", "from"]);
        problems.into_list().pop().unwrap().to_string()
    }

    #[test]
    fn the_caret_stands_under_the_cyrillic_character() {
        let at = Place {
            file: 0,
            line: 2,
            column: 9,
            width: 4,
        };
        assert_eq!(
            rendered("sites:\r\n  Одеса: місо\r\n", at),
            "a.yaml:2:9: error: unknown key `місо`\n      Одеса: місо\n            ^^^^\n  help: did you mean `місто`?"
        );
    }

    #[test]
    fn a_long_line_is_cut_and_a_place_past_the_end_is_harmless() {
        let text = "x".repeat(100_000);
        let at = |line, column| Place {
            file: 0,
            line,
            column,
            width: 50_000,
        };
        assert!(rendered(&text, at(1, 70_000)).len() < 1_000);
        assert!(rendered(&text, at(1, u32::MAX)).len() < 1_000);
        assert!(rendered(&text, at(9, 1)).starts_with("a.yaml:9:1: error"));
    }

    #[test]
    fn a_terminal_is_not_moved_by_what_a_file_holds() {
        let sources = [Source {
            name: "a.yaml",
            text: "a: \u{1b}[2J\u{202e}б\n",
        }];
        let mut problems = Problems::new(&sources);
        problems.error(Place::start(0), "unknown key `\u{1b}[2J`");
        let shown = problems.into_list().pop().unwrap().to_string();
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
        assert!(shown.contains("a: \u{fffd}[2J\u{fffd}б"), "{shown:?}");
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("qeues", ["queues", "numbers"]), Some("queues"));
        assert_eq!(nearest("Одесса", ["Одеса", "Харків"]), Some("Одеса"));
        assert_eq!(nearest("rign", ["ring", "music"]), Some("ring"));
        assert_eq!(nearest("colour", ["queues", "numbers"]), None);
        assert_eq!(nearest("", ["queues"]), None);
    }

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let sources = [Source {
            name: "a.yaml",
            text: "",
        }];
        let mut problems = Problems::new(&sources);
        for _ in 0..limits::PROBLEMS + 7 {
            problems.error(Place::start(0), "wrong");
        }
        let list = problems.into_list();
        assert_eq!(list.len(), limits::PROBLEMS + 1);
        assert_eq!(
            list.last().unwrap().message,
            "7 more problems are not listed"
        );
    }
}
