//! The seven nights that other exchanges' trackers are full of: each a story through the whole engine,
//! with phones and callers who do the one thing at the one moment that leaves somebody stuck elsewhere.

use std::collections::BTreeMap;

use strowger::engine::command::{Actor, Command, WantedState};
use strowger::engine::input::Input;
use strowger::id::{CommandId, OperatorName};
use strowger::sim::disk::DiskQuality;
use strowger::sim::network::Quality;
use strowger::sim::party::Cue;
use strowger::sim::phone::Manner;
use strowger::time::{Duration, Instant};
use strowger::words::{OperatorState, Role};

use crate::hall::{Hall, at, ms, plan, settings};

const NUMBER: &str = "0800301231";
const LONG: Duration = Duration::from_secs(300);
const NAMES: [&str; 10] = [
    "anna", "bohdan", "clara", "dmytro", "eva", "fedir", "halyna", "ivan", "julia", "kateryna",
];

/// A clinic of so many operators, one queue with these words, and a whisper or none.
fn text(operators: usize, queue: &str, whisper: bool) -> String {
    let mut text = format!(
        r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: {{ city: Одеса, from: з Одеси }}
trunks:
  kyivstar: {{ peers: ["203.0.113.10:5060"] }}
numbers:
  "0800 301 231": {{ site: odesa, to: queue.odesa }}
queues:
  odesa: {{ operators: {{ all: true }}, {queue} }}
recording: {{ keep: 90d }}
"#
    );
    if whisper {
        text.push_str("whisper: { uk: \"Дзвінок[ {from}]\", max: 4s }\n");
    }
    text.push_str("operators:\n");
    for name in &NAMES[..operators] {
        text.push_str(&format!("  {name}: {{ name: {name}, password: a }}\n"));
    }
    text
}

const fn answer(after: u64, talk: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(talk),
    }
}

const fn decline(after: u64, code: u16) -> Manner {
    Manner::Decline {
        after: ms(after),
        code,
    }
}

/// A supervisor sends an operator to lunch.
fn pause(hall: &mut Hall, operator: &str) {
    hall.world.tell(Input::Command {
        id: CommandId(1),
        actor: Actor {
            name: "desk".to_owned(),
            role: Role::Supervisor,
            operator: None,
        },
        command: Command::SetState {
            operator: OperatorName::from(operator),
            state: WantedState::Paused("lunch".to_owned()),
            reason: None,
        },
    });
}

fn state(hall: &Hall, operator: &str) -> OperatorState {
    let desk = hall.world.engine().desk();
    desk.state(&OperatorName::from(operator)).unwrap()
}

/// When somebody came into a state, in milliseconds since the world began, time after time.
fn entered(hall: &Hall, operator: &str, state: &str) -> Vec<u64> {
    let begin = settings(plan(&text(1, "", false)), 0).start;
    let events = hall.world.events().iter();
    let entered = events.filter(|event| {
        event.kind == "operator.state"
            && event.data["operator"] == operator
            && event.data["to"] == state
    });
    let since = entered.map(|event| event.time.as_millis() - begin.as_millis());
    since.map(|ms| u64::try_from(ms).unwrap()).collect()
}

fn count(hall: &Hall, kind: &str) -> usize {
    hall.kinds().iter().filter(|it| **it == kind).count()
}

