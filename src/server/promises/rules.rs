//! The promises that the database can be asked about: a name, and a query whose rows break it.
//!
//! Events may have been pruned from the beginning on, so what an earlier event must have said is asked
//! for only while the first event is there.

use rusqlite::Connection;

use super::{Broken, Findings};

/// One promise.
struct Rule {
    /// Its name, which stays the same for programs that read it.
    name: &'static str,
    /// The call (or another name) and what is wrong with it, a row for each break.
    query: &'static str,
}

/// What the rules are asked of: one pass over the documents, so that none is parsed again for each rule.
const GATHERED: &str = "
CREATE TEMP TABLE horizon AS SELECT coalesce(min(seq), 1) > 1 AS pruned FROM events;
CREATE TEMP TABLE documents AS
    SELECT seq, kind, subject, CASE WHEN json_valid(json) THEN json END AS json FROM events
    WHERE kind IN ('call.started', 'call.ended', 'callback.opened', 'callback.repeated',
        'callback.closed', 'queue.joined', 'queue.left', 'recording.started', 'recording.finished');
CREATE TEMP TABLE began AS
    SELECT subject AS call, seq, json ->> '$.data.direction' AS direction
    FROM documents WHERE kind = 'call.started' AND subject IS NOT NULL;
CREATE INDEX temp.began_by_call ON began(call);
CREATE TEMP TABLE ended AS
    SELECT subject AS call, seq,
        json ->> '$.data.direction' AS direction, json ->> '$.data.outcome' AS outcome,
        json ->> '$.data.result' AS result, json ->> '$.data.reason' AS reason,
        json ->> '$.data.callback' AS callback, json ->> '$.data.no_callback' AS excuse
    FROM documents WHERE kind = 'call.ended' AND subject IS NOT NULL;
CREATE INDEX temp.ended_by_call ON ended(call);
CREATE TEMP TABLE callback_news AS
    SELECT json ->> '$.data.id' AS id, kind, seq
    FROM documents WHERE kind GLOB 'callback.*';
CREATE INDEX temp.callback_news_by_id ON callback_news(id, kind);
";

