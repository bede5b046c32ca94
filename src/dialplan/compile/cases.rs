//! The `tests:` of a plan. They are read here in full and run by the simulator.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Names, position, refer};
use crate::dialplan::decide::Facts;
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::{Dialplan, Target};
use crate::dialplan::read::{Fields, Name, choice, cut, entries, parsed, scalar};
use crate::dialplan::schema::{self, Expect, PlanTest, TestCall};
use crate::dialplan::yaml::{Node, Value};
use crate::id::{OperatorName, QueueName, SiteName, TrunkName, VoicemailName};
use crate::limits;
use crate::number::normalised_or_kept;
use crate::time::{Duration, Wall};
use crate::words::{MissedReason, OperatorState, Outcome};

const STATES: [(&str, OperatorState); 4] = [
    ("available", OperatorState::Available),
    ("paused", OperatorState::Paused),
    ("talking", OperatorState::Talking),
    ("logged_out", OperatorState::LoggedOut),
];

const OUTCOMES: [(&str, Outcome); 4] = [
    ("answered", Outcome::Answered),
    ("missed", Outcome::Missed),
    ("blocked", Outcome::Blocked),
    ("test", Outcome::Test),
];

const REASONS: [(&str, MissedReason); 8] = [
    ("abandoned", MissedReason::Abandoned),
    ("timeout", MissedReason::Timeout),
    ("no_operators", MissedReason::NoOperators),
    ("off_hours", MissedReason::OffHours),
    ("queue_full", MissedReason::QueueFull),
    ("interrupted", MissedReason::Interrupted),
    ("refused", MissedReason::Refused),
    ("unrouted", MissedReason::Unrouted),
];

/// How many callers a test can have waiting in a queue.
const CALLERS_WAITING: std::ops::RangeInclusive<u32> = 1..=50;

pub(super) fn tests(
    top: &Fields<'_>,
    names: &Names<'_>,
    plan: &Dialplan,
    problems: &mut Problems<'_>,
) -> Vec<PlanTest> {
    let nodes = match top.get("tests") {
        None => return Vec::new(),
        Some(node) => match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            Value::Scalar(_) | Value::Map(_) => {
                let message = format!("`tests` takes a list, not {}", node.kind());
                problems.error(node.at, message);
                &[]
            }
        },
    };
    nodes
        .iter()
        .filter_map(|node| test(node, names, plan, problems))
        .collect()
}

fn test(
    node: &Node,
    names: &Names<'_>,
    plan: &Dialplan,
    problems: &mut Problems<'_>,
) -> Option<PlanTest> {
    let fields = Fields::open(
        node,
        node.at,
        Name::Phrase("a test"),
        &schema::TEST,
        problems,
    );
    for key in ["name", "call", "expect"] {
        fields.need(key, problems);
    }
    let name = fields.text("name", problems);
    let given = fields.section("given", &schema::GIVEN, problems);
    let waiting = waiting(&given, names, problems);
    let given = states(&given, names, problems);
    let call = fields.section("call", &schema::CALL, problems);
    let call = call_of(&call, fields.entry("call").is_some(), names, plan, problems);
    let expected = fields.section("expect", &schema::EXPECT, problems);
    if fields.entry("expect").is_some() && expected.is_empty() {
        problems.error(expected.at, "`expect` expects nothing");
    }
    let expect = expect(&expected, names, plan, problems);
    Some(PlanTest {
        name: name?,
        position: position(node.at, problems),
        given,
        waiting,
        call: call?,
        expect,
    })
}

