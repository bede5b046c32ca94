//! What must hold on the floor after every input, judged by two looks: this one and the one before.
//!
//! A look is plain data, what the distributor and the calls show of themselves; what is wrong with it
//! is said in sentences. It knows neither rules of queues nor SIP.

use std::collections::BTreeMap;

use crate::acd::desk::sight::Caller;
use crate::engine::Engine;
use crate::id::{CallId, OperatorName, TicketId};
use crate::time::Instant;
use crate::words::OperatorState;

/// One operator at one moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the operator is doing.
    pub state: OperatorState,
    /// Since when.
    pub since: Instant,
    /// When that ends by itself.
    pub ends: Option<Instant>,
    /// The caller of a queue who binds the operator.
    pub ticket: Option<TicketId>,
    /// A leg of one of the operator's calls has a session that nobody has ended.
    pub on_the_line: bool,
    /// Whom the operator, rung since the last look, might have been offered before that caller.
    pub passed_over: Option<CallId>,
}

/// The floor at one moment.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// Everybody at work or not.
    pub operators: BTreeMap<OperatorName, Seen>,
    /// Everybody who stands in a queue.
    pub callers: BTreeMap<TicketId, Caller>,
}

impl Look {
    /// Looks.
    pub fn at(now: Instant, engine: &Engine, before: &Self) -> Self {
        let desk = engine.desk();
        let callers = desk.callers().map(|caller| (caller.ticket, caller));
        let callers = callers.collect::<BTreeMap<_, _>>();
        let calls = engine.calls().map(|call| (call.id(), call));
        let calls = calls.collect::<BTreeMap<_, _>>();
        let operators = desk.operators().map(|operator| {
            let name = operator.name();
            let ticket = operator.ticket();
            let held = before.operators.get(name).and_then(|seen| seen.ticket);
            let fresh = ticket.filter(|ticket| held != Some(*ticket));
            let served = fresh.and_then(|ticket| callers.get(&ticket));
            let passed_over = served.and_then(|served| {
                let earlier = callers.values().filter(|it| it.turn() < served.turn());
                // Whoever came, or whose phone stopped, by this very input may have come after the offer;
                // and what ends in this very instant may not have ended yet.
                let waited = earlier.filter(|it| {
                    let then = before.callers.get(&it.ticket);
                    then.is_some_and(|then| then.queue == it.queue && then.phones == it.phones)
                });
                let instant = Instant::from_nanos(now.as_nanos().saturating_sub(1));
                let mut passed = waited.filter(|it| {
                    let takes = |at| desk.takes(at, it.ticket, name);
                    takes(instant) && takes(now)
                });
                passed.next().map(|caller| caller.call)
            });
            let on_the_line = operator.tickets().any(|(_, call)| {
                let mut lines = calls.get(&call).into_iter().flat_map(|call| call.lines());
                lines.any(|(who, leg)| who == name && engine.speaks(leg))
            });
            let seen = Seen {
                state: operator.state(),
                since: operator.since().mono,
                ends: desk.ends(name),
                ticket,
                on_the_line,
                passed_over,
            };
            (name.clone(), seen)
        });
        Self {
            at: now,
            operators: operators.collect(),
            callers,
        }
    }

