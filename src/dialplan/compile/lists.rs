//! Lists of numbers, in the plan and in files beside it.

use std::collections::BTreeMap;

use super::places::section;
use super::{Defaults, check_name};
use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::lists::{NumberList, TooManyShapes};
use crate::dialplan::numbers::Pattern;
use crate::dialplan::read::{Fields, cut, parsed};
use crate::dialplan::schema;
use crate::dialplan::secrets::{NoList, Secrets};
use crate::dialplan::yaml::Node;
use crate::id::ListName;
use crate::limits;
use crate::number::Country;

/// What a pattern looks like.
pub(super) const PATTERN: &str = "a number, its beginning and `*`, or `x` for any one digit";

/// The lists, and the files they were read from, each with the hash of its text.
pub(super) struct Lists {
    pub(super) lists: BTreeMap<ListName, NumberList>,
    pub(super) files: BTreeMap<String, String>,
}

pub(super) fn lists(
    top: &Fields<'_>,
    defaults: &Defaults,
    secrets: &dyn Secrets,
    problems: &mut Problems<'_>,
) -> Lists {
    let mut read = Lists {
        lists: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    let country = defaults.country;
    for entry in section(top, "lists", problems) {
        check_name(entry, "list", problems);
        let fields = Fields::of(entry, &schema::LIST, problems);
        if fields.entry("numbers").is_none() && fields.entry("file").is_none() {
            problems.error(entry.at, "a list needs `numbers` or `file`");
        }
        let nodes = fields.one_or_many("numbers");
        let mut list = patterns(nodes, "numbers", country, problems);
        if let Some((path, node)) = fields.text("file", problems).zip(fields.get("file"))
            && let Some(text) = text(&path, node.at, secrets, problems)
        {
            from_file(&mut list, &path, &text, node.at, country, problems);
            read.files.insert(
                path,
                super::hex(&super::digest([text.as_str()].into_iter())),
            );
        }
        if list.len() > limits::LIST_NUMBERS {
            let limit = limits::LIST_NUMBERS;
            problems.error(entry.at, format!("this list has more than {limit} numbers"));
        }
        read.lists.insert(ListName::from(entry.key.as_str()), list);
    }
    read
}

/// The patterns in some nodes.
pub(super) fn patterns(
    nodes: &[Node],
    key: &str,
    country: Country,
    problems: &mut Problems<'_>,
) -> NumberList {
    let mut list = NumberList::default();
    for node in nodes {
        let read = |text: &str| Pattern::read(text, country).ok();
        if let Some(pattern) = parsed(node, key, PATTERN, read, problems) {
            add(&mut list, &pattern, node.at, problems);
        }
    }
    list
}

/// Adds a pattern; false when there are too many kinds of them.
pub(super) fn add(
    list: &mut NumberList,
    pattern: &Pattern,
    at: Place,
    problems: &mut Problems<'_>,
) -> bool {
    let added = list.add(pattern);
    if added == Err(TooManyShapes) {
        let limit = limits::NUMBER_SHAPES;
        let message = format!("the numbers of this list have more than {limit} different shapes");
        problems.error(at, message);
    }
    added.is_ok()
}

fn text(
    path: &str,
    at: Place,
    secrets: &dyn Secrets,
    problems: &mut Problems<'_>,
) -> Option<String> {
    match secrets.list(path) {
        Ok(text) => Some(text),
        Err(NoList::Unreadable) => {
            problems.error(at, format!("the file `{}` cannot be read", cut(path)));
            None
        }
        Err(NoList::TooLong) => {
            let limit = limits::LIST_FILE_BYTES;
            let message = format!("the file `{}` is longer than {limit} bytes", cut(path));
            problems.error(at, message);
            None
        }
    }
}

/// One number a line; what follows a `#` is a remark.
fn from_file(
    list: &mut NumberList,
    path: &str,
    text: &str,
    at: Place,
    country: Country,
    problems: &mut Problems<'_>,
) {
    let mut wrong = 0_usize;
    for (line, number) in text.lines().zip(1_u32..) {
        let written = line.split('#').next().unwrap_or("");
        let written = written.trim_start_matches('\u{feff}').trim();
        if written.is_empty() {
            continue;
        }
        match Pattern::read(written, country) {
            Ok(pattern) => {
                if !add(list, &pattern, at, problems) {
                    return;
                }
            }
            Err(_) if wrong < limits::LIST_PROBLEMS => {
                wrong += 1;
                let (path, written) = (cut(path), cut(written));
                let message = format!("line {number} of `{path}` takes {PATTERN}, not `{written}`");
                problems.error(at, message);
            }
            Err(_) => wrong += 1,
        }
    }
    if let Some(more) = wrong
        .checked_sub(limits::LIST_PROBLEMS)
        .filter(|it| *it > 0)
    {
        let message = format!("{more} more lines of `{}` are no numbers", cut(path));
        problems.error(at, message);
    }
}
