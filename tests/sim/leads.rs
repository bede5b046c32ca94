//! Leads: the operator is rung first, hears that it is one, and the patient is rung once; lists are
//! worked off so many at once, and no restart rings anybody twice.

use serde_json::Value;
use strowger::dialplan::plan::Dialplan;
use strowger::engine::command::{Actor, Command, LeadAsked, LeadsAsked, Once, Reply, Rows};
use strowger::engine::event::Event;
use strowger::sim::caller::{CallPlan, Reached};
use strowger::sim::phone::Manner;
use strowger::time::Duration;
use strowger::words::Role;

use crate::hall::{Hall, at, ms, plan, settings};

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
  krasnodar: { city: Краснодар, from: из Краснодара, country: RU }
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { site: odesa, to: queue.odesa }
calendars:
  noon: { open: { mon-sun: "12:00-13:00" } }
queues:
  odesa: { operators: [iryna, olena], strategy: longest_idle, ring: 10s, wrap_up: 5s }
  reserve: { operators: [iryna, olena], strategy: longest_idle, ring: 10s, wrap_up: 5s }
whisper: { uk: "Дзвінок[ {from}][, {callback}]", ru: "Звонок", max: 4s }
recording: { announce: { say: Розмова записується. }, keep: 90d }
outbound: { via: [kyivstar], allow: ["+380*"], deny: ["+380900*"], show: { site: odesa, number: "0800 301 231" } }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const FIRST: &str = "+380671112201";

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

const fn decline(code: u16) -> Manner {
    let after = ms(1_000);
    Manner::Decline { after, code }
}

fn hall(more: &str, scripts: &[&[Manner]]) -> Hall {
    let plan: Dialplan = plan(&format!("{PLAN}{more}\n"));
    Hall::with(settings(plan.clone(), 1), &plan, scripts)
}

fn lead(phone: &str) -> LeadAsked {
    LeadAsked {
        phone: phone.to_owned(),
        site: Some("odesa".into()),
        ..LeadAsked::default()
    }
}

fn once(key: &str, fingerprint: &str) -> Option<Once> {
    Some(Once {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
    })
}

trait Website {
    fn sends(&mut self, once: Option<Once>, rows: Rows) -> Reply;
    fn asks(&mut self, lead: LeadAsked) -> Reply;
    fn lists(&mut self, phones: &[&str]) -> Value;
    fn calls(&mut self, when: u64, from: &str);
    fn told(&self, kind: &str) -> Vec<Event>;
    fn story(&self) -> Vec<&'static str>;
    fn reached(&self) -> Reached;
    fn rest(&mut self, until: u64);
}

impl Website for Hall {
    fn sends(&mut self, once: Option<Once>, rows: Rows) -> Reply {
        let actor = Actor {
            name: "crm".to_owned(),
            role: Role::Integration,
            operator: None,
        };
        let command = Command::Leads(Box::new(LeadsAsked { once, rows }));
        let mut replies = self.world.command(actor, command);
        assert_eq!(replies.len(), 1);
        replies.remove(0)
    }

    fn asks(&mut self, lead: LeadAsked) -> Reply {
        self.sends(None, Rows::One(Box::new(lead)))
    }

    fn lists(&mut self, phones: &[&str]) -> Value {
        let rows = phones.iter().map(|phone| Ok(lead(phone))).collect();
        let name = "recall-nov".to_owned();
        self.sends(None, Rows::List { name, rows }).unwrap()
    }

    fn calls(&mut self, when: u64, from: &str) {
        let plan = CallPlan {
            to: "0800301231".to_owned(),
            from: Some(from.to_owned()),
            patience: Duration::from_secs(300),
            talk: ms(20_000),
        };
        self.world.call(self.carrier, at(when), plan);
    }

    fn told(&self, kind: &str) -> Vec<Event> {
        let events = self.world.events().iter();
        events.filter(|it| it.kind == kind).cloned().collect()
    }

    fn story(&self) -> Vec<&'static str> {
        let events = self.world.events().iter().map(|event| event.kind);
        events.filter(|kind| kind.starts_with("lead.")).collect()
    }

    fn reached(&self) -> Reached {
        self.world.reached(self.carrier)
    }

    fn rest(&mut self, until: u64) {
        self.world.run_until(at(until));
        let left = self.world.engine().calls().count();
        assert_eq!(left, 0, "calls are left");
        self.world.finish();
        assert_eq!(self.world.watch.broken, Vec::<String>::new());
    }
}

