//! What is said: the operator's whisper and the notice before a recording.

use std::cell::Cell;
use std::ops::RangeInclusive;

use super::Defaults;
use crate::dialplan::diagnose::{Help, Place, Problems, Severity, nearest};
use crate::dialplan::plan::{Accept, Recording};
use crate::dialplan::read::Fields;
use crate::dialplan::schema;
use crate::dialplan::whisper::{Fault, FaultKind, NAMES, Template};
use crate::dialplan::yaml::Value;
use crate::limits;
use crate::time::Duration;
use crate::words::{Language, Phrase};

/// The whisper section.
pub(super) struct Whispers {
    uk: Option<Template>,
    ru: Option<Template>,
    en: Option<Template>,
    pub(super) max: Duration,
    pub(super) accept: Accept,
    /// Where the section begins; none when there is none.
    pub(super) at: Option<Place>,
    /// Whether the section was read without a fault.
    sound: bool,
    warned: Cell<[bool; 3]>,
}

impl Whispers {
    pub(super) const fn template(&self, language: Language) -> Option<&Template> {
        match language {
            Language::Uk => self.uk.as_ref(),
            Language::Ru => self.ru.as_ref(),
            Language::En => self.en.as_ref(),
        }
    }

    /// Warns once of a language that numbers speak and the whisper does not.
    pub(super) fn warn_of_silence(&self, language: Language, problems: &mut Problems<'_>) {
        let mut warned = self.warned.get();
        let slot = match language {
            Language::Uk => &mut warned[0],
            Language::Ru => &mut warned[1],
            Language::En => &mut warned[2],
        };
        let Some(at) = self.at.filter(|_| self.sound && !*slot) else {
            return;
        };
        *slot = true;
        self.warned.set(warned);
        let word = language.as_str();
        let message = format!("`whisper` has no `{word}`, and numbers of that language hear none");
        problems.warning(at, message);
    }
}

pub(super) fn whispers(top: &Fields<'_>, problems: &mut Problems<'_>) -> Whispers {
    let fields = top.section("whisper", &schema::WHISPER, problems);
    let before = problems.count();
    let (uk, ru, en) = (
        template(&fields, "uk", problems),
        template(&fields, "ru", problems),
        template(&fields, "en", problems),
    );
    let ways = [("answer", Accept::Answer), ("key", Accept::Key)];
    let accept = fields.choice("accept", &ways, &[], problems);
    let longest = Duration::from_millis(500)..=Duration::from_secs(30);
    let max = fields.duration("max", longest, problems);
    Whispers {
        uk,
        ru,
        en,
        max: max.unwrap_or(Duration::from_secs(4)),
        accept: accept.unwrap_or_default(),
        at: top.entry("whisper").map(|entry| entry.at),
        sound: problems.count() == before,
        warned: Cell::new([false; 3]),
    }
}

fn template(fields: &Fields<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Template> {
    let text = fields.text(key, problems)?;
    let (scalar, at) = fields.scalar(key, "a text", problems)?;
    let faults = match Template::read(&text) {
        Ok(template) => return Some(template),
        Err(faults) => faults,
    };
    for fault in faults {
        let at = if scalar.resolved {
            at
        } else {
            inside(at, usize::from(scalar.quoted), &fault)
        };
        let help = match &fault.kind {
            FaultKind::UnknownName(word) => {
                let near = nearest(word, NAMES.iter().map(|(name, _)| *name));
                near.map(|near| Help::DidYouMean(format!("{{{near}}}")))
            }
            FaultKind::Unpaired(_)
            | FaultKind::Nested
            | FaultKind::TooManyParts
            | FaultKind::TooLong => None,
        };
        problems.add(Severity::Error, at, fault.kind.to_string(), help);
    }
    None
}

/// The place of a fault in a text that stands on one line without escapes; a text over several lines
/// is pointed at where it begins.
fn inside(at: Place, quote: usize, fault: &Fault) -> Place {
    let end = fault.offset.saturating_add(fault.width);
    if (at.width as usize) < end.saturating_add(quote) {
        return at;
    }
    let number = |count: usize| u32::try_from(count).unwrap_or(0);
    Place {
        column: at.column.saturating_add(number(fault.offset + quote)),
        width: number(fault.width),
        ..at
    }
}

/// How long a recording may be kept.
const KEEP: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_650 * 86_400);

pub(super) fn recording(
    top: &Fields<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> Option<Recording> {
    top.entry("recording")?;
    let fields = top.section("recording", &schema::RECORDING, problems);
    let announce = fields.section("announce", &schema::ANNOUNCE, problems);
    if fields.entry("announce").is_some() {
        announce.need("say", problems);
    }
    let say = announce.text("say", problems).filter(|text| {
        let fits = text.chars().count() <= limits::PHRASE_CHARS;
        if let (false, Some(node)) = (fits, announce.get("say")) {
            problems.error(node.at, FaultKind::TooLong.to_string());
        }
        fits
    });
    Some(Recording {
        announce: say.map(|text| Phrase::Spoken {
            language: defaults.language,
            text,
        }),
        keep: fields.duration("keep", KEEP, problems),
    })
}

/// What a number or a queue says of its own recordings.
pub(super) fn kept(
    top: &Fields<'_>,
    fields: &Fields<'_>,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let entry = fields.entry("recording")?;
    if top.entry("recording").is_none() {
        let message = "nothing is recorded, so nothing is kept: this plan has no `recording`";
        problems.error(entry.at, message);
    }
    if let Value::Scalar(_) | Value::Null = entry.value.value {
        let message = "takes only `{ keep: TIME }`: a plan records all its calls or none, and what may not \
                       be kept is left out of a talk by `feature_codes.mask` or by the API";
        problems.error(
            entry.value.at,
            format!("`recording` of one number or queue {message}"),
        );
        return None;
    }
    let own = fields.section("recording", &schema::KEPT, problems);
    own.need("keep", problems);
    own.duration("keep", KEEP, problems)
}
