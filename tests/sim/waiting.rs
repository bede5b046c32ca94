//! Callers for whom nobody is there at once: closed queues, overflow, the key that leads out, messages,
//! and what is said meanwhile.

use serde_json::{Value, json};
use strowger::dialplan::speech::callback_offer;
use strowger::sim::phone::Manner;
use strowger::time::{Duration, Wall};
use strowger::words::{Language, Phrase, Tone};

use crate::hall::{Hall, at, ms, plan, settings};

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
calendars:
  day: { open: { mon-sun: "08:00-20:00" } }
numbers:
  "0800 301 231": { to: queue.odesa }
  "0800 301 232": { to: queue.all }
queues:
  odesa: { operators: { names: [iryna] }, strategy: longest_idle, ring: 60s, max_wait: 30s, MORE }
  all: { operators: { names: [olena] }, strategy: longest_idle, ring: 60s, max_wait: 2m }
voicemail:
  night: { say: Залиште повідомлення, max: 60s }
whisper: { uk: "Дзвінок", max: 4s }
recording: { keep: 90d }
operators:
  iryna: { name: Ирина, password: a }
  olena: { name: Олена, password: b }
"#;

const ODESA: &str = "0800301231";
const ALL: &str = "0800301232";
const LONG: Duration = Duration::from_secs(300);
const SECOND: Duration = Duration::from_secs(1);

const ANSWER: Manner = Manner::Answer {
    after: ms(1_000),
    talk: ms(20_000),
};

fn moment(text: &str) -> Wall {
    let at: jiff::Timestamp = text.parse().unwrap();
    Wall::from_millis(at.as_millisecond())
}

fn hall_at(more: &str, when: &str, scripts: &[&[Manner]]) -> Hall {
    let plan = plan(&PLAN.replace(", MORE", more));
    let mut settings = settings(plan.clone(), 1);
    settings.start = moment(when);
    Hall::with(settings, &plan, scripts)
}

/// By day.
fn hall(more: &str, scripts: &[&[Manner]]) -> Hall {
    hall_at(more, "2026-10-05T09:00:00Z", scripts)
}

fn all<'a>(hall: &'a Hall, kind: &str) -> Vec<&'a serde_json::Map<String, Value>> {
    let events = hall.world.events().iter();
    let events = events.filter(|event| event.kind == kind);
    events.map(|event| &event.data).collect()
}

fn spoken(text: &str) -> Phrase {
    Phrase::Spoken {
        language: Language::Uk,
        text: text.to_owned(),
    }
}

fn missed(reason: &str) -> (String, Option<String>) {
    ("missed".to_owned(), Some(reason.to_owned()))
}

/// Where the calls went: queues joined, and the box at the end.
fn path(hall: &Hall) -> Vec<String> {
    let joined = all(hall, "queue.joined");
    let mut path: Vec<_> = joined
        .iter()
        .map(|data| format!("queue.{}", data["queue"].as_str().unwrap()))
        .collect();
    for ended in all(hall, "call.ended") {
        path.extend(
            ended["voicemail"]
                .as_str()
                .map(|name| format!("voicemail.{name}")),
        );
    }
    path
}

#[test]
fn a_closed_queue_leads_to_its_box_and_the_message_belongs_to_a_callback() {
    let mut hall = hall_at(
        ", calendar: day, closed: voicemail.night",
        "2026-10-05T20:00:00Z",
        &[],
    );
    hall.call(10_000, ODESA, Duration::from_secs(12), LONG);
    hall.finish();
    assert_eq!(hall.outcome(), missed("off_hours"));
    assert_eq!(path(&hall), ["voicemail.night"]);
    let routed = all(&hall, "call.routed");
    assert_eq!(routed[1]["closed"], "odesa");
    assert_eq!(routed[1]["targets"], json!(["voicemail.night"]));
    let story = &hall.world.call_stories(hall.carrier)[0];
    assert!(story.connected);
    let said = [spoken("Залиште повідомлення"), Phrase::Tone(Tone::Beep)];
    assert_eq!(story.said, said);
    let ended = all(&hall, "call.ended")[0];
    assert_eq!(ended["recording"], ended["id"]);
    assert!(ended["callback"].is_string());
    let left = all(&hall, "voicemail.recorded");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["voicemail"], "night");
    assert_eq!(left[0]["recording"], ended["id"]);
    let length = left[0]["duration_s"].as_f64().unwrap();
    assert!((9.0..11.0).contains(&length), "{length}");
    assert_eq!(all(&hall, "recording.finished").len(), 1);
}