fn results(hall: &Hall) -> Vec<Value> {
    let tried = hall.told("lead.attempted");
    let results = tried.iter().map(|it| it.data["attempt"]["result"].clone());
    results.collect()
}

fn ends(hall: &Hall) -> Vec<Value> {
    let closed = hall.told("lead.closed");
    closed.iter().map(|it| it.data["result"].clone()).collect()
}

#[test]
fn the_operator_hears_that_it_is_a_lead_then_the_patient_is_rung_and_both_talk() {
    let mut hall = hall("", &[&[answer(1_000, 30_000)], &[Manner::Silent]]);
    hall.world.patients(hall.carrier, [answer(3_000, 15_000)]);
    hall.world.run_until(at(10_000));
    let asked = LeadAsked {
        name: Some("Ольга".to_owned()),
        source: Some("google_ads".to_owned()),
        campaign: Some("імплантація".to_owned()),
        comment: Some("після 18".to_owned()),
        ..lead("067 111 22 01")
    };
    let told = hall.asks(asked).unwrap();
    assert_eq!(
        (&told["phone"], &told["state"]),
        (&FIRST.into(), &"open".into())
    );
    assert_eq!(
        (&told["queue"], &told["duplicate"]),
        (&"odesa".into(), &false.into())
    );
    hall.rest(120_000);
    let story = [
        "lead.received",
        "lead.dialled",
        "lead.attempted",
        "lead.connected",
        "lead.closed",
    ];
    assert_eq!(hall.story(), story);
    let ended = &hall.told("call.ended")[0];
    assert_eq!(ended.data["direction"], "outbound");
    assert_eq!(ended.data["to"], FIRST);
    assert_eq!(ended.data["from"], "+380800301231");
    assert_eq!(ended.data["source"], "google_ads");
    assert_eq!(ended.data["result"], "answered");
    let closed = &hall.told("lead.closed")[0];
    assert_eq!(closed.data["call_id"], ended.data["id"]);
    assert_eq!(closed.data["result"], "connected");
    assert_eq!(closed.data["name"], "Ольга");
    assert_eq!(closed.data["attempts"][0]["operator"], "iryna");
    let whispered = &hall.told("whisper.played")[0];
    assert_eq!(whispered.data["text"], "заявка із сайту, Дзвінок з Одеси");
    let once = Reached {
        rang: 1,
        twice: 0,
        talks: 1,
    };
    assert_eq!(hall.reached(), once);
}

#[test]
fn an_operator_who_hangs_up_in_the_whisper_leaves_the_patient_alone() {
    let regret = Manner::Regret {
        after: ms(500),
        listen: ms(300),
    };
    let mut hall = hall("", &[&[regret], &[answer(500, 9_000)]]);
    hall.world.patients(hall.carrier, [answer(1_000, 3_000)]);
    hall.world.run_until(at(10_000));
    hall.asks(lead(FIRST)).unwrap();
    hall.rest(120_000);
    let missed = hall.told("operator.missed");
    assert_eq!(missed[0].data["missed_reason"], "declined");
    assert_eq!(hall.reached().rang, 1);
    assert_eq!(ends(&hall), ["connected"]);
    assert_eq!(
        hall.told("lead.closed")[0].data["attempts"][0]["operator"],
        "olena"
    );
}

#[test]
fn a_patient_who_is_busy_is_rung_again_by_the_ladder() {
    let ladder = "leads: { attempts: [{ after: 0s }, { after: 60s, show: 0670000000 }, { emit: message, after: 30s }] }";
    let script = [answer(500, 5_000), answer(500, 5_000)];
    let mut hall = hall(ladder, &[&script, &script]);
    hall.world
        .patients(hall.carrier, [decline(486), Manner::Silent]);
    hall.world.run_until(at(10_000));
    hall.asks(lead(FIRST)).unwrap();
    hall.world.run_until(at(60_000));
    assert_eq!(results(&hall), ["busy"]);
    let tried = hall.told("lead.attempted");
    assert_eq!(
        (&tried[0].data["state"], &tried[0].data["rung"]),
        (&"open".into(), &1.into())
    );
    hall.rest(600_000);
    assert_eq!(results(&hall), ["busy", "no_answer", "message"]);
    assert_eq!(ends(&hall), ["not_reached"]);
    let shown = hall.told("call.ended");
    let shown: Vec<_> = shown.iter().map(|it| it.data["from"].clone()).collect();
    assert_eq!(shown, ["+380800301231", "+380670000000"]);
    assert_eq!((hall.reached().rang, hall.reached().twice), (2, 0));
    // It came again much later: another one.
    assert_eq!(hall.asks(lead(FIRST)).unwrap()["duplicate"], true);
    hall.world.run_until(at(700_000));
    assert_eq!(hall.asks(lead(FIRST)).unwrap()["duplicate"], false);
}