const RULES: [Rule; 17] = [
    Rule {
        name: "sequence",
        query: "SELECT NULL, 'event ' || seq || ' follows ' || before
            FROM (SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM events)
            WHERE seq <> before + 1",
    },
    Rule {
        name: "document",
        query: "SELECT subject, 'event ' || seq || ' says something else than its row' FROM events
            WHERE CASE WHEN json_valid(json) THEN
                CAST(json ->> '$.sequence' AS INTEGER) IS NOT seq OR json ->> '$.id' IS NOT id
                OR json ->> '$.type' IS NOT kind OR json ->> '$.subject' IS NOT subject
            ELSE 1 END",
    },
    Rule {
        name: "one-end",
        query: "SELECT call, 'it has ' || count(*) || ' ends' FROM ended
            GROUP BY call HAVING count(*) > 1",
    },
    Rule {
        name: "end",
        query: "SELECT call, 'it began, does not go on and has no end' FROM began
            WHERE call NOT IN (SELECT call FROM ended) AND call NOT IN (SELECT call FROM live_calls)",
    },
    Rule {
        name: "beginning",
        query: "SELECT call, 'it ended and never began' FROM ended, horizon
            WHERE NOT pruned AND call NOT IN (SELECT call FROM began)",
    },
    Rule {
        name: "live",
        query: "SELECT call, 'it ended and is kept as going on' FROM live_calls
            WHERE call IN (SELECT call FROM ended)",
    },
    Rule {
        name: "order",
        query: "SELECT call, 'something is told of it before its beginning' FROM began
            WHERE EXISTS (SELECT 1 FROM events WHERE subject = call AND kind GLOB 'call.*'
                AND events.seq < began.seq)
            UNION ALL SELECT call, 'something is told of it after its end' FROM ended
            WHERE EXISTS (SELECT 1 FROM events WHERE subject = call AND kind GLOB 'call.*'
                AND kind NOT IN ('call.quality', 'call.ended') AND events.seq > ended.seq)",
    },
    Rule {
        name: "outcome",
        query: "SELECT call, 'it ended with the outcome ' || coalesce(outcome, 'none')
                || ' and the result ' || coalesce(result, 'none') FROM ended
            WHERE CASE direction WHEN 'inbound' THEN
                outcome IS NULL OR outcome NOT IN ('answered', 'missed', 'blocked', 'test')
            ELSE outcome IS NOT NULL OR result IS NULL
                OR result NOT IN ('answered', 'busy', 'no_answer', 'failed', 'cancelled') END",
    },
    Rule {
        name: "sum",
        query: "SELECT NULL, offered || ' offered, and ' || told || ' with an outcome or going on' FROM
                (SELECT (SELECT count(*) FROM began WHERE direction = 'inbound') AS offered,
                    (SELECT count(*) FROM ended WHERE outcome IS NOT NULL)
                    + (SELECT count(*) FROM live_calls JOIN began USING (call)
                        WHERE direction = 'inbound') AS told), horizon
            WHERE NOT pruned AND offered <> told",
    },
    Rule {
        name: "reason",
        query: "SELECT call, 'it was missed for the reason ' || coalesce(reason, 'none') FROM ended
            WHERE outcome = 'missed' AND (reason IS NULL OR reason NOT IN ('abandoned', 'timeout',
                'no_operators', 'off_hours', 'queue_full', 'interrupted', 'refused', 'unrouted'))",
    },
    Rule {
        name: "callback",
        query: "SELECT call, 'it was missed, and there is no callback and no word why' FROM ended
            WHERE outcome = 'missed' AND callback IS NULL AND coalesce(excuse, '') = ''
            UNION ALL SELECT call, 'its callback ' || callback || ' is not kept' FROM ended
            WHERE callback IS NOT NULL AND callback NOT IN (SELECT id FROM callbacks)",
    },
    Rule {
        name: "callback-events",
        query: "SELECT call, 'its callback ' || id || ' was never told' FROM callbacks, horizon
            WHERE NOT pruned AND id NOT IN (SELECT id FROM callback_news
                WHERE kind = 'callback.opened' AND id IS NOT NULL)
            UNION ALL SELECT id, 'it was told as opened and is not kept' FROM callback_news
            WHERE kind = 'callback.opened' AND id NOT IN (SELECT id FROM callbacks)
            UNION ALL SELECT call, 'its callback ' || id || ' was closed and is kept as open'
            FROM callbacks WHERE open = 1
                AND EXISTS (SELECT 1 FROM callback_news AS news
                    WHERE news.id = callbacks.id AND kind = 'callback.closed')
            UNION ALL SELECT call, 'its callback ' || id || ' is kept as closed, and nothing closed it'
            FROM callbacks, horizon WHERE NOT pruned AND open = 0
                AND NOT EXISTS (SELECT 1 FROM callback_news AS news
                    WHERE news.id = callbacks.id AND kind = 'callback.closed')",
    },
    Rule {
        name: "callback-count",
        query: "SELECT call, 'its callback ' || id || ' counts ' || count || ' tries of ' || tries FROM
                (SELECT id, call, count, 1 + (SELECT count(*) FROM callback_news AS news
                    WHERE news.id = callbacks.id AND kind = 'callback.repeated') AS tries
                FROM callbacks), horizon
            WHERE NOT pruned AND count <> tries",
    },
    Rule {
        name: "queue",
        query: "SELECT call, 'it joined queues ' || joined || ' times and left them ' || left || ' times'
            FROM (SELECT subject AS call, count(*) FILTER (WHERE kind = 'queue.joined') AS joined,
                    count(*) FILTER (WHERE kind = 'queue.left') AS left
                FROM documents WHERE kind GLOB 'queue.*' AND subject IS NOT NULL GROUP BY subject),
                horizon
            WHERE left > joined AND NOT pruned
                OR joined > left + (call IN (SELECT call FROM live_calls))",
    },
    Rule {
        name: "call-row",
        query: "SELECT call, 'it ended and is not among the calls' FROM ended
            WHERE call NOT IN (SELECT call FROM calls)",
    },
    Rule {
        name: "recording-row",
        query: "SELECT DISTINCT subject, 'its recording was told and is not kept' FROM documents
            WHERE kind GLOB 'recording.*' AND subject NOT IN (SELECT call FROM recordings)",
    },
    Rule {
        name: "cursor",
        query: "SELECT name, 'it acknowledged event ' || cursor || ', which is not there yet' FROM sinks
            WHERE cursor > (SELECT coalesce(max(seq), 0) FROM events)
                AND EXISTS (SELECT 1 FROM events)",
    },
];

/// How many steps [`check`] tells of.
pub(super) const COUNT: usize = RULES.len();

/// Whether the pages of the file fit together.
pub(super) fn check_pages(db: &Connection, findings: &mut Findings) -> rusqlite::Result<bool> {
    let mut statement = db.prepare("PRAGMA quick_check(10)")?;
    let mut rows = statement.query([])?;
    let mut whole = true;
    while let Some(row) = rows.next()? {
        let says: String = row.get(0)?;
        if says != "ok" {
            whole = false;
            findings.tell(Broken {
                rule: "database",
                subject: None,
                what: says,
            });
        }
    }
    Ok(whole)
}

/// Asks everything.
pub(super) fn check(
    db: &Connection,
    findings: &mut Findings,
    progress: &impl Fn(usize, usize),
) -> rusqlite::Result<()> {
    db.execute_batch(GATHERED)?;
    for (done, rule) in RULES.iter().enumerate() {
        progress(done, COUNT);
        let mut statement = db.prepare(rule.query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            findings.tell(Broken {
                rule: rule.name,
                subject: row.get(0)?,
                what: row.get(1)?,
            });
        }
    }
    let count = |table: &str| -> rusqlite::Result<u64> {
        let query = format!("SELECT count(*) FROM {table}");
        let count: i64 = db.query_row(&query, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    findings.checked.events = count("events")?;
    findings.checked.calls = count("began")?;
    findings.checked.callbacks = count("callbacks")?;
    findings.checked.recordings = count("recordings WHERE deleted IS NULL")?;
    Ok(())
}
