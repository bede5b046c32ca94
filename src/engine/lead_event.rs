//! The fields of a lead, as its events and the API have them, and how they are read back.

use serde_json::{Map, Value, json};

use super::attempts::{attempt_fields, attempt_of, ringing_fields, ringing_of};
use crate::id::CallId;
use crate::ledger::leads::{Lead, LeadEnd, LeadState, Said};
use crate::time::Wall;

/// The fields of a lead.
#[must_use]
pub fn lead_fields(lead: &Lead) -> Map<String, Value> {
    let attempts: Vec<_> = lead.attempts.iter().map(attempt_fields).collect();
    let call = lead.call.map(|call| call.to_string());
    let fields = json!({
        "id": lead.id.to_string(),
        "phone": lead.phone,
        "name": lead.said.name,
        "site": lead.site,
        "city": lead.said.city,
        "source": lead.said.source,
        "campaign": lead.said.campaign,
        "comment": lead.said.comment,
        "queue": lead.queue,
        "priority": lead.priority,
        "list": lead.list,
        "state": lead.state.as_str(),
        "result": lead.state.end().map(LeadEnd::as_str),
        "received_at": lead.received_at.to_string(),
        "rung": lead.rung,
        "next_at": lead.next_at.map(|at| at.to_string()),
        "attempts": attempts,
        "ringing": ringing_fields(lead.ringing.as_ref()),
        "call_id": call,
    });
    match fields {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// Reads what [`lead_fields`] wrote; none when it is something else.
#[must_use]
pub fn lead_of(data: &Map<String, Value>) -> Option<Lead> {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let own = |field: &str| text(field).map(str::to_owned);
    let attempts = data.get("attempts").and_then(Value::as_array);
    let call: Option<CallId> = text("call_id").and_then(|call| call.parse().ok());
    Some(Lead {
        id: text("id")?.parse().ok()?,
        phone: own("phone")?,
        said: Said {
            name: own("name"),
            city: own("city"),
            source: own("source"),
            campaign: own("campaign"),
            comment: own("comment"),
        },
        site: text("site").map(Into::into),
        queue: text("queue")?.into(),
        priority: i32::try_from(data.get("priority")?.as_i64()?).ok()?,
        list: own("list"),
        received_at: wall(text("received_at")?)?,
        rung: u32::try_from(data.get("rung")?.as_u64()?).ok()?,
        next_at: text("next_at").and_then(wall),
        attempts: attempts
            .into_iter()
            .flatten()
            .filter_map(attempt_of)
            .collect(),
        ringing: data.get("ringing").and_then(ringing_of),
        state: state(text("state")?, text("result"))?,
        call,
    })
}

fn state(word: &str, result: Option<&str>) -> Option<LeadState> {
    match word {
        "open" => Some(LeadState::Open),
        "attempting" => Some(LeadState::Attempting),
        "connected" => Some(LeadState::Connected),
        "closed" => {
            let known = LeadEnd::ALL.iter().find(|(end, _)| Some(*end) == result);
            known.map(|(_, end)| LeadState::Closed(*end))
        }
        _ => None,
    }
}

fn wall(text: &str) -> Option<Wall> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_millis(stamp.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{LeadId, Ulid};
    use crate::ledger::attempts::{Attempt, Ringing, Upshot};
    use crate::rng::Rng;
    use crate::time::Duration;
    use crate::words::CallResult;

    #[test]
    fn a_lead_is_read_as_it_is_written() {
        let mut rng = Rng::new([1; 32]);
        let at = Wall::from_millis(1_791_183_600_123);
        let mut lead = Lead {
            id: LeadId(Ulid::new(at, &mut rng)),
            phone: "+380671112233".to_owned(),
            said: Said {
                name: Some("Олена \"Ї\"\nПетренко".to_owned()),
                ..Said::default()
            },
            site: Some("odesa".into()),
            queue: "odesa".into(),
            priority: -5,
            list: Some("recall-nov".to_owned()),
            received_at: at,
            rung: 2,
            next_at: Some(at + Duration::from_secs(60)),
            attempts: vec![Attempt {
                at,
                operator: Some("olena".into()),
                sip_code: Some(486),
                ring: Duration::from_millis(1_250),
                result: Upshot::Call(CallResult::Busy),
            }],
            ringing: Some(Ringing {
                at,
                operator: Some("olena".into()),
            }),
            state: LeadState::Open,
            call: Some(CallId(Ulid::new(at, &mut rng))),
        };
        let ends = LeadEnd::ALL.map(|(_, end)| LeadState::Closed(end));
        let others = [LeadState::Open, LeadState::Attempting, LeadState::Connected];
        for state in others.into_iter().chain(ends) {
            lead.state = state;
            assert_eq!(lead_of(&lead_fields(&lead)).as_ref(), Some(&lead));
        }
        let mut fields = lead_fields(&lead);
        fields.insert("state".into(), json!("lost"));
        assert_eq!(lead_of(&fields), None);
        assert_eq!(lead_of(&Map::new()), None);
    }
}
