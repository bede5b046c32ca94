//! The engine's thread: takes words from the inbox, reads the clock, hands inputs in and carries
//! outputs out. Nothing here blocks but the wait for the next word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::Result;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::admin::Health;
use super::clock::Clock;
use super::figures::Figures;
use super::mailbox::Mailbox;
use super::media::MediaThreads;
use super::prompts::on_demand::Renderer;
use super::resolver::Resolver;
use super::store::Store;
use super::telemetry::Telemetry;
use super::trace::Tracer;
use super::trace::entry::{Entry, Sighting, Way};
use super::transport::Switchboard;
use super::transport::connect::{Destination, Dialler};
use super::vital;
use crate::dialplan::plan::Dialplan;
use crate::engine::Engine;
use crate::engine::command::{Actor, Command, Reply};
use crate::engine::input::{Answer, Input};
use crate::engine::output::{Level, LogLine, Output, Question};
use crate::id::{AskId, CommandId, FlowId};
use crate::limits;
use crate::media::command::MediaEvent;
use crate::sip::flow::Flow;
use crate::sip::resolve::DnsRecord;
use crate::time::{Duration, Instant, Now};
use crate::words::{Phrase, Prompt};

/// Gauges are brought up to date no more often than this.
const SHOW_EVERY: Duration = Duration::from_millis(100);
/// Streams that nobody uses are looked for no more often than this.
const LOOK_FOR_IDLE: Duration = Duration::from_secs(10);
/// With nothing to do the thread still shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// At the end the store is awaited this long.
const LAST_COMMIT: Duration = Duration::from_secs(2);
/// Messages of the network taken at once, so that own words never wait long.
const BATCH: usize = 64;

/// What the engine's thread can be told.
pub enum Word {
    /// A message of the network.
    Sip(Flow, Bytes),
    /// A stream stands.
    Up(Flow),
    /// A stream is gone.
    Down(FlowId),
    /// What a name leads to, or why nobody says.
    Records(AskId, Result<Vec<DnsRecord>, String>),
    /// A connection that the engine asked for stands, or why it does not.
    Connected(AskId, Result<Flow, String>),
    /// Phrases that a call asked for, as far as they are ready.
    Rendered(AskId, BTreeMap<Phrase, Prompt>),
    /// From the media threads.
    Media(MediaEvent),
    /// From the store.
    Committed(AskId),
    /// A new dialplan is live.
    Plan {
        /// The plan.
        plan: Arc<Dialplan>,
        /// Its prompts.
        prompts: Arc<BTreeMap<Phrase, Prompt>>,
    },
    /// A changed dialplan does not load.
    PlanRejected {
        /// How many problems it has.
        problems: usize,
        /// The first of them.
        first: String,
    },
    /// Somebody outside wants something.
    Command {
        /// Who.
        actor: Actor,
        /// What.
        command: Command,
        /// Where the answer goes; nobody may be waiting there any more.
        answer: oneshot::Sender<Reply>,
    },
    /// Take no new calls.
    Drain,
    /// End every call.
    HangUpAll,
    /// End the thread.
    Stop,
}

/// The inbox of the engine's thread.
pub type Inbox = Arc<Mailbox<Word>>;

/// What has something left to do.
#[derive(Debug, Default)]
pub struct Busy {
    /// Calls.
    pub calls: AtomicUsize,
    /// SIP sessions.
    pub sessions: AtomicUsize,
}

/// Commands that the engine has and has not answered yet: it answers within the step.
#[derive(Debug, Default)]
pub struct Asking {
    last: u64,
    waiting: BTreeMap<CommandId, oneshot::Sender<Reply>>,
}

impl Asking {
    fn waits(&mut self, answer: oneshot::Sender<Reply>) -> CommandId {
        self.last += 1;
        let id = CommandId(self.last);
        self.waiting.insert(id, answer);
        id
    }

    fn answer(&mut self, id: CommandId, reply: Reply) {
        if let Some(answer) = self.waiting.remove(&id) {
            let _gone = answer.send(reply);
        }
    }
}

