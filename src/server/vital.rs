//! Threads without which the server is of no use: when one panics the process ends, and a restart is
//! the remedy. The store knows what was under way.

use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, Result};

/// Starts such a thread.
///
/// # Errors
/// The system gives no more threads.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let guard = AbortOnPanic(name.to_owned());
    Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _guard = guard;
            body();
        })
        .with_context(|| format!("cannot start the thread {name}"))
}

struct AbortOnPanic(String);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                "the thread {} failed; the process ends so that a restart can follow",
                self.0
            );
            std::process::abort();
        }
    }
}
