//! The virtual world: one engine, everybody who talks to it, and a clock that jumps from one
//! happening to the next. The same settings give the same bytes.

mod carry;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::caller::{CallPlan, CallStory, Callers, Reached};
use super::disk::{Disk, DiskQuality, Kept};
use super::ladder::Ladder;
use super::network::{Network, Quality};
use super::party::{Account, Cue, Party, Role};
use super::phone::{Manner, Phone, PhoneStory};
use super::sound::Sound;
use super::trace::Trace;
use super::watch::Watch;
use crate::dialplan::plan::Dialplan;
use crate::engine::Engine;
use crate::engine::command::{Actor, Command, Reply};
use crate::engine::event::Event;
use crate::engine::input::{Answer, Input};
use crate::engine::settings::EngineSettings;
use crate::id::{AskId, CommandId, FlowId, LegId, PlayId};
use crate::media::command::MediaEvent;
use crate::rng::Rng;
use crate::sip::flow::{Flow, Transport};
use crate::time::{Duration, Instant, Now, Timers, Wall};

/// A silent bridged leg is reported after this.
const RTP_TIMEOUT: Duration = Duration::from_secs(60);
/// An operator who accepts calls by a key has listened this long before.
const ACCEPTED_AFTER: Duration = Duration::from_secs(1);
/// Where the server listens.
pub const SERVER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    5060,
);

/// What a world is made with.
#[derive(Clone, Debug)]
pub struct WorldSettings {
    /// The engine's own settings, its plan included.
    pub engine: EngineSettings,
    /// Everything that is drawn is drawn from this.
    pub seed: u64,
    /// The wall clock at the beginning.
    pub start: Wall,
    /// How well datagrams travel.
    pub network: Quality,
    /// How well the store keeps up.
    pub disk: DiskQuality,
    /// How many legs can have a media port at once.
    pub ports: usize,
    /// Look at the machines after each so many inputs.
    pub inspect_every: u64,
    /// Draw a chart.
    pub chart: bool,
    /// Keep every event.
    pub keep_events: bool,
}

#[derive(Debug)]
enum Happening {
    ToServer(usize, Bytes),
    ToParty(usize, Bytes),
    Media(MediaEvent),
    Ends(LegId, PlayId),
    Answer(AskId, Answer),
    /// A caller of a carrier presses a key.
    Press(usize, usize, char),
    /// An operator who has heard a whisper presses the key.
    Accept(usize),
    /// Nothing comes from an address: a party that is gone, or nobody ever.
    Silence(Option<usize>, SocketAddr),
}

/// The server's way to somebody.
const fn way_to(peer: SocketAddr) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: SERVER,
        peer,
    }
}

/// The world.
pub struct World {
    now: Instant,
    start: Wall,
    engine: Engine,
    settings: EngineSettings,
    kept: Kept,
    ports: usize,
    network: Network,
    disk: Disk,
    sound: Sound,
    parties: Vec<Party>,
    places: BTreeMap<SocketAddr, usize>,
    ears: BTreeMap<SocketAddr, (usize, LegId)>,
    /// What the server sent to addresses that nobody of the world lives at, where somebody asks.
    mail: BTreeMap<SocketAddr, VecDeque<Bytes>>,
    /// What the server sent, where a test wants to read it.
    sent: Option<Vec<(Instant, SocketAddr, Bytes)>>,
    /// Datagrams to or from a party that are going to be lost: how they begin, and how many.
    doomed: BTreeMap<usize, (Bytes, u32)>,
    happenings: BTreeMap<(Instant, u64), Happening>,
    happened: u64,
    wakeups: Timers<usize>,
    /// Whether operators press the key that accepts a call.
    accepting: bool,
    /// How long a phrase of a call takes to be rendered; none is never done.
    rendering: Option<Duration>,
    rng: Rng,
    inputs: u64,
    inspect_every: u64,
    trace: Trace,
    /// What must hold.
    pub watch: Watch,
    chart: Option<Ladder>,
    events: Option<Vec<Event>>,
    commands: u64,
    replies: Vec<(CommandId, Reply)>,
}

