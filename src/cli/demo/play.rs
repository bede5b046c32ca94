//! The play: phones register, the carrier brings its calls, the story is told, the ending checked.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, interval, timeout};

use super::Args;
use super::carrier::Carrier;
use super::ears::Ears;
use super::ending::Evidence;
use super::page::Page;
use super::phone::Phone;
use super::recordings;
use super::report::{Report, Shift};
use super::script::{self, Caller};
use super::stage::Stage;
use super::story::Story;
use super::summary::Summary;
use super::tail::Tail;
use super::tally::Tally;
use crate::rng::Rng;
use crate::server::clock::Clock;
use crate::server::entropy;
use crate::time::Duration;

/// The file of events is looked at this often.
const LOOK: Duration = Duration::from_millis(40);
/// Phones register within this.
const ARRIVAL: Duration = Duration::from_secs(10);
/// The last calls end by themselves within this, or are hung up.
const LAST_CALLS: Duration = Duration::from_secs(60);
/// Recordings, events and metrics are complete within this after the last call.
const LAST_WORDS: Duration = Duration::from_secs(15);
/// Everybody goes home within this.
const WAY_HOME: Duration = Duration::from_secs(5);

/// Plays the demo; true when all witnesses agree.
pub(super) async fn play(args: &Args) -> Result<bool> {
    let page = Page::new(args.headless);
    let clock = Clock::start();
    let mut rng = entropy::rng()?;
    let calls = usize::try_from(args.calls).unwrap_or(usize::MAX);
    let time = Duration::from_secs(args.seconds.into());
    let callers: Arc<[Caller]> = script::callers(calls, time).into();
    let stage = Stage::set(args.data.as_deref(), clock, &mut rng).await?;
    page.title(&format!(
        "Strowger's demo: {calls} call{} within {} s, real SIP and RTP at {}",
        if calls == 1 { "" } else { "s" },
        args.seconds,
        stage.sip()?
    ));
    let http = stage.server.http();
    page.line(format_args!(
        "http://{http}/metrics has the numbers meanwhile; Ctrl-C ends it before its time."
    ));
    let mut play = Play::begin(page, clock, stage, callers, &mut rng).await?;
    let ended_by_itself = play.watch_calls(time).await?;
    play.end(args.headless, ended_by_itself).await
}

struct Play {
    page: Page,
    clock: Clock,
    stage: Stage,
    story: Story,
    tail: Tail,
    tally: Tally,
    ears: Ears,
    placed: u64,
    look: Interval,
    interrupt: Signal,
    terminate: Signal,
    shift: watch::Sender<Shift>,
    reports: mpsc::UnboundedReceiver<Report>,
    parties: JoinSet<()>,
}

impl Play {
    /// Phones first, and the carrier once all are registered.
    async fn begin(
        page: Page,
        clock: Clock,
        stage: Stage,
        callers: Arc<[Caller]>,
        rng: &mut Rng,
    ) -> Result<Self> {
        let server = stage.sip()?;
        let (shift, on_shift) = watch::channel(Shift::On);
        let (tell, reports) = mpsc::unbounded_channel();
        let mut play = Self {
            story: Story::new(page, clock.now().wall, stage.names.clone()),
            tail: Tail::new(stage.events_file()),
            tally: Tally::default(),
            ears: Ears::default(),
            placed: 0,
            look: interval(LOOK),
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            page,
            clock,
            stage,
            shift,
            reports,
            parties: JoinSet::new(),
        };
        for account in play.stage.operators.clone() {
            let callers = Arc::clone(&callers);
            let phone = Phone::new(account, server, callers, clock, rng.fork(), tell.clone());
            play.parties.spawn(phone.await?.run(on_shift.clone()));
        }
        play.watch_registrations().await?;
        let carrier = Carrier::new(server, callers, clock, rng.fork(), tell).await?;
        play.parties.spawn(carrier.run(on_shift));
        Ok(play)
    }

