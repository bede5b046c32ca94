//! A stand-in for the media threads: ports without sockets, prompts that last as long as they say,
//! recordings without a disk. It also tells the parties what they would hear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::dialplan::plan::Dialplan;
use crate::id::{CallId, LegId, OperatorName, PlayId};
use crate::media::command::{MediaCommand, MediaEvent, RecordPlan, Recorded, Silence};
use crate::media::manifest::{Manifest, Segment};
use crate::time::{Duration, Instant};
use crate::words::{Phrase, Prompt, Supervision};

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
    /// What played has ended, and the engine does not know yet.
    untold: bool,
    partner: Option<LegId>,
    /// What it says is recorded.
    recorded: bool,
}

#[derive(Clone, Debug)]
struct Recording {
    began: Instant,
    manifest: Manifest,
    silence: Option<Silence>,
}

/// The media threads' stand-in.
#[derive(Debug, Default)]
pub struct Sound {
    lines: BTreeMap<LegId, Line>,
    free_ports: VecDeque<u16>,
    next_port: u16,
    ports: usize,
    phrases: BTreeMap<u128, Phrase>,
    /// How many legs each call has.
    parties: BTreeMap<CallId, usize>,
    recording: BTreeMap<CallId, Recording>,
    /// Who supervises a bridge of a call, whose operator, and how.
    supervised: BTreeMap<CallId, (LegId, LegId, Supervision)>,
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

