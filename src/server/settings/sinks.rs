//! `sinks:` of the settings: names, and how events get there.

mod files;
mod nats;
mod postgres;

use std::collections::BTreeSet;
use std::path::PathBuf;

use reqwest::Url;

use super::{Sink, SinkKind};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::Secret;
use crate::dialplan::read::{self, Fields, Words};
use crate::dialplan::yaml::{Entry, Value};
use crate::server::outbox::{self, Template};

const SINK: Words = Words {
    known: &[
        "jsonl",
        "queue_log",
        "cdr_csv",
        "webhook",
        "nats",
        "postgres",
        "types",
        "secret",
        "allow_private",
        "template",
        "timezone",
        "subject",
        "stream",
        "credentials",
        "ca",
    ],
    later: &["amqp", "kafka", "mqtt"],
};

/// What a sink can be.
const KINDS: [&str; 6] = [
    "jsonl",
    "queue_log",
    "cdr_csv",
    "webhook",
    "nats",
    "postgres",
];

/// Words of some sinks alone, with the sinks they belong to.
const BELONGING: [(&str, &[&str]); 8] = [
    ("secret", &["webhook"]),
    ("allow_private", &["webhook"]),
    ("template", &["webhook"]),
    ("timezone", &["cdr_csv"]),
    ("subject", &["nats"]),
    ("stream", &["nats"]),
    ("credentials", &["nats"]),
    ("ca", &["nats", "postgres"]),
];

/// Every type of event that there is.
const TYPES: &[&str] = &[
    "audit.action",
    "call.quality",
    "call.refused",
    "callback.repeated",
    "recording.paused",
    "recording.resumed",
    "recording.failed",
    "recording.erased",
    "recording.root",
    "retention.stopped",
    "voicemail.recorded",
    "call.started",
    "call.routed",
    "menu.choice",
    "queue.joined",
    "queue.left",
    "operator.assigned",
    "operator.answered",
    "operator.missed",
    "whisper.played",
    "call.bridged",
    "call.held",
    "call.resumed",
    "call.transferred",
    "recording.started",
    "recording.finished",
    "recording.deleted",
    "recording.accessed",
    "call.ended",
    "callback.opened",
    "callback.dialled",
    "callback.attempted",
    "callback.closed",
    "callback.overdue",
    "lead.received",
    "lead.attempted",
    "lead.connected",
    "lead.closed",
    "operator.state",
    "operator.registered",
    "operator.unregistered",
    "trunk.up",
    "trunk.down",
    "number.unrouted",
    "dialplan.applied",
    "dialplan.rejected",
    "sink.degraded",
    "sink.recovered",
    "store.degraded",
    "store.recovered",
    "queue.sla_breached",
    "recording.disk_forecast",
];

/// Reads the section.
pub(super) fn read(top: &Fields<'_>, problems: &mut Problems<'_>) -> Vec<Sink> {
    let Some(section) = top.get("sinks") else {
        return Vec::new();
    };
    read::entries(section, "sinks", problems)
        .iter()
        .filter_map(|entry| sink(entry, problems))
        .collect()
}

fn sink(entry: &Entry, problems: &mut Problems<'_>) -> Option<Sink> {
    let fields = Fields::of(entry, &SINK, problems);
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !(1..=64).contains(&entry.key.len()) || !entry.key.bytes().all(word) {
        problems.error(
            entry.at,
            "a sink's name is of letters, digits, `-` and `_`, 64 at most",
        );
    }
    let types = types(&fields, problems);
    let kind = match the_kind(entry, &fields, problems)? {
        "jsonl" => SinkKind::Jsonl {
            path: fields.text("jsonl", problems)?.into(),
        },
        "queue_log" => SinkKind::QueueLog {
            path: fields.text("queue_log", problems)?.into(),
        },
        "cdr_csv" => files::cdr_csv(&fields, problems)?,
        "webhook" => webhook(&fields, problems)?,
        "nats" => nats::read(&fields, problems)?,
        _ => postgres::read(&fields, problems)?,
    };
    Some(Sink {
        name: entry.key.clone(),
        types,
        kind,
    })
}

