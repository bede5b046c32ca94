//! Opening hours: weekly spans, holidays and special days, judged by what the clock on the wall shows.
//!
//! A moment is turned into the date and the minute that a clock in the calendar's zone shows, and only
//! those are compared. So the hour that a spring night skips is never open, nothing else moves, and the
//! hour that an autumn night has twice is open both times or neither. A date rules from its midnight to
//! the next one, whatever span reaches into it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::time::Wall;

/// Minutes of a day.
pub const DAY: u16 = 24 * 60;
/// Minutes of a week.
pub const WEEK: u16 = 7 * DAY;

/// Minutes of the week since Monday's midnight, the end not included. Where the end is not after the
/// start, the span goes over Sunday's midnight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WeekSpan {
    /// Its first minute.
    pub from: u16,
    /// The first minute after it.
    pub to: u16,
}

impl WeekSpan {
    const fn holds(self, minute: u16) -> bool {
        if self.from < self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

/// Minutes of a day, the end not included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DaySpan {
    /// Its first minute.
    pub from: u16,
    /// The first minute after it.
    pub to: u16,
}

/// A day of the calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Day {
    /// Of every year: month and day.
    EveryYear(i8, i8),
    /// Of one year.
    Once(Date),
}

/// As a plan writes it.
impl std::fmt::Display for Day {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EveryYear(month, day) => write!(out, "{month:02}-{day:02}"),
            Self::Once(date) => write!(out, "{date}"),
        }
    }
}

impl Day {
    fn of_every_year(date: Date) -> Self {
        Self::EveryYear(date.month(), date.day())
    }
}

/// Opening hours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Calendar {
    /// Its own time zone, as the tz database names it.
    pub timezone: Option<String>,
    /// When it is open.
    pub open: Vec<WeekSpan>,
    /// When it is closed although `open` has it.
    pub closed: Vec<WeekSpan>,
    /// Days on which it is closed.
    pub closed_on: BTreeSet<Day>,
    /// Days with hours of their own, which go before all else.
    pub open_on: BTreeMap<Day, Vec<DaySpan>>,
}

impl Calendar {
    /// Whether it is open at a moment; `zone` is used where it names none of its own.
    #[must_use]
    pub fn is_open(&self, zone: &str, wall: Wall) -> bool {
        let zone = self.timezone.as_deref().unwrap_or(zone);
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .unwrap_or(TimeZone::UTC);
        let stamp = jiff::Timestamp::from_millisecond(wall.as_millis()).unwrap_or_default();
        let shown = zone.to_datetime(stamp);
        let minute =
            u16::from(shown.hour().unsigned_abs()) * 60 + u16::from(shown.minute().unsigned_abs());
        self.is_open_at(shown.date(), minute)
    }

    /// Whether it is open when a clock shows this.
    fn is_open_at(&self, date: Date, minute: u16) -> bool {
        let every_year = Day::of_every_year(date);
        let special = self.open_on.get(&Day::Once(date));
        if let Some(hours) = special.or_else(|| self.open_on.get(&every_year)) {
            return hours
                .iter()
                .any(|span| (span.from..span.to).contains(&minute));
        }
        if self.closed_on.contains(&Day::Once(date)) || self.closed_on.contains(&every_year) {
            return false;
        }
        let minute = minute_of_week(date.weekday(), minute);
        self.open.iter().any(|span| span.holds(minute))
            && !self.closed.iter().any(|span| span.holds(minute))
    }
}

/// The minute of the week of a minute of one of its days.
#[must_use]
pub fn minute_of_week(day: Weekday, minute: u16) -> u16 {
    u16::from(day.to_monday_zero_offset().unsigned_abs()) * DAY + minute
}

#[cfg(test)]
mod tests;
