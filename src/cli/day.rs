//! A day by the clock of the clinic: when it begins, and whether it is over.

use anyhow::{Context as _, Result, anyhow};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::dialplan::diagnose::Severity;
use crate::server::plan_files;
use crate::server::settings::Settings;
use crate::time::Wall;

/// The timezone that is named, else the dialplan's.
///
/// # Errors
/// When nobody has such a timezone, or the dialplan cannot say it.
pub fn zone(named: Option<&str>, settings: &Settings) -> Result<TimeZone> {
    let plan = || plan_files::load(&settings.dialplans, Severity::Warning).plan;
    let name = match named {
        Some(name) => name.to_owned(),
        None => plan().map(|plan| plan.timezone).with_context(|| {
            format!(
                "the dialplan {} does not say which timezone is meant; name the settings with \
                 --config, or a timezone with --timezone",
                settings.dialplans.display()
            )
        })?,
    };
    TimeZone::get(&name).map_err(|_| {
        let name = name.escape_debug();
        anyhow!("there is no timezone `{name}`; name one like Europe/Kyiv")
    })
}

/// When a day begins there.
///
/// # Errors
/// When it is out of any calendar's range.
pub fn begins(date: Date, zone: &TimeZone) -> Result<Wall> {
    let start = date
        .to_zoned(zone.clone())
        .and_then(|noon| noon.start_of_day())
        .with_context(|| format!("{date} is too far away"))?;
    Ok(Wall::from_millis(start.timestamp().as_millisecond()))
}

/// When it ends: the beginning of the next, 23 to 25 hours later.
///
/// # Errors
/// As [`begins`].
pub fn ends(date: Date, zone: &TimeZone) -> Result<Wall> {
    let next = date.tomorrow();
    let next = next.with_context(|| format!("{date} is too far away"))?;
    begins(next, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_hours_that_the_clock_of_the_clinic_gives_it() {
        let kyiv = zone(Some("Europe/Kyiv"), &Settings::default()).unwrap();
        let hours = |date: &str| {
            let date: Date = date.parse().unwrap();
            let (from, to) = (begins(date, &kyiv).unwrap(), ends(date, &kyiv).unwrap());
            (from.to_string(), (to.as_secs() - from.as_secs()) / 3_600)
        };
        assert_eq!(hours("2026-11-22"), ("2026-11-21T22:00:00.000Z".into(), 24));
        assert_eq!(hours("2026-03-29").1, 23);
        assert_eq!(hours("2026-10-25").1, 25);
        assert!(zone(Some("Одеса"), &Settings::default()).is_err());
    }
}
