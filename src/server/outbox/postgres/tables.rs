//! The two tables in PostgreSQL, and the one statement that writes them.
//!
//! `call_events` only grows: an event that comes again changes nothing. `calls` has one row a call,
//! which each later event about the call brings up to date and `call.ended` makes final; what somebody
//! says of a call afterwards is put in. An event that comes again, or late, never sets a row back.

/// Whether both tables are there. Asked first, because who may not make tables may still fill them.
pub(super) const ARE_THERE: &str =
    "SELECT to_regclass('call_events') IS NOT NULL AND to_regclass('calls') IS NOT NULL";

/// Makes the tables.
pub(super) const MAKE: &str = "
CREATE TABLE IF NOT EXISTS call_events (
    id text PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    node text NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    time timestamptz NOT NULL,
    call_id text,
    data jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS call_events_by_call ON call_events (call_id, sequence);
CREATE INDEX IF NOT EXISTS call_events_by_type ON call_events (type, time);
CREATE TABLE IF NOT EXISTS calls (
    id text PRIMARY KEY,
    node text NOT NULL,
    sequence bigint NOT NULL,
    ended boolean NOT NULL,
    direction text,
    trunk text,
    caller text,
    called text,
    site text,
    source text,
    campaign text,
    queue text,
    operator text,
    started_at timestamptz,
    answered_at timestamptz,
    ended_at timestamptz,
    wait_s double precision,
    talk_s double precision,
    outcome text,
    result text,
    reason text,
    interrupted boolean,
    callback text,
    no_callback text,
    recording text,
    disposition text,
    comment text,
    tags jsonb,
    data jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_start ON calls (started_at);
CREATE INDEX IF NOT EXISTS calls_by_caller ON calls (caller, started_at);
CREATE INDEX IF NOT EXISTS calls_by_called ON calls (called, started_at);
";

/// Writes a batch whole or not at all. `$1` is a document with three lists: `events`, `calls` (a call
/// at most once) and `said` (of calls that are not in `calls`).
pub(super) const WRITE: &str = "
WITH batch AS (
    SELECT $1::text::jsonb AS document
), new_events AS (
    INSERT INTO call_events (id, node, sequence, type, time, call_id, data)
    SELECT event.id, node, sequence, type, time, call_id, data
    FROM batch, jsonb_to_recordset(document -> 'events') AS event (
        id text, node text, sequence bigint, type text, time timestamptz, call_id text, data jsonb)
    ORDER BY sequence
    ON CONFLICT (id) DO NOTHING
), new_calls AS (
    INSERT INTO calls (
        id, node, sequence, ended, direction, trunk, caller, called, site, source, campaign, queue,
        operator, started_at, answered_at, ended_at, wait_s, talk_s, outcome, result, reason,
        interrupted, callback, no_callback, recording, disposition, comment, tags, data)
    SELECT id, node, sequence, ended, data ->> 'direction', data ->> 'trunk', data ->> 'from',
        data ->> 'to', data ->> 'site', data ->> 'source', data ->> 'campaign', data ->> 'queue',
        data ->> 'operator', (data ->> 'started_at')::timestamptz,
        (data ->> 'answered_at')::timestamptz, (data ->> 'ended_at')::timestamptz,
        (data ->> 'wait_s')::double precision, (data ->> 'talk_s')::double precision,
        data ->> 'outcome', data ->> 'result', data ->> 'reason',
        (data ->> 'interrupted')::boolean, data ->> 'callback', data ->> 'no_callback',
        data ->> 'recording', data ->> 'disposition', data ->> 'comment', data -> 'tags', data
    FROM batch, jsonb_to_recordset(document -> 'calls') AS call (
        id text, node text, sequence bigint, ended boolean, data jsonb)
    ON CONFLICT (id) DO UPDATE SET
        node = excluded.node, sequence = excluded.sequence, ended = excluded.ended,
        direction = excluded.direction, trunk = excluded.trunk, caller = excluded.caller,
        called = excluded.called, site = excluded.site, source = excluded.source,
        campaign = excluded.campaign, queue = excluded.queue, operator = excluded.operator,
        started_at = excluded.started_at, answered_at = excluded.answered_at,
        ended_at = excluded.ended_at, wait_s = excluded.wait_s, talk_s = excluded.talk_s,
        outcome = excluded.outcome, result = excluded.result, reason = excluded.reason,
        interrupted = excluded.interrupted, callback = excluded.callback,
        no_callback = excluded.no_callback, recording = excluded.recording,
        disposition = excluded.disposition, comment = excluded.comment, tags = excluded.tags,
        data = excluded.data
    WHERE calls.sequence < excluded.sequence AND (excluded.ended OR NOT calls.ended)
)
UPDATE calls SET
    sequence = said.sequence,
    disposition = coalesce(said.data ->> 'disposition', disposition),
    comment = coalesce(said.data ->> 'comment', comment),
    tags = coalesce(said.data -> 'tags', tags),
    data = calls.data || said.data
FROM batch, jsonb_to_recordset(document -> 'said') AS said (
    id text, sequence bigint, data jsonb)
WHERE calls.id = said.id AND calls.sequence < said.sequence
";
