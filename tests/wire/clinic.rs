//! A server with many small clinics side by side: each scene has a trunk, a number, a queue and
//! operators of its own, so that all of them play at the same time and none hears of another.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::authority::{Authority, Files};
use crate::hook::Hook;
use crate::kamailio::Kamailio;
use crate::rig::{Rig, with_tls};
use crate::sipp::{Role, Sipp, free};

/// One caller's scenario against the scenarios of the phones.
#[derive(Clone)]
pub struct Scene {
    caller: &'static str,
    phones: Vec<&'static str>,
    tcp: bool,
    long: bool,
    dials: Option<String>,
    refused: bool,
    queue: &'static str,
    missed: Option<Vec<&'static str>>,
}

impl Scene {
    /// A carrier's call that is answered by the one phone there is.
    pub fn new(caller: &'static str, phone: &'static str) -> Self {
        Self {
            caller,
            phones: vec![phone],
            tcp: false,
            long: false,
            dials: None,
            refused: false,
            queue: "",
            missed: None,
        }
    }

    /// An operator's call to what it dials, which one phone answers.
    pub fn dialled(caller: &'static str, dials: &str, phones: &[&'static str]) -> Self {
        Self {
            caller,
            phones: phones.to_vec(),
            dials: Some(dials.to_owned()),
            ..Self::new(caller, "")
        }
    }

    /// It never becomes a call.
    pub fn refused(mut self) -> Self {
        self.refused = true;
        self
    }

    /// Another phone, which the queue does not ring.
    pub fn beside(mut self, phone: &'static str) -> Self {
        self.phones.push(phone);
        self
    }

    /// Over TCP, both sides.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// It takes longer than others: some timer of the RFC has to run out.
    pub fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// Words of its queue, each with a comma before it.
    pub fn queue(mut self, words: &'static str) -> Self {
        self.queue = words;
        self
    }

    /// The call is missed, and so is the ringing of its phone, for a reason.
    pub fn missed(mut self, why: &'static str) -> Self {
        self.missed = Some(vec![why]);
        self
    }

    /// The caller leaves while the phone rings, for which nobody blames the operator.
    pub fn left(mut self) -> Self {
        self.missed = Some(Vec::new());
        self
    }
}

/// A server with its scenes.
pub struct Clinic {
    pub hook: Hook,
    pub rig: Rig,
    scenes: Vec<Scene>,
    /// The proxy that all carriers are behind, if there is one.
    edge: Option<Kamailio>,
    authority: Authority,
    certificate: Files,
    _folder: tempfile::TempDir,
}

/// What a proxy speaks with us.
#[derive(Clone, Copy)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Where a carrier's proxy stands.
const EDGE: Ipv4Addr = Ipv4Addr::new(127, 1, 255, 1);

const SOON: Duration = Duration::from_secs(30);

impl Clinic {
    /// Starts the server with a plan for the scenes.
    pub fn open(scenes: &[Scene]) -> Self {
        Self::start(scenes, None)
    }

    /// The same with every carrier behind one proxy that speaks UDP with them, and `transport` with us.
    pub fn behind_proxy(scenes: &[Scene], transport: Transport) -> Self {
        let address = free(EDGE.into());
        let mut clinic = Self::start(scenes, Some(address));
        let rig = &clinic.rig;
        let tls = Some((&clinic.certificate, &clinic.authority));
        let (server, tls) = match transport {
            Transport::Udp => (rig.sip.to_string(), None),
            Transport::Tcp => (format!("{};transport=tcp", rig.tcp), None),
            Transport::Tls => (format!("{};transport=tls", rig.tls), tls),
        };
        let edge = Kamailio::edge(rig.folder.path(), address, &server, tls);
        clinic.edge = Some(edge);
        clinic
    }

    fn start(scenes: &[Scene], edge: Option<SocketAddr>) -> Self {
        let hook = Hook::start();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let certificate = authority.certify(folder.path(), "strowger.test");
        let plan = plan(scenes, edge);
        let rig = Rig::with_settings(&hook, free(host(0, 0)), &plan, |settings| {
            with_tls(&settings, &certificate)
        });
        Self {
            hook,
            rig,
            scenes: scenes.to_vec(),
            edge: None,
            authority,
            certificate,
            _folder: folder,
        }
    }

    /// Plays all scenes and judges their ends.
    pub fn play(&mut self) {
        let mut players = self.begin();
        self.end(&mut players);
        for at in 0..self.scenes.len() {
            self.judge(at);
        }
    }

    /// Has everybody come: the phones, and when they are registered the callers.
    pub fn begin(&mut self) -> Vec<Sipp> {
        let folder = self.rig.folder.path().to_owned();
        let mut players = Vec::new();
        for (at, scene) in self.scenes.iter().enumerate() {
            for (seat, scenario) in scene.phones.iter().enumerate() {
                let role = scene.phone(at, seat, scenario);
                players.push(Sipp::phone(&folder, &role, self.server(scene)));
            }
        }
        self.hook
            .wait_for("operator.registered", players.len(), SOON);
        for (at, scene) in self.scenes.iter().enumerate() {
            players.push(Sipp::begins(&folder, &scene.caller(at), self.gate(scene)));
        }
        players
    }

