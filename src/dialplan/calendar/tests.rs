use super::*;
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::diagnose::Severity;
use crate::dialplan::plan::Dialplan;
use crate::dialplan::secrets::Secrets;
use crate::id::{CalendarName, SiteName};
use crate::rng::Rng;

struct Nothing;

impl Secrets for Nothing {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Option<String> {
        None
    }
}

fn plan(calendars: &str) -> Dialplan {
    let text = format!("country: UA\n{calendars}");
    let source = Source {
        name: "a.yaml",
        text: &text,
    };
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let compiled = compile(&[source], &Nothing, options);
    assert!(
        compiled.problems.is_empty(),
        "{text}{:?}",
        compiled.problems
    );
    compiled.plan.unwrap()
}

/// The moment at which it is so late in UTC.
fn utc(text: &str) -> Wall {
    let stamp: jiff::Timestamp = text.parse().unwrap();
    Wall::from_millis(stamp.as_millisecond())
}

fn open_at(plan: &Dialplan, name: &str, text: &str) -> bool {
    plan.is_open(&CalendarName::from(name), None, utc(text))
}

#[test]
fn hours_holidays_and_special_days() {
    let plan = plan(
        "calendars:
  day:
    open: { mon-fri: \"08:00-20:00\", sat: [\"09:00-12:00\", \"13:00-17:00\"] }
    closed_on: [\"01-01\", \"2026-10-07\", 12-25 - 12-27]
    open_on: { \"2026-12-26\": \"10:00-12:00\", \"2026-10-04\": \"09:00-10:00\" }
",
    );
    // Kyiv is three hours ahead in October, two in December.
    for (moment, open) in [
        ("2026-10-05T04:59:59Z", false),
        ("2026-10-05T05:00:00Z", true),
        ("2026-10-05T16:59:59Z", true),
        ("2026-10-05T17:00:00Z", false),
        ("2026-10-10T08:59:00Z", true),
        ("2026-10-10T09:30:00Z", false),
        ("2026-10-10T10:00:00Z", true),
        ("2026-10-11T10:00:00Z", false),
        ("2026-10-07T10:00:00Z", false),
        ("2027-10-07T10:00:00Z", true),
        ("2027-01-01T10:00:00Z", false),
        ("2026-12-25T10:00:00Z", false),
        ("2026-12-26T08:30:00Z", true),
        ("2026-12-26T10:30:00Z", false),
        ("2027-12-27T10:00:00Z", false),
        ("2026-10-04T06:30:00Z", true),
        ("2026-10-04T07:30:00Z", false),
    ] {
        assert_eq!(open_at(&plan, "day", moment), open, "{moment}");
    }
}

#[test]
fn days_over_new_year_have_the_day_of_leap_years() {
    let plan = plan(
        "calendars:
  spring: { open: { mon-sun: \"00:00-24:00\" }, closed_on: [12-20 - 03-01] }
  leap: { open: { mon-sun: \"00:00-24:00\" }, closed_on: [12-20 - 02-29] }
",
    );
    for (moment, spring, leap) in [
        ("2027-12-19T10:00:00Z", true, true),
        ("2027-12-20T10:00:00Z", false, false),
        ("2028-02-29T10:00:00Z", false, false),
        ("2028-03-01T10:00:00Z", false, true),
        ("2028-03-02T10:00:00Z", true, true),
        ("2029-02-28T10:00:00Z", false, false),
    ] {
        assert_eq!(open_at(&plan, "spring", moment), spring, "{moment}");
        assert_eq!(open_at(&plan, "leap", moment), leap, "{moment}");
    }
}

#[test]
fn spans_over_midnight_and_over_the_weekend() {
    let plan = plan(
        "timezone: UTC
calendars:
  night: { open: { mon-sun: \"22:00-06:00\" } }
  weekend: { open: [\"fri 18:00 - mon 09:00\"] }
  week: { open: { mon-sun: \"00:00-24:00\" }, closed: [\"sun 12:00 - mon 12:00\", { wed: \"00:00-24:00\" }] }
  late: { open: { fri-mon: \"20:00-24:00\", \"tue,thu\": \"01:00-02:00\" } }
",
    );
    for (calendar, moment, open) in [
        ("night", "2026-10-05T21:59:00Z", false),
        ("night", "2026-10-05T22:00:00Z", true),
        ("night", "2026-10-12T05:59:00Z", true),
        ("night", "2026-10-12T06:00:00Z", false),
        ("weekend", "2026-10-09T17:59:00Z", false),
        ("weekend", "2026-10-09T18:00:00Z", true),
        ("weekend", "2026-10-11T23:59:00Z", true),
        ("weekend", "2026-10-12T08:59:00Z", true),
        ("weekend", "2026-10-12T09:00:00Z", false),
        ("week", "2026-10-11T11:59:00Z", true),
        ("week", "2026-10-11T12:00:00Z", false),
        ("week", "2026-10-12T11:59:00Z", false),
        ("week", "2026-10-12T12:00:00Z", true),
        ("week", "2026-10-14T00:00:00Z", false),
        ("week", "2026-10-15T00:00:00Z", true),
        ("late", "2026-10-09T20:00:00Z", true),
        ("late", "2026-10-11T23:59:00Z", true),
        ("late", "2026-10-12T00:00:00Z", false),
        ("late", "2026-10-12T20:00:00Z", true),
        ("late", "2026-10-13T20:00:00Z", false),
        ("late", "2026-10-13T01:30:00Z", true),
        ("late", "2026-10-14T01:30:00Z", false),
    ] {
        assert_eq!(
            open_at(&plan, calendar, moment),
            open,
            "{calendar} {moment}"
        );
    }
}

#[test]
fn a_branch_has_its_own_clock() {
    let plan = plan(
        "sites: { krasnodar: { city: x, timezone: Europe/Moscow }, odesa: { city: y } }
calendars:
  day: { open: { mon-sun: \"08:00-20:00\" } }
  kyiv: { timezone: Europe/Kyiv, open: { mon-sun: \"08:00-20:00\" } }
",
    );
    let open = |calendar: &str, site: Option<&str>| {
        let site = site.map(SiteName::from);
        // 07:30 in Kyiv and 08:30 in Moscow in January.
        let wall = utc("2026-01-14T05:30:00Z");
        plan.is_open(&CalendarName::from(calendar), site.as_ref(), wall)
    };
    assert!(!open("day", None));
    assert!(!open("day", Some("odesa")));
    assert!(open("day", Some("krasnodar")));
    assert!(!open("kyiv", Some("krasnodar")));
}

/// What the text of a calendar means, told minute by minute: a table of the week, filled by counting
/// from the start of each span, and days compared as texts.
struct Oracle {
    week: Vec<bool>,
    closed_on: Vec<String>,
    open_on: Vec<(String, u32, u32)>,
}

impl Oracle {
    fn mark(&mut self, day: u32, from: u32, to: u32, open: bool) {
        let mut minute = day * 1440 + from;
        let mut left = if to > from {
            to - from
        } else {
            to + 1440 - from
        };
        while left > 0 {
            self.week[minute as usize % 10_080] = open;
            minute += 1;
            left -= 1;
        }
    }

    /// A clock that shows this text: `2026-10-25 03:30 Sun`.
    fn says(&self, shown: &str) -> bool {
        let (date, rest) = shown.split_once(' ').unwrap();
        let (time, day) = rest.split_once(' ').unwrap();
        let (hour, minute) = time.split_once(':').unwrap();
        let minute = hour.parse::<u32>().unwrap() * 60 + minute.parse::<u32>().unwrap();
        let is = |named: &String| date == named || date.get(5..) == Some(named);
        let mut special = self.open_on.iter().filter(|(day, ..)| is(day)).peekable();
        if special.peek().is_some() {
            return special.any(|(_, from, to)| (*from..*to).contains(&minute));
        }
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let day = days.iter().position(|name| *name == day).unwrap();
        !self.closed_on.iter().any(is) && self.week[day * 1440 + minute as usize]
    }
}

/// A calendar of chance, and what it means.
fn chance(rng: &mut Rng, dates: &[&str]) -> (String, Oracle) {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let mut oracle = Oracle {
        week: vec![false; 10_080],
        closed_on: Vec::new(),
        open_on: Vec::new(),
    };
    let mut below = |most: u64| u32::try_from(rng.below(most)).unwrap();
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for step in 0..4 {
        let (first, count) = (below(7), below(7));
        let (from, mut to) = (below(1440), below(1441));
        if to == from {
            to = from + 1;
        }
        let is_open = step < 3;
        let into = if is_open { &mut open } else { &mut closed };
        if below(3) == 0 {
            let last = (first + count) % 7;
            let (from_text, to_text) = (time(from), time(to));
            let (a, b) = (DAYS[first as usize], DAYS[last as usize]);
            if (first, from) == ((last + to / 1440) % 7, to % 1440) {
                continue;
            }
            into.push(format!("\"{a} {from_text} - {b} {to_text}\""));
            let mut minute = (first * 1440 + from) % 10_080;
            let end = (last * 1440 + to) % 10_080;
            while minute != end {
                oracle.week[minute as usize] = is_open;
                minute = (minute + 1) % 10_080;
            }
            continue;
        }
        let (a, b) = (DAYS[first as usize], DAYS[(first + count) as usize % 7]);
        into.push(format!("{{ {a}-{b}: \"{}-{}\" }}", time(from), time(to)));
        for day in 0..=count {
            oracle.mark((first + day) % 7, from, to, is_open);
        }
    }
    let pick = |index: u32| dates[index as usize % dates.len()];
    let holiday = pick(below(100)).to_owned();
    let special = pick(below(100))[5..].to_owned();
    let mut text = format!(
        "    open: [{}]\n    closed: [{}]\n",
        open.join(", "),
        closed.join(", ")
    );
    if below(2) == 0 {
        text += &format!("    closed_on: [\"{holiday}\"]\n");
        oracle.closed_on.push(holiday);
    }
    if below(2) == 0 {
        let from = below(1400);
        let to = from + 1 + below(u64::from(1440 - from));
        text += &format!(
            "    open_on: {{ \"{special}\": \"{}-{}\" }}\n",
            time(from),
            time(to)
        );
        oracle.open_on.push((special, from, to));
    }
    (text, oracle)
}

#[test]
fn every_minute_around_both_nights_of_the_clock_is_as_told() {
    let mut rng = Rng::new([9; 32]);
    for (zone, dates) in [
        ("Europe/Kyiv", ["2026-03-29", "2026-10-25", "2026-12-31"]),
        // Moscow put its clocks back for the last time in that night.
        ("Europe/Moscow", ["2026-03-29", "2014-10-26", "2026-06-30"]),
        (
            "America/New_York",
            ["2026-03-08", "2026-11-01", "2028-02-29"],
        ),
    ] {
        let time_zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        for _ in 0..25 {
            let (text, oracle) = chance(&mut rng, &dates);
            let text = format!("timezone: {zone}\ncalendars:\n  c:\n{text}");
            let plan = plan(&text);
            let name = CalendarName::from("c");
            for date in dates {
                let start = utc(&format!("{date}T00:00:00Z")).as_millis() - 86_400_000;
                let mut seen = 0;
                for minute in 0..3 * 1440 {
                    let wall = Wall::from_millis(start + minute * 60_000);
                    let stamp = jiff::Timestamp::from_millisecond(wall.as_millis()).unwrap();
                    let shown = stamp.to_zoned(time_zone.clone());
                    let shown = shown.strftime("%Y-%m-%d %H:%M %a").to_string();
                    let open = plan.is_open(&name, None, wall);
                    assert_eq!(open, oracle.says(&shown), "{shown}\n{text}");
                    seen += 1;
                }
                assert_eq!(seen, 4320);
            }
        }
    }
}
