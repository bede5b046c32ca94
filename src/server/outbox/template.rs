//! A webhook's body by a template: JSON in which `{type}` or `{data.from}` stands for a field of the
//! event.
//!
//! Between quotes a field is its text, escaped; anywhere else it is a JSON value, so that nothing a
//! stranger wrote can break out of its place. A field that an event does not have is null, or no text.

use serde_json::Value;

use crate::engine::event::CALL_FIELDS;

/// A template, known to be JSON whatever its fields are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Field {
        /// Its pointer in the document.
        pointer: String,
        quoted: bool,
    },
}

/// The attributes of an event.
const ATTRIBUTES: [&str; 7] = [
    "id", "type", "time", "subject", "sequence", "source", "data",
];

/// What events have in their data beside the fields of a call.
const DATA: &[&str] = &[
    "action",
    "actor",
    "address",
    "assigned",
    "at",
    "bound",
    "by",
    "bytes",
    "call_id",
    "callback",
    "city",
    "closed",
    "closed_by",
    "codec",
    "count",
    "dropped",
    "due_at",
    "duplicate",
    "duration_s",
    "ended_by",
    "estimated_wait_s",
    "expires",
    "file",
    "first",
    "jitter_ms",
    "keep_s",
    "language",
    "lasted_s",
    "lead",
    "left_reason",
    "list",
    "lost",
    "missed_reason",
    "name",
    "next_at",
    "no_callback",
    "note",
    "opened_at",
    "outage_s",
    "phone",
    "played_s",
    "position",
    "priority",
    "problems",
    "queue_wait_s",
    "recall",
    "ring_s",
    "role",
    "rule",
    "service_level_s",
    "sha256",
    "shift_end",
    "since",
    "sink",
    "sip_code",
    "state",
    "status",
    "stranded",
    "targets",
    "text",
    "tone",
    "transfer",
    "transport",
    "user_agent",
    "whole",
    "why",
];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// In a sentence: a field that no event has, or a text that is no JSON with its fields filled in.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut quoted = false;
        let mut literal = String::new();
        let mut escaped = false;
        while let Some(letter) = rest.chars().next() {
            if let Some((name, after)) = field(rest) {
                let pointer = pointer(name)?;
                parts.push(Part::Text(std::mem::take(&mut literal)));
                parts.push(Part::Field { pointer, quoted });
                rest = after;
                continue;
            }
            match letter {
                '"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = quoted && letter == '\\' && !escaped;
            literal.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
        parts.push(Part::Text(literal));
        let template = Self { parts };
        let sample = template.filled(&Value::Null);
        serde_json::from_str::<serde::de::IgnoredAny>(&sample).map_err(|error| {
            format!("the template is no JSON once its fields are filled in ({error})")
        })?;
        Ok(template)
    }

    /// The body of an event, by its document.
    #[must_use]
    pub fn body(&self, json: &str) -> String {
        self.filled(&serde_json::from_str(json).unwrap_or(Value::Null))
    }

    fn filled(&self, document: &Value) -> String {
        let mut body = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => body.push_str(text),
                Part::Field { pointer, quoted } => {
                    let value = document.pointer(pointer).unwrap_or(&Value::Null);
                    body.push_str(&shown(value, *quoted));
                }
            }
        }
        body
    }
}

/// A value in its place: JSON by itself, or text between the template's own quotes.
fn shown(value: &Value, quoted: bool) -> String {
    if !quoted {
        return value.to_string();
    }
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let escaped = Value::String(text).to_string();
    let inner = escaped
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// The name in braces at the beginning of a text. A brace of JSON is followed by a quote, a space or
/// another brace, never by a letter.
fn field(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
    (begins && word).then_some((name, after))
}

fn pointer(name: &str) -> Result<String, String> {
    if ATTRIBUTES.contains(&name) {
        return Ok(format!("/{name}"));
    }
    let known = |field: &str| CALL_FIELDS.contains(&field) || DATA.contains(&field);
    match name.split_once('.') {
        Some(("data", field)) if known(field) => Ok(format!("/data/{field}")),
        Some(_) | None if known(name) => Err(format!(
            "no event has `{name}` itself; write {{data.{name}}}"
        )),
        Some(_) | None => Err(format!(
            "no event has the field `{name}`; there are {} and the fields of `data`",
            ATTRIBUTES.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &str, document: &Value) -> Value {
        let body = Template::parse(template)
            .unwrap()
            .body(&document.to_string());
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"))
    }

    #[test]
    fn fields_are_values_or_texts_where_they_stand() {
        let document = json!({ "type": "call.ended", "data": {
            "from": "+380671112233", "wait_s": 12.5, "operator": null, "repeat": true, "tags": ["vip"],
        }});
        let template = r#"{"kind":"{type}","who":{data.from},"text":"{data.from} waited {data.wait_s} s for {data.operator}",
            "wait":{data.wait_s},"operator":{data.operator},"nested":{"again":{data.repeat},"tags":{data.tags}},"site":{data.site}}"#;
        let expected = json!({
            "kind": "call.ended", "who": "+380671112233",
            "text": "+380671112233 waited 12.5 s for ", "wait": 12.5, "operator": null,
            "nested": { "again": true, "tags": ["vip"] }, "site": null,
        });
        assert_eq!(filled(template, &document), expected);
    }

    #[test]
    fn nothing_that_a_stranger_wrote_breaks_out_of_its_place() {
        for evil in [
            "\",\"admin\":true,\"x\":\"",
            "\\",
            "\\\"",
            "a\nb\u{0}\u{2028}",
            "{data.to}",
            "}]}",
            "Олена \u{202e}",
        ] {
            let document = json!({ "data": { "from": evil, "comment": [evil] } });
            let template =
                r#"{"a":"<{data.from}>","b":{data.from},"c":"{data.comment}","d":"\\{data.from}"}"#;
            let body = filled(template, &document);
            assert_eq!(body["a"], format!("<{evil}>"));
            assert_eq!(body["b"], evil);
            assert_eq!(body["c"], json!([evil]).to_string());
            assert_eq!(body["d"], format!("\\{evil}"));
            assert_eq!(body.as_object().unwrap().len(), 4);
        }
    }

    #[test]
    fn a_field_that_no_event_has_and_a_text_that_is_no_json_are_refused() {
        let refused = |template: &str| Template::parse(template).unwrap_err();
        assert!(refused(r#"{"a":{data.form}}"#).contains("no event has the field `data.form`"));
        assert!(refused(r#"{"a":{from}}"#).contains("write {data.from}"));
        assert!(refused(r#"{"a":{wait}}"#).contains("`wait`"));
        for broken in [
            "",
            "text {type}",
            r#"{"a":{type}"#,
            r#"{"a":{type}{time}}"#,
            r#"{"a":"{type}}"#,
            r#"{{data.from}:1}"#,
        ] {
            assert!(refused(broken).contains("no JSON"), "{broken}");
        }
    }
}
