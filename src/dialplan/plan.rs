//! A compiled dialplan. Every name in it exists, every number is E.164, every bound is kept.

mod callback;
mod carrier;
mod codes;
mod lead;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::callback::{Callbacks, Rung, Voicemail};
pub use self::carrier::{Called, CallerId, Peer, Register, Server, Trunk};
pub use self::codes::FeatureCodes;
pub use self::lead::Leads;
pub use self::queue::{
    After, Announce, Answer, Disposition, Exit, Member, Need, Queue, QueueCallback, Sticky, Target,
    Widen,
};
pub use super::whisper::utterance::{Spoken, Utterance, Whisper};
use crate::id::{
    CalendarName, ListName, OperatorName, QueueName, SiteName, TrunkName, VoicemailName,
};
use crate::limits;
use crate::time::{Duration, Wall};
use crate::words::{Language, Phrase, Srtp, Tone};

/// What waiting callers hear where a queue names no music of its own.
pub const DEFAULT_MUSIC: &str = "music/calm.wav";

/// What operators may dial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outbound {
    /// The trunks, in order.
    pub via: Vec<TrunkName>,
    /// Numbers in E.164, with `*` at the end for every one that begins so.
    pub allow: Vec<String>,
    /// Numbers that are refused although `allow` has them.
    pub deny: Vec<String>,
    /// Dialled as written, whatever the limits.
    pub emergency: Vec<String>,
    /// Calls of one operator at once.
    pub max_calls: u32,
    /// Calls of one operator in a day.
    pub per_day: Option<u32>,
    /// The hours of the day in which it is allowed, as minutes since midnight; none is always.
    pub hours: Option<(u16, u16)>,
    /// The number shown to whom we call, by the operator's branch.
    pub show: BTreeMap<SiteName, String>,
    /// The number shown where the branch has none.
    pub show_else: Option<String>,
}

/// What an operator's phone shows of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Screen {
    /// The display name of From: a text with `{names}`.
    pub display: String,
    /// The display name in Latin letters, for phones that show no Cyrillic.
    pub transliterate: bool,
    /// The URL of the caller's card, a text with `{names}`.
    pub card: Option<String>,
}

impl Screen {
    /// The names that its texts may hold in braces.
    pub const NAMES: [&str; 9] = [
        "city", "source", "campaign", "site", "queue", "operator", "from", "to", "call_id",
    ];
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            display: "{city} · {source}".to_owned(),
            transliterate: false,
            card: None,
        }
    }
}

/// An operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator {
    /// The key: also the user part the softphone registers with.
    pub name: OperatorName,
    /// The name as people write it.
    pub display: String,
    /// The short number.
    pub number: Option<String>,
    /// The clear secret; none when `${env:…}` is unset, which `serve` refuses.
    pub password: Option<Secret>,
    /// The branch the operator sits in.
    pub site: Option<SiteName>,
    /// Skill to level; 1 is best.
    pub skills: BTreeMap<String, u8>,
    /// Paperwork after a talk; none leaves it to the queue.
    pub wrap_up: Option<Duration>,
    /// After so many phones rung in vain in a row the operator is paused.
    pub max_no_answer: Option<u32>,
    /// Whether the phone's media is encrypted (RFC 4568).
    pub srtp: Srtp,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the clear value.
    #[must_use]
    pub const fn new(clear: String) -> Self {
        Self(clear)
    }

    /// The clear value, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"…\"")
    }
}

/// When an operator who answered is bridged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Accept {
    /// As soon as the whisper is over.
    #[default]
    Answer,
    /// When the operator has pressed 1.
    Key,
}

/// What a recording does and how long it stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The notice the caller hears before it begins.
    pub announce: Option<Phrase>,
    /// How long files are kept; none keeps them.
    pub keep: Option<Duration>,
}

/// Where a rule stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// The file as it was named.
    pub file: Arc<str>,
    /// From one.
    pub line: u32,
    /// From one, in characters.
    pub column: u32,
}

