//! The reference for the distributor: the rules of serving as a person would check them by hand. It
//! keeps plain lists, looks at everybody after every input, and knows nothing of how the desk does it.
//!
//! It says who is offered, withdrawn and let go when, what every operator does and which place every
//! caller has. It has no estimate of waiting times and draws no lots: there it takes the desk's word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::acd::message::{AcdInput, Floor, Need, OperatorRules, Prefer, QueueRules, Wanted};
use crate::id::{CallId, OperatorName, QueueName, TicketId};
use crate::limits;
use crate::time::{Duration, Instant};
use crate::words::{LeftReason, MissReason, OperatorState, Strategy};

/// What is said about callers; what is said about operators is seen in their states.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    Joined {
        ticket: u64,
        queue: QueueName,
        position: u32,
        stays: bool,
    },
    Offer {
        ticket: u64,
        operator: OperatorName,
        ring: Duration,
    },
    Withdraw {
        ticket: u64,
        operator: OperatorName,
        reason: MissReason,
    },
    Left {
        ticket: u64,
        queue: QueueName,
        reason: LeftReason,
        wait: Duration,
    },
    Breached {
        ticket: u64,
        queue: QueueName,
    },
}

/// What the desk decided by lot or by its own estimate in this step.
#[derive(Clone, Default, Debug)]
pub struct Hints {
    pub offers: Vec<(u64, OperatorName)>,
    pub estimate: Option<Duration>,
}

/// What the operator's hands are bound by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Doing {
    Nothing,
    Rings {
        ticket: u64,
        until: Instant,
        rings: bool,
    },
    Whisper {
        ticket: u64,
    },
    /// The caller left in the whisper, and the phone is still off the hook.
    Lingers {
        ticket: u64,
    },
    Talks {
        ticket: u64,
        call: CallId,
        since: Instant,
        paperwork: Paperwork,
    },
    WrapUp {
        until: Instant,
    },
}

/// A call outside any queue.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Errand {
    pub ticket: u64,
    pub call: CallId,
    pub paperwork: Option<Paperwork>,
}

/// What follows a talk.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Paperwork {
    pub wrap_up: Duration,
    /// A word on the talk is owed.
    pub owed: bool,
}

#[derive(Clone, Debug)]
pub struct Person {
    pub name: OperatorName,
    pub rules: OperatorRules,
    pub phone: bool,
    pub logged_out: bool,
    pub pause: Option<String>,
    pub owes: Option<CallId>,
    pub doing: Doing,
    pub errands: Vec<Errand>,
    paperwork: Option<Duration>,
    idle: Instant,
    talks: u32,
    talked: Duration,
    in_vain: u32,
    /// No longer in the plan; forgotten when the talk is over.
    retired: bool,
    was: OperatorState,
}

impl Person {
    fn new(name: OperatorName, rules: OperatorRules, now: Instant) -> Self {
        Self {
            name,
            rules,
            phone: false,
            logged_out: false,
            pause: None,
            owes: None,
            doing: Doing::Nothing,
            errands: Vec::new(),
            paperwork: None,
            idle: now,
            talks: 0,
            talked: Duration::ZERO,
            in_vain: 0,
            retired: false,
            was: OperatorState::LoggedOut,
        }
    }

    pub fn state(&self) -> OperatorState {
        match self.doing {
            Doing::Rings { rings: false, .. } => OperatorState::Reserved,
            Doing::Rings { rings: true, .. } => OperatorState::Ringing,
            Doing::Whisper { .. } | Doing::Lingers { .. } | Doing::Talks { .. } => {
                OperatorState::Talking
            }
            Doing::Nothing | Doing::WrapUp { .. } if !self.errands.is_empty() => {
                OperatorState::Talking
            }
            Doing::WrapUp { .. } => OperatorState::WrapUp,
            Doing::Nothing if !self.phone || self.logged_out || self.retired => {
                OperatorState::LoggedOut
            }
            Doing::Nothing if self.pause.is_some() || self.owes.is_some() => OperatorState::Paused,
            Doing::Nothing => OperatorState::Available,
        }
    }

    fn rings_for(&self, ticket: u64) -> bool {
        matches!(self.doing, Doing::Rings { ticket: t, .. } if t == ticket)
    }

    fn whispers_about(&self, ticket: u64) -> bool {
        self.doing == Doing::Whisper { ticket }
    }
}

