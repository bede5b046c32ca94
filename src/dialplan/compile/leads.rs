//! Those who asked for a call: how they are called, and for how long a number is a repeat caller's.

use super::missed::ladder;
use super::spoken::Whispers;
use super::{Defaults, Names, refer};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::Leads;
use crate::dialplan::read::Fields;
use crate::dialplan::schema;
use crate::id::{CalendarName, QueueName};
use crate::limits;
use crate::time::Duration;
use crate::words::Language;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn leads(
    top: &Fields<'_>,
    names: &Names<'_>,
    defaults: &Defaults,
    whispers: &Whispers,
    problems: &mut Problems<'_>,
) -> Leads {
    let fields = top.section("leads", &schema::LEADS, problems);
    if let (Some(entry), None) = (top.entry("leads"), top.entry("outbound")) {
        let message = "`leads` calls out by `outbound.via`, and this plan has no `outbound`";
        problems.error(entry.at, message);
    }
    let dedupe = fields.duration("dedupe", Duration::ZERO..=limits::LEAD_DEDUPE, problems);
    let queue = fields.get("queue").and_then(|node| {
        let name = refer(node, "queue", &names.queues, names.whole, problems)?;
        Some(QueueName::from(name))
    });
    let hours = fields.get("hours").and_then(|node| {
        let name = refer(node, "calendar", &names.calendars, names.whole, problems)?;
        Some(CalendarName::from(name))
    });
    let at_once = fields.whole("at_once", 1..=limits::LEAD_CALLS as u64, problems);
    let at_once = at_once.and_then(|most| usize::try_from(most).ok());
    let own = fields.entry("attempts").is_some();
    let attempts = ladder(&fields, defaults, problems);
    let languages = [Language::Uk, Language::Ru, Language::En];
    let spoken = languages.map(|language| Some((language, whispers.template(language)?.clone())));
    Leads {
        dedupe: dedupe.unwrap_or(Leads::DEDUPE),
        queue,
        at_once: at_once.unwrap_or(Leads::AT_ONCE),
        attempts: own.then_some(attempts),
        hours,
        whispers: spoken.into_iter().flatten().collect(),
    }
}

/// For how long whoever has called before is a repeat caller.
pub(super) fn repeat_within(top: &Fields<'_>, problems: &mut Problems<'_>) -> Duration {
    let fields = top.section("history", &schema::HISTORY, problems);
    let within = fields.duration("repeat_within", DAY..=limits::HISTORY_KEPT, problems);
    within.unwrap_or(limits::REPEAT_WITHIN)
}