/// What a dialled number means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    /// As the plan writes it.
    pub written: String,
    /// A name people know it by.
    pub name: Option<String>,
    /// The branch.
    pub site: Option<SiteName>,
    /// The city of that branch.
    pub city: Option<String>,
    /// Where the caller saw it.
    pub source: Option<String>,
    /// The campaign it belongs to.
    pub campaign: Option<String>,
    /// Where its callers go, in order.
    pub to: Vec<Target>,
    /// The language of whisper and announcements.
    pub language: Language,
    /// What the operator hears.
    pub whisper: Whisper,
    /// How long recordings of its calls are kept; none says nothing of it.
    pub keep: Option<Duration>,
    /// Where it is written.
    pub position: Position,
}

/// A branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// Its key.
    pub name: SiteName,
    /// The city.
    pub city: String,
    /// How numbers without `+` are read here.
    pub country: crate::number::Country,
    /// The city as it is spoken after "a call".
    pub from: String,
    /// The language of its callers.
    pub language: Language,
    /// Its time zone, as the tz database names it.
    pub timezone: String,
}

/// The whole plan.
#[derive(Clone, Debug)]
pub struct Dialplan {
    /// SHA-256 of the files, lower-case hex: the `plan` of a call.
    pub hash: String,
    /// How numbers without `+` are read where nothing closer says so.
    pub country: crate::number::Country,
    /// The language where no site says another.
    pub language: Language,
    /// The time zone where no site says another, as the tz database names it.
    pub timezone: String,
    /// Branches.
    pub sites: BTreeMap<SiteName, Site>,
    /// Carriers.
    pub trunks: BTreeMap<TrunkName, Trunk>,
    /// Opening hours.
    pub calendars: BTreeMap<CalendarName, super::calendar::Calendar>,
    /// Lists of numbers.
    pub lists: BTreeMap<ListName, super::lists::NumberList>,
    /// The files that lists were read from, by their paths as the plan writes them, each with the
    /// SHA-256 of its text.
    pub list_files: BTreeMap<String, String>,
    /// What is tried before `numbers`, in order.
    pub routes: Vec<super::routes::Route>,
    /// Dialled numbers.
    pub numbers: super::numbers::NumberTable,
    /// Operators.
    pub operators: BTreeMap<OperatorName, Operator>,
    /// Queues.
    pub queues: BTreeMap<QueueName, Queue>,
    /// Boxes where callers leave messages.
    pub voicemail: BTreeMap<VoicemailName, Voicemail>,
    /// What a missed call becomes.
    pub callbacks: Callbacks,
    /// How those who asked for a call are called.
    pub leads: Leads,
    /// Whoever called within this calls again.
    pub repeat_within: Duration,
    /// What operators dial to change their own state.
    pub feature_codes: FeatureCodes,
    /// How long a whisper may last; it is cut there.
    pub whisper_max: Duration,
    /// When an operator who answered is bridged.
    pub whisper_accept: Accept,
    /// What operators may dial; none lets them dial each other alone.
    pub outbound: Option<Outbound>,
    /// Names and short numbers of operators, queues and branches, with what dialling them means.
    pub keypad: super::dial::Keypad,
    /// What their phones show.
    pub screen: Screen,
    /// Recording; none records nothing.
    pub recording: Option<Recording>,
    /// The tests it brings along.
    pub tests: Vec<super::schema::PlanTest>,
}

impl Dialplan {
    /// The queues on the way of a call: the targets in order, each followed by its overflow, no queue twice.
    #[must_use]
    pub fn way(&self, targets: &[Target]) -> Vec<QueueName> {
        let longest = limits::OVERFLOW_DEPTH;
        let mut way = Vec::new();
        let mut next = targets.iter().rev().collect::<Vec<_>>();
        while let Some(target) = next.pop() {
            let Target::Queue(name) = target else {
                continue;
            };
            if way.len() >= longest || way.contains(name) {
                continue;
            }
            if let Some(queue) = self.queues.get(name) {
                way.push(name.clone());
                next.extend(queue.overflow.iter().rev());
            }
        }
        way
    }

