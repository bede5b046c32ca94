//! What the plan says of a lead, whom nobody dialled: which queue calls, up which ladder, and what the
//! operator is told.
//!
//! A whisper that names neither the lead nor its city is said after both. When to call is not decided
//! here.

use super::decide::Decision;
use super::plan::{Dialplan, Rung, Target};
use super::whisper::utterance::{Part, Piece, Spoken, Whisper};
use super::whisper::{Name, Trait};
use crate::id::{QueueName, SiteName};
use crate::limits;
use crate::words::Language;

/// A lead, as far as the plan cares.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The number, in E.164.
    pub phone: &'a str,
    /// The branch.
    pub site: Option<&'a SiteName>,
    /// Whose operators call.
    pub queue: &'a QueueName,
    /// The city that was said.
    pub city: Option<&'a str>,
    /// Where they came from.
    pub source: Option<&'a str>,
    /// The campaign.
    pub campaign: Option<&'a str>,
    /// It stands on a list, and asked for nothing.
    pub listed: bool,
}

impl Dialplan {
    /// The ladder of leads: their own, or that of callbacks.
    #[must_use]
    pub fn ladder_of_leads(&self) -> &[Rung] {
        let own = self.leads.attempts.as_deref();
        own.unwrap_or(&self.callbacks.attempts)
    }

    /// The queue whose operators call where nobody named one: `leads.queue`, the first that a number
    /// of the branch leads to, or the only one.
    #[must_use]
    pub fn queue_of_leads(&self, site: Option<&SiteName>) -> Option<QueueName> {
        let queue_of = |target: &Target| match target {
            Target::Queue(queue) => Some(queue.clone()),
            Target::Voicemail(_) => None,
        };
        let of_site = || {
            let numbers = self.numbers.iter();
            let own =
                numbers.filter(|number| number.site.is_some() && number.site.as_ref() == site);
            own.flat_map(|number| &number.to).find_map(queue_of)
        };
        let only = || {
            let mut queues = self.queues.keys();
            queues.next().filter(|_| queues.next().is_none()).cloned()
        };
        let named = self.leads.queue.clone();
        named.or_else(of_site).or_else(only)
    }

    /// What a call for this lead means.
    #[must_use]
    pub fn decide_lead(&self, asking: &Asking<'_>) -> Decision {
        let site = asking.site.and_then(|site| self.sites.get(site));
        let city = asking.city.or_else(|| site.map(|site| site.city.as_str()));
        let language = site.map_or(self.language, |site| site.language);
        let text = |text: Option<&str>| text.map(str::to_owned);
        Decision {
            to: asking.phone.to_owned(),
            from: Some(asking.phone.to_owned()),
            targets: vec![Target::Queue(asking.queue.clone())],
            reject: None,
            priority: 0,
            site: asking.site.cloned(),
            city: text(city),
            source: text(asking.source),
            campaign: text(asking.campaign),
            language,
            whisper: self.whisper_of_lead(asking, language, city),
            rule: None,
        }
    }

    fn whisper_of_lead(
        &self,
        asking: &Asking<'_>,
        language: Language,
        city: Option<&str>,
    ) -> Whisper {
        let site = asking.site.and_then(|site| self.sites.get(site));
        // The grammar of the branch is that of its own city alone.
        let from = site.filter(|site| city == Some(&*site.city));
        let from = from.map(|site| site.from.as_str());
        let template = self.leads.whispers.get(&language);
        let filled = template.map(|template| {
            template.fill(language, |name| match name {
                Name::From => from.or(city),
                Name::City => city,
                Name::Campaign => asking.campaign,
                Name::Source => asking.source,
                Name::Site => asking.site.map(SiteName::as_str),
                Name::Name => None,
            })
        });
        let parts = filled.map(|filled| filled.parts).unwrap_or_default();
        let whisper = introduced(parts, asking.listed, language, from, city);
        if speakable(&whisper) {
            return whisper;
        }
        // What strangers wrote makes it too long to be spoken.
        introduced(Vec::new(), asking.listed, language, from, city)
    }
}

/// The whisper, with what the lead is and its city before it unless it says so itself.
fn introduced(
    mut parts: Vec<Part>,
    listed: bool,
    language: Language,
    from: Option<&str>,
    city: Option<&str>,
) -> Whisper {
    let lead = if listed {
        Piece::Text(of_list(language).to_owned())
    } else {
        Piece::Of(Trait::Lead)
    };
    let mut says_lead = false;
    let mut text = String::new();
    for piece in parts.iter_mut().flat_map(|part| &mut part.pieces) {
        match piece {
            Piece::Of(Trait::Lead) => {
                *piece = lead.clone();
                says_lead = true;
            }
            Piece::Of(Trait::Repeat | Trait::Wait | Trait::Callback) => {}
            Piece::Text(words) => text.push_str(words),
        }
    }
    let says = |words: Option<&str>| words.is_some_and(|words| text.contains(words));
    let mut pieces = Vec::new();
    if !says_lead {
        pieces.push(lead);
        pieces.push(Piece::Text(", ".to_owned()));
    }
    if let Some(city) = city.filter(|city| !says(Some(city)) && !says(from)) {
        pieces.push(Piece::Text(format!("{city}, ")));
    }
    if !pieces.is_empty() {
        let optional = false;
        parts.insert(0, Part { optional, pieces });
    }
    Whisper { language, parts }
}

/// What is said of somebody who stands on a list.
const fn of_list(language: Language) -> &'static str {
    match language {
        Language::Uk => "дзвінок за списком",
        Language::Ru => "звонок по списку",
        Language::En => "call from a list",
    }
}

