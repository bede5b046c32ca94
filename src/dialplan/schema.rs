//! The words of a dialplan: which keys each section has, and which of the contract come later.
//! And the shape of an entry of `tests:`, which the simulator runs.

use std::collections::BTreeMap;

use super::plan::{Position, Target};
use super::read::Words;
use crate::id::{OperatorName, QueueName, SiteName, TrunkName, VoicemailName};
use crate::time::{Duration, Wall};
use crate::words::{MissedReason, OperatorState, Outcome};

/// The sections of a plan.
pub const PLAN: Words = Words {
    known: &[
        "version",
        "country",
        "timezone",
        "language",
        "sites",
        "trunks",
        "pools",
        "numbers",
        "operators",
        "queues",
        "outbound",
        "whisper",
        "screen",
        "recording",
        "lists",
        "routes",
        "calendars",
        "voicemail",
        "callbacks",
        "leads",
        "history",
        "feature_codes",
        "tests",
    ],
    later: &["menus", "groups", "splits", "lookups"],
};

/// One of `sites`.
pub const SITE: Words = Words {
    known: &["city", "from", "language", "country", "timezone"],
    later: &[],
};

/// One of `trunks`.
pub const TRUNK: Words = Words {
    known: &[
        "peers",
        "media",
        "codecs",
        "country",
        "register",
        "servers",
        "transport",
        "called",
        "caller",
        "trusted",
        "keepalive",
        "max_calls",
        "calls_per_second",
        "session_timer",
        "rel100",
        "dtmf",
        "srtp",
    ],
    later: &[],
};

/// `trunks.X.register`.
pub const REGISTER: Words = Words {
    known: &["servers", "user", "password", "expires"],
    later: &[],
};

/// One of `pools`.
pub const POOL: Words = Words {
    known: &["site", "source", "campaign"],
    later: &[],
};

/// One of `numbers`.
pub const NUMBER: Words = Words {
    known: &[
        "name",
        "pool",
        "site",
        "source",
        "campaign",
        "to",
        "recording",
    ],
    later: &[],
};

/// One of `operators`.
pub const OPERATOR: Words = Words {
    known: &[
        "name",
        "number",
        "password",
        "site",
        "skills",
        "srtp",
        "wrap_up",
        "max_no_answer",
    ],
    later: &[],
};

/// One of `queues`.
pub const QUEUE: Words = Words {
    known: &[
        "number",
        "operators",
        "strategy",
        "step",
        "widen",
        "weight",
        "ring",
        "retry",
        "after",
        "wrap_up",
        "max_wait",
        "max_size",
        "join_empty",
        "leave_empty",
        "overflow",
        "service_level",
        "resume_within",
        "music",
        "answer",
        "calendar",
        "closed",
        "announce",
        "exit",
        "callback",
        "sticky",
        "disposition",
        "recording",
    ],
    later: &[],
};

/// `outbound`.
pub const OUTBOUND: Words = Words {
    known: &[
        "via",
        "allow",
        "deny",
        "emergency",
        "max_calls",
        "per_day",
        "hours",
        "show",
    ],
    later: &[],
};

/// `outbound.show`.
pub const SHOW: Words = Words {
    known: &["site", "number"],
    later: &[],
};

/// `queues.X.operators`.
pub const SERVED_BY: Words = Words {
    known: &["all", "skills", "names", "site"],
    later: &[],
};

/// `queues.X.after`.
pub const AFTER: Words = Words {
    known: &["decline", "busy", "no_answer"],
    later: &[],
};

/// One of `calendars`.
pub const CALENDAR: Words = Words {
    known: &["timezone", "open", "closed", "closed_on", "open_on"],
    later: &[],
};

/// One of `lists`.
pub const LIST: Words = Words {
    known: &["numbers", "file"],
    later: &[],
};

/// One of `routes`.
pub const ROUTE: Words = Words {
    known: &["when", "reject", "priority", "to"],
    later: &[],
};

