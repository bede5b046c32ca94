//! Opening hours: `mon-fri: "08:00-20:00"`, `fri 18:00 - mon 09:00`, holidays, days with hours of their own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::check_name;
use super::places::{section, timezone};
use crate::dialplan::calendar::{Calendar, DAY, Day, DaySpan, WEEK, WeekSpan};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::read::{Fields, one_or_many, parsed};
use crate::dialplan::schema;
use crate::dialplan::yaml::{Entry, Node, Value};
use crate::id::CalendarName;
use crate::limits;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What the words take, for messages.
const HOURS: &str = "hours like 08:00-20:00; a whole day is 00:00-24:00";
const SPAN: &str = "spans like `fri 18:00 - mon 09:00`, or days with their hours";
const HOLIDAY: &str = "a day like 12-25 or 2027-05-03, or days like 12-31 - 01-08";

pub(super) fn calendars(
    top: &Fields<'_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<CalendarName, Calendar> {
    let mut calendars = BTreeMap::new();
    for entry in section(top, "calendars", problems) {
        check_name(entry, "calendar", problems);
        let fields = Fields::of(entry, &schema::CALENDAR, problems);
        fields.need("open", problems);
        let calendar = Calendar {
            timezone: timezone(&fields, problems),
            open: week(&fields, "open", problems),
            closed: week(&fields, "closed", problems),
            closed_on: holidays(&fields, problems),
            open_on: special(&fields, problems),
        };
        check_days(&fields, &calendar, problems);
        calendars.insert(CalendarName::from(entry.key.as_str()), calendar);
    }
    calendars
}

/// The spans under a key: days with their hours, spans over several days, or a list of both.
fn week(fields: &Fields<'_>, key: &str, problems: &mut Problems<'_>) -> Vec<WeekSpan> {
    let mut spans = Vec::new();
    for node in fields.one_or_many(key) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    spans.extend(days_with_hours(entry, problems));
                }
            }
            Value::Null | Value::Scalar(_) | Value::List(_) => {
                spans.extend(parsed(node, key, SPAN, long_span, problems));
            }
        }
    }
    if spans.len() > limits::CALENDAR_SPANS {
        let limit = limits::CALENDAR_SPANS;
        problems.error(fields.at, format!("`{key}` has more than {limit} spans"));
        spans.truncate(limit);
    }
    spans
}

/// `mon-fri: "08:00-20:00"`: the hours of each of the days.
fn days_with_hours(entry: &Entry, problems: &mut Problems<'_>) -> Vec<WeekSpan> {
    let Some(days) = days(&entry.key) else {
        let message = format!(
            "`{}` names no days; write mon, mon-fri or mon,wed,fri",
            super::cut(&entry.key)
        );
        problems.error_near(entry.at, message, entry.key.trim(), DAYS);
        return Vec::new();
    };
    let nodes = one_or_many(&entry.value);
    let hours = nodes
        .iter()
        .filter_map(|node| parsed(node, &entry.key, HOURS, day_span, problems));
    let hours = hours.collect::<Vec<_>>();
    let spans = days.iter().flat_map(|day| {
        let first = *day * DAY;
        hours.iter().map(move |hours| WeekSpan {
            from: first + hours.from,
            to: (first + hours.to + if hours.to <= hours.from { DAY } else { 0 }) % WEEK,
        })
    });
    spans.collect()
}

/// The days that a key names, from Monday: `sat`, `mon-fri`, `fri-mon`, `mon,wed`.
fn days(text: &str) -> Option<Vec<u16>> {
    let mut named = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                let count = (last + 7 - first) % 7;
                named.extend((0..=count).map(|after| (first + after) % 7));
            }
            None => named.push(day(part)?),
        }
    }
    Some(named)
}

fn day(text: &str) -> Option<u16> {
    let text = text.trim();
    let index = DAYS.iter().position(|day| day.eq_ignore_ascii_case(text));
    u16::try_from(index?).ok()
}

/// `08:00-20:00`; the end may lie on the next day, and be 24:00.
fn day_span(text: &str) -> Option<DaySpan> {
    let (from, to) = halves(text)?;
    let (from, to) = (clock(from)?, clock(to)?);
    (from != to && from < DAY).then_some(DaySpan { from, to })
}

/// `fri 18:00 - mon 09:00`.
fn long_span(text: &str) -> Option<WeekSpan> {
    let moment = |text: &str| {
        let (name, time) = text.trim().split_once(char::is_whitespace)?;
        Some((day(name)? * DAY + clock(time)?) % WEEK)
    };
    let (from, to) = halves(text)?;
    let (from, to) = (moment(from)?, moment(to)?);
    (from != to).then_some(WeekSpan { from, to })
}

/// What stands before and after the dash.
fn halves(text: &str) -> Option<(&str, &str)> {
    text.split_once(['-', '–', '—'])
}

