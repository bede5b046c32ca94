//! A YAML text as a tree of values that know where they stand.
//!
//! Not a deserialiser: serde stops at the first error and forgets where keys are, while an admin
//! wants to see every problem at once. The events come from the parser under `serde-saphyr`. Plain
//! YAML 1.2 with aliases and merge keys; tags and several documents in one file are refused, and so
//! is whatever grows past its bound when aliases are expanded.

use std::collections::BTreeMap;
use std::mem::size_of_val;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, options,
};

use super::diagnose::{Place, Problems};
use crate::limits;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its first character: of a scalar the quote, of a mapping its first key or brace.
    pub at: Place,
    /// What it is.
    pub value: Value,
}

/// What stands there.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A word, a number, a text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in the order of the file; no key twice.
    Map(Vec<Entry>),
}

/// A text as it was written, quotes and escapes undone.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text; a reference to the environment or a file is resolved in place.
    pub text: String,
    /// Whether it stands in quotes or in a block, and is a text whatever it looks like.
    pub quoted: bool,
    /// Whether the text came from a reference and must not be shown.
    pub resolved: bool,
    /// Whether the text is a reference to something that is unset.
    pub unset: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The plain name of what it is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads source number `file` of the problems' sources. None when it is no YAML, or past a bound;
/// the problem is then reported.
pub fn parse(file: usize, problems: &mut Problems<'_>) -> Option<Node> {
    let source = *problems.sources().get(file)?;
    let start = Place::start(file);
    if source.text.len() > limits::DIALPLAN_FILE_BYTES {
        let limit = limits::DIALPLAN_FILE_BYTES;
        problems.error(start, format!("the file is longer than {limit} bytes"));
        return None;
    }
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
    let mut tree = Tree::new(file);
    for next in Parser::new_from_str_with_options(text, parser_options()) {
        let step = match next {
            Ok((event, span)) => tree.take(event, span, problems),
            Err(error) => Err(syntax_error(file, text, &error)),
        };
        if let Err(fault) = step {
            problems.add(
                super::diagnose::Severity::Error,
                fault.at,
                fault.message,
                fault.help.map(super::diagnose::Help::Do),
            );
            return None;
        }
    }
    Some(tree.root.unwrap_or(Node {
        at: start,
        value: Value::Null,
    }))
}

fn parser_options() -> Options {
    options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        // One more than the bound, so that the message is ours.
        flow_nesting_limit: limits::YAML_DEPTH + 1,
        block_nesting_limit: limits::YAML_DEPTH + 1,
    }
}

/// What ends the reading of a file.
struct Fault {
    at: Place,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new(at: Place, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: None,
        }
    }
}

/// A collection whose end has not come yet.
struct Open {
    at: Place,
    anchor: usize,
    keys: bool,
    items: Vec<Node>,
}

/// What a value weighs against the bounds.
#[derive(Clone, Copy, Default)]
struct Weight {
    values: usize,
    bytes: usize,
    depth: usize,
}

/// The tree while it grows.
struct Tree {
    file: usize,
    root: Option<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, Weight)>,
    total: Weight,
}

impl Tree {
    const fn new(file: usize) -> Self {
        Self {
            file,
            root: None,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            total: Weight {
                values: 0,
                bytes: 0,
                depth: 0,
            },
        }
    }

    fn take(
        &mut self,
        event: Event<'_>,
        span: Span,
        problems: &mut Problems<'_>,
    ) -> Result<(), Fault> {
        let at = place(self.file, &span);
        if event.tag().is_some() {
            return Err(Fault::new(at, "tags (`!…`) are not supported"));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let node = scalar(at, text.into_owned(), style);
                self.weigh(at, weight(&node))?;
                self.close(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, false),
            Event::MappingStart(_, anchor, _) => self.begin(at, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(problems),
            Event::Alias(anchor) => self.alias(at, anchor),
            Event::UnresolvedAlias(name) => Err(Fault {
                at,
                message: format!("no anchor `&{name}` stands before this alias"),
                help: Some("put a text that begins with * in quotes".to_owned()),
            }),
            Event::DocumentStart(..) if self.root.is_some() => Err(Fault::new(
                at,
                "a second document begins here; one file holds one",
            )),
            // What else the parser says are marks, not values.
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => Ok(()),
        }
    }

    fn end(&mut self, problems: &mut Problems<'_>) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = if open.keys {
            Value::Map(entries(open.items, problems))
        } else {
            Value::List(open.items)
        };
        self.close(Node { at: open.at, value }, open.anchor)
    }

