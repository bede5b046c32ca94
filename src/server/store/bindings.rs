//! Where phones are, so that a restart can ring them at once.

use bytes::Bytes;
use rusqlite::{Transaction, params};

use crate::id::{FlowId, OperatorName};
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::Binding;
use crate::time::Wall;

/// A binding is new or changed.
pub(super) fn save(transaction: &Transaction<'_>, binding: &Binding) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO bindings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            binding.user.as_str(),
            binding.key,
            binding.contact.to_string(),
            i64::try_from(binding.flow.id.0).unwrap_or(i64::MAX),
            binding.flow.transport.as_str(),
            binding.flow.local.to_string(),
            binding.flow.peer.to_string(),
            binding.call_id,
            binding.cseq,
            binding.expires.as_millis(),
            binding.user_agent,
            path_text(&binding.path),
            binding.q,
        ])?;
    Ok(())
}

/// The proxies of a binding, one a line: no header value holds a line break.
fn path_text(path: &[Bytes]) -> String {
    let lines = path.iter().map(|hop| String::from_utf8_lossy(hop));
    lines.collect::<Vec<_>>().join("\n")
}

fn read_path(text: &str) -> Vec<Bytes> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| Bytes::from(line.to_owned())).collect()
}

/// A binding is gone.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    user: &OperatorName,
    key: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM bindings WHERE user = ?1 AND key = ?2")?
        .execute(params![user.as_str(), key])?;
    Ok(())
}

/// The bindings that can still be rung. A stream ended with the last run, and so did its bindings.
pub(super) fn restore(transaction: &Transaction<'_>, now: Wall) -> rusqlite::Result<Vec<Binding>> {
    transaction.execute(
        "DELETE FROM bindings WHERE expires <= ?1 OR transport <> ?2",
        params![now.as_millis(), Transport::Udp.as_str()],
    )?;
    let mut statement = transaction.prepare(
        "SELECT user, key, contact, flow, local, peer, call_id, cseq, expires, user_agent,
             path, q
         FROM bindings ORDER BY user, key",
    )?;
    let mut rows = statement.query([])?;
    let mut bindings = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |column: usize| row.get::<_, String>(column);
        let (Ok(contact), Ok(local), Ok(peer)) =
            (text(2)?.parse(), text(4)?.parse(), text(5)?.parse())
        else {
            continue;
        };
        bindings.push(Binding {
            user: text(0)?.as_str().into(),
            key: text(1)?,
            contact,
            flow: Flow {
                id: FlowId(row.get::<_, i64>(3)?.unsigned_abs()),
                transport: Transport::Udp,
                local,
                peer,
            },
            call_id: text(6)?,
            cseq: row.get(7)?,
            expires: Wall::from_millis(row.get(8)?),
            user_agent: text(9)?,
            path: read_path(&text(10)?),
            q: row.get(11)?,
        });
    }
    Ok(bindings)
}
