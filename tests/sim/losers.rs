//! Phones that ring in vain: each is told why, on the wire, so that none shows a missed call that
//! somebody took.

use std::net::{IpAddr, SocketAddr};

use strowger::id::{LegId, Origin};
use strowger::rng::Rng;
use strowger::sim::load::account;
use strowger::sim::party::Cue;
use strowger::sim::phone::{Manner, Phone, Temper};
use strowger::time::Duration;
use strowger::words::OperatorState;

use crate::hall::{Hall, at, ms, plan};

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: ring_all, ring: 20s, wrap_up: 5s }
whisper: { uk: "Дзвінок", max: 4s }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
  serhii: { name: Сергій, password: c }
"#;

const NUMBER: &str = "0800301231";
/// The caller's leg, as the carrier numbers it.
const FIRST: LegId = LegId {
    origin: Origin::Outbound,
    number: 1,
};
const LONG: Duration = Duration::from_secs(300);
const ELSEWHERE: &str = "Reason: SIP;cause=200;text=\"Call completed elsewhere\"";
const NO_LONGER: &str = "Reason: SIP;cause=487;text=\"No longer offered\"";
const GONE: &str = "Reason: SIP;cause=487;text=\"Caller hung up\"";

const fn answer(after: u64) -> Manner {
    Manner::Answer {
        after: ms(after),
        talk: ms(3_000),
    }
}

fn hall(text: &str, scripts: &[&[Manner]], seed: u64) -> Hall {
    let mut hall = Hall::new(text, scripts, seed, false);
    hall.world.keep_sent();
    hall
}

/// What a desk is sent, with the milliseconds after the call came in: the method, and the reason.
fn told(hall: &Hall, desk: u8) -> Vec<(i64, String, Option<String>)> {
    let address = SocketAddr::new(IpAddr::from([10, 0, 0, desk]), 5060);
    let mut told = Vec::new();
    for (when, to, bytes) in hall.world.sent() {
        let text = String::from_utf8_lossy(bytes);
        let method = text.split(' ').next().unwrap_or_default();
        if *to != address || method.starts_with("SIP/2.0") {
            continue;
        }
        let reason = text.lines().find(|line| line.starts_with("Reason: "));
        let millis = when.since(at(10_000)).as_millis();
        let millis = i64::try_from(millis).unwrap();
        told.push((millis, method.to_owned(), reason.map(str::to_owned)));
    }
    told
}

fn methods(told: &[(i64, String, Option<String>)]) -> Vec<&str> {
    told.iter().map(|(_, method, _)| method.as_str()).collect()
}

/// The reason of the only request of this method.
fn reason<'a>(told: &'a [(i64, String, Option<String>)], method: &str) -> &'a str {
    let mut fitting = told.iter().filter(|(_, known, _)| known == method);
    let first = fitting.next();
    let (_, _, reason) = first.expect("it was sent such a request");
    assert_eq!(fitting.next(), None);
    reason.as_deref().unwrap_or_default()
}

#[test]
fn of_two_answers_at_once_one_is_bridged_and_the_other_ended_within_100_ms() {
    let mut crossed = 0;
    for seed in 0..300 {
        let second = 900 + seed % 3;
        let scripts: [&[Manner]; 3] = [&[answer(901)], &[answer(second)], &[Manner::Silent]];
        let mut hall = hall(PLAN, &scripts, seed);
        hall.call(10_000, NUMBER, LONG, LONG);
        hall.finish();
        let talks = hall.phones.iter().map(|it| hall.world.phone_story(*it));
        let talks = talks.map(|story| story.unwrap().talks);
        let talks = talks.collect::<Vec<_>>();
        assert_eq!(talks.iter().sum::<usize>(), 1, "seed {seed}");
        let loser = if talks[0] == 1 { 2 } else { 1 };
        let lost = told(&hall, loser);
        assert_eq!(reason(&lost, "CANCEL"), ELSEWHERE, "seed {seed}");
        if methods(&lost).contains(&"BYE") {
            // The CANCEL crossed the 200 (RFC 3261 9.1).
            crossed += 1;
            assert!(
                methods(&lost).ends_with(&["CANCEL", "ACK", "BYE"]),
                "{lost:?}"
            );
            assert_eq!(reason(&lost, "BYE"), ELSEWHERE, "seed {seed}");
            for (millis, method, _) in &lost[lost.len() - 2..] {
                let late = millis - 901;
                assert!((-1..100).contains(&late), "{method} after {late} ms");
            }
        }
        let third = told(&hall, 3);
        assert_eq!(methods(&third), ["INVITE", "PRACK", "CANCEL", "ACK"]);
        assert_eq!(reason(&third, "CANCEL"), ELSEWHERE, "seed {seed}");
    }
    assert!(crossed >= 100, "only {crossed} answers crossed the CANCEL");
}

