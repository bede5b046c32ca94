//! Media threads and the recorder: everything about sound that touches the world.
//!
//! ```text
//! engine ── MediaCommand ─▶ thread 1..n (epoll, sockets, 20 ms tick) ── blocks ─▶ recorder (disk)
//!    ▲                            │                                                   │
//!    └────────── MediaEvent ──────┴───────────────────────────────────────────────────┘
//! ```
//!
//! All legs of a call live on one thread; a leg that changes its call moves. Sound comes to even ports,
//! reports (RTCP) to the odd ones after them.

mod counters;
mod moving;
mod orders;
mod part;
mod playback;
mod port;
mod recorder;
mod recording;
mod recovery;
mod sealed;
mod supervising;
mod tap;
mod thread;
mod vault;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context as _;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

pub use self::counters::Counters;
use self::counters::Tally;
use self::moving::Mailbox;
pub use self::playback::{Playback, manifest_of};
use self::port::Ports;
use self::recorder::RecorderThread;
pub use self::recording::OPEN;
use self::recording::Shelf;
pub use self::recovery::{Recovered, recover, recover_unmarked};
use self::tap::ToRecorder;
use self::thread::{MediaThread, Order, Parts};
pub use self::vault::{MasterKey, Vault};
use crate::id::{CallId, LegId};
use crate::limits;
use crate::media::command::{MediaCommand, MediaEvent};
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::server::vital::spawn;
use crate::time::Duration;

/// Finds a prompt's samples, 8 kHz mono, by its key. Called on a media thread: a look-up and no more.
pub type Prompts = Arc<dyn Fn(u128) -> Option<Arc<[i16]>> + Send + Sync>;

/// Takes events. Called on media threads and the recorder; must not wait.
type Events = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// How media is run.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// The address RTP is received on.
    pub listen: IpAddr,
    /// The ports for it: the even ones for sound, the odd ones for reports.
    pub ports: RangeInclusive<u16>,
    /// How many media threads; zero means one a core.
    pub threads: usize,
    /// A bridged leg from which nothing came for this long is reported as silent.
    pub rtp_timeout: Duration,
    /// The recordings folder.
    pub recordings: PathBuf,
    /// How recordings are written.
    pub vault: Arc<Vault>,
    /// Where stream numbers come from: entropy, and a secret.
    pub seed: [u8; 32],
}

/// The running media threads and the recorder.
#[derive(Debug)]
pub struct MediaThreads {
    threads: Vec<Handle>,
    /// Which thread a leg lives on.
    routes: Arc<Routes>,
    recorder: Sender<ToRecorder>,
    recorder_thread: Mutex<Option<JoinHandle<()>>>,
    tally: Arc<Tally>,
    clock: Clock,
}

type Routes = Mutex<BTreeMap<LegId, usize>>;