impl World {
    /// A world at rest: an engine and nobody else.
    #[must_use]
    pub fn new(settings: WorldSettings) -> Self {
        let mut seed = [0; 32];
        for (slot, byte) in seed.iter_mut().zip(settings.seed.to_le_bytes()) {
            *slot = byte;
        }
        let mut rng = Rng::new(seed);
        let mut engine_seed = [0; 32];
        rng.fill(&mut engine_seed);
        let now = Now {
            mono: Instant::START,
            wall: settings.start,
        };
        let mut chart = settings.chart.then(Ladder::default);
        if let Some(chart) = &mut chart {
            chart.column("carrier");
            chart.column("strowger");
        }
        let sound = Sound::new(settings.ports, &settings.engine.prompts);
        Self {
            now: Instant::START,
            start: settings.start,
            engine: Engine::new(settings.engine.clone(), engine_seed, now),
            settings: settings.engine,
            kept: Kept::default(),
            ports: settings.ports,
            network: Network::new(settings.network, rng.fork()),
            disk: Disk::new(settings.disk, rng.fork()),
            sound,
            parties: Vec::new(),
            places: BTreeMap::new(),
            ears: BTreeMap::new(),
            mail: BTreeMap::new(),
            sent: None,
            doomed: BTreeMap::new(),
            happenings: BTreeMap::new(),
            happened: 0,
            wakeups: Timers::default(),
            accepting: false,
            rendering: Some(Duration::ZERO),
            rng,
            inputs: 0,
            inspect_every: settings.inspect_every.max(1),
            trace: Trace::default(),
            watch: Watch::default(),
            chart,
            events: settings.keep_events.then(Vec::new),
            commands: 0,
            replies: Vec::new(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            mono: self.now,
            wall: self.start + self.now.since(Instant::START),
        }
    }

    /// The engine, for looking only.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The media stand-in, for looking only.
    #[must_use]
    pub const fn sound(&self) -> &Sound {
        &self.sound
    }

    /// Inputs the engine has had.
    #[must_use]
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// The fingerprint of everything sent and told so far.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The chart so far; empty when none was asked for.
    #[must_use]
    pub fn chart(&self) -> String {
        self.chart.as_ref().map(Ladder::render).unwrap_or_default()
    }

    /// Forgets what the chart shows, so that it begins here.
    pub fn begin_chart(&mut self) {
        if let Some(chart) = &mut self.chart {
            chart.clear();
        }
    }

    /// The events so far; empty when they are not kept.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.events.as_deref().unwrap_or_default()
    }

    /// Adds a carrier at an address; its number is for [`Self::call`].
    pub fn carrier(&mut self, name: &str, address: SocketAddr) -> usize {
        let role = Role::Callers(Callers::default());
        self.party(name, address, role, None)
    }

    /// Adds an operator's phone, which registers at once.
    pub fn phone(&mut self, address: SocketAddr, account: Account, phone: Phone) -> usize {
        let name = account.user.clone();
        self.party(&name, address, Role::Phone(Box::new(phone)), Some(account))
    }

    /// Keeps what the server sends to an address, for somebody outside the world who speaks from
    /// there with [`Self::tell`].
    pub fn keep_mail(&mut self, address: SocketAddr) {
        self.mail.entry(address).or_default();
    }

    /// The next packet that was kept for an address.
    pub fn poll_mail(&mut self, address: SocketAddr) -> Option<Bytes> {
        self.mail.get_mut(&address)?.pop_front()
    }

