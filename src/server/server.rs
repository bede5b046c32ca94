//! The server: all its parts, started in order and stopped in order.
//!
//! Used by `serve`, and by the demo that runs it in its own process with a carrier and phones beside
//! it. It says nothing to a terminal; whoever starts it does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};

use super::admin::{Admin, Health, Phase, Sources};
use super::archive::{Archive, retention};
use super::clock::Clock;
use super::commands::Commands;
use super::driver::{Asking, Busy, Driver, Inbox, Word};
use super::entropy;
use super::figures::Figures;
use super::handed::Handed;
use super::mailbox::Mailbox;
use super::media::{MediaSettings, MediaThreads, recover, recover_unmarked};
use super::outbox::{Outbox, Sinks};
use super::plans::{self, Fingerprint, Loaded, Look, Refused};
use super::promises;
use super::prompts::PromptStore;
use super::prompts::on_demand::Renderer;
use super::resolver::Resolver;
use super::settings::{DigestWord, Settings};
use super::store::{Restored as Stored, Store, StoreOptions, Writing, never_came};
use super::telemetry::Telemetry;
use super::trace::Tracer;
use super::transport::Switchboard;
use super::transport::network::{Identity, Network};
use super::transport::tcp;
use crate::call::message::CallSettings;
use crate::engine::{Engine, EngineSettings, Restored};
use crate::limits;
use crate::media::command::MediaEvent;
use crate::rng::Rng;
use crate::sip::endpoint::{Algorithm, EndpointConfig};
use crate::sip::flow::Transport;
use crate::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How often the dialplan's files are looked at.
const WATCH: Duration = Duration::from_secs(1);
/// How often measured times are folded into their histograms.
const FOLD: Duration = Duration::from_secs(5);
/// How often a drain looks whether the last call is over.
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// After the last call was hung up or over, BYEs are answered within this.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Sinks that keep up get the last events within this.
const LAST_DELIVERY: Duration = Duration::from_secs(3);

/// A running server.
pub struct Server {
    settings: Settings,
    inbox: Inbox,
    prompts: Arc<PromptStore>,
    store: Store,
    media: Arc<MediaThreads>,
    outbox: Outbox,
    sweeping: tokio::task::JoinHandle<()>,
    sweep_stop: watch::Sender<bool>,
    admin: Admin,
    health: Arc<Health>,
    busy: Arc<Busy>,
    /// The sockets outlive this process, and what arrives after it has stopped reading waits there.
    held: bool,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Ends by itself once the engine has.
    tracing: Option<JoinHandle<()>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    engine: JoinHandle<()>,
    board: Switchboard,
    identity: Option<Identity>,
    /// What the dialplan's files looked like when they were first read.
    seen: Fingerprint,
    /// The files of the live plan's lists.
    lists: Mutex<Vec<PathBuf>>,
    addresses: Vec<(Transport, SocketAddr)>,
}