#[test]
fn other_phones_of_the_operator_who_answered_are_told_the_same() {
    let text = PLAN.replace("ring_all", "longest_idle");
    let mut hall = hall(&text, &[&[answer(2_000)]], 1);
    let plan = plan(&text);
    let iryna = plan.operators.values().next().unwrap();
    let tablet = Phone::new(Temper::CALM, [Manner::Silent], Rng::new([5; 32]));
    let address = "10.0.0.9:5060".parse().unwrap();
    let account = account(iryna.name.as_str(), iryna.password.as_ref());
    hall.world.phone(address, account, tablet);
    hall.call(10_000, NUMBER, LONG, LONG);
    hall.finish();
    let told = told(&hall, 9);
    let ends = &told[told.iter().position(|it| it.1 == "INVITE").unwrap()..];
    assert_eq!(methods(ends), ["INVITE", "PRACK", "CANCEL", "ACK"]);
    assert_eq!(reason(ends, "CANCEL"), ELSEWHERE);
}

#[test]
fn a_phone_whose_caller_left_is_told_so() {
    let silent: &[Manner] = &[Manner::Silent];
    let mut hall = hall(PLAN, &[silent; 3], 1);
    hall.call(10_000, NUMBER, ms(4_000), LONG);
    hall.finish();
    for desk in [1, 2, 3] {
        let told = told(&hall, desk);
        assert_eq!(methods(&told), ["INVITE", "PRACK", "CANCEL", "ACK"]);
        assert_eq!(reason(&told, "CANCEL"), GONE);
    }
}

#[test]
fn a_phone_that_rang_out_is_told_so() {
    let scripts: [&[Manner]; 3] = [&[Manner::Silent, answer(500)], &[], &[]];
    let text = PLAN
        .replace("ring_all", "longest_idle")
        .replace("ring: 20s", "ring: 5s");
    let text = text
        .replace("  olena: { name: Олена, password: b }\n", "")
        .replace("  serhii: { name: Сергій, password: c }\n", "");
    let mut hall = hall(&text, &scripts, 1);
    hall.call(10_000, NUMBER, LONG, LONG);
    hall.finish();
    let told = told(&hall, 1);
    let no_answer = "Reason: SIP;cause=480;text=\"No answer\"";
    assert_eq!(reason(&told, "CANCEL"), no_answer);
}

/// Three phones ring for a call that a key accepts.
fn accepting(scripts: &[&[Manner]]) -> Hall {
    let text = PLAN.replace("max: 4s", "max: 4s, accept: key");
    let mut hall = hall(&text, scripts, 1);
    hall.call(10_000, NUMBER, LONG, LONG);
    hall
}

#[test]
fn other_phones_ring_on_until_the_key_is_pressed() {
    let mut hall = accepting(&[&[answer(500)], &[answer(2_000)], &[Manner::Silent]]);
    hall.world.run_until(at(13_000));
    // The second answer found the first one's whisper.
    let second = told(&hall, 2);
    assert_eq!(methods(&second), ["INVITE", "PRACK", "ACK", "BYE"]);
    assert_eq!(reason(&second, "BYE"), ELSEWHERE);
    for (millis, _, _) in &second[2..] {
        assert!((2_000..2_100).contains(millis), "{second:?}");
    }
    let desk = hall.world.engine().desk();
    let free = desk
        .operators()
        .filter(|it| it.state() == OperatorState::Available);
    let free = free.map(|it| it.name().as_str());
    assert_eq!(free.collect::<Vec<_>>(), ["olena"]);
    assert_eq!(methods(&told(&hall, 3)), ["INVITE", "PRACK"], "it rings on");
    hall.world.press(hall.phones[0], '1');
    let third = told(&hall, 3);
    assert_eq!(methods(&third), ["INVITE", "PRACK", "CANCEL"]);
    assert_eq!(reason(&third, "CANCEL"), ELSEWHERE);
    hall.finish();
    assert_eq!(hall.outcome(), ("answered".to_owned(), None));
}

