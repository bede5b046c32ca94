//! The lanes against sinks that are down, slow, or refuse one event, in virtual time.

mod hour;

use std::collections::BTreeSet;

use super::*;

fn event(seq: u64, call: &str) -> StoredEvent {
    StoredEvent {
        seq,
        id: format!("event-{seq}"),
        kind: "call.ended".into(),
        subject: Some(call.into()),
        json: "{}".into(),
    }
}

const SINGLY: Pace = Pace {
    in_flight: limits::SINK_IN_FLIGHT,
    batch: 1,
};
const IN_BATCHES: Pace = Pace {
    in_flight: 1,
    batch: limits::SINK_BATCH,
};

/// A sink in virtual time: what it answers is a function of the moment and the event.
struct World {
    lanes: Lanes,
    now: Instant,
    taken: Vec<(u64, String)>,
    tries: Vec<(Instant, u64)>,
    notes: Vec<Note>,
    batches: Vec<usize>,
    /// The sink says that what it does not take is wrong.
    blames: bool,
}

impl World {
    fn new(events: u64, calls: u64) -> Self {
        Self::at_pace(events, calls, SINGLY)
    }

    fn at_pace(events: u64, calls: u64, pace: Pace) -> Self {
        let mut lanes = Lanes::new(0, pace, Rng::new([3; 32]));
        for seq in 1..=events {
            lanes.push(event(seq, &format!("call-{}", seq % calls)));
        }
        Self {
            lanes,
            now: Instant::START,
            taken: Vec::new(),
            tries: Vec::new(),
            notes: Vec::new(),
            batches: Vec::new(),
            blames: false,
        }
    }

    /// Runs until nothing is left to do or `until` has come.
    fn run(&mut self, until: Instant, mut takes: impl FnMut(Instant, &StoredEvent) -> bool) {
        loop {
            let mut under_way = Vec::new();
            let wait = loop {
                match self.lanes.next(self.now) {
                    Step::Send(batch) => under_way.push(batch),
                    Step::Wait(at) => break Some(at),
                    Step::Idle => break None,
                }
            };
            assert!(under_way.len() <= limits::SINK_IN_FLIGHT);
            for batch in &under_way {
                self.batches.push(batch.len());
                self.answer(batch, &mut takes);
            }
            match wait {
                _ if !under_way.is_empty() => {}
                Some(at) if at <= until => self.now = at,
                Some(_) | None => return,
            }
        }
    }

    /// As a carrier answers: what is behind a failure in its lane is not tried.
    fn answer(&mut self, batch: &Batch, takes: &mut impl FnMut(Instant, &StoredEvent) -> bool) {
        let mut blocked = BTreeSet::new();
        for event in batch {
            let call = event.subject.clone().unwrap();
            if blocked.contains(&lane_of(&call)) {
                self.lanes.release(event.seq);
                continue;
            }
            self.tries.push((self.now, event.seq));
            let note = if takes(self.now, event) {
                self.taken.push((event.seq, call));
                self.lanes.acknowledge(event.seq, self.now)
            } else {
                blocked.insert(lane_of(&call));
                let why = "refused".to_owned();
                match self.blames {
                    true => self.lanes.refuse(event.seq, self.now, why),
                    false => self.lanes.fail(event.seq, self.now, why),
                }
            };
            self.notes.extend(note);
        }
    }

    fn assert_in_order_for_each_call(&self) {
        for call in self
            .taken
            .iter()
            .map(|(_, call)| call)
            .collect::<BTreeSet<_>>()
        {
            let of_call: Vec<_> = self
                .taken
                .iter()
                .filter(|(_, other)| other == call)
                .map(|(seq, _)| *seq)
                .collect();
            assert!(of_call.is_sorted(), "{call}: {of_call:?}");
        }
    }
}

fn at(seconds: u64) -> Instant {
    Instant::START + Duration::from_secs(seconds)
}

