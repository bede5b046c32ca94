//! PostgreSQL and NATS stopped and started under load (F13, F14): calls go on, and afterwards every event
//! is there once, in order for each call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::broker::Broker;
use crate::crowd::{Caller, Crowd, Phone};
use crate::database::Database;
use crate::killed::{MANY, number, operator, plan};
use crate::report::{pass, size};
use crate::rig::{House, Rig, SOON};

const NUMBER: &str = "0800301231";
const OPERATORS: usize = 5;
/// Calls that are up at once.
const ROUND: usize = 5;
/// A server that is back is found by the next probe, which may be half a minute away after a long outage.
const BACK: Duration = Duration::from_secs(120);

/// A hall whose events go to one sink.
struct Hall {
    rig: Rig,
    crowd: Crowd,
    sink: &'static str,
    dialled: usize,
}

impl Hall {
    fn open(sink: &'static str, place: &str) -> Self {
        let house = House::next();
        let more = format!("{MANY}sinks: {{ {sink}: {place} }}\n");
        let rig = Rig::with(&house, &plan(&house, OPERATORS, ""), &more, |_| Vec::new());
        let crowd = Crowd::of(&house);
        for at in 0..OPERATORS {
            crowd.register(&operator(at), Phone::Takes(Duration::ZERO));
        }
        Self {
            rig,
            crowd,
            sink,
            dialled: 0,
        }
    }

    /// Some calls come in; they are answered and over by themselves.
    fn dial(&mut self) {
        for _ in 0..ROUND {
            let from = number(self.dialled);
            self.dialled += 1;
            let talk = Caller::Leaves(Duration::from_millis(700));
            self.crowd.dial(&from, NUMBER, talk);
        }
    }

    /// Every call that came in has ended.
    fn settle(&self) {
        self.rig.wait_for("call.ended", self.dialled);
    }

    fn round(&mut self) {
        self.dial();
        self.settle();
    }

    /// The sink has everything that is committed by now.
    fn drained(&self) {
        let series = format!("strowger_outbox_backlog{{sink=\"{}\"}}", self.sink);
        self.rig.wait("the sink has everything", BACK, || {
            self.rig.metric(&series) == 0.0
        });
    }

    /// Stops the server, which waits for its sinks, and tells what the sink must have: everything but its
    /// own troubles.
    fn close(&mut self) -> Vec<Value> {
        self.drained();
        assert_eq!(self.rig.stop(), Some(0));
        let own = |event: &Value| event["data"]["sink"] == self.sink;
        let mut events = self.rig.events("");
        events.retain(|event| !own(event));
        events
    }

    fn answered(&self) -> usize {
        let ends = self.rig.events("call.ended");
        ends.iter()
            .filter(|end| end["data"]["outcome"] == "answered")
            .count()
    }
}

/// Asserts that the ids are those of the events, each once, and that each call's came in its order.
/// `came` is what came, in the order it came: id, call, sequence.
fn assert_whole(events: &[Value], came: &[(String, String, u64)]) {
    let ids: BTreeSet<_> = came.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(ids.len(), came.len(), "nothing came twice");
    let all: BTreeSet<_> = events
        .iter()
        .filter_map(|event| event["id"].as_str())
        .collect();
    assert_eq!(ids, all, "nothing is lost, and nothing is made up");
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, call, sequence) in came.iter().filter(|(_, call, _)| !call.is_empty()) {
        let before = last.insert(call, *sequence);
        assert!(before.is_none_or(|before| before < *sequence), "{call}");
    }
}

