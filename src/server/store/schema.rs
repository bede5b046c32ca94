//! The tables, their version, and how a database is opened. No row is read or written here.

use std::cmp::Ordering;
use std::path::Path;

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OpenFlags};

use super::snapshot;

/// What makes each version of the one before it, the first of nothing. The last is the version this
/// program writes; a higher one belongs to a later program.
const STEPS: [&str; 9] = [
    TABLES, PATHS, WISHES, CALLS, RECALLS, ARCHIVE, LEADS, DROPPED, CALLBACKS,
];

/// The first version's tables. `STRICT`, so that a wrong type is an error at once.
const TABLES: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT,
    time INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events(subject) WHERE subject IS NOT NULL;
CREATE TABLE bindings (
    user TEXT NOT NULL,
    key TEXT NOT NULL,
    contact TEXT NOT NULL,
    flow INTEGER NOT NULL,
    transport TEXT NOT NULL,
    local TEXT NOT NULL,
    peer TEXT NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE operators (
    operator TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE live_calls (
    call TEXT PRIMARY KEY,
    talking INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE callbacks (
    id TEXT PRIMARY KEY,
    phone TEXT NOT NULL,
    call TEXT NOT NULL,
    site TEXT,
    reason TEXT NOT NULL,
    opened INTEGER NOT NULL,
    due INTEGER NOT NULL,
    count INTEGER NOT NULL,
    open INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_callbacks ON callbacks(phone) WHERE open = 1;
CREATE TABLE recordings (
    call TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    keep_ms INTEGER,
    keep_until INTEGER,
    deleted INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX recordings_due ON recordings(keep_until) WHERE deleted IS NULL;
CREATE TABLE sinks (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letters (
    sink TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (sink, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE alive (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
) STRICT;
";

/// What the second version added: where a phone behind proxies is, and how much it is wanted there.
const PATHS: &str = "
ALTER TABLE bindings ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE bindings ADD COLUMN q INTEGER NOT NULL DEFAULT 1000;
";

/// The third version keeps what is wanted of operators in place of what they were doing. Of the states
/// before, only a pause was somebody's wish.
const WISHES: &str = "
ALTER TABLE operators ADD COLUMN owes TEXT;
UPDATE operators SET state = 'available' WHERE state <> 'paused';
";

/// The fourth version knows calls that ended by number, operator, queue and outcome. Those of before are
/// read from their events.
const CALLS: &str = "
CREATE TABLE calls (
    call TEXT PRIMARY KEY,
    caller TEXT,
    called TEXT,
    operator TEXT,
    queue TEXT,
    outcome TEXT,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO calls
    SELECT subject, data ->> 'from', data ->> 'to',
        coalesce(data ->> 'operator', data ->> '$.legs[0].operator'), data ->> 'queue',
        coalesce(data ->> 'outcome', data ->> 'result'), data
    FROM (SELECT subject, json -> 'data' AS data FROM events
        WHERE kind = 'call.ended' AND subject IS NOT NULL ORDER BY seq);
CREATE INDEX calls_by_caller ON calls(caller, call) WHERE caller IS NOT NULL;
CREATE INDEX calls_by_called ON calls(called, call) WHERE called IS NOT NULL;
CREATE INDEX calls_by_operator ON calls(operator, call) WHERE operator IS NOT NULL;
CREATE INDEX calls_by_queue ON calls(queue, call) WHERE queue IS NOT NULL;
CREATE INDEX calls_by_outcome ON calls(outcome, call) WHERE outcome IS NOT NULL;
";

/// The fifth version keeps the place of whoever is to be called back, and the past of each number,
/// which is read from the events of before once.
const RECALLS: &str = "
ALTER TABLE callbacks ADD COLUMN recall TEXT;
CREATE TABLE numbers (
    number TEXT PRIMARY KEY,
    calls INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    talked INTEGER,
    operator TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_seen ON numbers(last);
CREATE TEMP VIEW ended AS
    SELECT time,
        json_extract(json, '$.data.direction') = 'inbound' AS came,
        CASE json_extract(json, '$.data.direction')
            WHEN 'inbound' THEN json_extract(json, '$.data.from')
            WHEN 'outbound' THEN json_extract(json, '$.data.to') END AS number,
        json_extract(json, '$.data.answered_at') IS NOT NULL AS talked,
        json_extract(json, '$.data.operator') AS operator
    FROM events WHERE kind = 'call.ended';
INSERT INTO numbers
    SELECT number, sum(came), min(time), max(time), NULL, NULL FROM ended
    WHERE number IS NOT NULL AND (came OR talked) GROUP BY number;
UPDATE numbers SET talked = talk.at, operator = talk.operator FROM
    (SELECT number, max(time) AS at, operator FROM ended
     WHERE talked AND operator IS NOT NULL GROUP BY number) AS talk
    WHERE talk.number = numbers.number;
DROP VIEW ended;
";

/// What happened to recordings, chained by hashes, and which of them are held.
const ARCHIVE: &str = "
ALTER TABLE recordings ADD COLUMN hold TEXT;
CREATE TABLE archive_links (
    link INTEGER PRIMARY KEY,
    recording TEXT,
    says TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX archive_links_by_recording ON archive_links(recording, link);
CREATE TABLE archive_roots (
    day TEXT PRIMARY KEY,
    link INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Leads, and the answers to requests that may come again.
const LEADS: &str = "
CREATE TABLE leads (
    id TEXT PRIMARY KEY,
    phone TEXT NOT NULL,
    list TEXT,
    state TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX leads_by_phone ON leads(phone, id);
CREATE INDEX leads_by_list ON leads(list, id) WHERE list IS NOT NULL;
CREATE INDEX leads_by_state ON leads(state, id);
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    at INTEGER NOT NULL,
    answer TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers(at);
";

/// This step counts the events that a dead sink lost because the store is bounded.
const DROPPED: &str = "ALTER TABLE sinks ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;";

/// Callbacks are kept whole, as their events tell of them, and found by state and number.
const CALLBACKS: &str = "
ALTER TABLE callbacks ADD COLUMN overdue INTEGER NOT NULL DEFAULT 0;
ALTER TABLE callbacks ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
UPDATE callbacks SET data = json_object(
    'id', id, 'call_id', call, 'phone', phone, 'site', site, 'queue', recall ->> 'queue',
    'to', recall ->> 'to', 'reason', reason,
    'state', CASE open WHEN 1 THEN 'open' ELSE 'closed' END,
    'opened_at', strftime('%Y-%m-%dT%H:%M:%fZ', opened / 1000.0, 'unixepoch'),
    'due_at', strftime('%Y-%m-%dT%H:%M:%fZ', due / 1000.0, 'unixepoch'),
    'overdue', json('false'), 'shift_ended_at', NULL, 'count', count, 'attempts', json('[]'), 'ringing', NULL,
    'note', NULL, 'assigned', NULL, 'closed_by', NULL, 'recall', json(recall));
ALTER TABLE callbacks DROP COLUMN recall;
CREATE INDEX callbacks_by_phone ON callbacks(phone, id);
CREATE INDEX callbacks_by_site ON callbacks(site, id) WHERE site IS NOT NULL;
CREATE INDEX callbacks_by_state ON callbacks(open, overdue, id);
";

/// How safe a commit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    /// The process may die at any instant; a power cut costs the last second at most.
    #[default]
    Normal,
    /// A power cut costs nothing.
    Full,
}

/// Opens the database for writing and brings its tables up to this version.
pub(super) fn open(path: &Path, sync: Sync) -> anyhow::Result<Connection> {
    let mut db = Connection::open(path)
        .with_context(|| format!("cannot open {}; check the folder's owner", path.display()))?;
    migrate(&mut db, path)?;
    configure(&db, sync).with_context(|| {
        format!(
            "cannot write {}; check free space and the folder's owner",
            path.display()
        )
    })?;
    Ok(db)
}

/// A second connection of the same process, for checkpoints.
pub(super) fn open_again(path: &Path, sync: Sync) -> anyhow::Result<Connection> {
    let db = Connection::open(path)?;
    configure(&db, sync)?;
    Ok(db)
}

/// A connection that cannot write.
pub(super) fn open_reader(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)
        .with_context(|| format!("cannot read {}", path.display()))?;
    db.busy_timeout(super::BUSY)?;
    Ok(db)
}

/// Refuses a database that this program would have to change before it could read it.
pub(super) fn must_be_current(path: &Path) -> anyhow::Result<()> {
    let version = version(&open_reader(path)?, path)?;
    let known = STEPS.len();
    match usize::try_from(version).ok().map(|it| it.cmp(&known)) {
        Some(Ordering::Equal) => Ok(()),
        Some(Ordering::Less) => bail!(
            "{} was written by an earlier version (schema {version}, this one writes {known}); start \
             this version's server on it once, or use that version",
            path.display()
        ),
        Some(Ordering::Greater) | None => bail!(later(version, path)),
    }
}

/// Refuses a database that only a later program can read.
pub(super) fn must_be_known(path: &Path) -> anyhow::Result<()> {
    let version = version(&open_reader(path)?, path)?;
    if usize::try_from(version).is_ok_and(|it| it <= STEPS.len()) {
        return Ok(());
    }
    bail!(later(version, path))
}

fn later(version: u32, path: &Path) -> String {
    let known = STEPS.len();
    format!(
        "{} was written by a later version (schema {version}, this one knows {known}); {}",
        path.display(),
        way_back(path, known)
    )
}

fn version(db: &Connection, path: &Path) -> anyhow::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
        .with_context(|| {
            format!(
                "{} is not a database of this program; move it away",
                path.display()
            )
        })
}

fn configure(db: &Connection, sync: Sync) -> rusqlite::Result<()> {
    db.busy_timeout(super::BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(
        None,
        "synchronous",
        match sync {
            Sync::Normal => "NORMAL",
            Sync::Full => "FULL",
        },
    )?;
    // Who is erased is not to be read in pages that are free.
    db.pragma_update(None, "secure_delete", true)?;
    // Checkpoints belong to the second connection, so that a commit never waits for one.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", super::WAL_BYTES)
}

fn migrate(db: &mut Connection, path: &Path) -> anyhow::Result<()> {
    let version = version(db, path)?;
    let known = STEPS.len();
    let steps = usize::try_from(version).ok();
    let Some(steps) = steps.and_then(|version| STEPS.get(version..)) else {
        bail!(later(version, path));
    };
    if !steps.is_empty() {
        if version > 0 {
            keep_copy(db, path, version)?;
        }
        let transaction = db.transaction()?;
        for step in steps {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", i64::try_from(known)?)?;
        transaction
            .commit()
            .with_context(|| format!("cannot write {}; check free space", path.display()))?;
    }
    Ok(())
}

/// Before tables change, what was there is kept beside them for whoever must go back.
fn keep_copy(db: &Connection, path: &Path, version: u32) -> anyhow::Result<()> {
    let copy = snapshot::before_migration(path, version);
    snapshot::take(db, &copy).with_context(|| {
        format!(
            "the tables of {} are of an older version, and a copy cannot be kept at {} before they \
             are changed; free as much space as the database has",
            path.display(),
            copy.display()
        )
    })?;
    tracing::info!(
        "the database is brought up from schema {version} to {}; {} is as it was before",
        STEPS.len(),
        copy.display()
    );
    Ok(())
}

/// What whoever started an older program can do.
fn way_back(path: &Path, known: usize) -> String {
    let copy = u32::try_from(known).map(|known| snapshot::before_migration(path, known));
    match copy {
        Ok(copy) if copy.exists() => format!(
            "start that version, or put {} in its place, without the calls that came since",
            copy.display()
        ),
        Ok(_) | Err(_) => "start that version, or give another data folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database as the first version left it, with a little of everything.
    fn leave_old(path: &Path) {
        let old = Connection::open(path).unwrap();
        old.execute_batch(TABLES).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        for (seq, data) in [
            r#"{"direction":"inbound","from":"1","answered_at":"x","operator":"olena"}"#,
            r#"{"direction":"inbound","from":"1","answered_at":null,"operator":null}"#,
            r#"{"direction":"outbound","to":"1","answered_at":"x","operator":"iryna"}"#,
            r#"{"direction":"outbound","to":"2","answered_at":null,"operator":null}"#,
        ]
        .into_iter()
        .enumerate()
        {
            let seq = i64::try_from(seq).unwrap();
            old.execute(
                "INSERT INTO events VALUES (?1 + 10, ?2, 'call.ended', NULL, ?1, ?3)",
                rusqlite::params![seq, seq.to_string(), format!("{{\"data\":{data}}}")],
            )
            .unwrap();
        }
        old.execute_batch(
            "INSERT INTO bindings VALUES ('olena', 'k', 'sip:a@b', 1, 'UDP', 'l', 'p', 'c', 1, 2, 'ua')",
        )
        .unwrap();
        old.execute_batch(
            r#"INSERT INTO events VALUES (1, 'e', 'call.ended', 'c', 0,
                '{"data":{"from":"+380671112233","outcome":"missed","legs":[{"leg":"caller"}]}}')"#,
        )
        .unwrap();
        old.execute_batch(
            "INSERT INTO operators VALUES ('a', 'paused', 'tea'), ('b', 'logged_out', 'unregistered')",
        )
        .unwrap();
        old.execute_batch(
            "INSERT INTO callbacks VALUES ('01K00000000000000000000001', '+380671112233',
                '01K00000000000000000000002', 'odesa', 'timeout', 1790000000123, 1790000900123, 3, 1)",
        )
        .unwrap();
    }

    #[test]
    fn a_database_of_the_first_version_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        leave_old(&path);
        for _ in 0..2 {
            let db = open(&path, Sync::Normal).unwrap();
            let state = |operator: &str| {
                let query = "SELECT state FROM operators WHERE operator = ?1";
                db.query_row(query, [operator], |row| row.get::<_, String>(0))
            };
            assert_eq!(state("a").unwrap(), "paused");
            // The phone was gone; nobody had asked for it.
            assert_eq!(state("b").unwrap(), "available");
            let row = db.query_row("SELECT user, path, q FROM bindings", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            });
            let known: (String, String, u16) = row.unwrap();
            assert_eq!(known, ("olena".to_owned(), String::new(), 1_000));
            let row = db.query_row("SELECT call, caller, outcome, data FROM calls", [], |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
            });
            let [call, caller, outcome, data]: [String; 4] = row.unwrap();
            assert_eq!([call, caller, outcome].join(" "), "c +380671112233 missed");
            assert!(data.starts_with(r#"{"from":"#), "{data}");
            let data: String = db
                .query_row("SELECT data FROM callbacks", [], |row| row.get(0))
                .unwrap();
            let data = serde_json::from_str(&data).unwrap();
            let callback = crate::engine::callback_event::callback_of(&data).unwrap();
            let state = crate::ledger::callbacks::State::Open;
            let fields = crate::engine::callback_event::callback_fields(&callback, state);
            assert_eq!(
                (callback.count, callback.opened_at.as_millis()),
                (3, 1_790_000_000_123)
            );
            let told: Vec<_> = data.keys().collect();
            assert_eq!(told, fields.keys().collect::<Vec<_>>());
            let past = db.query_row("SELECT * FROM numbers", [], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
                    row.get::<_, String>(5)?,
                ))
            });
            let past: (String, [i64; 4], String) = past.unwrap();
            assert_eq!(past, ("1".to_owned(), [2, 0, 2, 2], "iryna".to_owned()));
        }
        // What was there before is kept under its version, and nothing of it was changed.
        let copy = Connection::open(folder.path().join("old.db.schema-1")).unwrap();
        let version: u32 = copy
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, 1);
        let count = |table: &str| -> i64 {
            let query = format!("SELECT count(*) FROM {table}");
            copy.query_row(&query, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("events"), count("bindings")), (5, 1));
        assert!(copy.prepare("SELECT * FROM calls").is_err());
        let names = std::fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
        assert!(!names.iter().any(|it| it.to_string_lossy().contains("part")));
    }

    #[test]
    fn nothing_is_changed_when_no_copy_can_be_kept_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(TABLES).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        // A folder stands where the copy would be.
        std::fs::create_dir_all(folder.path().join("old.db.schema-1/x")).unwrap();
        let refused = open(&path, Sync::Normal).unwrap_err().to_string();
        assert!(refused.contains("free as much space"), "{refused}");
        let old = Connection::open(&path).unwrap();
        let version: u32 = old
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, 1);
    }

    #[test]
    fn an_older_program_names_the_copy_that_it_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        drop(open(&path, Sync::Normal).unwrap());
        let later = Connection::open(&path).unwrap();
        later
            .pragma_update(
                None,
                "user_version",
                i64::try_from(STEPS.len()).unwrap() + 1,
            )
            .unwrap();
        drop(later);
        let refused = open(&path, Sync::Normal).unwrap_err().to_string();
        assert!(refused.contains("or give another data folder"), "{refused}");
        let copy = format!("new.db.schema-{}", STEPS.len());
        std::fs::write(folder.path().join(&copy), "").unwrap();
        let refused = open(&path, Sync::Normal).unwrap_err().to_string();
        assert!(refused.contains(&copy), "{refused}");
    }
}
