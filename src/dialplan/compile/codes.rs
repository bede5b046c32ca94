//! Feature codes: what operators dial to change their own state.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::waiting::keypad;
use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::plan::{FeatureCodes, Outbound};
use crate::dialplan::read::{Fields, cut, entries, parsed};
use crate::dialplan::schema;
use crate::limits;

/// What a code looks like.
const CODE: &str = "2 to 6 keys, digits and *, like *45, or off";

pub(super) fn feature_codes(
    top: &Fields<'_>,
    keys: &Keys,
    outbound: Option<&Outbound>,
    problems: &mut Problems<'_>,
) -> FeatureCodes {
    let fields = top.section("feature_codes", &schema::FEATURE_CODES, problems);
    let usual = FeatureCodes::default();
    let mut code = |key: &str, usual: Option<String>| match fields.entry(key) {
        None => usual,
        Some(_) => fields.parsed(key, CODE, read, problems).flatten(),
    };
    let codes = FeatureCodes {
        login: code("login", usual.login),
        pause: code("pause", usual.pause),
        wrap_up: code("wrap_up", usual.wrap_up),
        disposition: code("disposition", usual.disposition),
        mask: code("mask", usual.mask),
        reasons: reasons(&fields, problems),
    };
    check(&fields, &codes, keys, outbound, problems);
    codes
}

/// A code, or none for `off`.
fn read(text: &str) -> Option<Option<String>> {
    if text == "off" {
        return Some(None);
    }
    let keys = text.bytes().all(|key| key.is_ascii_digit() || key == b'*');
    (keys && (2..=limits::CODE_KEYS).contains(&text.len())).then(|| Some(text.to_owned()))
}

fn reasons(fields: &Fields<'_>, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    let Some(node) = fields.get("reasons") else {
        return reasons;
    };
    for entry in entries(node, "reasons", problems) {
        if keypad(&entry.key).is_none() {
            let message = format!("`{}` is no 1 to 4 digits of a keypad", cut(&entry.key));
            problems.error(entry.at, message);
        }
        let word = |text: &str| {
            let fits = !text.is_empty() && text.chars().count() <= limits::NAME_CHARS;
            fits.then(|| text.to_owned())
        };
        let takes = "a reason, like lunch";
        if let Some(reason) = parsed(&entry.value, &entry.key, takes, word, problems) {
            reasons.insert(entry.key.clone(), reason);
        }
    }
    if reasons.len() > limits::CODES {
        let limit = limits::CODES;
        problems.error(node.at, format!("`reasons` has more than {limit} reasons"));
    }
    reasons
}

/// No code begins another one, and none means something else already. Those that are followed by
/// digits take every number that begins so.
fn check(
    fields: &Fields<'_>,
    codes: &FeatureCodes,
    keys: &Keys,
    outbound: Option<&Outbound>,
    problems: &mut Problems<'_>,
) {
    let named = [
        ("login", &codes.login, false),
        ("pause", &codes.pause, true),
        ("wrap_up", &codes.wrap_up, false),
        ("disposition", &codes.disposition, true),
        ("mask", &codes.mask, false),
    ];
    let mut before = Vec::<(&str, &str)>::new();
    for (key, code, open) in named {
        let Some(code) = code.as_deref() else {
            continue;
        };
        let at = fields.get(key).map_or(fields.at, |node| node.at);
        let clash = before
            .iter()
            .find(|(_, other)| other.starts_with(code) || code.starts_with(other));
        if let Some((other, theirs)) = clash {
            let message = format!("`{code}` cannot be told from `{other}`, which is `{theirs}`");
            problems.error(at, message);
        }
        before.push((key, code));
        check_free(code, open, at, keys, outbound, problems);
    }
}

fn check_free(
    code: &str,
    open: bool,
    at: Place,
    keys: &Keys,
    outbound: Option<&Outbound>,
    problems: &mut Problems<'_>,
) {
    keys.keep_code_free(code, open, at, problems);
    let emergency = outbound.map_or(&[][..], |outbound| &outbound.emergency);
    let taken = |number: &&String| *number == code || open && number.starts_with(code);
    if let Some(number) = emergency.iter().find(taken) {
        let message = format!("`{code}` would take `{number}` of `outbound.emergency`");
        problems.error(at, message);
    }
}
