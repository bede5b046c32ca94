//! An operator with a softphone: registers, rings, answers or not, hears the whisper, talks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::handset::{Handset, Heard};
use super::line::{Line, Ring};
use super::report::{Report, Shift};
use super::script::{Caller, Mood};
use super::sound::Voice;
use crate::id::LegId;
use crate::rng::Rng;
use crate::sdp::offer_answer;
use crate::server::clock::Clock;
use crate::sip::registration::RegistrationEvent;
use crate::sip::session::{Cause, IncomingInvite, SessionCommand, SessionEvent};
use crate::time::{Duration, Timers};
use crate::words::Codec;

/// A phone rings this long before it is answered, and a bit longer the later its operator stands in
/// the plan, so that not all answer at once where all ring.
const RINGS: Duration = Duration::from_millis(500);
const SLOWER: Duration = Duration::from_millis(150);
/// An operator who does not want the call after all listens this long.
const REGRET: Duration = Duration::from_millis(800);

/// The codecs of both sides, the preferred first.
pub(super) const CODECS: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

const DONE: Cause = Cause {
    sip: 200,
    q850: Some(16),
    text: "operator hung up",
};

/// Who an operator is, from the dialplan.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// The key in the plan and the user part of the address of record.
    pub(super) user: String,
    /// The softphone's password.
    pub(super) password: String,
    /// The registrar's domain.
    pub(super) domain: String,
    /// The place in the plan.
    pub(super) place: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Cue {
    Answer(LegId),
    Decline(LegId),
    HangUp(LegId),
}

/// One call at the phone.
struct OnLeg {
    from: String,
    mood: Mood,
    offer: Option<Bytes>,
    handset: Option<Handset>,
    /// There is sound, so the leg's last word comes from the handset.
    heard: bool,
}

