//! Queues: who serves them, how, and where a caller goes when nobody does.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::Keys;
use super::members::{Operators, served_by};
use super::places::section;
use super::spoken as said;
use super::targets::targets;
use super::waiting;
use super::{Names, check_name, refer, ways};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::{After, Answer, DEFAULT_MUSIC, Member, Queue, Widen};
use crate::dialplan::read::{Fields, Name, spoken};
use crate::dialplan::schema;
use crate::dialplan::yaml::Entry;
use crate::id::{CalendarName, OperatorName, QueueName};
use crate::limits;
use crate::time::Duration;
use crate::words::{Phrase, Strategy};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long a phone rings where a queue does not say.
const RING: Duration = Duration::from_secs(20);
/// After so long `progressive` lets one phone more ring, where a queue does not say.
const STEP: Duration = Duration::from_secs(5);
/// A carrier gives up early media that lasts much longer.
const EARLY_MEDIA: Duration = Duration::from_secs(150);

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
        if let Some(entry) = fields.entry("callback")
            && top.entry("outbound").is_none()
        {
            let message = "`callback` calls out by `outbound.via`, and this plan has no `outbound`";
            problems.error(entry.at, message);
        }
        queue.keep = said::kept(top, &fields, problems);
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
    ways::check_loops(top, &queues, problems);
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
    let strategy = fields.choice("strategy", &Strategy::ALL, &[], problems);
    let answers = [("queue", Answer::Queue), ("operator", Answer::Operator)];
    let answer = fields.choice("answer", &answers, &[], problems);
    let most = u64::try_from(limits::QUEUE_WAITING).unwrap_or(u64::MAX);
    let max_size = fields.whole("max_size", 1..=most, problems);
    let members = served_by(fields, names, operators, problems);
    let queue = Queue {
        name: QueueName::from(entry.key.as_str()),
        number: None,
        calendar: calendar(fields, names, problems),
        closed: targets(fields, "closed", names, problems),
        widen: widen(fields, &members, problems),
        operators: members,
        strategy: strategy.unwrap_or(Strategy::LongestIdle),
        step: (fields.duration("step", SECOND..=5 * MINUTE, problems)).unwrap_or(STEP),
        weight: (fields.between("weight", limits::PRIORITIES, problems)).unwrap_or(0),
        ring: (fields.duration("ring", SECOND..=10 * MINUTE, problems)).unwrap_or(RING),
        retry: (fields.duration("retry", Duration::ZERO..=10 * MINUTE, problems))
            .unwrap_or_default(),
        wrap_up: (fields.duration("wrap_up", Duration::ZERO..=HOUR, problems)).unwrap_or_default(),
        max_wait: fields.duration("max_wait", SECOND..=DAY, problems),
        overflow: targets(fields, "overflow", names, problems),
        max_size: max_size.and_then(|most| usize::try_from(most).ok()),
        join_empty: waiting::need(fields, "join_empty", problems),
        leave_empty: waiting::need(fields, "leave_empty", problems),
        announce: waiting::announce(fields, problems),
        callback: waiting::callback(fields, problems),
        exit: waiting::exit(fields, names, problems),
        sticky: waiting::sticky(fields, problems),
        service_level: fields.duration("service_level", SECOND..=HOUR, problems),
        resume_within: fields.duration("resume_within", SECOND..=DAY, problems),
        disposition: waiting::disposition(fields, problems),
        keep: None,
        music: music(fields, problems),
        answer: answer.unwrap_or(Answer::Queue),
        after: after(fields, problems),
    };
    check(fields, &queue, problems);
    queue
}