#[test]
fn a_call_that_the_operator_gives_up_at_once_shows_nothing_of_the_patient() {
    // Each time the operator hangs up soon after the patient's phone began to ring.
    let hasty = Manner::Regret {
        after: ms(500),
        listen: ms(8_000),
    };
    let mut hall = hall("", &[&[hasty; 9], &[hasty; 9]]);
    hall.world.patients(hall.carrier, [Manner::Silent; 9]);
    hall.world.run_until(at(10_000));
    hall.asks(lead(FIRST)).unwrap();
    hall.world.run_until(at(250_000));
    let results = results(&hall);
    assert!(
        results.iter().all(|result| result == "cancelled"),
        "{results:?}"
    );
    // After 15, 30, 60 and 120 s, and not without end.
    assert!((3..=5).contains(&results.len()), "{results:?}");
    assert_eq!(hall.told("lead.closed").len(), 0, "it stays open");
}

#[test]
fn a_patient_who_calls_in_is_not_rung_and_the_talk_closes_the_lead() {
    for calls_in in (10_000..24_000).step_by(250) {
        let script = [answer(4_000, 5_000), answer(500, 5_000), answer(500, 5_000)];
        let mut hall = hall("", &[&script, &[Manner::Silent; 3]]);
        hall.world.patients(hall.carrier, [answer(8_000, 3_000)]);
        hall.world.run_until(at(9_900));
        hall.asks(lead(FIRST)).unwrap();
        hall.calls(calls_in, FIRST);
        hall.rest(400_000);
        let ended = ends(&hall);
        let reached = hall.reached();
        assert_eq!((reached.twice, ended.len()), (0, 1), "{calls_in}");
        let by_us = ended[0] == "connected";
        assert_eq!(by_us, reached.talks == 1, "{calls_in}: {ended:?}");
        assert!(by_us || ended[0] == "elsewhere", "{calls_in}: {ended:?}");
    }
}

#[test]
fn the_same_request_is_answered_the_same_and_another_one_of_the_number_is_no_new_lead() {
    let mut hall = hall("", &[]);
    hall.world.run_until(at(10_000));
    let send = |hall: &mut Hall, key, print| {
        hall.sends(once(key, print), Rows::One(Box::new(lead(FIRST))))
    };
    let first = send(&mut hall, "k1", "a").unwrap();
    assert_eq!(first["duplicate"], false);
    let other = send(&mut hall, "k1", "b").unwrap_err();
    assert_eq!(other.status, 422);
    for restarts in [false, true] {
        if restarts {
            hall.world.restart();
        }
        assert_eq!(send(&mut hall, "k1", "a").unwrap(), first, "{restarts}");
        let known = send(&mut hall, "k2", "a").unwrap();
        assert_eq!(
            (&known["id"], &known["duplicate"]),
            (&first["id"], &true.into())
        );
    }
    assert_eq!(hall.told("lead.received").len(), 1);
    hall.world.run_until(at(86_400_000 + 60_000));
    let anew = send(&mut hall, "k1", "b").unwrap();
    assert_ne!(anew["id"], first["id"], "the key is free again");
}

#[test]
fn a_lead_that_nobody_could_call_is_refused_with_a_reason() {
    let mut hall = hall("", &[]);
    hall.world.run_until(at(10_000));
    let named = |site: Option<&str>, queue: Option<&str>| LeadAsked {
        site: site.map(Into::into),
        queue: queue.map(Into::into),
        ..lead(FIRST)
    };
    let abroad = LeadAsked {
        site: Some("krasnodar".into()),
        ..lead("067 111 22 01")
    };
    for (asked, why) in [
        (lead("Олена"), "`phone` is no number"),
        (lead("112233"), "`phone` is no number"),
        (lead("0800 301 231"), "a number of our own"),
        (lead("+380900111222"), "does not allow"),
        (lead("+48221234567"), "does not allow"),
        (named(Some("lviv"), None), "no site of the plan"),
        (named(None, Some("lviv")), "no queue of the plan"),
        (named(None, None), "no queue calls such leads"),
        (abroad, "is no number to call"),
    ] {
        let refused = hall.asks(asked).unwrap_err();
        assert_eq!(refused.status, 422);
        assert!(refused.why.contains(why), "{}", refused.why);
    }
    assert_eq!(hall.told("lead.received").len(), 0);
    let told = hall.asks(named(None, Some("reserve"))).unwrap();
    assert_eq!(told["queue"], "reserve");
}