#[test]
fn whether_a_queue_is_open_follows_the_clock_on_the_wall() {
    // Clocks go back an hour in the night to 25 October 2026, and on an hour in that to 29 March.
    for (when, open) in [
        ("2026-10-24T05:30:00Z", true),
        ("2026-10-25T05:30:00Z", false),
        ("2026-10-25T06:30:00Z", true),
        ("2026-03-28T05:30:00Z", false),
        ("2026-03-29T05:30:00Z", true),
        ("2026-03-29T17:30:00Z", false),
    ] {
        let more = ", calendar: day, closed: voicemail.night";
        let mut hall = hall_at(more, when, &[&[ANSWER]]);
        hall.call(10_000, ODESA, LONG, LONG);
        hall.finish();
        assert_eq!(
            all(&hall, "call.bridged").len(),
            usize::from(open),
            "{when}"
        );
    }
}

#[test]
fn who_waits_when_the_calendar_closes_is_served_and_who_overflows_then_is_not() {
    let silent: &[Manner] = &[Manner::Silent];
    let late = Manner::Answer {
        after: ms(20_000),
        talk: ms(5_000),
    };
    let more = ", calendar: day, closed: voicemail.night";
    // 20:00 in Kyiv is at 15 s.
    let mut hall = hall_at(more, "2026-10-05T16:59:45Z", &[&[late]]);
    hall.call(10_000, ODESA, LONG, LONG);
    hall.finish();
    assert_eq!(hall.outcome().0, "answered");

    let text = PLAN.replace(", MORE", ", overflow: [queue.all]");
    let text = text.replace("max_wait: 2m", "max_wait: 2m, calendar: day");
    let plan = plan(&text);
    let mut settings = settings(plan.clone(), 1);
    settings.start = moment("2026-10-05T16:59:45Z");
    let mut hall = Hall::with(settings, &plan, &[silent, silent]);
    hall.call(10_000, ODESA, LONG, LONG);
    hall.finish();
    // The caller did wait, and that is why the call was missed.
    assert_eq!(hall.outcome(), missed("timeout"));
    assert_eq!(path(&hall), ["queue.odesa"]);
    assert_eq!(all(&hall, "call.routed")[1]["closed"], "all");
}

#[test]
fn a_closed_queue_without_a_way_on_is_off_hours_and_costs_the_caller_nothing() {
    let mut hall = hall_at(", calendar: day", "2026-10-05T20:00:00Z", &[]);
    hall.call(10_000, ODESA, LONG, LONG);
    hall.finish();
    assert_eq!(hall.outcome(), missed("off_hours"));
    assert_eq!(all(&hall, "queue.joined").len(), 0);
    let story = &hall.world.call_stories(hall.carrier)[0];
    assert_eq!((story.connected, story.refused), (false, Some(480)));
    assert!(all(&hall, "call.ended")[0]["callback"].is_string());
}