    fn alias(&mut self, at: Place, anchor: usize) -> Result<(), Fault> {
        let inside = || Fault::new(at, "this alias stands inside its own anchor");
        let weight = self.anchors.get(&anchor).ok_or_else(inside)?.1;
        self.weigh(at, weight)?;
        let (node, _) = self.anchors.get(&anchor).ok_or_else(inside)?;
        let value = node.value.clone();
        self.close(Node { at, value }, 0)
    }

    fn begin(&mut self, at: Place, anchor: usize, keys: bool) -> Result<(), Fault> {
        self.weigh(
            at,
            Weight {
                values: 1,
                bytes: 0,
                depth: 1,
            },
        )?;
        self.open.push(Open {
            at,
            anchor,
            keys,
            items: Vec::new(),
        });
        Ok(())
    }

    /// Counts a value in before it is built, so that a bomb of aliases never unfolds.
    fn weigh(&mut self, at: Place, weight: Weight) -> Result<(), Fault> {
        self.total.values = self.total.values.saturating_add(weight.values);
        self.total.bytes = self.total.bytes.saturating_add(weight.bytes);
        if self.open.len().saturating_add(weight.depth) > limits::YAML_DEPTH {
            let limit = limits::YAML_DEPTH;
            return Err(Fault::new(at, format!("nested deeper than {limit} levels")));
        }
        if self.total.values > limits::YAML_VALUES || self.total.bytes > limits::YAML_TEXT_BYTES {
            return Err(Fault::new(
                at,
                "the file is too large once its aliases are expanded",
            ));
        }
        Ok(())
    }

    /// Puts a finished value where it belongs and remembers it when it has an anchor.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        if anchor > 0 {
            // The copy under the anchor counts as well: it is memory too.
            let weight = weight(&node);
            self.weigh(node.at, Weight { depth: 0, ..weight })?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn scalar(at: Place, text: String, style: ScalarStyle) -> Node {
    let quoted = !matches!(style, ScalarStyle::Plain);
    let value = if !quoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar(Scalar {
            text,
            quoted,
            resolved: false,
            unset: false,
        })
    };
    Node { at, value }
}

fn weight(node: &Node) -> Weight {
    let (children, bytes) = match &node.value {
        Value::Null => return leaf(0),
        Value::Scalar(scalar) => return leaf(scalar.text.len()),
        Value::List(items) => (items.iter().map(weight).collect::<Vec<_>>(), 0),
        Value::Map(entries) => (
            entries.iter().map(|entry| weight(&entry.value)).collect(),
            entries
                .iter()
                .map(|entry| entry.key.len() + size_of_val(entry))
                .sum(),
        ),
    };
    children.iter().fold(
        Weight {
            values: 1,
            bytes,
            depth: 1,
        },
        |sum, child| Weight {
            values: sum.values.saturating_add(child.values),
            bytes: sum.bytes.saturating_add(child.bytes),
            depth: sum.depth.max(child.depth + 1),
        },
    )
}

const fn leaf(bytes: usize) -> Weight {
    Weight {
        values: 1,
        bytes,
        depth: 0,
    }
}

/// Pairs keys with values, spreads merge keys and reports what stands there twice.
fn entries(items: Vec<Node>, problems: &mut Problems<'_>) -> Vec<Entry> {
    let mut seen = BTreeMap::<String, Place>::new();
    let (mut entries, mut merged) = (Vec::new(), Vec::new());
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let at = key.at;
        let key = match key.value {
            Value::Scalar(scalar) if scalar.text == "<<" && !scalar.quoted => {
                merge(value, &mut merged, problems);
                continue;
            }
            Value::Scalar(scalar) => scalar.text,
            Value::Null | Value::List(_) | Value::Map(_) => {
                problems.error(at, "a key must be a word");
                continue;
            }
        };
        if let Some(&first) = seen.get(&key) {
            let first = problems.position(first);
            problems.error(at, format!("`{key}` stands here twice, first at {first}"));
            continue;
        }
        seen.insert(key.clone(), at);
        entries.push(Entry { key, at, value });
    }
    for entry in merged {
        if !seen.contains_key(&entry.key) {
            seen.insert(entry.key.clone(), entry.at);
            entries.push(entry);
        }
    }
    entries
}