#[derive(Clone, Debug)]
pub struct Caller {
    pub ticket: u64,
    pub call: CallId,
    pub queue: QueueName,
    pub number: Option<Arc<str>>,
    pub priority: i32,
    pub entered: Instant,
    joined: Instant,
    prefer: Option<Prefer>,
    assigned: Option<OperatorName>,
    excluded: BTreeMap<OperatorName, Instant>,
    rests_until: Instant,
    last_offer: Instant,
    overdue: bool,
    breached: bool,
}

/// The reference.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub queues: BTreeMap<QueueName, QueueRules>,
    /// Queues that are in the plan no more; somebody may still hear a whisper about a caller of one.
    closed: BTreeSet<QueueName>,
    pub people: Vec<Person>,
    pub callers: Vec<Caller>,
    /// When a queue offered to an operator last.
    asked: BTreeMap<(QueueName, OperatorName), Instant>,
    /// Who missed a caller who left a queue, and may come to the next one.
    former: BTreeMap<u64, BTreeMap<OperatorName, Instant>>,
    /// Who gave up: since when they had waited, and when they did.
    gave_up: BTreeMap<(QueueName, Arc<str>), (Instant, Instant)>,
    now: Instant,
    words: Vec<Word>,
}

impl Reference {
    /// Takes one input, and says what comes of it.
    pub fn handle(&mut self, now: Instant, input: &AcdInput, hints: &mut Hints) -> Vec<Word> {
        self.now = now;
        self.take(input, hints);
        self.settle(hints);
        std::mem::take(&mut self.words)
    }

    /// The earliest instant at which something happens by itself.
    pub fn due(&self) -> Option<Instant> {
        let people = self.people.iter().filter_map(|person| match person.doing {
            Doing::Rings { until, .. } => Some(until),
            Doing::WrapUp { until } => Some(until),
            Doing::Nothing
            | Doing::Whisper { .. }
            | Doing::Lingers { .. }
            | Doing::Talks { .. } => None,
        });
        let callers = self
            .callers
            .iter()
            .filter_map(|caller| self.due_for(caller));
        people.chain(callers).filter(|at| *at > self.now).min()
    }

    fn due_for(&self, caller: &Caller) -> Option<Instant> {
        let rules = &self.queues[&caller.queue];
        let leaves = rules.max_wait.map(|wait| caller.joined + wait);
        let breaches = rules.service_level.map(|wait| caller.joined + wait);
        let widens = rules.widen.iter().map(|step| caller.joined + step.after);
        let prefer = caller.prefer.as_ref().map(|prefer| prefer.until);
        let steps =
            (rules.strategy == Strategy::Progressive).then_some(caller.last_offer + rules.step);
        let others = [leaves, prefer, steps, breaches, Some(caller.rests_until)];
        let excluded = caller.excluded.values().copied();
        let all = others.into_iter().flatten().chain(widens).chain(excluded);
        all.filter(|at| *at > self.now).min()
    }

    /// What is due at this instant happens: callers give way before phones are counted as unanswered.
    pub fn timeout(&mut self, now: Instant, hints: &mut Hints) -> Vec<Word> {
        self.now = now;
        self.clocks();
        for index in 0..self.people.len() {
            match self.people[index].doing {
                Doing::Rings { ticket, until, .. } if until <= now => {
                    self.misses(index, ticket, MissReason::NoAnswer, true);
                }
                Doing::WrapUp { until } if until <= now => self.paperwork_ends(index),
                Doing::Nothing
                | Doing::Rings { .. }
                | Doing::Whisper { .. }
                | Doing::Lingers { .. }
                | Doing::Talks { .. }
                | Doing::WrapUp { .. } => {}
            }
        }
        self.settle(hints);
        std::mem::take(&mut self.words)
    }

    /// What the callers' own time brings, by the rules as they are now.
    fn clocks(&mut self) {
        let now = self.now;
        for ticket in self.tickets() {
            let whispers = self.whispers(ticket);
            let caller = self.caller(ticket).expect("it stands in line");
            let (queue, joined) = (caller.queue.clone(), caller.joined);
            let rules = &self.queues[&queue];
            let is_over = |time: Option<Duration>| time.is_some_and(|time| joined + time <= now);
            let (late, over) = (is_over(rules.service_level), is_over(rules.max_wait));
            let caller = self.caller_mut(ticket).expect("it stands in line");
            caller.overdue = over;
            if late && !caller.breached {
                caller.breached = true;
                self.words.push(Word::Breached { ticket, queue });
            }
            if over && !whispers {
                self.leaves(ticket, LeftReason::Timeout);
            }
        }
    }

    fn tickets(&self) -> Vec<u64> {
        self.callers.iter().map(|caller| caller.ticket).collect()
    }

