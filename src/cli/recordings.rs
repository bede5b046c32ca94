//! `strowger recordings`: what is kept of calls, whether it is whole, and how it goes.
//!
//! What only reads works beside a running server; what changes something is asked of it, and done here
//! when none runs.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::data::{Data, DataArgs};
use super::{Format, progress};
use crate::engine::command::Actor;
use crate::id::CallId;
use crate::number::{Masked, asked_for};
use crate::server::archive::{Archive, Undone, certificate, retention, verify};
use crate::server::clock::Clock;
use crate::server::store::{RecordingFilter, StoredRecording};
use crate::words::Role;

/// List and verify recordings, see what retention would delete, hold them, erase a person.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  strowger recordings list --phone +380671112233 --config /etc/strowger/strowger.yaml
  strowger recordings verify --data /var/lib/strowger
  strowger recordings plan --data /var/lib/strowger
  strowger recordings hold 01JAV3K8Z5W9Q4D6F7G8H9J0KM --reason \"court order 12\"
  strowger recordings erase --phone +380671112233 --data /var/lib/strowger
  strowger recordings certificate 01JAV3K8Z5W9Q4D6F7G8H9J0KM

`list`, `verify`, `plan` and `certificate` read beside a running server. The others are done by the
server that works in the data folder, or by the command itself when none does. `verify` exits with 1
when anything is broken, and so does whatever was refused.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The latest recordings, or those of a number
    List {
        /// Of calls with this number on either side
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Phone numbers in full
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Compare every recording, manifest and link of the chain with what was written
    Verify {
        #[command(flatten)]
        shown: Shown,
    },
    /// What retention would delete now, and why; nothing is changed
    Plan {
        #[command(flatten)]
        shown: Shown,
    },
    /// Delete what is due now
    Sweep {
        #[command(flatten)]
        shown: Shown,
    },
    /// Hold a recording: it is neither swept nor erased
    Hold {
        /// The recording's id, which is its call's
        #[arg(value_name = "ID")]
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Release a recording that is held
    Release {
        /// The recording's id, which is its call's
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Forget a person everywhere: recordings, calls, callbacks, events; the counts stay
    Erase {
        /// The person's number
        #[arg(long, value_name = "NUMBER")]
        phone: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// What happened to a recording; of one that is gone, who deleted it and why
    Certificate {
        /// The recording's id, which is its call's
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        shown: Shown,
    },
}

/// Which data folder, and how to answer.
#[derive(Debug, clap::Args)]
struct Shown {
    #[command(flatten)]
    data: DataArgs,
    /// For people or for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What a command says, and whether it is bad news.
struct Said {
    text: String,
    json: Value,
    bad: bool,
}

impl Said {
    const fn good(text: String, json: Value) -> Self {
        let bad = false;
        Self { text, json, bad }
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let (said, shown) = match &args.what {
        What::List {
            phone,
            limit,
            full,
            shown,
        } => (list(shown, phone.as_deref(), *limit, *full), shown),
        What::Verify { shown } => (verified(shown), shown),
        What::Plan { shown } => (planned(shown), shown),
        What::Sweep { shown } => (sweep(shown), shown),
        What::Hold { id, reason, shown } => (hold(shown, id, Some(reason)), shown),
        What::Release { id, shown } => (hold(shown, id, None), shown),
        What::Erase { phone, shown } => (erase(shown, phone), shown),
        What::Certificate { id, shown } => (certified(shown, id), shown),
    };
    match said {
        Ok(said) => {
            let mut text = match shown.format {
                Format::Text => said.text,
                Format::Json => said.json.to_string(),
            };
            if !text.ends_with('\n') {
                text.push('\n');
            }
            // A reader that went away, as `head` does, is no failure.
            let _gone = io::stdout().lock().write_all(text.as_bytes());
            ExitCode::from(u8::from(said.bad))
        }
        Err(error) => {
            eprintln!("strowger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn recordings_of(data: &Data) -> PathBuf {
    data.folder().join("recordings")
}

fn call(id: &str) -> Result<String> {
    let call: CallId = id
        .parse()
        .map_err(|bad| anyhow!("`{}` is no recording: {bad}", id.escape_debug()))?;
    Ok(call.to_string())
}

/// A number as the rows have it.
fn phone(text: &str) -> Result<String> {
    asked_for(text).ok_or_else(|| anyhow!("`--phone` takes a number like +380671112233"))
}

fn list(shown: &Shown, of: Option<&str>, limit: usize, full: bool) -> Result<Said> {
    let data = shown.data.open()?;
    let filter = RecordingFilter {
        phone: of.map(phone).transpose()?,
        before: None,
        limit,
    };
    let found = data.kept()?.recordings()?.page(&filter)?;
    let mut text = String::new();
    for recording in &found {
        line(&mut text, recording, full);
    }
    if found.is_empty() {
        text.push_str("no recordings\n");
    }
    let all: Vec<_> = found.iter().map(|it| fields(it, full)).collect();
    Ok(Said::good(text, json!({ "recordings": all })))
}

fn line(text: &mut String, recording: &StoredRecording, full: bool) {
    let moment = |wall: Option<crate::time::Wall>| wall.map_or("-".to_owned(), |it| it.to_string());
    let _ = writeln!(
        text,
        "{}  {}  {:>11} bytes  {} > {}  keep until {}{}",
        recording.call,
        moment(recording.started),
        recording.bytes,
        number(recording.from.as_deref(), full),
        number(recording.to.as_deref(), full),
        moment(recording.keep_until),
        match &recording.hold {
            Some(reason) => format!("  held: {}", reason.escape_debug()),
            None => String::new(),
        },
    );
}

fn number(number: Option<&str>, full: bool) -> String {
    match number {
        None => "-".to_owned(),
        Some(number) if full => number.escape_debug().to_string(),
        Some(number) => Masked(number).to_string(),
    }
}

fn fields(recording: &StoredRecording, full: bool) -> Value {
    json!({
        "id": recording.call,
        "file": recording.file,
        "bytes": recording.bytes,
        "started_at": recording.started.map(|it| it.to_string()),
        "ended_at": recording.ended.map(|it| it.to_string()),
        "keep_until": recording.keep_until.map(|it| it.to_string()),
        "from": number(recording.from.as_deref(), full),
        "to": number(recording.to.as_deref(), full),
        "hold": recording.hold,
    })
}

fn verified(shown: &Shown) -> Result<Said> {
    let data = shown.data.open()?;
    let show = progress::files("verify");
    let found = verify::verify(&data.kept()?, &recordings_of(&data), show)?;
    let mut text = String::new();
    for fault in &found.faults {
        let _ = writeln!(text, "{}: {}", fault.of, fault.what);
    }
    let _ = writeln!(
        text,
        "{} whole, {} being written, {} of before the chain, {} links, {} bytes read, {} broken",
        found.whole, found.open, found.unchained, found.links, found.bytes, found.broken
    );
    Ok(Said {
        text,
        bad: found.broken > 0,
        json: json!(found),
    })
}

fn planned(shown: &Shown) -> Result<Said> {
    let data = shown.data.open()?;
    let stop_above = data.settings.retention.stop_above;
    let now = Clock::start().now().wall;
    let plan = retention::plan(&data.kept()?.recordings()?, stop_above, now)?;
    let mut text = String::new();
    for recording in &plan.goes {
        let until = recording
            .keep_until
            .map_or(String::new(), |it| it.to_string());
        let bytes = recording.bytes;
        let _ = writeln!(
            text,
            "{}  {bytes} bytes  kept until {until}",
            recording.call
        );
    }
    let _ = writeln!(
        text,
        "{} kept, {} due, {} due and held",
        plan.stock, plan.due, plan.held
    );
    if plan.stops {
        let _ = writeln!(
            text,
            "the sweep would stop: more than {stop_above}% of all would go at once; check the clock \
             and `recording.keep`, or raise `retention.stop_above`"
        );
    }
    let goes: Vec<_> = plan.goes.iter().map(|it| fields(it, false)).collect();
    let json = json!({
        "stock": plan.stock,
        "due": plan.due,
        "held": plan.held,
        "stops": plan.stops,
        "goes": goes,
    });
    Ok(Said::good(text, json))
}

/// Has something done by the server, or here when none runs.
fn act(
    data: &Data,
    ask: (Method, String, Option<Value>),
    here: impl FnOnce(&Archive, &Actor) -> Result<Value, Undone>,
) -> Result<Value> {
    if let Some(running) = data.running()? {
        let (method, path, body) = ask;
        return running.ask(method, &path, body.as_ref());
    }
    let store = data.take()?;
    let recordings = Arc::from(recordings_of(data));
    let stop_above = data.settings.retention.stop_above;
    let archive = Archive::new(store.clone(), recordings, stop_above, Clock::start());
    let actor = Actor {
        name: "local".to_owned(),
        role: Role::Admin,
        operator: None,
    };
    let done = here(&archive, &actor);
    store.close();
    match done {
        Ok(value) => Ok(value),
        Err(Undone::Refused(refused)) => bail!("{}", refused.why),
        Err(Undone::Failed(error)) => Err(error),
    }
}

fn sweep(shown: &Shown) -> Result<Said> {
    let data = shown.data.open()?;
    let ask = (Method::POST, "/v1/recordings/sweep".to_owned(), None);
    let swept = act(&data, ask, Archive::sweep_now)?;
    let count = |field: &str| swept.get(field).and_then(Value::as_u64).unwrap_or(0);
    let stopped = swept.get("stopped").and_then(Value::as_bool) == Some(true);
    let text = if stopped {
        "nothing was deleted: too many are due at once; `strowger recordings plan` says more".into()
    } else {
        format!(
            "{} deleted, {} bytes, {} could not be",
            count("deleted"),
            count("bytes"),
            count("failed")
        )
    };
    let bad = stopped || count("failed") > 0;
    let json = swept;
    Ok(Said { text, json, bad })
}

fn hold(shown: &Shown, id: &str, reason: Option<&str>) -> Result<Said> {
    let (data, id) = (shown.data.open()?, call(id)?);
    let path = format!("/v1/recordings/{id}/hold");
    let done = match reason {
        Some(reason) => {
            let ask = (Method::POST, path, Some(json!({ "reason": reason })));
            act(&data, ask, |archive, by| archive.hold(&id, reason, by))?
        }
        None => act(&data, (Method::DELETE, path, None), |archive, by| {
            archive.release(&id, by)
        })?,
    };
    let word = if reason.is_some() { "held" } else { "released" };
    Ok(Said::good(format!("{id} is {word}"), done))
}

fn erase(shown: &Shown, number: &str) -> Result<Said> {
    let (data, number) = (shown.data.open()?, phone(number)?);
    let body = json!({ "phone": number });
    let ask = (Method::POST, "/v1/erase".to_owned(), Some(body));
    let certificate = act(&data, ask, |archive, by| archive.erase(&number, by))?;
    let text = serde_json::to_string_pretty(&certificate)?;
    Ok(Said::good(text, certificate))
}

fn certified(shown: &Shown, id: &str) -> Result<Said> {
    let (data, id) = (shown.data.open()?, call(id)?);
    let links = data.kept()?.chain()?.of(&id)?;
    if links.is_empty() {
        bail!(
            "nothing is known of a recording {id}; `strowger recordings list` has those that are there"
        );
    }
    let document = certificate(&id, &links);
    let text = serde_json::to_string_pretty(&document)?;
    Ok(Said::good(text, document))
}
