//! `strowger export`: the calls of a day that is over, the same bytes on every run.
//!
//! A call belongs to the day on which it ended. What may still change of it, as its disposition, is not
//! written; nor is a day that may still get calls.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, ensure};
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::data::{Data, DataArgs};
use super::day;
use crate::id::{CallId, Ulid};
use crate::server::clock::Clock;
use crate::server::outbox::defused;
use crate::server::store::CallFilter;
use crate::time::{Duration, Wall};

/// Write the calls of a day that is over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger export calls --date 2026-11-21 --config /etc/strowger/strowger.yaml > calls.csv
  strowger export calls --date 2026-11-21 --format jsonl --data /var/lib/strowger --timezone Europe/Kyiv

The calls that ended on that day, in the order in which they came in.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The calls that ended on a day
    Calls(CallsArgs),
}

#[derive(Debug, clap::Args)]
struct CallsArgs {
    /// The day, as 2026-11-21
    #[arg(long, value_name = "D")]
    date: String,
    /// csv: for spreadsheets; jsonl: a JSON object a line
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// The timezone of the day [default: the dialplan's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// What the calls are written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// The columns, in their order: what nobody changes once the call is over.
const COLUMNS: [&str; 24] = [
    "id",
    "direction",
    "trunk",
    "from",
    "to",
    "site",
    "source",
    "campaign",
    "queue",
    "operator",
    "started_at",
    "answered_at",
    "ended_at",
    "wait_s",
    "talk_s",
    "outcome",
    "result",
    "reason",
    "ended_by",
    "callback",
    "no_callback",
    "repeat",
    "voicemail",
    "recording",
];
/// The day is over for good a little after its end: what ended in its last moment is on the disk then.
const CLOSES: Duration = Duration::from_secs(60);
/// No call is longer: whoever ended on the day came in so long before it at most.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// Calls read at once.
const PAGE: usize = 500;

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let What::Calls(args) = &args.what;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = write(args, Clock::start().now().wall, &mut out);
    match written.and_then(|()| out.flush().context("cannot write")) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that went away, as `head` does, is no failure.
        Err(error) if is_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strowger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn write(args: &CallsArgs, now: Wall, out: &mut impl io::Write) -> Result<()> {
    let data = args.data.open()?;
    let date: Date = args.date.parse().map_err(|_| {
        let date = args.date.escape_debug();
        anyhow!("`{date}` is no day; write it as 2026-11-21")
    })?;
    let zone = day::zone(args.timezone.as_deref(), &data.settings)?;
    let (from, to) = (day::begins(date, &zone)?, day::ends(date, &zone)?);
    ensure!(
        now >= to + CLOSES,
        "{date} is not over in {}; a day is exported from a minute after its end on, at {}",
        args.timezone
            .as_deref()
            .unwrap_or("the dialplan's timezone"),
        to + CLOSES
    );
    nothing_is_missing(&data, to)?;
    if args.format == Format::Csv {
        row(out, COLUMNS.iter().copied())?;
    }
    for_each_call(&data, from, to, |call| match args.format {
        Format::Csv => row(out, COLUMNS.map(|column| cell(call, column)).iter()),
        Format::Jsonl => {
            let fields = COLUMNS.iter().map(|column| {
                let value = call.get(*column).cloned().unwrap_or(Value::Null);
                format!("{}:{value}", Value::from(*column))
            });
            let fields = fields.collect::<Vec<_>>().join(",");
            writeln!(out, "{{{fields}}}")?;
            Ok(())
        }
    })
}

/// Calls that a crash cut, and that no start has ended yet, may have ended on that day.
fn nothing_is_missing(data: &Data, end: Wall) -> Result<()> {
    let cut = data.kept()?.cut_before(end)?;
    ensure!(
        cut == 0,
        "the server died on that day with {cut} calls up, which are not ended yet; start it, and export \
         the day then"
    );
    Ok(())
}

fn for_each_call(
    data: &Data,
    from: Wall,
    to: Wall,
    mut each: impl FnMut(&Map<String, Value>) -> Result<()>,
) -> Result<()> {
    let calls = data.kept()?.calls()?;
    let earliest = from
        .as_millis()
        .saturating_sub(i64::try_from(LONGEST.as_millis()).unwrap_or(i64::MAX));
    let mut filter = CallFilter {
        after: Some(CallId(Ulid::first_of(Wall::from_millis(earliest)))),
        before: Some(CallId(Ulid::first_of(to))),
        limit: PAGE,
        ..CallFilter::default()
    };
    loop {
        let page = calls.page(&filter)?;
        let last = page
            .last()
            .and_then(|call| call.get("id")?.as_str()?.parse().ok());
        let full = page.len() == PAGE;
        for call in &page {
            let ended = call.get("ended_at").and_then(Value::as_str);
            let ended = ended.and_then(|at| at.parse::<jiff::Timestamp>().ok());
            let ended = ended.map(|at| Wall::from_millis(at.as_millisecond()));
            if let (Some(call), Some(true)) = (
                call.as_object(),
                ended.map(|ended| (from..to).contains(&ended)),
            ) {
                each(call)?;
            }
        }
        if !full || last.is_none() {
            return Ok(());
        }
        filter.after = last;
    }
}

fn cell(call: &Map<String, Value>, column: &str) -> String {
    match call.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => defused(text).into_owned(),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => {
            defused(&value.to_string()).into_owned()
        }
    }
}