    pub fn caller(&self, ticket: u64) -> Option<&Caller> {
        self.callers.iter().find(|caller| caller.ticket == ticket)
    }

    fn caller_mut(&mut self, ticket: u64) -> Option<&mut Caller> {
        self.callers.iter_mut().find(|it| it.ticket == ticket)
    }

    pub fn index(&self, name: &OperatorName) -> Option<usize> {
        self.people.iter().position(|person| person.name == *name)
    }

    pub fn whispers(&self, ticket: u64) -> bool {
        self.people.iter().any(|it| it.whispers_about(ticket))
    }

    pub fn rings(&self, ticket: u64) -> bool {
        self.people.iter().any(|it| it.rings_for(ticket))
    }

    /// The place of a caller, from one.
    pub fn position(&self, ticket: u64) -> Option<u32> {
        let caller = self.caller(ticket)?;
        let turn = |it: &Caller| (-i64::from(it.priority), it.entered, it.ticket);
        let line = self.callers.iter().filter(|it| it.queue == caller.queue);
        let before = line.filter(|it| turn(it) < turn(caller)).count();
        Some(u32::try_from(before).unwrap() + 1)
    }
}

/// Inputs.
impl Reference {
    fn take(&mut self, input: &AcdInput, hints: &Hints) {
        match input {
            AcdInput::Floor(floor) => self.floor(floor),
            AcdInput::Join {
                ticket,
                call,
                queue,
                entered,
                priority,
                caller,
                prefer,
            } => {
                if self.caller(ticket.0).is_none() {
                    self.join(
                        Caller {
                            ticket: ticket.0,
                            call: *call,
                            queue: queue.clone(),
                            number: caller.clone(),
                            priority: *priority,
                            entered: *entered,
                            joined: self.now,
                            prefer: prefer.clone(),
                            assigned: None,
                            excluded: BTreeMap::new(),
                            rests_until: self.now,
                            last_offer: Instant::START,
                            overdue: false,
                            breached: false,
                        },
                        hints.estimate,
                    );
                }
            }
            AcdInput::Leave { ticket, reason } => {
                if self.caller(ticket.0).is_some() {
                    self.leaves(ticket.0, *reason);
                }
            }
            AcdInput::Assign { ticket, operator } => self.assign(ticket.0, operator),
            AcdInput::Prioritise { ticket, priority } => {
                if let Some(caller) = self.caller_mut(ticket.0) {
                    caller.priority = *priority;
                }
            }
            AcdInput::PassedOn { operator, ticket } => {
                self.exclude(operator, ticket.0, MissReason::Declined);
            }
            AcdInput::PhoneUp { operator }
            | AcdInput::PhoneDown { operator }
            | AcdInput::SetState { operator, .. }
            | AcdInput::Described { operator, .. }
            | AcdInput::Ringing { operator, .. }
            | AcdInput::Answered { operator, .. }
            | AcdInput::Missed { operator, .. }
            | AcdInput::Bridged { operator, .. }
            | AcdInput::Engage { operator, .. }
            | AcdInput::Spoke { operator, .. }
            | AcdInput::Released { operator, .. } => {
                if let Some(index) = self.index(operator) {
                    self.person(index, input);
                }
            }
        }
    }

    fn person(&mut self, index: usize, input: &AcdInput) {
        match input {
            AcdInput::Ringing { ticket, .. } => {
                if let Doing::Rings {
                    ticket: t, rings, ..
                } = &mut self.people[index].doing
                    && *t == ticket.0
                {
                    *rings = true;
                }
            }
            AcdInput::Answered {
                ticket,
                keep_others,
                ..
            } => {
                self.answers(index, ticket.0, *keep_others);
            }
            AcdInput::Missed { ticket, reason, .. } => self.missed(index, ticket.0, *reason),
            AcdInput::Bridged { ticket, .. } => self.bridged(index, ticket.0),
            AcdInput::Released { ticket, .. } => self.released(index, ticket.0),
            AcdInput::Engage { ticket, call, .. } => self.engages(index, ticket.0, *call),
            AcdInput::Spoke { ticket, queue, .. } => {
                let paperwork = Some(self.paperwork(index, queue));
                let mut errands = self.people[index].errands.iter_mut();
                if let Some(errand) = errands.find(|errand| errand.ticket == ticket.0) {
                    errand.paperwork = paperwork;
                }
            }
            AcdInput::PhoneUp { .. } => self.people[index].phone = true,
            AcdInput::PhoneDown { .. } => self.phone_down(index),
            AcdInput::SetState { state, .. } => self.set_state(index, state),
            AcdInput::Described { call, .. } => self.described(index, *call),
            AcdInput::Floor(_)
            | AcdInput::Join { .. }
            | AcdInput::Leave { .. }
            | AcdInput::Assign { .. }
            | AcdInput::Prioritise { .. }
            | AcdInput::PassedOn { .. } => {}
        }
    }

