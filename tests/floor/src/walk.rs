//! A random day for the distributor and its reference: the same inputs to both, in an order in which
//! words cross each other, and a comparison after every input and every timer. The plan stays as it is:
//! what a reload changes is told in the desk's own tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::acd::desk::Desk;
use crate::acd::message::{
    AcdEffect, AcdInput, Floor, Member, Need, OperatorRules, Prefer, QueueRules, Wanted, Widen,
};
use crate::id::{CallId, OperatorName, QueueName, Ulid};
use crate::rng::Rng;
use crate::time::{Duration, Instant, Now, Wall};
use crate::words::{LeftReason, MissReason, Strategy};

use crate::reference::{Hints, Reference, Word, ticket};

/// The day begins so late that everything that was before it lies after the start of time.
const MORNING: Instant = Instant::from_nanos(3_600_000_000_000);

/// What is going to be said, if nothing changes until then.
#[derive(Clone, Debug)]
enum Plan {
    Arrive,
    Trouble,
    Say(AcdInput),
}

/// One day.
pub struct Walk {
    seed: u64,
    rng: Rng,
    desk: Desk,
    reference: Reference,
    now: Instant,
    plans: BTreeMap<(Instant, u64), Plan>,
    planned: u64,
    operators: Vec<OperatorName>,
    queues: Vec<QueueName>,
    calls: u64,
    arrivals: u64,
    errands: u64,
    gap: u64,
    steps: u64,
    idle: u32,
    said: VecDeque<AcdEffect>,
    last: VecDeque<(Instant, Option<AcdInput>)>,
    /// What was said of callers, by the kind of word.
    pub tally: BTreeMap<String, u64>,
}

fn secs(rng: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_nanos(least * 1_000_000_000 + rng.below((most - least) * 1_000_000_000 + 1))
}

/// One time of a few, so that things happen in the same instant too.
fn round(rng: &mut Rng, most: u64) -> Duration {
    Duration::from_millis(500 * rng.below(2 * most + 1))
}

impl Walk {
    pub fn new(seed: u64, arrivals: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::new(bytes);
        let operators = (0..8 + rng.below(24)).map(|n| format!("op{n:02}"));
        let operators = operators.map(|name| name.as_str().into()).collect();
        let queues = (0..2 + rng.below(4)).map(|n| format!("q{n}"));
        let queues = queues.map(|name| name.as_str().into()).collect();
        let mut walk = Self {
            seed,
            gap: 0,
            desk: Desk::new(rng.fork()),
            rng,
            reference: Reference::default(),
            now: MORNING,
            plans: BTreeMap::new(),
            planned: 0,
            operators,
            queues,
            calls: 0,
            arrivals,
            errands: 1 << 32,
            steps: 0,
            idle: 0,
            said: VecDeque::new(),
            last: VecDeque::new(),
            tally: BTreeMap::new(),
        };
        // From a quiet day to one on which far too many call.
        walk.gap = 60_000 * (60 + walk.rng.below(150)) / 100 / walk.operators.len() as u64;
        walk
    }

    /// The whole day; says how many steps it took.
    pub fn run(&mut self) -> u64 {
        let floor = self.floor();
        self.tell(AcdInput::Floor(Box::new(floor)));
        for operator in self.operators.clone() {
            if self.rng.chance(900) {
                self.tell(AcdInput::PhoneUp { operator });
            }
        }
        self.plan(Duration::ZERO, Plan::Arrive);
        self.plan(Duration::from_secs(5), Plan::Trouble);
        while let Some(((at, _), plan)) = self.plans.pop_first() {
            self.pass(at);
            match plan {
                Plan::Arrive => self.arrive(),
                Plan::Trouble if self.arrivals == 0 => {}
                Plan::Trouble => {
                    self.trouble();
                    let next = secs(&mut self.rng, 0, 12);
                    self.plan(next, Plan::Trouble);
                }
                Plan::Say(input) => self.tell(input),
            }
        }
        // Nobody comes any more, and nobody answers.
        self.pass(self.now + Duration::from_secs(120));
        self.steps
    }

    fn plan(&mut self, after: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((self.now + after, self.planned), plan);
    }

    fn say(&mut self, after: Duration, input: AcdInput) {
        self.plan(after, Plan::Say(input));
    }