    /// What a synthesiser makes of phrases that a call asked for.
    pub fn render(&mut self, phrases: Vec<Phrase>) -> BTreeMap<Phrase, Prompt> {
        let mut ready = BTreeMap::new();
        for phrase in phrases {
            let mut known = self.phrases.iter();
            let known = known.find(|(_, known)| **known == phrase);
            let next = || self.phrases.last_key_value().map_or(1, |(key, _)| key + 1);
            let key = known.map_or_else(next, |(key, _)| *key);
            let prompt = prompt(&phrase, key);
            self.phrases.insert(key, phrase.clone());
            ready.insert(phrase, prompt);
        }
        ready
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

    /// The segments of a recording under way.
    #[must_use]
    pub fn segments(&self, call: CallId) -> &[Segment] {
        let recording = self.recording.get(&call);
        recording.map_or(&[], |recording| &recording.manifest.segments)
    }

    /// The leg that takes part in a bridge of this call, its operator's leg, and how it does.
    #[must_use]
    pub fn supervision(&self, call: CallId) -> Option<(LegId, LegId, Supervision)> {
        self.supervised.get(&call).copied()
    }

    /// The leg that sends to this address and is bridged.
    #[must_use]
    pub fn bridged_to(&self, remote: SocketAddr) -> Option<LegId> {
        let mut lines = self.lines.iter();
        let found = lines.find(|(_, line)| line.remote == Some(remote) && line.partner.is_some());
        found.map(|(leg, _)| *leg)
    }

    /// The leg that sends to this address.
    #[must_use]
    pub fn leg_at(&self, remote: SocketAddr) -> Option<LegId> {
        let mut lines = self.lines.iter();
        let found = lines.find(|(_, line)| line.remote == Some(remote));
        found.map(|(leg, _)| *leg)
    }

    /// Whether whoever listens at this address hears anything.
    #[must_use]
    pub fn hears(&self, remote: SocketAddr) -> bool {
        let mut lines = self.lines.values();
        lines.any(|line| {
            let sounds = line.playing.is_some() || line.partner.is_some();
            line.remote == Some(remote) && sounds
        })
    }

    /// Whether nothing is heard on a leg, and the engine could know.
    #[must_use]
    pub fn is_silent(&self, leg: LegId) -> bool {
        let line = self.lines.get(&leg);
        line.is_some_and(|it| it.playing.is_none() && it.partner.is_none() && !it.untold)
    }

    /// The engine is being told something.
    pub fn told(&mut self, event: &MediaEvent) {
        if let MediaEvent::Played { leg, .. } = event
            && let Some(line) = self.lines.get_mut(leg)
        {
            line.untold = false;
        }
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
            } => self.bridge(now, caller, operator, record, out),
            MediaCommand::Unbridge { caller, operator } => self.unbridge(now, caller, operator),
            MediaCommand::Record { leg, plan } => self.record(now, leg, &plan),
            MediaCommand::StopRecording { call } => self.end_recording(now, call, out),
            MediaCommand::Silence { call, silence } => {
                if let Some(recording) = self.recording.get_mut(&call) {
                    recording.silence = silence;
                    let after = now.since(recording.began);
                    recording.manifest.silence(after, silence);
                }
            }
            MediaCommand::Supervise {
                leg,
                operator,
                mode,
            } => self.supervise(now, leg, operator, mode, out),
            MediaCommand::Adopt { leg, call } => self.adopt(now, leg, call, out),
            MediaCommand::Close { leg } => self.close(now, leg, out),
        }
    }

    /// A playout's time is over.
    pub fn ends(&mut self, now: Instant, leg: LegId, play: PlayId) -> Vec<Sounding> {
        let Some(line) = self.lines.get_mut(&leg) else {
            return Vec::new();
        };
        if line.playing != Some(play) {
            return Vec::new();
        }
        line.playing = None;
        line.untold = true;
        let mut out = vec![Sounding::Tell(now, MediaEvent::Played { leg, play })];
        out.extend(line.hears_party());
        out
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
            untold: false,
            partner: None,
            recorded: false,
        };
        *self.parties.entry(call).or_default() += 1;
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
            out.extend(line.hears_party());
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
        record: Option<Box<RecordPlan>>,
        out: &mut Vec<Sounding>,
    ) {
        let call = record.as_ref().map(|plan| plan.call);
        for (leg, partner) in [(caller, operator), (operator, caller)] {
            self.part(now, leg);
            let Some(line) = self.lines.get_mut(&leg) else {
                self.broken.push(format!("bridge of closed {leg}"));
                continue;
            };
            if call.is_some_and(|call| call != line.call) {
                self.broken
                    .push(format!("bridge of {leg}, which is of another call"));
            }
            line.playing = None;
            line.partner = Some(partner);
            line.recorded = call.is_some();
            out.extend(line.hears_party());
        }
        if let Some(plan) = record {
            self.begin_recording(now, &plan);
        }
    }

    fn record(&mut self, now: Instant, leg: LegId, plan: &RecordPlan) {
        self.part(now, leg);
        let Some(line) = self.lines.get_mut(&leg) else {
            self.broken.push(format!("recording of closed {leg}"));
            return;
        };
        if line.call != plan.call {
            self.broken
                .push(format!("recording of {leg}, which is of another call"));
        }
        line.recorded = true;
        self.begin_recording(now, plan);
    }

    /// Begins a recording, or goes on with the call's own as another segment.
    fn begin_recording(&mut self, now: Instant, plan: &RecordPlan) {
        match self.recording.get_mut(&plan.call) {
            Some(Recording {
                began,
                manifest,
                silence,
            }) => {
                let operator = plan.operator.as_ref().map(OperatorName::as_str);
                manifest.pass_on(now.since(*began), operator, plan.kind, *silence);
            }
            None => {
                let recording = Recording {
                    began: now,
                    manifest: Manifest::begin(plan),
                    silence: None,
                };
                self.recording.insert(plan.call, recording);
            }
        }
    }

    fn unbridge(&mut self, now: Instant, caller: LegId, operator: LegId) {
        let partner = self.lines.get(&caller).and_then(|line| line.partner);
        if partner == Some(operator) {
            self.part(now, caller);
        } else if self.lines.contains_key(&caller) && self.lines.contains_key(&operator) {
            self.broken.push(format!(
                "unbridge of {caller} and {operator}, which are not bridged"
            ));
        }
    }

    fn supervise(
        &mut self,
        now: Instant,
        leg: LegId,
        operator: LegId,
        mode: Option<Supervision>,
        out: &mut Vec<Sounding>,
    ) {
        let Some(call) = self.lines.get(&leg).map(|line| line.call) else {
            self.broken.push(format!("supervision by closed {leg}"));
            return;
        };
        let Some(mode) = mode else {
            self.end_supervision_by(call, leg);
            return;
        };
        let bridged = self.lines.get(&operator);
        let bridged = bridged.filter(|line| line.call == call && line.partner.is_some());
        if bridged.is_none_or(|line| line.partner == Some(leg)) || leg == operator {
            self.broken.push(format!(
                "supervision by {leg} of {operator}, which is not bridged"
            ));
            return;
        }
        if self.supervision(call).is_none_or(|known| known.0 != leg) {
            self.part(now, leg);
        }
        self.supervised.insert(call, (leg, operator, mode));
        if let Some(line) = self.lines.get_mut(&leg) {
            line.playing = None;
            out.extend(
                line.remote
                    .map(|remote| Sounding::Hears(remote, Heard::Party)),
            );
        }
    }

    fn end_supervision_by(&mut self, call: CallId, leg: LegId) {
        if self.supervision(call).is_some_and(|known| known.0 == leg) {
            self.supervised.remove(&call);
        }
    }

    /// Takes a leg out of its bridge; the recording goes on with silence, and nobody supervises it.
    fn part(&mut self, now: Instant, leg: LegId) {
        let Some(line) = self.lines.get_mut(&leg) else {
            return;
        };
        let (call, partner) = (line.call, line.partner.take());
        if partner.is_some() {
            self.supervised.remove(&call);
        }
        self.end_supervision_by(call, leg);
        let Some(line) = self.lines.get_mut(&leg) else {
            return;
        };
        let recorded = std::mem::take(&mut line.recorded);
        if let Some(other) = partner.and_then(|leg| self.lines.get_mut(&leg)) {
            other.partner = None;
            other.recorded = false;
        }
        if recorded && let Some(recording) = self.recording.get_mut(&call) {
            recording.manifest.pause(now.since(recording.began));
        }
    }

    fn adopt(&mut self, now: Instant, leg: LegId, call: CallId, out: &mut Vec<Sounding>) {
        self.part(now, leg);
        let Some(line) = self.lines.get_mut(&leg) else {
            self.broken.push(format!("adoption of closed {leg}"));
            return;
        };
        let former = std::mem::replace(&mut line.call, call);
        *self.parties.entry(call).or_default() += 1;
        self.leave(now, former, out);
    }

    fn close(&mut self, now: Instant, leg: LegId, out: &mut Vec<Sounding>) {
        self.part(now, leg);
        if let Some(line) = self.lines.remove(&leg) {
            self.free_ports.push_back(line.port);
            self.leave(now, line.call, out);
        }
    }

    /// A call has one leg less; with the last one its recording ends.
    fn leave(&mut self, now: Instant, call: CallId, out: &mut Vec<Sounding>) {
        if let Some(legs) = self.parties.get_mut(&call) {
            *legs -= 1;
            if *legs > 0 {
                return;
            }
            self.parties.remove(&call);
        }
        self.end_recording(now, call, out);
    }

    fn end_recording(&mut self, now: Instant, call: CallId, out: &mut Vec<Sounding>) {
        if let Some(recording) = self.recording.remove(&call) {
            let duration = now.since(recording.began);
            let recorded = Box::new(Recorded {
                file: format!("{call}.wav"),
                bytes: 44 + u64::try_from(duration.as_millis()).unwrap_or(0) * 32,
                duration,
                sha256: "0".repeat(64),
                manifest_sha256: "0".repeat(64),
            });
            let event = MediaEvent::Recorded { call, recorded };
            out.push(Sounding::Tell(now + FINISHING, event));
        }
    }
}