    fn floor(&mut self, floor: &Floor) {
        for index in 0..self.people.len() {
            let stays = floor.operators.contains_key(&self.people[index].name);
            self.people[index].retired = !stays;
            if stays {
                continue;
            }
            if let Doing::Rings { ticket, .. } = self.people[index].doing {
                self.withdraw(index, ticket, MissReason::Withdrawn);
            }
            if let Doing::WrapUp { .. } = self.people[index].doing {
                self.people[index].doing = Doing::Nothing;
            }
        }
        for (name, rules) in &floor.operators {
            match self.index(name) {
                Some(index) => self.people[index].rules = *rules,
                None => self
                    .people
                    .push(Person::new(name.clone(), *rules, self.now)),
            }
        }
        self.people.sort_by(|a, b| a.name.cmp(&b.name));
        self.closed = self.queues.keys().cloned().collect();
        for (name, rules) in &floor.queues {
            self.closed.remove(name);
            self.queues.insert(name.clone(), rules.clone());
        }
    }

    fn join(&mut self, mut caller: Caller, estimate: Option<Duration>) {
        let (ticket, queue) = (caller.ticket, caller.queue.clone());
        caller.excluded = self.former.remove(&ticket).unwrap_or_default();
        let rules = self.queues.get(&queue);
        let rules = rules.filter(|_| !self.closed.contains(&queue));
        let refused = match rules {
            None => Some(LeftReason::NoOperators),
            Some(rules) => self.refuses(&queue, rules, estimate),
        };
        if let (Some(rules), Some(number)) = (rules, &caller.number) {
            let key = (queue.clone(), Arc::clone(number));
            if let Some(within) = rules.resume_within
                && let Some((entered, left)) = self.gave_up.get(&key)
                && self.now.since(*left) <= within
            {
                caller.entered = caller.entered.min(*entered);
            }
            if refused.is_none() {
                self.gave_up.remove(&key);
            }
        }
        self.callers.push(caller);
        let position = self.position(ticket).unwrap();
        let stays = refused.is_none();
        self.words.push(Word::Joined {
            ticket,
            queue: queue.clone(),
            position,
            stays,
        });
        if let Some(reason) = refused {
            self.former
                .extend(self.callers.pop().map(|it| (ticket, it.excluded)));
            let wait = Duration::ZERO;
            self.words.push(Word::Left {
                ticket,
                queue,
                reason,
                wait,
            });
        }
    }

    fn refuses(
        &self,
        queue: &QueueName,
        rules: &QueueRules,
        estimate: Option<Duration>,
    ) -> Option<LeftReason> {
        let line = self.callers.iter().filter(|it| it.queue == *queue).count();
        let places = rules
            .max_size
            .unwrap_or(usize::MAX)
            .min(limits::QUEUE_WAITING);
        if !self.met(rules, &rules.join) {
            Some(LeftReason::NoOperators)
        } else if line >= places {
            Some(LeftReason::QueueFull)
        } else if rules
            .join
            .wait
            .is_some_and(|most| estimate.is_some_and(|it| it > most))
        {
            Some(LeftReason::EstimatedWait)
        } else {
            None
        }
    }

    fn met(&self, rules: &QueueRules, need: &Need) -> bool {
        let [mut logged_in, mut working, mut available] = [0_u32; 3];
        for person in &self.people {
            if !rules.operators.contains_key(&person.name) {
                continue;
            }
            let state = person.state();
            logged_in += u32::from(state != OperatorState::LoggedOut);
            let idle = [OperatorState::LoggedOut, OperatorState::Paused];
            working += u32::from(!idle.contains(&state));
            available += u32::from(state == OperatorState::Available);
        }
        logged_in >= need.logged_in && working >= need.working && available >= need.available
    }

    fn leaves(&mut self, ticket: u64, reason: LeftReason) {
        for index in 0..self.people.len() {
            if self.people[index].rings_for(ticket) {
                self.withdraw(index, ticket, MissReason::Withdrawn);
            }
            if self.people[index].whispers_about(ticket) {
                self.people[index].doing = Doing::Lingers { ticket };
            }
        }
        let at = self
            .callers
            .iter()
            .position(|it| it.ticket == ticket)
            .unwrap();
        let caller = self.callers.remove(at);
        let resumes = self.queues[&caller.queue].resume_within.is_some();
        if let (LeftReason::Abandoned, Some(number), true) = (reason, &caller.number, resumes) {
            let key = (caller.queue.clone(), Arc::clone(number));
            self.gave_up.insert(key, (caller.entered, self.now));
        }
        self.former.insert(ticket, caller.excluded);
        let wait = self.now.since(caller.joined);
        let queue = caller.queue;
        self.words.push(Word::Left {
            ticket,
            queue,
            reason,
            wait,
        });
    }

