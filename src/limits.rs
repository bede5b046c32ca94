//! Every bound in one place, with what happens when it is reached. Times in `Duration`, sizes in
//! bytes, counts in items.

use crate::time::Duration;

/// A SIP message over this is refused: 413 on UDP, a closed connection on a stream.
pub const SIP_MESSAGE_BYTES: usize = 65_535;
/// The head (start line and headers) of a SIP message; longer is refused as above.
pub const SIP_HEAD_BYTES: usize = 32_768;
/// Header fields in one message; more is a 400.
pub const SIP_HEADERS: usize = 256;
/// Media lines in one session description; more is a 488.
pub const SDP_MEDIA_LINES: usize = 32;
/// Keys of one media line that are looked at; the rest is passed over.
pub const SDP_CRYPTO_LINES: usize = 16;
/// Trunks of earlier dialplans that are remembered, so that a call that began before a reload can still
/// be cancelled; past it the oldest is forgotten.
pub const FORMER_TRUNKS: usize = 64;
/// Live transactions; a request that would need one more gets 503 with Retry-After, statelessly.
pub const SIP_TRANSACTIONS: usize = 40_000;
/// Bindings of one address of record; a REGISTER that would add one more gets 403 (RFC 3261 10.3).
pub const BINDINGS_PER_USER: usize = 10;
/// How often a phone sends line breaks over its stream (RFC 5626 4.4.1); a stream that nobody uses is
/// closed later than this.
pub const FLOW_TIMER: Duration = Duration::from_secs(120);
/// OPTIONS in a row that a phone behind a NAT leaves unanswered before it is not rung any more.
pub const KEEPALIVES_MISSED: u8 = 3;
/// A registration of ours is refreshed no sooner than this; a carrier that grants no more refuses us.
pub const REGISTRATION_REFRESH: Duration = Duration::from_secs(5);
/// Proxies between a phone and us; a REGISTER with a longer Path gets 400.
pub const PATH_HOPS: usize = 16;
/// The key, contact or Path of one binding, in bytes; a REGISTER with a longer one gets 400.
pub const BINDING_KEY_BYTES: usize = 1_024;
/// Forks of one INVITE of ours that answer after the first and get ACK and BYE; more are ignored.
pub const SIP_FORKS: usize = 16;
/// A transfer whose end nobody tells: after this the phone that asked for it is told so.
pub const REFER_LENGTH: Duration = Duration::from_secs(180);
/// A phone that tells of one press twice, in its sound and by INFO, does so within this; later it is
/// another press.
pub const KEY_TOLD_TWICE: Duration = Duration::from_secs(3);
/// A waiting caller is told something this long after joining a queue, and no sooner; an offer that
/// hangs on the estimated wait is weighed as often.
pub const FIRST_ANNOUNCEMENT: Duration = Duration::from_secs(5);
/// A message that a caller leaves, where no plan says how long it may be.
pub const VOICEMAIL: Duration = Duration::from_secs(120);
/// A caller at a voicemail box who speaks for less than this has left no message.
pub const VOICEMAIL_LEAST: Duration = Duration::from_secs(1);
/// The body of an INFO with a digit; a longer one is refused with 413.
pub const SIP_INFO_BYTES: usize = 256;
/// Subscriptions of phones in all; one more gets 503 with Retry-After.
pub const SUBSCRIPTIONS: usize = 20_000;
/// Subscriptions of one operator; one more gets 403.
pub const SUBSCRIPTIONS_PER_OPERATOR: usize = 250;
/// The least time between two NOTIFYs of a subscription for what changed (RFC 4235 3.10).
pub const NOTIFY_GAP: Duration = Duration::from_secs(1);
/// The shortest session interval (RFC 4028 4) and the longest; a shorter one is refused with 422 or
/// raised, a longer one cut.
pub const SESSION_INTERVAL: (Duration, Duration) =
    (Duration::from_secs(90), Duration::from_secs(86_400));
