//! From YAML to a plan that cannot be wrong.
//!
//! Every file is read, the sections are merged by key, references to secrets are filled in, and then
//! each section is read in the order in which names depend on each other. A problem never stops the
//! reading; only a plan without errors comes out.

mod calendars;
mod carriers;
mod cases;
mod codes;
mod dialled;
mod floor;
mod keys;
mod leads;
mod lists;
mod members;
mod missed;
mod outbound;
mod places;
mod queues;
mod routes;
mod screen;
mod spoken;
mod targets;
mod waiting;
mod ways;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::diagnose::{Place, Problem, Problems, Severity};
use super::dial::keypad;
use super::plan::{Dialplan, Position};
use super::read::{Fields, Name, cut, entries, scalar, shown};
use super::schema;
use super::secrets::{Secrets, resolve};
use super::yaml::{self, Entry, Node, Value};
use crate::limits;
use crate::number::Country;
use crate::words::Language;

pub use super::diagnose::Source;

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a reference to something unset is: a warning for tools, an error for a server.
    pub unset: Severity,
    /// Whether the sources are all there is; else a name may stand in a file that could not be read,
    /// and is not reported as unknown.
    pub whole: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Compiled {
    /// The plan; none when a problem is an error.
    pub plan: Option<Dialplan>,
    /// Everything that is wrong, by file and position.
    pub problems: Vec<Problem>,
}

/// Compiles the files of one plan.
pub fn compile(sources: &[Source<'_>], secrets: &dyn Secrets, options: Options) -> Compiled {
    let mut problems = Problems::new(sources);
    let (mut root, read_all) = merged(sources.len(), &mut problems);
    resolve(&mut root, secrets, options.unset, &mut problems);
    let whole = read_all && options.whole;
    let mut plan = read(&root, whole, secrets, &mut problems);
    plan.hash = hash(sources, &plan.list_files);
    Compiled {
        plan: (!problems.has_errors()).then_some(plan),
        problems: problems.into_list(),
    }
}

/// SHA-256 over every file, its length before it, so that no two plans share a hash. Lists are told
/// by their hashes.
fn hash(sources: &[Source<'_>], lists: &BTreeMap<String, String>) -> String {
    let texts = sources.iter().map(|source| source.text);
    hex(&digest(texts.chain(lists.values().map(String::as_str))))
}

fn digest<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads every file and merges them. The second value is whether all could be read.
fn merged(files: usize, problems: &mut Problems<'_>) -> (Node, bool) {
    let mut whole = true;
    if files > limits::DIALPLAN_FILES {
        let limit = limits::DIALPLAN_FILES;
        let message = format!("the plan has more than {limit} files");
        problems.error(Place::start(limits::DIALPLAN_FILES), message);
        whole = false;
    }
    let mut sections = Vec::<Entry>::new();
    let mut known = BTreeMap::<String, usize>::new();
    for file in 0..files.min(limits::DIALPLAN_FILES) {
        let Some(root) = yaml::parse(file, problems) else {
            whole = false;
            continue;
        };
        match root.value {
            Value::Map(entries) => {
                for entry in entries {
                    match known
                        .get(&entry.key)
                        .and_then(|&index| sections.get_mut(index))
                    {
                        Some(section) => merge_section(section, entry, problems),
                        None => {
                            known.insert(entry.key.clone(), sections.len());
                            sections.push(entry);
                        }
                    }
                }
            }
            Value::Null => {}
            Value::Scalar(_) | Value::List(_) => {
                let kind = root.kind();
                let message = format!("a plan is a mapping of sections, not {kind}");
                problems.error(root.at, message);
                whole = false;
            }
        }
    }
    let at = sections.first().map_or(Place::start(0), |first| first.at);
    let value = Value::Map(sections);
    (Node { at, value }, whole)
}

/// Adds a section of one file to those of the others: mappings merge by key, lists are joined, and
/// what is neither stands once.
fn merge_section(known: &mut Entry, entry: Entry, problems: &mut Problems<'_>) {
    let Entry { key, at, value } = entry;
    match (&mut known.value.value, value.value) {
        (_, Value::Null) => {}
        (slot @ Value::Null, other) => *slot = other,
        (Value::Map(ours), Value::Map(theirs)) => {
            let places = ours.iter().map(|entry| (entry.key.clone(), entry.at));
            let places = places.collect::<BTreeMap<_, _>>();
            for entry in theirs {
                if let Some(&first) = places.get(&entry.key) {
                    let first = problems.position(first);
                    let name = cut(&entry.key);
                    let message = format!("`{key}` has `{name}` twice, first at {first}");
                    problems.error(entry.at, message);
                } else {
                    ours.push(entry);
                }
            }
        }
        (Value::List(ours), Value::List(theirs)) => ours.extend(theirs),
        (Value::Map(_) | Value::List(_) | Value::Scalar(_), _) => {
            let first = problems.position(known.at);
            problems.error(at, format!("`{key}` stands twice, first at {first}"));
        }
    }
}

/// What holds where nothing closer says otherwise.
struct Defaults {
    country: Country,
    language: Language,
    timezone: String,
}

/// Every name that can be referred to, with its place.
struct Names<'n> {
    sites: BTreeMap<&'n str, Place>,
    trunks: BTreeMap<&'n str, Place>,
    pools: BTreeMap<&'n str, Place>,
    operators: BTreeMap<&'n str, Place>,
    queues: BTreeMap<&'n str, Place>,
    voicemail: BTreeMap<&'n str, Place>,
    calendars: BTreeMap<&'n str, Place>,
    lists: BTreeMap<&'n str, Place>,
    /// Whether every file could be read; else a name may stand in one that could not.
    whole: bool,
}

impl<'n> Names<'n> {
    fn new(top: &Fields<'n>, whole: bool) -> Self {
        let names = |section| {
            let entries = match top.get(section).map(|node| &node.value) {
                Some(Value::Map(entries)) => entries.as_slice(),
                _ => &[],
            };
            let names = entries.iter().map(|entry| (entry.key.as_str(), entry.at));
            names.collect()
        };
        Self {
            sites: names("sites"),
            trunks: names("trunks"),
            pools: names("pools"),
            operators: names("operators"),
            queues: names("queues"),
            voicemail: names("voicemail"),
            calendars: names("calendars"),
            lists: names("lists"),
            whole,
        }
    }
}

/// The name in a node, if it is one of `known`; `kind` is what messages call such a name.
fn refer<'n>(
    node: &'n Node,
    kind: &str,
    known: &BTreeMap<&str, Place>,
    whole: bool,
    problems: &mut Problems<'_>,
) -> Option<&'n str> {
    let scalar = scalar(node, kind, &format!("the name of a {kind}"), problems)?;
    let name = scalar.text.as_str();
    if known.contains_key(name) {
        return Some(name);
    }
    if whole && !scalar.unset {
        let message = format!("unknown {kind} {}", shown(scalar));
        problems.error_near(node.at, message, name, known.keys().copied());
    }
    None
}