#[test]
fn an_overflow_keeps_the_place() {
    // Олена is busy with the first call to her own queue when two more wait in it: one who came before
    // the caller of Odesa, one who came after, both before that caller's overflow.
    let silent: &[Manner] = &[Manner::Silent];
    let talks = Manner::Answer {
        after: ms(1_000),
        talk: ms(45_000),
    };
    let mut hall = hall(", overflow: [queue.all]", &[silent, &[talks]]);
    hall.call(10_000, ALL, LONG, LONG);
    hall.call(15_000, ALL, LONG, SECOND);
    hall.call(20_000, ODESA, LONG, SECOND);
    hall.call(25_000, ALL, LONG, SECOND);
    hall.finish();
    let bridged = hall.world.events().iter();
    let bridged = bridged.filter(|event| event.kind == "call.bridged");
    let bridged: Vec<_> = bridged.map(|event| event.data["id"].clone()).collect();
    let began = all(&hall, "call.started");
    let began: Vec<_> = began.iter().map(|data| data["id"].clone()).collect();
    assert_eq!(bridged, began);
    let positions = all(&hall, "queue.joined");
    let overflow = positions.last().unwrap();
    assert_eq!(
        (&overflow["queue"], &overflow["position"]),
        (&json!("all"), &json!(2))
    );
}

#[test]
fn after_the_last_queue_the_caller_may_leave_a_message() {
    for more in [
        ", overflow: [voicemail.night]",
        ", overflow: [voicemail.night], answer: operator",
        ", overflow: [voicemail.night], music: music/calm.wav",
    ] {
        let mut hall = hall(more, &[&[Manner::Silent]]);
        hall.call(10_000, ODESA, Duration::from_secs(45), LONG);
        hall.finish();
        assert_eq!(hall.outcome(), missed("timeout"), "{more}");
        assert_eq!(path(&hall), ["queue.odesa", "voicemail.night"]);
        assert_eq!(all(&hall, "voicemail.recorded").len(), 1, "{more}");
        assert!(hall.world.call_stories(hall.carrier)[0].connected);
    }
    let mut hall = Hall::new(
        &PLAN
            .replace(", MORE", ", overflow: [voicemail.night]")
            .replace(
                "keep: 90d",
                "announce: { say: Розмова записується. }, keep: 90d",
            ),
        &[],
        1,
        false,
    );
    hall.world.tell(strowger::engine::input::Input::Timeout);
    hall.call(10_000, ODESA, Duration::from_secs(90), LONG);
    hall.finish();
    let story = &hall.world.call_stories(hall.carrier)[0];
    assert!(story.said.contains(&spoken("Розмова записується.")));
}

#[test]
fn a_message_ends_by_the_key_or_by_its_longest_time() {
    let more = ", calendar: day, closed: voicemail.night";
    for (press, longest) in [(Some('#'), 12.0), (Some('1'), 61.0), (None, 61.0)] {
        let mut hall = hall_at(more, "2026-10-05T20:00:00Z", &[]);
        hall.call(10_000, ODESA, LONG, LONG);
        hall.world.run_until(at(22_000));
        if let Some(digit) = press {
            hall.world.press(hall.carrier, digit);
        }
        hall.finish();
        let story = &hall.world.call_stories(hall.carrier)[0];
        assert_eq!(story.said.last(), Some(&Phrase::Tone(Tone::Done)));
        assert!(!story.gave_up);
        assert_eq!(hall.outcome(), missed("off_hours"));
        let length = all(&hall, "voicemail.recorded")[0]["duration_s"]
            .as_f64()
            .unwrap();
        assert!((longest - 3.0..=longest).contains(&length), "{length}");
    }
}

#[test]
fn who_says_nothing_has_left_no_message() {
    let more = ", calendar: day, closed: voicemail.night";
    // Before the beep, and within a second after it.
    for (patience, files) in [(1_000, 0), (2_300, 1)] {
        let mut hall = hall_at(more, "2026-10-05T20:00:00Z", &[]);
        hall.call(10_000, ODESA, ms(patience), LONG);
        hall.finish();
        assert_eq!(hall.outcome(), missed("off_hours"));
        let ended = all(&hall, "call.ended")[0];
        assert_eq!(ended["recording"], Value::Null, "{patience}");
        assert_eq!(ended["voicemail"], "night");
        assert!(ended["callback"].is_string());
        assert_eq!(all(&hall, "voicemail.recorded").len(), 0);
        assert_eq!(all(&hall, "recording.finished").len(), files, "{patience}");
    }
}