/// Provisional responses that wait for the PRACK of an earlier one; more are left out.
pub const PROVISIONALS_WAITING: usize = 8;
/// Challenges answered for one request of ours; then it counts as refused.
pub const DIGEST_ANSWERS: u8 = 2;
/// Times an offer of ours that a peer puts off is sent; then it counts as refused.
pub const REOFFER_TRIES: u8 = 6;
/// How long a peer may put an offer of ours off by Retry-After; longer is a refusal.
pub const REOFFER_LATER: Duration = Duration::from_secs(30);
/// Contacts of a redirection that are read; more are left out.
pub const REDIRECTION_CONTACTS: usize = 8;
/// TCP connections in all; one more is closed at once.
pub const TCP_CONNECTIONS: usize = 4_096;
/// What the settings may raise [`TCP_CONNECTIONS`] to. So many, and [`CONNECTIONS_OUT`], are remembered as
/// alive; beyond them the oldest is taken for closed.
pub const TCP_CONNECTIONS_MOST: u32 = 100_000;
/// TCP connections of one address; one more is closed at once.
pub const TCP_CONNECTIONS_PER_ADDRESS: usize = 256;
/// New TCP connections a second, and at once, from one address or IPv6 /64; one more is closed at once. A
/// hall of phones behind one NAT is back within seconds after a power cut.
pub const TCP_ARRIVALS: (u32, u32) = (50, 400);
/// Connections that have not said a whole message yet, in all, their TLS handshakes included; while there
/// are so many, one more is closed at once.
pub const TCP_FRESH: usize = 1_024;
/// Connections that we opened; a further one is not opened, and whoever wanted it goes elsewhere.
pub const CONNECTIONS_OUT: usize = 256;
/// A connection that we open stands within this, its TLS handshake included, or it has failed.
pub const CONNECT: Duration = Duration::from_secs(3);
/// A silent TCP connection is probed by the kernel after this, then every so often, so many times; a
/// peer that answers none is gone.
pub const TCP_PROBE_AFTER: Duration = Duration::from_secs(60);
/// Between two such probes.
pub const TCP_PROBE_EVERY: Duration = Duration::from_secs(10);
/// How many such probes.
pub const TCP_PROBES: u32 = 3;
/// A peer that has not acknowledged what was written to a TCP connection within this is gone.
pub const TCP_UNACKNOWLEDGED: Duration = Duration::from_secs(15);
/// HTTP connections open at once; further ones wait to be accepted.
pub const HTTP_CONNECTIONS: usize = 256;
/// A request on an HTTP connection is due whole within this of its opening or of the last answer.
pub const HTTP_REQUEST: Duration = Duration::from_secs(30);
/// Commands of this machine that talk to the server at once; one more waits its turn.
pub const LOCAL_CONNECTIONS: usize = 16;
/// A command of this machine has its answer within this, or gives up; a sweep may take long.
pub const LOCAL_REQUEST: Duration = Duration::from_secs(3_600);
/// Tokens of the API; more is an error of the settings.
pub const TOKENS: usize = 256;
/// The body of a request to the API, in bytes; a longer one gets 413.
pub const HTTP_BODY: usize = 65_536;
/// Items of one page of the API; who asks for more gets 422.
pub const PAGE: usize = 200;
/// Recordings heard by the API at once; whoever wants one more gets 503.
pub const DOWNLOADS: usize = 32;
/// Questions of the API to the database at once; further ones wait.
pub const API_READERS: usize = 4;
/// The comment on a call, in characters; a longer one gets 422.
pub const COMMENT_CHARS: usize = 2_000;
/// Tags of a call; more get 422.
pub const TAGS: usize = 16;
/// A tag, a code, a name or a reason in a request to the API, in characters; a longer one gets 422.
pub const WORD_CHARS: usize = 64;
/// The highest priority of a caller by the API, and the lowest below zero; others get 422.
pub const PRIORITY: i32 = 1_000;
/// Phones that dialled a feature code and hear how it went, at once; one more gets 503, and its code is
/// not done.
pub const CODES_AT_ONCE: usize = 64;
/// How long such a phone hears it at most; then it is hung up.
pub const CODE: Duration = Duration::from_secs(5);
/// Commands of the API on their way to the engine at once; further ones wait within [`COMMAND`].
pub const COMMANDS: usize = 64;
/// The engine answers a command within this, or whoever gave it is told to come again (503).
pub const COMMAND: Duration = Duration::from_secs(5);
/// The first message of a TCP connection is due whole within this.
pub const TCP_FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// Addresses the limiter remembers; past it the one unseen for longest is forgotten.
pub const LIMITER_ADDRESSES: usize = 65_536;
/// Lines about what was wrong with packets, a second and at once; more are left out, and their number
/// is told with the next.
pub const NOTES: (u32, u32) = (10, 100);
/// Addresses whose failed digests are remembered; past it the one that failed longest ago is forgotten.
pub const LOCKOUT_ADDRESSES: usize = 16_384;
/// Nonces whose counts are remembered against replay; past it the oldest is forgotten and becomes stale.
pub const NONCES: usize = 65_536;
/// How long a nonce is good for; older gets a fresh challenge with `stale=true`.
pub const NONCE_LIFE: Duration = Duration::from_secs(120);
/// Live calls unless the settings say otherwise; one more gets 503 with Retry-After.
pub const CALLS: usize = 2_000;
/// New calls a second unless the settings say otherwise; more get 503 with Retry-After.
pub const CALLS_PER_SECOND: u32 = 100;
/// Calls one operator can be in at once, those on hold included; one more is refused with 486.
pub const CALLS_OF_AN_OPERATOR: usize = 8;
/// A colleague's phone rings this long before the caller hears that nobody answers.
pub const RING_DIRECT: Duration = Duration::from_secs(60);
/// A number outside rings this long; carriers end it sooner as a rule.
pub const RING_OUTSIDE: Duration = Duration::from_secs(180);
/// Phones of one operator that ring together; one that comes up beside them does not ring.
pub const PHONES_OF_AN_OPERATOR: usize = 16;
/// Redirections (RFC 3261 8.1.3.4) that one call follows; one more ends the attempt.
pub const REDIRECTIONS: u8 = 3;
/// An operator who transferred a call and is still on the line this long after it went well is hung
/// up.
pub const TRANSFEROR_LEAVES: Duration = Duration::from_secs(2);
/// Callers waiting in one queue; one more leaves it with `queue_full`.
pub const QUEUE_WAITING: usize = 1_000;
/// A phone that missed a caller is not offered the same caller for at least this long, whatever the
/// dialplan says, so that a phone that refuses at once cannot keep the distributor busy.
pub const REOFFER_AFTER: Duration = Duration::from_secs(1);
/// Callers who gave up in one queue and are remembered, so that they may have their place again; past
/// it the one who gave up first is forgotten and begins anew.
pub const ABANDONED_CALLERS: usize = 1_000;
/// Gaps between answers, and times of handling, from which a waiting time is estimated; older ones are
/// forgotten.
pub const GAPS: usize = 16;
/// With fewer gaps than this the estimate goes by the time of handling.
pub const GAPS_FEWEST: usize = 3;
/// The longest estimated wait; a longer one is said to be this long.
pub const ESTIMATED_WAIT: Duration = Duration::from_secs(86_400);
/// Callers who have left a queue and whose missed offers are remembered for the next one; past it the
/// one who left first may be offered to the same phone at once.
pub const FORMER_TICKETS: usize = 1_000;
/// Queues one call can pass through by overflow; a longer way is a load error.
pub const OVERFLOW_DEPTH: usize = 16;
/// Attempts at operators' phones for one call that are kept for its story.
pub const ATTEMPTS_KEPT: usize = 64;
/// A display name sent to a phone, in bytes, cut at a character.
pub const DISPLAY_NAME_BYTES: usize = 128;
/// One dialplan or settings file; a longer one is refused unread.
pub const DIALPLAN_FILE_BYTES: usize = 1 << 20;
/// Files of one dialplan; more are refused.
pub const DIALPLAN_FILES: usize = 256;
/// How deep lists and mappings of a YAML file may nest; deeper is a load error.
pub const YAML_DEPTH: usize = 64;
/// Values of a YAML file once its aliases are expanded; more is a load error.
pub const YAML_VALUES: usize = 200_000;
/// Bytes of text of a YAML file once its aliases are expanded; more is a load error.
pub const YAML_TEXT_BYTES: usize = 4 << 20;
/// Problems of one check that are listed; the rest is counted.
pub const PROBLEMS: usize = 500;
/// Characters of a source line shown with a problem.
pub const EXCERPT_CHARS: usize = 160;
/// Known names looked through for the nearest one; the rest is never suggested.
pub const SUGGESTED_FROM: usize = 1_000;
/// Shapes of number patterns (length, places of `x`, a trailing `*`) in one plan; more is a load error.
pub const NUMBER_SHAPES: usize = 64;
/// Numbers with an `x` or a `*` in one plan; more is a load error.
pub const NUMBER_PATTERNS: usize = 2_000;
/// Spans of the week of one calendar; more is a load error.
pub const CALENDAR_SPANS: usize = 200;
/// Days that one calendar names; more is a load error.
pub const CALENDAR_DAYS: usize = 1_000;
/// Numbers and patterns of one list; more is a load error.
pub const LIST_NUMBERS: usize = 500_000;
/// A file of numbers; a longer one is refused.
pub const LIST_FILE_BYTES: u64 = 16 << 20;
/// Lines of a file of numbers that are told to be wrong; the rest is counted.
pub const LIST_PROBLEMS: usize = 5;
/// Routes of one plan; more is a load error.
pub const ROUTES: usize = 500;
/// The priorities and weights that a plan can give; another is a load error.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -1_000..=1_000;
/// How long it is known who spoke with a caller last; `sticky` cannot ask for more.
pub const HISTORY_KEPT: Duration = Duration::from_secs(365 * 24 * 3600);
/// Attempts of the ladder of callbacks; more is a load error.
pub const CALLBACK_ATTEMPTS: usize = 20;
/// Steps of `widen` of one queue; more is a load error.
pub const WIDEN_STEPS: usize = 20;
/// Codes of `disposition` of one queue, or reasons for a pause; more is a load error.
pub const CODES: usize = 100;
/// Operators of one plan, counted once for each queue they serve; more is a load error.
pub const QUEUE_MEMBERS: usize = 1_000_000;
/// Parts in brackets of one whisper; more is a load error.
pub const WHISPER_PARTS: usize = 8;
/// Whispers of one plan that are rendered before its first call for what may be true of a caller; the
/// rest is rendered when a phone rings. Those of callers of whom nothing is known are always ready.
pub const WHISPERS_READY: usize = 2_000;
/// Minutes of waiting that a whisper tells of; of a longer wait it says nothing.
pub const WHISPER_MINUTES: u64 = 180;
/// How long an operator who has answered waits for a whisper that is being rendered; then what is ready
/// is said.
pub const WHISPER_LATE: Duration = Duration::from_millis(300);
/// Where a key accepts a call, the whisper is said again so long after it was heard.
pub const WHISPER_AGAIN: Duration = Duration::from_secs(3);
/// Where a key accepts a call, it is pressed within this of the answer and the longest whisper, or the
/// phone counts as not answered.
pub const ACCEPT: Duration = Duration::from_secs(15);
/// Phrases that one call has rendered while its phones ring; for more the oldest is forgotten.
pub const PHRASES_OF_A_CALL: usize = 8;
/// Phrases of calls that wait to be rendered; one more is not rendered, and what is ready is said.
pub const RENDERS_WAITING: usize = 64;
/// A phrase of a call that has waited this long to be rendered is not wanted any more.
pub const RENDER: Duration = Duration::from_secs(3);
/// Samples of phrases that were rendered in calls; over it the oldest are forgotten.
pub const RENDERED_SAMPLES: usize = 16 << 20;
/// A name of a queue, operator, site, trunk or pool, in characters; longer is a load error.
pub const NAME_CHARS: usize = 64;
/// Digits that follow a feature code, for a reason or a disposition; a number with more is no code.
pub const CODE_DIGITS: usize = 4;
/// The answer to *offered is committed* is awaited this long before the first response above 100
/// leaves without it, with an alarm.
pub const COMMIT_BEFORE_RINGING: Duration = Duration::from_millis(150);
/// The answer to *the outcome is committed* is awaited this long before the message that ends the
/// caller's leg leaves without it, with an alarm.
pub const COMMIT_BEFORE_END: Duration = Duration::from_millis(500);
/// The answer to *the attempt is committed* is awaited this long before a patient is rung back without
/// it, with an alarm. Nobody but an operator hears the wait.
pub const COMMIT_BEFORE_RECALL: Duration = Duration::from_secs(2);
/// A media port that does not open within this fails the leg with 503.
pub const MEDIA_OPEN: Duration = Duration::from_secs(2);
/// A recording notice that has not come to its end this long after its length is taken for heard, so
/// that no bridge waits for a sound that cannot be played.
pub const NOTICE_LATE: Duration = Duration::from_secs(5);
/// The longest call; at its end both sides are hung up.
pub const CALL_LENGTH: Duration = Duration::from_secs(4 * 3600);
/// The keys of a feature code at most.
pub const CODE_KEYS: usize = 6;
/// Keys of a code that is pressed while talking come within this of each other; else it begins anew.
pub const CODE_PAUSE: Duration = Duration::from_secs(3);
/// A recording file is continued in another one at this size.
pub const RECORDING_FILE_BYTES: u64 = 2 << 30;
/// Packets a recording may be behind its disk before it loses some, 20 ms each and leg.
pub const RECORDING_BACKLOG: usize = 1_024;
/// Sound that a failing disk does not take waits this long before it is lost.
pub const RECORDING_PENDING: Duration = Duration::from_secs(4);
/// After sound was lost a recording goes on where the disk has this many bytes free.
pub const RECORDING_ROOM: u64 = 16 << 20;
/// Files of one recording; past it a disk that fails again ends the recording.
pub const RECORDING_PARTS: u32 = 99;
/// The end of a recording is tried this long on a disk that fails; after that the next start repairs it.
pub const RECORDING_LAST_TRY: Duration = Duration::from_secs(20);
/// Recordings whose end waits for a disk that fails; past it the next start repairs them.
pub const RECORDING_ENDS: usize = 1_000;
/// Segments of one recording; past it the last one stands for the rest.
pub const RECORDING_SEGMENTS: usize = 256;
/// A stream whose timestamps jump by more than this is taken for a new stream.
pub const RECORDING_GAP: Duration = Duration::from_secs(10);
/// Records that wait for the store's writer; one more is lost, counted, and an alarm.
pub const STORE_QUEUE: usize = 65_536;
/// Work on the store's rows that somebody waits for is committed within this, or they hear that the disk
/// refuses it; it is done all the same once the disk takes it.
pub const STORE_WRITE: Duration = Duration::from_secs(10);
/// A wall clock that moves by more than this beside the time that passes was set, or the machine slept.
pub const CLOCK_SET: Duration = Duration::from_secs(30);
/// Records that wait in memory while the disk refuses; with more nothing is taken from the queue, which
/// fills.
pub const STORE_HELD: usize = 32_768;
/// Bytes of the disk that are taken at start for events while the database cannot grow, some thousand
/// calls; what does not fit waits in memory alone, and is not answered for.
pub const LEDGER_RESERVE: u64 = 16 << 20;
/// Records of one transaction.
pub const STORE_BATCH: usize = 4_096;
/// Broken promises that `check-data` tells of one by one; more are counted.
pub const BROKEN_PROMISES: usize = 10_000;
/// Events of one sink in memory that it has not acknowledged; more wait on the disk.
pub const SINK_WINDOW: usize = 1_024;
/// Dead letters that are delivered again by one request; the rest by the next.
pub const LETTERS_AT_ONCE: usize = 200;
/// Events that are forgotten at once; the others a moment later, so that no call waits for the disk.
pub const PRUNE_STEP: u64 = 500;
/// Events read for a sink at once.
pub const SINK_PAGE: usize = 256;
/// A server settings file.
pub const SETTINGS_FILE_BYTES: u64 = 1 << 20;
/// Days that the forecast of the disk looks ahead.
pub const FORECAST_DAYS: usize = 366;
/// A disk that lasts no more days than this is an alarm.
pub const DISK_WARN_DAYS: usize = 14;
/// With less space than this the disk counts as full in the forecast.
pub const DISK_RESERVE: u64 = 1 << 30;
/// A database up to here is written anew while calls go on when a person is erased, in about a second.
pub const VACUUM_BYTES: u64 = 128 << 20;
/// Why a recording is held, in characters; a longer reason is refused.
pub const HOLD_REASON: usize = 200;
/// Faults of an archive that `strowger recordings verify` lists; the rest is counted.
pub const VERIFY_FAULTS: usize = 1_000;
/// Files a retention sweep deletes at once; the rest goes with the next.
pub const SWEEP_FILES: usize = 10_000;
/// What a party of a supervised bridge says waits this long for the packets that are late.
pub const MIX_DELAY: Duration = Duration::from_millis(40);
/// Sound that waits to be mixed; of more, the oldest is left out.
pub const MIX_DEPTH: Duration = Duration::from_millis(160);
/// A party that has sent no sound for this long does not keep a supervisor from being heard.
pub const MIX_ALONE: Duration = Duration::from_millis(100);
/// How late a packet may be and still find its place in a recording.
pub const RECORDING_JITTER: Duration = Duration::from_millis(200);
/// How often a recording's samples and header are written out.
pub const RECORDING_FLUSH: Duration = Duration::from_millis(500);
/// Sound is handed to the recorder in blocks that wait no longer than this.
pub const RECORDING_BLOCK: Duration = Duration::from_millis(100);
/// An RTP packet over this is dropped and counted as garbage.
pub const RTP_PACKET_BYTES: usize = 1_500;
/// What encryption adds to a packet of ours at most: the index and tag of SRTCP (RFC 3711 3.4).
pub const SRTP_TRAILER_BYTES: usize = 16;
/// A sequence number this far ahead of its stream is taken for a new stream (RFC 3550 A.1).
pub const RTP_DROPOUT: u16 = 3_000;
/// A sequence number up to this far behind its stream is late; further, it is taken for a new stream
/// (RFC 3550 A.1).
pub const RTP_MISORDER: u16 = 100;
/// How often a leg sends RTCP (RFC 3550 6.2).
pub const RTCP_INTERVAL: Duration = Duration::from_secs(5);
/// A held leg from which nothing came for this long is reported as silent.
pub const RTP_TIMEOUT_HELD: Duration = Duration::from_secs(300);
/// Ticks of a playout made up for at once after a stall; further ones are a gap in its timestamps.
pub const PLAYOUT_CATCH_UP: u64 = 3;
/// Events of one sink's transaction; more wait for the next.
pub const SINK_BATCH: usize = 128;
/// A connection to a database of a sink, and each transaction, may take this long; then it is given up.
pub const SINK_TRANSACTION: Duration = Duration::from_secs(10);
/// Webhook requests, or messages without an acknowledgement, of one sink under way at once.
pub const SINK_IN_FLIGHT: usize = 64;
/// A sink's answer is read to this length and no further.
pub const SINK_ANSWER_BYTES: usize = 1 << 20;
/// A sink that asks to be left alone longer is tried again after this.
pub const SINK_RETRY_AFTER: Duration = Duration::from_secs(300);
/// A sink's answer is awaited this long.
pub const SINK_TIMEOUT: Duration = Duration::from_secs(5);
/// A command of the speech chain that takes longer is killed.
pub const TTS_COMMAND: Duration = Duration::from_secs(3);
/// What a command of the speech chain may write; more gets it killed.
pub const TTS_OUTPUT_BYTES: usize = 10_000_000;
/// A command of the speech chain that failed this often in a row is left out while a plan is loaded.
pub const TTS_FAILURES: usize = 3;
/// A sound file of `prompts/`, or its manifest, is read to this length.
pub const PROMPT_FILE_BYTES: u64 = 128 << 20;
/// The longest prompt or piece of music; a longer file is refused.
pub const PROMPT_LENGTH: Duration = Duration::from_secs(600);
/// Synthesised prompts kept on the disk; past it those of no loaded plan are deleted. Also the sound
/// files that are looked at in one folder of recordings.
pub const PROMPTS_KEPT: usize = 10_000;
/// One phrase, in characters; longer is a load error.
pub const PHRASE_CHARS: usize = 400;
/// Calls a second that are refused for lack of capacity and get a row and a callback each; further ones
/// are counted together.
pub const REFUSALS_TOLD: u32 = 10;
/// How often those that were counted together get a row.
pub const REFUSALS_EVERY: Duration = Duration::from_secs(1);
/// What a Retry-After of ours says, in seconds.
pub const RETRY_AFTER_SECONDS: u32 = 5;
/// A recording's last word is awaited this long after the call's end; it is told later all the same.
pub const RECORDING_LAST_WORD: Duration = Duration::from_secs(30);
/// Open callbacks kept in memory to fold repeated calls; one more is opened without folding.
pub const OPEN_CALLBACKS: usize = 100_000;
/// Callbacks at once that were asked for in a queue and keep a place there; whoever asks for one more
/// hears that it is refused, and waits on.
pub const RECALLS: usize = 1_000;
/// A recall that cannot begin now, as its queue is closed or has nobody at work, is looked at again
/// after this.
pub const RECALL_AGAIN: Duration = Duration::from_secs(15);
/// After a restart nobody is rung back for so long, as a phone that the last run left ringing may ring
/// on, and operators' phones are still on their way.
pub const RECALL_AFTER_RESTART: Duration = Duration::from_secs(60);
/// A patient's phone rings this long when we call back.
pub const RECALL_RINGS: Duration = Duration::from_secs(40);
/// A patient's phone that rang so long could have been answered; a shorter call of ours that we ended
/// shows nothing.
pub const RINGS_IN_VAIN: Duration = Duration::from_secs(15);
/// Leads that are open at once, and as many that are over and still remembered; one more open one is
/// refused with 503, and of those that are over the earliest is forgotten.
pub const LEADS: usize = 100_000;
/// A lead that is over is remembered this long, to know the same one when it comes again.
pub const LEAD_DEDUPE: Duration = Duration::from_secs(7 * 86_400);
/// Attempts of a lead that are kept; before them the earliest is forgotten.
pub const LEAD_ATTEMPTS: usize = 20;
/// Calls for leads at once, those of lists included; the others wait.
pub const LEAD_CALLS: usize = 100;
/// Leads of one line that are looked at in one step; the others are looked at in a moment.
pub const LEADS_LOOKED_AT: usize = 64;
/// Leads of one list in one request.
pub const LEAD_ROWS: usize = 1_000;
/// Bytes of a request with leads.
pub const LEADS_BODY: usize = 1 << 20;
/// A try that shows nothing of the patient, as we gave up or no carrier worked, is made again after
/// [`RECALL_AGAIN`], then after twice as long and so on, and never later than this.
pub const LEAD_AGAIN: Duration = Duration::from_secs(15 * 60);
/// The answer to a request with a key is kept this long.
pub const ANSWERS_KEPT: Duration = Duration::from_secs(86_400);
/// Answers that are kept; past it, and past their bytes, the earliest is forgotten.
pub const ANSWERS: usize = 10_000;
/// Bytes of all answers that are kept.
pub const ANSWERS_BYTES: usize = 16 << 20;
/// Letters of an `Idempotency-Key`.
pub const KEY_CHARS: usize = 255;
/// Whoever is told that something is kept waits this long for the disk; then the answer is 503.
pub const COMMIT_BEFORE_REPLY: Duration = Duration::from_secs(3);
/// An attempt that shows nothing of the patient is made again after this.
pub const UNPROVEN_AGAIN: Duration = Duration::from_secs(60);
/// After so many attempts in a row that show nothing the ladder goes on all the same.
pub const UNPROVEN_ATTEMPTS: usize = 3;
/// Attempts of a callback that are kept, the last ones.
pub const ATTEMPTS_OF_A_CALLBACK: usize = 20;
/// Callbacks that are told of at once as overdue, or as left over at the end of a shift; the others
/// follow a second later.
pub const CALLBACKS_TOLD_AT_ONCE: usize = 100;
/// Numbers whose past is remembered; past it the one unseen for longest is forgotten.
pub const NUMBERS_REMEMBERED: usize = 200_000;
/// Whoever called within this calls again; later they are new.
pub const REPEAT_WITHIN: Duration = Duration::from_secs(183 * 86_400);
/// A caller who left sooner than this, before anybody could have answered, gets no callback.
pub const CALLBACK_IGNORES: Duration = Duration::from_secs(3);
/// A callback is due this long after the call was missed.
pub const CALLBACK_DUE: Duration = Duration::from_secs(15 * 60);
/// Questions to the shell that are open at once; the oldest is forgotten, and its own timer goes on.
pub const QUESTIONS: usize = 100_000;
/// A message that has begun on a stream is whole within this, or the stream is closed.
pub const STREAM_MESSAGE: Duration = Duration::from_secs(10);
/// A stream over which nothing went for this long, and on which there is neither a binding nor a session
/// nor a registration of ours, is closed.
pub const STREAM_IDLE: Duration = Duration::from_secs(180);
/// Bytes read from a stream at once.
pub const STREAM_READ: usize = 16 << 10;
/// Packets that wait to be written to one stream; a peer that reads no faster loses the stream.
pub const STREAM_OUTBOX: usize = 256;
/// One packet is written to a stream within this, or the stream is closed.
pub const STREAM_WRITE: Duration = Duration::from_secs(10);
/// A stream that is being closed gets this long for what is still to be written.
pub const STREAM_LINGER: Duration = Duration::from_secs(2);
/// Messages that wait to be written to the SIP trace; one more is lost and counted.
pub const TRACE_QUEUE: usize = 8_192;
/// Bytes that wait to be written to the SIP trace; more are lost and counted.
pub const TRACE_QUEUE_BYTES: usize = 16 << 20;
/// The SIP trace leaves this much of its disk free: recordings and the store need it more, so its oldest
/// files go before their time.
pub const TRACE_LEAVES_FREE: u64 = 1 << 30;
/// Files that the SIP trace is cut into, by its size and by its age: one is deleted at a time.
pub const TRACE_SEGMENTS: u32 = 32;
/// Messages of the network that wait for the engine; more are dropped and counted.
pub const INBOX: usize = 8_192;
/// How long live calls may go on after SIGTERM where the settings say nothing (`drain`); then they are
/// hung up.
pub const DRAIN: Duration = Duration::from_secs(600);
/// The shortest and the longest registration granted; shorter is refused with 423, longer is cut.
pub const REGISTRATION: (Duration, Duration) =
    (Duration::from_secs(60), Duration::from_secs(7_200));
/// Records of one answer of the domain name system; the rest is left out.
pub const DNS_RECORDS: usize = 32;
/// A name that is asked for, in bytes; a longer one has no records.
pub const DNS_NAME_BYTES: usize = 253;
/// How long an answer of the domain name system is kept at least and at most, whatever it says itself.
pub const DNS_LIFE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3_600));
/// An answer that says that there is nothing is kept this long.
pub const DNS_NOTHING: Duration = Duration::from_secs(60);
/// A question to the domain name system is answered within this, or asked again.
pub const DNS_ANSWER: Duration = Duration::from_secs(10);
/// A question that nobody answers is asked again after this, doubling, up to the second.
pub const DNS_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Peers of all trunks of one plan; more is a load error.
pub const PEERS: usize = 1_000;
/// Ways that one call out has, over all carriers; further ones are not tried.
pub const WAYS_OUT: usize = 16;
/// Addresses of one server that are tried; the rest is left out.
pub const SERVER_ADDRESSES: usize = 16;
/// Addresses of one header that says who calls whom; further ones are not looked at.
pub const IDENTITIES: usize = 16;
/// Characters of a phone-context that completes a number; a longer one completes none.
pub const NUMBER_PREFIX: usize = 24;
