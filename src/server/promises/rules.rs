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
        'callback.closed', 'queue.joined', 'queue.left', 'recording.started', 'recording.finished',
        'call.refused', 'call.bridged', 'lead.received', 'lead.dialled', 'lead.attempted',
        'lead.connected', 'lead.closed')
        OR kind = 'operator.state' AND json LIKE '%talking%';
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
CREATE TEMP TABLE refused AS
    SELECT seq, json ->> '$.data.count' AS count, json ->> '$.data.outcome' AS outcome,
        json ->> '$.data.reason' AS reason, json ->> '$.data.no_callback' AS excuse
    FROM documents WHERE kind = 'call.refused';
CREATE TEMP TABLE lead_news AS
    SELECT json ->> '$.data.id' AS lead, kind, seq, json ->> '$.data.state' AS state,
        json ->> '$.data.rung' AS rung
    FROM documents WHERE kind GLOB 'lead.*';
CREATE INDEX temp.lead_news_by_lead ON lead_news(lead, seq);
CREATE TEMP TABLE hung_up AS
    SELECT json ->> '$.data.operator' AS operator, seq
    FROM documents WHERE kind = 'operator.state' AND json ->> '$.data.from' = 'talking';
CREATE INDEX temp.hung_up_by_operator ON hung_up(operator, seq);
CREATE TEMP TABLE talks AS
    SELECT subject AS call, json ->> '$.data.operator' AS operator, seq
    FROM documents WHERE kind = 'call.bridged' AND subject IS NOT NULL
        AND json ->> '$.data.queue' IS NOT NULL AND json ->> '$.data.operator' IS NOT NULL;
";

const RULES: [Rule; 21] = [
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
                (SELECT (SELECT count(*) FROM began WHERE direction = 'inbound')
                    + (SELECT coalesce(sum(count), 0) FROM refused) AS offered,
                    (SELECT count(*) FROM ended WHERE outcome IS NOT NULL)
                    + (SELECT coalesce(sum(count), 0) FROM refused WHERE outcome = 'missed')
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
        name: "refused",
        query: "SELECT NULL, 'event ' || seq || ' tells of ' || coalesce(count, 'no')
                || ' refused calls with the outcome ' || coalesce(outcome, 'none') FROM refused
            WHERE typeof(count) <> 'integer' OR count < 1 OR outcome IS NOT 'missed'
                OR reason IS NOT 'refused' OR coalesce(excuse, '') = ''",
    },
    Rule {
        name: "lead",
        query: "SELECT lead, 'it was received and is not kept' FROM lead_news
            WHERE kind = 'lead.received' AND lead NOT IN (SELECT id FROM leads)
            UNION ALL SELECT id, 'it is kept and was never received' FROM leads, horizon
            WHERE NOT pruned AND NOT EXISTS (SELECT 1 FROM lead_news AS news
                WHERE news.lead = leads.id AND kind = 'lead.received')
            UNION ALL SELECT lead, 'it was closed ' || count(*) || ' times' FROM lead_news
            WHERE kind = 'lead.closed' GROUP BY lead HAVING count(*) > 1
            UNION ALL SELECT id, 'it is kept as closed, and nothing closed it' FROM leads, horizon
            WHERE NOT pruned AND state = 'closed' AND NOT EXISTS (SELECT 1 FROM lead_news AS news
                WHERE news.lead = leads.id AND kind = 'lead.closed')
            UNION ALL SELECT id, 'it is kept as ' || leads.state || ', and its last event says '
                || coalesce(told.state, 'nothing')
            FROM leads JOIN (SELECT lead, state, max(seq) FROM lead_news GROUP BY lead) AS told
                ON told.lead = leads.id
            WHERE leads.state IS NOT told.state",
    },
    Rule {
        name: "lease",
        query: "SELECT lead, 'its number was rung twice under one lease' FROM
                (SELECT lead, kind, rung, lag(kind) OVER news AS last, lag(rung) OVER news AS before
                FROM lead_news WHERE kind IN ('lead.dialled', 'lead.attempted')
                WINDOW news AS (PARTITION BY lead ORDER BY seq))
            WHERE kind = 'lead.dialled' AND last = 'lead.dialled' AND rung IS before",
    },
    Rule {
        name: "talk",
        query: "SELECT call, operator || ' talked in ' || other || ' meanwhile' FROM
                (SELECT call, operator, seq, lag(call) OVER one AS other, lag(ends) OVER one AS before
                FROM (SELECT *, min(coalesce((SELECT min(seq) FROM hung_up
                            WHERE hung_up.operator = talks.operator AND seq > talks.seq), 1 << 62),
                        coalesce((SELECT min(seq) FROM events WHERE subject = talks.call
                            AND seq > talks.seq AND kind IN ('call.ended', 'call.transferred',
                                'queue.joined', 'operator.assigned')), 1 << 62)) AS ends
                    FROM talks)
                WINDOW one AS (PARTITION BY operator ORDER BY seq))
            WHERE other <> call AND before > seq",
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