/// One row by RFC 4180, with the line end that it wants.
fn row<T: AsRef<[u8]>>(out: &mut impl io::Write, cells: impl Iterator<Item = T>) -> Result<()> {
    let mut bytes = Vec::new();
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(&mut bytes);
    writer.write_record(cells)?;
    writer.flush()?;
    drop(writer);
    out.write_all(&bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::engine::event::Event;
    use crate::engine::output::Record;
    use crate::id::EventId;
    use crate::rng::Rng;
    use crate::server::store::{Store, StoreOptions, Sync};

    fn wall(text: &str) -> Wall {
        let stamp: jiff::Timestamp = text.parse().unwrap();
        Wall::from_millis(stamp.as_millisecond())
    }

    fn open(folder: &Path) -> Store {
        let options = StoreOptions {
            sync: Sync::Normal,
            sinks: Vec::new(),
            rng: Rng::new([1; 32]),
            clock: Clock::start(),
            callback_due: crate::limits::CALLBACK_DUE,
            on_committed: Box::new(|_| {}),
        };
        Store::open(folder, "test", options).unwrap().0
    }

    fn event(store: &Store, rng: &mut Rng, kind: &'static str, call: CallId, data: Value) {
        let Value::Object(data) = data else { panic!() };
        let time = call.0.made();
        store.record(Record::Event(Box::new(Event {
            id: EventId(Ulid::new(time, rng)),
            kind,
            subject: (kind != "audit.action").then_some(call),
            time,
            data,
        })));
    }

    fn export(folder: &Path, date: &str, format: Format, now: &str) -> Result<String> {
        let args = CallsArgs {
            date: date.to_owned(),
            format,
            timezone: Some("Europe/Kyiv".to_owned()),
            data: DataArgs {
                config: None,
                data: Some(folder.to_owned()),
            },
        };
        let mut out = Vec::new();
        write(&args, wall(now), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    const NEXT_DAY: &str = "2026-11-22T08:00:00Z";

    #[test]
    fn a_day_is_the_calls_that_ended_on_it_and_the_same_bytes_whatever_is_said_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut rng = Rng::new([3; 32]);
        let mut ids = Vec::new();
        for (started, ended) in [
            // Kyiv is two hours ahead: the day is from 22:00 to 22:00.
            ("2026-11-20T21:50:00Z", "2026-11-20T21:59:59.999Z"),
            ("2026-11-20T21:55:00Z", "2026-11-20T22:00:00.000Z"),
            ("2026-11-21T10:00:00Z", "2026-11-21T10:01:00.000Z"),
            ("2026-11-21T21:59:00Z", "2026-11-21T21:59:59.999Z"),
            ("2026-11-21T21:58:00Z", "2026-11-21T22:00:00.000Z"),
        ] {
            let call = CallId(Ulid::new(wall(started), &mut rng));
            ids.push(call.to_string());
            let data = json!({
                "id": call.to_string(), "from": "+380671112233", "to": "@SUM(1)",
                "source": "=1+1", "campaign": "a\",\"b\r\nc", "started_at": started,
                "ended_at": ended, "wait_s": 1.5, "repeat": false, "outcome": "missed",
                "disposition": null,
            });
            event(&store, &mut rng, "call.ended", call, data);
            event(
                &store,
                &mut rng,
                "audit.action",
                call,
                json!({
                    "action": "describe", "result": "done", "call_id": call.to_string(),
                    "disposition": "booked", "comment": "later",
                }),
            );
        }
        store.close();
        let csv = export(folder.path(), "2026-11-21", Format::Csv, NEXT_DAY).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let found: Vec<_> = rows.iter().map(|row| row[0].to_owned()).collect();
        assert_eq!(found, ids[1..4]);
        for row in &rows {
            let evil = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(!row.iter().any(evil), "{row:?}");
            assert_eq!(&row[7], "a\",\"b  c");
        }
        assert!(!csv.contains("booked"));
        let again = export(
            folder.path(),
            "2026-11-21",
            Format::Csv,
            "2027-01-01T00:00:00Z",
        );
        assert_eq!(again.unwrap(), csv);
        let jsonl = export(folder.path(), "2026-11-21", Format::Jsonl, NEXT_DAY).unwrap();
        let first: Value = serde_json::from_str(jsonl.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&first["source"], &first["operator"]),
            (&json!("=1+1"), &Value::Null)
        );
        assert_eq!(jsonl.lines().count(), 3);
    }

    #[test]
    fn a_day_that_may_still_get_calls_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut rng = Rng::new([3; 32]);
        let call = CallId(Ulid::new(wall("2026-11-21T10:00:00Z"), &mut rng));
        event(
            &store,
            &mut rng,
            "call.started",
            call,
            json!({ "id": call.to_string() }),
        );
        store.close();
        let refused = |date: &str, now: &str| {
            let refused = export(folder.path(), date, Format::Csv, now);
            refused.unwrap_err().to_string()
        };
        let today = refused("2026-11-22", NEXT_DAY);
        assert!(today.starts_with("2026-11-22 is not over"), "{today}");
        assert!(refused("2026-11-21", "2026-11-21T22:00:59Z").contains("is not over"));
        assert!(refused("вчора", NEXT_DAY).contains("is no day"));
        // The store noted that it lived a moment ago; the crash was long before.
        let db = rusqlite::Connection::open(Store::database_in(folder.path())).unwrap();
        db.execute("DELETE FROM alive", []).unwrap();
        let cut = refused("2026-11-21", NEXT_DAY);
        assert!(cut.contains("with 1 calls up"), "{cut}");
        db.execute("DELETE FROM live_calls", []).unwrap();
        let none = export(folder.path(), "2026-11-21", Format::Csv, NEXT_DAY).unwrap();
        assert_eq!(none, format!("{}\r\n", COLUMNS.join(",")));
    }
}