    async fn watch_registrations(&mut self) -> Result<()> {
        let mut missing = self.stage.operators.len();
        let all = async {
            while missing > 0 {
                match self.reports.recv().await {
                    Some(Report::Registered) => missing -= 1,
                    Some(Report::NotRegistered(user, status)) => {
                        bail!("the server refuses the demo's phone of {user} with {status}")
                    }
                    Some(_) => {}
                    None => bail!("the demo's phones are gone"),
                }
            }
            Ok(())
        };
        let arrived = timeout(ARRIVAL, all).await;
        arrived.context("the demo's phones get no answer from the server")?
    }

    /// Tells the story until every call is over; false when somebody ended it before its time.
    async fn watch_calls(&mut self, time: Duration) -> Result<bool> {
        let mut by_itself = true;
        let deadline = tokio::time::sleep(time + LAST_CALLS);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(Report::AllCalled) => return Ok(by_itself),
                    Some(report) => self.hear(report),
                    None => bail!("the demo's carrier is gone"),
                },
                _ = self.look.tick() => self.tell(),
                _ = self.interrupt.recv() => by_itself = self.close(by_itself)?,
                _ = self.terminate.recv() => by_itself = self.close(by_itself)?,
                () = &mut deadline => {
                    if !by_itself {
                        return Ok(false);
                    }
                    by_itself = self.close(by_itself)?;
                    deadline.set(tokio::time::sleep(WAY_HOME));
                }
            }
        }
    }

    /// Hangs up what is left; the second time there is no waiting.
    fn close(&self, first: bool) -> Result<bool> {
        if !first {
            bail!(
                "interrupted; what was recorded is in {}",
                self.stage.data.display()
            );
        }
        self.shift.send_replace(Shift::Closing);
        Ok(false)
    }

    fn tell(&mut self) {
        for event in self.tail.news() {
            self.tally.take(&event);
            self.story.event(&event);
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Dialled => self.placed += 1,
            Report::Whispered {
                operator,
                from,
                whisper,
            } => {
                self.tell();
                let now = self.clock.now().wall;
                self.story.whispered(now, &operator, &from, whisper);
            }
            Report::OperatorHeard { from, hearing } => self.ears.operator(from, hearing),
            Report::CallerHeard { from, hearing } => self.ears.caller(from, hearing),
            Report::Registered | Report::NotRegistered(..) | Report::AllCalled => {}
        }
    }

    /// Everybody goes home; then the witnesses are heard until they agree or their time is over.
    async fn end(mut self, headless: bool, by_itself: bool) -> Result<bool> {
        self.shift.send_replace(Shift::Over);
        let home = async { while self.parties.join_next().await.is_some() {} };
        let _late = timeout(WAY_HOME, home).await;
        self.parties.shutdown().await;
        while let Ok(report) = self.reports.try_recv() {
            self.hear(report);
        }
        let http = self.stage.server.http();
        let (events, folder) = (self.stage.events_file(), self.stage.recordings());
        let mut left = LAST_WORDS;
        let mut evidence = loop {
            self.look.tick().await;
            self.tell();
            left = left.saturating_sub(LOOK);
            if !self.tally.complete() && left > Duration::ZERO {
                continue;
            }
            let evidence = Evidence::gather(self.placed, &events, &folder, http).await?;
            if evidence.contradictions().is_empty() || left == Duration::ZERO {
                break evidence;
            }
        };
        let mut contradictions = evidence.contradictions();
        if by_itself {
            contradictions.extend(self.ears.contradictions(&evidence.events));
            contradictions.extend(recordings::contradictions(&folder, &evidence.wavs));
        }
        self.stage.server.stop().await;
        evidence.events = Tally::of(&std::fs::read_to_string(&events)?);
        let summary = Summary {
            evidence: &evidence,
            contradictions: &contradictions,
            ears: &self.ears,
            by_itself,
            data: &self.stage.data,
            recordings: &folder,
            events: &events,
            http,
        };
        summary.show(self.page);
        if headless {
            self.page.line(summary.json());
        }
        Ok(contradictions.is_empty() && self.ears.leaks() == 0)
    }
}
