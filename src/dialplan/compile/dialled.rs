//! The numbers a carrier delivers: where they lead and what the operator hears.

use std::collections::BTreeMap;

use super::places::{Pool, ReadSite, pool, section};
use super::spoken::{self, Whispers};
use super::targets::some_targets;
use super::{Defaults, Names, position, refer};
use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::numbers::{Clash, NumberTable, Pattern};
use crate::dialplan::plan::{Number, Whisper};
use crate::dialplan::read::{Fields, cut};
use crate::dialplan::schema;
use crate::dialplan::whisper::Name;
use crate::dialplan::whisper::utterance::Spoken;
use crate::dialplan::yaml::Entry;
use crate::id::SiteName;
use crate::limits;
use crate::number::{BadNumber, Country};
use crate::words::Language;

/// What the numbers are read against.
pub(super) struct Context<'a> {
    pub(super) names: &'a Names<'a>,
    pub(super) defaults: &'a Defaults,
    pub(super) sites: &'a BTreeMap<SiteName, ReadSite>,
    pub(super) pools: &'a BTreeMap<&'a str, Pool>,
    pub(super) whispers: &'a Whispers,
}

pub(super) fn numbers(
    top: &Fields<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> NumberTable {
    let mut table = NumberTable::default();
    let mut places = Vec::<Place>::new();
    for entry in section(top, "numbers", problems) {
        let fields = Fields::of(entry, &schema::NUMBER, problems);
        let mut number = number(entry, &fields, context, problems);
        number.keep = spoken::kept(top, &fields, problems);
        let site = number
            .site
            .as_ref()
            .and_then(|name| context.sites.get(name));
        let country = site.map_or(context.defaults.country, |site| site.country);
        let pattern = match Pattern::read(&entry.key, country) {
            Ok(pattern) => pattern,
            Err(error) => {
                bad_number(entry, error, country, problems);
                continue;
            }
        };
        match table.add(&pattern, number) {
            Ok(()) => places.push(entry.at),
            Err(Clash::With(index)) => {
                let first = places.get(index).copied().unwrap_or(entry.at);
                let other = table.iter().nth(index).map_or("", |number| &number.written);
                let (this, other) = (cut(&entry.key), cut(other));
                let first = problems.position(first);
                let message =
                    format!("`{this}` and `{other}` at {first} fit the same numbers equally well");
                let help = "write one of them with more digits";
                problems.error_do(entry.at, message, help);
            }
            Err(Clash::Shapes) => {
                let limit = limits::NUMBER_SHAPES;
                let message = format!("number patterns have more than {limit} different shapes");
                problems.error(entry.at, message);
                break;
            }
            Err(Clash::Patterns) => {
                let limit = limits::NUMBER_PATTERNS;
                let message = format!("more than {limit} numbers have an `x` or a `*`");
                problems.error(entry.at, message);
                break;
            }
        }
    }
    table
}

fn bad_number(entry: &Entry, error: BadNumber, country: Country, problems: &mut Problems<'_>) {
    let message = match error {
        BadNumber::NotDigits => {
            "a number has digits, spaces, dashes and brackets, `x` for one digit, `*` at the end"
                .to_owned()
        }
        BadNumber::Length => error.to_string(),
        BadNumber::NoRule => {
            let country = country.as_str();
            format!("no rule of {country} reads this number; are digits missing, or + and a code?")
        }
    };
    problems.error(entry.at, message);
}

fn number(
    entry: &Entry,
    fields: &Fields<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Number {
    let names = context.names;
    let in_pool = fields.get("pool").and_then(|node| {
        let name = refer(node, "pool", &names.pools, names.whole, problems)?;
        context.pools.get(name)
    });
    let own = pool(fields, names, problems);
    let of_pool = in_pool.and_then(|pool| pool.site.as_ref());
    if let (Some(pool), Some(site)) = (of_pool, &own.site)
        && pool != site
    {
        let at = fields.get("site").map_or(entry.at, |node| node.at);
        let message = format!("the pool of this number belongs to site `{pool}`");
        problems.error(at, message);
    }
    // What the number says itself is closer than what its pool says.
    let site = own.site.or_else(|| in_pool?.site.clone());
    let at_site = site.as_ref().and_then(|name| context.sites.get(name));
    let mut number = Number {
        written: entry.key.clone(),
        name: fields.text("name", problems),
        city: at_site.map(|read| read.site.city.clone()),
        source: own.source.or_else(|| in_pool?.source.clone()),
        campaign: own.campaign.or_else(|| in_pool?.campaign.clone()),
        to: some_targets(fields, "to", names, problems),
        language: at_site.map_or(context.defaults.language, |read| read.site.language),
        whisper: Whisper::default(),
        keep: None,
        position: position(entry.at, problems),
        site,
    };
    let from = at_site.map(|read| read.site.from.as_str());
    number.whisper = whisper(entry, &number, from, context.whispers, problems);
    number
}

fn whisper(
    entry: &Entry,
    number: &Number,
    from: Option<&str>,
    whispers: &Whispers,
    problems: &mut Problems<'_>,
) -> Whisper {
    let language: Language = number.language;
    let Some(template) = whispers.template(language) else {
        whispers.warn_of_silence(language, problems);
        return Whisper::default();
    };
    let whisper = template.fill(language, |name| match name {
        Name::From => from,
        Name::City => number.city.as_deref(),
        Name::Campaign => number.campaign.as_deref(),
        Name::Source => number.source.as_deref(),
        Name::Site => number.site.as_ref().map(SiteName::as_str),
        Name::Name => number.name.as_deref(),
    });
    let forms = whisper.about(&Spoken::LONGEST).forms();
    let longest = forms.iter().map(|form| form.text().chars().count()).max();
    if longest.is_some_and(|count| count > limits::PHRASE_CHARS) {
        let limit = limits::PHRASE_CHARS;
        let message = format!("the whisper of this number has more than {limit} characters");
        problems.error(entry.at, message);
    }
    whisper
}