/// The phone.
pub(super) struct Phone {
    account: Account,
    line: Line,
    callers: Arc<[Caller]>,
    legs: BTreeMap<LegId, OnLeg>,
    cues: Timers<Cue>,
    rng: Rng,
    ears: mpsc::UnboundedSender<Heard>,
    heard: mpsc::UnboundedReceiver<Heard>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Phone {
    /// A phone that has not registered yet.
    ///
    /// # Errors
    /// No port is free.
    pub(super) async fn new(
        account: Account,
        server: SocketAddr,
        callers: Arc<[Caller]>,
        clock: Clock,
        mut rng: Rng,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Self> {
        let (ears, heard) = mpsc::unbounded_channel();
        Ok(Self {
            line: Line::open(server, clock, &mut rng).await?,
            account,
            callers,
            legs: BTreeMap::new(),
            cues: Timers::default(),
            rng,
            ears,
            heard,
            reports,
        })
    }

    /// Works until the shift is over, then takes the registration back.
    pub(super) async fn run(mut self, mut shift: watch::Receiver<Shift>) {
        let account = &self.account;
        self.line
            .register(&account.user, &account.password, &account.domain);
        let (mut leaving, mut gone) = (false, false);
        while !(gone && self.legs.is_empty()) {
            let next = self.cues.next();
            let patience = next.map_or(Duration::MAX, |at| at.since(self.line.now().mono));
            tokio::select! {
                ring = self.line.ring() => match ring {
                    Ring::Session(event) => self.handle_session(event),
                    Ring::Registration(RegistrationEvent::Unregistered(_)) => gone = true,
                    Ring::Registration(event) => self.handle_registration(event),
                },
                Some(heard) = self.heard.recv() => self.handle_heard(heard),
                () = tokio::time::sleep(patience) => self.handle_cues().await,
                () = Shift::Over.reach(&mut shift), if !leaving => {
                    leaving = true;
                    self.line.unregister();
                }
            }
        }
    }

    fn handle_registration(&self, event: RegistrationEvent) {
        let user = self.account.user.clone();
        self.tell(match event {
            RegistrationEvent::Failed(_, status) => Report::NotRegistered(user, status),
            RegistrationEvent::Registered(..) | RegistrationEvent::Unregistered(_) => {
                Report::Registered
            }
        });
    }

    fn handle_session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Incoming { leg, invite } => self.ring(leg, &invite),
            SessionEvent::Cancelled { leg, .. } => self.refuse(leg, 487),
            SessionEvent::Bye { leg } => {
                self.put_down(leg);
                self.line.say(SessionCommand::ConfirmBye { leg });
            }
            SessionEvent::Reoffer { leg, .. } => {
                let answer = Err(488);
                self.line.say(SessionCommand::AnswerReoffer { leg, answer });
            }
            SessionEvent::Failed { leg, .. } | SessionEvent::Closed { leg } => {
                self.put_down(leg);
            }
            SessionEvent::Progress { .. }
            | SessionEvent::Answered { .. }
            | SessionEvent::Rejected { .. }
            | SessionEvent::Confirmed { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::Digit { .. } => {}
            SessionEvent::Refer { leg, .. } => {
                let answer = Err(403);
                self.line.say(SessionCommand::AnswerRefer { leg, answer });
            }
        }
    }

    fn ring(&mut self, leg: LegId, invite: &IncomingInvite) {
        let from = invite.from.user_decoded().unwrap_or_default().into_owned();
        let caller = Caller::behind(&self.callers, &from);
        let mood = caller.map_or(Mood::Answers, Caller::offered);
        let cue = match mood {
            Mood::Answers | Mood::Regrets => Some(Cue::Answer(leg)),
            Mood::Declines => Some(Cue::Decline(leg)),
            Mood::Silent => None,
        };
        let now = self.line.now().mono;
        if let Some(cue) = cue {
            self.cues
                .set(cue, now + RINGS + SLOWER * self.account.place);
        }
        self.line.say(SessionCommand::Progress {
            leg,
            code: 180,
            answer: None,
        });
        let call = OnLeg {
            from,
            mood,
            offer: invite.offer.clone(),
            handset: None,
            heard: false,
        };
        self.legs.insert(leg, call);
    }

    async fn handle_cues(&mut self) {
        while let Some(cue) = self.cues.pop_due(self.line.now().mono) {
            match cue {
                Cue::Answer(leg) => {
                    if self.answer(leg).await.is_none() {
                        self.refuse(leg, 488);
                    }
                }
                Cue::Decline(leg) => self.refuse(leg, 603),
                Cue::HangUp(leg) => {
                    self.put_down(leg);
                    self.line.say(SessionCommand::HangUp { leg, cause: DONE });
                }
            }
        }
    }

    /// Answers with a handset; none when offer and handset do not go together.
    async fn answer(&mut self, leg: LegId) -> Option<()> {
        let offer = self.legs.get(&leg)?.offer.clone()?;
        let mut handset = Handset::pick_up(&mut self.rng).await.ok()?;
        let (agreed, answer) = offer_answer::answer(&offer, &mut handset.local, &CODECS).ok()?;
        let ears = self.ears.clone();
        handset.connect(leg, Voice::Operator, &agreed, &mut self.rng, ears);
        self.line.say(SessionCommand::Accept { leg, answer });
        let call = self.legs.get_mut(&leg)?;
        call.handset = Some(handset);
        call.heard = true;
        if call.mood == Mood::Regrets {
            let now = self.line.now().mono;
            self.cues.set(Cue::HangUp(leg), now + REGRET);
        }
        Some(())
    }

    fn refuse(&mut self, leg: LegId, code: u16) {
        self.put_down(leg);
        self.line.say(SessionCommand::Reject {
            leg,
            code,
            retry_after: None,
        });
    }

    fn handle_heard(&mut self, heard: Heard) {
        match heard {
            Heard::Voice(leg, whisper) => {
                let Some(from) = self.legs.get(&leg).map(|call| call.from.clone()) else {
                    return;
                };
                let caller = Caller::behind(&self.callers, &from);
                if let Some(caller) = caller.filter(|caller| caller.ends == Voice::Operator) {
                    let now = self.line.now().mono;
                    self.cues.set(Cue::HangUp(leg), now + caller.talk);
                }
                self.tell(Report::Whispered {
                    operator: self.account.user.clone(),
                    from,
                    whisper,
                });
            }
            Heard::Over(leg, hearing) => {
                if let Some(call) = self.legs.remove(&leg) {
                    let from = call.from;
                    self.tell(Report::OperatorHeard { from, hearing });
                }
            }
        }
    }

    /// The handset goes back on its cradle, and nothing is planned for the leg any more. With a
    /// handset there was sound, and its last word follows.
    fn put_down(&mut self, leg: LegId) {
        for cue in [Cue::Answer(leg), Cue::Decline(leg), Cue::HangUp(leg)] {
            self.cues.cancel(&cue);
        }
        match self.legs.get_mut(&leg) {
            Some(call) if call.heard => call.handset = None,
            Some(_) => {
                self.legs.remove(&leg);
            }
            None => {}
        }
    }

    fn tell(&self, report: Report) {
        // The narrator leaves last; without one nobody needs the news.
        let _gone = self.reports.send(report);
    }
}
