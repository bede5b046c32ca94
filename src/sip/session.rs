//! INVITE sessions: what the call machine says to SIP and what it hears.
//!
//! A session lives inside one dialog and is named by its [`LegId`]. This file holds the words of
//! that conversation and the machine behind them; the business of a call is not known here.

pub mod interval;
pub mod reliable;
pub mod sent;
pub mod state;

use std::net::IpAddr;

use bytes::Bytes;

use super::flow::Flow;
use super::identity::Identity;
use super::uri::Uri;
use crate::id::{LegId, OperatorName, TrunkName};

/// Who sent a request, as the endpoint found out before it made any state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A carrier, known by its address.
    Trunk(TrunkName),
    /// An operator, known by digest.
    Operator(OperatorName),
}

/// Why a session ends, in both vocabularies (RFC 3326).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// The SIP status code that names it best.
    pub sip: u16,
    /// The Q.850 cause, where one is known.
    pub q850: Option<u8>,
    /// A few words for the Reason header; plain ASCII.
    pub text: &'static str,
}

/// An INVITE that asks for a new session.
#[derive(Clone, Debug)]
pub struct IncomingInvite {
    /// Who sent it.
    pub source: Source,
    /// The way it came.
    pub flow: Flow,
    /// The request URI: what was dialled, unless the trunk says otherwise.
    pub request_uri: Uri,
    /// The To URI.
    pub to: Uri,
    /// The From URI.
    pub from: Uri,
    /// The From display name, decoded, lossily UTF-8; empty when there is none.
    pub from_display: String,
    /// The Call-ID, for traces alone.
    pub call_id: String,
    /// The body when it is `application/sdp`.
    pub offer: Option<Bytes>,
    /// What other headers say of who calls whom; who believes them is the dialplan's business.
    pub identity: Identity,
    /// The leg it replaces (RFC 3891), which is one of the same operator.
    pub replaces: Option<LegId>,
}

/// What an outgoing INVITE says.
#[derive(Clone, Debug)]
pub struct OutgoingInvite {
    /// The request URI and To.
    pub target: Uri,
    /// The way it goes.
    pub flow: Flow,
    /// The display name of From, any UTF-8; the writer cuts and quotes it.
    pub from_display: String,
    /// The user part of From; its host is the endpoint's domain.
    pub from_user: String,
    /// Extra header fields from our own allow-list, already clean.
    pub headers: Vec<(&'static str, String)>,
    /// The SDP offer.
    pub offer: Bytes,
    /// The carrier it goes to: its account answers challenges, its domain stands in From.
    pub trunk: Option<TrunkName>,
    /// The user part of P-Asserted-Identity (RFC 3325).
    pub asserted: Option<String>,
    /// From is anonymous and `Privacy: id` is asked for (RFC 3323).
    pub private: bool,
    /// The Path of the binding, as Route (RFC 3327).
    pub routes: Vec<Bytes>,
}

impl OutgoingInvite {
    /// A plain INVITE to `target` along `flow`.
    #[must_use]
    pub fn new(target: Uri, flow: Flow, from_user: &str, offer: Bytes) -> Self {
        Self {
            target,
            flow,
            from_display: String::new(),
            from_user: from_user.to_owned(),
            headers: Vec::new(),
            offer,
            trunk: None,
            asserted: None,
            private: false,
            routes: Vec::new(),
        }
    }
}

/// A REFER inside a dialog (RFC 3515).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refer {
    /// Refer-To, without its headers.
    pub target: Uri,
    /// What its Replaces means here; none for a blind transfer.
    pub replaces: Option<Replaced>,
}

/// The dialog that a Replaces names (RFC 3891), in our own terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// A leg of the one who refers.
    Leg(LegId),
    /// None that the one who refers may replace.
    Unknown,
}

