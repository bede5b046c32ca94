//! The carriers, as the engine keeps them: which ways a call out has.

use super::engine::Engine;
use crate::call::message::Way;
use crate::time::Now;

impl Engine {
    /// The ways to a number outside, the best first.
    #[expect(
        clippy::unused_self,
        reason = "no carrier has a way out before it is kept here"
    )]
    pub(super) fn ways(&self, _now: Now, _number: &str) -> Vec<Way> {
        Vec::new()
    }
}
