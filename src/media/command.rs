//! The contract between the engine and the media threads: commands in, events out.
//!
//! Both are plain values. A command names legs, never sockets; an event for a leg that the engine
//! has closed may still come and is ignored.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{CallId, LegId, OperatorName, PlayId};
use crate::net::Net;
use crate::time::Duration;
use crate::words::{Codec, Prompt, SrtpKeys, Supervision};

/// Whose packets a leg takes besides those from the SDP address. Learned once per offer/answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Learn {
    /// A phone that proved who it is: the address its SIP comes from, any port.
    Phone(IpAddr),
    /// A trunk: the ranges its media comes from.
    Trunk(Arc<[Net]>),
}

/// The far end of a leg after an offer/answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// The address of the SDP; its port is zero when the peer takes no sound.
    pub address: SocketAddr,
    /// Who else may turn out to be the source.
    pub learn: Learn,
    /// The codec of both directions.
    pub codec: Codec,
    /// The payload type the peer uses for it.
    pub payload_type: u8,
    /// The payload type the peer wants telephone events under.
    pub telephone_event: Option<u8>,
    /// The payload type under which the peer sends them, if it keeps to what we asked for.
    pub our_telephone_event: Option<u8>,
    /// The peer takes and sends comfort noise (RFC 3389).
    pub comfort_noise: bool,
    /// Milliseconds of sound the peer wants in a packet.
    pub ptime: u8,
    /// We send sound to the peer (it is not holding us).
    pub send: bool,
    /// The peer sends sound to us.
    pub receive: bool,
    /// Where the peer wants RTCP.
    pub rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// What both sides encrypt with; in clear without.
    pub srtp: Option<Box<SrtpKeys>>,
}

impl Remote {
    /// A far end of the plainest kind: `codec` under its usual number, 20 ms, both ways.
    #[must_use]
    pub const fn new(address: SocketAddr, learn: Learn, codec: Codec) -> Self {
        Self {
            address,
            learn,
            codec,
            payload_type: codec.payload_type(),
            telephone_event: None,
            our_telephone_event: None,
            comfort_noise: false,
            ptime: 20,
            send: true,
            receive: true,
            rtcp: SocketAddr::new(address.ip(), address.port().saturating_add(1)),
            rtcp_mux: false,
            srtp: None,
        }
    }
}

/// Where a recording goes and what its manifest says from the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordPlan {
    /// The call, and the name of the file.
    pub call: CallId,
    /// Milliseconds since 1970, for the folder and the manifest.
    pub started_at: crate::time::Wall,
    /// The dialled number as the manifest shows it.
    pub to: String,
    /// The caller's number.
    pub from: Option<String>,
    /// The branch.
    pub site: Option<String>,
    /// The queue.
    pub queue: Option<String>,
    /// Who talks on the right channel from now on; nobody when one leg is recorded alone.
    pub operator: Option<OperatorName>,
    /// What the stretch that begins now is.
    pub kind: SegmentKind,
    /// How long it is kept; none keeps it until somebody deletes it.
    pub keep: Option<Duration>,
}

/// What a stretch of a recording is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// The first talk of a call.
    Talk,
    /// A talk after the call was passed on.
    Transfer,
    /// A talk with somebody who is no operator, to whom the call was passed on.
    Outside,
    /// A message that a caller leaves.
    Voicemail,
}

/// Why a stretch of a recording is silent whatever was said. Its timeline goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// Somebody paused the recording, until somebody lets it go on.
    Paused,
    /// The operator masked what is said, until they unmask it or the talk is another one's.
    Masked,
    /// The disk took nothing.
    Lost,
}

impl Silence {
    /// As events and manifests have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Masked => "masked",
            Self::Lost => "lost",
        }
    }
}

/// How the sound of a recording is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundFormat {
    /// 16 bits a sample.
    #[default]
    Pcm,
    /// G.711 A-law, 8 bits a sample: half the size.
    Alaw,
}

