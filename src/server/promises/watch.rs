//! The look at the data when the server starts: what is broken is an alarm, and no reason to stay away.

use std::path::PathBuf;
use std::thread;

use super::check;
use crate::server::telemetry::Telemetry;

/// Broken promises that are logged one by one; all are counted.
const LOGGED: usize = 10;

/// Looks once, beside everything else: nobody waits for it.
pub fn begin(folder: PathBuf, telemetry: Telemetry) {
    let looks = move || match check(&folder, |_, _| {}) {
        Ok(findings) => {
            telemetry.ledger_broken("data", findings.count());
            for broken in findings.broken.iter().take(LOGGED) {
                let call = broken.subject.as_deref().unwrap_or("-");
                tracing::error!(promise = broken.rule, call, "{}", broken.what);
            }
            if !findings.is_whole() {
                let count = findings.count();
                tracing::error!(
                    count,
                    "promises are broken in the data; `strowger check-data` lists them"
                );
            }
        }
        Err(error) => tracing::warn!("the data could not be compared at the start: {error:#}"),
    };
    let thread = thread::Builder::new().name("promises".to_owned());
    if let Err(error) = thread.spawn(looks) {
        tracing::warn!(%error, "no thread is to be had to compare the data at the start");
    }
}