    fn party(
        &mut self,
        name: &str,
        address: SocketAddr,
        role: Role,
        account: Option<Account>,
    ) -> usize {
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: address,
            peer: SERVER,
        };
        if let Some(chart) = &mut self.chart {
            chart.column(name);
        }
        let rng = self.rng.fork();
        let now = self.now();
        let party = Party::new(name.to_owned(), flow, role, account, rng, now);
        self.parties.push(party);
        let index = self.parties.len() - 1;
        self.places.insert(address, index);
        self.after_party(index);
        index
    }

    /// Plans a call of a carrier.
    pub fn call(&mut self, carrier: usize, at: Instant, plan: CallPlan) {
        if let Some(party) = self.parties.get_mut(carrier)
            && let Role::Callers(callers) = &mut party.role
        {
            let index = callers.plan(plan);
            party.cue(at, Cue::Call(index));
            self.after_party(carrier);
        }
    }

    /// The caller of a carrier's call presses a key, if the line is up by then.
    pub fn press_at(&mut self, carrier: usize, call: usize, at: Instant, key: char) {
        self.schedule(at, Happening::Press(carrier, call, key));
    }

    fn pressed(&mut self, carrier: usize, call: usize, digit: char) {
        let leg = match self.parties.get(carrier).map(|party| &party.role) {
            Some(Role::Callers(callers)) => callers.leg_of(call),
            Some(Role::Phone(_)) | None => None,
        };
        let ear = leg.map(|leg| (carrier, leg));
        let mut ears = self.ears.iter();
        let address = ears.find(|(_, of)| Some(**of) == ear);
        let heard = address.and_then(|(address, _)| self.sound.leg_at(*address));
        if let Some(leg) = heard {
            self.tell(Input::Media(MediaEvent::Digit { leg, digit }));
        }
    }

    /// What became of a carrier's calls.
    #[must_use]
    pub fn call_stories(&self, carrier: usize) -> &[CallStory] {
        match self.parties.get(carrier).map(|party| &party.role) {
            Some(Role::Callers(callers)) => callers.stories(),
            Some(Role::Phone(_)) | None => &[],
        }
    }

    /// Those whom the clinic calls over this carrier do this, one after the other.
    pub fn patients(&mut self, carrier: usize, script: impl IntoIterator<Item = Manner>) {
        let role = self.parties.get_mut(carrier).map(|party| &mut party.role);
        if let Some(Role::Callers(callers)) = role {
            callers.follow(script);
        }
    }

    /// What became of the calls to them.
    #[must_use]
    pub fn reached(&self, carrier: usize) -> Reached {
        match self.parties.get(carrier).map(|party| &party.role) {
            Some(Role::Callers(callers)) => callers.reached,
            Some(Role::Phone(_)) | None => Reached::default(),
        }
    }

    /// What happened at a phone.
    #[must_use]
    pub fn phone_story(&self, phone: usize) -> Option<&PhoneStory> {
        match self.parties.get(phone).map(|party| &party.role) {
            Some(Role::Phone(phone)) => Some(&phone.story),
            Some(Role::Callers(_)) | None => None,
        }
    }

    /// Somebody at a party's phone presses a key: in the sound, on every leg that has an open port.
    pub fn press(&mut self, party: usize, digit: char) {
        let ears = self.ears.iter().filter(|(_, (index, _))| *index == party);
        let legs = ears.filter_map(|(address, _)| self.sound.leg_at(*address));
        for leg in legs.collect::<Vec<_>>() {
            self.tell(Input::Media(MediaEvent::Digit { leg, digit }));
        }
    }

    /// From now on operators press 1 when a whisper begins, whether or not the plan asks for a key.
    pub const fn accept_calls(&mut self) {
        self.accepting = true;
    }

    /// Keeps what the server sends from now on, for [`Self::sent`].
    pub fn keep_sent(&mut self) {
        self.sent.get_or_insert_default();
    }

    /// What the server sent, when and to whom, as far as it was kept.
    #[must_use]
    pub fn sent(&self) -> &[(Instant, SocketAddr, Bytes)] {
        self.sent.as_deref().unwrap_or_default()
    }

    /// How long phrases of calls take to be rendered from now on; without a time none is ever ready.
    pub const fn render_within(&mut self, takes: Option<Duration>) {
        self.rendering = takes;
    }

    /// Makes somebody do something at a time.
    pub fn cue(&mut self, party: usize, at: Instant, cue: Cue) {
        if let Some(who) = self.parties.get_mut(party) {
            who.cue(at, cue);
            self.after_party(party);
        }
    }

    /// The next so many datagrams to or from a party that begin like this are lost.
    pub fn lose(&mut self, party: usize, beginning: &'static str, count: u32) {
        let beginning = Bytes::from_static(beginning.as_bytes());
        self.doomed.insert(party, (beginning, count));
    }

    /// Tells the engine something that no party says.
    pub fn tell(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle_input(now, input);
        self.after_engine();
    }

    /// Somebody outside wants something; what the engine answers, of which there must be one.
    pub fn command(&mut self, actor: Actor, command: Command) -> Vec<Reply> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.tell(Input::Command { id, actor, command });
        let answers = self.replies.drain(..);
        answers
            .filter(|(to, _)| *to == id)
            .map(|(_, it)| it)
            .collect()
    }

    /// The server's process is killed and started again: what the store kept is all it knows.
    pub fn restart(&mut self) {
        let mut seed = [0; 32];
        self.rng.fill(&mut seed);
        let mut settings = self.settings.clone();
        self.kept.restore(&mut settings.restored);
        self.sound = Sound::new(self.ports, &settings.prompts);
        self.happenings.retain(|_, happening| match happening {
            Happening::ToServer(..) | Happening::ToParty(..) | Happening::Press(..) => true,
            Happening::Media(_)
            | Happening::Ends(..)
            | Happening::Answer(..)
            | Happening::Accept(_)
            | Happening::Silence(..) => false,
        });
        self.watch.restart();
        let now = self.now();
        self.engine = Engine::new(settings, seed, now);
        self.after_engine();
    }

    /// Lets everything happen until `end`.
    pub fn run_until(&mut self, end: Instant) {
        while self.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Lets everything happen until every planned call is over and nothing of it is left, or `end`.
    pub fn run_out(&mut self, end: Instant) -> bool {
        while self.next().is_some_and(|at| at <= end) {
            self.step();
            if self.is_quiet() {
                return true;
            }
        }
        self.is_quiet()
    }

    fn is_quiet(&self) -> bool {
        self.engine.calls().next().is_none()
            && self.sound.open() == 0
            && self.sound.recordings() == 0
            && self.parties.iter().all(|party| match &party.role {
                Role::Callers(callers) => callers.open() == 0,
                Role::Phone(_) => true,
            })
            && self.engine.view().live == crate::sip::endpoint::Live::default()
    }

    /// Looks at what is left.
    pub fn finish(&mut self) {
        self.watch.finish(self.now, &self.engine);
        self.watch.broken.append(&mut self.sound.broken);
        if self.sound.open() > 0 {
            let left = format!("{} ports are left", self.sound.open());
            self.watch.broken.push(left);
        }
    }

    fn next(&self) -> Option<Instant> {
        let happening = self.happenings.first_key_value().map(|((at, _), _)| *at);
        let engine = self.engine.poll_timeout().map(|wakeup| wakeup.at);
        [happening, engine, self.wakeups.next()]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(self.now))
    }

    /// The next thing happens.
    fn step(&mut self) {
        let Some(at) = self.next() else {
            return;
        };
        self.now = at;
        let due = self.happenings.first_key_value();
        if due.is_some_and(|((due, _), _)| *due <= at) {
            if let Some((_, happening)) = self.happenings.pop_first() {
                self.happen(happening);
            }
        } else if self.engine.poll_timeout().is_some_and(|due| due.at <= at) {
            self.tell(Input::Timeout);
        } else if let Some(index) = self.wakeups.pop_due(at) {
            let now = self.now();
            if let Some(party) = self.parties.get_mut(index) {
                party.handle_timeout(now);
            }
            self.after_party(index);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::ToServer(index, bytes) => {
                if let Some(party) = self.parties.get(index) {
                    let flow = way_to(party.address());
                    let bytes = &bytes;
                    self.tell(Input::Sip { flow, bytes });
                }
            }
            Happening::ToParty(index, bytes) => {
                if let Some(party) = self.parties.get_mut(index) {
                    party.handle_packet(now, &bytes);
                }
                self.after_party(index);
            }
            Happening::Media(event) => {
                self.sound.told(&event);
                self.tell(Input::Media(event));
            }
            Happening::Press(carrier, call, key) => self.pressed(carrier, call, key),
            Happening::Accept(index) => {
                let party = self.parties.get(index);
                if party.is_some_and(|party| matches!(party.role, Role::Phone(_))) {
                    self.press(index, '1');
                }
            }
            Happening::Answer(id, answer) => self.tell(Input::Answer { id, answer }),
            Happening::Ends(leg, play) => {
                let ended = self.sound.ends(self.now, leg, play);
                self.sounding(ended);
            }
            Happening::Silence(index, address) => {
                let party = index.and_then(|index| self.parties.get(index));
                let gone = party.is_none_or(|party| !party.reachable());
                let leg = self.sound.bridged_to(address).filter(|_| gone);
                if let Some(leg) = leg {
                    self.tell(Input::Media(MediaEvent::Silent { leg }));
                }
            }
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.happened += 1;
        self.happenings.insert((at, self.happened), happening);
    }
}

/// What an engine in the world is set to, for a plan and its prompts.
#[must_use]
pub fn engine_settings(plan: Arc<Dialplan>) -> EngineSettings {
    use crate::call::message::CallSettings;
    use crate::engine::settings::Restored;
    use crate::limits;
    use crate::sip::endpoint::{Algorithm, EndpointConfig};
    EngineSettings {
        endpoint: EndpointConfig {
            domain: "pbx.test".to_owned(),
            advertise: None,
            local_nets: Vec::new(),
            digest: vec![Algorithm::Md5],
            strangers_rate: 50,
            strangers_burst: 200,
            strangers_trusted: Vec::new(),
            registrations: 5_000,
            expires: (Duration::from_secs(60), Duration::from_secs(3600)),
        },
        call: CallSettings {
            media_address: SERVER.ip(),
            media_advertise: None,
            media_local_nets: Vec::new(),
            call_length: limits::CALL_LENGTH,
        },
        calls: limits::CALLS,
        calls_per_second: limits::CALLS_PER_SECOND,
        prompts: Arc::new(super::sound::prompts(&plan)),
        plan,
        restored: Restored::default(),
    }
}

#[cfg(test)]
mod tests;