    fn due(&self) -> Option<Instant> {
        let desk = self.desk.poll_timeout().map(|wakeup| wakeup.at);
        [desk, self.reference.due()].into_iter().flatten().min()
    }

    fn clock(&self) -> Now {
        Now {
            mono: self.now,
            wall: Wall::from_millis(1_790_000_000_000) + self.now.since(Instant::START),
        }
    }

    /// Everything that is due until then happens.
    fn pass(&mut self, end: Instant) {
        while let Some(at) = self.due().filter(|at| *at <= end) {
            self.idle = if at > self.now { 0 } else { self.idle + 1 };
            let why = (self.desk.poll_timeout(), self.reference.due());
            assert!(
                self.idle < 100,
                "seed {}: time stands still, {why:?}",
                self.seed
            );
            self.now = self.now.max(at);
            self.said.clear();
            self.desk.handle_timeout(self.clock(), &mut self.said);
            let mut hints = self.hints();
            let words = self.reference.timeout(self.now, &mut hints);
            self.compare(None, words);
        }
        self.now = self.now.max(end);
    }

    fn tell(&mut self, input: AcdInput) {
        self.said.clear();
        self.desk
            .handle(self.clock(), input.clone(), &mut self.said);
        let mut hints = self.hints();
        let words = self.reference.handle(self.now, &input, &mut hints);
        self.compare(Some(input.clone()), words);
        if let AcdInput::Answered {
            operator, ticket, ..
        } = input
        {
            self.talk(operator, ticket.0);
        }
    }

    fn hints(&self) -> Hints {
        let mut hints = Hints::default();
        for effect in &self.said {
            if let AcdEffect::Offer {
                ticket, operator, ..
            } = effect
            {
                hints.offers.push((ticket.0, operator.clone()));
            }
            if let AcdEffect::Joined { wait, .. } = effect {
                hints.estimate = *wait;
            }
        }
        hints
    }

    /// Both said the same, and see the same floor.
    fn compare(&mut self, input: Option<AcdInput>, mut expected: Vec<Word>) {
        self.steps += 1;
        if self.last.len() > 500 {
            self.last.pop_front();
        }
        self.last.push_back((self.now, input));
        let mut words = self.said.iter().filter_map(word).collect::<Vec<_>>();
        let spoken = words.clone();
        words.sort();
        expected.sort();
        if words != expected || self.differs().is_some() {
            self.disagree(&words, &expected);
        }
        for word in spoken {
            self.react(&word);
        }
    }

    /// Where the two see different floors.
    fn differs(&self) -> Option<String> {
        for person in &self.reference.people {
            let state = self.desk.state(&person.name);
            if state != Some(person.state()) {
                let desk = self.desk.operator(&person.name);
                return Some(format!("{state:?} is not so for {person:?} and {desk:?}"));
            }
        }
        let mut places = self.desk.tickets().filter(|it| it.2.is_some());
        let line = self.reference.callers.iter();
        let mut line = line.map(|it| (it.ticket, &it.queue)).collect::<Vec<_>>();
        line.sort_unstable();
        for (number, queue) in line {
            let place = places.next();
            if place.map(|(id, _, queue)| (id.0, queue)) != Some((number, Some(queue))) {
                return Some(format!("{number} stands in {queue}, not in {place:?}"));
            }
        }
        places.next().map(|more| format!("{more:?} is not in line"))
    }

    fn disagree(&self, words: &[Word], expected: &[Word]) -> ! {
        let desk = words.iter().filter(|it| !expected.contains(it));
        let desk = desk.map(|word| ("only the desk", word));
        let reference = expected.iter().filter(|it| !words.contains(it));
        let reference = reference.map(|word| ("only the reference", word));
        let mut views = self.differs().unwrap_or_default();
        let mut names = BTreeSet::new();
        for (who, word) in desk.chain(reference) {
            views.push_str(&format!("\n{who}: {word:?}"));
            names.insert(format!("TicketId({})", word.ticket()));
            if let Some(caller) = self.reference.caller(word.ticket()) {
                let rules = &self.reference.queues[&caller.queue];
                views.push_str(&format!("\n{caller:?}\n{rules:?}"));
            }
        }
        let people = self.reference.people.iter();
        let differ = people.filter(|it| self.desk.state(&it.name) != Some(it.state()));
        names.extend(differ.map(|it| format!("{:?}", it.name)));
        // The last inputs, and before them those that speak of who is in question.
        let mut text = String::new();
        for (number, (at, input)) in self.last.iter().enumerate() {
            let line = input.as_ref().map(|input| format!("{input:?}"));
            let line = line.unwrap_or_else(|| "a timer".to_owned());
            if number + 20 > self.last.len() || names.iter().any(|it| line.contains(it)) {
                text.push_str(&format!("{at:?} {line}\n"));
            }
        }
        panic!(
            "seed {} step {}: the desk and its reference disagree\n{text}{views}",
            self.seed, self.steps
        );
    }
}

