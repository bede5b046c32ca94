//! The gates, the limits and the drain, message by message in virtual time.

mod watched;

use super::*;
use crate::acd::message::Wanted;
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::diagnose::Severity;
use crate::dialplan::secrets::Secrets;
use crate::engine::output::Record;
use crate::id::{FlowId, OperatorName};
use crate::sim::world::engine_settings;
use crate::sip::flow::{Flow, Transport};
use crate::time::{Duration, Wall};

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
  odesa: { operators: { all: true }, strategy: ring_all, ring: 10s, max_wait: 60s }
operators:
  iryna: { name: Ирина, password: a }
"#;

struct Nothing;

impl Secrets for Nothing {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.10\r\ns=-\r\nc=IN IP4 203.0.113.10\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8\r\n";

/// An engine, and what it did since somebody last looked.
struct Bench {
    engine: Engine,
    now: Now,
    sent: Vec<String>,
    asked: Vec<AskId>,
    events: Vec<&'static str>,
    /// Of them, those that came after the store was last asked.
    unasked: Vec<&'static str>,
    alarms: Vec<String>,
}

impl Bench {
    fn new(change: impl FnOnce(&mut EngineSettings)) -> Self {
        let sources = [Source {
            name: "plan.yaml",
            text: PLAN,
        }];
        let options = Options {
            unset: Severity::Error,
            whole: true,
        };
        let plan = compile(&sources, &Nothing, options).plan.unwrap();
        let mut settings = engine_settings(Arc::new(plan));
        change(&mut settings);
        let now = Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_791_183_600_000),
        };
        let mut bench = Self {
            engine: Engine::new(settings, [1; 32], now),
            now,
            sent: Vec::new(),
            asked: Vec::new(),
            events: Vec::new(),
            unasked: Vec::new(),
            alarms: Vec::new(),
        };
        bench.after(10_000);
        // Somebody has to be at work, or nobody would wait.
        let operator = OperatorName::from("iryna");
        let state = Wanted::Paused("coffee".to_owned());
        for input in [
            AcdInput::PhoneUp {
                operator: operator.clone(),
            },
            AcdInput::SetState { operator, state },
        ] {
            bench.engine.desk_input(bench.now, input);
            bench.engine.settle(bench.now);
        }
        bench.look();
        bench.events.clear();
        bench
    }

    /// Time passes; everything due on the way happens.
    fn after(&mut self, millis: u64) {
        let end = self.now.mono + Duration::from_millis(millis);
        while let Some(wakeup) = self.engine.poll_timeout().filter(|it| it.at <= end) {
            self.reach(wakeup.at);
            self.tell(Input::Timeout);
        }
        self.reach(end);
    }

    fn reach(&mut self, at: Instant) {
        self.now.wall = self.now.wall + at.since(self.now.mono);
        self.now.mono = self.now.mono.max(at);
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle_input(self.now, input);
        self.look();
    }

    fn look(&mut self) {
        let mut opened = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    self.sent.push(String::from_utf8_lossy(&bytes).into_owned());
                }
                Output::Media(MediaCommand::Open { leg, .. }) => opened.push(leg),
                Output::Ask { id, question } => {
                    self.asked.push(id);
                    if matches!(question, Question::Committed) {
                        self.unasked.clear();
                    }
                }
                Output::Record(Record::Event(event)) => {
                    self.events.push(event.kind);
                    self.unasked.push(event.kind);
                }
                Output::Log(line) if line.level <= Level::Warn => self.alarms.push(line.text),
                Output::Media(_)
                | Output::Record(_)
                | Output::Log(_)
                | Output::Leg { .. }
                | Output::Reply { .. }
                | Output::Observe(_) => {}
            }
        }
        for leg in opened {
            self.tell(Input::Media(MediaEvent::Opened { leg, port: 4_000 }));
        }
    }

    fn hear(&mut self, message: &str) {
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: "203.0.113.10:5060".parse().unwrap(),
        };
        let bytes = message.as_bytes();
        self.tell(Input::Sip { flow, bytes });
    }

    fn request(&mut self, method: &str, cseq: u32, call: u32, to_tag: &str, body: &str) {
        let content = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        self.hear(&format!(
            "{method} sip:0800301231@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK{call}-{cseq}-{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:380671112233@203.0.113.10>;tag=f{call}\r\n\
             To: <sip:0800301231@192.0.2.1>{to_tag}\r\nCall-ID: call{call}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:carrier@203.0.113.10:5060>\r\n\
             {content}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    fn invite(&mut self, call: u32) {
        self.request("INVITE", 1, call, "", SDP);
    }

    /// The final response to the INVITE of a call, if one was sent.
    fn last(&self, call: u32, cseq: &str) -> Option<&str> {
        let wanted = format!("Call-ID: call{call}\r\n");
        let cseq = format!("CSeq: {cseq}\r\n");
        let mut sent = self.sent.iter().rev().map(String::as_str);
        sent.find(|it| it.contains(&wanted) && it.contains(&cseq) && !it.starts_with("SIP/2.0 1"))
    }

    fn to_tag(&self, call: u32) -> String {
        let answer = self.last(call, "1 INVITE").unwrap();
        let to = answer
            .lines()
            .find(|line| line.starts_with("To: "))
            .unwrap();
        to.split_once(">").unwrap().1.to_owned()
    }

    fn commit(&mut self) {
        for id in std::mem::take(&mut self.asked) {
            self.tell(Input::Answer {
                id,
                answer: Answer::Committed,
            });
        }
    }
}

fn status(response: Option<&str>) -> Option<&str> {
    response?.split(' ').nth(1)
}

#[test]
fn the_first_response_leaves_after_150_ms_whatever_the_store_does() {
    let mut bench = Bench::new(|_| {});
    bench.invite(1);
    assert!(bench.sent[0].starts_with("SIP/2.0 100 "));
    bench.after(149);
    assert_eq!(bench.last(1, "1 INVITE"), None);
    assert_eq!(bench.alarms, Vec::<String>::new());
    bench.after(1);
    assert_eq!(status(bench.last(1, "1 INVITE")), Some("200"));
    assert!(bench.alarms[0].contains("the store is slow"));
}

#[test]
fn a_store_that_answers_lets_it_go_at_once() {
    let mut bench = Bench::new(|_| {});
    bench.invite(1);
    bench.commit();
    assert_eq!(status(bench.last(1, "1 INVITE")), Some("200"));
    bench.after(1_000);
    assert_eq!(bench.alarms, Vec::<String>::new());
}

#[test]
fn the_last_message_leaves_after_500_ms_whatever_the_store_does() {
    let mut bench = Bench::new(|_| {});
    bench.invite(1);
    bench.commit();
    let tag = bench.to_tag(1);
    bench.request("ACK", 1, 1, &tag, "");
    bench.after(10_000);
    bench.request("BYE", 2, 1, &tag, "");
    assert!(bench.events.contains(&"call.ended"));
    bench.after(499);
    assert_eq!(bench.last(1, "2 BYE"), None);
    assert_eq!(bench.alarms, Vec::<String>::new());
    bench.after(1);
    assert_eq!(status(bench.last(1, "2 BYE")), Some("200"));
    assert!(bench.alarms[0].contains("the store is slow"));
    bench.after(60_000);
    let view = bench.engine.view();
    assert_eq!((view.calls_kept, view.legs, view.tickets), (0, 0, 0));
    assert_eq!(view.live, crate::sip::endpoint::Live::default());
    assert!(!bench.events.contains(&"callback.overdue"));
    bench.after(900_000);
    assert_eq!(bench.events.last(), Some(&"callback.overdue"));
    assert!(bench.engine.timers.is_empty(), "a timer is left");
}

/// A call has just ended: its end and its callback are in the store's hands, the question whether they
/// are on the disk behind them, and the message that ends the caller's leg has not been sent.
fn ends_on_the_disk_first(bench: &mut Bench, callback: bool, sent: impl Fn(&Bench) -> bool) {
    assert!(bench.events.contains(&"call.ended"), "{:?}", bench.events);
    assert_eq!(bench.events.contains(&"callback.opened"), callback);
    let late = |it: &&'static str| ["call.ended", "callback.opened"].contains(it);
    assert!(!bench.unasked.iter().any(late));
    assert!(!sent(bench), "it left before the answer");
    bench.commit();
    assert!(sent(bench), "it left with the answer");
    assert_eq!(bench.alarms, Vec::<String>::new());
}

/// A caller who waits in the queue, answered.
fn waiting() -> (Bench, String) {
    let mut bench = Bench::new(|_| {});
    bench.invite(1);
    bench.commit();
    let tag = bench.to_tag(1);
    bench.request("ACK", 1, 1, &tag, "");
    bench.commit();
    bench.after(10_000);
    bench.commit();
    (bench, tag)
}

#[test]
fn the_200_to_a_callers_bye_leaves_after_outcome_and_callback_are_on_disk() {
    let (mut bench, tag) = waiting();
    bench.request("BYE", 2, 1, &tag, "");
    ends_on_the_disk_first(&mut bench, true, |bench| {
        status(bench.last(1, "2 BYE")) == Some("200")
    });
}

#[test]
fn our_bye_leaves_after_outcome_and_callback_are_on_disk() {
    let says_bye = |bench: &Bench| bench.sent.iter().any(|it| it.starts_with("BYE "));
    let (mut bench, _) = waiting();
    for _ in 0..600 {
        if bench.events.contains(&"call.ended") {
            break;
        }
        bench.after(100);
    }
    ends_on_the_disk_first(&mut bench, true, says_bye);
    // Stopping is no exception.
    let (mut bench, _) = waiting();
    bench.tell(Input::HangUpAll);
    ends_on_the_disk_first(&mut bench, true, says_bye);
}

#[test]
fn a_final_response_to_the_caller_leaves_after_outcome_and_callback_are_on_disk() {
    let answers = |wanted: &'static str| {
        move |bench: &Bench| status(bench.last(1, "1 INVITE")) == Some(wanted)
    };
    let mut bench = Bench::new(|_| {});
    bench.invite(1);
    bench.hear(
        "CANCEL sip:0800301231@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK1-1-INVITE\r\n\
         Max-Forwards: 70\r\nFrom: <sip:380671112233@203.0.113.10>;tag=f1\r\n\
         To: <sip:0800301231@192.0.2.1>\r\nCall-ID: call1\r\nCSeq: 1 CANCEL\r\n\
         Content-Length: 0\r\n\r\n",
    );
    assert_eq!(status(bench.last(1, "1 CANCEL")), Some("200"));
    // So soon that nobody is called back.
    ends_on_the_disk_first(&mut bench, false, answers("487"));

    let mut bench = Bench::new(|_| {});
    let unheard_of = SDP.replace("RTP/AVP 8", "RTP/AVP 97") + "a=rtpmap:97 nothing/8000\r\n";
    bench.request("INVITE", 1, 1, "", &unheard_of);
    bench.commit();
    ends_on_the_disk_first(&mut bench, true, answers("488"));
}

