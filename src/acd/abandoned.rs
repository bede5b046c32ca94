//! Callers who gave up waiting, so that one who rings again soon has the place of before. A memory
//! with a bound, no machine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::limits;
use crate::time::{Duration, Instant};

/// Those who gave up in one queue, by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Abandoned {
    by_caller: BTreeMap<Arc<str>, Gone>,
    order: VecDeque<(Instant, Arc<str>)>,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    at: Instant,
    entered: Instant,
}

impl Abandoned {
    /// A caller gives up; past the bound the one who did so first is forgotten.
    pub(super) fn gives_up(&mut self, caller: Arc<str>, entered: Instant, at: Instant) {
        self.by_caller
            .insert(Arc::clone(&caller), Gone { at, entered });
        self.order.push_back((at, caller));
        if self.order.len() > limits::ABANDONED_CALLERS
            && let Some((at, oldest)) = self.order.pop_front()
            && self
                .by_caller
                .get(&oldest)
                .is_some_and(|gone| gone.at == at)
        {
            self.by_caller.remove(&oldest);
        }
    }

    /// A caller comes: when they had entered, if they gave up within this time.
    pub(super) fn before(&self, caller: &str, within: Duration, now: Instant) -> Option<Instant> {
        let gone = self.by_caller.get(caller)?;
        (now.since(gone.at) <= within).then_some(gone.entered)
    }

    /// Nothing is known of this caller.
    pub(super) fn forget(&mut self, caller: &str) {
        self.by_caller.remove(caller);
        self.order.retain(|(_, gone)| &**gone != caller);
    }

    /// The caller has the place of before, which is given back once.
    pub(super) fn comes_back(&mut self, caller: &str) {
        self.by_caller.remove(caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_up_is_remembered_once_and_not_without_bound() {
        let at = |seconds: u64| Instant::START + Duration::from_secs(seconds);
        let within = Duration::from_secs(60);
        let mut abandoned = Abandoned::default();
        abandoned.gives_up("+380441112233".into(), at(5), at(30));
        let before = |abandoned: &Abandoned, now| abandoned.before("+380441112233", within, now);
        assert_eq!(before(&abandoned, at(90)), Some(at(5)));
        assert_eq!(before(&abandoned, at(91)), None, "too late");
        abandoned.comes_back("+380441112233");
        assert_eq!(before(&abandoned, at(90)), None, "given back once");
        for n in 0..2 * limits::ABANDONED_CALLERS {
            abandoned.gives_up(n.to_string().into(), at(5), at(30));
        }
        assert!(abandoned.by_caller.len() <= limits::ABANDONED_CALLERS);
        assert!(abandoned.order.len() <= limits::ABANDONED_CALLERS);
    }
}