fn word(effect: &AcdEffect) -> Option<Word> {
    match effect {
        AcdEffect::Joined {
            ticket,
            queue,
            position,
            stays,
            ..
        } => Some(Word::Joined {
            ticket: ticket.0,
            queue: queue.clone(),
            position: *position,
            stays: *stays,
        }),
        AcdEffect::Offer {
            ticket,
            operator,
            ring,
            ..
        } => Some(Word::Offer {
            ticket: ticket.0,
            operator: operator.clone(),
            ring: *ring,
        }),
        AcdEffect::Withdraw {
            ticket,
            operator,
            reason,
            ..
        } => Some(Word::Withdraw {
            ticket: ticket.0,
            operator: operator.clone(),
            reason: *reason,
        }),
        AcdEffect::Left {
            ticket,
            queue,
            reason,
            wait,
            ..
        } => Some(Word::Left {
            ticket: ticket.0,
            queue: queue.clone(),
            reason: *reason,
            wait: *wait,
        }),
        AcdEffect::Breached { ticket, queue, .. } => Some(Word::Breached {
            ticket: ticket.0,
            queue: queue.clone(),
        }),
        AcdEffect::Wished { .. } | AcdEffect::State { .. } => None,
    }
}

/// People.
impl Walk {
    fn any_operator(&mut self) -> OperatorName {
        let index = self.rng.below(self.operators.len() as u64);
        self.operators[usize::try_from(index).unwrap()].clone()
    }

    fn any_queue(&mut self) -> QueueName {
        let index = self.rng.below(self.queues.len() as u64);
        self.queues[usize::try_from(index).unwrap()].clone()
    }

    /// Somebody who waits; now and then somebody who is gone.
    fn any_ticket(&mut self) -> u64 {
        let waiting = &self.reference.callers;
        if waiting.is_empty() || self.rng.chance(50) {
            return self.rng.below(self.calls + 1);
        }
        let index = self.rng.below(waiting.len() as u64);
        waiting[usize::try_from(index).unwrap()].ticket
    }

    fn arrive(&mut self) {
        self.calls += 1;
        let queue = self.any_queue();
        let call = CallId(Ulid::new(self.clock().wall, &mut self.rng));
        let number = format!("+38067{:07}", self.rng.below(self.calls / 4 + 20));
        let caller = self.rng.chance(900).then(|| Arc::from(number.as_str()));
        let priority = [0, 0, 0, 0, 0, 0, 5, 10, -3][usize::try_from(self.rng.below(9)).unwrap()];
        let prefer = self.rng.chance(100).then(|| Prefer {
            operator: self.any_operator(),
            until: self.now + secs(&mut self.rng, 0, 40),
            alone: false,
        });
        let ticket = ticket(self.calls);
        self.tell(AcdInput::Join {
            ticket,
            call,
            queue,
            entered: self.now,
            priority,
            caller,
            prefer,
        });
        if self.rng.chance(400) {
            let reasons = [
                LeftReason::Abandoned,
                LeftReason::Abandoned,
                LeftReason::ExitKey,
            ];
            let reason = reasons[usize::try_from(self.rng.below(3)).unwrap()];
            let patience = secs(&mut self.rng, 0, 60);
            self.say(patience, AcdInput::Leave { ticket, reason });
        }
        self.arrivals -= 1;
        if self.arrivals > 0 {
            let gap = Duration::from_micros(self.rng.below(2_000 * self.gap));
            self.plan(gap, Plan::Arrive);
        }
    }