#[test]
fn a_minute_of_silence_loses_and_reorders_nothing_and_is_told_once() {
    let mut world = World::new(500, 40);
    world.run(at(200), |now, event| now >= at(60) || event.seq < 20);
    assert_eq!(world.taken.len(), 500);
    assert_eq!(world.lanes.cursor(), 500);
    world.assert_in_order_for_each_call();
    assert!(
        matches!(
            world.notes.as_slice(),
            [Note::Degraded { .. }, Note::Recovered { lasted }] if *lasted >= Duration::from_secs(55)
        ),
        "{:?}",
        world.notes
    );
    let probes = world
        .tries
        .iter()
        .filter(|(now, _)| *now > at(1) && *now < at(60));
    assert!(probes.count() < 30, "a dead sink is only probed");
}

#[test]
fn a_success_ends_the_waiting() {
    let mut world = World::new(100, 100);
    world.run(at(30), |_, _| false);
    assert!(world.taken.is_empty());
    let begin = world.now;
    world.run(at(600), |_, _| true);
    assert_eq!(world.taken.len(), 100);
    assert!(
        world.now.since(begin) <= Duration::from_secs(10),
        "{:?}",
        world.now
    );
}

#[test]
fn after_five_minutes_there_is_one_probe_in_thirty_seconds() {
    let mut world = World::new(50, 50);
    world.run(at(900), |_, _| false);
    let late = world.tries.iter().filter(|(now, _)| *now > at(320)).count();
    assert!((15..=20).contains(&late), "{late}");
    assert_eq!(world.lanes.cursor(), 0);
    assert!(
        !world
            .notes
            .iter()
            .any(|note| matches!(note, Note::Dead { .. }))
    );
}

#[test]
fn a_poison_event_blocks_its_lane_alone_until_it_is_a_dead_letter() {
    let mut world = World::new(300, 100);
    let mut next = 301;
    // Other calls go on, one event a second; call 7's first event is poison.
    for second in 0..400 {
        world.now = world.now.max(at(second));
        world
            .lanes
            .push(event(next, &format!("call-{}", 1_000 + second)));
        next += 1;
        world.run(at(second), |_, event| event.seq != 7);
    }
    assert_eq!(
        world
            .notes
            .iter()
            .filter(|note| matches!(note, Note::Dead { seq: 7, .. }))
            .count(),
        1
    );
    assert_eq!(world.taken.len(), usize::try_from(next).unwrap() - 2);
    world.assert_in_order_for_each_call();
    assert_eq!(world.lanes.cursor(), next - 1);
}

#[test]
fn a_poison_event_in_every_call_holds_up_no_other_call() {
    let mut world = World::new(600, 60);
    world.blames = true;
    // The second event of each call is wrong, and the sink says so.
    let wrong = |seq: u64| (61..=120).contains(&seq);
    world.run(at(300), |_, event| !wrong(event.seq));
    let dead = |note: &&Note| matches!(note, Note::Dead { seq, .. } if wrong(*seq));
    assert_eq!(world.notes.iter().filter(dead).count(), 60);
    assert_eq!(world.notes.len(), 60, "the sink was never down");
    assert_eq!(world.taken.len(), 540);
    world.assert_in_order_for_each_call();
    assert!(world.now < at(90), "{:?}", world.now);
}

#[test]
fn a_sink_that_calls_everything_wrong_loses_nothing() {
    let mut world = World::new(100, 20);
    world.blames = true;
    world.run(at(86_400), |now, _| now >= at(86_000));
    assert_eq!(world.taken.len(), 100);
    let dead = |note: &Note| matches!(note, Note::Dead { .. });
    assert!(!world.notes.iter().any(dead));
}

#[test]
fn while_nothing_is_taken_nothing_is_given_up() {
    let mut world = World::new(20, 20);
    world.run(at(86_400), |_, _| false);
    assert_eq!(world.lanes.cursor(), 0);
    assert!(
        !world
            .notes
            .iter()
            .any(|note| matches!(note, Note::Dead { .. }))
    );
    world.run(at(90_000), |_, _| true);
    assert_eq!(world.lanes.cursor(), 20);
}