#[test]
fn a_clock_that_is_set_makes_no_callback_overdue_and_none_late() {
    const HOUR: i64 = 3_600_000;
    let (mut bench, tag) = waiting();
    bench.request("BYE", 2, 1, &tag, "");
    bench.commit();
    let overdue = |bench: &Bench| {
        let told = bench.events.iter().filter(|it| **it == "callback.overdue");
        told.count()
    };
    // Fourteen of the fifteen minutes, over steps of an hour and of a day, both ways.
    for millis in [HOUR, -HOUR, 24 * HOUR, -25 * HOUR, 60_000, 0, 0] {
        bench.now.wall = bench.now.wall.moved(millis);
        bench.after(120_000);
        assert_eq!(overdue(&bench), 0, "{millis}");
    }
    bench.after(62_000);
    assert_eq!(overdue(&bench), 1);
    let said = bench.alarms.iter().filter(|it| it.contains("the clock"));
    assert_eq!(said.count(), 5);
}

#[test]
fn one_call_over_the_limit_is_refused_offered_and_missed() {
    let mut bench = Bench::new(|settings| settings.calls = 1);
    bench.invite(1);
    bench.commit();
    bench.events.clear();
    bench.invite(2);
    let refusal = bench.last(2, "1 INVITE");
    assert_eq!(status(refusal), Some("503"));
    assert!(refusal.unwrap().contains("Retry-After: "));
    assert_eq!(
        bench.events,
        ["call.started", "callback.opened", "call.ended"]
    );
    assert_eq!(bench.engine.view().offered, 2);
    assert_eq!(bench.engine.view().calls_active, 1);
    // The first one ends. Both of them are still being closed, and neither keeps the next one out.
    let tag = bench.to_tag(1);
    bench.request("ACK", 1, 1, &tag, "");
    bench.request("BYE", 2, 1, &tag, "");
    bench.commit();
    bench.after(100);
    assert_eq!(bench.engine.view().calls_kept, 2);
    bench.invite(3);
    bench.commit();
    assert_eq!(status(bench.last(3, "1 INVITE")), Some("200"));
}

