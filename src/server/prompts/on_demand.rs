//! Phrases that one call asks for: rendered by a thread of their own, while a phone rings.
//!
//! Nobody waits for it: the call says what is ready when the phone is answered. What was rendered stays
//! in memory, never on the disk, until newer phrases need the room.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLockReadGuard};
use std::thread::Builder;

use anyhow::{Context as _, Result};

use super::{PromptStore, Round, prompt};
use crate::limits;
use crate::server::clock::Clock;
use crate::time::Instant;
use crate::words::{Phrase, Prompt};

/// What was rendered for calls, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Rack {
    order: VecDeque<Phrase>,
    phrases: BTreeMap<Phrase, Prompt>,
    sounds: BTreeMap<u128, Arc<[i16]>>,
    samples: usize,
}

impl Rack {
    pub(super) fn samples(&self, key: u128) -> Option<Arc<[i16]>> {
        self.sounds.get(&key).cloned()
    }

    fn put(&mut self, phrase: Phrase, samples: Arc<[i16]>, most: usize) -> Prompt {
        let prompt = prompt(&samples);
        if self.phrases.insert(phrase.clone(), prompt).is_none() {
            self.order.push_back(phrase);
        }
        self.samples += samples.len();
        if let Some(before) = self.sounds.insert(prompt.key, samples) {
            self.samples -= before.len();
        }
        while self.samples > most && self.order.len() > 1 {
            let oldest = self.order.pop_front();
            let Some(gone) = oldest.and_then(|phrase| self.phrases.remove(&phrase)) else {
                continue;
            };
            let shared = self.phrases.values().any(|it| it.key == gone.key);
            if !shared && let Some(sound) = self.sounds.remove(&gone.key) {
                self.samples -= sound.len();
            }
        }
        prompt
    }
}

impl PromptStore {
    pub(super) fn rack(&self) -> RwLockReadGuard<'_, Rack> {
        self.rack.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes these phrases ready now; those that nothing says are missing.
    #[must_use]
    pub fn render_now(&self, phrases: &[Phrase]) -> BTreeMap<Phrase, Prompt> {
        let round = Round {
            keeps: false,
            ..self.round()
        };
        let mut ready = BTreeMap::new();
        for phrase in phrases {
            let known = self.rack().phrases.get(phrase).copied();
            let prompt = known.or_else(|| {
                let samples = round.render(phrase).ok()?;
                let mut rack = self.rack.write().unwrap_or_else(PoisonError::into_inner);
                Some(rack.put(phrase.clone(), samples, limits::RENDERED_SAMPLES))
            });
            ready.extend(prompt.map(|prompt| (phrase.clone(), prompt)));
        }
        ready
    }
}

type Reply = Box<dyn FnOnce(BTreeMap<Phrase, Prompt>) + Send>;

struct Job {
    phrases: Vec<Phrase>,
    asked: Instant,
    reply: Reply,
}

/// The thread that renders for calls.
pub struct Renderer {
    jobs: SyncSender<Job>,
    clock: Clock,
}

impl Renderer {
    /// Starts it; it ends with the last who could ask.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(store: Arc<PromptStore>, clock: Clock) -> Result<Self> {
        let (jobs, queue) = sync_channel(limits::RENDERS_WAITING);
        Builder::new()
            .name("renderer".to_owned())
            .spawn(move || work(&queue, &store, &clock))
            .context("cannot start the thread renderer")?;
        Ok(Self { jobs, clock })
    }

    /// Has phrases rendered; `reply` hears which are ready, none when there is too much to do.
    pub fn ask(
        &self,
        phrases: Vec<Phrase>,
        reply: impl FnOnce(BTreeMap<Phrase, Prompt>) + Send + 'static,
    ) {
        let job = Job {
            phrases,
            asked: self.clock.now().mono,
            reply: Box::new(reply),
        };
        if let Err(refused) = self.jobs.try_send(job) {
            let (std::sync::mpsc::TrySendError::Full(job)
            | std::sync::mpsc::TrySendError::Disconnected(job)) = refused;
            (job.reply)(BTreeMap::new());
        }
    }
}

fn work(queue: &Receiver<Job>, store: &PromptStore, clock: &Clock) {
    while let Ok(job) = queue.recv() {
        let late = clock.now().mono.since(job.asked) >= limits::RENDER;
        let ready = if late {
            BTreeMap::new()
        } else {
            // An engine that fails over one phrase must not cost the others theirs.
            catch_unwind(AssertUnwindSafe(|| store.render_now(&job.phrases))).unwrap_or_default()
        };
        (job.reply)(ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Language;

    fn spoken(text: &str) -> Phrase {
        Phrase::Spoken {
            language: Language::Uk,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_rack_keeps_the_newest_within_its_bound() {
        let mut rack = Rack::default();
        let put = |rack: &mut Rack, text: &str, sample: i16, length: usize| {
            rack.put(spoken(text), vec![sample; length].into(), 100).key
        };
        let first = put(&mut rack, "a", 1, 60);
        let second = put(&mut rack, "b", 2, 40);
        assert!(rack.samples(first).is_some() && rack.samples(second).is_some());
        // The same sound under another name takes no room of its own.
        assert_eq!(put(&mut rack, "c", 2, 40), second);
        let third = put(&mut rack, "d", 3, 50);
        assert!(rack.samples(first).is_none());
        assert!(rack.samples(second).is_some() && rack.samples(third).is_some());
        assert_eq!(rack.samples, 90);
        let large = put(&mut rack, "e", 4, 500);
        assert!(rack.samples(large).is_some() && rack.samples(second).is_none());
        assert_eq!(
            (rack.order.len(), rack.phrases.len(), rack.sounds.len()),
            (1, 1, 1)
        );
        assert_eq!(rack.samples, 500);
    }

    #[test]
    fn a_renderer_with_too_much_to_do_says_so_at_once_and_answers_each() {
        let data = tempfile::tempdir().unwrap();
        let store = Arc::new(PromptStore::open(data.path(), Vec::new()).unwrap());
        let renderer = Renderer::start(store, Clock::start()).unwrap();
        let (busy, is_busy) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        renderer.ask(vec![spoken("first")], move |_| {
            busy.send(()).unwrap();
            released.recv().unwrap();
        });
        is_busy.recv().unwrap();
        let (answer, answers) = std::sync::mpsc::channel();
        for n in 0..limits::RENDERS_WAITING + 8 {
            let answer = answer.clone();
            renderer.ask(vec![spoken("more")], move |ready| {
                assert!(ready.is_empty());
                answer.send(n).unwrap();
            });
        }
        drop(answer);
        let refused = answers.try_iter().collect::<Vec<_>>();
        let most = limits::RENDERS_WAITING;
        assert_eq!(refused, (most..most + 8).collect::<Vec<_>>());
        release.send(()).unwrap();
        assert_eq!(
            answers.iter().collect::<Vec<_>>(),
            (0..most).collect::<Vec<_>>()
        );
    }
}