fn speakable(whisper: &Whisper) -> bool {
    let forms = whisper.about(&Spoken::LONGEST).forms();
    let mut lengths = forms.iter().map(|form| form.text().chars().count());
    lengths.all(|length| length <= limits::PHRASE_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::compile::{Options, compile};
    use crate::dialplan::diagnose::{Severity, Source};
    use crate::dialplan::secrets::Secrets;

    const PLAN: &str = r#"
version: 1
country: UA
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
  krasnodar: { city: Краснодар, from: из Краснодара, language: ru, country: RU }
trunks: { kyivstar: { peers: [203.0.113.10] } }
numbers:
  "0800 301 231": { site: odesa, to: queue.odesa }
operators: { iryna: { password: a } }
queues: { odesa: { operators: [iryna] }, all: { operators: [iryna] } }
outbound: { via: kyivstar, allow: ["+380*"] }
"#;

    struct Nothing;

    impl Secrets for Nothing {
        fn env(&self, _name: &str) -> Option<String> {
            None
        }
        fn file(&self, _path: &str) -> Option<String> {
            None
        }
    }

    fn plan(more: &str) -> Dialplan {
        let text = format!("{PLAN}{more}\n");
        let source = Source {
            name: "plan.yaml",
            text: &text,
        };
        let options = Options {
            unset: Severity::Error,
            whole: true,
        };
        let compiled = compile(&[source], &Nothing, options);
        compiled
            .plan
            .unwrap_or_else(|| panic!("{:?}", compiled.problems))
    }

    fn said(plan: &Dialplan, site: Option<&str>, city: Option<&str>, listed: bool) -> String {
        let (site, queue) = (site.map(SiteName::from), QueueName::from("odesa"));
        let asking = Asking {
            phone: "+380671112233",
            site: site.as_ref(),
            queue: &queue,
            city,
            source: None,
            campaign: Some("імплантація"),
            listed,
        };
        let decision = plan.decide_lead(&asking);
        let spoken = Spoken {
            lead: true,
            ..Spoken::default()
        };
        let forms = decision.whisper.about(&spoken).forms();
        forms.first().map_or("", |form| form.text()).to_owned()
    }

    #[test]
    fn the_operator_hears_that_it_is_a_lead_and_from_where() {
        let silent = plan("whisper: { uk: \"Дзвінок {from}[, {campaign}]\", ru: \"Звонок\" }");
        let named = plan("whisper: { uk: \"[{lead}, ]{city}[, {campaign}]\", ru: \"Звонок\" }");
        let without = plan("");
        let kherson = Some("Херсон");
        for (plan, site, city, listed, heard) in [
            (
                &silent,
                Some("odesa"),
                None,
                false,
                "заявка із сайту, Дзвінок з Одеси, імплантація",
            ),
            (
                &silent,
                None,
                kherson,
                false,
                "заявка із сайту, Дзвінок Херсон, імплантація",
            ),
            (
                &silent,
                Some("odesa"),
                kherson,
                false,
                "заявка із сайту, Дзвінок Херсон, імплантація",
            ),
            (
                &silent,
                Some("krasnodar"),
                None,
                false,
                "заявка с сайта, Краснодар, Звонок",
            ),
            (
                &silent,
                Some("odesa"),
                None,
                true,
                "дзвінок за списком, Дзвінок з Одеси, імплантація",
            ),
            (
                &named,
                Some("odesa"),
                None,
                false,
                "заявка із сайту, Одеса, імплантація",
            ),
            (
                &named,
                Some("odesa"),
                None,
                true,
                "дзвінок за списком, Одеса, імплантація",
            ),
            (
                &without,
                Some("odesa"),
                None,
                false,
                "заявка із сайту, Одеса",
            ),
            (&without, None, None, false, "заявка із сайту"),
        ] {
            assert_eq!(said(plan, site, city, listed), heard);
        }
    }

    #[test]
    fn what_strangers_write_makes_no_whisper_too_long() {
        let long = "я".repeat(limits::PHRASE_CHARS - 70);
        let plan = plan(&format!("whisper: {{ uk: \"{long}{{city}}{{city}}\" }}"));
        let city = "ї".repeat(60);
        let heard = said(&plan, None, Some(&city), false);
        assert_eq!(heard, format!("заявка із сайту, {city}"));
    }

    #[test]
    fn the_queue_is_the_nearest_that_somebody_named() {
        let of = |plan: &Dialplan, site: Option<&str>| {
            let site = site.map(SiteName::from);
            let queue = plan.queue_of_leads(site.as_ref());
            queue.map(|queue| queue.to_string())
        };
        let silent = plan("");
        assert_eq!(of(&silent, Some("odesa")).as_deref(), Some("odesa"));
        assert_eq!(of(&silent, Some("krasnodar")), None);
        assert_eq!(of(&silent, None), None, "there are two");
        let named = plan("leads: { queue: all }");
        assert_eq!(of(&named, Some("odesa")).as_deref(), Some("all"));
        let mut only = plan("");
        only.queues.remove(&QueueName::from("odesa"));
        assert_eq!(of(&only, None).as_deref(), Some("all"));
    }

    #[test]
    fn the_ladder_is_that_of_callbacks_where_leads_have_none() {
        let ladder = |more: &str| plan(more).ladder_of_leads().len();
        let callbacks = "callbacks: { attempts: [{ after: 0s }, { after: 5m }] }";
        assert_eq!(ladder(callbacks), 2);
        assert_eq!(
            ladder(&format!(
                "{callbacks}\nleads: {{ attempts: [{{ emit: message }}] }}"
            )),
            1
        );
    }
}