/// `<<: *anchor` or `<<: [*one, *two]`: what the mapping itself does not say. The first wins.
fn merge(value: Node, merged: &mut Vec<Entry>, problems: &mut Problems<'_>) {
    match value.value {
        Value::Map(entries) => merged.extend(entries),
        Value::List(items) => {
            for item in items {
                match item.value {
                    Value::Map(entries) => merged.extend(entries),
                    Value::Null | Value::Scalar(_) | Value::List(_) => {
                        problems.error(item.at, "`<<` takes mappings");
                    }
                }
            }
        }
        Value::Null | Value::Scalar(_) => problems.error(value.at, "`<<` takes mappings"),
    }
}

fn place(file: usize, span: &Span) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let width = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col()).max(1)
    } else {
        1
    };
    Place {
        file,
        line: number(span.start.line().max(1)),
        column: number(span.start.col().saturating_add(1)),
        width: number(width),
    }
}

fn syntax_error(file: usize, text: &str, error: &ScanError) -> Fault {
    let at = place(file, &Span::empty(*error.marker()));
    if let Some(open) = unclosed_quote(file, text, at) {
        return Fault::new(open, "this quote is not closed");
    }
    let kind = error.kind();
    let tabs = [
        ErrorKind::TabNotAllowed,
        ErrorKind::TabInBlockIndentation,
        ErrorKind::TabInIndentation,
    ];
    if tabs.contains(kind) {
        return Fault {
            at: first_tab(text, at),
            message: "a tab stands where spaces must".to_owned(),
            help: Some("indent with spaces".to_owned()),
        };
    }
    if *kind == ErrorKind::RecursionLimitExceeded {
        let limit = limits::YAML_DEPTH;
        return Fault::new(at, format!("nested deeper than {limit} levels"));
    }
    Fault::new(at, format!("this is no YAML: {}", error.info()))
}

/// The tab in the line of `at`; the parser stumbles over what follows it.
fn first_tab(text: &str, at: Place) -> Place {
    let index = super::diagnose::line(text, at.line)
        .and_then(|line| line.chars().position(|character| character == '\t'))
        .and_then(|index| u32::try_from(index).ok());
    Place {
        column: index.map_or(at.column, |index| index.saturating_add(1)),
        ..at
    }
}