/// What the engine tells the media threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaCommand {
    /// Takes a port for a leg. All legs of one call live on one thread.
    Open {
        /// The leg.
        leg: LegId,
        /// Its call.
        call: CallId,
    },
    /// Says where the far end is; opens one window in which its source is learned.
    Connect {
        /// The leg.
        leg: LegId,
        /// The far end.
        remote: Remote,
    },
    /// Plays prompts one after another to the leg, in place of what it heard before: of a bridged leg
    /// the other party, which it hears again when the playout ends or is stopped. What the recording
    /// holds does not change.
    Play {
        /// The leg.
        leg: LegId,
        /// Named in [`MediaEvent::Played`].
        play: PlayId,
        /// The prompts; empty stops what plays.
        prompts: Arc<[Prompt]>,
        /// Begin again at the end, for ever (music).
        looped: bool,
    },
    /// Lets two legs of one call hear each other, ends what plays on both, and begins a recording. A
    /// recording of the call that is under way goes on as another segment, on the same timeline.
    Bridge {
        /// The caller: the left channel. The outside party, or the one who called.
        caller: LegId,
        /// The operator: the right channel.
        operator: LegId,
        /// The recording, if one is wanted.
        record: Option<Box<RecordPlan>>,
    },
    /// Ends a bridge: the two stop hearing each other, and no sound is due from them. The recording
    /// goes on with silence until another bridge of the call, or the end of its last leg.
    Unbridge {
        /// The left channel.
        caller: LegId,
        /// The right channel.
        operator: LegId,
    },
    /// Records what comes from one leg alone, as the left channel; the right one is silent. A recording
    /// of the call that is under way goes on as another segment. It pauses when the leg is bridged
    /// without a recording or leaves its call, and goes on with a bridge that has one.
    Record {
        /// The leg.
        leg: LegId,
        /// The recording.
        plan: Box<RecordPlan>,
    },
    /// Ends the call's recording for good: [`MediaEvent::Recorded`] follows, and a call that is recorded
    /// again after that has its recording fail. A call without one is left as it is.
    StopRecording {
        /// The call.
        call: CallId,
    },
    /// The call's recording holds silence from now on, or sound again: a call that is not recorded is left
    /// as it is. Bridges do not end it.
    Silence {
        /// The call.
        call: CallId,
        /// Why; none lets it hold what is said.
        silence: Option<Silence>,
    },
    /// A third leg of the same call takes part in the operator's bridge: what played to it ends, and it
    /// hears both parties. It is heard by nobody, by the operator alone or by both; in the last case it is
    /// recorded on the right channel. No mode takes it out. The end of the bridge does as well, and so
    /// does another leg that takes part in it.
    Supervise {
        /// The third leg.
        leg: LegId,
        /// The party that may be coached.
        operator: LegId,
        /// Who hears it.
        mode: Option<Supervision>,
    },
    /// The leg belongs to another call from now on, whose thread it moves to with its port, its
    /// numbers and what it hears. It leaves the bridge that it was in.
    Adopt {
        /// The leg.
        leg: LegId,
        /// Its new call.
        call: CallId,
    },
    /// Gives the port back. The last leg of a call takes the call's recording with it.
    Close {
        /// The leg.
        leg: LegId,
    },
}

/// A finished recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The file, relative to the recordings folder, with `/` between its parts.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its length.
    pub duration: Duration,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// SHA-256 of the manifest, which has the hashes of every file.
    pub manifest_sha256: String,
}

/// What the media threads tell the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// A port is open.
    Opened {
        /// The leg.
        leg: LegId,
        /// The RTP port.
        port: u16,
    },
    /// No port could be had.
    OpenFailed {
        /// The leg.
        leg: LegId,
    },
    /// A playout that does not loop came to its end.
    Played {
        /// The leg.
        leg: LegId,
        /// Which one.
        play: PlayId,
    },
    /// A digit was pressed (RFC 4733), reported once.
    Digit {
        /// The leg.
        leg: LegId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// Nothing came from a leg that is bridged or supervises, from which sound is due, for
    /// `media.rtp_timeout`.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// The recording's file is complete, its manifest beside it.
    Recorded {
        /// The call.
        call: CallId,
        /// The file.
        recorded: Box<Recorded>,
    },
    /// The disk is too slow or too full for the recording, which has a hole and goes on when it can; or
    /// it goes on again.
    RecordTroubled {
        /// The call.
        call: CallId,
        /// What the admin should know; none when it goes on.
        why: Option<String>,
    },
    /// The recording could not be written, or stopped early.
    RecordFailed {
        /// The call.
        call: CallId,
        /// What the admin should know.
        why: String,
    },
}
