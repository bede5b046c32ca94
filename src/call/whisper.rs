//! What an operator is told of a caller: the fullest form that is ready, or the parts of it that are.
//!
//! No bridge waits for a synthesiser. A form that needs one is asked for when the phone begins to ring;
//! what has not come when the phone is answered is waited for no longer than [`limits::WHISPER_LATE`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::call::{Call, Effects};
use super::message::{CallEffect, World};
use crate::dialplan::plan::{Accept, Spoken, Utterance};
use crate::limits;
use crate::words::{Phrase, Prompt, Tone};

/// The phrases that one call had rendered.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// Those that are on their way.
    asked: VecDeque<Phrase>,
    ready: VecDeque<(Phrase, Prompt)>,
}

/// What is played to the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saying {
    /// What is heard: a text, or a tone.
    pub phrase: Phrase,
    /// Its sounds.
    pub prompts: Arc<[Prompt]>,
}

/// The form that says most, as a whole where its parts would say no more; a tone where nothing is
/// ready. None where there is nothing to say and nobody waits for a key.
fn choose(
    about: &Utterance,
    accept: Accept,
    ready: impl Fn(&Phrase) -> Option<Prompt>,
) -> Option<Saying> {
    let forms = about.forms();
    if forms.is_empty() && accept == Accept::Answer {
        return None;
    }
    let whole = forms.into_iter().find_map(|form| {
        let prompt = ready(&form.phrase())?;
        Some((form, vec![prompt]))
    });
    let (glued, sounds) = about.glued(&ready);
    let glued = Some((glued, sounds)).filter(|(_, sounds)| !sounds.is_empty());
    let best = match (whole, glued) {
        (Some(whole), Some(glued)) if glued.0.parts > whole.0.parts => Some(glued),
        (Some(best), _) | (None, Some(best)) => Some(best),
        (None, None) => None,
    };
    if let Some((form, prompts)) = best {
        return Some(Saying {
            phrase: form.phrase(),
            prompts: prompts.into(),
        });
    }
    let phrase = Phrase::Tone(Tone::Beep);
    let prompts = Arc::from([ready(&phrase)?]);
    Some(Saying { phrase, prompts })
}

impl Call {
    /// What is to be said of the caller now.
    pub(super) fn spoken(&self, world: &World<'_>) -> Spoken {
        Spoken {
            repeat: self.facts.repeat,
            wait: world.now.mono.since(self.path.entered()),
            lead: self.facts.lead,
            callback: self.recall.is_some() && !self.facts.lead,
        }
    }

    /// What is said, of what is ready now.
    pub(super) fn saying(&self, world: &World<'_>, spoken: &Spoken) -> Option<Saying> {
        let about = self.decision.whisper.about(spoken);
        choose(&about, self.plan.whisper_accept, |phrase| {
            self.ready(world, phrase)
        })
    }

    /// The fullest form, if it is not ready and on its way.
    pub(super) fn awaited(&self, world: &World<'_>, spoken: &Spoken) -> Option<Phrase> {
        let fullest = self.fullest(spoken)?;
        let comes = self.rendered.asked.contains(&fullest);
        (comes && self.ready(world, &fullest).is_none()).then_some(fullest)
    }

    /// A phone begins to ring: what it will be told is rendered, unless it is ready.
    pub(super) fn ask_for_whisper(&mut self, world: &World<'_>, spoken: &Spoken, fx: &mut Effects) {
        let Some(fullest) = self.fullest(spoken) else {
            return;
        };
        if self.rendered.asked.contains(&fullest) || self.ready(world, &fullest).is_some() {
            return;
        }
        let asked = &mut self.rendered.asked;
        if asked.len() >= limits::PHRASES_OF_A_CALL {
            asked.pop_front();
        }
        asked.push_back(fullest.clone());
        let phrases = vec![fullest];
        fx.push_back(CallEffect::Render { phrases });
    }

    /// Phrases were rendered, or could not be.
    pub(super) fn take_rendered(
        &mut self,
        world: &mut World<'_>,
        asked: &[Phrase],
        prompts: BTreeMap<Phrase, Prompt>,
        fx: &mut Effects,
    ) {
        self.rendered.asked.retain(|phrase| !asked.contains(phrase));
        self.rendered.ready.extend(prompts);
        while self.rendered.ready.len() > limits::PHRASES_OF_A_CALL {
            self.rendered.ready.pop_front();
        }
        self.whisper_came(world, fx);
    }

    fn fullest(&self, spoken: &Spoken) -> Option<Phrase> {
        let forms = self.decision.whisper.about(spoken).forms();
        forms.first().map(|form| form.phrase())
    }

    fn ready(&self, world: &World<'_>, phrase: &Phrase) -> Option<Prompt> {
        let mut rendered = self.rendered.ready.iter();
        let of_plan = world.prompts.get(phrase).copied();
        of_plan.or_else(|| rendered.find(|(known, _)| known == phrase).map(|it| it.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::whisper::{Name, Template};
    use crate::time::Duration;
    use crate::words::Language;

    const FULL: &str = "Дзвінок з Одеси, повторний клієнт, чекає 2 хвилини";
    const BARER: &str = "Дзвінок з Одеси, повторний клієнт";

    /// What is heard when these texts, and the tone, are ready.
    fn heard(template: &str, ready: &[&str], accept: Accept) -> Option<(String, usize)> {
        let template = Template::read(template).unwrap();
        let whisper = template.fill(Language::Uk, |name| {
            (name == Name::From).then_some("з Одеси")
        });
        let spoken = Spoken {
            repeat: true,
            wait: Duration::from_secs(120),
            ..Spoken::default()
        };
        let saying = choose(&whisper.about(&spoken), accept, |phrase| {
            let is_ready = match phrase {
                Phrase::Spoken { text, .. } => ready.contains(&text.as_str()),
                Phrase::Tone(_) => true,
                Phrase::File(_) => false,
            };
            let duration = Duration::from_secs(1);
            is_ready.then_some(Prompt { key: 1, duration })
        })?;
        let text = match &saying.phrase {
            Phrase::Spoken { text, .. } => text.clone(),
            Phrase::File(_) | Phrase::Tone(_) => "beep".to_owned(),
        };
        Some((text, saying.prompts.len()))
    }

    #[test]
    fn what_says_most_is_said_and_a_whole_rather_than_its_parts() {
        let template = "Дзвінок {from}[, {repeat}][, чекає {wait}]";
        let parts = ["Дзвінок з Одеси", "повторний клієнт", "чекає 2 хвилини"];
        let all = [&[FULL, BARER], parts.as_slice()].concat();
        for (ready, text, sounds) in [
            (all.as_slice(), FULL, 1),
            (&all[1..], FULL, 3),
            (&all[1..4], BARER, 1),
            (&all[2..4], BARER, 2),
            (&all[3..4], "повторний клієнт", 1),
            (&[], "beep", 1),
        ] {
            let heard = heard(template, ready, Accept::Answer);
            assert_eq!(heard, Some((text.to_owned(), sounds)), "{ready:?}");
        }
    }

    #[test]
    fn where_there_is_nothing_to_say_only_a_key_is_asked_for() {
        for template in ["", "[{campaign}]"] {
            assert_eq!(heard(template, &[], Accept::Answer), None);
            let beep = Some(("beep".to_owned(), 1));
            assert_eq!(heard(template, &[], Accept::Key), beep);
        }
    }
}