/// Minutes since midnight; `24:00` is the end of the day.
fn clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let fits = hours < 24 && minutes < 60 || (hours, minutes) == (24, 0);
    fits.then_some(hours * 60 + minutes)
}

/// The days on which it is closed.
fn holidays(fields: &Fields<'_>, problems: &mut Problems<'_>) -> BTreeSet<Day> {
    let nodes = fields.one_or_many("closed_on");
    let mut days = BTreeSet::new();
    for node in nodes {
        days.extend(parsed(node, "closed_on", HOLIDAY, some_days, problems).unwrap_or_default());
    }
    bounded(fields, "closed_on", days.len(), problems);
    days
}

/// The days with hours of their own.
fn special(fields: &Fields<'_>, problems: &mut Problems<'_>) -> BTreeMap<Day, Vec<DaySpan>> {
    let mut special = BTreeMap::new();
    let Some(node) = fields.get("open_on") else {
        return special;
    };
    for entry in super::entries(node, "open_on", problems) {
        let Some(days) = some_days(&entry.key) else {
            let message = format!("`open_on` takes {HOLIDAY}");
            problems.error(entry.at, message);
            continue;
        };
        let hours = hours_of_a_day(&entry.value, &entry.key, problems);
        special.extend(days.into_iter().map(|day| (day, hours.clone())));
    }
    bounded(fields, "open_on", special.len(), problems);
    special
}

fn hours_of_a_day(node: &Node, key: &str, problems: &mut Problems<'_>) -> Vec<DaySpan> {
    let within = |text: &str| day_span(text).filter(|span| span.from < span.to);
    let takes = "hours of that day, like 09:00-14:00; the next day has its own";
    let nodes = one_or_many(node).iter();
    let hours = nodes.filter_map(|node| parsed(node, key, takes, within, problems));
    hours.collect()
}

fn bounded(fields: &Fields<'_>, key: &str, count: usize, problems: &mut Problems<'_>) {
    if count > limits::CALENDAR_DAYS {
        let limit = limits::CALENDAR_DAYS;
        problems.error(fields.at, format!("`{key}` has more than {limit} days"));
    }
}

/// A day, or the days from one to another: of every year, or of one.
fn some_days(text: &str) -> Option<Vec<Day>> {
    let text = text.trim();
    let Some((first, last)) = text.split_once([' ', '–', '—']) else {
        return Some(vec![one_day(text)?]);
    };
    let last = last.trim_start_matches([' ', '-', '–', '—']);
    let (first, last) = (one_day(first)?, one_day(last)?);
    let mut date = dated(first, 2_028)?;
    let end = match (first, last) {
        (Day::Once(_), Day::Once(last)) => Some(last),
        (Day::EveryYear(..), Day::EveryYear(..)) => {
            let this_year = dated(last, 2_028)?;
            if this_year < date {
                // Over New Year into the leap year, so that no day of any year is left out.
                date = dated(first, 2_027)?;
            }
            Some(this_year)
        }
        _ => None,
    }?;
    let mut days = Vec::new();
    while date <= end {
        days.push(match first {
            Day::Once(_) => Day::Once(date),
            Day::EveryYear(..) => Day::EveryYear(date.month(), date.day()),
        });
        if days.len() > limits::CALENDAR_DAYS {
            return None;
        }
        date = date.tomorrow().ok()?;
    }
    (!days.is_empty()).then_some(days)
}

/// `12-25` or `2027-05-03`.
fn one_day(text: &str) -> Option<Day> {
    let numbers = text.trim().split('-').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i16>().ok()).flatten()
    });
    match numbers.collect::<Option<Vec<_>>>()?.as_slice() {
        [month, day] => {
            let (month, day) = (i8::try_from(*month).ok()?, i8::try_from(*day).ok()?);
            // A leap year has every day that any year has.
            Date::new(2_028, month, day).ok()?;
            Some(Day::EveryYear(month, day))
        }
        [year @ 2_000..=2_199, month, day] => {
            let (month, day) = (i8::try_from(*month).ok()?, i8::try_from(*day).ok()?);
            Date::new(*year, month, day).ok().map(Day::Once)
        }
        _ => None,
    }
}

/// A day as a date; one of every year in the year that is given.
fn dated(day: Day, year: i16) -> Option<Date> {
    match day {
        Day::Once(date) => Some(date),
        Day::EveryYear(month, day) => Date::new(year, month, day).ok(),
    }
}

/// A day cannot be closed and have hours.
fn check_days(fields: &Fields<'_>, calendar: &Calendar, problems: &mut Problems<'_>) {
    let both = calendar
        .open_on
        .keys()
        .find(|day| calendar.closed_on.contains(*day));
    if let (Some(day), Some(node)) = (both, fields.get("open_on")) {
        let message = format!("`{day}` stands in `closed_on` as well");
        problems.error(node.at, message);
    }
}
