//! What all ears heard, put side by side: the whisper reaches the operator and nobody else.

use std::collections::{BTreeMap, BTreeSet};

use super::handset::Hearing;
use super::tally::Tally;
use crate::time::Duration;

/// What was heard in the calls of one number.
#[derive(Debug, Default)]
struct Heard {
    by_caller: BTreeSet<u64>,
    by_operators: BTreeSet<u64>,
}

/// All ears.
#[derive(Debug, Default)]
pub(super) struct Ears {
    numbers: BTreeMap<String, Heard>,
    /// Legs of operators on which a whisper was heard.
    pub(super) whispers: u64,
    /// Of those, the ones on which the caller was heard then.
    whispered: u64,
    /// Legs of callers on which music was heard.
    pub(super) music: u64,
    /// Legs of operators on which the caller was heard, and the other way round.
    pub(super) voices: (u64, u64),
}

impl Ears {
    /// A caller's leg is over.
    pub(super) fn caller(&mut self, from: String, hearing: Hearing) {
        self.music += u64::from(hearing.program > Duration::ZERO);
        self.voices.1 += u64::from(hearing.voice > Duration::ZERO);
        let heard = self.numbers.entry(from).or_default();
        heard.by_caller.extend(hearing.prints);
    }

    /// An operator's leg is over.
    pub(super) fn operator(&mut self, from: String, hearing: Hearing) {
        self.whispers += u64::from(hearing.program > Duration::ZERO);
        let talk = hearing.voice > Duration::ZERO;
        self.voices.0 += u64::from(talk);
        self.whispered += u64::from(talk && hearing.program > Duration::ZERO);
        let heard = self.numbers.entry(from).or_default();
        heard.by_operators.extend(hearing.prints);
    }

    /// What the ears and the events do not agree on, a sentence each.
    pub(super) fn contradictions(&self, events: &Tally) -> Vec<String> {
        let heard = [
            ("callers who heard an operator", self.voices.1),
            ("operators who heard a caller", self.voices.0),
            ("operators who heard a whisper before", self.whispered),
        ];
        let missing = heard.iter().filter(|(_, count)| *count < events.talks);
        missing
            .map(|(who, count)| format!("talks and {who}: {} and {count}", events.talks))
            .collect()
    }

    /// Numbers whose caller heard some of the whisper. Not one frame of it may be the same.
    pub(super) fn leaks(&self) -> usize {
        let leaked = |heard: &&Heard| !heard.by_caller.is_disjoint(&heard.by_operators);
        self.numbers.values().filter(leaked).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hearing(prints: &[u64]) -> Hearing {
        Hearing {
            program: Duration::from_secs(1),
            voice: Duration::ZERO,
            prints: prints.iter().copied().collect(),
        }
    }

    #[test]
    fn one_frame_in_common_is_a_leak() {
        let mut ears = Ears::default();
        ears.caller("1".into(), hearing(&[1, 2, 3]));
        ears.operator("1".into(), hearing(&[7, 8]));
        ears.operator("2".into(), hearing(&[1, 2]));
        assert_eq!(ears.leaks(), 0);
        ears.operator("1".into(), hearing(&[3]));
        assert_eq!(ears.leaks(), 1);
        assert_eq!((ears.whispers, ears.music, ears.voices), (3, 1, (0, 0)));
    }
}
