//! Keys that the parties press: each press counts once, and goes to whoever asked for it.
//!
//! A phone may tell of one press twice, in its sound (RFC 4733) and by INFO (RFC 6086). The second
//! word of a press is known by its way: the same digit, the other way, soon after.
//!
//! Between two parties who talk, a digit in the sound goes to the other side with it; what is read here
//! is an operator's code alone ([`super::silence`]). A digit by INFO is not turned into sound.

use super::call::{Call, Effects};
use super::message::World;
use super::phase::Phase;
use crate::id::LegId;
use crate::limits;
use crate::time::Instant;
use crate::words::LeftReason;

/// How a digit came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carried {
    /// In the sound.
    Sound,
    /// By INFO.
    Info,
}

/// The last key of a leg, and how often it was told of by one way and not yet by the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pressed {
    digit: char,
    carried: Carried,
    unpaired: u8,
    at: Instant,
}

impl Pressed {
    /// Takes one word of a press; false when it is the second word of one.
    fn press(before: &mut Option<Self>, now: Instant, digit: char, carried: Carried) -> bool {
        let known = before.as_mut().filter(|last| {
            last.digit == digit && last.unpaired > 0 && now.since(last.at) < limits::KEY_TOLD_TWICE
        });
        match known {
            Some(last) if last.carried != carried => {
                last.unpaired -= 1;
                false
            }
            Some(last) => {
                last.unpaired = last.unpaired.saturating_add(1);
                last.at = now;
                true
            }
            None => {
                *before = Some(Self {
                    digit,
                    carried,
                    unpaired: 1,
                    at: now,
                });
                true
            }
        }
    }
}

impl Call {
    /// A key was pressed on a leg.
    pub(super) fn key(
        &mut self,
        world: &mut World<'_>,
        leg: LegId,
        digit: char,
        carried: Carried,
        fx: &mut Effects,
    ) {
        let operator = self.operator.as_ref().is_some_and(|of| of.id == leg);
        let caller = leg == self.caller.id;
        if !caller && !operator {
            return;
        }
        let mut pressed = self.pressed.get(&leg).copied();
        let first = Pressed::press(&mut pressed, world.now.mono, digit, carried);
        if let Some(pressed) = pressed {
            self.pressed.insert(leg, pressed);
        }
        match &self.phase {
            Phase::Waiting if first && caller => self.caller_key(world, digit, fx),
            Phase::Voicemail(_) if first && caller => self.voicemail_key(world, digit, fx),
            Phase::Whispering(_) if first && operator => self.operator_key(world, digit, fx),
            Phase::Talking if first => self.talker_key(world, leg, digit, fx),
            Phase::Opening { .. }
            | Phase::Waiting
            | Phase::Confirming(_)
            | Phase::Whispering(_)
            | Phase::Dialling
            | Phase::Voicemail(_)
            | Phase::Talking
            | Phase::Ended => {}
        }
    }

    /// A caller in a queue pressed a key.
    fn caller_key(&mut self, world: &mut World<'_>, digit: char, fx: &mut Effects) {
        let queue = self
            .stands_in
            .as_ref()
            .and_then(|name| self.plan.queues.get(name));
        let Some(queue) = queue else {
            return;
        };
        if let Some(exit) = queue.exit.clone().filter(|exit| exit.key == digit) {
            self.turn(&exit.to, LeftReason::ExitKey, fx);
        } else if queue.callback.as_ref().is_some_and(|it| it.key == digit) {
            self.ask_callback(world, fx);
        }
    }

    /// An operator who hears the whisper pressed a key.
    fn operator_key(&mut self, world: &mut World<'_>, digit: char, fx: &mut Effects) {
        self.accept_key(world, digit, fx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn a_press_that_is_told_of_twice_counts_once() {
        use Carried::{Info, Sound};
        let pressed = |told: &[(u64, char, Carried)]| {
            let mut last = None;
            let at = |millis| Instant::START + Duration::from_millis(millis);
            let counts = told.iter().filter(|(millis, digit, carried)| {
                Pressed::press(&mut last, at(*millis), *digit, *carried)
            });
            counts.map(|(_, digit, _)| *digit).collect::<String>()
        };
        assert_eq!(pressed(&[(0, '1', Sound), (40, '1', Info)]), "1");
        assert_eq!(pressed(&[(0, '1', Info), (40, '1', Sound)]), "1");
        assert_eq!(pressed(&[(0, '1', Sound), (300, '1', Sound)]), "11");
        let crossed = [
            (0, '1', Sound),
            (300, '1', Sound),
            (310, '1', Info),
            (320, '1', Info),
        ];
        assert_eq!(pressed(&crossed), "11");
        let in_turn = [
            (0, '1', Sound),
            (10, '1', Info),
            (300, '1', Sound),
            (310, '1', Info),
        ];
        assert_eq!(pressed(&in_turn), "11");
        assert_eq!(pressed(&[(0, '1', Sound), (200, '2', Info)]), "12");
        assert_eq!(pressed(&[(0, '1', Sound), (60_000, '1', Info)]), "11");
    }
}
