//! A stand-in for the media threads: ports without sockets, prompts that last as long as they say,
//! recordings without a disk. It also tells the parties what they would hear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::dialplan::plan::Dialplan;
use crate::id::{CallId, LegId, PlayId};
use crate::media::command::{MediaCommand, MediaEvent, Recorded};
use crate::time::{Duration, Instant};
use crate::words::{Phrase, Prompt};

/// Opening a port takes this long.
const OPENING: Duration = Duration::from_micros(300);
/// A letter takes this long to say.
const LETTER: Duration = Duration::from_millis(70);
/// A file of music is this long.
const MUSIC: Duration = Duration::from_secs(30);
/// Closing a recording takes this long.
const FINISHING: Duration = Duration::from_millis(20);

/// What somebody at the far end of a leg hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Music or a prompt that begins again and again.
    Music,
    /// These phrases, once.
    Phrases(Vec<Phrase>),
    /// The other party.
    Party,
}

/// What comes of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sounding {
    /// The engine is told, at this time.
    Tell(Instant, MediaEvent),
    /// A playout ends at this time, unless something else is played by then.
    Ends(Instant, LegId, PlayId),
    /// The party that listens at this address hears something.
    Hears(SocketAddr, Heard),
}

#[derive(Clone, Debug)]
struct Line {
    call: CallId,
    port: u16,
    remote: Option<SocketAddr>,
    playing: Option<PlayId>,
    partner: Option<LegId>,
}

/// The media threads' stand-in.
#[derive(Debug, Default)]
pub struct Sound {
    lines: BTreeMap<LegId, Line>,
    free_ports: VecDeque<u16>,
    next_port: u16,
    ports: usize,
    phrases: BTreeMap<u128, Phrase>,
    recording: BTreeMap<CallId, (Instant, BTreeSet<LegId>)>,
    /// Commands that made no sense: none, in a correct engine.
    pub broken: Vec<String>,
}

impl Sound {
    /// A stand-in with so many ports that knows what each prompt says.
    #[must_use]
    pub fn new(ports: usize, prompts: &BTreeMap<Phrase, Prompt>) -> Self {
        Self {
            ports,
            phrases: prompts
                .iter()
                .map(|(phrase, prompt)| (prompt.key, phrase.clone()))
                .collect(),
            ..Self::default()
        }
    }