    /// A phone or a caller does something about what was said.
    fn react(&mut self, word: &Word) {
        let kind = match word {
            Word::Joined { .. } => "joined".to_owned(),
            Word::Offer { .. } => "offer".to_owned(),
            Word::Withdraw { reason, .. } => format!("withdraw {reason:?}"),
            Word::Left { reason, .. } => format!("left {reason:?}"),
            Word::Breached { .. } => "breached".to_owned(),
        };
        *self.tally.entry(kind).or_default() += 1;
        match word {
            Word::Offer {
                ticket: number,
                operator,
                ring,
            } => {
                let (operator, ticket) = (operator.clone(), ticket(*number));
                let rings = Duration::from_millis(self.rng.below(400));
                if self.rng.chance(800) {
                    let operator = operator.clone();
                    self.say(rings, AcdInput::Ringing { operator, ticket });
                }
                let ring = u64::try_from(ring.as_nanos()).unwrap();
                let after = Duration::from_nanos(self.rng.below(ring * 5 / 4));
                let miss = |reason| AcdInput::Missed {
                    operator: operator.clone(),
                    ticket,
                    reason,
                };
                let input = match self.rng.below(100) {
                    0..65 => AcdInput::Answered {
                        operator: operator.clone(),
                        ticket,
                        keep_others: self.rng.chance(300),
                    },
                    65..75 => miss(MissReason::Declined),
                    75..80 => miss(MissReason::Busy),
                    80..83 => miss(MissReason::Failed),
                    83..85 => miss(MissReason::NoAnswer),
                    _ => return,
                };
                self.say(after, input);
            }
            Word::Left {
                ticket: number,
                reason,
                ..
            } if *reason != LeftReason::Answered && self.rng.chance(500) => {
                let entered = self.now - secs(&mut self.rng, 0, 50);
                let call = CallId(Ulid::new(self.clock().wall, &mut self.rng));
                let input = AcdInput::Join {
                    ticket: ticket(*number),
                    call,
                    queue: self.any_queue(),
                    entered,
                    priority: 0,
                    caller: None,
                    prefer: None,
                };
                let after = Duration::from_millis(self.rng.below(3));
                self.say(after, input);
            }
            Word::Joined { .. }
            | Word::Withdraw { .. }
            | Word::Left { .. }
            | Word::Breached { .. } => {}
        }
    }

    /// An operator who answered hears the whisper, talks, hangs up.
    fn talk(&mut self, operator: OperatorName, number: u64) {
        if !self.reference.whispers(number) {
            return;
        }
        let ticket = ticket(number);
        let whisper = Duration::from_millis(self.rng.below(4_000));
        let talk = secs(&mut self.rng, 0, 100);
        if self.rng.chance(60) {
            let reason = MissReason::Declined;
            let operator = operator.clone();
            self.say(
                whisper,
                AcdInput::Missed {
                    operator,
                    ticket,
                    reason,
                },
            );
        } else {
            let operator = operator.clone();
            self.say(whisper, AcdInput::Bridged { operator, ticket });
        }
        if self.rng.chance(300) {
            let operator = operator.clone();
            let call = self.reference.caller(number).unwrap().call;
            let said = talk + secs(&mut self.rng, 0, 30);
            self.say(said, AcdInput::Described { operator, call });
        }
        self.say(whisper + talk, AcdInput::Released { operator, ticket });
    }

    fn trouble(&mut self) {
        let operator = self.any_operator();
        let number = self.any_ticket();
        let ticket = ticket(number);
        let back = secs(&mut self.rng, 0, 40);
        let lot = self.rng.below(19);
        let input = match lot {
            0..3 => {
                let operator = operator.clone();
                self.say(back, AcdInput::PhoneUp { operator });
                AcdInput::PhoneDown {
                    operator: operator_of(&self.operators, &mut self.rng),
                }
            }
            3 => AcdInput::PhoneUp { operator },
            4..7 => {
                let state = Wanted::Available;
                let name = operator.clone();
                self.say(
                    back,
                    AcdInput::SetState {
                        operator: name,
                        state,
                    },
                );
                let state = match self.rng.below(3) {
                    0 => Wanted::LoggedOut,
                    _ => Wanted::Paused("lunch".to_owned()),
                };
                AcdInput::SetState { operator, state }
            }
            7..9 => {
                let state = Wanted::Available;
                AcdInput::SetState { operator, state }
            }
            9..12 => {
                self.errands += 1;
                let ticket = crate::reference::ticket(self.errands);
                let call = CallId(Ulid::new(self.clock().wall, &mut self.rng));
                if self.rng.chance(300) {
                    let (operator, queue) = (operator.clone(), self.any_queue());
                    self.say(
                        back / 2,
                        AcdInput::Spoke {
                            operator,
                            ticket,
                            queue,
                        },
                    );
                }
                let name = operator.clone();
                self.say(
                    back,
                    AcdInput::Released {
                        operator: name,
                        ticket,
                    },
                );
                AcdInput::Engage {
                    operator,
                    ticket,
                    call,
                }
            }
            12..14 => AcdInput::Assign { ticket, operator },
            14..16 => {
                let priority = i32::try_from(self.rng.below(20)).unwrap() - 5;
                AcdInput::Prioritise { ticket, priority }
            }
            16 => AcdInput::PassedOn { operator, ticket },
            17 => {
                let reason = LeftReason::Moved;
                AcdInput::Leave { ticket, reason }
            }
            _ => AcdInput::Released { operator, ticket },
        };
        self.tell(input);
    }
}

