//! The past of each number that called or was called: a row that follows `call.ended`, so that the
//! start reads rows and not all events.

use rusqlite::{Transaction, params};

use super::projection::{moment, text};
use crate::engine::event::Event;
use crate::ledger::history::{Past, Talk};
use crate::limits;
use crate::time::Wall;

/// Follows the end of a call.
pub(super) fn call_ended(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let data = &event.data;
    let talk = moment(data, "answered_at").zip(text(data, "operator"));
    let (number, calls) = match text(data, "direction") {
        Some("inbound") if matches!(text(data, "outcome"), Some("answered" | "missed")) => {
            (text(data, "from"), 1)
        }
        Some("outbound") if talk.is_some() => (text(data, "to"), 0),
        _ => return Ok(()),
    };
    let (Some(number), Some(began)) = (number, moment(data, "started_at")) else {
        return Ok(());
    };
    let (at, operator) = talk.unzip();
    transaction
        .prepare_cached(
            "INSERT INTO numbers VALUES (?1, ?2, ?3, ?3, ?4, ?5) ON CONFLICT (number) DO UPDATE SET
                 calls = calls + ?2,
                 first = min(first, ?3),
                 last = max(last, ?3),
                 operator = CASE WHEN coalesce(?4 >= talked, ?4 IS NOT NULL)
                            THEN ?5 ELSE operator END,
                 talked = CASE WHEN coalesce(?4 >= talked, ?4 IS NOT NULL)
                          THEN ?4 ELSE talked END",
        )?
        .execute(params![
            number,
            calls,
            began.as_millis(),
            at.map(Wall::as_millis),
            operator
        ])?;
    Ok(())
}

/// The numbers seen last, as many as are remembered. What is older is deleted.
pub(super) fn restore(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(String, Past)>> {
    let most = i64::try_from(limits::NUMBERS_REMEMBERED).unwrap_or(i64::MAX);
    transaction.execute(
        "DELETE FROM numbers WHERE last < (
             SELECT last FROM numbers ORDER BY last DESC LIMIT 1 OFFSET ?1)",
        [most],
    )?;
    let mut statement = transaction.prepare(
        "SELECT number, calls, first, last, talked, operator FROM numbers
         ORDER BY last DESC, number LIMIT ?1",
    )?;
    let rows = statement.query_map([most], |row| {
        let talked = row.get::<_, Option<i64>>(4)?;
        let operator = row.get::<_, Option<String>>(5)?;
        let talk = talked.zip(operator).map(|(at, operator)| Talk {
            at: Wall::from_millis(at),
            operator: operator.as_str().into(),
        });
        let past = Past {
            calls: row.get(1)?,
            first: Wall::from_millis(row.get(2)?),
            last: Wall::from_millis(row.get(3)?),
            talk,
        };
        Ok((row.get(0)?, past))
    })?;
    rows.collect()
}
