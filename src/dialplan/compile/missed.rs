//! What becomes of callers whom nobody spoke with: boxes for messages, and calls back.

use std::collections::BTreeMap;

use super::places::section;
use super::{Defaults, Names, check_name, refer};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::{Callbacks, Outbound, Rung, Voicemail};
use crate::dialplan::read::{Fields, Name};
use crate::dialplan::schema;
use crate::dialplan::whisper::FaultKind;
use crate::id::{CalendarName, VoicemailName};
use crate::limits;
use crate::number::normalise;
use crate::time::Duration;
use crate::words::Phrase;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The longest message where a box does not say.
const MESSAGE: Duration = Duration::from_secs(120);

pub(super) fn voicemail(
    top: &Fields<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> BTreeMap<VoicemailName, Voicemail> {
    let mut boxes = BTreeMap::new();
    for entry in section(top, "voicemail", problems) {
        check_name(entry, "voicemail box", problems);
        let fields = Fields::of(entry, &schema::VOICEMAIL, problems);
        let name = VoicemailName::from(entry.key.as_str());
        let longest = fields.duration("max", 5 * SECOND..=10 * MINUTE, problems);
        let say = said(&fields, problems);
        boxes.insert(
            name.clone(),
            Voicemail {
                name,
                say: say.map(|text| Phrase::Spoken {
                    language: defaults.language,
                    text,
                }),
                max: longest.unwrap_or(MESSAGE),
            },
        );
    }
    boxes
}

/// The text under `say`, short enough to be spoken.
pub(super) fn said(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<String> {
    fields.text("say", problems).filter(|text| {
        let fits = text.chars().count() <= limits::PHRASE_CHARS;
        if let (false, Some(node)) = (fits, fields.get("say")) {
            problems.error(node.at, FaultKind::TooLong.to_string());
        }
        fits
    })
}

pub(super) fn callbacks(
    top: &Fields<'_>,
    names: &Names<'_>,
    defaults: &Defaults,
    outbound: Option<&Outbound>,
    problems: &mut Problems<'_>,
) -> Callbacks {
    let fields = top.section("callbacks", &schema::CALLBACKS, problems);
    let usual = Callbacks::default();
    let due = fields.duration("due", MINUTE..=7 * DAY, problems);
    let ignore = fields.duration("ignore_shorter_than", Duration::ZERO..=MINUTE, problems);
    let attempts = ladder(&fields, defaults, problems);
    let calls = attempts.iter().any(|it| matches!(it, Rung::Call { .. }));
    if let (true, None, Some(entry)) = (calls, outbound, fields.entry("attempts"))
        && top.entry("outbound").is_none()
    {
        let message = "calls back go out by `outbound.via`, and this plan has no `outbound`";
        problems.error(entry.at, message);
    }
    let shift_end = fields.get("shift_end").and_then(|node| {
        let known = &names.calendars;
        refer(node, "calendar", known, names.whole, problems).map(CalendarName::from)
    });
    Callbacks {
        shift_end,
        due: due.unwrap_or(usual.due),
        ignore_shorter_than: ignore.unwrap_or(usual.ignore_shorter_than),
        attempts,
    }
}

/// The rungs under `attempts`.
pub(super) fn ladder(
    fields: &Fields<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> Vec<Rung> {
    let nodes = fields.one_or_many("attempts");
    if let Some(node) = nodes.get(limits::CALLBACK_ATTEMPTS) {
        let limit = limits::CALLBACK_ATTEMPTS;
        let message = format!("`attempts` has more than {limit} attempts");
        problems.error(node.at, message);
    }
    let mut attempts = Vec::new();
    for node in nodes {
        let name = Name::Phrase("an attempt");
        let rung = Fields::open(node, node.at, name, &schema::ATTEMPT, problems);
        let after = rung.duration("after", Duration::ZERO..=7 * DAY, problems);
        let after = after.unwrap_or(Duration::ZERO);
        let read = |text: &str| {
            let number = normalise(text, defaults.country).ok()?;
            Some(number.to_string())
        };
        let show = rung.parsed("show", "a phone number", read, problems);
        if rung.entry("emit").is_none() {
            attempts.push(Rung::Call { show, after });
            continue;
        }
        if rung.entry("show").is_some() {
            let message = "an attempt shows a number or emits a message, not both";
            problems.error(node.at, message);
        }
        rung.choice("emit", &[("message", ())], &[], problems);
        attempts.push(Rung::Message { after });
    }
    attempts
}