#[test]
fn more_new_calls_a_second_than_allowed_are_refused() {
    let mut bench = Bench::new(|settings| settings.calls_per_second = 2);
    for call in 0..10 {
        bench.invite(call);
    }
    bench.commit();
    let count = |bench: &Bench, wanted| {
        let calls = (0..10).map(|call| status(bench.last(call, "1 INVITE")));
        calls.filter(|it| *it == Some(wanted)).count()
    };
    assert_eq!((count(&bench, "200"), count(&bench, "503")), (3, 7));
    bench.after(1_000);
    bench.invite(10);
    bench.commit();
    assert_eq!(status(bench.last(10, "1 INVITE")), Some("200"));
    assert_eq!(bench.engine.view().offered, 11);
}

#[test]
fn a_flood_of_refused_calls_is_counted_in_one_row_after_their_503() {
    let mut bench = Bench::new(|settings| settings.calls_per_second = 1);
    for call in 0..60 {
        bench.invite(call);
    }
    let refused = (0..60).filter(|call| status(bench.last(*call, "1 INVITE")) == Some("503"));
    assert_eq!(refused.count(), 58);
    let told = |bench: &Bench, kind| bench.events.iter().filter(|it| **it == kind).count();
    let single = usize::try_from(limits::REFUSALS_TOLD).unwrap();
    assert_eq!(told(&bench, "call.ended"), single);
    assert_eq!(told(&bench, "call.refused"), 0, "the answers come first");
    bench.after(1_000);
    assert_eq!(told(&bench, "call.refused"), 1);
    let sum: u64 = bench.engine.outcomes.by_outcome().map(|it| it.1).sum();
    assert_eq!((bench.engine.view().offered, sum), (60, 58));
    // Nothing is left for the next second, and what is counted before the end is told at the end.
    bench.after(1_000);
    assert_eq!(told(&bench, "call.refused"), 1);
    for call in 100..160 {
        bench.invite(call);
    }
    bench.tell(Input::HangUpAll);
    assert_eq!(told(&bench, "call.refused"), 2);
}

#[test]
fn a_drain_counts_new_calls_and_makes_none() {
    let mut bench = Bench::new(|_| {});
    bench.tell(Input::Drain);
    bench.invite(1);
    let refusal = bench.last(1, "1 INVITE");
    assert_eq!(status(refusal), Some("503"));
    assert!(refusal.unwrap().contains("Retry-After: "));
    assert_eq!(bench.events, Vec::<&str>::new());
    let view = bench.engine.view();
    assert_eq!((view.turned_away, view.offered, view.calls_kept), (1, 0, 0));
}