    /// Waits for the end of everybody and of every call.
    pub fn end(&mut self, players: &mut [Sipp]) {
        let wrong: Vec<String> = players
            .iter_mut()
            .filter_map(|player| player.end().err())
            .collect();
        let edge = self.edge.as_ref().map(Kamailio::log).unwrap_or_default();
        assert!(wrong.is_empty(), "{}\n{edge}", wrong.join("\n\n"));
        let calls = self.scenes.iter().filter(|scene| !scene.refused).count();
        self.hook.wait_for("call.ended", calls, SOON);
    }

    fn judge(&self, at: usize) {
        let scene = &self.scenes[at];
        let ended = self.of(at, "call.ended");
        let count = usize::from(!scene.refused);
        assert_eq!(ended.len(), count, "{}: one end", scene.caller);
        let Some(ended) = ended.first() else {
            return;
        };
        let title = format!("{} {:?}", scene.caller, scene.phones);
        let Some(why) = &scene.missed else {
            let internal = scene.dials.is_some();
            let word = if internal { "result" } else { "outcome" };
            assert_eq!(ended[word], "answered", "{title}");
            return;
        };
        assert_eq!(ended["outcome"], "missed", "{title}");
        let rang = self.of(at, "operator.missed");
        let whys: Vec<_> = rang.iter().map(|it| &it["missed_reason"]).collect();
        assert_eq!(whys, why.as_slice(), "{title}");
    }

    fn server(&self, scene: &Scene) -> SocketAddr {
        if scene.tcp {
            self.rig.tcp
        } else {
            self.rig.sip
        }
    }

    /// Where a carrier sends its calls.
    fn gate(&self, scene: &Scene) -> SocketAddr {
        let edge = self.edge.as_ref().map(|edge| edge.address);
        edge.unwrap_or_else(|| self.server(scene))
    }

    /// The data of the events of a type that belong to a scene.
    pub fn of(&self, scene: usize, kind: &str) -> Vec<Value> {
        let (word, value) = match &self.scenes[scene] {
            Scene { dials: None, .. } => ("to", format!("+38{}", number(scene))),
            Scene { phones, .. } => ("from", user_number(scene, phones.len())),
        };
        self.hook
            .of(kind)
            .map(|event| event["data"].clone())
            .filter(|data| data[word] == value.as_str())
            .collect()
    }
}

impl Scene {
    fn caller(&self, at: usize) -> Role {
        if let Some(dials) = &self.dials {
            let mut role = self.phone(at, self.phones.len(), self.caller);
            role.words.push(("number", dials.clone()));
            return role;
        }
        let address = free(host(at, 1));
        Role {
            scenario: self.caller,
            address,
            tcp: self.tcp,
            words: vec![
                ("number", number(at)),
                ("user", "carrier".to_owned()),
                ("me", format!("<sip:+380671112233@{}>", address.ip())),
            ],
        }
    }

    fn phone(&self, at: usize, seat: usize, scenario: &'static str) -> Role {
        let user = user(at, seat);
        Role {
            scenario,
            address: free(host(at, 2 + u8::try_from(seat).unwrap())),
            tcp: self.tcp,
            words: vec![
                ("me", format!("<sip:{user}@strowger.test>")),
                ("user", user),
                ("next", user_number(at, seat + 1)),
                (
                    "stay",
                    format!("{{{{pause {}}}}}", if self.long { 70_000 } else { 25_000 }),
                ),
            ],
        }
    }
}

/// Every party has an address of its own on the loopback network.
fn host(scene: usize, party: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 1, u8::try_from(scene).unwrap(), party))
}

fn number(scene: usize) -> String {
    format!("08003{scene:05}")
}

fn user(scene: usize, seat: usize) -> String {
    format!("operator-{scene}-{seat}")
}

fn user_number(scene: usize, seat: usize) -> String {
    format!("{}", 200 + scene * 10 + seat)
}

fn trunk(at: usize, address: IpAddr) -> String {
    format!("carrier-{at}: {{ peers: [\"{address}\"], media: [127.0.0.0/8] }}")
}

fn plan(scenes: &[Scene], edge: Option<SocketAddr>) -> String {
    let (mut trunks, mut numbers, mut operators, mut queues) = Default::default();
    for (at, scene) in scenes.iter().enumerate() {
        let add = |section: &mut String, line: String| writeln!(section, "  {line}").unwrap();
        if edge.is_none() {
            add(&mut trunks, trunk(at, host(at, 1)));
        }
        add(
            &mut numbers,
            format!(
                "\"{}\": {{ site: odesa, campaign: імплантація, to: queue.queue-{at} }}",
                number(at)
            ),
        );
        for seat in 0..scene.phones.len() + usize::from(scene.dials.is_some()) {
            let user = user(at, seat);
            let short = user_number(at, seat);
            add(
                &mut operators,
                format!("{user}: {{ name: Олена, number: \"{short}\", password: secret-{user} }}"),
            );
        }
        let (first, words) = (user(at, 0), scene.queue);
        add(
            &mut queues,
            format!(
                "queue-{at}: {{ operators: {{ names: [{first}] }}, ring: 1s, wrap_up: 0s, max_wait: 60s{words} }}"
            ),
        );
    }
    if let Some(edge) = edge {
        writeln!(trunks, "  {}", trunk(0, edge.ip())).unwrap();
    }
    format!(
        "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: {{ city: Одеса, from: з Одеси }}
trunks:
{trunks}numbers:
{numbers}operators:
{operators}queues:
{queues}whisper:
  uk: \"Дзвінок {{from}}, {{campaign}}\"
recording: {{ keep: 90d }}
"
    )
}