    fn assign(&mut self, ticket: u64, operator: &OperatorName) {
        let here = self.index(operator).is_some_and(|index| {
            let state = self.people[index].state();
            state != OperatorState::LoggedOut && state != OperatorState::Paused
        });
        if let Some(caller) = self.caller_mut(ticket).filter(|_| here) {
            caller.assigned = Some(operator.clone());
        }
    }
}

/// Operators and their callers.
impl Reference {
    fn answers(&mut self, index: usize, ticket: u64, keep_others: bool) {
        if !self.people[index].rings_for(ticket) {
            return;
        }
        if self.whispers(ticket) {
            self.withdraw(index, ticket, MissReason::Withdrawn);
            return;
        }
        self.people[index].doing = Doing::Whisper { ticket };
        self.people[index].in_vain = 0;
        if !keep_others {
            self.stop_all(ticket);
        }
    }

    fn stop_all(&mut self, ticket: u64) {
        for other in 0..self.people.len() {
            if self.people[other].rings_for(ticket) {
                self.withdraw(other, ticket, MissReason::Withdrawn);
            }
        }
    }

    fn missed(&mut self, index: usize, ticket: u64, reason: MissReason) {
        let person = &self.people[index];
        if person.rings_for(ticket) || person.whispers_about(ticket) {
            self.misses(index, ticket, reason, false);
        } else {
            self.released(index, ticket);
        }
    }

    /// This operator does not take the caller, who keeps the place.
    fn misses(&mut self, index: usize, ticket: u64, reason: MissReason, stop: bool) {
        let name = self.people[index].name.clone();
        self.exclude(&name, ticket, reason);
        if matches!(reason, MissReason::NoAnswer | MissReason::Failed) {
            self.people[index].idle = self.now;
        }
        if let Some(caller) = self.callers.iter_mut().find(|it| it.ticket == ticket)
            && reason != MissReason::Withdrawn
        {
            caller.rests_until = self.now + self.queues[&caller.queue].retry;
        }
        if stop {
            self.withdraw(index, ticket, reason);
        }
        let person = &mut self.people[index];
        person.doing = Doing::Nothing;
        if matches!(reason, MissReason::Declined | MissReason::Busy) {
            person.in_vain = 0;
        }
        if reason == MissReason::NoAnswer {
            person.in_vain += 1;
            let most = person.rules.max_no_answer;
            let away = person.pause.is_some() || person.logged_out;
            if !away && most.is_some_and(|most| person.in_vain >= most) {
                person.in_vain = 0;
                person.pause = Some("no_answer".to_owned());
            }
        }
        let overdue = self.caller(ticket).is_some_and(|caller| caller.overdue);
        if overdue && !self.whispers(ticket) {
            self.leaves(ticket, LeftReason::Timeout);
        }
    }

    fn withdraw(&mut self, index: usize, ticket: u64, reason: MissReason) {
        let person = &mut self.people[index];
        person.doing = Doing::Nothing;
        let operator = person.name.clone();
        self.words.push(Word::Withdraw {
            ticket,
            operator,
            reason,
        });
    }

    fn exclude(&mut self, operator: &OperatorName, ticket: u64, reason: MissReason) {
        let Some(caller) = self.callers.iter_mut().find(|it| it.ticket == ticket) else {
            return;
        };
        if self.closed.contains(&caller.queue) {
            return;
        }
        let rules = &self.queues[&caller.queue];
        let time = match reason {
            MissReason::Declined => rules.after_decline,
            MissReason::Busy => rules.after_busy,
            MissReason::NoAnswer | MissReason::Failed => rules.after_no_answer,
            MissReason::Withdrawn => return,
        };
        let until = self.now + time.max(limits::REOFFER_AFTER);
        caller.excluded.insert(operator.clone(), until);
    }

    /// What follows a talk of this operator with a caller of this queue.
    fn paperwork(&self, index: usize, queue: &QueueName) -> Paperwork {
        let rules = self.queues.get(queue);
        let rules = rules.filter(|_| !self.closed.contains(queue));
        let own = self.people[index].rules.wrap_up;
        Paperwork {
            wrap_up: own.unwrap_or(rules.map_or(Duration::ZERO, |rules| rules.wrap_up)),
            owed: rules.is_some_and(|rules| rules.disposition),
        }
    }