/// A hang-up that meets the answer: there is one outcome, and the operator is free at once.
#[test]
fn q1_hang_up_in_the_same_millisecond_as_the_answer() {
    let mut outcomes = BTreeMap::<String, u32>::new();
    for seed in 0..1_000 {
        let whispers = seed % 2 == 0;
        let plan = plan(&text(1, "ring: 15s, wrap_up: 0s, max_wait: 90s", whispers));
        let mut settings = settings(plan.clone(), seed);
        settings.network = Quality {
            delay: (ms(1), ms(3)),
            lost: 0,
            doubled: 0,
        };
        settings.disk = DiskQuality {
            slowest: ms(2),
            silent: 0,
        };
        let mut hall = Hall::with(settings, &plan, &[&[answer(2_000, 60_000)]]);
        // The phone is asked 2 to 8 ms after the caller dialled, and answers 2 s later.
        let patience = 2_002 + seed % 8;
        hall.call(10_000, NUMBER, ms(patience), ms(1));
        hall.world.run_until(at(10_000 + patience + 1_010));
        assert_eq!(
            state(&hall, "anna"),
            OperatorState::Available,
            "seed {seed}: a second after the hang-up"
        );
        hall.finish();
        assert_eq!(count(&hall, "call.ended"), 1, "seed {seed}");
        let (outcome, reason) = hall.outcome();
        *outcomes.entry(outcome.clone()).or_default() += 1;
        let abandoned = reason.as_deref() == Some("abandoned");
        assert!(abandoned != (outcome == "answered"), "seed {seed}");
    }
    // Both orders happened, or the test looks at the wrong millisecond.
    assert!(outcomes.values().all(|times| *times > 20), "{outcomes:?}");
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
}

/// Whoever sends a BYE that is lost is not on the line any more, whether it is repeated or not.
#[test]
fn q2_a_lost_bye() {
    let queue = "ring: 15s, wrap_up: 0s, max_wait: 90s";
    for (lost, within) in [(1, 1_000), (3, 4_000), (6, 20_000)] {
        for operator_hangs_up in [true, false] {
            let talk = [300_000, 20_000][usize::from(operator_hangs_up)];
            let mut hall = Hall::new(
                &text(1, queue, true),
                &[&[answer(1_000, talk)]],
                lost,
                false,
            );
            hall.call(10_000, NUMBER, LONG, ms(20_000));
            let (phone, carrier) = (hall.phones[0], hall.carrier);
            let who = if operator_hangs_up { phone } else { carrier };
            hall.world.lose(who, "BYE ", u32::try_from(lost).unwrap());
            hall.world
                .run_until(at(10_000 + 1_000 + 4_000 + 20_000 + within));
            let case = format!("{lost} lost, by the operator: {operator_hangs_up}");
            assert_eq!(state(&hall, "anna"), OperatorState::Available, "{case}");
            hall.finish();
            assert_eq!(hall.outcome().0, "answered", "{case}");
        }
    }
    // The one who hangs up loses the network in that moment: no BYE ever comes, only silence.
    for operator_vanishes in [true, false] {
        let mut hall = Hall::new(
            &text(1, queue, true),
            &[&[answer(1_000, 300_000)]],
            1,
            false,
        );
        hall.call(10_000, NUMBER, LONG, ms(200_000));
        let who = [hall.carrier, hall.phones[0]][usize::from(operator_vanishes)];
        hall.world.cue(who, at(30_000), Cue::Vanish);
        hall.world.run_until(at(29_000));
        assert_eq!(state(&hall, "anna"), OperatorState::Talking);
        hall.world.run_until(at(30_000 + 61_000));
        let state = state(&hall, "anna");
        assert_ne!(state, OperatorState::Talking, "{operator_vanishes}");
    }
    // Our own BYE to the operator is lost for ever.
    let mut hall = Hall::new(
        &text(1, queue, true),
        &[&[answer(1_000, 300_000)]],
        1,
        false,
    );
    hall.call(10_000, NUMBER, LONG, ms(20_000));
    hall.world.lose(hall.phones[0], "BYE ", 100);
    hall.world.run_until(at(35_000 + 33_000));
    assert_eq!(state(&hall, "anna"), OperatorState::Available);
}

