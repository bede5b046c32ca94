//! What is tried before `numbers`: who is refused, who goes first, who is sent elsewhere.

use super::lists::{PATTERN, add, patterns};
use super::targets::some_targets;
use super::{Defaults, Names, position, refer};
use crate::dialplan::decide::Reject;
use crate::dialplan::diagnose::Problems;
use crate::dialplan::numbers::Pattern;
use crate::dialplan::plan::Target;
use crate::dialplan::read::{Fields, Name, choice, cut, entries, one_or_many, scalar, shown};
use crate::dialplan::routes::{Callers, Route, Then, When};
use crate::dialplan::schema;
use crate::dialplan::yaml::{Node, Value};
use crate::id::{CalendarName, ListName, SiteName, TrunkName};
use crate::limits;
use crate::number::Country;

/// What a caller can be refused with.
const CODES: [(&str, u16); 11] = [
    ("403", 403),
    ("404", 404),
    ("410", 410),
    ("480", 480),
    ("486", 486),
    ("503", 503),
    ("600", 600),
    ("603", 603),
    ("604", 604),
    ("607", 607),
    ("608", 608),
];
/// The code where none is written: declined, and no other phone will do better (RFC 3261 21.6.2).
const DECLINED: u16 = 603;

/// What a route can ask for, and what each names.
const WHEN: [(&str, &str); 5] = [
    ("caller", "caller"),
    ("to", "number"),
    ("trunk", "trunk"),
    ("site", "site"),
    ("calendar", "calendar"),
];

pub(super) fn routes(
    top: &Fields<'_>,
    names: &Names<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> Vec<Route> {
    let nodes = match top.get("routes").map(|node| (node, &node.value)) {
        Some((_, Value::List(items))) => items.as_slice(),
        Some((node, Value::Scalar(_) | Value::Map(_))) => {
            let message = format!("`routes` takes a list, not {}", node.kind());
            problems.error(node.at, message);
            &[]
        }
        Some((_, Value::Null)) | None => &[],
    };
    if let Some(node) = nodes.get(limits::ROUTES) {
        let limit = limits::ROUTES;
        problems.error(node.at, format!("there are more than {limit} routes"));
    }
    let nodes = nodes.iter().take(limits::ROUTES);
    nodes
        .map(|node| route(node, names, defaults, problems))
        .collect()
}

fn route(
    node: &Node,
    names: &Names<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> Route {
    let name = Name::Phrase("a route");
    let fields = Fields::open(node, node.at, name, &schema::ROUTE, problems);
    fields.need("when", problems);
    let asked = fields.section("when", &schema::WHEN, problems);
    if fields.entry("when").is_some() && asked.is_empty() {
        problems.error(asked.at, "`when` asks nothing, so every call would fit");
    }
    let priority = fields.between("priority", limits::PRIORITIES, problems);
    let reject = fields.entry("reject").map(|_| reject(&fields, problems));
    let to = fields
        .entry("to")
        .map(|_| some_targets(&fields, "to", names, problems));
    let then = then(&fields, reject, to, problems);
    if fields.entry("when").is_some() && then.is_none() && fields.entry("priority").is_none() {
        problems.error(node.at, "a route needs `to`, `reject` or `priority`");
    }
    Route {
        when: when(&asked, names, defaults.country, problems),
        then,
        priority,
        position: position(node.at, problems),
    }
}

fn then(
    fields: &Fields<'_>,
    reject: Option<Reject>,
    to: Option<Vec<Target>>,
    problems: &mut Problems<'_>,
) -> Option<Then> {
    if reject.is_some() && to.is_some() {
        problems.error(fields.at, "a route has `to` or `reject`, not both");
    }
    reject.map(Then::Reject).or_else(|| to.map(Then::To))
}

fn reject(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Reject {
    let fields = fields.section("reject", &schema::REJECT, problems);
    Reject {
        code: fields
            .choice("code", &CODES, &[], problems)
            .unwrap_or(DECLINED),
        note: fields.text("note", problems).map(|note| cut(&note)),
    }
}

fn when(
    fields: &Fields<'_>,
    names: &Names<'_>,
    country: Country,
    problems: &mut Problems<'_>,
) -> When {
    for (key, kind) in WHEN {
        // A condition that names nothing would fit every call, or none.
        let empty = match fields.get(key).map(|node| &node.value) {
            Some(Value::Null) => true,
            Some(Value::List(items)) => items.is_empty(),
            Some(Value::Map(entries)) => entries.is_empty(),
            Some(Value::Scalar(_)) | None => false,
        };
        if let (true, Some(entry)) = (empty, fields.entry(key)) {
            problems.error(entry.at, format!("`{key}` names no {kind}"));
        }
    }
    let callers = fields.entry("caller").map(|_| {
        let nodes = fields.one_or_many("caller");
        callers(nodes, names, country, problems)
    });
    let to = fields.entry("to").map(|_| {
        let nodes = fields.one_or_many("to");
        patterns(nodes, "to", country, problems)
    });
    let mut named = |key: &str, known| {
        fields.entry(key).map(|_| {
            let nodes = fields.one_or_many(key).iter();
            let found = nodes.filter_map(|node| refer(node, key, known, names.whole, problems));
            found.collect::<Vec<_>>()
        })
    };
    let trunks = named("trunk", &names.trunks);
    let sites = named("site", &names.sites);
    When {
        caller: callers,
        to,
        trunk: trunks.map(|names| names.into_iter().map(TrunkName::from).collect()),
        site: sites.map(|names| names.into_iter().map(SiteName::from).collect()),
        calendar: calendars(fields, names, problems),
    }
}

/// Who calls: lists, numbers, or whoever withholds the number.
fn callers(
    nodes: &[Node],
    names: &Names<'_>,
    country: Country,
    problems: &mut Problems<'_>,
) -> Callers {
    let mut callers = Callers::default();
    let takes = format!("anonymous, a list like list.vip, or {PATTERN}");
    for node in nodes {
        let Some(scalar) = scalar(node, "caller", &takes, problems) else {
            continue;
        };
        let text = scalar.text.trim();
        if scalar.unset {
            continue;
        }
        if text == "anonymous" {
            callers.anonymous = true;
        } else if let Some(name) = text.strip_prefix("list.") {
            if names.lists.contains_key(name) {
                callers.lists.push(ListName::from(name));
            } else if names.whole {
                let message = format!("unknown list `{}`", cut(name));
                problems.error_near(node.at, message, name, names.lists.keys().copied());
            }
        } else if let Ok(pattern) = Pattern::read(text, country) {
            add(&mut callers.numbers, &pattern, node.at, problems);
        } else {
            let message = format!("`caller` takes {takes}, not {}", shown(scalar));
            problems.error_near(node.at, message, text, ["anonymous"]);
        }
    }
    callers
}

/// Which calendars must be open or closed.
fn calendars(
    fields: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Vec<(CalendarName, bool)> {
    let Some(node) = fields.get("calendar") else {
        return Vec::new();
    };
    let mut asked = Vec::new();
    for entry in entries(node, "calendar", problems) {
        if !names.calendars.contains_key(entry.key.as_str()) && names.whole {
            let message = format!("unknown calendar `{}`", cut(&entry.key));
            let known = names.calendars.keys().copied();
            problems.error_near(entry.at, message, &entry.key, known);
        }
        let states = [("open", true), ("closed", false)];
        for node in one_or_many(&entry.value) {
            if let Some(open) = choice(node, &entry.key, &states, &[], problems) {
                asked.push((CalendarName::from(entry.key.as_str()), open));
            }
        }
    }
    asked
}
