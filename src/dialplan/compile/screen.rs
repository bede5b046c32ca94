//! What operators' phones show: the texts are checked here, and filled in each call.

use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::plan::Screen;
use crate::dialplan::read::{Fields, cut};
use crate::dialplan::schema;
use crate::limits;

pub(super) fn screen(top: &Fields<'_>, problems: &mut Problems<'_>) -> Screen {
    let fields = top.section("screen", &schema::SCREEN, problems);
    let usual = Screen::default();
    let transliterate = fields.flag("transliterate", problems);
    Screen {
        display: text(&fields, "display", problems).unwrap_or(usual.display),
        transliterate: transliterate.unwrap_or(usual.transliterate),
        card: card(&fields, problems),
    }
}

/// A text with names in braces.
fn text(fields: &Fields<'_>, key: &str, problems: &mut Problems<'_>) -> Option<String> {
    let text = fields.text(key, problems)?;
    let (scalar, at) = fields.scalar(key, "a text", problems)?;
    if text.chars().count() > limits::PHRASE_CHARS {
        let limit = limits::PHRASE_CHARS;
        problems.error(at, format!("`{key}` has at most {limit} characters"));
        return None;
    }
    names_exist(&text, key, (at, scalar.resolved), problems).then_some(text)
}

/// `at` is the place, and whether the text came from a reference and must not be shown.
fn names_exist(
    text: &str,
    key: &str,
    (at, secret): (Place, bool),
    problems: &mut Problems<'_>,
) -> bool {
    let mut parts = text.split('{');
    let mut paired = !parts.next().unwrap_or_default().contains('}');
    let mut known = true;
    for part in parts {
        let Some((name, rest)) = part.split_once('}') else {
            paired = false;
            break;
        };
        paired &= !rest.contains('}');
        if !Screen::NAMES.contains(&name) {
            known = false;
            if secret {
                let message = format!("`{key}` knows not all names in what the reference holds");
                problems.error(at, message);
                continue;
            }
            let message = format!("`{key}` knows no `{{{}}}`", cut(name));
            problems.error_near(at, message, name, Screen::NAMES.iter().copied());
        }
    }
    if !paired {
        problems.error(at, format!("a brace of `{key}` has no partner"));
    }
    paired && known
}

/// The address of the caller's card. No value of a call gets into its host.
fn card(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let card = text(fields, "card", problems)?;
    let at = fields.get("card")?.at;
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| card.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if !host.is_some_and(|host| !host.is_empty() && !host.contains('{')) {
        let message = "`card` is an address that begins with https:// and a host without names";
        problems.error(at, message.to_owned());
        return None;
    }
    let fits = |letter: char| letter.is_ascii_graphic() && !"<>\"\\^`|".contains(letter);
    if !card.chars().all(fits) {
        let message = "`card` holds letters that an address must write as % and two digits";
        problems.error(at, message.to_owned());
        return None;
    }
    Some(card)
}