impl Server {
    /// Starts everything, on sockets that were handed over as far as there are any; `progress` hears how
    /// many prompts of how many are ready.
    ///
    /// # Errors
    /// One sentence that says what to do: a port taken, a folder not writable, a prompt missing, a
    /// dialplan with problems (then several lines).
    pub async fn start(
        settings: Settings,
        mut handed: Handed,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self> {
        let clock = Clock::start();
        let mut rng = entropy::rng()?;
        let telemetry = Telemetry::new()?;
        let health = Arc::new(Health::new(clock));
        let inbox: Inbox = Arc::new(Mailbox::new(limits::INBOX));
        let due =
            plans::callback_due(&settings.dialplans).map_err(|refused| anyhow!(refused.text()))?;
        let (store, stored) = open_store(&settings, &inbox, clock, due, &mut rng)?;
        let prompts = Arc::new(PromptStore::open(&settings.data, settings.tts.clone())?);
        let seen = Fingerprint::of(&settings.dialplans);
        let loaded = plans::load(&settings.dialplans, &prompts, progress)
            .map_err(|refused| anyhow!(refused.text()))?;
        repair_recordings(&settings, &inbox, &store)?;
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        let media = Arc::new(start_media(&settings, &prompts, &inbox, seed)?);
        let stop = Arc::new(AtomicBool::new(false));
        let held = handed.has_datagrams();
        let mut net = open_network(&settings, &mut handed, &inbox, clock, &stop).await?;
        let (tracer, tracing) = Tracer::start(&settings.data, settings.trace, clock)?;
        let commands = Commands::new(Arc::clone(&inbox));
        let archive = archive_of(&settings, &store, clock);
        let keep = settings.keep;
        let outbox = Outbox::start(&settings.sinks, keep, &store, &telemetry, clock, &mut rng)?;
        let kept = (&archive, &store, outbox.sinks());
        let sources = sources(&settings, &telemetry, &health, commands, kept);
        let admin = start_admin(settings.http, &mut handed, sources).await?;
        handed.all_taken()?;
        let (sweep_stop, sweeping) = start_sweep(&settings, &archive, &telemetry);
        retention::watch_disk(&settings.data, &telemetry);
        watch_figures(&settings.data, &telemetry, &media, &store);
        net.tasks
            .push(tokio::spawn(keep_figures(telemetry.clone())));
        rng.fill(&mut seed);
        let lists = Mutex::new(loaded.lists.clone());
        let engine = Engine::new(
            engine_settings(&settings, loaded, stored),
            seed,
            clock.now(),
        );
        let busy = Arc::new(Busy::default());
        let engine = Driver {
            engine,
            clock,
            inbox: Arc::clone(&inbox),
            board: net.board.clone(),
            dialler: net.dialler,
            resolver: Resolver::new(None, Handle::current()),
            tracer,
            renderer: Renderer::start(Arc::clone(&prompts), clock)?,
            media: Arc::clone(&media),
            store: store.clone(),
            telemetry: telemetry.clone(),
            health: Arc::clone(&health),
            figures: Figures::default(),
            busy: Arc::clone(&busy),
            asking: Asking::default(),
            dropped: 0,
            untraced: 0,
        }
        .start()?;
        health.enter(Phase::Ready);
        Ok(Self {
            settings,
            inbox,
            prompts,
            store,
            media,
            outbox,
            sweeping,
            sweep_stop,
            admin,
            health,
            busy,
            held,
            stop,
            threads: net.threads,
            tracing,
            tasks: net.tasks,
            engine,
            board: net.board,
            identity: net.identity,
            seen,
            lists,
            addresses: net.addresses,
        })
    }

    /// Where SIP is listened for; with port 0 in the settings these are the ones it got.
    #[must_use]
    pub fn addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    /// Where `/metrics` is.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The settings it was started with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The sinks, to wait for what they still have to deliver.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Reads the certificate again; the old one stays when the new one cannot be used.
    pub async fn renew_certificate(&self) {
        if let Some(identity) = self.identity.clone() {
            let renewed = tokio::task::spawn_blocking(move || identity.renew());
            let _panicked = renewed.await;
        }
    }

    /// Reads the dialplan again and makes it live, or says why the old one stays.
    ///
    /// # Errors
    /// What keeps it from being live.
    pub async fn reload(&self) -> Result<(), Refused> {
        let (path, prompts) = (self.settings.dialplans.clone(), Arc::clone(&self.prompts));
        let loaded = tokio::task::spawn_blocking(move || plans::load(&path, &prompts, |_, _| {}))
            .await
            .unwrap_or_else(|_| {
                Err(Refused::Sentences(vec![
                    "the dialplan could not be loaded".to_owned(),
                ]))
            });
        match loaded {
            Ok(Loaded {
                plan,
                prompts,
                lists,
            }) => {
                *self.lists() = lists;
                tracing::info!(plan = %plan.hash, "a new dialplan is live");
                self.inbox.post(Word::Plan { plan, prompts });
                Ok(())
            }
            Err(refused) => {
                tracing::error!(
                    "the dialplan is refused, the old one stays live: {}",
                    refused.first()
                );
                self.inbox.post(Word::PlanRejected {
                    problems: refused.count(),
                    first: refused.first(),
                });
                Err(refused)
            }
        }
    }

    fn lists(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reloads whenever the files of the dialplan or of the certificate change and have been quiet for a
    /// look.
    pub async fn watch(&self) {
        let mut plan = Look::at(vec![self.settings.dialplans.clone()], self.seen.clone());
        let mut certificate = self.identity.as_ref().map(Identity::look);
        loop {
            tokio::time::sleep(WATCH).await;
            plan.follow(&self.lists());
            if plan.changed() {
                let _told_already = self.reload().await;
            }
            if certificate.as_mut().is_some_and(Look::changed) {
                self.renew_certificate().await;
            }
        }
    }

    /// Takes no new calls and waits for the live ones, `bound` at most; then ends them.
    pub async fn drain(&self, bound: Duration) {
        self.health.enter(Phase::Draining);
        if self.held && self.is_idle().await {
            // Whoever calls now waits in the socket for the next run, and is not refused.
            return;
        }
        self.inbox.post(Word::Drain);
        if !self.calls_over_within(bound).await {
            tracing::warn!("calls are still up at the end of the drain; they are hung up");
            self.inbox.post(Word::HangUpAll);
            self.calls_over_within(LAST_WORDS).await;
        }
        // A phone that is gone never answers: nobody waits for it longer than this.
        let sessions = quiet(&self.busy.sessions);
        let _unanswered = tokio::time::timeout(LAST_WORDS, sessions).await;
    }

    async fn is_idle(&self) -> bool {
        tokio::time::sleep(DRAIN_LOOK * 3).await;
        let busy = [&self.busy.calls, &self.busy.sessions];
        busy.iter().all(|busy| busy.load(Ordering::Relaxed) == 0)
    }

    async fn calls_over_within(&self, bound: Duration) -> bool {
        // The first look comes after the gauges have been brought up to date once more.
        tokio::time::sleep(DRAIN_LOOK * 3).await;
        let calls = quiet(&self.busy.calls);
        tokio::time::timeout(bound, calls).await.is_ok()
    }

    /// Ends all parts in order: network, calls, media, engine, sinks, store. Calls that are still up
    /// are hung up and have their end told; the last word of every recording reaches the store.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.abort();
        }
        self.inbox.post(Word::HangUpAll);
        let (threads, engine) = (self.threads, self.engine);
        let (media, inbox, tracing) = (self.media, self.inbox, self.tracing);
        let joined = tokio::task::spawn_blocking(move || {
            let join = |thread: JoinHandle<()>| {
                if thread.join().is_err() {
                    tracing::error!("a thread ended by a panic");
                }
            };
            threads.into_iter().for_each(join);
            media.stop();
            inbox.post(Word::Stop);
            join(engine);
            tracing.into_iter().for_each(join);
        });
        let _panicked = joined.await;
        self.board.close_all();
        self.sweep_stop.send_replace(true);
        if self.sweeping.await.is_err() {
            tracing::error!("the sweep of recordings ended by a panic");
        }
        if !self.outbox.drained(LAST_DELIVERY).await {
            tracing::warn!("a sink is behind; it gets the rest after the next start");
        }
        self.outbox.stop().await;
        self.admin.stop().await;
        self.store.close();
    }
}

