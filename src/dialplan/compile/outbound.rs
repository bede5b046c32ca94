//! What operators may dial outside: by which carriers, which numbers, how much, and what is shown.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::places::site;
use super::{Defaults, Names, refer};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::Outbound;
use crate::dialplan::read::{Fields, Name, parsed};
use crate::dialplan::schema;
use crate::id::{SiteName, TrunkName};
use crate::limits;
use crate::number::{Country, Length, compact, international, normalise};

/// What a pattern looks like.
const PATTERN: &str = "a number, or its beginning and `*`, like +380*";

pub(super) fn outbound(
    top: &Fields<'_>,
    names: &Names<'_>,
    defaults: &Defaults,
    keys: &Keys,
    problems: &mut Problems<'_>,
) -> Option<Outbound> {
    top.entry("outbound")?;
    let fields = top.section("outbound", &schema::OUTBOUND, problems);
    for key in ["via", "allow"] {
        fields.need(key, problems);
    }
    let country = defaults.country;
    let most = limits::CALLS_OF_AN_OPERATOR as u64;
    let max_calls = fields.whole("max_calls", 1..=most, problems);
    let per_day = fields.whole("per_day", 1..=100_000, problems);
    let number = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let (show, show_else) = shown(&fields, names, country, problems);
    Some(Outbound {
        via: via(&fields, names, problems),
        allow: patterns(&fields, "allow", country, problems),
        deny: patterns(&fields, "deny", country, problems),
        emergency: emergency(&fields, keys, problems),
        max_calls: number(max_calls).unwrap_or(1),
        per_day: number(per_day),
        hours: fields.parsed("hours", "hours like 08:00-20:00", hours, problems),
        show,
        show_else,
    })
}

fn via(fields: &Fields<'_>, names: &Names<'_>, problems: &mut Problems<'_>) -> Vec<TrunkName> {
    let mut via = Vec::new();
    for node in fields.one_or_many("via") {
        let Some(name) = refer(node, "trunk", &names.trunks, names.whole, problems) else {
            continue;
        };
        let name = TrunkName::from(name);
        if via.contains(&name) {
            problems.error(node.at, format!("`via` names `{name}` twice"));
        } else {
            via.push(name);
        }
    }
    via
}

fn patterns(
    fields: &Fields<'_>,
    key: &str,
    country: Country,
    problems: &mut Problems<'_>,
) -> Vec<String> {
    let nodes = fields.one_or_many(key);
    let read = |text: &str| pattern(text, country);
    let patterns = nodes
        .iter()
        .filter_map(|node| parsed(node, key, PATTERN, read, problems));
    let patterns = patterns.collect::<Vec<_>>();
    if patterns.len() > limits::NUMBER_PATTERNS {
        let limit = limits::NUMBER_PATTERNS;
        problems.error(fields.at, format!("`{key}` has more than {limit} patterns"));
    }
    patterns
}

/// A pattern in E.164: the whole number, or its beginning with `*`.
fn pattern(text: &str, country: Country) -> Option<String> {
    let Some(beginning) = text.trim_end().strip_suffix('*') else {
        return normalise(text, country)
            .ok()
            .map(|number| number.to_string());
    };
    let beginning = compact(beginning).filter(|it| !it.contains('x'))?;
    let beginning = international(&beginning, country, Length::Open).ok()?;
    Some(beginning + "*")
}

fn emergency(fields: &Fields<'_>, keys: &Keys, problems: &mut Problems<'_>) -> Vec<String> {
    let takes = "a number of 2 to 6 digits, like 112";
    let read = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && (2..=6).contains(&text.len())).then(|| text.to_owned())
    };
    let mut numbers = Vec::new();
    for node in fields.one_or_many("emergency") {
        if let Some(number) = parsed(node, "emergency", takes, read, problems) {
            keys.keep_free(&number, node.at, problems);
            numbers.push(number);
        }
    }
    numbers
}

/// Minutes since midnight, from and to; the end may lie on the next day.
fn hours(text: &str) -> Option<(u16, u16)> {
    let minutes = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        let within = hours < 24 && minutes < 60 || (hours, minutes) == (24, 0);
        within.then_some(hours * 60 + minutes)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    (from != to && from < 1_440).then_some((from, to))
}

type Shown = (BTreeMap<SiteName, String>, Option<String>);

fn shown(
    fields: &Fields<'_>,
    names: &Names<'_>,
    country: Country,
    problems: &mut Problems<'_>,
) -> Shown {
    let (mut show, mut show_else) = (BTreeMap::new(), None);
    for node in fields.one_or_many("show") {
        let name = Name::Phrase("`show`");
        let one = Fields::open(node, node.at, name, &schema::SHOW, problems);
        one.need("number", problems);
        let read = |text: &str| normalise(text, country).ok().map(|it| it.to_string());
        let number = one.parsed("number", "a phone number", read, problems);
        let at_site = site(&one, names, problems);
        let Some(number) = number else {
            continue;
        };
        let before = match at_site {
            Some(site) => show.insert(site, number),
            None if one.entry("site").is_none() => show_else.replace(number),
            None => None,
        };
        if before.is_some() {
            problems.error(node.at, "`show` has a number for this already");
        }
    }
    (show, show_else)
}
