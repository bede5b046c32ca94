//! The stage: a data folder, the shipped dialplan, and the real server on free loopback ports.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::phone::Account;
use crate::cli::progress;
use crate::dialplan::compile::{Options, Source, compile};
use crate::dialplan::diagnose::Severity;
use crate::dialplan::plan::{DEFAULT_MUSIC, Dialplan};
use crate::id::Ulid;
use crate::rng::Rng;
use crate::server::clock::Clock;

use crate::server::handed::Handed;
use crate::server::prompts::Engine;
use crate::server::server::Server;
use crate::server::settings::{Listener, Settings, Sink, SinkKind};
use crate::server::surroundings::Surroundings;
use crate::sip::flow::Transport;

const PLAN: &str = include_str!("../../../dialplans/demo/demo.yaml");
const DOMAIN: &str = "demo.localhost";

/// The stage.
pub(super) struct Stage {
    /// The server.
    pub(super) server: Server,
    /// Where everything is kept.
    pub(super) data: PathBuf,
    /// The operators, in the order of the plan.
    pub(super) operators: Vec<Account>,
    /// How they are called.
    pub(super) names: BTreeMap<String, String>,
}

impl Stage {
    /// Sets the stage in `folder`, or in a new one among the temporary files.
    ///
    /// # Errors
    /// A folder cannot be written, or the server does not start.
    pub(super) async fn set(folder: Option<&Path>, clock: Clock, rng: &mut Rng) -> Result<Self> {
        let data = data_folder(folder, clock, rng)?;
        let plan = data.join("dialplans");
        write(&plan.join("demo.yaml"), PLAN.as_bytes())?;
        let settings = settings(&data, plan)?;
        let (operators, names) = cast()?;
        let server = Server::start(settings, Handed::default(), progress::prompts()).await?;
        Ok(Self {
            server,
            data,
            operators,
            names,
        })
    }

    /// Where SIP goes.
    pub(super) fn sip(&self) -> Result<SocketAddr> {
        let mut addresses = self.server.addresses().iter();
        let udp = addresses.find(|(transport, _)| *transport == Transport::Udp);
        udp.map(|(_, address)| *address)
            .ok_or_else(|| anyhow!("the server listens on no UDP port"))
    }

    /// The events, one a line.
    pub(super) fn events_file(&self) -> PathBuf {
        events_file(&self.data)
    }

    /// The recordings and their manifests.
    pub(super) fn recordings(&self) -> PathBuf {
        self.data.join("recordings")
    }
}

fn events_file(data: &Path) -> PathBuf {
    data.join("events.jsonl")
}

/// A given folder is used as it is when it is new or empty; one that holds anything gets a new
/// folder inside, so that nothing is overwritten and the counts are of this run.
fn data_folder(folder: Option<&Path>, clock: Clock, rng: &mut Rng) -> Result<PathBuf> {
    let fresh = format!("strowger-demo-{}", Ulid::new(clock.now().wall, rng));
    let data = match folder {
        None => std::env::temp_dir().join(fresh),
        Some(given) if is_empty(given) => given.to_owned(),
        Some(given) => given.join(fresh),
    };
    let shown = data.display();
    fs::create_dir_all(&data)
        .with_context(|| format!("cannot create {shown}; name another folder with --data"))?;
    data.canonicalize()
        .with_context(|| format!("cannot read {shown}"))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

fn settings(data: &Path, plan: PathBuf) -> Result<Settings> {
    let any_port = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let mut settings = Settings {
        node: "demo".to_owned(),
        data: data.to_owned(),
        dialplans: plan,
        http: any_port,
        sinks: vec![Sink {
            name: "story".to_owned(),
            types: None,
            kind: SinkKind::Jsonl {
                path: events_file(data),
            },
        }],
        ..Settings::default()
    };
    settings.sip.domain = DOMAIN.to_owned();
    settings.sip.listen = vec![Listener {
        transport: Transport::Udp,
        address: any_port,
    }];
    settings.tts = prompts().map(Engine::Recorded).into_iter().collect();
    if cfg!(feature = "embedded-tts") {
        settings.tts.push(Engine::Embedded);
    }
    Ok(settings)
}

/// The recorded prompts of the repository, where they are at hand.
fn prompts() -> Option<PathBuf> {
    let here = PathBuf::from("prompts");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    [here, source]
        .into_iter()
        .find(|folder| folder.join(DEFAULT_MUSIC).is_file())
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let wanted = || {
        format!(
            "cannot write {}; name another folder with --data",
            file.display()
        )
    };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(wanted)?;
    }
    fs::write(file, bytes).with_context(wanted)
}

/// The operators of the plan, as softphones know them.
fn cast() -> Result<(Vec<Account>, BTreeMap<String, String>)> {
    let plan = plan()?;
    let operators = plan.operators.values().zip(0..);
    let accounts = operators.map(|(operator, place)| Account {
        user: operator.name.to_string(),
        password: operator
            .password
            .as_ref()
            .map_or_else(String::new, |password| password.reveal().to_owned()),
        domain: DOMAIN.to_owned(),
        place,
    });
    let names = plan
        .operators
        .values()
        .map(|operator| (operator.name.to_string(), operator.display.clone()));
    Ok((accounts.collect(), names.collect()))
}

fn plan() -> Result<Dialplan> {
    let source = Source {
        name: "demo.yaml",
        text: PLAN,
    };
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let secrets = Surroundings::of(Path::new("."));
    compile(&[source], &secrets, options)
        .plan
        .ok_or_else(|| anyhow!("the demo's dialplan does not load; this is a fault of the build"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::script;
    use crate::dialplan::decide::Facts;
    use crate::id::TrunkName;
    use crate::time::Duration;

    #[test]
    fn the_plan_loads_and_reads_every_number_as_the_script_dials_it() {
        let plan = plan().unwrap();
        let mut unrouted = 0;
        for caller in script::callers(20, Duration::from_secs(30)) {
            let facts = Facts {
                trunk: TrunkName::from("carrier"),
                to: caller.to.to_owned(),
                from: Some(caller.from.clone()),
            };
            let decision = plan.decide(&facts, crate::time::Wall::default());
            assert_eq!(decision.from, Some(caller.from));
            unrouted += usize::from(decision.targets.is_empty());
        }
        assert_eq!(unrouted, 1);
    }

    #[test]
    fn a_folder_with_something_in_it_gets_a_new_one_inside() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = Rng::new([3; 32]);
        let clock = Clock::start();
        let first = data_folder(Some(folder.path()), clock, &mut rng).unwrap();
        assert_eq!(first, folder.path().canonicalize().unwrap());
        fs::write(first.join("events.jsonl"), "x").unwrap();
        let second = data_folder(Some(folder.path()), clock, &mut rng).unwrap();
        assert!(second.starts_with(&first) && second != first);
    }

    #[test]
    fn composed_music_is_no_voice() {
        use super::super::sound::{Ear, FRAME, Sound, Voice};
        use crate::server::prompts::hold_music;

        let samples = hold_music::compose();
        for voice in [Voice::Caller, Voice::Operator] {
            let mut ear = Ear::new(voice);
            let frames = samples.chunks_exact(FRAME);
            let music = frames.filter(|frame| ear.hear(frame) == Sound::Program);
            assert!(music.count() > 100);
            assert!(!ear.sure(), "{voice:?}");
        }
    }
}