fn operator_of(operators: &[OperatorName], rng: &mut Rng) -> OperatorName {
    let index = rng.below(operators.len() as u64);
    operators[usize::try_from(index).unwrap()].clone()
}

/// The plan.
impl Walk {
    fn floor(&mut self) -> Floor {
        let rng = &mut self.rng;
        let operators = self.operators.iter().filter_map(|name| {
            let rules = OperatorRules {
                wrap_up: rng.chance(200).then(|| round(rng, 20)),
                max_no_answer: rng
                    .chance(300)
                    .then(|| 1 + u32::try_from(rng.below(3)).unwrap()),
            };
            rng.chance(970).then(|| (name.clone(), rules))
        });
        let operators = operators.collect::<BTreeMap<_, _>>();
        let queues = self.queues.iter().filter_map(|name| {
            let rules = rules(rng, &operators);
            rng.chance(970).then(|| (name.clone(), rules))
        });
        let queues = queues.collect();
        Floor { operators, queues }
    }
}

fn rules(rng: &mut Rng, operators: &BTreeMap<OperatorName, OperatorRules>) -> QueueRules {
    let share = 200 + u32::try_from(rng.below(600)).unwrap();
    let mut order = 0;
    let members = operators.keys().filter_map(|name| {
        order = (order + 7) % 101;
        let level = 1 + u8::try_from(rng.below(3)).unwrap();
        rng.chance(share)
            .then(|| (name.clone(), Member { level, order }))
    });
    let operators = members.collect();
    let (_, strategy) = Strategy::ALL[usize::try_from(rng.below(8)).unwrap()];
    let widen = match rng.below(3) {
        0 => vec![
            Widen {
                after: secs(rng, 1, 20),
                level: 2,
            },
            Widen {
                after: secs(rng, 20, 40),
                level: 3,
            },
        ],
        _ => Vec::new(),
    };
    let need = |rng: &mut Rng| match rng.below(6) {
        0 => Need {
            logged_in: 0,
            ..Need::default()
        },
        1 => Need {
            working: 1,
            ..Need::default()
        },
        2 => Need {
            available: 1,
            logged_in: 2,
            ..Need::default()
        },
        _ => Need::default(),
    };
    let mut join = need(rng);
    join.wait = rng.chance(200).then(|| secs(rng, 5, 60));
    let mut leave = need(rng);
    if rng.chance(700) {
        leave.available = 0;
    }
    QueueRules {
        operators,
        strategy,
        step: Duration::from_secs(1) + round(rng, 8),
        widen,
        weight: [0, 0, 0, 5, 10, -5][usize::try_from(rng.below(6)).unwrap()],
        ring: Duration::from_secs(1) + secs(rng, 0, 20),
        retry: [Duration::ZERO, round(rng, 5)][usize::try_from(rng.below(2)).unwrap()],
        wrap_up: [Duration::ZERO, round(rng, 20)][usize::try_from(rng.below(2)).unwrap()],
        max_wait: rng.chance(700).then(|| secs(rng, 5, 90)),
        max_size: rng
            .chance(300)
            .then(|| 1 + usize::try_from(rng.below(8)).unwrap()),
        join,
        leave,
        after_decline: round(rng, 10),
        after_busy: round(rng, 8),
        after_no_answer: round(rng, 5),
        service_level: rng.chance(500).then(|| secs(rng, 1, 20)),
        resume_within: rng.chance(500).then(|| secs(rng, 1, 600)),
        disposition: rng.chance(200),
    }
}
