//! Operators and queues: who is there, who serves what, and where a caller goes when nobody does.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::Keys;
use super::places::{section, site};
use super::{Names, check_name, refer};
use crate::dialplan::diagnose::{Help, Place, Problems, Severity, nearest};
use crate::dialplan::plan::{
    After, Answer, DEFAULT_MUSIC, Member, Need, Operator, Queue, Secret, Target,
};
use crate::dialplan::read::{Fields, cut, entries, listed, parsed, scalar, shown};
use crate::dialplan::schema;
use crate::dialplan::yaml::{Entry, Node, Scalar, Value};
use crate::id::{OperatorName, QueueName};
use crate::limits;
use crate::time::Duration;
use crate::words::{Phrase, Srtp, Strategy};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The best and the worst level of a skill.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=99;
/// Whether media is encrypted.
pub(super) const SRTP: [(&str, Srtp); 3] = [
    ("off", Srtp::Off),
    ("optional", Srtp::Optional),
    ("required", Srtp::Required),
];
/// A carrier gives up early media that lasts much longer.
const EARLY_MEDIA: Duration = Duration::from_secs(150);

pub(super) fn operators(
    top: &Fields<'_>,
    names: &Names<'_>,
    keys: &mut Keys,
    problems: &mut Problems<'_>,
) -> BTreeMap<OperatorName, Operator> {
    let mut operators = BTreeMap::new();
    for entry in section(top, "operators", problems) {
        check_user(entry, problems);
        let words = &schema::OPERATOR;
        let fields = Fields::of(entry, words, problems);
        fields.need("password", problems);
        let name = OperatorName::from(entry.key.as_str());
        let display = fields.text("name", problems);
        let operator = Operator {
            name: name.clone(),
            display: display.unwrap_or_else(|| entry.key.clone()),
            number: keys.short_number(&fields, "operator", problems),
            password: password(&fields, problems),
            site: site(&fields, names, problems),
            skills: skills(&fields, problems),
            wrap_up: None,
            max_no_answer: None,
            srtp: fields
                .choice("srtp", &SRTP, &[], problems)
                .unwrap_or_default(),
        };
        operators.insert(name, operator);
    }
    operators
}

/// A softphone registers with the name, so it must be plain in a SIP address.
fn check_user(entry: &Entry, problems: &mut Problems<'_>) {
    check_name(entry, "operator", problems);
    if !entry.key.is_ascii() {
        let message = "an operator's name is part of a SIP address: Latin letters and digits only";
        let help = "write the name as people know it under `name`";
        problems.error_do(entry.at, message, help);
    }
}

