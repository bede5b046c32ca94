//! What holds for the whole plan, and its branches and call-tracking pools.

use std::collections::BTreeMap;

use jiff::tz::TimeZoneDatabase;

use super::{Defaults, Names, check_name, refer};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::Site;
use crate::dialplan::read::{Fields, entries};
use crate::dialplan::schema;
use crate::dialplan::yaml::Entry;
use crate::id::SiteName;
use crate::number::Country;
use crate::words::Language;

/// The languages by the words that name them.
const LANGUAGES: [(&str, Language); 3] = [
    ("uk", Language::Uk),
    ("ru", Language::Ru),
    ("en", Language::En),
];

/// A branch, and how numbers are written there.
pub(super) struct ReadSite {
    pub(super) site: Site,
    pub(super) country: Country,
}

/// What the numbers of a pool have in common.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) site: Option<SiteName>,
    pub(super) source: Option<String>,
    pub(super) campaign: Option<String>,
}

pub(super) fn defaults(top: &Fields<'_>, problems: &mut Problems<'_>) -> Defaults {
    if top.entry("country").is_none() && top.entry("numbers").is_some() {
        let message = "`country` is not given; numbers without + are read as in UA";
        problems.warning(top.at, message);
    }
    let country = top.choice("country", &Country::ALL, &[], problems);
    let country = country.unwrap_or(Country::Ua);
    let (spoken, zone) = match country {
        Country::Ua => (Language::Uk, "Europe/Kyiv"),
        Country::Ru => (Language::Ru, "Europe/Moscow"),
    };
    Defaults {
        country,
        language: top
            .choice("language", &LANGUAGES, &[], problems)
            .unwrap_or(spoken),
        timezone: timezone(top, problems).unwrap_or_else(|| zone.to_owned()),
    }
}

pub(super) fn timezone(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let (scalar, at) = fields.scalar("timezone", "a time zone", problems)?;
    if scalar.unset {
        return None;
    }
    let zones = TimeZoneDatabase::bundled();
    if zones.get(&scalar.text).is_err() {
        let known = zones.available().map(|zone| zone.as_str().to_owned());
        let known = known.collect::<Vec<_>>();
        let message = "`timezone` takes a name of the tz database, like Europe/Kyiv";
        let near = known.iter().map(String::as_str);
        problems.error_near(at, message, &scalar.text, near);
        return None;
    }
    Some(scalar.text.clone())
}

pub(super) fn sites(
    top: &Fields<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> BTreeMap<SiteName, ReadSite> {
    let mut sites = BTreeMap::new();
    for entry in section(top, "sites", problems) {
        check_name(entry, "site", problems);
        let fields = Fields::of(entry, &schema::SITE, problems);
        fields.need("city", problems);
        let name = SiteName::from(entry.key.as_str());
        let city = fields.text("city", problems).unwrap_or_default();
        let from = fields.text("from", problems);
        let country = fields.choice("country", &Country::ALL, &[], problems);
        let language = fields.choice("language", &LANGUAGES, &[], problems);
        let timezone = timezone(&fields, problems);
        let country = country.unwrap_or(defaults.country);
        let site = Site {
            name: name.clone(),
            country,
            // Without grammar to guess the plain name is what can be said.
            from: from.unwrap_or_else(|| city.clone()),
            city,
            language: language.unwrap_or(defaults.language),
            timezone: timezone.unwrap_or_else(|| defaults.timezone.clone()),
        };
        sites.insert(name, ReadSite { site, country });
    }
    sites
}

/// The entries of a section whose keys are names.
pub(super) fn section<'n>(
    top: &Fields<'n>,
    name: &str,
    problems: &mut Problems<'_>,
) -> &'n [Entry] {
    let node = top.get(name);
    node.map_or(&[], |node| entries(node, name, problems))
}

pub(super) fn pools<'n>(
    top: &Fields<'n>,
    names: &Names<'n>,
    problems: &mut Problems<'_>,
) -> BTreeMap<&'n str, Pool> {
    let mut pools = BTreeMap::new();
    for entry in section(top, "pools", problems) {
        check_name(entry, "pool", problems);
        let fields = Fields::of(entry, &schema::POOL, problems);
        pools.insert(entry.key.as_str(), pool(&fields, names, problems));
    }
    pools
}

/// The words that a pool and a number share.
pub(super) fn pool(fields: &Fields<'_>, names: &Names<'_>, problems: &mut Problems<'_>) -> Pool {
    Pool {
        site: site(fields, names, problems),
        source: fields.text("source", problems),
        campaign: fields.text("campaign", problems),
    }
}

/// The branch under `site`.
pub(super) fn site(
    fields: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Option<SiteName> {
    let node = fields.get("site")?;
    refer(node, "site", &names.sites, names.whole, problems).map(SiteName::from)
}
