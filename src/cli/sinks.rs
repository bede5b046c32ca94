//! `strowger sinks`: how the sinks stand, their dead letters, and their events once more.
//!
//! What changes something is done by the running server, or by the same code on the folder of one that
//! is stopped.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::data::{Data, DataArgs};
use super::day;
use crate::cli::Format;
use crate::server::clock::Clock;
use crate::server::outbox::{overview, replay_at_rest, retry_at_rest};
use crate::time::Wall;

/// Show how the sinks stand, retry their dead letters, or give them their events once more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger sinks list --config /etc/strowger/strowger.yaml
  strowger sinks retry crm --config /etc/strowger/strowger.yaml
  strowger sinks replay crm --since 2026-11-01 --config /etc/strowger/strowger.yaml

A server that runs is asked; where none does, the settings say which sinks there are.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every sink with its backlog and its dead letters, and what the events take on the disk
    List {
        /// How to list them
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Deliver the dead letters again
    Retry {
        /// The sink [default: every one that has dead letters]
        sink: Option<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Deliver everything since a day again; the events bear the ids they had
    Replay {
        /// The sink [default: every one of the settings]
        sink: Option<String>,
        /// A day by the dialplan's timezone (2026-11-01), or a moment (2026-11-01T08:00:00Z)
        #[arg(long, value_name = "D")]
        since: String,
        /// The timezone of the day [default: the dialplan's]
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let done = match &args.what {
        What::List { format, data } => list(*format, data),
        What::Retry { sink, data } => retry(sink.as_deref(), data),
        What::Replay {
            sink,
            since,
            timezone,
            data,
        } => replay(sink.as_deref(), since, timezone.as_deref(), data),
    };
    match done {
        Ok(text) => {
            // A reader that went away, as `head` does, is no failure.
            let _gone = io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("strowger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list(format: Format, args: &DataArgs) -> Result<String> {
    let data = args.open()?;
    let found = look(&data)?;
    Ok(match format {
        Format::Json => format!("{found}\n"),
        Format::Text => text(&found),
    })
}

fn look(data: &Data) -> Result<Value> {
    // The server knows its sinks although the command was not told where its settings are.
    if let Some(server) = data.running()? {
        return server.get("/v1/sinks");
    }
    let settings = data.whole()?;
    overview(&data.kept()?.reader()?, &settings.sinks, settings.keep)
}

fn items<'v>(found: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    found
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text(found: &Value) -> String {
    let mut report = String::new();
    for sink in items(found, "sinks") {
        report.push_str(&format!(
            "{} ({}): {} behind, {} dead letters, {} given up\n",
            word(sink, "id"),
            sink.get("kind")
                .and_then(Value::as_str)
                .unwrap_or("not in the settings"),
            number(sink, "backlog"),
            number(sink, "dead_letters"),
            number(sink, "dropped"),
        ));
        for letter in items(sink, "letters") {
            report.push_str(&format!(
                "    {} {} {} after {} tries: {}\n",
                word(letter, "at"),
                word(letter, "type"),
                word(letter, "id"),
                number(letter, "tries"),
                // A sink's words are a stranger's.
                word(letter, "reason").escape_debug(),
            ));
        }
    }
    let store = found.get("store").unwrap_or(&Value::Null);
    report.push_str(&format!(
        "{} events since {}, {} MiB on the disk; at this pace {} events and {} MiB after {} days\n",
        number(store, "events"),
        store.get("oldest").and_then(Value::as_str).unwrap_or("-"),
        number(store, "bytes") >> 20,
        number(store, "forecast_events"),
        number(store, "forecast_bytes") >> 20,
        number(store, "keep_events_s") / 86_400,
    ));
    report
}

fn word<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or("-")
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// The sinks that are meant: the one that is named, or all that are in the settings and `fit`.
fn meant(found: &Value, named: Option<&str>, fit: impl Fn(&Value) -> bool) -> Vec<String> {
    if let Some(name) = named {
        return vec![name.to_owned()];
    }
    let live = items(found, "sinks").filter(|sink| sink.get("kind").is_some_and(Value::is_string));
    let fitting = live.filter(|sink| fit(sink));
    fitting.map(|sink| word(sink, "id").to_owned()).collect()
}

fn retry(sink: Option<&str>, args: &DataArgs) -> Result<String> {
    let data = args.open()?;
    let found = look(&data)?;
    let sinks = meant(&found, sink, |sink| number(sink, "dead_letters") > 0);
    let mut report = String::new();
    for_each(&data, &sinks, &Order::Retry, |sink, told| {
        report.push_str(&format!(
            "{sink}: {} delivered, {} refused{}\n",
            number(told, "delivered"),
            number(told, "refused"),
            match told.get("why").and_then(Value::as_str) {
                Some(why) => format!(" ({})", why.escape_debug()),
                None => String::new(),
            },
        ));
        // Whoever took some and has more is asked for the next.
        number(told, "refused") == 0 && told.get("more") == Some(&json!(true))
    })?;
    if report.is_empty() {
        report.push_str("no sink has dead letters\n");
    }
    Ok(report)
}

fn replay(
    sink: Option<&str>,
    since: &str,
    timezone: Option<&str>,
    args: &DataArgs,
) -> Result<String> {
    let data = args.open()?;
    let since = moment(since, timezone, &data)?;
    let found = look(&data)?;
    let sinks = meant(&found, sink, |_| true);
    if sinks.is_empty() {
        bail!("the settings name no sinks; name the server's settings with --config");
    }
    let mut report = String::new();
    for_each(&data, &sinks, &Order::Replay(since), |sink, told| {
        let rest = match told.get("whole") {
            Some(Value::Bool(false)) => {
                format!(
                    "; older ones than {} are not kept",
                    word(told, "oldest_kept")
                )
            }
            Some(_) | None => String::new(),
        };
        let (events, from) = (number(told, "events"), word(told, "from"));
        report.push_str(&format!(
            "{sink}: {events} events again, from {from} on{rest}\n"
        ));
        false
    })?;
    Ok(report)
}

/// A moment, or the beginning of a day.
fn moment(text: &str, timezone: Option<&str>, data: &Data) -> Result<Wall> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Wall::from_millis(stamp.as_millisecond()));
    }
    let date: jiff::civil::Date = text.parse().map_err(|_| {
        anyhow!(
            "`{}` is no day like 2026-11-01 and no moment like 2026-11-01T08:00:00Z",
            text.escape_debug()
        )
    })?;
    day::begins(date, &day::zone(timezone, &data.settings)?)
}

/// What a sink shall do.
enum Order {
    Retry,
    Replay(Wall),
}

/// Has each sink do it, by the server or at rest; `told` says whether the same sink shall go on.
fn for_each(
    data: &Data,
    sinks: &[String],
    order: &Order,
    mut told: impl FnMut(&str, &Value) -> bool,
) -> Result<()> {
    if let Some(server) = data.running()? {
        for sink in sinks {
            let (verb, body) = match order {
                Order::Retry => ("retry", json!({})),
                Order::Replay(since) => ("replay", json!({ "since": since.to_string() })),
            };
            let path = format!("/v1/sinks/{sink}/{verb}");
            while told(sink, &server.ask(Method::POST, &path, Some(&body))?) {}
        }
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot prepare to deliver")?;
    let store = data.take()?;
    let known = &data.settings.sinks;
    let done = sinks.iter().try_for_each(|sink| {
        loop {
            let answer = runtime.block_on(async {
                match order {
                    Order::Retry => retry_at_rest(&store, known, sink, Clock::start()).await,
                    Order::Replay(since) => replay_at_rest(&store, known, sink, *since).await,
                }
            });
            if !told(sink, &answer?) {
                return Ok(());
            }
        }
    });
    store.close();
    done
}
