//! What is wanted of operators, or owed by them: pauses, logouts, dispositions. A wish waits for a
//! ringing phone and for a talk; paperwork it ends.

use std::collections::VecDeque;

use super::Desk;
use crate::acd::message::{AcdEffect, Wanted};
use crate::id::{CallId, OperatorName};
use crate::time::Now;
use crate::words::OperatorState;

/// Why whoever let the phone ring too often is paused.
const NO_ANSWER: &str = "no_answer";

impl Desk {
    pub(super) fn set_state(
        &mut self,
        now: Now,
        name: &OperatorName,
        wanted: Wanted,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        let before = operator.wish();
        let (from, was) = (operator.state(), operator.at_rest());
        (operator.logged_out, operator.pause) = match wanted {
            Wanted::Available => (false, None),
            Wanted::Paused(reason) => (false, Some(reason)),
            Wanted::LoggedOut => (true, None),
        };
        operator.no_answers = 0;
        let (same, to) = (operator.wish() == before, operator.at_rest());
        if !same {
            self.remember(name, effects);
        }
        let rests = match from {
            OperatorState::Available | OperatorState::Paused | OperatorState::LoggedOut => {
                !same && (to != was || to == OperatorState::Paused)
            }
            OperatorState::WrapUp => true,
            OperatorState::Reserved | OperatorState::Ringing | OperatorState::Talking => false,
        };
        if rests {
            let reason = match (from, to) {
                (_, OperatorState::LoggedOut) => "logged_out",
                (OperatorState::LoggedOut, _) => "logged_in",
                (_, _) => "resumed",
            };
            self.rest(now, name, reason, effects);
        }
    }

    /// The disposition of a talk was said: during it, or afterwards.
    pub(super) fn described(
        &mut self,
        now: Now,
        name: &OperatorName,
        call: CallId,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        if let Some(hold) = operator.hold.as_mut().filter(|hold| hold.call == call)
            && let Some((_, paperwork)) = &mut hold.talk
        {
            paperwork.owed = false;
        }
        for engagement in operator.engaged.values_mut() {
            if let Some(paperwork) = &mut engagement.paperwork
                && engagement.call == call
            {
                paperwork.owed = false;
            }
        }
        if operator.owes != Some(call) {
            return;
        }
        operator.owes = None;
        let rests = operator.state() == OperatorState::Paused && operator.pause.is_none();
        self.remember(name, effects);
        if rests {
            self.rest(now, name, "described", effects);
        }
    }

    /// A phone rang in vain; too many of them, one after the other, are a pause.
    pub(super) fn count_no_answer(
        &mut self,
        name: &OperatorName,
        effects: &mut VecDeque<AcdEffect>,
    ) {
        let Some(operator) = self.operators.get_mut(name) else {
            return;
        };
        operator.no_answers = operator.no_answers.saturating_add(1);
        let most = operator.rules.max_no_answer;
        let away = most.is_some_and(|most| operator.no_answers >= most);
        if away && operator.pause.is_none() && !operator.logged_out {
            operator.no_answers = 0;
            operator.pause = Some(NO_ANSWER.to_owned());
            self.remember(name, effects);
        }
    }

    /// Says what a restart must know.
    pub(super) fn remember(&self, name: &OperatorName, effects: &mut VecDeque<AcdEffect>) {
        if let Some(operator) = self.operators.get(name) {
            effects.push_back(AcdEffect::Wished {
                operator: name.clone(),
                wish: operator.wish(),
            });
        }
    }
}