impl Line {
    /// The other party is heard, if there is one and nothing plays.
    fn hears_party(&self) -> Option<Sounding> {
        let bridged = self.partner.is_some() && self.playing.is_none();
        let remote = self.remote.filter(|_| bridged)?;
        Some(Sounding::Hears(remote, Heard::Party))
    }
}

/// Every phrase of a plan as a prompt, long as it takes to say.
#[must_use]
pub fn prompts(plan: &Dialplan) -> BTreeMap<Phrase, Prompt> {
    let phrases = plan.phrases().into_iter().chain(plan.fragments());
    let prompts = phrases.collect::<BTreeSet<_>>().into_iter().zip(1_u128..);
    let prompts = prompts.map(|(phrase, key)| {
        let prompt = prompt(&phrase, key);
        (phrase, prompt)
    });
    prompts.collect()
}

fn prompt(phrase: &Phrase, key: u128) -> Prompt {
    let duration = match phrase {
        Phrase::Spoken { text, .. } => {
            let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            LETTER.saturating_mul(letters)
        }
        Phrase::File(_) => MUSIC,
        Phrase::Tone(_) => Duration::from_millis(400),
    };
    Prompt { key, duration }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Origin, Ulid};
    use crate::media::command::{Learn, Remote, SegmentKind};
    use crate::rng::Rng;
    use crate::time::Wall;
    use crate::words::Codec;

    fn call(seed: u8) -> CallId {
        CallId(Ulid::new(Wall::default(), &mut Rng::new([seed; 32])))
    }

    fn leg(number: u64) -> LegId {
        LegId {
            origin: Origin::Inbound,
            number,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::START + Duration::from_secs(seconds)
    }

    fn plan(operator: &str, kind: SegmentKind) -> Option<Box<RecordPlan>> {
        Some(Box::new(RecordPlan {
            call: call(1),
            started_at: Wall::default(),
            to: String::new(),
            from: None,
            site: None,
            queue: None,
            operator: Some(OperatorName::from(operator)),
            kind,
            keep: None,
        }))
    }

    fn bridge(operator: u64, record: Option<Box<RecordPlan>>) -> MediaCommand {
        MediaCommand::Bridge {
            caller: leg(1),
            operator: leg(operator),
            record,
        }
    }

    #[test]
    fn a_call_passed_on_keeps_one_recording_and_hold_music_gives_way_to_the_party() {
        let mut sound = Sound::new(9, &BTreeMap::new());
        let mut out = Vec::new();
        for (number, of) in [(1, 1), (2, 1), (3, 2)] {
            let (leg, call) = (leg(number), call(of));
            sound.handle(at(0), MediaCommand::Open { leg, call }, &mut out);
            let address = ([127, 0, 0, 1], 4000 + u16::try_from(number).unwrap()).into();
            let remote = Remote::new(address, Learn::Phone(address.ip()), Codec::Pcma);
            sound.handle(at(0), MediaCommand::Connect { leg, remote }, &mut out);
        }
        let caller = ([127, 0, 0, 1], 4001).into();
        let party = Sounding::Hears(caller, Heard::Party);
        let say = |sound: &mut Sound, seconds, command| {
            let mut out = Vec::new();
            sound.handle(at(seconds), command, &mut out);
            out
        };
        let play = |prompts: Vec<Prompt>| MediaCommand::Play {
            leg: leg(1),
            play: PlayId(1),
            prompts: prompts.into(),
            looped: true,
        };
        let music = Prompt {
            key: 1,
            duration: MUSIC,
        };
        let heard = say(&mut sound, 0, bridge(2, plan("olena", SegmentKind::Talk)));
        assert!(heard.contains(&party));
        let heard = say(&mut sound, 5, play(vec![music]));
        assert_eq!(heard, [Sounding::Hears(caller, Heard::Music)]);
        let again = say(&mut sound, 6, play(Vec::new()));
        assert_eq!(again, std::slice::from_ref(&party));
        let (caller, operator) = (leg(1), leg(2));
        say(&mut sound, 10, MediaCommand::Unbridge { caller, operator });
        assert!(say(&mut sound, 10, play(Vec::new())).is_empty());
        say(&mut sound, 11, MediaCommand::Close { leg: leg(2) });
        let (leg, call) = (leg(3), call(1));
        say(&mut sound, 12, MediaCommand::Adopt { leg, call });
        let again = bridge(3, plan("iryna", SegmentKind::Transfer));
        assert!(say(&mut sound, 15, again).contains(&party));
        let stretches: Vec<_> = sound
            .segments(call)
            .iter()
            .map(|part| (part.started_ms, part.ended_ms, part.operator.as_deref()))
            .collect();
        assert_eq!(
            stretches,
            [
                (0, Some(10_000), Some("olena")),
                (15_000, None, Some("iryna"))
            ]
        );
        say(&mut sound, 20, MediaCommand::Close { leg: caller });
        let last = say(&mut sound, 21, MediaCommand::Close { leg });
        let [Sounding::Tell(_, MediaEvent::Recorded { recorded, .. })] = &last[..] else {
            panic!("{last:?}");
        };
        assert_eq!(recorded.duration, Duration::from_secs(21));
        assert_eq!(sound.broken, Vec::<String>::new());
        assert_eq!((sound.open(), sound.recordings()), (0, 0));
    }

    #[test]
    fn a_message_is_recorded_until_it_is_stopped() {
        let mut sound = Sound::new(9, &BTreeMap::new());
        let (leg, call) = (leg(1), call(1));
        let plan = RecordPlan {
            operator: None,
            ..*plan("olena", SegmentKind::Voicemail).unwrap()
        };
        let record = MediaCommand::Record {
            leg,
            plan: Box::new(plan),
        };
        let mut out = Vec::new();
        sound.handle(at(0), MediaCommand::Open { leg, call }, &mut out);
        sound.handle(at(1), record, &mut out);
        assert_eq!(sound.segments(call)[0].operator, None);
        out.clear();
        let stop = MediaCommand::StopRecording { call };
        sound.handle(at(4), stop.clone(), &mut out);
        assert_eq!(out.len(), 1);
        sound.handle(at(5), stop, &mut out);
        sound.handle(at(6), MediaCommand::Close { leg }, &mut out);
        let [Sounding::Tell(_, MediaEvent::Recorded { recorded, .. })] = &out[..] else {
            panic!("{out:?}");
        };
        assert_eq!(recorded.duration, Duration::from_secs(3));
        assert_eq!(sound.broken, Vec::<String>::new());
    }
}
