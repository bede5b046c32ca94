//! Calls that ended as lines of Asterisk's `Master.csv`: the columns of `cdr_csv` with `uniqueid` and
//! `userfield`, texts in quotes, numbers without.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::cell::defused;
use crate::server::store::StoredEvent;

/// What renders them.
pub(super) struct MasterCsv {
    zone: TimeZone,
}

impl MasterCsv {
    /// With times by the clock of `zone`.
    pub(super) const fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// The line of a call that ended; none of any other event.
    pub(super) fn line(&self, event: &StoredEvent) -> Option<String> {
        if event.kind != "call.ended" {
            return None;
        }
        let document = serde_json::from_str::<Value>(&event.json).ok()?;
        let data = document.get("data")?;
        let text = |field: &str| data.get(field).and_then(Value::as_str).unwrap_or_default();
        let party = |field: &str| text(field).trim_start_matches('+').to_owned();
        let id = event.subject.as_deref().unwrap_or(text("id"));
        let (application, about) = match (text("voicemail"), text("queue")) {
            ("", "") => ("Dial", text("operator")),
            ("", queue) => ("Queue", queue),
            (voicemail, _) => ("VoiceMail", voicemail),
        };
        let stamp = |field: &str| text(field).parse::<jiff::Timestamp>().ok();
        let (start, answer, end) = (stamp("started_at"), stamp("answered_at"), stamp("ended_at"));
        let between = |from: Option<jiff::Timestamp>| match (from, end) {
            (Some(from), Some(end)) => (end.as_second() - from.as_second()).max(0),
            (Some(_) | None, Some(_) | None) => 0,
        };
        let strings = [
            "",
            &party("from"),
            &party("to"),
            text("direction"),
            &party("from"),
            &channel(placed_by(data).unwrap_or(text("trunk")), id, "1"),
            &channel(text("operator"), id, "2"),
            application,
            about,
        ];
        let mut cells: Vec<String> = strings.map(quoted).into();
        cells.extend([start, answer, end].map(|stamp| self.date(stamp)));
        cells.push(between(start).to_string());
        cells.push(between(answer).to_string());
        cells.extend([disposition(data), "DOCUMENTATION", id, text("campaign")].map(quoted));
        Some(cells.join(","))
    }

    /// The time, or nothing at all for what never happened.
    fn date(&self, stamp: Option<jiff::Timestamp>) -> String {
        let local = stamp.map(|stamp| stamp.to_zoned(self.zone.clone()));
        local.map_or_else(String::new, |local| {
            quoted(&local.strftime("%Y-%m-%d %H:%M:%S").to_string())
        })
    }
}

fn placed_by(data: &Value) -> Option<&str> {
    data.pointer("/legs/0/operator")
        .filter(|_| data.pointer("/legs/0/leg").and_then(Value::as_str) == Some("caller"))?
        .as_str()
}

fn channel(name: &str, id: &str, leg: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    // The last letters of an id are its chance.
    let chance: String = id.chars().skip(18).collect();
    format!("SIP/{name}-{chance}{leg}")
}

fn disposition(data: &Value) -> &'static str {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    match text("outcome").or(text("result")).unwrap_or_default() {
        "answered" | "test" => "ANSWERED",
        "busy" => "BUSY",
        "failed" | "blocked" => "FAILED",
        _ => "NO ANSWER",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", defused(text).replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(data: Value) -> Option<String> {
        let event = StoredEvent {
            seq: 1,
            id: "e".into(),
            kind: "call.ended".into(),
            subject: Some("01JAV3K8Z5W9Q4D6F7G8H9J0KM".into()),
            json: json!({ "data": data }).to_string(),
        };
        MasterCsv::new(TimeZone::get("Europe/Kyiv").unwrap()).line(&event)
    }

    #[test]
    fn a_call_is_the_columns_of_asterisk_in_its_order_and_quoting() {
        let answered = line(json!({
            "direction": "inbound", "trunk": "kyivstar", "from": "+380671112233",
            "to": "+380800301231", "queue": "odesa", "operator": "olena", "campaign": "Google Ads",
            "started_at": "2026-11-22T10:00:00.000Z", "answered_at": "2026-11-22T10:00:12.400Z",
            "ended_at": "2026-11-22T10:02:00.900Z", "outcome": "answered",
        }));
        let expected = "\"\",\"380671112233\",\"380800301231\",\"inbound\",\"380671112233\",\
            \"SIP/kyivstar-G8H9J0KM1\",\"SIP/olena-G8H9J0KM2\",\"Queue\",\"odesa\",\
            \"2026-11-22 12:00:00\",\"2026-11-22 12:00:12\",\"2026-11-22 12:02:00\",120,108,\
            \"ANSWERED\",\"DOCUMENTATION\",\"01JAV3K8Z5W9Q4D6F7G8H9J0KM\",\"Google Ads\"";
        assert_eq!(answered.unwrap(), expected);
    }

    #[test]
    fn what_a_stranger_wrote_stays_in_its_cell_and_is_no_formula() {
        let missed = line(json!({
            "direction": "inbound", "from": "=cmd|' /C calc'!A0\",\"\n1", "to": "@x", "outcome": "missed",
            "started_at": "2026-11-22T10:00:00.000Z", "answered_at": null,
            "ended_at": "2026-11-22T09:00:00.000Z",
        }))
        .unwrap();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(missed.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].len(), 18);
        assert_eq!(&rows[0][1], "'=cmd|' /C calc'!A0\",\" 1");
        assert_eq!(&rows[0][2], "'@x");
        assert_eq!((&rows[0][10], &rows[0][12], &rows[0][13]), ("", "0", "0"));
        assert_eq!(&rows[0][14], "NO ANSWER");
        assert!(
            rows[0]
                .iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@']))
        );
    }
}
