//! Leads come in: one by one from a website, or as a list. Each row is judged alone, so that a bad one
//! loses no other, and the same request is answered the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::calling_back::NO_OUTBOUND;
use super::command::{Actor, LeadAsked, LeadsAsked, Once, Refused, Rows};
use super::commanding::{Shown, refused};
use super::engine::Engine;
use super::lead_event::lead_fields;
use super::output::{Output, Record};
use crate::dialplan::dial::{Barred, Dialled};
use crate::id::{LeadId, QueueName, SiteName, Ulid};
use crate::ledger::answers::{Answered, Met};
use crate::ledger::leads::{Lead, LeadState, Said};
use crate::limits;
use crate::number::normalise;
use crate::time::{Duration, Now};

/// The queue of each branch, found once for a request.
type Queues = BTreeMap<Option<SiteName>, Option<QueueName>>;

/// A lead that was taken, or was there.
struct Taken {
    lead: Lead,
    duplicate: bool,
}

impl Engine {
    /// Takes leads and answers what became of each.
    pub(super) fn take_leads(
        &mut self,
        now: Now,
        actor: &Actor,
        asked: LeadsAsked,
    ) -> Result<Shown, Refused> {
        let LeadsAsked { once, rows } = asked;
        let once = once.map(|once| Once {
            // Two programs may count their requests alike.
            key: format!("{} {}", actor.name, once.key),
            ..once
        });
        if let Some(once) = &once {
            match self.answers.meet(&once.key, &once.fingerprint, now.wall) {
                Met::New => {}
                Met::Same(answer) => {
                    let answer = serde_json::from_str(answer).unwrap_or(Value::Null);
                    return Ok(Shown::Told(answer));
                }
                Met::Other => {
                    let why = "this Idempotency-Key came with another body; take a new key for each \
                               request, and the same one to repeat it";
                    return Err(refused(422, why));
                }
            }
        }
        let mut queues = Queues::new();
        let told = match rows {
            Rows::One(lead) => {
                let taken = self.take_lead(now, *lead, None, 0, &mut queues)?;
                told_alone(&taken)
            }
            Rows::List { name, rows } => self.take_list(now, &name, rows),
        };
        self.leads_now(now);
        if let Some(Once { key, fingerprint }) = once {
            let answered = Answered {
                key,
                fingerprint,
                at: now.wall,
                answer: told.to_string(),
            };
            let record = Record::Answered(Box::new(answered.clone()));
            self.outputs.push_back(Output::Record(record));
            self.answers.keep(answered, now.wall);
        }
        Ok(Shown::Told(told))
    }

    fn take_list(&mut self, now: Now, list: &str, rows: Vec<Result<LeadAsked, String>>) -> Value {
        let mut queues = Queues::new();
        let mut sums = [0_u32; 3];
        let mut told = Vec::with_capacity(rows.len());
        for (row, asked) in rows.into_iter().enumerate() {
            let taken = asked
                .map_err(|why| refused(422, &why))
                .and_then(|asked| self.take_lead(now, asked, Some(list), row, &mut queues));
            let (sum, result) = match taken {
                Ok(Taken { lead, duplicate }) => {
                    let status = if duplicate { 200 } else { 202 };
                    let result = json!({
                        "row": row,
                        "status": status,
                        "id": lead.id.to_string(),
                        "duplicate": duplicate,
                    });
                    (usize::from(duplicate), result)
                }
                Err(Refused { status, why }) => {
                    (2, json!({ "row": row, "status": status, "detail": why }))
                }
            };
            if let Some(sum) = sums.get_mut(sum) {
                *sum += 1;
            }
            told.push(result);
        }
        let [received, duplicates, refused] = sums;
        json!({
            "list": list,
            "received": received,
            "duplicates": duplicates,
            "refused": refused,
            "leads": told,
        })
    }

    fn take_lead(
        &mut self,
        now: Now,
        asked: LeadAsked,
        list: Option<&str>,
        row: usize,
        queues: &mut Queues,
    ) -> Result<Taken, Refused> {
        let (phone, queue) = self.judge_lead(now, &asked, queues)?;
        let within = self.plan.leads.dedupe;
        if let Some(known) = self.leads.same(&phone, now.wall, within) {
            return Ok(Taken {
                lead: known.clone(),
                duplicate: true,
            });
        }
        if !self.leads.has_room() {
            let most = limits::LEADS;
            let why = format!("{most} leads are open, and there is no room for more");
            return Err(refused(503, &why));
        }
        let due = asked.not_before.unwrap_or(now.wall).max(now.wall);
        // The rows of a list keep their order.
        let behind = Duration::from_millis(u64::try_from(row).unwrap_or(0));
        let lead = Lead {
            id: LeadId(Ulid::new(now.wall, &mut self.rng)),
            phone,
            said: Said {
                name: asked.name,
                city: asked.city,
                source: asked.source,
                campaign: asked.campaign,
                comment: asked.comment,
            },
            site: asked.site,
            queue,
            priority: asked.priority,
            list: list.map(str::to_owned),
            received_at: now.wall,
            rung: 0,
            next_at: Some(due + behind),
            attempts: Vec::new(),
            ringing: None,
            state: LeadState::Open,
            call: None,
        };
        self.record(now, "lead.received", None, lead_fields(&lead));
        self.leads.receive(lead.clone());
        Ok(Taken {
            lead,
            duplicate: false,
        })
    }