fn states(
    given: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<OperatorName, OperatorState> {
    let mut states = BTreeMap::new();
    let Some(node) = given.get("operators") else {
        return states;
    };
    for entry in entries(node, "operators", problems) {
        if !names.operators.contains_key(entry.key.as_str()) && names.whole {
            let message = format!("unknown operator `{}`", entry.key);
            let known = names.operators.keys().copied();
            problems.error_near(entry.at, message, &entry.key, known);
        }
        if let Some(state) = choice(&entry.value, &entry.key, &STATES, &[], problems) {
            states.insert(OperatorName::from(entry.key.as_str()), state);
        }
    }
    states
}

fn waiting(
    given: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<QueueName, u32> {
    let mut waiting = BTreeMap::new();
    let Some(node) = given.get("callers_waiting") else {
        return waiting;
    };
    for entry in entries(node, "callers_waiting", problems) {
        if !names.queues.contains_key(entry.key.as_str()) && names.whole {
            let message = format!("unknown queue `{}`", cut(&entry.key));
            let known = names.queues.keys().copied();
            problems.error_near(entry.at, message, &entry.key, known);
        }
        let count = |text: &str| text.parse().ok().filter(|it| CALLERS_WAITING.contains(it));
        let takes = "a number of callers from 1 to 50";
        if let Some(count) = parsed(&entry.value, &entry.key, takes, count, problems) {
            waiting.insert(QueueName::from(entry.key.as_str()), count);
        }
    }
    waiting
}

/// `keys: { after: 5s, press: "1" }`, or a list of them.
fn pressed(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Vec<(Duration, char)> {
    let mut keys = Vec::new();
    for node in fields.one_or_many("keys") {
        let name = Name::Phrase("a key of a test");
        let one = Fields::open(node, node.at, name, &schema::PRESSED, problems);
        one.need("after", problems);
        let day = Duration::from_secs(86_400);
        let after = one.duration("after", Duration::ZERO..=day, problems);
        let press = super::waiting::key(&one, "press", problems);
        keys.extend(after.zip(press));
    }
    keys
}

fn call_of(
    fields: &Fields<'_>,
    present: bool,
    names: &Names<'_>,
    plan: &Dialplan,
    problems: &mut Problems<'_>,
) -> Option<TestCall> {
    if present {
        fields.need("to", problems);
    }
    let trunk = match fields.get("trunk") {
        Some(node) => {
            refer(node, "trunk", &names.trunks, names.whole, problems).map(TrunkName::from)
        }
        None => plan.trunks.keys().next().cloned(),
    };
    let of_trunk = trunk.as_ref().and_then(|name| plan.trunks.get(name));
    let country = of_trunk.map_or(plan.country, |trunk| trunk.country);
    let from = fields
        .text("from", problems)
        .filter(|from| from != "anonymous");
    let patience = Duration::ZERO..=Duration::from_secs(86_400);
    let patience = fields.duration("patience", patience, problems);
    let at = moment(fields, plan, trunk.as_ref(), problems);
    let to = fields.text("to", problems)?;
    Some(TestCall {
        from: from.map(|from| normalised_or_kept(&from, country)),
        to: normalised_or_kept(&to, country),
        at,
        patience,
        keys: pressed(fields, problems),
        trunk,
    })
}

/// The time of a call, as the clock on the wall of the branch it is for shows it.
fn moment(
    fields: &Fields<'_>,
    plan: &Dialplan,
    trunk: Option<&TrunkName>,
    problems: &mut Problems<'_>,
) -> Option<Wall> {
    let clock = fields.parsed(
        "at",
        "a date and time like 2026-10-05 10:00",
        |text| DateTime::strptime("%Y-%m-%d %H:%M", text).ok(),
        problems,
    )?;
    let to = fields.get("to").and_then(|node| match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    });
    let decision = to.map(|to| {
        let facts = Facts {
            trunk: trunk.cloned().unwrap_or_else(|| TrunkName::from("")),
            to,
            from: None,
        };
        plan.decide(&facts, Wall::default())
    });
    let site = decision.and_then(|decision| plan.sites.get(&decision.site?));
    let zone = site.map_or(&plan.timezone, |site| &site.timezone);
    let zone = TimeZoneDatabase::bundled()
        .get(zone)
        .unwrap_or(TimeZone::UTC);
    let moment = zone.to_ambiguous_zoned(clock).compatible().ok()?;
    Some(Wall::from_millis(moment.timestamp().as_millisecond()))
}

fn expect(
    fields: &Fields<'_>,
    names: &Names<'_>,
    plan: &Dialplan,
    problems: &mut Problems<'_>,
) -> Expect {
    let mut name = |key, known: &BTreeMap<&str, _>| {
        let node = fields.get(key)?;
        refer(node, key, known, names.whole, problems)
    };
    let queue = name("queue", &names.queues).map(QueueName::from);
    let operator = name("operator", &names.operators).map(OperatorName::from);
    let site = name("site", &names.sites).map(SiteName::from);
    let boxed = name("voicemail", &names.voicemail).map(VoicemailName::from);
    let to = fields.text("to", problems);
    Expect {
        queue,
        path: path(fields, names, problems),
        operator,
        whisper: whisper(fields, problems),
        outcome: fields.choice("outcome", &OUTCOMES, &[], problems),
        reason: fields.choice("reason", &REASONS, &[], problems),
        callback: fields.flag("callback", problems),
        to: to.map(|to| normalised_or_kept(&to, plan.country)),
        site,
        source: fields.text("source", problems),
        campaign: fields.text("campaign", problems),
        voicemail: boxed,
        priority: fields.between("priority", limits::PRIORITIES, problems),
    }
}

/// The whisper may be expected to be empty.
fn whisper(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let (scalar, _) = fields.scalar("whisper", "a text", problems)?;
    Some(scalar.text.clone())
}

/// The queues that a call passes; one may come twice, and none at all may be expected.
fn path(
    fields: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Target>> {
    fields.entry("path")?;
    let mut path = Vec::new();
    for node in fields.one_or_many("path") {
        let takes = "targets like queue.odesa";
        if let Some(scalar) = scalar(node, "path", takes, problems) {
            path.extend(super::targets::target(
                node, scalar, "path", names, problems,
            ));
        }
    }
    Some(path)
}
