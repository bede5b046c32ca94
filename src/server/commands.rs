//! Commands on their way to the engine's thread, and the answers back.
//!
//! So many are on the way at once, and none is waited for longer than [`limits::COMMAND`]: an engine
//! that is busy with calls is not asked more and more beside them.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::driver::{Inbox, Word};
use crate::engine::command::{Actor, Command, Reply};
use crate::limits;
use crate::time::Duration;

/// The engine did not answer in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the engine is busy; ask again in a moment")]
pub struct Unanswered;

/// The way to the engine. Copies share its bound.
#[derive(Clone)]
pub struct Commands {
    inbox: Inbox,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Commands {
    /// The way to the engine behind this inbox.
    #[must_use]
    pub fn new(inbox: Inbox) -> Self {
        Self::bounded(inbox, limits::COMMANDS, limits::COMMAND)
    }

    fn bounded(inbox: Inbox, places: usize, patience: Duration) -> Self {
        Self {
            inbox,
            places: Arc::new(Semaphore::new(places)),
            patience,
        }
    }

    /// Gives a command and waits for what came of it. A command whose answer came too late may have
    /// been done all the same.
    ///
    /// # Errors
    /// The engine did not answer in time.
    pub async fn give(&self, actor: Actor, command: Command) -> Result<Reply, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            let _place = self.places.acquire().await.map_err(|_| Unanswered)?;
            self.inbox.post(Word::Command {
                actor,
                command,
                answer,
            });
            answered.await.map_err(|_| Unanswered)
        };
        timeout(self.patience, asked)
            .await
            .unwrap_or(Err(Unanswered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::mailbox::Mailbox;
    use crate::words::Role;

    fn actor() -> Actor {
        Actor {
            name: "board".to_owned(),
            role: Role::Admin,
            operator: None,
        }
    }

    fn asked(inbox: &Inbox) -> Vec<Word> {
        let mut taken = Vec::new();
        inbox.take(Duration::ZERO, 1, &mut taken);
        taken
    }

    #[tokio::test]
    async fn a_busy_engine_is_not_waited_for_and_not_asked_without_bound() {
        let inbox: Inbox = Arc::new(Mailbox::new(1));
        let patient = Commands::bounded(Arc::clone(&inbox), 2, Duration::from_secs(60));
        let hasty = Commands {
            patience: Duration::from_millis(10),
            ..patient.clone()
        };
        let give = || {
            let patient = patient.clone();
            tokio::spawn(async move { patient.give(actor(), Command::Queues).await })
        };
        let (first, second) = (give(), give());
        let mut words = Vec::new();
        while words.len() < 2 {
            tokio::task::yield_now().await;
            words.extend(asked(&inbox));
        }
        assert_eq!(hasty.give(actor(), Command::Queues).await, Err(Unanswered));
        assert_eq!(asked(&inbox).len(), 0, "the third never got a place");
        for word in words {
            if let Word::Command { answer, .. } = word {
                answer.send(Ok(serde_json::Value::Null)).unwrap();
            }
        }
        for asked in [first, second] {
            assert_eq!(asked.await.unwrap(), Ok(Ok(serde_json::Value::Null)));
        }
        // Whoever was answered or gave up gave the place back.
        assert_eq!(hasty.give(actor(), Command::Queues).await, Err(Unanswered));
        assert_eq!(asked(&inbox).len(), 1);
    }
}