async fn quiet(busy: &AtomicUsize) {
    while busy.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}

fn open_store(
    settings: &Settings,
    inbox: &Inbox,
    clock: Clock,
    callback_due: Duration,
    rng: &mut Rng,
) -> Result<(Store, Stored)> {
    let answers = Arc::clone(inbox);
    Store::open(
        &settings.data,
        &settings.node,
        StoreOptions {
            sync: settings.sync,
            callback_due,
            sinks: settings
                .sinks
                .iter()
                .map(|sink| sink.name.clone())
                .collect(),
            rng: rng.fork(),
            clock,
            on_committed: Box::new(move |id| answers.post(Word::Committed(id))),
        },
    )
}

async fn open_network(
    settings: &Settings,
    handed: &mut Handed,
    inbox: &Inbox,
    clock: Clock,
    stop: &Arc<AtomicBool>,
) -> Result<Network> {
    let connections = settings.limits.connections;
    Network::open(&settings.sip, handed, connections, inbox, clock, stop).await
}

async fn start_admin(at: SocketAddr, handed: &mut Handed, sources: Sources) -> Result<Admin> {
    match handed.streams(at) {
        Some(listener) => Admin::start_on(tcp::adopt(listener)?, sources),
        None => Admin::start(at, sources).await,
    }
}

/// What a crash left open is made whole, and told as soon as the engine listens. What never came is closed.
fn repair_recordings(settings: &Settings, inbox: &Inbox, store: &Store) -> Result<()> {
    let (folder, vault) = (settings.data.join("recordings"), &settings.recordings);
    let mut repaired = recover(&folder, vault)?;
    let unfinished = store.recordings()?.unfinished()?;
    let nothing = recover_unmarked(&folder, vault, unfinished, &mut repaired);
    if !nothing.is_empty() {
        let closes = move |writing: &mut Writing<'_>| never_came(writing, &nothing);
        if let Err(error) = store.write(closes) {
            tracing::warn!("recordings without files are closed at the next start: {error:#}");
        }
    }
    for repaired in repaired {
        let call = repaired.call;
        inbox.post(Word::Media(match repaired.recorded {
            Ok(recorded) => MediaEvent::Recorded {
                call,
                recorded: Box::new(recorded),
            },
            Err(error) => MediaEvent::RecordFailed {
                call,
                why: format!("{error:#}"),
            },
        }));
    }
    Ok(())
}

fn archive_of(settings: &Settings, store: &Store, clock: Clock) -> Archive {
    let recordings = Arc::from(settings.data.join("recordings"));
    let stop_above = settings.retention.stop_above;
    Archive::new(store.clone(), recordings, stop_above, clock)
}