    fn bridged(&mut self, index: usize, ticket: u64) {
        self.answers(index, ticket, false);
        let Some(caller) = self.caller(ticket).cloned() else {
            return;
        };
        if !self.people[index].whispers_about(ticket) {
            return;
        }
        self.stop_all(ticket);
        let paperwork = self.paperwork(index, &caller.queue);
        let person = &mut self.people[index];
        person.doing = Doing::Talks {
            ticket,
            call: caller.call,
            since: self.now,
            paperwork,
        };
        person.talks += 1;
        self.callers.retain(|it| it.ticket != ticket);
        let wait = self.now.since(caller.joined);
        let reason = LeftReason::Answered;
        let queue = caller.queue;
        self.words.push(Word::Left {
            ticket,
            queue,
            reason,
            wait,
        });
    }

    fn released(&mut self, index: usize, ticket: u64) {
        let now = self.now;
        let person = &mut self.people[index];
        let talk = match person.doing {
            Doing::Rings { ticket: t, .. } | Doing::Whisper { ticket: t } if t == ticket => {
                self.misses(index, ticket, MissReason::Failed, false);
                return;
            }
            Doing::Lingers { ticket: t } if t == ticket => None,
            Doing::Talks {
                ticket: t,
                call,
                since,
                paperwork,
            } if t == ticket => {
                person.talked += now.since(since);
                person.idle = now;
                Some((call, paperwork))
            }
            Doing::Nothing
            | Doing::Rings { .. }
            | Doing::Whisper { .. }
            | Doing::Lingers { .. }
            | Doing::Talks { .. }
            | Doing::WrapUp { .. } => {
                let Some(at) = person.errands.iter().position(|it| it.ticket == ticket) else {
                    return;
                };
                let errand = person.errands.remove(at);
                person.idle = now;
                self.ends(index, errand.paperwork.map(|it| (errand.call, it)));
                return;
            }
        };
        person.doing = Doing::Nothing;
        self.ends(index, talk);
    }

    /// One talk is over; after the last one comes the longest paperwork of them all.
    fn ends(&mut self, index: usize, talk: Option<(CallId, Paperwork)>) {
        let now = self.now;
        let person = &mut self.people[index];
        if let Some((call, paperwork)) = talk {
            person.paperwork = person.paperwork.max(Some(paperwork.wrap_up));
            if paperwork.owed {
                person.owes = Some(call);
            }
        }
        if person.state() == OperatorState::Talking {
            return;
        }
        let paperwork = person.paperwork.take().unwrap_or_default();
        let wanted =
            person.phone && !person.logged_out && !person.retired && person.pause.is_none();
        if wanted && paperwork > Duration::ZERO {
            let until = now + paperwork;
            person.doing = Doing::WrapUp { until };
        } else {
            self.paperwork_ends(index);
        }
    }

    fn paperwork_ends(&mut self, index: usize) {
        let person = &mut self.people[index];
        person.doing = Doing::Nothing;
    }

    fn engages(&mut self, index: usize, ticket: u64, call: CallId) {
        if let Doing::Rings { ticket: rung, .. } = self.people[index].doing {
            self.misses(index, rung, MissReason::Busy, true);
        }
        let person = &mut self.people[index];
        if let Doing::WrapUp { .. } = person.doing {
            person.doing = Doing::Nothing;
        }
        if person.errands.iter().all(|it| it.ticket != ticket) {
            person.errands.push(Errand {
                ticket,
                call,
                paperwork: None,
            });
            let name = person.name.clone();
            self.unassign(&name);
        }
    }

    fn phone_down(&mut self, index: usize) {
        self.people[index].phone = false;
        match self.people[index].doing {
            Doing::Rings { ticket, .. } => {
                self.misses(index, ticket, MissReason::Failed, true);
            }
            Doing::WrapUp { .. } => self.paperwork_ends(index),
            Doing::Nothing
            | Doing::Whisper { .. }
            | Doing::Lingers { .. }
            | Doing::Talks { .. } => {}
        }
    }

    fn set_state(&mut self, index: usize, state: &Wanted) {
        let person = &mut self.people[index];
        match state {
            Wanted::Available => {
                person.pause = None;
                person.logged_out = false;
            }
            Wanted::Paused(reason) => {
                person.pause = Some(reason.clone());
                person.logged_out = false;
            }
            Wanted::LoggedOut => {
                person.pause = None;
                person.logged_out = true;
            }
        }
        person.in_vain = 0;
        if person.state() == OperatorState::WrapUp {
            self.paperwork_ends(index);
        }
    }

