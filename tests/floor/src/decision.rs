//! What one decision costs: a hall of so many operators in fifty queues, twice as many callers waiting,
//! and the moment in which an operator becomes free, or a caller comes to free operators.

use std::collections::{BTreeMap, VecDeque};

use crate::acd::desk::Desk;
use crate::acd::message::{AcdEffect, AcdInput, Floor, Member, OperatorRules, QueueRules};
use crate::id::{CallId, OperatorName, QueueName, TicketId, Ulid};
use crate::rng::Rng;
use crate::time::{Duration, Instant, Now, Wall};
use crate::words::Strategy;

const QUEUES: u64 = 50;
/// The queues of one operator.
const SERVES: u64 = 5;

/// The hall.
pub struct Hall {
    desk: Desk,
    now: Now,
    rng: Rng,
    joined: u64,
    offered: VecDeque<(TicketId, OperatorName)>,
    talking: VecDeque<(TicketId, OperatorName)>,
    said: VecDeque<AcdEffect>,
}

impl Hall {
    /// So many operators, all at work and free.
    pub fn new(operators: u64, strategy: Strategy) -> Self {
        let mut rng = Rng::new([1; 32]);
        let mut hall = Self {
            desk: Desk::new(rng.fork()),
            now: Now {
                mono: Instant::START,
                wall: Wall::from_millis(1_790_000_000_000),
            },
            rng,
            joined: 0,
            offered: VecDeque::new(),
            talking: VecDeque::new(),
            said: VecDeque::new(),
        };
        let floor = floor(operators, strategy);
        let names = floor.operators.keys().cloned().collect::<Vec<_>>();
        hall.tell(AcdInput::Floor(Box::new(floor)));
        for operator in names {
            hall.tell(AcdInput::PhoneUp { operator });
        }
        hall
    }

    /// A caller comes.
    pub fn join(&mut self) -> AcdInput {
        self.joined += 1;
        AcdInput::Join {
            ticket: TicketId(self.joined),
            call: CallId(Ulid::new(self.now.wall, &mut self.rng)),
            queue: queue(self.rng.below(QUEUES)),
            entered: self.now.mono,
            priority: 0,
            caller: None,
            prefer: None,
        }
    }

    /// The talk that began first is over.
    pub fn release(&mut self) -> Option<AcdInput> {
        let (ticket, operator) = self.talking.pop_front()?;
        Some(AcdInput::Released { operator, ticket })
    }

    /// Takes one input: what is measured.
    #[inline(never)]
    pub fn decide(&mut self, input: AcdInput) {
        self.desk.handle(self.now, input, &mut self.said);
    }

    /// One input, and the time that passes until the next one.
    pub fn tell(&mut self, input: AcdInput) {
        self.now.mono = self.now.mono + Duration::from_micros(100);
        self.desk.handle(self.now, input, &mut self.said);
        self.listen();
    }

    /// Notes who was offered to whom, and lets them talk.
    pub fn listen(&mut self) {
        for effect in self.said.drain(..) {
            if let AcdEffect::Offer {
                ticket, operator, ..
            } = effect
            {
                self.offered.push_back((ticket, operator));
            }
        }
        while let Some((ticket, operator)) = self.offered.pop_front() {
            self.now.mono = self.now.mono + Duration::from_micros(100);
            let input = AcdInput::Bridged {
                operator: operator.clone(),
                ticket,
            };
            self.desk.handle(self.now, input, &mut self.said);
            for effect in self.said.drain(..) {
                if let AcdEffect::Left { .. } = effect {
                    self.talking.push_back((ticket, operator.clone()));
                }
            }
        }
    }

    /// Callers come until so many wait.
    pub fn fill(&mut self, waiting: usize) {
        while self.waiting() < waiting {
            let input = self.join();
            self.tell(input);
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.desk.queues().map(|(_, waiting)| waiting).sum()
    }
}

fn queue(number: u64) -> QueueName {
    QueueName::from(format!("queue{number:02}").as_str())
}

fn floor(operators: u64, strategy: Strategy) -> Floor {
    let operator = |number: u64| OperatorName::from(format!("operator{number:04}").as_str());
    let rules = |number: u64| {
        let serves = |n: &u64| (n * 7 + number) % (QUEUES / SERVES) == 0;
        let members = (0..operators).filter(serves).zip(0..);
        let member = |(n, order): (u64, u32)| {
            let level = 1 + u8::try_from(n % 3).unwrap();
            (operator(n), Member { level, order })
        };
        QueueRules {
            operators: members.map(member).collect(),
            strategy,
            ..QueueRules::default()
        }
    };
    let rested = |n| (operator(n), OperatorRules::default());
    Floor {
        operators: (0..operators).map(rested).collect(),
        queues: (0..QUEUES)
            .map(|n| (queue(n), rules(n)))
            .collect::<BTreeMap<_, _>>(),
    }
}