    /// What is wrong with this look by itself.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut phones = BTreeMap::<&OperatorName, Vec<TicketId>>::new();
        for (ticket, caller) in &self.callers {
            for name in &caller.phones {
                phones.entry(name).or_default().push(*ticket);
            }
        }
        let mut line = self.callers.values().collect::<Vec<_>>();
        line.sort_by(|a, b| (&a.queue, a.turn()).cmp(&(&b.queue, b.turn())));
        for queue in line.chunk_by(|a, b| a.queue == b.queue) {
            for (caller, place) in queue.iter().zip(1_u32..) {
                if caller.position != place {
                    let (call, told) = (caller.call, caller.position);
                    faults.push(format!("{call} stands at {place} and is told {told}"));
                }
            }
        }
        for (name, seen) in &self.operators {
            let rings_for = phones.remove(name).unwrap_or_default();
            if rings_for.len() > 1 {
                faults.push(format!("{name} is rung for {rings_for:?} at once"));
            }
            let standing = seen.ticket.filter(|it| self.callers.contains_key(it));
            let expected = standing.into_iter().collect::<Vec<_>>();
            if rings_for != expected {
                faults.push(format!(
                    "{name} is held by {expected:?}, and {rings_for:?} have that phone"
                ));
            }
            let in_time = seen.ends.is_some_and(|ends| ends >= self.at);
            let (since, state) = (seen.since, seen.state);
            match state {
                OperatorState::Reserved | OperatorState::Ringing | OperatorState::WrapUp => {
                    if !in_time {
                        faults.push(format!("{name} is {state:?} since {since:?} for ever"));
                    }
                }
                OperatorState::Talking => {
                    if !seen.on_the_line {
                        faults.push(format!("{name} is Talking since {since:?} to nobody"));
                    }
                }
                OperatorState::LoggedOut | OperatorState::Paused | OperatorState::Available => {}
            }
        }
        for name in phones.into_keys() {
            faults.push(format!("{name} is rung and unknown"));
        }
        faults
    }

    /// What is wrong with it after `before`, one input earlier. With an order in between, whoever gave
    /// it may have ended paperwork and picked callers.
    pub fn faults_after(&self, before: &Self, ordered: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, seen) in &self.operators {
            let Some(then) = before.operators.get(name) else {
                continue;
            };
            if then.state == OperatorState::WrapUp {
                let same = seen.state == OperatorState::WrapUp && seen.since == then.since;
                if same && seen.ends != then.ends {
                    faults.push(format!("the paperwork of {name} was moved"));
                }
                let early = then.ends.is_some_and(|ends| self.at < ends);
                let served = match seen.state {
                    OperatorState::Available | OperatorState::Reserved | OperatorState::Ringing => {
                        true
                    }
                    OperatorState::LoggedOut
                    | OperatorState::Paused
                    | OperatorState::Talking
                    | OperatorState::WrapUp => false,
                };
                if early && served && !ordered {
                    faults.push(format!("the paperwork of {name} was cut short"));
                }
            }
            let picked = seen.ticket.and_then(|ticket| before.callers.get(&ticket));
            let picked = picked.is_some_and(|it| it.assigned.as_ref() == Some(name));
            if let Some(call) = seen.passed_over.filter(|_| !picked && !ordered) {
                faults.push(format!("{call} was passed over by {name}"));
            }
        }
        for (ticket, caller) in &self.callers {
            let then = before.callers.get(ticket);
            let Some(then) = then.filter(|then| then.queue == caller.queue) else {
                continue;
            };
            if !ordered && then.turn() < caller.turn() {
                faults.push(format!("{} was put back", caller.call));
            }
            let came = self.callers.values().filter(|it| {
                let then = before.callers.get(&it.ticket);
                let new = then.is_none_or(|then| then.queue != it.queue);
                it.queue == caller.queue && new && it.turn() < caller.turn()
            });
            let worst = usize::try_from(then.position).unwrap_or(usize::MAX);
            let worst = worst.saturating_add(came.count());
            let now = usize::try_from(caller.position).unwrap_or(usize::MAX);
            if !ordered && now > worst {
                faults.push(format!(
                    "{} stood at {worst} at worst and is at {now}",
                    caller.call
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{QueueName, Ulid};
    use crate::rng::Rng;
    use crate::time::{Duration, Wall};

    fn at(seconds: u64) -> Instant {
        Instant::START + Duration::from_secs(seconds)
    }

    fn name(name: &str) -> OperatorName {
        OperatorName::from(name)
    }

    fn caller(ticket: u64, position: u32, phones: &[&str]) -> Caller {
        let mut rng = Rng::new([u8::try_from(ticket).unwrap(); 32]);
        Caller {
            ticket: TicketId(ticket),
            call: CallId(Ulid::new(Wall::default(), &mut rng)),
            queue: QueueName::from("odesa"),
            priority: 0,
            entered: at(ticket),
            position,
            phones: phones.iter().map(|it| name(it)).collect(),
            assigned: None,
        }
    }

    /// One rings for the first of two callers, one talks, one does the paperwork.
    fn look() -> Look {
        let seen = |state, ends: Option<u64>, ticket: Option<u64>| Seen {
            state,
            since: at(5),
            ends: ends.map(at),
            ticket: ticket.map(TicketId),
            on_the_line: state == OperatorState::Talking,
            passed_over: None,
        };
        let operators = [
            ("iryna", seen(OperatorState::Ringing, Some(20), Some(1))),
            ("olena", seen(OperatorState::Talking, None, Some(9))),
            ("serhii", seen(OperatorState::WrapUp, Some(15), None)),
        ];
        let callers = [caller(1, 1, &["iryna"]), caller(2, 2, &[])];
        Look {
            at: at(10),
            operators: operators.map(|(it, seen)| (name(it), seen)).into(),
            callers: callers.map(|it| (it.ticket, it)).into(),
        }
    }

    fn operator<'a>(look: &'a mut Look, who: &str) -> &'a mut Seen {
        look.operators.get_mut(&name(who)).unwrap()
    }

    fn ticket(look: &mut Look, number: u64) -> &mut Caller {
        look.callers.get_mut(&TicketId(number)).unwrap()
    }

    /// A word of the objection, and what breaks the rule.
    type Break = (&'static str, fn(&mut Look));

    fn said(faults: &[String], word: &str) -> bool {
        faults.iter().any(|fault| fault.contains(word))
    }

    #[test]
    fn a_sound_floor_is_no_objection_and_each_broken_rule_is_one() {
        assert_eq!(look().faults(), Vec::<String>::new());
        let broken: [Break; 10] = [
            ("at once", |it| ticket(it, 2).phones = vec![name("iryna")]),
            ("have that phone", |it| ticket(it, 1).phones.clear()),
            ("have that phone", |it| operator(it, "iryna").ticket = None),
            ("have that phone", |it| {
                operator(it, "olena").ticket = Some(TicketId(2));
            }),
            ("iryna is Ringing", |it| operator(it, "iryna").ends = None),
            ("serhii is WrapUp", |it| operator(it, "serhii").ends = None),
            ("serhii is WrapUp", |it| it.at = at(16)),
            ("to nobody", |it| operator(it, "olena").on_the_line = false),
            ("stands at 2", |it| ticket(it, 2).position = 3),
            ("unknown", |it| ticket(it, 2).phones = vec![name("petro")]),
        ];
        for (word, breaks) in broken {
            let mut look = look();
            breaks(&mut look);
            assert!(said(&look.faults(), word), "{word}: {:?}", look.faults());
        }
    }

    #[test]
    fn paperwork_and_places_are_kept_unless_somebody_orders_otherwise() {
        assert_eq!(look().faults_after(&look(), false), Vec::<String>::new());
        let broken: [Break; 7] = [
            ("moved", |it| operator(it, "serhii").ends = Some(at(16))),
            ("moved", |it| operator(it, "serhii").ends = Some(at(14))),
            ("cut short", |it| {
                operator(it, "serhii").state = OperatorState::Available;
            }),
            ("cut short", |it| {
                operator(it, "serhii").state = OperatorState::Reserved;
            }),
            ("passed over", |it| {
                let first = ticket(it, 1).call;
                operator(it, "iryna").passed_over = Some(first);
            }),
            ("put back", |it| ticket(it, 1).entered = at(3)),
            ("stood at 2", |it| ticket(it, 2).position = 3),
        ];
        for (word, breaks) in broken {
            let mut look = look();
            breaks(&mut look);
            let faults = look.faults_after(&self::look(), false);
            assert!(said(&faults, word), "{word}: {faults:?}");
            let ordered = look.faults_after(&self::look(), true);
            assert_eq!(said(&ordered, word), word == "moved", "{word}: {ordered:?}");
        }
    }

    #[test]
    fn a_place_gets_worse_only_by_whoever_came_ahead() {
        let mut more = look();
        let mut urgent = caller(3, 1, &[]);
        urgent.priority = 1;
        more.callers.insert(TicketId(3), urgent);
        ticket(&mut more, 1).position = 2;
        ticket(&mut more, 2).position = 3;
        assert_eq!(more.faults(), Vec::<String>::new());
        assert_eq!(more.faults_after(&look(), false), Vec::<String>::new());
        ticket(&mut more, 3).priority = 0;
        assert!(said(&more.faults(), "stands at"));
        assert!(said(&more.faults_after(&look(), false), "at worst"));
    }

    #[test]
    fn whoever_was_to_be_offered_a_caller_passes_nobody_over() {
        let (mut before, mut after) = (look(), look());
        let second = ticket(&mut after, 2).call;
        operator(&mut after, "iryna").passed_over = Some(second);
        assert!(said(&after.faults_after(&before, false), "passed over"));
        ticket(&mut before, 1).assigned = Some(name("iryna"));
        assert_eq!(after.faults_after(&before, false), Vec::<String>::new());
    }
}
