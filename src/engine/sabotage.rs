//! Faults on purpose, for tests alone: a call's step fails when its turn comes.

/// When a step fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// Before the call was touched.
    Before,
    /// After the call was changed, with its effects still unheard.
    After,
}

/// What to break.
#[derive(Debug, Default)]
pub(crate) struct Sabotage(Option<(u64, When)>);

impl Sabotage {
    /// Breaks the step that comes after so many others.
    pub(crate) const fn after(steps: u64, when: When) -> Self {
        Self(Some((steps, when)))
    }

    /// One more step is at this point.
    pub(crate) fn strike(&mut self, at: When) {
        let Some((steps, when)) = &mut self.0 else {
            return;
        };
        if *when == at {
            if *steps == 0 {
                self.0 = None;
                panic!("a fault on purpose");
            }
            *steps -= 1;
        }
    }
}