    /// Ports in use.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lines.len()
    }

    /// Recordings under way.
    #[must_use]
    pub fn recordings(&self) -> usize {
        self.recording.len()
    }

    /// The leg that sends to this address and is bridged.
    #[must_use]
    pub fn bridged_to(&self, remote: SocketAddr) -> Option<LegId> {
        let mut lines = self.lines.iter();
        let found = lines.find(|(_, line)| line.remote == Some(remote) && line.partner.is_some());
        found.map(|(leg, _)| *leg)
    }

    /// Does what the engine says.
    pub fn handle(&mut self, now: Instant, command: MediaCommand, out: &mut Vec<Sounding>) {
        match command {
            MediaCommand::Open { leg, call } => self.open_line(now, leg, call, out),
            MediaCommand::Connect { leg, remote } => match self.lines.get_mut(&leg) {
                Some(line) => line.remote = Some(remote.address),
                None => self.broken.push(format!("connect of closed {leg}")),
            },
            MediaCommand::Play {
                leg,
                play,
                prompts,
                looped,
            } => self.play(now, leg, play, &prompts, looped, out),
            MediaCommand::Bridge {
                caller,
                operator,
                record,
            } => self.bridge(now, caller, operator, record.map(|plan| plan.call), out),
            MediaCommand::Close { leg } => self.close(now, leg, out),
        }
    }

    /// A playout's time is over.
    pub fn ends(&mut self, now: Instant, leg: LegId, play: PlayId) -> Option<Sounding> {
        let line = self.lines.get_mut(&leg)?;
        if line.playing != Some(play) {
            return None;
        }
        line.playing = None;
        Some(Sounding::Tell(now, MediaEvent::Played { leg, play }))
    }

    fn open_line(&mut self, now: Instant, leg: LegId, call: CallId, out: &mut Vec<Sounding>) {
        if self.lines.len() >= self.ports {
            let event = MediaEvent::OpenFailed { leg };
            out.push(Sounding::Tell(now + OPENING, event));
            return;
        }
        let port = self.free_ports.pop_front().unwrap_or_else(|| {
            self.next_port += 1;
            20_000 + 2 * self.next_port
        });
        let line = Line {
            call,
            port,
            remote: None,
            playing: None,
            partner: None,
        };
        if self.lines.insert(leg, line).is_some() {
            self.broken.push(format!("{leg} opened twice"));
        }
        let event = MediaEvent::Opened { leg, port };
        out.push(Sounding::Tell(now + OPENING, event));
    }

    fn play(
        &mut self,
        now: Instant,
        leg: LegId,
        play: PlayId,
        prompts: &Arc<[Prompt]>,
        looped: bool,
        out: &mut Vec<Sounding>,
    ) {
        let Some(line) = self.lines.get_mut(&leg) else {
            self.broken.push(format!("play on closed {leg}"));
            return;
        };
        line.playing = Some(play).filter(|_| !prompts.is_empty());
        if prompts.is_empty() {
            return;
        }
        let heard = if looped {
            Heard::Music
        } else {
            let length = prompts.iter().map(|prompt| prompt.duration).sum();
            out.push(Sounding::Ends(now + length, leg, play));
            let phrases = prompts.iter().map(|prompt| self.phrases.get(&prompt.key));
            Heard::Phrases(phrases.flatten().cloned().collect())
        };
        out.extend(line.remote.map(|remote| Sounding::Hears(remote, heard)));
    }

    fn bridge(
        &mut self,
        now: Instant,
        caller: LegId,
        operator: LegId,
        record: Option<CallId>,
        out: &mut Vec<Sounding>,
    ) {
        for (leg, partner) in [(caller, operator), (operator, caller)] {
            let Some(line) = self.lines.get_mut(&leg) else {
                self.broken.push(format!("bridge of closed {leg}"));
                continue;
            };
            line.playing = None;
            line.partner = Some(partner);
            out.extend(line.remote.map(|to| Sounding::Hears(to, Heard::Party)));
        }
        if let Some(call) = record {
            let legs = BTreeSet::from([caller, operator]);
            if self.recording.insert(call, (now, legs)).is_some() {
                self.broken.push(format!("{call} recorded twice at once"));
            }
        }
    }

    fn close(&mut self, now: Instant, leg: LegId, out: &mut Vec<Sounding>) {
        let Some(line) = self.lines.remove(&leg) else {
            return;
        };
        self.free_ports.push_back(line.port);
        if let Some(other) = line.partner.and_then(|leg| self.lines.get_mut(&leg)) {
            other.partner = None;
        }
        let call = line.call;
        let recorded = self.recording.get(&call);
        if recorded.is_some_and(|(_, legs)| legs.contains(&leg))
            && let Some((began, _)) = self.recording.remove(&call)
        {
            let duration = now.since(began);
            let recorded = Box::new(Recorded {
                file: format!("{call}.wav"),
                bytes: 44 + u64::try_from(duration.as_millis()).unwrap_or(0) * 32,
                duration,
                sha256: "0".repeat(64),
            });
            let event = MediaEvent::Recorded { call, recorded };
            out.push(Sounding::Tell(now + FINISHING, event));
        }
    }
}

/// Every phrase of a plan as a prompt, long as it takes to say.
#[must_use]
pub fn prompts(plan: &Dialplan) -> BTreeMap<Phrase, Prompt> {
    let phrases = plan.phrases().into_iter().zip(1_u128..);
    let prompts = phrases.map(|(phrase, key)| {
        let duration = match &phrase {
            Phrase::Spoken { text, .. } => {
                let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                LETTER.saturating_mul(letters)
            }
            Phrase::File(_) => MUSIC,
        };
        (phrase, Prompt { key, duration })
    });
    prompts.collect()
}