pub(super) fn password(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Secret> {
    let (scalar, at) = fields.scalar("password", "a text", problems)?;
    if scalar.text.is_empty() {
        problems.error(at, "`password` is empty");
        return None;
    }
    (!scalar.unset).then(|| Secret::new(scalar.text.clone()))
}

fn skills(fields: &Fields<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, u8> {
    let mut skills = BTreeMap::new();
    let Some(node) = fields.get("skills") else {
        return skills;
    };
    for entry in entries(node, "skills", problems) {
        let level = |text: &str| text.parse().ok().filter(|level| LEVELS.contains(level));
        let takes = "a level from 1, the best, to 99";
        if let Some(level) = parsed(&entry.value, &entry.key, takes, level, problems) {
            skills.insert(entry.key.clone(), level);
        }
    }
    skills
}

type Operators = BTreeMap<OperatorName, Operator>;

pub(super) fn queues(
    top: &Fields<'_>,
    names: &Names<'_>,
    operators: &Operators,
    keys: &mut Keys,
    problems: &mut Problems<'_>,
) -> BTreeMap<QueueName, Queue> {
    let mut queues = BTreeMap::new();
    let mut members = 0_usize;
    for entry in section(top, "queues", problems) {
        check_name(entry, "queue", problems);
        let fields = Fields::of(entry, &schema::QUEUE, problems);
        let mut queue = queue(entry, &fields, names, operators, problems);
        queue.number = keys.short_number(&fields, "queue", problems);
        members = members.saturating_add(queue.operators.len());
        if members > limits::QUEUE_MEMBERS {
            let limit = limits::QUEUE_MEMBERS;
            let message = format!("the queues up to here have more than {limit} places together");
            problems.error(entry.at, message);
            break;
        }
        queues.insert(queue.name.clone(), queue);
    }
    check_loops(top, &queues, problems);
    warn_of_idle(top, &queues, operators, problems);
    queues
}

fn queue(
    entry: &Entry,
    fields: &Fields<'_>,
    names: &Names<'_>,
    operators: &Operators,
    problems: &mut Problems<'_>,
) -> Queue {
    let strategies = [
        ("longest_idle", Strategy::LongestIdle),
        ("ring_all", Strategy::RingAll),
    ];
    let later = &schema::STRATEGIES_LATER;
    let strategy = fields.choice("strategy", &strategies, later, problems);
    let answers = [("queue", Answer::Queue), ("operator", Answer::Operator)];
    let answer = fields.choice("answer", &answers, &[], problems);
    let answer = answer.unwrap_or(Answer::Queue);
    let max_wait = fields.duration("max_wait", SECOND..=DAY, problems);
    if answer == Answer::Operator && max_wait.is_none_or(|longest| longest > EARLY_MEDIA) {
        let place = fields.get("max_wait").or_else(|| fields.get("answer"));
        let message = "with `answer: operator` a carrier may cut a caller who waits over 150s";
        problems.warning(place.map_or(fields.at, |node| node.at), message);
    }
    let ring = fields.duration("ring", SECOND..=10 * MINUTE, problems);
    let wrap_up = fields.duration("wrap_up", Duration::ZERO..=HOUR, problems);
    Queue {
        name: QueueName::from(entry.key.as_str()),
        number: None,
        calendar: None,
        closed: Vec::new(),
        operators: served_by(fields, names, operators, problems),
        widen: Vec::new(),
        strategy: strategy.unwrap_or(Strategy::LongestIdle),
        step: 10 * SECOND,
        weight: 0,
        ring: ring.unwrap_or(20 * SECOND),
        retry: Duration::ZERO,
        wrap_up: wrap_up.unwrap_or(Duration::ZERO),
        max_wait,
        overflow: targets(fields, "overflow", names, problems),
        max_size: None,
        join_empty: Need::default(),
        leave_empty: Need::default(),
        announce: None,
        callback: None,
        exit: None,
        sticky: None,
        service_level: None,
        resume_within: None,
        disposition: None,
        music: music(fields, problems),
        answer,
        after: after(fields, problems),
    }
}

fn after(fields: &Fields<'_>, problems: &mut Problems<'_>) -> After {
    let fields = fields.section("after", &schema::AFTER, problems);
    let mut pause = |key, seconds: u32| {
        let read = fields.duration(key, Duration::ZERO..=HOUR, problems);
        read.unwrap_or(SECOND * seconds)
    };
    After {
        decline: pause("decline", 10),
        busy: pause("busy", 10),
        no_answer: pause("no_answer", 5),
    }
}

fn music(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Phrase {
    let path = |text: &str| {
        let inside = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let plain = !text.contains(['\\', ':']) && !text.contains(char::is_control);
        (inside && plain && text.ends_with(".wav")).then(|| text.to_owned())
    };
    let takes = "the path of a .wav file under the prompts folder, like music/calm.wav";
    let path = fields.parsed("music", takes, path, problems);
    Phrase::File(path.unwrap_or_else(|| DEFAULT_MUSIC.to_owned()))
}

/// Who serves a queue, each with the level at which it is asked.
fn served_by(
    fields: &Fields<'_>,
    names: &Names<'_>,
    operators: &Operators,
    problems: &mut Problems<'_>,
) -> BTreeMap<OperatorName, Member> {
    fields.need("operators", problems);
    let Some(entry) = fields.entry("operators") else {
        return BTreeMap::new();
    };
    let before = problems.count();
    let mut served = Vec::new();
    if let Value::Map(_) = &entry.value.value {
        let by = Fields::of(entry, &schema::SERVED_BY, problems);
        let said = schema::SERVED_BY.known.iter();
        if said.filter(|key| by.entry(key).is_some()).count() > 1 {
            problems.error(entry.at, "say one of `all`, `skills`, `names` and `site`");
        }
        if by.flag("all", problems) == Some(true) {
            let all = as_written(names, operators);
            served.extend(all.map(|operator| (operator.name.clone(), 1)));
        }
        let skills = by.one_or_many("skills");
        served.extend(skilled(skills, names, operators, problems));
        served.extend(named(by.one_or_many("names"), names, problems));
        served.extend(seated(by.one_or_many("site"), names, operators, problems));
    } else {
        served.extend(named(fields.one_or_many("operators"), names, problems));
    }
    if served.is_empty() && names.whole && problems.count() == before {
        problems.error(entry.at, "nobody serves this queue");
    }
    let mut members = BTreeMap::new();
    for ((name, level), order) in served.into_iter().zip(0..) {
        members.entry(name).or_insert(Member { level, order });
    }
    members
}

/// The operators in the order in which the plan has them.
fn as_written<'o>(
    names: &Names<'_>,
    operators: &'o Operators,
) -> impl Iterator<Item = &'o Operator> + use<'o> {
    let mut places = names.operators.iter().collect::<Vec<_>>();
    places.sort_by_key(|(_, place)| **place);
    let order = places.into_iter().filter_map(|(name, _)| {
        let name = OperatorName::from(*name);
        operators.get(&name)
    });
    order.collect::<Vec<_>>().into_iter()
}

fn named(
    nodes: &[Node],
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Vec<(OperatorName, u8)> {
    let mut named = Vec::new();
    for node in nodes {
        let known = &names.operators;
        if let Some(name) = refer(node, "operator", known, names.whole, problems) {
            named.push((OperatorName::from(name), 1));
        }
    }
    named
}

/// Everybody who sits in one of the branches.
fn seated(
    nodes: &[Node],
    names: &Names<'_>,
    operators: &Operators,
    problems: &mut Problems<'_>,
) -> Vec<(OperatorName, u8)> {
    let mut seated = Vec::new();
    for node in nodes {
        let Some(site) = refer(node, "site", &names.sites, names.whole, problems) else {
            continue;
        };
        let here = |operator: &&Operator| {
            let of = operator.site.as_ref();
            of.is_some_and(|of| of.as_str() == site)
        };
        let before = seated.len();
        let found = as_written(names, operators).filter(here);
        seated.extend(found.map(|operator| (operator.name.clone(), 1)));
        if seated.len() == before && names.whole {
            problems.error(node.at, format!("no operator has the site `{}`", cut(site)));
        }
    }
    seated
}

/// Everybody with one of the skills, at the best of their levels among them.
fn skilled(
    nodes: &[Node],
    names: &Names<'_>,
    operators: &Operators,
    problems: &mut Problems<'_>,
) -> Vec<(OperatorName, u8)> {
    let all = operators.values().flat_map(|operator| &operator.skills);
    let known = all.map(|(skill, _)| skill.as_str());
    let known = known.collect::<BTreeSet<_>>();
    let mut wanted = BTreeSet::new();
    for node in nodes {
        let Some(skill) = scalar(node, "skills", "the name of a skill", problems) else {
            continue;
        };
        if known.contains(skill.text.as_str()) {
            wanted.insert(skill.text.as_str());
        } else if names.whole && !skill.unset {
            let message = format!("no operator has the skill {}", shown(skill));
            problems.error_near(node.at, message, &skill.text, known.iter().copied());
        }
    }
    let holders = as_written(names, operators).filter_map(|operator| {
        let of = operator.skills.iter();
        let levels = of.filter(|(skill, _)| wanted.contains(skill.as_str()));
        let best = levels.map(|(_, level)| *level).min()?;
        Some((operator.name.clone(), best))
    });
    holders.collect()
}

/// The targets under a key: `queue.X`, or a list of them.
pub(super) fn targets(
    fields: &Fields<'_>,
    key: &str,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for node in fields.one_or_many(key) {
        let Some(scalar) = scalar(node, key, "targets like queue.odesa", problems) else {
            continue;
        };
        if let Some(target) = target(node, scalar, key, names, problems) {
            if targets.contains(&target) {
                problems.error(node.at, format!("`{key}` names {} twice", shown(scalar)));
            } else {
                targets.push(target);
            }
        }
    }
    targets
}

/// What one target names.
pub(super) fn target(
    node: &Node,
    scalar: &Scalar,
    key: &str,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Option<Target> {
    let text = scalar.text.as_str();
    match text.split_once('.') {
        _ if scalar.unset => None,
        Some(("queue", name)) => {
            let known = names.queues.contains_key(name);
            if !known && names.whole {
                let message = format!("unknown queue `{}`", cut(name));
                near_queue(node, message, name, names, problems);
            }
            known.then(|| Target::Queue(QueueName::from(name)))
        }
        Some((kind, _)) if schema::TARGETS_LATER.contains(&kind) => {
            let message = format!("`{key}: {}` is not yet supported", cut(text));
            problems.error(node.at, message);
            None
        }
        _ => {
            let message = format!(
                "`{key}` takes targets like queue.odesa, not {}",
                shown(scalar)
            );
            let name = text.rsplit('.').next().unwrap_or(text);
            near_queue(node, message, name, names, problems);
            None
        }
    }
}

fn near_queue(
    node: &Node,
    message: String,
    name: &str,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) {
    let near = nearest(name, names.queues.keys().copied());
    let help = near.map(|near| Help::DidYouMean(format!("queue.{near}")));
    problems.add(Severity::Error, node.at, message, help);
}

/// A caller must not go round in circles: following overflow from any queue never comes back to it.
fn check_loops(top: &Fields<'_>, queues: &BTreeMap<QueueName, Queue>, problems: &mut Problems<'_>) {
    let mut done = BTreeSet::new();
    for start in queues.keys() {
        // The stack holds the way so far, each queue with how many of its overflows were followed.
        let mut way = vec![(start, 0_usize)];
        while let Some((name, followed)) = way.last_mut() {
            let name = *name;
            let overflow = queues.get(name).map(|queue| queue.overflow.as_slice());
            let mut next = overflow
                .unwrap_or_default()
                .iter()
                .filter_map(Target::queue);
            let next = next.nth(*followed);
            *followed += 1;
            match next {
                _ if done.contains(name) => {
                    way.pop();
                }
                None => {
                    done.insert(name);
                    way.pop();
                }
                Some(next) => {
                    if let Some(first) = way.iter().position(|(known, _)| *known == next) {
                        let circle = way.iter().skip(first).map(|(name, _)| *name);
                        let circle = listed(circle.chain([next]));
                        let message = format!("the overflow goes in a circle: {circle}");
                        problems.error(overflow_place(top, name), message);
                    } else if !done.contains(next) {
                        way.push((next, 0));
                    }
                }
            }
        }
    }
}

fn queue_entry<'n>(top: &Fields<'n>, name: &QueueName) -> Option<&'n Entry> {
    let Some(Value::Map(entries)) = top.get("queues").map(|node| &node.value) else {
        return None;
    };
    entries.iter().find(|entry| entry.key == name.as_str())
}

fn overflow_place(top: &Fields<'_>, name: &QueueName) -> Place {
    let Some(entry) = queue_entry(top, name) else {
        return top.at;
    };
    let Value::Map(words) = &entry.value.value else {
        return entry.at;
    };
    let overflow = words.iter().find(|word| word.key == "overflow");
    overflow.map_or(entry.at, |word| word.value.at)
}

/// An operator whom no queue asks is most likely forgotten.
fn warn_of_idle(
    top: &Fields<'_>,
    queues: &BTreeMap<QueueName, Queue>,
    operators: &Operators,
    problems: &mut Problems<'_>,
) {
    // Who serves what is only known when all of it could be read.
    if problems.has_errors() {
        return;
    }
    let served = queues.values().flat_map(|queue| queue.operators.keys());
    let served = served.collect::<BTreeSet<_>>();
    for entry in section(top, "operators", problems) {
        let name = OperatorName::from(entry.key.as_str());
        if operators.contains_key(&name) && !served.contains(&name) {
            problems.warning(entry.at, format!("`{name}` serves no queue"));
        }
    }
}
