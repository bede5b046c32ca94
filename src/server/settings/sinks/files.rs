//! Sinks that are files: of events, or of lines that other programs' reports read.

use jiff::tz::TimeZone;

use crate::dialplan::diagnose::Problems;
use crate::dialplan::read::Fields;
use crate::server::settings::SinkKind;

/// Reads `cdr_csv` and its `timezone`.
pub(super) fn cdr_csv(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<SinkKind> {
    let path = fields.text("cdr_csv", problems)?.into();
    let named = |name: &str| TimeZone::get(name).ok();
    let zone = match fields.entry("timezone") {
        None => TimeZone::system(),
        Some(_) => fields.parsed("timezone", "a zone like Europe/Kyiv", named, problems)?,
    };
    Some(SinkKind::CdrCsv { path, zone })
}
