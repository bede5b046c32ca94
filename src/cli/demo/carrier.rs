//! The carrier: brings the callers' calls over its trunk, and is their ears and their patience.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::handset::{Handset, Heard, Hearing};
use super::line::{Line, Ring};
use super::phone::CODECS;
use super::report::{Report, Shift};
use super::script::Caller;
use super::sound::Voice;
use crate::id::LegId;
use crate::rng::Rng;
use crate::sdp::offer_answer;
use crate::server::clock::Clock;
use crate::sip::session::{Cause, SessionCommand, SessionEvent};
use crate::time::{Duration, Timers};

const DONE: Cause = Cause {
    sip: 200,
    q850: Some(16),
    text: "caller hung up",
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Cue {
    Dial(usize),
    HangUp(LegId),
}

/// One call under way.
struct OnLeg {
    caller: usize,
    handset: Option<Handset>,
    /// There is sound, so the leg's last word comes from the handset.
    heard: bool,
}

/// The carrier.
pub(super) struct Carrier {
    line: Line,
    callers: Arc<[Caller]>,
    legs: BTreeMap<LegId, OnLeg>,
    cues: Timers<Cue>,
    to_come: usize,
    rng: Rng,
    ears: mpsc::UnboundedSender<Heard>,
    heard: mpsc::UnboundedReceiver<Heard>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Carrier {
    /// A carrier whose callers have not called yet.
    ///
    /// # Errors
    /// No port is free.
    pub(super) async fn new(
        server: SocketAddr,
        callers: Arc<[Caller]>,
        clock: Clock,
        mut rng: Rng,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Self> {
        let (ears, heard) = mpsc::unbounded_channel();
        Ok(Self {
            line: Line::open(server, clock, &mut rng).await?,
            to_come: callers.len(),
            callers,
            legs: BTreeMap::new(),
            cues: Timers::default(),
            rng,
            ears,
            heard,
            reports,
        })
    }

    /// Places the calls and serves them until the shift is over.
    pub(super) async fn run(mut self, mut shift: watch::Receiver<Shift>) {
        let start = self.line.now().mono;
        for (index, caller) in self.callers.iter().enumerate() {
            self.cues.set(Cue::Dial(index), start + caller.at);
        }
        self.say_if_all_called();
        let mut closing = false;
        loop {
            let next = self.cues.next();
            let patience = next.map_or(Duration::MAX, |at| at.since(self.line.now().mono));
            tokio::select! {
                ring = self.line.ring() => match ring {
                    Ring::Session(event) => self.handle_session(event),
                    Ring::Registration(_) => {}
                },
                Some(heard) = self.heard.recv() => self.handle_heard(heard),
                () = tokio::time::sleep(patience) => self.handle_cues().await,
                () = Shift::Closing.reach(&mut shift), if !closing => {
                    closing = true;
                    self.close();
                }
            }
            if closing && *shift.borrow() == Shift::Over && self.legs.is_empty() {
                return;
            }
        }
    }

    /// Nobody dials any more, and everybody hangs up.
    fn close(&mut self) {
        for index in 0..self.callers.len() {
            if self.cues.cancel(&Cue::Dial(index)) {
                self.to_come -= 1;
            }
        }
        for leg in self.legs.keys().copied().collect::<Vec<_>>() {
            self.hang_up(leg);
        }
        self.say_if_all_called();
    }

    async fn handle_cues(&mut self) {
        while let Some(cue) = self.cues.pop_due(self.line.now().mono) {
            match cue {
                Cue::Dial(index) => {
                    self.to_come -= 1;
                    self.dial(index).await;
                    self.say_if_all_called();
                }
                Cue::HangUp(leg) => self.hang_up(leg),
            }
        }
    }

    async fn dial(&mut self, index: usize) {
        let Some(caller) = self.callers.get(index) else {
            return;
        };
        let mut handset = match Handset::pick_up(&mut self.rng).await {
            Ok(handset) => handset,
            Err(error) => {
                tracing::warn!("a caller of the demo stays silent: {error:#}");
                return;
            }
        };
        let offer = offer_answer::offer(&mut handset.local, &CODECS);
        caller.calls();
        let leg = self.line.dial(&caller.from, caller.to, offer);
        let now = self.line.now().mono;
        self.cues.set(Cue::HangUp(leg), now + caller.patience);
        let call = OnLeg {
            caller: index,
            handset: Some(handset),
            heard: false,
        };
        self.legs.insert(leg, call);
        self.tell(Report::Dialled);
    }

    fn hang_up(&mut self, leg: LegId) {
        self.put_down(leg);
        self.line.say(SessionCommand::HangUp { leg, cause: DONE });
        if self.legs.get(&leg).is_some_and(|call| !call.heard) {
            self.over(leg, Hearing::default());
        }
    }

    fn handle_session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Progress { leg, answer, .. }
            | SessionEvent::Answered { leg, answer, .. } => self.connect(leg, answer.as_ref()),
            SessionEvent::Bye { leg } => {
                self.put_down(leg);
                self.line.say(SessionCommand::ConfirmBye { leg });
            }
            SessionEvent::Refer { leg, .. } => {
                let answer = Err(403);
                self.line.say(SessionCommand::AnswerRefer { leg, answer });
            }
            SessionEvent::Reoffer { leg, .. } => {
                let answer = Err(488);
                self.line.say(SessionCommand::AnswerReoffer { leg, answer });
            }
            // A refused INVITE lives on for Timer D, but its caller has heard all there is.
            SessionEvent::Rejected { leg, .. }
            | SessionEvent::Failed { leg, .. }
            | SessionEvent::Closed { leg } => {
                self.put_down(leg);
                if self.legs.get(&leg).is_some_and(|call| !call.heard) {
                    self.over(leg, Hearing::default());
                }
            }
            SessionEvent::Incoming { leg, .. } | SessionEvent::Cancelled { leg, .. } => {
                self.line.say(SessionCommand::Reject {
                    leg,
                    code: 480,
                    retry_after: None,
                });
            }
            SessionEvent::Confirmed { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Digit { .. } => {}
        }
    }

    /// Sound begins with the first answer, be it early or not.
    fn connect(&mut self, leg: LegId, answer: Option<&Bytes>) {
        let (Some(answer), Some(call)) = (answer, self.legs.get_mut(&leg)) else {
            return;
        };
        let Some(handset) = &mut call.handset else {
            return;
        };
        if let Ok(agreed) = offer_answer::accept(&mut handset.local, answer) {
            let ears = self.ears.clone();
            handset.connect(leg, Voice::Caller, &agreed, &mut self.rng, ears);
            call.heard = true;
        }
    }

    fn handle_heard(&mut self, heard: Heard) {
        match heard {
            Heard::Voice(leg, _) => {
                self.cues.cancel(&Cue::HangUp(leg));
                let caller = self.legs.get(&leg).map(|call| call.caller);
                let caller = caller.and_then(|index| self.callers.get(index));
                if let Some(caller) = caller.filter(|caller| caller.ends == Voice::Caller) {
                    let now = self.line.now().mono;
                    self.cues.set(Cue::HangUp(leg), now + caller.talk);
                }
            }
            Heard::Over(leg, hearing) => self.over(leg, hearing),
        }
    }

    fn over(&mut self, leg: LegId, hearing: Hearing) {
        let Some(call) = self.legs.remove(&leg) else {
            return;
        };
        if let Some(caller) = self.callers.get(call.caller) {
            let from = caller.from.clone();
            self.tell(Report::CallerHeard { from, hearing });
        }
        self.say_if_all_called();
    }

    /// The handset goes back on its cradle, and nothing is planned for the leg any more.
    fn put_down(&mut self, leg: LegId) {
        self.cues.cancel(&Cue::HangUp(leg));
        if let Some(call) = self.legs.get_mut(&leg) {
            call.handset = None;
        }
    }

    fn say_if_all_called(&self) {
        if self.to_come == 0 && self.legs.is_empty() {
            self.tell(Report::AllCalled);
        }
    }

    fn tell(&self, report: Report) {
        // The narrator leaves last; without one nobody needs the news.
        let _gone = self.reports.send(report);
    }
}
