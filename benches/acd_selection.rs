//! What finding an operator costs in a hall of a thousand operators, each in three of ten queues, with
//! hundreds of callers waiting: CPU time for each input of the distributor.
//!
//! `cargo bench --bench acd_selection`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use strowger::acd::desk::Desk;
use strowger::acd::message::{AcdEffect, AcdInput, Floor, Member, OperatorRules, QueueRules};
use strowger::id::{CallId, OperatorName, QueueName, TicketId, Ulid};
use strowger::rng::Rng;
use strowger::time::{Instant, Now, Wall};
use strowger::words::Strategy;

const OPERATORS: u64 = 1_000;
const QUEUES: u64 = 10;
const CALLERS: u64 = 200_000;
const WAITING: u64 = 300;

struct Hall {
    desk: Desk,
    rng: Rng,
    now: Now,
    effects: VecDeque<AcdEffect>,
    offered: VecDeque<(TicketId, OperatorName)>,
    talking: VecDeque<(TicketId, OperatorName)>,
    inputs: u32,
}

impl Hall {
    fn tell(&mut self, input: AcdInput) {
        self.now.mono = self.now.mono + Duration::from_micros(100);
        self.inputs += 1;
        self.desk.handle(self.now, input, &mut self.effects);
        for effect in self.effects.drain(..) {
            if let AcdEffect::Offer {
                ticket, operator, ..
            } = effect
            {
                self.offered.push_back((ticket, operator));
            }
        }
    }
}

fn main() {
    let floor = floor();
    let mut hall = Hall {
        desk: Desk::new(Rng::new([2; 32])),
        rng: Rng::new([1; 32]),
        now: Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_790_000_000_000),
        },
        effects: VecDeque::new(),
        offered: VecDeque::new(),
        talking: VecDeque::new(),
        inputs: 0,
    };
    let operators = floor.operators.keys().cloned().collect::<Vec<_>>();
    hall.tell(AcdInput::Floor(Box::new(floor)));
    for operator in operators {
        hall.tell(AcdInput::PhoneUp { operator });
    }
    hall.inputs = 0;
    let before = cpu();
    for caller in 0..CALLERS {
        let queue = queue(hall.rng.below(QUEUES));
        let entered = hall.now.mono;
        let call = CallId(Ulid::new(hall.now.wall, &mut hall.rng));
        hall.tell(AcdInput::Join {
            ticket: TicketId(caller),
            call,
            queue,
            entered,
            priority: 0,
            caller: None,
            prefer: None,
        });
        while let Some((ticket, operator)) = hall.offered.pop_front() {
            let words = [
                AcdInput::Answered {
                    operator: operator.clone(),
                    ticket,
                    keep_others: false,
                },
                AcdInput::Bridged {
                    operator: operator.clone(),
                    ticket,
                },
            ];
            words.into_iter().for_each(|word| hall.tell(word));
            hall.talking.push_back((ticket, operator));
        }
        if caller > OPERATORS + WAITING
            && let Some((ticket, operator)) = hall.talking.pop_front()
        {
            hall.tell(AcdInput::Released { operator, ticket });
        }
    }
    let took = cpu() - before;
    let waiting = (0..QUEUES).map(|n| hall.desk.waiting(&queue(n)));
    println!(
        "{} inputs, {} callers waiting: {:.2?} of CPU, {:.2?} an input",
        hall.inputs,
        waiting.sum::<usize>(),
        took,
        took / hall.inputs
    );
}

fn queue(number: u64) -> QueueName {
    QueueName::from(format!("queue{number}").as_str())
}

fn floor() -> Floor {
    let operator = |number: u64| OperatorName::from(format!("operator{number:04}").as_str());
    let rules = |number: u64| {
        let serves = |n: &u64| [0, 1, 2].contains(&((n + number) % QUEUES));
        let members = (0..OPERATORS).filter(serves);
        QueueRules {
            operators: members
                .map(|n| {
                    let level = u8::try_from(1 + n % 3).unwrap();
                    let order = u32::try_from(n).unwrap();
                    (operator(n), Member { level, order })
                })
                .collect(),
            strategy: Strategy::LongestIdle,
            ring: Duration::from_secs(20),
            wrap_up: Duration::ZERO,
            max_wait: None,
            after_decline: Duration::from_secs(10),
            after_busy: Duration::from_secs(10),
            after_no_answer: Duration::from_secs(5),
            ..QueueRules::default()
        }
    };
    Floor {
        operators: (0..OPERATORS)
            .map(|n| (operator(n), OperatorRules::default()))
            .collect(),
        queues: (0..QUEUES)
            .map(|n| (queue(n), rules(n)))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}