#[test]
fn postgres_that_is_cut_off_under_load_gets_every_row_once() {
    let mut database = Database::start();
    let mut hall = Hall::open("erp", &database.sink());
    hall.round();
    hall.drained();
    for _ in 0..size(1, 10) {
        hall.dial();
        database.cut();
        hall.settle();
        hall.round();
        hall.rig.wait_for("sink.degraded", 1);
        hall.dial();
        database.spawn();
        hall.settle();
        hall.drained();
    }
    a_row_that_is_refused_stops_nobody(&mut hall, &database);

    let events = hall.close();
    let came: Vec<_> = database
        .ask("SELECT id, coalesce(call_id, ''), sequence FROM call_events ORDER BY position")
        .iter()
        .map(|row| columns(row))
        .collect();
    assert_whole(&events, &came);
    let calls =
        database.ask("SELECT id, outcome, operator, caller FROM calls WHERE ended ORDER BY id");
    assert_eq!(calls.len(), hall.dialled);
    assert_eq!(
        database.ask("SELECT count(*) FROM calls WHERE NOT ended"),
        ["0"]
    );
    let mut ends: Vec<_> = (hall.rig.events("call.ended").iter())
        .map(|end| {
            let text = |field: &str| end["data"][field].as_str().unwrap_or_default().to_owned();
            [text("id"), text("outcome"), text("operator"), text("from")].join("|")
        })
        .collect();
    ends.sort();
    assert_eq!(calls, ends);
    let answered = hall.answered();
    assert_eq!(answered, hall.dialled, "no call noticed");
    pass(
        "F13",
        &format!(
            "{} events of {answered} calls in PostgreSQL once each and in order, 0 lost, over {}",
            came.len(),
            size("an outage", "10 outages")
        ),
    );
}

fn columns(row: &str) -> (String, String, u64) {
    let mut columns = row.split('|').map(str::to_owned);
    let mut next = || columns.next().unwrap();
    (next(), next(), next().parse().unwrap())
}

/// A row that the database will not have holds back its call alone.
fn a_row_that_is_refused_stops_nobody(hall: &mut Hall, database: &Database) {
    let ends = hall.rig.events("call.ended");
    let poisoned = ends[0]["subject"].as_str().unwrap();
    database.ask(&format!(
        "ALTER TABLE call_events ADD CONSTRAINT poison CHECK (type <> 'audit.action' OR call_id <> '{poisoned}')"
    ));
    let words = json!({ "comment": "передзвонити", "tags": ["vip"] });
    let path = format!("/v1/calls/{poisoned}");
    let (status, body) = hall.rig.send("PATCH", &path, &words);
    assert_eq!(status, 200, "{body}");
    hall.round();
    let last = hall.rig.events("call.ended").pop().unwrap();
    let last = last["subject"].as_str().unwrap();
    let comes = format!("SELECT ended FROM calls WHERE id = '{last}'");
    hall.rig
        .wait("others' rows come", SOON, || database.ask(&comes) == ["t"]);
    let comment =
        format!("SELECT coalesce(comment, 'none'), tags FROM calls WHERE id = '{poisoned}'");
    assert_eq!(database.ask(&comment), ["none|[]"]);
    database.ask("ALTER TABLE call_events DROP CONSTRAINT poison");
    hall.drained();
    assert_eq!(database.ask(&comment), ["передзвонити|[\"vip\"]"]);
}

#[test]
fn nats_that_is_killed_under_load_has_every_message_once() {
    let mut broker = Broker::start();
    let mut hall = Hall::open("bus", &broker.sink());
    hall.round();
    hall.drained();
    for _ in 0..size(1, 10) {
        hall.dial();
        broker.kill();
        hall.settle();
        hall.round();
        hall.rig.wait_for("sink.degraded", 1);
        hall.dial();
        broker.spawn();
        hall.settle();
        hall.drained();
    }
    // A partition: the connection is there, and nobody answers on it.
    let before = hall.rig.events("sink.degraded").len();
    hall.dial();
    broker.freeze();
    hall.settle();
    hall.rig.wait_for("sink.degraded", before + 1);
    broker.thaw();
    hall.round();

    let events = hall.close();
    let came: Vec<_> = broker
        .messages()
        .into_iter()
        .map(|message| {
            let text = |field: &str| message.event[field].as_str().unwrap_or_default().to_owned();
            assert_eq!(message.id, text("id"));
            assert_eq!(message.subject, format!("clinic.pbx.{}", text("type")));
            (
                text("id"),
                text("subject"),
                text("sequence").parse().unwrap(),
            )
        })
        .collect();
    assert_whole(&events, &came);
    assert_eq!(hall.answered(), hall.dialled, "no call noticed");
    pass(
        "F14",
        &format!(
            "{} events of {} calls in NATS once each and in order, 0 lost, over {} and a partition",
            came.len(),
            hall.dialled,
            size("an outage", "10 outages")
        ),
    );
}