/// Where a rule stands, as the plan keeps it.
fn position(at: Place, problems: &Problems<'_>) -> Position {
    let name = problems.sources().get(at.file);
    Position {
        file: name.map_or("", |source| source.name).into(),
        line: at.line,
        column: at.column,
    }
}

/// Checks that a key can be a name in addresses, targets and metrics.
fn check_name(entry: &Entry, kind: &str, problems: &mut Problems<'_>) {
    let letters = |character: char| character.is_alphanumeric() || "_-".contains(character);
    let fits = !entry.key.is_empty()
        && entry.key.chars().count() <= limits::NAME_CHARS
        && entry.key.chars().all(letters);
    if !fits {
        let limit = limits::NAME_CHARS;
        let rule = format!("is made of letters, digits, `-` and `_`, {limit} at most");
        problems.error(entry.at, format!("the name of a {kind} {rule}"));
    }
}

fn read(root: &Node, whole: bool, secrets: &dyn Secrets, problems: &mut Problems<'_>) -> Dialplan {
    let top = Fields::open(
        root,
        root.at,
        Name::Phrase("the plan"),
        &schema::PLAN,
        problems,
    );
    let names = Names::new(&top, whole);
    top.choice("version", &[("1", ())], &[], problems);
    let defaults = places::defaults(&top, problems);
    let sites = places::sites(&top, &defaults, problems);
    let trunks = carriers::trunks(&top, &defaults, problems);
    let pools = places::pools(&top, &names, problems);
    let lists = lists::lists(&top, &defaults, secrets, problems);
    let mut keys = keys::Keys::new(&defaults);
    let operators = floor::operators(&top, &names, &mut keys, problems);
    let queues = queues::queues(&top, &names, &operators, &mut keys, problems);
    let outbound = outbound::outbound(&top, &names, &defaults, &keys, problems);
    let whispers = spoken::whispers(&top, problems);
    let recording = spoken::recording(&top, &defaults, problems);
    let context = dialled::Context {
        names: &names,
        defaults: &defaults,
        sites: &sites,
        pools: &pools,
        whispers: &whispers,
    };
    let numbers = dialled::numbers(&top, &context, problems);
    let mut plan = Dialplan {
        hash: String::new(),
        timezone: defaults.timezone.clone(),
        country: defaults.country,
        language: defaults.language,
        sites: sites
            .into_iter()
            .map(|(name, read)| (name, read.site))
            .collect(),
        trunks,
        calendars: calendars::calendars(&top, problems),
        lists: lists.lists,
        list_files: lists.files,
        routes: routes::routes(&top, &names, &defaults, problems),
        numbers,
        operators,
        queues,
        voicemail: missed::voicemail(&top, &defaults, problems),
        callbacks: missed::callbacks(&top, &names, &defaults, outbound.as_ref(), problems),
        leads: leads::leads(&top, &names, &defaults, &whispers, problems),
        repeat_within: leads::repeat_within(&top, problems),
        feature_codes: codes::feature_codes(&top, &keys, outbound.as_ref(), problems),
        whisper_max: whispers.max,
        whisper_accept: whispers.accept,
        outbound,
        screen: screen::screen(&top, problems),
        keypad: BTreeMap::new(),
        recording,
        tests: Vec::new(),
    };
    ways::check_lengths(&plan, &top, problems);
    plan.keypad = keypad(&plan);
    plan.tests = cases::tests(&top, &names, &plan, problems);
    plan
}