/// `when` of a route.
pub const WHEN: Words = Words {
    known: &["caller", "to", "trunk", "calendar", "site"],
    later: &[],
};

/// `reject` of a route.
pub const REJECT: Words = Words {
    known: &["code", "note"],
    later: &[],
};

/// One step of `queues.X.widen`.
pub const WIDEN: Words = Words {
    known: &["after", "skill_level"],
    later: &[],
};

/// `queues.X.join_empty` and `leave_empty`.
pub const NEED: Words = Words {
    known: &["logged_in", "working", "available", "wait"],
    later: &[],
};

/// `queues.X.announce`.
pub const ANNOUNCED: Words = Words {
    known: &["position", "wait", "every"],
    later: &[],
};

/// `queues.X.callback`.
pub const ASKED: Words = Words {
    known: &["key", "offer_after", "offer_over"],
    later: &[],
};

/// `queues.X.exit`.
pub const EXIT: Words = Words {
    known: &["key", "to"],
    later: &[],
};

/// `queues.X.sticky`.
pub const STICKY: Words = Words {
    known: &["to", "within", "wait"],
    later: &[],
};

/// `queues.X.disposition`.
pub const DISPOSITION: Words = Words {
    known: &["require", "codes"],
    later: &[],
};

/// One of `voicemail`.
pub const VOICEMAIL: Words = Words {
    known: &["say", "max"],
    later: &[],
};

/// `callbacks`.
pub const CALLBACKS: Words = Words {
    known: &["due", "ignore_shorter_than", "attempts", "shift_end"],
    later: &[],
};

/// One of `callbacks.attempts`.
pub const ATTEMPT: Words = Words {
    known: &["show", "emit", "after"],
    later: &[],
};

/// `leads`.
pub const LEADS: Words = Words {
    known: &["dedupe", "queue", "at_once", "attempts", "hours"],
    later: &[],
};

/// `history`.
pub const HISTORY: Words = Words {
    known: &["repeat_within"],
    later: &[],
};

/// `feature_codes`.
pub const FEATURE_CODES: Words = Words {
    known: &[
        "login",
        "pause",
        "wrap_up",
        "disposition",
        "mask",
        "reasons",
    ],
    later: &[],
};

/// `whisper`.
pub const WHISPER: Words = Words {
    known: &["uk", "ru", "en", "max", "accept"],
    later: &[],
};

/// `screen`.
pub const SCREEN: Words = Words {
    known: &["display", "transliterate", "card"],
    later: &[],
};

/// `recording`.
pub const RECORDING: Words = Words {
    known: &["announce", "keep"],
    later: &[],
};

/// `recording` of a number or of a queue.
pub const KEPT: Words = Words {
    known: &["keep"],
    later: &[],
};

/// `recording.announce`.
pub const ANNOUNCE: Words = Words {
    known: &["say"],
    later: &[],
};

/// One of `tests`.
pub const TEST: Words = Words {
    known: &["name", "given", "call", "expect"],
    later: &[],
};

/// `given` of a test.
pub const GIVEN: Words = Words {
    known: &["operators", "callers_waiting"],
    later: &[],
};

/// `call` of a test.
pub const CALL: Words = Words {
    known: &["from", "to", "at", "patience", "trunk", "keys"],
    later: &[],
};

/// One of `call.keys` of a test.
pub const PRESSED: Words = Words {
    known: &["after", "press"],
    later: &[],
};

/// `expect` of a test.
pub const EXPECT: Words = Words {
    known: &[
        "queue",
        "path",
        "operator",
        "whisper",
        "outcome",
        "reason",
        "callback",
        "to",
        "site",
        "source",
        "campaign",
        "priority",
        "voicemail",
    ],
    later: &["menu", "result"],
};

