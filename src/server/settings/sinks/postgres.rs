//! A sink that is a database of PostgreSQL: where it is, and who we are there.

use tokio_postgres::Config;

use super::{authority, is_unset};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::read::Fields;
use crate::server::settings::SinkKind;

/// What libpq calls the verification that is always made here.
const VERIFYING: [&str; 2] = ["sslmode=verify-full", "sslmode=verify-ca"];

/// Reads the words of the sink. The address may bear a password: no message shows it.
pub(super) fn read(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<SinkKind> {
    if is_unset(fields, "postgres") {
        return None;
    }
    let mut text = fields.text("postgres", problems)?;
    for word in VERIFYING {
        text = text.replace(word, "sslmode=require");
    }
    let at = fields.get("postgres").map_or(fields.at, |node| node.at);
    let Ok(database) = text.parse::<Config>() else {
        problems.error_do(
            at,
            "`postgres` takes an address like postgres://user:password@db.clinic.example/calls?sslmode=require",
            "escape @, / and : in a password as %40, %2F and %3A; the authority of the certificate is named by `ca`",
        );
        return None;
    };
    if database.get_hosts().is_empty() && database.get_hostaddrs().is_empty() {
        problems.error(at, "the address of `postgres` names no host");
        return None;
    }
    Some(SinkKind::Postgres {
        database: Box::new(database),
        ca: authority(fields, problems),
    })
}