/// What the call machine tells a session. Every command on a leg that is gone is ignored.
#[derive(Clone, Debug)]
pub enum SessionCommand {
    /// Sends an INVITE; `leg` is new and outbound.
    Invite {
        /// The new leg.
        leg: LegId,
        /// What it says.
        invite: Box<OutgoingInvite>,
    },
    /// Sends a provisional response, with SDP for early media; repeated every minute until the
    /// final one (RFC 3261 13.3.1.1).
    Progress {
        /// The inbound leg.
        leg: LegId,
        /// 101 to 199.
        code: u16,
        /// An SDP answer.
        answer: Option<Bytes>,
    },
    /// Sends 200 with SDP; it is repeated until the ACK comes (RFC 3261 13.3.1.4).
    Accept {
        /// The inbound leg.
        leg: LegId,
        /// The SDP answer, or our offer when the INVITE had none.
        answer: Bytes,
    },
    /// Sends a final response of 300 or above.
    Reject {
        /// The inbound leg.
        leg: LegId,
        /// The status code.
        code: u16,
        /// Seconds for a Retry-After header.
        retry_after: Option<u32>,
    },
    /// Refuses the offer of an INVITE with 488 and says why.
    RejectOffer {
        /// The inbound leg.
        leg: LegId,
        /// The code and text of a Warning (RFC 3261 20.43); plain ASCII.
        warning: (u16, &'static str),
    },
    /// Ends the session whatever its state: CANCEL while an INVITE of ours is open (a 2xx that
    /// crosses it gets ACK and BYE), BYE when there is a dialog, a final response to an INVITE that
    /// still waits for one.
    HangUp {
        /// The leg.
        leg: LegId,
        /// Written as a Reason header.
        cause: Cause,
    },
    /// Sends the 200 to a BYE that was reported by [`SessionEvent::Bye`].
    ConfirmBye {
        /// The leg.
        leg: LegId,
    },
    /// Answers a re-INVITE or UPDATE that was reported by [`SessionEvent::Reoffer`].
    AnswerReoffer {
        /// The leg.
        leg: LegId,
        /// SDP for 200, or the status code of a refusal.
        answer: Result<Bytes, u16>,
    },
    /// Sends a new offer inside the dialog; glare is settled by the endpoint (RFC 3261 14.1).
    Reoffer {
        /// The leg.
        leg: LegId,
        /// The SDP offer.
        offer: Bytes,
    },
    /// Answers a REFER that was reported by [`SessionEvent::Refer`].
    AnswerRefer {
        /// The leg.
        leg: LegId,
        /// 202, or the status code of a refusal.
        answer: Result<(), u16>,
    },
    /// Tells the one who referred how far it is, by NOTIFY (RFC 3515 2.4.4); a final code ends it.
    ReferProgress {
        /// The leg that referred.
        leg: LegId,
        /// 100 to 699.
        code: u16,
    },
}

/// What a session tells the call machine.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// A new INVITE; 100 has been sent.
    Incoming {
        /// The new inbound leg.
        leg: LegId,
        /// What it said.
        invite: Box<IncomingInvite>,
    },
    /// The caller cancelled. CANCEL has its 200; the INVITE waits for [`SessionCommand::Reject`]
    /// with 487.
    Cancelled {
        /// The inbound leg.
        leg: LegId,
        /// The peer says that another phone took the call (Reason `cause=200`).
        elsewhere: bool,
    },
    /// A provisional response: above 100, and 100 itself from a carrier.
    Progress {
        /// The outbound leg.
        leg: LegId,
        /// 100 to 199.
        code: u16,
        /// Its SDP, if any.
        answer: Option<Bytes>,
    },
    /// A 2xx; its ACK has been sent.
    Answered {
        /// The outbound leg.
        leg: LegId,
        /// Its SDP, if any.
        answer: Option<Bytes>,
        /// Where the phone's signalling comes from.
        peer: IpAddr,
    },
    /// A final response of 300 or above, 408 on Timer B, 503 on a dead transport. The leg is over.
    Rejected {
        /// The outbound leg.
        leg: LegId,
        /// The status code.
        code: u16,
        /// The contacts of a redirection (RFC 3261 8.1.3.4).
        contacts: Vec<Uri>,
    },
    /// The ACK to our 200 came, with the answer to our offer when the INVITE had none.
    Confirmed {
        /// The inbound leg.
        leg: LegId,
        /// SDP in the ACK.
        answer: Option<Bytes>,
    },
    /// A re-INVITE or UPDATE inside the dialog; answered by [`SessionCommand::AnswerReoffer`].
    Reoffer {
        /// The leg.
        leg: LegId,
        /// Its SDP; none asks for our offer.
        offer: Option<Bytes>,
    },
    /// What became of [`SessionCommand::Reoffer`].
    ReofferAnswered {
        /// The leg.
        leg: LegId,
        /// The SDP of its 200, or the status code of a refusal.
        answer: Result<Option<Bytes>, u16>,
    },
    /// The peer wants the other side to talk to somebody else; answered by
    /// [`SessionCommand::AnswerRefer`].
    Refer {
        /// The leg that refers.
        leg: LegId,
        /// To whom.
        refer: Box<Refer>,
    },
    /// A digit by INFO (RFC 6086).
    Digit {
        /// The leg.
        leg: LegId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// A BYE; its 200 waits for [`SessionCommand::ConfirmBye`].
    Bye {
        /// The leg.
        leg: LegId,
    },
    /// The session broke: no ACK within 64·T1, or our BYE is the answer to a protocol error. A BYE
    /// has been sent where a dialog exists.
    Failed {
        /// The leg.
        leg: LegId,
        /// What went wrong.
        cause: Cause,
    },
    /// The dialog and all its transactions are gone; the leg id is never used again.
    Closed {
        /// The leg.
        leg: LegId,
    },
}
