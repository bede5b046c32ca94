//! A hall as Erlang computed it: callers come at random, operators are held for a random time, and
//! whoever finds nobody free waits in one line. What comes out of the desk must be what the formula
//! says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::acd::desk::Desk;
use crate::acd::message::{AcdEffect, AcdInput, Floor, Member, OperatorRules, QueueRules};
use crate::id::{CallId, OperatorName, QueueName, TicketId, Ulid};
use crate::rng::Rng;
use crate::time::{Duration, Instant, Now, Wall};

/// The hall.
#[derive(Clone, Copy, Debug)]
pub struct Hall {
    pub operators: u32,
    /// The mean time between two callers.
    pub gap: f64,
    /// The mean time from reserved to free.
    pub held: f64,
    /// Whoever is answered within this is counted as answered in time.
    pub threshold: Duration,
}

/// What the callers met with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Waits {
    /// The share of those who waited at all.
    pub waited: f64,
    /// The share of those who were answered in time.
    pub in_time: f64,
    /// The mean wait of all, in seconds.
    pub mean: f64,
}

impl Hall {
    /// What Erlang's formula says (M/M/n with one line, nobody gives up).
    pub fn theory(&self) -> Waits {
        let load = self.held / self.gap;
        let servers = f64::from(self.operators);
        // Erlang B by its recursion, then C from B.
        let blocked = (1..=self.operators).fold(1.0, |blocked, n| {
            load * blocked / (f64::from(n) + load * blocked)
        });
        let waited = blocked / (1.0 - load / servers * (1.0 - blocked));
        let spare = (servers - load) / self.held;
        let late = waited * (-spare * self.threshold.as_secs_f64()).exp();
        Waits {
            waited,
            in_time: 1.0 - late,
            mean: waited / spare,
        }
    }

    /// So many calls through the desk.
    pub fn simulate(&self, calls: u64, seed: u8) -> Waits {
        let mut rng = Rng::new([seed; 32]);
        let mut hall = Running {
            hall: *self,
            desk: Desk::new(rng.fork()),
            rng,
            now: Instant::START,
            entered: VecDeque::new(),
            first: 0,
            releases: BinaryHeap::new(),
            said: VecDeque::new(),
            offered: 0,
            waited: 0,
            in_time: 0,
            total: 0.0,
        };
        hall.open();
        hall.run(calls)
    }
}

struct Running {
    hall: Hall,
    desk: Desk,
    rng: Rng,
    now: Instant,
    /// When each caller came, from the first one who is not served yet.
    entered: VecDeque<Instant>,
    first: u64,
    releases: BinaryHeap<Reverse<(Instant, u64, OperatorName)>>,
    said: VecDeque<AcdEffect>,
    offered: u64,
    waited: u64,
    in_time: u64,
    total: f64,
}

impl Running {
    fn open(&mut self) {
        let names = (0..self.hall.operators).map(|n| format!("operator{n:02}"));
        let names = names.map(|name| OperatorName::from(name.as_str()));
        let names = names.collect::<Vec<_>>();
        let members = names.iter().zip(0..);
        let members = members.map(|(name, order)| (name.clone(), Member { level: 1, order }));
        let rules = QueueRules {
            operators: members.collect(),
            ..QueueRules::default()
        };
        let operators = names
            .iter()
            .map(|name| (name.clone(), OperatorRules::default()));
        let floor = Floor {
            operators: operators.collect(),
            queues: BTreeMap::from([(QueueName::from("all"), rules)]),
        };
        self.tell(AcdInput::Floor(Box::new(floor)));
        for operator in names {
            self.tell(AcdInput::PhoneUp { operator });
        }
    }

    fn run(&mut self, calls: u64) -> Waits {
        let queue = QueueName::from("all");
        let call = CallId(Ulid::new(Wall::default(), &mut self.rng));
        let mut joined = 0;
        let mut next = self.drawn(self.hall.gap);
        while self.offered < calls {
            let free = self.releases.peek().map(|Reverse((at, ..))| *at);
            if joined < calls && free.is_none_or(|free| next <= free) {
                self.now = next;
                next = self.drawn(self.hall.gap);
                self.entered.push_back(self.now);
                joined += 1;
                self.tell(AcdInput::Join {
                    ticket: TicketId(joined),
                    call,
                    queue: queue.clone(),
                    entered: self.now,
                    priority: 0,
                    caller: None,
                    prefer: None,
                });
            } else if let Some(Reverse((at, ticket, operator))) = self.releases.pop() {
                self.now = at;
                let ticket = TicketId(ticket);
                self.tell(AcdInput::Released { operator, ticket });
            }
        }
        let calls = self.offered as f64;
        Waits {
            waited: self.waited as f64 / calls,
            in_time: self.in_time as f64 / calls,
            mean: self.total / calls,
        }
    }

    /// An exponential time from now with this mean.
    fn drawn(&mut self, mean: f64) -> Instant {
        let uniform = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.now + Duration::from_secs_f64(-mean * (1.0 - uniform).ln())
    }

    fn tell(&mut self, input: AcdInput) {
        let now = Now {
            mono: self.now,
            wall: Wall::default(),
        };
        self.desk.handle(now, input, &mut self.said);
        while let Some(effect) = self.said.pop_front() {
            if let AcdEffect::Offer {
                ticket, operator, ..
            } = effect
            {
                self.serve(operator, ticket);
            }
        }
    }

    /// Whoever is offered is answered at once and held from now on.
    fn serve(&mut self, operator: OperatorName, ticket: TicketId) {
        assert_eq!(ticket.0, self.first + 1, "first come, first served");
        self.first = ticket.0;
        let entered = self.entered.pop_front().expect("it came");
        let wait = self.now.since(entered);
        self.offered += 1;
        self.waited += u64::from(wait > Duration::ZERO);
        self.in_time += u64::from(wait <= self.hall.threshold);
        self.total += wait.as_secs_f64();
        let until = self.drawn(self.hall.held);
        self.releases
            .push(Reverse((until, ticket.0, operator.clone())));
        self.tell(AcdInput::Bridged { operator, ticket });
    }
}
