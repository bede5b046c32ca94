//! Who serves a queue: operators by skill, by name, by branch, or all of them, in the plan's order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Names, refer};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::{Member, Operator};
use crate::dialplan::read::{Fields, cut, scalar, shown};
use crate::dialplan::schema;
use crate::dialplan::yaml::{Node, Value};
use crate::id::OperatorName;

pub(super) type Operators = BTreeMap<OperatorName, Operator>;

/// Who serves a queue, each with the level at which it is asked.
pub(super) fn served_by(
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