/// Two answer within five milliseconds: one talk; whoever was slower is let go within 100 ms, and
/// so is everybody whose phone still rang.
#[test]
fn q3_ring_all_two_answers_within_5_ms() {
    let text = text(
        4,
        "strategy: ring_all, ring: 15s, wrap_up: 0s, max_wait: 90s",
        true,
    );
    let plan = plan(&text);
    for seed in 0..200 {
        let mut settings = settings(plan.clone(), seed);
        settings.network = Quality {
            delay: (ms(1), ms(4)),
            lost: 0,
            doubled: 0,
        };
        let scripts: [&[Manner]; 4] = [
            &[answer(1_000, 10_000)],
            &[answer(1_000 + seed % 6, 10_000)],
            &[Manner::Silent],
            &[answer(9_000, 10_000)],
        ];
        let mut hall = Hall::with(settings, &plan, &scripts);
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.world.run_until(at(11_130));
        let talking = NAMES[..4]
            .iter()
            .filter(|name| state(&hall, name) == OperatorState::Talking);
        let talking = talking.collect::<Vec<_>>();
        assert_eq!(talking.len(), 1, "seed {seed}: {talking:?}");
        for (name, phone) in NAMES.iter().zip(hall.phones.clone()) {
            let story = hall.world.phone_story(phone).unwrap();
            let stopped = usize::from(*name != *talking[0]);
            assert_eq!(story.stopped.len(), stopped, "seed {seed}: {name}");
            let free = state(&hall, name) == OperatorState::Available;
            assert_eq!(free, stopped == 1, "seed {seed}: {name}");
        }
        hall.finish();
        assert_eq!(count(&hall, "call.bridged"), 1, "seed {seed}");
        let talks = hall
            .phones
            .iter()
            .map(|phone| hall.world.phone_story(*phone).unwrap().talks);
        assert_eq!(talks.sum::<usize>(), 1, "seed {seed}");
    }
}

/// The process dies while one is reserved, one rings, one talks, one does paperwork and one pauses:
/// after the start nobody is stuck, the pause goes on, and whoever is at work is given the next callers.
#[test]
fn q4_restart_with_operators_ringing_reserved_wrap_up() {
    let queue = "ring: 15s, wrap_up: 60s, max_wait: 90s";
    let text = text(5, queue, true);
    let scripts: [&[Manner]; 5] = [
        &[answer(500, 1_000), answer(500, 5_000)],
        &[answer(500, 100_000), answer(500, 5_000)],
        &[answer(12_000, 1_000), answer(500, 5_000)],
        &[answer(14_000, 1_000), answer(500, 5_000)],
        &[answer(500, 5_000)],
    ];
    let mut hall = Hall::new(&text, &scripts, 1, false);
    pause(&mut hall, NAMES[4]);
    hall.world.lose(hall.phones[3], "SIP/2.0 180", 100);
    for caller in 0..4 {
        hall.call(10_000 + 2_000 * caller, NUMBER, LONG, LONG);
    }
    hall.world.run_until(at(18_000));
    let states = NAMES[..5].iter().map(|name| state(&hall, name));
    assert_eq!(
        states.collect::<Vec<_>>(),
        [
            OperatorState::WrapUp,
            OperatorState::Talking,
            OperatorState::Ringing,
            OperatorState::Reserved,
            OperatorState::Paused
        ]
    );
    hall.world.restart();
    hall.world.run_until(at(19_000));
    for name in &NAMES[..4] {
        assert_eq!(state(&hall, name), OperatorState::Available, "{name}");
        let desk = hall.world.engine().desk();
        let operator = desk.operator(&OperatorName::from(*name)).unwrap();
        assert_eq!(operator.call(), None, "{name}");
    }
    let paused = OperatorName::from(NAMES[4]);
    let paused = hall.world.engine().desk().operator(&paused).unwrap();
    assert_eq!(
        (paused.state(), paused.reason(), paused.registered()),
        (OperatorState::Paused, "lunch", true)
    );
    // The phones find out by themselves that nobody is there any more.
    let later = 400_000;
    hall.world.run_until(at(later));
    for caller in 0..4 {
        hall.call(later + 10 * caller, NUMBER, LONG, LONG);
    }
    hall.world.run_until(at(later + 2_000));
    for name in &NAMES[..4] {
        assert_eq!(state(&hall, name), OperatorState::Talking, "{name}");
    }
    assert_eq!(state(&hall, NAMES[4]), OperatorState::Paused);
}