    fn described(&mut self, index: usize, call: CallId) {
        let person = &mut self.people[index];
        if let Doing::Talks {
            call: c, paperwork, ..
        } = &mut person.doing
            && *c == call
        {
            paperwork.owed = false;
        }
        for errand in person.errands.iter_mut().filter(|it| it.call == call) {
            if let Some(paperwork) = &mut errand.paperwork {
                paperwork.owed = false;
            }
        }
        if person.owes == Some(call) {
            person.owes = None;
        }
    }
}

/// Serving.
impl Reference {
    fn settle(&mut self, hints: &mut Hints) {
        self.note_changes();
        self.let_go(|model, caller| model.closed.contains(&caller.queue));
        while self.serve_one(hints) {}
        self.let_go(|model, caller| {
            let rules = &model.queues[&caller.queue];
            !model.rings(caller.ticket) && !model.met(rules, &rules.leave)
        });
        self.people
            .retain(|it| !it.retired || it.state() != OperatorState::LoggedOut);
        for person in &mut self.people {
            person.was = person.state();
        }
    }

    /// Callers for whom this holds have nobody to wait for, unless somebody has answered already.
    fn let_go(&mut self, lost: impl Fn(&Self, &Caller) -> bool) {
        loop {
            let mut callers = self.callers.iter();
            let gone = callers.find(|it| !self.whispers(it.ticket) && lost(self, it));
            let Some(ticket) = gone.map(|it| it.ticket) else {
                break;
            };
            self.leaves(ticket, LeftReason::NoOperators);
        }
    }

    /// Whoever begins to work is idle from then on, and whoever comes to work has not talked yet.
    fn note_changes(&mut self) {
        let now = self.now;
        for person in &mut self.people {
            let state = person.state();
            let away = [OperatorState::LoggedOut, OperatorState::Paused];
            if away.contains(&person.was) && state == OperatorState::Available {
                person.idle = now;
            }
            if person.was == OperatorState::LoggedOut && state != OperatorState::LoggedOut {
                person.talks = 0;
                person.talked = Duration::ZERO;
            }
        }
        let home = self.people.iter().filter(|person| {
            matches!(
                person.state(),
                OperatorState::LoggedOut | OperatorState::Paused
            )
        });
        let home = home.map(|it| it.name.clone()).collect::<Vec<_>>();
        let all = self.people.iter().map(|it| it.name.clone());
        let works = all.filter(|it| !home.contains(it)).collect::<Vec<_>>();
        for caller in &mut self.callers {
            caller.assigned = caller.assigned.take().filter(|it| !home.contains(it));
            let prefer = caller.prefer.take();
            caller.prefer = prefer.filter(|it| works.contains(&it.operator));
        }
    }

    /// The first caller whom somebody free may take gets the best of them.
    fn serve_one(&mut self, hints: &mut Hints) -> bool {
        let free = self.people.iter().enumerate();
        let free = free.filter(|(_, it)| it.state() == OperatorState::Available);
        let free = free.map(|(index, _)| index).collect::<Vec<_>>();
        if free.is_empty() {
            return false;
        }
        let mut best: Option<((i64, Instant, u64), Vec<usize>)> = None;
        for caller in &self.callers {
            let weight = i64::from(self.queues[&caller.queue].weight);
            let turn = (
                -i64::from(caller.priority) - weight,
                caller.entered,
                caller.ticket,
            );
            if best.as_ref().is_some_and(|(first, _)| *first < turn) {
                continue;
            }
            let mut eligible = self.eligible(caller, &free);
            if !eligible.is_empty() {
                eligible.sort_by_cached_key(|index| self.rank(caller, *index));
                best = Some((turn, eligible));
            }
        }
        let Some(((_, _, ticket), eligible)) = best else {
            return false;
        };
        let index = self.draw(ticket, eligible, hints);
        self.offer(index, ticket);
        true
    }