/// What the engine's thread works with.
pub struct Driver {
    /// The engine.
    pub engine: Engine,
    /// The clocks.
    pub clock: Clock,
    /// Where words come from.
    pub inbox: Inbox,
    /// Where packets go.
    pub board: Switchboard,
    /// Who opens connections.
    pub dialler: Dialler,
    /// Who knows where names lead.
    pub resolver: Resolver,
    /// Who renders what calls ask for.
    pub renderer: Renderer,
    /// Where media commands go.
    pub media: Arc<MediaThreads>,
    /// Where records go.
    pub store: Store,
    /// Where messages are kept for a while.
    pub tracer: Tracer,
    /// Where figures go.
    pub telemetry: Telemetry,
    /// Where the thread shows that it lives.
    pub health: Arc<Health>,
    /// What the metrics have been told.
    pub figures: Figures,
    /// What has something left to do, for the drain.
    pub busy: Arc<Busy>,
    /// Who waits for the answer to a command.
    pub asking: Asking,
    /// Messages of the network that were dropped, as far as the log knows.
    pub dropped: u64,
    /// Messages that the trace lost, as far as the log knows.
    pub untraced: u64,
}

impl Driver {
    /// Starts the thread. A panic in a call's own step costs that call; any other one ends the
    /// process.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self) -> Result<JoinHandle<()>> {
        vital::spawn("engine", move || self.run())
    }

    fn run(mut self) {
        let mut taken = Vec::with_capacity(BATCH);
        let mut shown = Instant::START;
        let mut changed = true;
        let mut swept = Instant::START;
        self.carry_out();
        loop {
            let now = self.clock.now();
            if changed && now.mono.since(shown) >= SHOW_EVERY {
                self.show();
                (shown, changed) = (now.mono, false);
            }
            if now.mono.since(swept) >= LOOK_FOR_IDLE {
                self.close_idle();
                swept = now.mono;
            }
            let idle = if changed { SHOW_EVERY } else { HEARTBEAT };
            let patience = self
                .engine
                .poll_timeout()
                .map_or(idle, |wakeup| wakeup.at.since(now.mono).min(idle));
            self.inbox.take(patience, BATCH, &mut taken);
            for word in taken.drain(..) {
                changed = true;
                if !self.hear(word) {
                    self.show();
                    self.settle_accounts();
                    return;
                }
            }
            let now = self.clock.now();
            if self
                .engine
                .poll_timeout()
                .is_some_and(|wakeup| wakeup.at <= now.mono)
            {
                changed = true;
                self.engine.handle_input(now, Input::Timeout);
                self.carry_out();
            }
            self.health.beat(now.mono);
        }
    }

    /// What was told last is on the disk before the thread ends, if the disk takes it at all.
    fn settle_accounts(&self) {
        let last = AskId(u64::MAX);
        self.store.ask_committed(last);
        let until = self.clock.now().mono + LAST_COMMIT;
        let mut taken = Vec::new();
        loop {
            let patience = until.since(self.clock.now().mono);
            self.inbox.take(patience, BATCH, &mut taken);
            let mut words = taken.drain(..);
            if patience.is_zero() || words.any(|it| matches!(it, Word::Committed(id) if id == last))
            {
                return;
            }
        }
    }

    fn hear(&mut self, word: Word) -> bool {
        let now = self.clock.now();
        // What the engine still says on a stream that ended is sent before the stream is closed.
        let ended = if let Word::Down(flow) = &word {
            Some(*flow)
        } else {
            None
        };
        match word {
            Word::Sip(flow, bytes) => self.take_message(now, flow, &bytes),
            Word::Up(flow) => self.engine.handle_input(now, Input::FlowUp { flow }),
            Word::Down(flow) => self.engine.handle_input(now, Input::FlowDown { flow }),
            Word::Records(id, records) => {
                let answer = Answer::Records(records);
                self.engine.handle_input(now, Input::Answer { id, answer });
            }
            Word::Connected(id, connected) => {
                let answer = Answer::Connected(connected);
                self.engine.handle_input(now, Input::Answer { id, answer });
            }
            Word::Rendered(id, prompts) => {
                let answer = Answer::Rendered(prompts);
                self.engine.handle_input(now, Input::Answer { id, answer });
            }
            Word::Media(event) => self.engine.handle_input(now, Input::Media(event)),
            Word::Committed(id) => self.engine.handle_input(
                now,
                Input::Answer {
                    id,
                    answer: Answer::Committed,
                },
            ),
            Word::Plan { plan, prompts } => {
                self.engine.handle_input(now, Input::Plan { plan, prompts })
            }
            Word::PlanRejected { problems, first } => self
                .engine
                .handle_input(now, Input::PlanRejected { problems, first }),
            Word::Command {
                actor,
                command,
                answer,
            } => {
                let id = self.asking.waits(answer);
                let command = Input::Command { id, actor, command };
                self.engine.handle_input(now, command);
            }
            Word::Drain => self.engine.handle_input(now, Input::Drain),
            Word::HangUpAll => self.engine.handle_input(now, Input::HangUpAll),
            Word::Stop => return false,
        }
        self.carry_out();
        if let Some(flow) = ended {
            self.board.close(flow);
        }
        true
    }

    /// A flood that is refused unread must not push what matters out of the trace.
    fn take_message(&mut self, now: Now, flow: Flow, bytes: &Bytes) {
        let before = self.engine.refused_unread();
        self.engine.handle_input(now, Input::Sip { flow, bytes });
        if self.engine.refused_unread() == before {
            self.seen(now, Way::In, &flow, bytes);
        }
    }

    fn seen(&self, now: Now, way: Way, flow: &Flow, bytes: &Bytes) {
        self.tracer.keep(|| {
            Entry::Message(Sighting {
                at: now.wall,
                way,
                transport: flow.transport,
                local: flow.local,
                peer: flow.peer,
                bytes: bytes.clone(),
            })
        });
    }

    /// Closes the streams that nobody uses.
    fn close_idle(&self) {
        self.board
            .close_idle(limits::STREAM_IDLE, || self.engine.flows_in_use());
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => {
                    self.seen(self.clock.now(), Way::Out, &flow, &bytes);
                    if !self.board.send(&flow, bytes) && flow.transport.is_stream() {
                        self.board.close(flow.id);
                        self.inbox.post(Word::Down(flow.id));
                    }
                }
                Output::Media(command) => self.media.command(command),
                Output::Record(record) => self.store.record(record),
                Output::Ask {
                    id,
                    question: Question::Committed,
                } => self.store.ask_committed(id),
                Output::Ask {
                    id,
                    question: Question::Records { name, kind },
                } => {
                    let inbox = Arc::clone(&self.inbox);
                    let answer = move |records| inbox.post(Word::Records(id, records));
                    self.resolver.ask(name, kind, answer);
                }
                Output::Ask {
                    id,
                    question: Question::Render { phrases },
                } => {
                    let inbox = Arc::clone(&self.inbox);
                    let answer = move |prompts| inbox.post(Word::Rendered(id, prompts));
                    self.renderer.ask(phrases, answer);
                }
                Output::Ask {
                    id,
                    question:
                        Question::Connect {
                            transport,
                            peer,
                            server_name,
                        },
                } => self.connect(
                    id,
                    Destination {
                        transport,
                        peer,
                        server_name,
                    },
                ),
                Output::Reply { id, reply } => self.asking.answer(id, reply),
                Output::Leg { call, sip_call_id } => {
                    let at = self.clock.now().wall;
                    self.tracer.keep(|| Entry::Leg {
                        at,
                        call,
                        sip_call_id,
                    });
                }
                Output::Observe(observation) => self.telemetry.observe(&observation),
                Output::Log(line) => log(&line),
            }
        }
    }

    fn connect(&self, id: AskId, to: Destination) {
        let inbox = Arc::clone(&self.inbox);
        // Behind the word that the stream stands.
        let answer = move |connected| inbox.post_behind(Word::Connected(id, connected));
        self.dialler.connect(to, answer);
    }

    fn show(&mut self) {
        let view = self.engine.view();
        let busy = &self.busy;
        busy.calls.store(view.calls_unsettled, Ordering::Relaxed);
        busy.sessions.store(view.live.unsettled, Ordering::Relaxed);
        self.figures.show(&view, &self.telemetry);
        let dropped = self.inbox.dropped();
        if dropped > self.dropped {
            let more = dropped - self.dropped;
            tracing::warn!(
                "{more} messages came faster than they could be handled and were dropped"
            );
            self.dropped = dropped;
        }
        let untraced = self.tracer.lost();
        if untraced > self.untraced {
            let more = untraced - self.untraced;
            tracing::warn!("{more} messages are missing from the trace: its disk is slow");
            self.untraced = untraced;
        }
    }
}

fn log(line: &LogLine) {
    let call = line
        .call
        .map_or_else(|| "-".to_owned(), |call| call.to_string());
    let text = &line.text;
    match line.level {
        Level::Error => tracing::error!(call, "{text}"),
        Level::Warn => tracing::warn!(call, "{text}"),
        Level::Info => tracing::info!(call, "{text}"),
    }
}