/// Every mapping of a plan, by its heading in the reference, `docs/dialplan.md`.
pub const SECTIONS: &[(&str, Words)] = &[
    ("plan", PLAN),
    ("sites.NAME", SITE),
    ("trunks.NAME", TRUNK),
    ("trunks.NAME.register", REGISTER),
    ("pools.NAME", POOL),
    ("numbers.PATTERN", NUMBER),
    ("lists.NAME", LIST),
    ("routes", ROUTE),
    ("routes.when", WHEN),
    ("routes.reject", REJECT),
    ("calendars.NAME", CALENDAR),
    ("operators.NAME", OPERATOR),
    ("queues.NAME", QUEUE),
    ("queues.NAME.operators", SERVED_BY),
    ("queues.NAME.widen", WIDEN),
    ("queues.NAME.after", AFTER),
    ("queues.NAME.join_empty and leave_empty", NEED),
    ("queues.NAME.announce", ANNOUNCED),
    ("queues.NAME.exit", EXIT),
    ("queues.NAME.callback", ASKED),
    ("queues.NAME.sticky", STICKY),
    ("queues.NAME.disposition", DISPOSITION),
    ("voicemail.NAME", VOICEMAIL),
    ("callbacks", CALLBACKS),
    ("callbacks.attempts", ATTEMPT),
    ("leads", LEADS),
    ("history", HISTORY),
    ("outbound", OUTBOUND),
    ("outbound.show", SHOW),
    ("feature_codes", FEATURE_CODES),
    ("whisper", WHISPER),
    ("screen", SCREEN),
    ("recording", RECORDING),
    ("recording.announce", ANNOUNCE),
    ("numbers.PATTERN.recording and queues.NAME.recording", KEPT),
    ("tests", TEST),
    ("tests.given", GIVEN),
    ("tests.call", CALL),
    ("tests.call.keys", PRESSED),
    ("tests.expect", EXPECT),
];

/// The kinds of things a call can go to; the later ones are refused as such.
pub const TARGETS_LATER: [&str; 4] = ["menu", "group", "split", "lookup"];

/// One entry of `tests:`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanTest {
    /// What it shows.
    pub name: String,
    /// Where it is written.
    pub position: Position,
    /// The operators that are not simply available when the call comes.
    pub given: BTreeMap<OperatorName, OperatorState>,
    /// How many callers wait in a queue already.
    pub waiting: BTreeMap<QueueName, u32>,
    /// The call.
    pub call: TestCall,
    /// What must come of it.
    pub expect: Expect,
}

/// The call of a test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestCall {
    /// The caller, in E.164 where it can be read; none when withheld.
    pub from: Option<String>,
    /// The dialled number, in E.164 where it can be read.
    pub to: String,
    /// When it comes; none leaves it to whoever runs the test.
    pub at: Option<Wall>,
    /// How long the caller waits; none is for ever.
    pub patience: Option<Duration>,
    /// The keys that the caller presses, each so long after the call began.
    pub keys: Vec<(Duration, char)>,
    /// The carrier that brings it; the plan's first where none is named, none where it has none.
    pub trunk: Option<TrunkName>,
}

/// What a test expects; what is none is not looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expect {
    /// The queue it is in at the end.
    pub queue: Option<QueueName>,
    /// Where it goes, in order.
    pub path: Option<Vec<Target>>,
    /// Who answers.
    pub operator: Option<OperatorName>,
    /// What the operator hears.
    pub whisper: Option<String>,
    /// How it ends.
    pub outcome: Option<Outcome>,
    /// Why it was missed.
    pub reason: Option<MissedReason>,
    /// Whether a callback is opened.
    pub callback: Option<bool>,
    /// The dialled number in E.164.
    pub to: Option<String>,
    /// The branch.
    pub site: Option<SiteName>,
    /// Where the caller saw the number.
    pub source: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// The box in which the caller can leave a message.
    pub voicemail: Option<VoicemailName>,
    /// How urgent it is.
    pub priority: Option<i32>,
}