fn start_sweep(
    settings: &Settings,
    archive: &Archive,
    telemetry: &Telemetry,
) -> (watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let sweep = retention::run(
        archive.clone(),
        telemetry.clone(),
        settings.retention.every,
        stopped,
    );
    (stop, tokio::spawn(sweep))
}

fn start_media(
    settings: &Settings,
    prompts: &Arc<PromptStore>,
    inbox: &Inbox,
    seed: [u8; 32],
) -> Result<MediaThreads> {
    let (sounds, events) = (Arc::clone(prompts), Arc::clone(inbox));
    MediaThreads::start(
        MediaSettings {
            listen: settings.media.listen,
            ports: settings.media.ports.clone(),
            threads: settings.media.threads,
            rtp_timeout: settings.media.rtp_timeout,
            recordings: settings.data.join("recordings"),
            vault: Arc::clone(&settings.recordings),
            seed,
        },
        Arc::new(move |key| sounds.samples(key)),
        move |event| events.post(Word::Media(event)),
    )
}

fn sources(
    settings: &Settings,
    telemetry: &Telemetry,
    health: &Arc<Health>,
    commands: Commands,
    (archive, store, sinks): (&Archive, &Store, &Sinks),
) -> Sources {
    Sources {
        telemetry: telemetry.clone(),
        health: Arc::clone(health),
        commands,
        store: store.clone(),
        archive: archive.clone(),
        sinks: sinks.clone(),
        data: settings.data.clone(),
        recordings: Arc::from(settings.data.join("recordings")),
        vault: Arc::clone(&settings.recordings),
        tokens: settings.tokens.clone(),
    }
}

fn engine_settings(settings: &Settings, loaded: Loaded, stored: Stored) -> EngineSettings {
    let digest = |word: &DigestWord| match word {
        DigestWord::Md5 => Algorithm::Md5,
        DigestWord::Sha256 => Algorithm::Sha256,
    };
    EngineSettings {
        endpoint: EndpointConfig {
            domain: settings.sip.domain.clone(),
            advertise: settings.sip.advertise,
            local_nets: settings.sip.local_nets.clone(),
            digest: settings.sip.digest.iter().map(digest).collect(),
            strangers_rate: settings.limits.strangers.rate,
            strangers_burst: settings.limits.strangers.burst,
            strangers_trusted: settings.limits.strangers.trusted.clone(),
            registrations: settings.limits.registrations,
            expires: limits::REGISTRATION,
        },
        call: CallSettings {
            media_address: settings.media.listen,
            media_advertise: settings.media.advertise,
            media_local_nets: settings.media.local_nets.clone(),
            call_length: settings.limits.call_length,
        },
        calls: settings.limits.calls,
        calls_per_second: settings.limits.calls_per_second,
        plan: loaded.plan,
        prompts: loaded.prompts,
        restored: restored(stored),
    }
}

fn restored(stored: Stored) -> Restored {
    Restored {
        bindings: stored.bindings,
        wishes: stored.wishes,
        callbacks: stored.callbacks,
        leads: stored.leads,
        answers: stored.answers,
        numbers: stored.numbers,
    }
}

/// Measured times wait in memory for a scrape; folded in now and then, they stay few although nobody
/// scrapes.
async fn keep_figures(telemetry: Telemetry) {
    loop {
        tokio::time::sleep(FOLD).await;
        telemetry.upkeep();
    }
}

/// Figures that nobody tells: they are asked for when somebody looks.
fn watch_figures(data: &Path, telemetry: &Telemetry, media: &Arc<MediaThreads>, store: &Store) {
    promises::watch::begin(data.to_owned(), telemetry.clone());
    // Weak, so that the threads end with the server although the metrics outlive it.
    let (media, store) = (Arc::downgrade(media), store.clone());
    let recorded = std::sync::atomic::AtomicU64::new(0);
    telemetry.before_scrape(move |telemetry| {
        let Some(counters) = media.upgrade().map(|media| media.counters()) else {
            return;
        };
        telemetry.rtp_packets(super::telemetry::Way::In, counters.packets_in);
        telemetry.rtp_packets(super::telemetry::Way::Out, counters.packets_out);
        telemetry.rtp_lost(counters.lost);
        telemetry.recording_failures(counters.recording_failures);
        let before = recorded.swap(counters.recording_bytes, Ordering::Relaxed);
        telemetry.recording_bytes(counters.recording_bytes.saturating_sub(before));
        let health = store.health();
        telemetry.store(health.lost(), health.failing(), health.reserved());
    });
}