    /// Whether a calendar is open at a moment, by the clock on the wall of its own zone, else of the
    /// branch, else of the plan.
    #[must_use]
    pub fn is_open(&self, calendar: &CalendarName, site: Option<&SiteName>, wall: Wall) -> bool {
        let Some(calendar) = self.calendars.get(calendar) else {
            return true;
        };
        let site = site.and_then(|site| self.sites.get(site));
        let zone = site.map_or(&self.timezone, |site| &site.timezone);
        calendar.is_open(zone, wall)
    }

    /// Every phrase a call through this plan can ask for, so that all are rendered before the first.
    #[must_use]
    pub fn phrases(&self) -> BTreeSet<Phrase> {
        let mut all = self.whispers(&Spoken::default());
        for spoken in Spoken::without_wait() {
            let more = self.whispers(&spoken);
            if all.len().saturating_add(more.len()) <= limits::WHISPERS_READY {
                all.extend(more);
            }
        }
        all.extend([Tone::Beep, Tone::Done, Tone::Refused].map(Phrase::Tone));
        all.extend(self.queues.values().map(|queue| queue.music.clone()));
        all.extend(
            self.recording
                .iter()
                .filter_map(|recording| recording.announce.clone()),
        );
        if !self.voicemail.is_empty() {
            all.extend([Phrase::Tone(Tone::Beep), Phrase::Tone(Tone::Done)]);
            let boxes = self.voicemail.values();
            all.extend(boxes.filter_map(|voicemail| voicemail.say.clone()));
        }
        if self.queues.values().any(|queue| queue.callback.is_some()) {
            let languages = self.numbers.iter().map(|number| number.language);
            all.extend(languages.map(super::speech::callback_confirmed));
            all.extend([Tone::Done, Tone::Refused].map(Phrase::Tone));
        }
        all
    }

    /// How long a recording is kept of a call that came to this number, if it came to one, in this queue:
    /// what the number says, else the queue, else `recording`. None keeps it.
    #[must_use]
    pub fn keep(&self, dialled: Option<&str>, queue: Option<&QueueName>) -> Option<Duration> {
        let number = dialled.and_then(|to| {
            let found = self.numbers.find(to);
            found.or_else(|| self.numbers.find(&crate::number::compact(to)?))
        });
        let of_queue = || self.queues.get(queue?)?.keep;
        let of_plan = || self.recording.as_ref()?.keep;
        number
            .and_then(|number| number.keep)
            .or_else(of_queue)
            .or_else(of_plan)
    }

    /// The whispers of all numbers about a caller of whom just this is known, in every form.
    fn whispers(&self, spoken: &Spoken) -> BTreeSet<Phrase> {
        let whispers = self.whispers_naming(spoken);
        let forms = whispers.flat_map(|whisper| whisper.about(spoken).forms());
        forms.map(|form| form.phrase()).collect()
    }

    /// The parts of whispers, each alone: what a whisper is put together from that is not ready as a
    /// whole; and what waiting callers are told. A plan is as good without them.
    #[must_use]
    pub fn fragments(&self) -> BTreeSet<Phrase> {
        // What is said of whoever is called back where the template does not say it.
        let back = Spoken {
            callback: true,
            ..Spoken::default()
        };
        let languages: BTreeSet<_> = self.numbers.iter().map(|number| number.language).collect();
        let of_callback = languages.into_iter().flat_map(|language| {
            let whisper = Whisper {
                language,
                parts: Vec::new(),
            };
            whisper.of_callback().about(&back).fragments()
        });
        let mut all: BTreeSet<_> = of_callback.collect();
        for spoken in Spoken::without_wait() {
            let whispers = self.whispers_naming(&spoken);
            all.extend(whispers.flat_map(|whisper| whisper.about(&spoken).fragments()));
            if all.len() >= limits::WHISPERS_READY {
                break;
            }
        }
        all.extend(super::speech::of_plan(self));
        all
    }

    fn whispers_naming(&self, spoken: &Spoken) -> impl Iterator<Item = &Whisper> {
        let whispers = self.numbers.iter().map(|number| &number.whisper);
        whispers.filter(|whisper| whisper.names_all(spoken))
    }
}
