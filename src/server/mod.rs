//! The shell: everything with a side effect. Sockets, clocks, threads, files, HTTP.

pub mod admin;
pub mod archive;
pub mod backup;
pub mod clock;
pub mod commands;
pub mod driver;
pub mod entropy;
pub mod figures;
pub mod handed;
pub mod log;
pub mod mailbox;
pub mod media;
pub mod notify;
pub mod outbox;
pub mod plan_files;
pub mod plans;
pub mod promises;
pub mod prompts;
pub mod resolver;

#[expect(
    clippy::module_inception,
    reason = "the noun of this room is the server itself"
)]
pub mod server;
pub mod settings;
pub mod store;
pub mod surroundings;
pub mod telemetry;
pub mod trace;
pub mod transport;
mod tts;
mod vital;

use rustls::crypto::{CryptoProvider, ring};

/// Makes ring the provider of TLS in this process. Somebody else may have done so before.
pub fn provide_tls() {
    if CryptoProvider::get_default().is_none()
        && ring::default_provider().install_default().is_err()
    {
        tracing::debug!("TLS had its provider already");
    }
}