#[test]
fn a_key_leads_out_of_the_queue() {
    let more = r#", exit: { key: "0", to: voicemail.night }, overflow: queue.all"#;
    for (digit, left) in [('0', "exit_key"), ('9', "timeout")] {
        let silent: &[Manner] = &[Manner::Silent];
        let mut hall = hall(more, &[silent, silent]);
        hall.call(10_000, ODESA, Duration::from_secs(50), LONG);
        hall.world.run_until(at(20_000));
        hall.world.press(hall.carrier, digit);
        hall.finish();
        assert_eq!(all(&hall, "queue.left")[0]["left_reason"], left);
        let led = match digit {
            '0' => ["queue.odesa", "voicemail.night"],
            _ => ["queue.odesa", "queue.all"],
        };
        assert_eq!(path(&hall), led);
        assert_eq!(hall.outcome(), missed("abandoned"));
        let missed = all(&hall, "operator.missed");
        assert!(missed.len() <= 1, "the phone stops ringing: {missed:?}");
    }
}

#[test]
fn a_message_has_a_callback_however_soon_it_was_left() {
    let more = r#", exit: { key: "0", to: voicemail.night }"#;
    let text = PLAN.replace(", MORE", more) + "callbacks: { ignore_shorter_than: 1m }\n";
    let silent: &[Manner] = &[Manner::Silent];
    let mut hall = Hall::new(&text, &[silent, silent], 1, false);
    hall.call(10_000, ODESA, Duration::from_secs(25), LONG);
    hall.world.run_until(at(20_000));
    hall.world.press(hall.carrier, '0');
    hall.finish();
    assert_eq!(all(&hall, "voicemail.recorded").len(), 1);
    assert_eq!(all(&hall, "callback.opened").len(), 1);
}