/// A phone that is busy, declines or is diverted costs the caller neither the place nor the music.
#[test]
fn q5_busy_decline_302() {
    for code in [486, 600, 603, 302] {
        let queue = "ring: 15s, wrap_up: 0s, max_wait: 90s";
        let scripts: [&[Manner]; 2] = [
            &[decline(500, code), answer(500, 5_000)],
            &[answer(500, 3_000), answer(500, 3_000), answer(500, 3_000)],
        ];
        let mut hall = Hall::new(&text(2, queue, true), &scripts, 1, false);
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.call(10_100, NUMBER, LONG, LONG);
        hall.call(10_200, NUMBER, LONG, LONG);
        hall.finish();
        assert_eq!(count(&hall, "call.bridged"), 3, "{code}");
        assert_eq!(count(&hall, "operator.missed"), 1, "{code}");
        assert_eq!(count(&hall, "queue.joined"), 3, "{code}");
        // They are served in the order in which they came.
        let began = hall.world.events().iter();
        let began = began.filter(|event| event.kind == "call.started");
        let began = began.map(|event| event.subject).collect::<Vec<_>>();
        let first = hall.world.events().iter();
        let first = first.filter(|event| event.kind == "operator.assigned");
        let mut first = first.map(|event| event.subject).collect::<Vec<_>>();
        first.dedup();
        assert_eq!(first[..2], began[..2], "{code}");
        for story in hall.world.call_stories(hall.carrier) {
            assert_eq!((story.music, story.talked), (1, true), "{code}");
        }
    }
}

/// The last operator asks for a pause in a talk, while two more callers wait: the rules of the queue
/// decide how long they do, and nobody hears music for ever.
#[test]
fn q6_last_operator_pauses_while_callers_wait() {
    for (leave, reason, gone_by) in [
        ("", "timeout", 42_000),
        (", leave_empty: { working: 1 }", "no_operators", 27_000),
    ] {
        let queue = format!("ring: 15s, wrap_up: 0s, max_wait: 30s{leave}");
        let mut hall = Hall::new(&text(1, &queue, true), &[&[answer(500, 10_000)]], 1, false);
        for caller in 0..3 {
            hall.call(10_000 + 500 * caller, NUMBER, LONG, LONG);
        }
        hall.world.run_until(at(15_000));
        pause(&mut hall, "anna");
        hall.world.run_until(at(gone_by));
        assert_eq!(count(&hall, "call.ended"), 3, "{reason}");
        assert_eq!(state(&hall, "anna"), OperatorState::Paused, "{reason}");
        let reasons = hall.world.watch.reasons().clone();
        assert_eq!(reasons, BTreeMap::from([(reason.to_owned(), 2)]));
        hall.finish();
    }
}

/// Ten talks end a second apart, while more callers wait: each one's paperwork ends on its own
/// second, and none is made longer by what the others do.
#[test]
fn q7_ten_wrap_ups_a_second_apart() {
    let queue = "strategy: longest_idle, ring: 15s, wrap_up: 15s, max_wait: 3m";
    let scripts = (0..10_u64).map(|n| {
        let first = answer(1_000, 30_000 + 1_000 * n);
        vec![first, answer(1_000, 200_000)]
    });
    let scripts = scripts.collect::<Vec<_>>();
    let scripts = scripts.iter().map(Vec::as_slice).collect::<Vec<_>>();
    let mut hall = Hall::new(&text(10, queue, true), &scripts, 1, false);
    for caller in 0..30 {
        hall.call(20_000 + 10 * caller, NUMBER, LONG, LONG);
    }
    hall.world.run_until(at(100_000));
    let mut last = None;
    for name in NAMES {
        let began = entered(&hall, name, "wrap_up");
        let [began] = began[..] else {
            panic!("{name} did the paperwork at {began:?}");
        };
        // Somebody waits, so the next caller is offered in the instant in which it ends.
        let over = entered(&hall, name, "reserved");
        assert_eq!(over.len(), 2, "{name}: {over:?}");
        assert!(
            over[1].abs_diff(began + 15_000) <= 1,
            "{name}: {began} {over:?}"
        );
        if let Some(last) = last.replace(began) {
            assert!(began.abs_diff(last + 1_000) < 100, "{name}: {last} {began}");
        }
    }
    assert!(hall.world.now().mono > Instant::START);
    assert_eq!(hall.world.watch.broken, Vec::<String>::new());
}