#[test]
fn a_list_is_worked_off_so_many_at_once_and_a_bad_row_loses_no_other() {
    let script = [answer(500, 30_000); 20];
    let mut hall = hall("leads: { at_once: 1 }", &[&script, &script]);
    hall.world
        .patients(hall.carrier, [answer(1_000, 4_000); 20]);
    hall.world.run_until(at(10_000));
    let told = hall.lists(&[
        "0671112201",
        "x",
        "0671112202",
        "+380671112201",
        "0671112203",
    ]);
    let statuses = told["leads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [202, 422, 202, 200, 202]);
    assert_eq!(
        (&told["received"], &told["duplicates"]),
        (&3.into(), &1.into())
    );
    for second in 11..200 {
        hall.world.run_until(at(second * 1_000));
        let live = hall.world.engine().calls().filter(|call| !call.ended());
        assert!(live.count() <= 1);
    }
    hall.rest(300_000);
    let rung = hall.told("lead.dialled");
    let rung: Vec<_> = rung.iter().map(|it| it.data["phone"].clone()).collect();
    assert_eq!(
        rung,
        ["+380671112201", "+380671112202", "+380671112203"],
        "in their order"
    );
    assert_eq!(ends(&hall), ["connected"; 3]);
    let whispered = &hall.told("whisper.played")[0];
    assert_eq!(
        whispered.data["text"],
        "дзвінок за списком, Дзвінок з Одеси"
    );
}

#[test]
fn nobody_on_a_list_is_dialled_twice_whenever_the_process_dies() {
    let mut cut = 0;
    for killed in (10_050..60_000).step_by(1_900) {
        let script = [answer(500, 30_000); 20];
        // The phone that talks when the process dies is lost for the rest of the test.
        let mut hall = hall("leads: { at_once: 1 }", &[&script, &script]);
        hall.world
            .patients(hall.carrier, [answer(2_000, 4_000); 20]);
        hall.world.run_until(at(10_000));
        let phones = ["0671112201", "0671112202", "0671112203", "0671112204"];
        hall.lists(&phones);
        hall.world.run_until(at(killed));
        let closed = hall.told("lead.closed").len();
        let leased = hall.told("lead.dialled").len();
        cut += usize::from(leased > closed);
        hall.world.restart();
        hall.world.run_until(at(900_000));
        let mut rung: Vec<_> = hall.told("lead.dialled");
        rung.sort_by_key(|it| it.data["phone"].to_string());
        rung.dedup_by_key(|it| it.data["phone"].to_string());
        assert_eq!(
            rung.len(),
            hall.told("lead.dialled").len(),
            "killed at {killed}"
        );
        assert!(hall.reached().rang <= 4, "killed at {killed}");
        assert_eq!(hall.told("lead.closed").len(), 4, "killed at {killed}");
    }
    assert!(cut > 5, "{cut}");
}

#[test]
fn leads_wait_for_their_hours_and_for_their_time() {
    // The world begins at 10:00 in Kyiv.
    let script = [answer(500, 30_000); 3];
    let mut hall = hall("leads: { hours: noon }", &[&script, &script]);
    hall.world.patients(hall.carrier, [answer(1_000, 4_000); 3]);
    hall.world.run_until(at(10_000));
    hall.asks(lead(FIRST)).unwrap();
    let later = LeadAsked {
        not_before: Some(hall.world.now().wall + Duration::from_secs(2 * 3_600 + 1_800)),
        ..lead("0671112202")
    };
    hall.asks(later).unwrap();
    let until = |hall: &mut Hall, minutes: u64| {
        hall.world.run_until(at(minutes * 60_000));
        hall.told("lead.closed").len()
    };
    let open = hall.world.now().wall;
    assert_eq!(until(&mut hall, 100), 0, "{open:?}");
    assert_eq!(until(&mut hall, 125), 1);
    assert_eq!(until(&mut hall, 149), 1);
    assert_eq!(until(&mut hall, 155), 2);
}