#[test]
fn a_caller_is_told_the_place_which_never_gets_worse() {
    let talks = Manner::Answer {
        after: ms(1_000),
        talk: ms(25_000),
    };
    let more = ", announce: { position: true, every: 15s }";
    let text = PLAN.replace(", max_wait: 30s, MORE", more);
    let mut hall = Hall::new(&text, &[&[talks, talks, talks]], 1, false);
    hall.call(10_000, ODESA, LONG, LONG);
    hall.call(12_000, ODESA, LONG, LONG);
    hall.call(14_000, ODESA, LONG, LONG);
    hall.finish();
    let stories = hall.world.call_stories(hall.carrier);
    let number = |n| [spoken("Ваш номер у черзі"), spoken(n)];
    let places = |told: &[&'static str]| told.iter().copied().flat_map(number).collect::<Vec<_>>();
    assert_eq!(stories[0].said, []);
    assert_eq!(stories[1].said, places(&["один", "один"]));
    assert_eq!(stories[2].said, places(&["два", "два", "один"]));
    assert!(stories.iter().all(|story| story.talked));
}

#[test]
fn an_announcement_is_cut_off_when_an_operator_answers() {
    let more = ", announce: { position: true, every: 15s }";
    let whisper = ms(70 * 7);
    for after in [4_000, 5_050, 5_500, 6_000, 9_000] {
        let answers = Manner::Answer {
            after: ms(after),
            talk: ms(5_000),
        };
        let mut hall = hall(more, &[&[answers]]);
        hall.call(10_000, ODESA, LONG, LONG);
        hall.finish();
        let when = |kind: &str| {
            let mut events = hall.world.events().iter();
            events
                .find(|event| event.kind == kind)
                .unwrap()
                .time
                .as_millis()
        };
        let delay = when("call.bridged") - when("operator.answered");
        let whisper = i64::try_from(whisper.as_millis()).unwrap();
        assert!(
            (whisper - 1..=whisper + 1).contains(&delay),
            "{after}: {delay} ms"
        );
        let story = &hall.world.call_stories(hall.carrier)[0];
        let spoke = usize::from(after > 5_000) * 2;
        assert_eq!(story.said.len(), spoke, "{after}");
        // On joining, and again after or in place of what was said.
        assert_eq!(story.music, 1 + u32::from(spoke > 0), "{after}");
    }
}

#[test]
fn the_estimated_wait_is_rounded_and_never_grows() {
    let talks = Manner::Answer {
        after: ms(1_000),
        talk: ms(100_000),
    };
    let more = ", announce: { wait: true, every: 15s }";
    let text = PLAN.replace(", max_wait: 30s, MORE", more);
    let mut hall = Hall::new(&text, &[&[talks; 6]], 1, false);
    for n in 0..6 {
        hall.call(10_000 + n * 1_000, ODESA, Duration::from_secs(900), LONG);
    }
    hall.finish();
    let stories = hall.world.call_stories(hall.carrier);
    let mut told = 0;
    for story in stories {
        let words = [
            "одна",
            "дві",
            "три",
            "чотири",
            "п’ять",
            "шість",
            "сім",
            "вісім",
            "дев’ять",
            "десять",
        ];
        let minutes = story.said.iter().filter_map(|phrase| match phrase {
            Phrase::Spoken { text, .. } => words.iter().position(|word| word == text),
            Phrase::File(_) | Phrase::Tone(_) => None,
        });
        let minutes: Vec<_> = minutes.collect();
        assert!(minutes.is_sorted_by(|a, b| a > b), "{minutes:?}");
        told += minutes.len();
    }
    assert!(told >= 4, "{told}");
}

/// Where callers may ask to be called back.
fn offering(offer: &str) -> String {
    let more = format!(", callback: {{ key: \"1\", {offer} }}");
    let out =
        "outbound: { via: [kyivstar], allow: [\"+380*\"], show: { number: \"0800 301 231\" } }";
    PLAN.replace(", max_wait: 30s, MORE", &more)
        .replace("recording:", &format!("{out}\nrecording:"))
}

/// What the offer to be called back says.
fn offer() -> Vec<Phrase> {
    vec![callback_offer(Language::Uk, '1')]
}

#[test]
fn the_offer_to_be_called_back_is_spoken_once_and_cut_off_by_an_answer() {
    let whisper = 70 * 7;
    for (after, spoken) in [
        (19_900, false),
        (20_050, true),
        (20_500, true),
        (40_000, true),
    ] {
        let answers = Manner::Answer {
            after: ms(after),
            talk: ms(5_000),
        };
        let mut hall = Hall::new(&offering("offer_after: 20s"), &[&[answers]], 1, false);
        hall.call(10_000, ODESA, LONG, LONG);
        hall.finish();
        let story = &hall.world.call_stories(hall.carrier)[0];
        let said = if spoken { offer() } else { Vec::new() };
        assert_eq!(story.said, said, "{after}");
        assert_eq!(story.music, 1 + u32::from(spoken), "{after}");
        let when = |kind: &str| {
            let event = hall.world.events().iter().find(|event| event.kind == kind);
            event.unwrap().time.as_millis()
        };
        let delay = when("call.bridged") - when("operator.answered");
        assert!(
            (whisper - 1..=whisper + 1).contains(&delay),
            "{after}: {delay} ms"
        );
    }
}

#[test]
fn the_offer_to_be_called_back_is_spoken_when_the_wait_is_estimated_too_long() {
    let talks = Manner::Answer {
        after: ms(1_000),
        talk: ms(100_000),
    };
    let text = offering("offer_over: 150s");
    let mut hall = Hall::new(&text, &[&[talks; 4]], 1, false);
    // Only who has served a caller can be estimated by.
    hall.call(10_000, ODESA, LONG, LONG);
    for n in 0..3 {
        hall.call(130_000 + n * 1_000, ODESA, Duration::from_secs(900), LONG);
    }
    hall.finish();
    let stories = hall.world.call_stories(hall.carrier);
    let said: Vec<_> = stories.iter().map(|story| story.said.clone()).collect();
    assert_eq!(said[..3], [Vec::new(), Vec::new(), Vec::new()], "{said:?}");
    assert_eq!(said[3], offer());
}