#[test]
fn whoever_still_rings_takes_the_call_that_the_first_one_gave_up() {
    let regret = Manner::Regret {
        after: ms(500),
        listen: ms(2_000),
    };
    for robot in [false, true] {
        // Someone hangs up in the whisper, or a robot never presses the key.
        let first = if robot { answer(500) } else { regret };
        let later = if robot { 20_000 - 200 } else { 5_000 };
        let mut hall = accepting(&[&[first], &[Manner::Silent], &[answer(later)]]);
        hall.world.run_until(at(10_000 + later + 100));
        assert_eq!(methods(&told(&hall, 3)), ["INVITE", "PRACK", "ACK"]);
        assert_eq!(methods(&told(&hall, 2)), ["INVITE", "PRACK"]);
        hall.world.press(hall.phones[2], '1');
        hall.finish();
        assert_eq!(reason(&told(&hall, 2), "CANCEL"), ELSEWHERE);
        assert_eq!(hall.outcome(), ("answered".to_owned(), None));
        let story = hall.world.phone_story(hall.phones[2]).unwrap();
        assert_eq!((story.rang, story.talks), (1, 1));
        let joined = hall.kinds();
        let joined = joined.iter().filter(|kind| **kind == "queue.joined");
        assert_eq!(joined.count(), 1, "the place is kept");
    }
}

#[test]
fn a_caller_who_leaves_before_the_key_is_told_to_every_phone() {
    let mut hall = accepting(&[&[answer(500)], &[Manner::Silent], &[Manner::Silent]]);
    hall.world.run_until(at(12_000));
    hall.world.cue(hall.carrier, at(12_000), Cue::HangUp(FIRST));
    hall.finish();
    assert_eq!(reason(&told(&hall, 1), "BYE"), GONE);
    for desk in [2, 3] {
        assert_eq!(reason(&told(&hall, desk), "CANCEL"), GONE);
    }
}

#[test]
fn phones_that_a_progressive_queue_added_are_told_the_same() {
    let text = PLAN.replace("ring_all", "progressive, step: 2s");
    let scripts: [&[Manner]; 3] = [&[answer(5_000)], &[Manner::Silent], &[Manner::Silent]];
    let mut hall = hall(&text, &scripts, 1);
    hall.call(10_000, NUMBER, LONG, LONG);
    hall.finish();
    assert_eq!(hall.outcome(), ("answered".to_owned(), None));
    for (desk, begins) in [(2, 2_000), (3, 4_000)] {
        let told = told(&hall, desk);
        assert_eq!(methods(&told), ["INVITE", "PRACK", "CANCEL", "ACK"]);
        assert!((begins..begins + 50).contains(&told[0].0), "{told:?}");
        assert_eq!(reason(&told, "CANCEL"), ELSEWHERE);
    }
}

/// Nobody took this caller, so a phone that shows a missed call is right.
#[test]
fn a_phone_whose_caller_went_to_a_box_or_to_another_queue_is_not_told_of_a_completed_call() {
    for to in ["voicemail.night", "queue.second"] {
        let more = format!(
            "wrap_up: 5s, exit: {{ key: \"0\", to: {to} }} }}\n  second: {{ operators: {{ names: [serhii] }}, strategy: longest_idle, ring: 20s, max_wait: 5s }}"
        );
        let text = PLAN
            .replace("wrap_up: 5s }", &more)
            .replace("all: true", "names: [iryna, olena]")
            .replace("whisper:", "voicemail: { night: { max: 60s } }\nwhisper:");
        let silent: &[Manner] = &[Manner::Silent];
        let mut hall = hall(&text, &[silent; 3], 1);
        hall.call(10_000, NUMBER, ms(8_000), LONG);
        hall.world.run_until(at(14_000));
        hall.world.press(hall.carrier, '0');
        hall.finish();
        for desk in [1, 2] {
            let told = told(&hall, desk);
            assert_eq!(methods(&told), ["INVITE", "PRACK", "CANCEL", "ACK"]);
            assert_eq!(reason(&told, "CANCEL"), NO_LONGER, "{to}");
        }
    }
}
