//! The story: each event of the server, one short line, as it happens.
//!
//! It reads what any other program would read, the JSON lines of a sink, and nothing of the server's
//! inside.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::page::Page;
use crate::number::Masked;
use crate::time::{Duration, Wall};

/// Who tells the story.
#[derive(Debug)]
pub(super) struct Story {
    page: Page,
    began: Wall,
    names: BTreeMap<String, String>,
    calls: BTreeMap<String, usize>,
    /// The last call of each caller's number.
    callers: BTreeMap<String, usize>,
    /// The call and the operator whose whisper was cut short last.
    cut: Option<(usize, String)>,
}

impl Story {
    /// A story that begins now; `names` says how operators are called.
    pub(super) const fn new(page: Page, began: Wall, names: BTreeMap<String, String>) -> Self {
        Self {
            page,
            began,
            names,
            calls: BTreeMap::new(),
            callers: BTreeMap::new(),
            cut: None,
        }
    }

    /// Tells an event.
    pub(super) fn event(&mut self, event: &Value) {
        let margin = self.margin(event);
        let (kind, data) = (text(event, "type"), &event["data"]);
        if let Some(call) = event["subject"].as_str() {
            let next = self.calls.len() + 1;
            let number = *self.calls.entry(call.to_owned()).or_insert(next);
            if let Some(from) = data["from"].as_str() {
                self.callers.insert(from.to_owned(), number);
            }
            if let Some(line) = self.call_event(number, kind, data) {
                self.page.call_line(number, &margin, &line);
            }
        } else if let Some(line) = self.other_event(kind, data) {
            self.page.aside(&margin, &line);
        }
    }

    /// Tells what an operator's ear measured.
    pub(super) fn whispered(&self, now: Wall, operator: &str, from: &str, whisper: Duration) {
        let Some(number) = self.callers.get(from) else {
            return;
        };
        let line = format!(
            "{}'s earpiece: {} of whisper, now the caller's voice",
            self.name(operator),
            seconds(whisper.as_secs_f64()),
        );
        self.page
            .call_line(*number, &self.margin_at(now.as_millis()), &line);
    }

    fn call_event(&mut self, number: usize, kind: &str, data: &Value) -> Option<String> {
        let names = &self.names;
        let operator = || name(names, text(data, "operator"));
        let queue = || text(data, "queue");
        Some(match kind {
            "call.started" => arrival(data),
            "call.routed" => format!("goes to {}", targets(data)),
            "number.unrouted" => format!("nobody routes {}", text(data, "to")),
            "queue.joined" => {
                let position = data["position"].as_u64().unwrap_or(1);
                format!("waits in {}, place {position}, with music", queue())
            }
            "queue.left" => match text(data, "left_reason") {
                "timeout" => format!("nobody came in {}", queue()),
                "no_operators" => format!("nobody serves {} at present", queue()),
                "queue_full" => format!("{} is full", queue()),
                _ => return None,
            },
            "operator.assigned" => format!("rings at {}", operator()),
            "operator.missed" => {
                let here = (number, text(data, "operator").to_owned());
                match self.cut.take() {
                    Some(cut) if cut == here => format!("{} hangs up in the whisper", operator()),
                    Some(_) | None => missed(&operator(), text(data, "missed_reason"))?,
                }
            }
            "operator.answered" => {
                format!("{} answers after {}", operator(), given(data, "ring_s"))
            }
            "whisper.played" => {
                if data["whole"] == false {
                    self.cut = Some((number, text(data, "operator").to_owned()));
                }
                whisper(&operator(), data)
            }
            "call.bridged" => format!("{} and the caller talk, recorded", operator()),
            "recording.finished" => format!(
                "recording of {}: {}",
                given(data, "duration_s"),
                text(data, "file")
            ),
            "recording.failed" => format!("the recording failed: {}", text(data, "why")),
            "callback.opened" => "will be called back".to_owned(),
            "callback.repeated" => "is to be called back already".to_owned(),
            "callback.closed" => "got through, so the open callback is closed".to_owned(),
            "call.ended" => self.ended(data),
            _ => return None,
        })
    }

    fn ended(&self, data: &Value) -> String {
        let wait = given(data, "wait_s");
        match text(data, "outcome") {
            "answered" => format!(
                "over: answered by {} after {wait}, {} of talk",
                self.name(text(data, "operator")),
                given(data, "talk_s"),
            ),
            "missed" => {
                let reason = text(data, "reason").replace('_', " ");
                format!("over: missed ({reason}) after {wait}")
            }
            outcome => format!("over: {outcome}"),
        }
    }

    fn other_event(&self, kind: &str, data: &Value) -> Option<String> {
        let operator = || self.name(text(data, "operator"));
        match kind {
            "operator.registered" => Some(format!(
                "{}'s phone is registered from {}",
                operator(),
                text(data, "address")
            )),
            "operator.unregistered" => Some(format!("{} goes home", operator())),
            "sink.degraded" | "sink.recovered" => Some(kind.replace('.', " ")),
            _ => None,
        }
    }

    fn name(&self, operator: &str) -> String {
        name(&self.names, operator)
    }

    fn margin(&self, event: &Value) -> String {
        let time = text(event, "time").parse::<Timestamp>();
        let millis = time.map_or(self.began.as_millis(), Timestamp::as_millisecond);
        self.margin_at(millis)
    }

    fn margin_at(&self, millis: i64) -> String {
        let since = millis.saturating_sub(self.began.as_millis()).max(0);
        format!("{:>4}.{} s", since / 1000, since % 1000 / 100)
    }
}

fn name(names: &BTreeMap<String, String>, operator: &str) -> String {
    let name = names.get(operator).map(String::as_str);
    name.unwrap_or(operator).to_owned()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

fn given(data: &Value, key: &str) -> String {
    seconds(data[key].as_f64().unwrap_or(0.0))
}

fn seconds(value: f64) -> String {
    format!("{value:.1} s")
}

fn arrival(data: &Value) -> String {
    let from = data["from"].as_str().map_or_else(
        || "a withheld number".to_owned(),
        |from| Masked(from).to_string(),
    );
    let known = ["site", "source", "campaign"];
    let known: Vec<_> = known.iter().filter_map(|key| data[*key].as_str()).collect();
    let known = match known.is_empty() {
        true => String::new(),
        false => format!(" ({})", known.join(", ")),
    };
    format!("{from} calls {}{known}", text(data, "to"))
}

fn targets(data: &Value) -> String {
    let targets = data["targets"].as_array().map(Vec::as_slice);
    let targets: Vec<_> = targets
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let rule = text(data, "rule");
    let rule = rule.rsplit('/').next().unwrap_or(rule);
    format!("{} by {rule}", targets.join(", then "))
}

fn missed(operator: &str, reason: &str) -> Option<String> {
    Some(match reason {
        "declined" => format!("{operator} declines"),
        "busy" => format!("{operator} is busy"),
        "no_answer" => format!("{operator} does not answer"),
        "failed" => format!("{operator}'s phone fails"),
        _ => return None,
    })
}

fn whisper(operator: &str, data: &Value) -> String {
    let cut = match data["whole"].as_bool() {
        Some(false) => ", not to its end",
        Some(true) | None => "",
    };
    let heard = match data["tone"].as_str() {
        Some(_) => "a tone",
        None => text(data, "text"),
    };
    format!(
        "{operator} hears: {heard} ({}{cut})",
        given(data, "played_s")
    )
}
