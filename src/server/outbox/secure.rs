//! TLS towards sinks: whom we trust.

use std::path::Path;

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::server::transport::certificate;

/// Trusts the authority in a file, or those of the system.
///
/// # Errors
/// One sentence that says what to do.
pub(super) fn client(ca: Option<&Path>, key: &str) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(certificate::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match ca {
        Some(ca) => builder.with_root_certificates(certificate::authorities(ca, key)?),
        None => builder.with_platform_verifier().map_err(|error| {
            format!("this machine trusts no authority ({error}); install ca-certificates, or name the server's authority in `{key}`")
        })?,
    };
    Ok(builder.with_no_client_auth())
}