#[derive(Debug)]
struct Handle {
    mailbox: Mailbox,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl MediaThreads {
    /// Starts the threads. Repair the recordings of the last run first: [`recover`].
    pub fn start(
        settings: MediaSettings,
        prompts: Prompts,
        events: impl Fn(MediaEvent) + Send + Sync + Clone + 'static,
    ) -> anyhow::Result<Self> {
        let routes = Arc::new(Routes::default());
        let events = forget_failed(Arc::clone(&routes), events);
        let tally = Arc::new(Tally::default());
        check(&settings, &tally)?;
        let clock = Clock::start();
        let (recorder, orders) = channel();
        let recorder_thread = RecorderThread {
            shelf: Shelf {
                root: settings.recordings.clone(),
                vault: Arc::clone(&settings.vault),
                longest_file: limits::RECORDING_FILE_BYTES,
            },
            clock,
            orders,
            events: Arc::clone(&events),
            tally: Arc::clone(&tally),
            open: BTreeMap::new(),
            ending: VecDeque::new(),
            piece: Vec::new(),
        };
        let recorder_thread = spawn("recorder", move || recorder_thread.run())?;
        let mut media = Self {
            threads: Vec::new(),
            routes,
            recorder,
            recorder_thread: Mutex::new(Some(recorder_thread)),
            tally,
            clock,
        };
        let mut rng = Rng::new(settings.seed);
        let count = match settings.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let start = rng.below(1 << 16);
        for index in 0..count {
            let ports = Ports::new(
                settings.listen,
                &settings.ports,
                (index, count),
                Arc::clone(&media.tally),
            )
            .turned(start);
            media.add_thread(index, ports, rng.fork(), &settings, &prompts, &events)?;
        }
        Ok(media)
    }

    fn add_thread(
        &mut self,
        index: usize,
        ports: Ports,
        rng: Rng,
        settings: &MediaSettings,
        prompts: &Prompts,
        events: &Events,
    ) -> anyhow::Result<()> {
        let failed = "the system gives no more file descriptors; raise the limit of open files";
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context(failed)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context(failed)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let ticker = timerfd_create(TimerfdClockId::Monotonic, flags).context(failed)?;
        thread::watch(&epoll, &wake, &ticker).context(failed)?;
        let wake = Arc::new(wake);
        let (sender, orders) = channel();
        let thread = MediaThread::new(Parts {
            epoll,
            wake: Arc::clone(&wake),
            clock: self.clock,
            ticker,
            orders,
            ports,
            rng,
            rtp_timeout: settings.rtp_timeout,
            prompts: Arc::clone(prompts),
            events: Arc::clone(events),
            recorder: self.recorder.clone(),
            tally: Arc::clone(&self.tally),
        });
        let thread = spawn(&format!("media-{index}"), move || thread.run())?;
        self.threads.push(Handle {
            mailbox: Mailbox {
                orders: sender,
                wake,
            },
            thread: Mutex::new(Some(thread)),
        });
        Ok(())
    }

    /// Gives a command to the thread of its leg. Never waits for it.
    pub fn command(&self, command: MediaCommand) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = match &command {
            MediaCommand::Open { leg, call } => {
                let thread = self.thread_of(*call);
                routes.insert(*leg, thread);
                Some(thread)
            }
            MediaCommand::Connect { leg, .. }
            | MediaCommand::Play { leg, .. }
            | MediaCommand::Supervise { leg, .. } => routes.get(leg).copied(),
            // Any thread can say that the parties are gone.
            MediaCommand::Bridge { caller: leg, .. } | MediaCommand::Record { leg, .. } => {
                Some(routes.get(leg).copied().unwrap_or(0))
            }
            MediaCommand::StopRecording { call } | MediaCommand::Silence { call, .. } => {
                Some(self.thread_of(*call))
            }
            MediaCommand::Unbridge { caller, .. } => routes.get(caller).copied(),
            MediaCommand::Adopt { leg, call } => {
                let (from, to) = (routes.get(leg).copied(), self.thread_of(*call));
                if let Some(from) = from.filter(|from| *from != to) {
                    routes.insert(*leg, to);
                    return self.move_leg(*leg, *call, from, to);
                }
                from
            }
            MediaCommand::Close { leg } => routes.remove(leg),
        };
        drop(routes);
        self.send(thread, Order::Command(command));
    }

    fn thread_of(&self, call: CallId) -> usize {
        let mut hasher = DefaultHasher::new();
        call.hash(&mut hasher);
        let count = u64::try_from(self.threads.len()).unwrap_or(1).max(1);
        usize::try_from(hasher.finish() % count).unwrap_or(0)
    }

    fn send(&self, thread: Option<usize>, order: Order) {
        if let Some(handle) = thread.and_then(|thread| self.threads.get(thread)) {
            handle.mailbox.send(order);
        }
    }

    /// The new thread is told first, so that it knows what to wait for.
    fn move_leg(&self, leg: LegId, call: CallId, from: usize, to: usize) {
        let Some(there) = self.threads.get(to) else {
            return;
        };
        self.send(Some(to), Order::Expect { leg, call });
        let to = there.mailbox.clone();
        self.send(Some(from), Order::Give { leg, call, to });
    }

    /// The counts at this moment.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.snapshot()
    }

    /// Closes every port, finishes every recording and waits until that is done and told.
    pub fn stop(&self) {
        for handle in &self.threads {
            handle.mailbox.send(Order::Stop);
        }
        for handle in &self.threads {
            join(&handle.thread);
        }
        let _ = self.recorder.send(ToRecorder::Stop);
        join(&self.recorder_thread);
    }
}

fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(thread) = thread {
        let _ = thread.join();
    }
}

impl Drop for MediaThreads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Finds out at the start what would fail every call: a folder or an address that is not ours.
fn check(settings: &MediaSettings, tally: &Arc<Tally>) -> anyhow::Result<()> {
    let folder = &settings.recordings;
    fs::create_dir_all(folder).with_context(|| {
        let folder = folder.display();
        format!("cannot create {folder}: name a folder for recordings that can be written")
    })?;
    let (listen, ports) = (settings.listen, &settings.ports);
    Ports::new(listen, ports, (0, 1), Arc::clone(tally))
        .open()
        .with_context(|| {
            let (first, last) = (ports.start(), ports.end());
            format!("no RTP port opens on {listen} {first}-{last}: check media.listen, media.ports")
        })?;
    Ok(())
}

/// Passes events on; a leg that never had a port has no route to be remembered.
fn forget_failed(
    routes: Arc<Routes>,
    events: impl Fn(MediaEvent) + Send + Sync + 'static,
) -> Events {
    Arc::new(move |event| {
        if let MediaEvent::OpenFailed { leg } = &event {
            let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
            routes.remove(leg);
        }
        events(event);
    })
}