fn calendar(
    fields: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Option<CalendarName> {
    let node = fields.get("calendar")?;
    let known = &names.calendars;
    refer(node, "calendar", known, names.whole, problems).map(CalendarName::from)
}

/// Words that do not go together, and those that do nothing.
fn check(fields: &Fields<'_>, queue: &Queue, problems: &mut Problems<'_>) {
    let at = |key: &str| fields.entry(key).map_or(fields.at, |entry| entry.at);
    let said = |key: &str| fields.entry(key).is_some();
    if said("closed") && !said("calendar") {
        problems.error(at("closed"), "`closed` needs a `calendar` that says when");
    }
    if said("calendar") && !said("closed") {
        let message = "no `closed` says where callers go outside these hours; they go on to what \
                       follows, and are turned away where nothing does";
        problems.warning(at("calendar"), message);
    }
    if said("step") && queue.strategy != Strategy::Progressive {
        problems.warning(at("step"), "`step` does nothing but for `progressive`");
    }
    if let Some(longest) = queue.max_wait
        && longest < queue.ring
    {
        let (longest, ring) = (spoken(longest), spoken(queue.ring));
        let message = format!("no phone rings for its {ring}: the wait is over after {longest}");
        problems.warning(at("max_wait"), message);
    }
    if said("overflow") && !said("max_wait") && !said("max_size") {
        let message = "without `max_wait` callers go on only when nobody is logged in";
        problems.warning(at("overflow"), message);
    }
    if let (Some(callback), Some(exit)) = (&queue.callback, &queue.exit)
        && callback.key == exit.key
    {
        let message = format!("the key `{}` asks for a callback already", exit.key);
        problems.error(at("exit"), message);
    }
    if queue.answer != Answer::Operator {
        return;
    }
    if queue.max_wait.is_none_or(|longest| longest > EARLY_MEDIA) {
        let place = fields.get("max_wait").or_else(|| fields.get("answer"));
        let message = "with `answer: operator` a carrier may cut a caller who waits over 150s";
        problems.warning(place.map_or(fields.at, |node| node.at), message);
    }
    for key in ["callback", "exit"] {
        if said(key) {
            let message =
                format!("`{key}` takes a key, and with `answer: operator` no key is heard");
            problems.error_do(at(key), message, "write `answer: queue`");
        }
    }
}

/// When which levels are asked too.
fn widen(
    fields: &Fields<'_>,
    members: &BTreeMap<OperatorName, Member>,
    problems: &mut Problems<'_>,
) -> Vec<Widen> {
    let mut steps = Vec::<Widen>::new();
    for node in fields.one_or_many("widen") {
        let name = Name::Phrase("a step of `widen`");
        let step = Fields::open(node, node.at, name, &schema::WIDEN, problems);
        step.need("after", problems);
        step.need("skill_level", problems);
        let after = step.duration("after", SECOND..=DAY, problems);
        let level = step.whole("skill_level", 2..=99, problems);
        let level = level.and_then(|level| u8::try_from(level).ok());
        let (Some(after), Some(level)) = (after, level) else {
            continue;
        };
        if steps
            .last()
            .is_some_and(|last| last.after >= after || last.level >= level)
        {
            let message =
                "each step of `widen` comes later than the one before, with a higher level";
            problems.error(node.at, message);
        }
        steps.push(Widen { after, level });
    }
    if steps.len() > limits::WIDEN_STEPS {
        let limit = limits::WIDEN_STEPS;
        problems.error(fields.at, format!("`widen` has more than {limit} steps"));
    }
    let Some(last) = steps.last().filter(|_| !members.is_empty()) else {
        return steps;
    };
    let at = fields.entry("widen").map_or(fields.at, |entry| entry.at);
    let levels = members.values().map(|member| member.level);
    let levels = levels.collect::<BTreeSet<_>>();
    if levels.len() == 1 && levels.contains(&1) {
        problems.warning(at, "everybody here is of level 1, so `widen` does nothing");
    } else if levels.range(..=1).next().is_none() {
        problems.warning(
            at,
            "nobody here is of level 1, so nobody is asked before `widen`",
        );
    }
    if let Some(worst) = levels.last().filter(|worst| **worst > last.level) {
        let message = format!(
            "level {worst} is never asked: `widen` ends at {}",
            last.level
        );
        problems.warning(at, message);
    }
    steps
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
