//! F11: a webhook that is dead for an hour while ten calls a second come, in virtual time. What is
//! committed waits in a list that stands for the store; the lanes see no more of it than their window.

use std::collections::{BTreeMap, BinaryHeap};

use super::*;

/// Events of one call.
const EACH: u64 = 12;
const CALLS_A_SECOND: u64 = 10;
/// What a request takes.
const REQUEST: Duration = Duration::from_millis(50);

/// How long it is dead: the hour is whole in the long form of the fault tests.
fn outage() -> Duration {
    let full = std::env::var("STROWGER_FAULTS").is_ok_and(|it| it == "full");
    Duration::from_secs(if full { 3_600 } else { 360 })
}

fn at(duration: Duration) -> Instant {
    Instant::START + duration
}

/// The event of a place: `EACH` in a row are of ten calls that go on at once, turn by turn.
fn nth(seq: u64) -> StoredEvent {
    let (block, within) = ((seq - 1) / (EACH * 10), (seq - 1) % 10);
    event(seq, &format!("call-{}", block * 10 + within))
}

struct Hour {
    lanes: Lanes,
    committed: u64,
    /// Requests under way, by when they are answered.
    answers: BinaryHeap<std::cmp::Reverse<(Instant, u64)>>,
    last: BTreeMap<String, u64>,
    taken: u64,
    requests_of_the_outage: u64,
    largest: usize,
}

impl Hour {
    fn step(&mut self, now: Instant, dead_until: Instant) -> Option<Instant> {
        while self.lanes.room() > 0 && self.lanes.top() < self.committed {
            let next = self.lanes.top() + 1;
            self.lanes.push(nth(next));
        }
        while let Some(std::cmp::Reverse((due, seq))) = self.answers.peek().copied() {
            if due > now {
                break;
            }
            self.answers.pop();
            if now < dead_until {
                self.lanes.fail(seq, now, "connection refused".into());
            } else {
                let call = nth(seq).subject.unwrap();
                let before = self.last.insert(call, seq);
                assert!(
                    before.is_none_or(|before| before < seq),
                    "the order of a call"
                );
                self.taken += 1;
                self.lanes.acknowledge(seq, now);
            }
        }
        loop {
            match self.lanes.next(now) {
                Step::Send(batch) => {
                    self.requests_of_the_outage += u64::from(now < dead_until);
                    for event in batch {
                        self.answers
                            .push(std::cmp::Reverse((now + REQUEST, event.seq)));
                    }
                    self.largest = self.largest.max(self.answers.len());
                }
                Step::Wait(at) => return Some(at),
                Step::Idle => return None,
            }
        }
    }
}

#[test]
fn an_hour_of_a_dead_webhook_loses_nothing_keeps_the_order_and_is_made_up_for_in_ten_minutes() {
    let mut hour = Hour {
        lanes: Lanes::new(0, SINGLY, Rng::new([3; 32])),
        committed: 0,
        answers: BinaryHeap::new(),
        last: BTreeMap::new(),
        taken: 0,
        requests_of_the_outage: 0,
        largest: 0,
    };
    let outage = outage();
    let dead_until = at(outage);
    let tick = Duration::from_millis(100);
    let mut now = Instant::START;
    let mut next_tick = now;
    let mut backlog = 0;
    let drained = loop {
        if now >= next_tick {
            hour.committed += CALLS_A_SECOND * EACH / 10;
            next_tick = now + tick;
        }
        let wait = hour.step(now, dead_until);
        if now < dead_until {
            backlog = hour.committed - hour.lanes.cursor();
        } else if hour.committed - hour.lanes.cursor() < 64 {
            break now.since(dead_until);
        }
        assert!(now < at(outage * 2), "it never catches up");
        let answered = hour.answers.peek().map(|it| it.0.0);
        now = wait
            .into_iter()
            .chain(answered)
            .filter(|&at| at > now)
            .fold(next_tick, Instant::min);
    };
    let minutes = drained.as_secs() / 60;
    assert!(drained < outage / 6, "{drained:?}");
    let second = CALLS_A_SECOND * EACH;
    assert!(
        backlog + second > outage.as_secs() * second,
        "all of it waited"
    );
    let place = hour.lanes.cursor();
    assert!(
        hour.taken >= place && hour.taken - place <= 64,
        "nothing is lost"
    );
    assert!(
        hour.requests_of_the_outage < 300,
        "{}",
        hour.requests_of_the_outage
    );
    assert!(hour.largest <= limits::SINK_IN_FLIGHT);
    println!(
        "F11 PASS {backlog} events of {} min at {CALLS_A_SECOND} calls/s, 0 lost, order of each call kept, \
         drained in {minutes} min {} s at {} ms a request, {} requests in the outage",
        outage.as_secs() / 60,
        drained.as_secs() % 60,
        REQUEST.as_millis(),
        hour.requests_of_the_outage,
    );
}
