//! Operators: who is there, with which phone and which skills.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::places::{section, site};
use super::{Names, check_name};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::{Operator, Secret};
use crate::dialplan::read::{Fields, entries, parsed};
use crate::dialplan::schema;
use crate::dialplan::yaml::Entry;
use crate::id::OperatorName;
use crate::time::Duration;
use crate::words::Srtp;

const HOUR: Duration = Duration::from_secs(3_600);

/// The best and the worst level of a skill.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=99;
/// Whether media is encrypted.
pub(super) const SRTP: [(&str, Srtp); 3] = [
    ("off", Srtp::Off),
    ("optional", Srtp::Optional),
    ("required", Srtp::Required),
];
/// The most phones rung in vain before an operator is paused.
const NO_ANSWERS: std::ops::RangeInclusive<u64> = 1..=100;

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
            wrap_up: fields.duration("wrap_up", Duration::ZERO..=HOUR, problems),
            max_no_answer: fields
                .whole("max_no_answer", NO_ANSWERS, problems)
                .and_then(|most| u32::try_from(most).ok()),
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