#[test]
fn the_cursor_is_under_the_lowest_unacknowledged_event() {
    let mut lanes = Lanes::new(10, SINGLY, Rng::new([1; 32]));
    assert_ne!(lane_of("call-1"), lane_of("call-2"));
    lanes.push(event(11, "call-1"));
    lanes.skip(12);
    lanes.push(event(13, "call-2"));
    assert_eq!(lanes.cursor(), 10);
    while let Step::Send(_) = lanes.next(Instant::START) {}
    lanes.acknowledge(13, Instant::START);
    assert_eq!(lanes.cursor(), 10);
    lanes.acknowledge(11, Instant::START);
    assert_eq!(lanes.cursor(), 13);
    lanes.skip(14);
    assert_eq!(lanes.cursor(), 14);
}

#[test]
fn a_sink_that_takes_batches_gets_the_oldest_in_the_order_of_the_sequence() {
    let mut world = World::at_pace(500, 3, IN_BATCHES);
    world.run(at(1), |_, _| true);
    assert_eq!(world.batches, [128, 128, 128, 116]);
    let places: Vec<_> = world.taken.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(places, (1..=500).collect::<Vec<_>>());
    assert_eq!(world.lanes.cursor(), 500);
}

#[test]
fn an_outage_of_a_sink_that_takes_batches_is_probed_by_single_events_and_loses_nothing() {
    let mut world = World::at_pace(900, 40, IN_BATCHES);
    world.run(at(200), |now, _| now >= at(60));
    assert_eq!(world.taken.len(), 900);
    world.assert_in_order_for_each_call();
    let tried: Vec<_> = world.batches.iter().skip(1).take(5).collect();
    assert_eq!(
        tried, [&1; 5],
        "after the first failure one event is tried at a time"
    );
    assert!(
        matches!(
            world.notes.as_slice(),
            [Note::Degraded { .. }, Note::Recovered { .. }]
        ),
        "{:?}",
        world.notes
    );
}

#[test]
fn a_poison_event_in_a_batch_takes_its_lane_alone_with_it() {
    let mut world = World::at_pace(600, 60, IN_BATCHES);
    world.run(at(1), |_, event| event.seq != 7);
    let poisoned = lane_of("call-7");
    let in_lane = |seq: u64| lane_of(&format!("call-{}", seq % 60)) == poisoned;
    let overtook = |(seq, _): &(u64, String)| *seq > 7 && in_lane(*seq);
    assert!(!world.taken.iter().any(overtook));
    let held = (7..=600).filter(|&seq| in_lane(seq)).count();
    assert_eq!(world.taken.len(), 600 - held);
    // Others go on, so it gets its strikes, and the lane goes on without it.
    let mut next = 601;
    for second in 1..400 {
        world.now = world.now.max(at(second));
        world
            .lanes
            .push(event(next, &format!("call-{second}-later")));
        next += 1;
        world.run(at(second), |_, event| event.seq != 7);
    }
    let dead = |note: &&Note| matches!(note, Note::Dead { seq: 7, .. });
    assert_eq!(world.notes.iter().filter(dead).count(), 1);
    assert_eq!(world.taken.len(), usize::try_from(next).unwrap() - 2);
    world.assert_in_order_for_each_call();
    assert_eq!(world.lanes.cursor(), next - 1);
}

#[test]
fn what_was_not_tried_goes_back_and_is_sent_again() {
    let mut lanes = Lanes::new(0, IN_BATCHES, Rng::new([1; 32]));
    for seq in 1..=3 {
        lanes.push(event(seq, "a"));
    }
    let Step::Send(batch) = lanes.next(Instant::START) else {
        panic!("a batch");
    };
    assert_eq!(batch.len(), 3);
    assert_eq!(
        lanes.next(Instant::START),
        Step::Idle,
        "one batch at a time"
    );
    lanes.acknowledge(1, Instant::START);
    lanes.release(2);
    let Step::Send(again) = lanes.next(Instant::START) else {
        panic!("the rest");
    };
    let places: Vec<_> = again.iter().map(|event| event.seq).collect();
    assert_eq!(places, [2, 3]);
}