/// Where the quote opens that made the parser stumble at `stumble` or later. A quote that is
/// forgotten at the end of one line closes at the beginning of the next quoted text, so the parser
/// complains far from the mistake: the first quoted text that is not followed by what may follow one
/// is the one to look at.
fn unclosed_quote(file: usize, text: &str, stumble: Place) -> Option<Place> {
    let (mut line, mut column) = (1_u32, 0_u32);
    let mut before = ' ';
    let mut may_open = true;
    let mut comment = false;
    let mut open: Option<(char, Place)> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\n' || (character == '\r' && characters.peek() != Some(&'\n')) {
            (line, column, comment, before) = (line.saturating_add(1), 0, false, ' ');
            may_open |= open.is_none();
            continue;
        }
        column = column.saturating_add(1);
        if comment {
            continue;
        }
        match open {
            None => {
                let here = Place {
                    file,
                    line,
                    column,
                    width: 1,
                };
                if line > stumble.line {
                    return None;
                }
                match character {
                    '"' | '\'' if may_open => open = Some((character, here)),
                    '#' if before.is_whitespace() => comment = true,
                    _ => {}
                }
                may_open = match character {
                    ' ' | '\t' => may_open,
                    ':' | ',' | '-' | '[' | '{' | '?' => true,
                    _ => false,
                };
                before = character;
            }
            Some(('"', _)) if character == '\\' => {
                if characters
                    .next_if(|&next| next != '\n' && next != '\r')
                    .is_some()
                {
                    column = column.saturating_add(1);
                }
            }
            Some(('\'', _)) if character == '\'' && characters.peek() == Some(&'\'') => {
                characters.next();
                column = column.saturating_add(1);
            }
            Some((quote, at)) if character == quote => {
                let mut rest = characters.clone();
                let next = rest.find(|c| !matches!(c, ' ' | '\t'));
                if !matches!(next, None | Some('\n' | '\r' | ',' | ']' | '}' | ':' | '#')) {
                    return Some(at);
                }
                (open, may_open, before) = (None, false, character);
            }
            Some(_) => {}
        }
    }
    open.map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::super::diagnose::Source;
    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let sources = [Source {
            name: "a.yaml",
            text,
        }];
        let mut problems = Problems::new(&sources);
        parse(0, &mut problems);
        let list = problems.into_list();
        list.iter()
            .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.message))
            .collect()
    }

    fn tree_of(text: &str) -> Node {
        let sources = [Source {
            name: "a.yaml",
            text,
        }];
        let mut problems = Problems::new(&sources);
        let node = parse(0, &mut problems).unwrap();
        assert!(problems.into_list().is_empty());
        node
    }

    #[test]
    fn an_unclosed_quote_is_reported_where_it_opens() {
        let unclosed = |text| assert_eq!(problems_of(text), ["2:7: this quote is not closed"]);
        unclosed("whisper:\n  uk: \"Дзвінок {from}\n  ru: \"Звонок {from}\"\n");
        unclosed("whisper:\n  uk: \"Дзвінок {from}\n  ru: Звонок\n");
        unclosed("whisper:\n  uk: 'Дзвінок {from}\n  ru: 'Звонок'\n");
        unclosed("say: it's \"fine\" # isn't it\na:    \"b\n");
        unclosed("a: [\"b\", 'c''d']\nb:   [\"e, f: \"g\"]\n");
    }

    #[test]
    fn values_know_their_places_in_characters() {
        let root = tree_of("\u{feff}місто: Одеса\r\nдва: {а: \"б\"}\r\n");
        let Value::Map(entries) = &root.value else {
            panic!("no mapping")
        };
        let places = entries
            .iter()
            .map(|entry| (entry.at.line, entry.value.at.column, entry.value.at.width))
            .collect::<Vec<_>>();
        assert_eq!(places, [(1, 8, 5), (2, 6, 1)]);
    }

    #[test]
    fn a_key_that_stands_twice_names_both_places() {
        assert_eq!(
            problems_of("a: 1\nb: {c: 1, c: 2}\na: 2\n"),
            [
                "2:11: `c` stands here twice, first at a.yaml:2:5",
                "3:1: `a` stands here twice, first at a.yaml:1:1",
            ]
        );
    }

    #[test]
    fn merge_keys_fill_what_is_not_said() {
        let root = tree_of("base: &base {ring: 20s, music: a}\nq: {<<: *base, ring: 5s}\n");
        let Value::Map(entries) = root.value else {
            panic!("no mapping")
        };
        let Value::Map(queue) = &entries[1].value.value else {
            panic!("no mapping")
        };
        let words = queue
            .iter()
            .map(|entry| match &entry.value.value {
                Value::Scalar(scalar) => format!("{}={}", entry.key, scalar.text),
                Value::Null | Value::List(_) | Value::Map(_) => panic!("no text"),
            })
            .collect::<Vec<_>>();
        assert_eq!(words, ["ring=5s", "music=a"]);
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            laughs.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        let too_large = "the file is too large once its aliases are expanded";
        assert!(problems_of(&laughs)[0].ends_with(too_large));
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(9_000),
            "*a, ".repeat(9_000)
        );
        assert!(problems_of(&long)[0].ends_with(too_large));
        let deep = "[".repeat(500);
        assert!(problems_of(&deep)[0].ends_with("nested deeper than 64 levels"));
        assert!(problems_of("a: &a [*a]")[0].ends_with("inside its own anchor"));
        let file = " ".repeat(limits::DIALPLAN_FILE_BYTES + 1);
        assert!(problems_of(&file)[0].contains("longer than"));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_place() {
        let of = |text| problems_of(text).join("; ");
        assert_eq!(of("a:\n\tb: 1\n"), "2:1: a tab stands where spaces must");
        assert_eq!(of("a: !secret b\n"), "1:12: tags (`!…`) are not supported");
        assert!(of("a: 1\n---\nb: 1\n").contains("second document"));
        assert!(of("a: *b\n").contains("no anchor `&b`"));
        assert_eq!(of("[a]: b\n"), "1:1: a key must be a word");
        assert!(of("a: [b\n").contains("this is no YAML"));
    }
}