    /// The number as calls have it and the queue, or why there can be no such lead.
    fn judge_lead(
        &self,
        now: Now,
        asked: &LeadAsked,
        queues: &mut Queues,
    ) -> Result<(String, QueueName), Refused> {
        let mut country = self.plan.country;
        if let Some(name) = &asked.site {
            let site = self.plan.sites.get(name);
            let site = site.ok_or_else(|| refused(422, "`site` is no site of the plan"))?;
            country = site.country;
        }
        let phone = normalise(&asked.phone, country)
            .map_err(|bad| refused(422, &format!("`phone` is no number to call: {bad}")))?;
        let phone = phone.to_string();
        if self.plan.outbound.is_none() {
            return Err(refused(422, NO_OUTBOUND));
        }
        let why = match self.plan.dialled(&phone, now.wall) {
            Ok(Dialled::Outside {
                emergency: false, ..
            })
            | Err(Barred::Closed) => None,
            Ok(Dialled::Outside {
                emergency: true, ..
            }) => Some("`phone` calls for help, and is no patient's"),
            Ok(Dialled::Operator(_) | Dialled::Queues(_)) => Some("`phone` is a number of our own"),
            Err(Barred::Unknown | Barred::Denied) => {
                Some("`outbound` of the plan does not allow calls to this `phone`")
            }
        };
        if let Some(why) = why {
            return Err(refused(422, why));
        }
        if asked
            .not_before
            .is_some_and(|due| now.wall + limits::HISTORY_KEPT < due)
        {
            return Err(refused(422, "`not_before` is more than a year away"));
        }
        let queue = match &asked.queue {
            Some(queue) if self.plan.queues.contains_key(queue) => queue.clone(),
            Some(_) => return Err(refused(422, "`queue` is no queue of the plan")),
            None => {
                let site = asked.site.clone();
                let of_site = queues
                    .entry(site)
                    .or_insert_with_key(|site| self.plan.queue_of_leads(site.as_ref()));
                of_site.clone().ok_or_else(|| {
                    let why = "no queue calls such leads; name a `queue`, or a `site` whose numbers \
                               lead to one, or set `leads.queue` in the plan";
                    refused(422, why)
                })?
            }
        };
        Ok((phone, queue))
    }

    /// What is known of a number.
    pub(super) fn number_history(&self, now: Now, number: &str) -> Result<Shown, Refused> {
        let phone = normalise(number, self.plan.country);
        let phone = phone.map_or_else(|_| number.to_owned(), |phone| phone.to_string());
        let past = self.history.past(&phone);
        let callback = self.callbacks.of(&phone);
        let lead = self.leads.of(&phone);
        if past.is_none() && callback.is_none() && lead.is_none() {
            return Err(refused(
                404,
                "nobody has called from this number, or been called",
            ));
        }
        let talk = past.and_then(|past| past.talk.as_ref());
        let repeats = past.is_some_and(|past| past.repeats(now.wall, self.plan.repeat_within));
        Ok(Shown::Told(json!({
            "phone": phone,
            "calls": past.map_or(0, |past| past.calls),
            "first_at": past.map(|past| past.first.to_string()),
            "last_at": past.map(|past| past.last.to_string()),
            "repeat": repeats,
            "talk": talk.map(|talk| json!({ "at": talk.at.to_string(), "operator": talk.operator })),
            "callback": callback.map(|callback| callback.id.to_string()),
            "lead": lead.map(|lead| lead.id.to_string()),
        })))
    }
}

fn told_alone(taken: &Taken) -> Value {
    let mut fields: Map<String, Value> = lead_fields(&taken.lead);
    fields.insert("duplicate".into(), json!(taken.duplicate));
    Value::Object(fields)
}

/// What the journal says of leads that came: how many, and on which list.
pub(super) fn deed(asked: &LeadsAsked) -> Map<String, Value> {
    let (list, rows) = match &asked.rows {
        Rows::One(_) => (None, 1),
        Rows::List { name, rows } => (Some(name), rows.len()),
    };
    let mut deed = Map::new();
    deed.insert("action".into(), json!("leads"));
    deed.insert("list".into(), json!(list));
    deed.insert("rows".into(), json!(rows));
    deed
}