    fn eligible(&self, caller: &Caller, free: &[usize]) -> Vec<usize> {
        if self.now < caller.rests_until || self.whispers(caller.ticket) {
            return Vec::new();
        }
        let rules = &self.queues[&caller.queue];
        let level = |name: &OperatorName| rules.operators.get(name).map(|it| it.level);
        let rings = self.people.iter().filter(|it| it.rings_for(caller.ticket));
        let rings = rings.map(|it| level(&it.name).unwrap_or(u8::MAX));
        let rings = rings.min();
        let step = caller.last_offer + rules.step;
        let most = match (rules.strategy, rings) {
            (_, None) => u8::MAX,
            (Strategy::RingAll, Some(level)) => level,
            (Strategy::Progressive, Some(_)) if step <= self.now => u8::MAX,
            (_, Some(_)) => return Vec::new(),
        };
        if let Some(only) = &caller.assigned {
            let mut free = free.iter().copied();
            let only = free.find(|index| self.people[*index].name == *only);
            return only.into_iter().collect();
        }
        let widened = rules.widen.iter();
        let widened = widened.filter(|step| caller.joined + step.after <= self.now);
        let allowed = match rules.widen.is_empty() {
            true => u8::MAX,
            false => widened.map(|step| step.level).max().unwrap_or(1).max(1),
        };
        let only = caller.prefer.as_ref().filter(|it| self.now < it.until);
        let fits = |index: &usize| {
            let name = &self.people[*index].name;
            level(name).is_some_and(|level| level <= allowed.min(most))
                && only.is_none_or(|only| only.operator == *name)
                && caller
                    .excluded
                    .get(name)
                    .is_none_or(|until| *until <= self.now)
        };
        free.iter().copied().filter(fits).collect()
    }

    fn rank(&self, caller: &Caller, index: usize) -> (u8, u128, Instant, OperatorName) {
        let person = &self.people[index];
        let rules = &self.queues[&caller.queue];
        let Some(member) = rules.operators.get(&person.name) else {
            return (u8::MAX, 0, person.idle, person.name.clone());
        };
        let asked = self.asked.get(&(caller.queue.clone(), person.name.clone()));
        let (key, idle) = match rules.strategy {
            Strategy::LongestIdle | Strategy::Progressive => (0, person.idle),
            Strategy::RoundRobin => (
                asked.map_or(0, |at| u128::from(at.as_nanos())),
                Instant::START,
            ),
            Strategy::FewestCalls => (u128::from(person.talks), person.idle),
            Strategy::LeastTalkTime => (person.talked.as_nanos(), person.idle),
            Strategy::Linear => (u128::from(member.order), Instant::START),
            Strategy::RingAll | Strategy::Random => (0, Instant::START),
        };
        (member.level, key, idle, person.name.clone())
    }

    /// The first of those who may be asked; where lots are drawn, whomever of the best level the
    /// desk has drawn.
    fn draw(&self, ticket: u64, eligible: Vec<usize>, hints: &mut Hints) -> usize {
        let caller = self.caller(ticket).unwrap();
        let rules = &self.queues[&caller.queue];
        let first = eligible[0];
        let level = |index: usize| rules.operators.get(&self.people[index].name);
        let level = |index: usize| level(index).map(|it| it.level);
        if rules.strategy == Strategy::Random {
            let said = hints.offers.iter().position(|(it, name)| {
                let index = eligible.iter().find(|it| self.people[**it].name == *name);
                *it == ticket && index.is_some_and(|it| level(*it) == level(first))
            });
            if let Some(said) = said {
                let (_, name) = hints.offers.remove(said);
                return self.index(&name).unwrap();
            }
        }
        first
    }

    fn offer(&mut self, index: usize, ticket: u64) {
        let now = self.now;
        let caller = self
            .callers
            .iter_mut()
            .find(|it| it.ticket == ticket)
            .unwrap();
        let rules = &self.queues[&caller.queue];
        let left = rules.max_wait.map(|wait| (caller.joined + wait).since(now));
        let ring = rules.ring.min(left.unwrap_or(Duration::MAX));
        caller.last_offer = now;
        let person = &mut self.people[index];
        let until = now + ring;
        person.doing = Doing::Rings {
            ticket,
            until,
            rings: false,
        };
        let key = (caller.queue.clone(), person.name.clone());
        self.asked.insert(key, now);
        let operator = person.name.clone();
        self.unassign(&operator);
        self.words.push(Word::Offer {
            ticket,
            operator,
            ring,
        });
    }

    fn unassign(&mut self, operator: &OperatorName) {
        for caller in &mut self.callers {
            caller.assigned = caller.assigned.take().filter(|it| it != operator);
        }
    }
}

/// The name of a ticket in the desk's words.
pub const fn ticket(number: u64) -> TicketId {
    TicketId(number)
}

impl Word {
    pub const fn ticket(&self) -> u64 {
        match self {
            Self::Joined { ticket, .. }
            | Self::Offer { ticket, .. }
            | Self::Withdraw { ticket, .. }
            | Self::Left { ticket, .. }
            | Self::Breached { ticket, .. } => *ticket,
        }
    }
}