/// The one word that says what the sink is. Words that belong to others are reported.
fn the_kind(
    entry: &Entry,
    fields: &Fields<'_>,
    problems: &mut Problems<'_>,
) -> Option<&'static str> {
    let mut kinds = KINDS.iter().filter(|kind| fields.entry(kind).is_some());
    let Some(&kind) = kinds.next() else {
        if SINK.later.iter().all(|key| fields.entry(key).is_none()) {
            let message = format!("`{}` needs {}", read::cut(&entry.key), one_of(&KINDS));
            problems.error(entry.at, message);
        }
        return None;
    };
    if let Some(second) = kinds.next().and_then(|second| fields.entry(second)) {
        let message = format!("a sink is {}, not two of them", one_of(&KINDS));
        problems.error_do(second.at, message, "make it two sinks");
        return None;
    }
    for (word, kinds) in BELONGING {
        if let Some(stray) = fields.entry(word).filter(|_| !kinds.contains(&kind)) {
            problems.error(stray.at, format!("`{word}` belongs to {}", one_of(kinds)));
        }
    }
    Some(kind)
}

/// `a`, `b` or `c`.
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        Some(_) | None => quoted.concat(),
    }
}

/// Whether what stands there is a reference that leads nowhere, which has been told.
fn is_unset(fields: &Fields<'_>, key: &str) -> bool {
    let node = fields.get(key);
    node.is_some_and(|node| matches!(&node.value, Value::Scalar(scalar) if scalar.unset))
}

/// The file of the authority that signed a server's certificate.
fn authority(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    fields.entry("ca")?;
    fields.text("ca", problems).map(PathBuf::from)
}

fn types(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<BTreeSet<String>> {
    fields.entry("types")?;
    let mut types = BTreeSet::new();
    for node in fields.one_or_many("types") {
        let Some(scalar) = read::scalar(node, "types", "types of events", problems) else {
            continue;
        };
        let word = scalar.text.trim();
        if TYPES.contains(&word) {
            types.insert(word.to_owned());
        } else if !scalar.unset {
            let message = format!("there is no event of the type {}", read::shown(scalar));
            problems.error_near(node.at, message, word, TYPES.iter().copied());
        }
    }
    Some(types)
}

fn webhook(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<SinkKind> {
    let takes = "an address like https://crm.example/hooks/calls";
    let url = fields.parsed("webhook", takes, http_url, problems);
    let allow_private = fields.flag("allow_private", problems).unwrap_or(false);
    let at = fields.get("webhook").map_or(fields.at, |node| node.at);
    if let Some(url) = &url
        && !allow_private
        && outbox::is_plainly_private(url)
    {
        problems.error_do(
            at,
            "the webhook leads to a private or loopback address",
            "add `allow_private: true` if that is meant",
        );
    }
    let secret = fields
        .entry("secret")
        .and_then(|_| fields.text("secret", problems))
        .map(Secret::new);
    if let (Some(secret), Some(node)) = (&secret, fields.get("secret"))
        && !outbox::is_usable(secret)
    {
        problems.error(node.at, "what follows `whsec_` is no base64");
    }
    let template = template(fields, problems);
    Some(SinkKind::Webhook {
        url: url?,
        secret,
        allow_private,
        template,
    })
}

fn template(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Template> {
    fields.entry("template")?;
    let text = fields.text("template", problems)?;
    match Template::parse(&text) {
        Ok(template) => Some(template),
        Err(why) => {
            let at = fields.get("template").map_or(fields.at, |node| node.at);
            problems.error(at, why);
            None
        }
    }
}

fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let http = matches!(url.scheme(), "http" | "https");
    (http && url.host_str().is_some()).then_some(url)
}
