//! What the service manager is told of this process (`sd_notify`): that it is ready, that it stops,
//! that stopping takes longer. Nothing where no manager listens.

use std::env;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::time::Duration;

/// Where the manager listens, if one does.
#[derive(Clone, Debug, Default)]
pub struct Notify(Option<OsString>);

impl Notify {
    /// Reads where from the environment.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()))
    }

    /// Calls are taken.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// No new calls are taken.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=no new calls; the live ones may finish");
    }

    /// The process shall not be killed for so long yet, whatever its unit says.
    pub fn extend(&self, by: Duration) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    fn tell(&self, state: &str) {
        let Some(name) = &self.0 else { return };
        let bytes = name.as_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let told = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            // A manager that does not read keeps nobody waiting.
            socket.set_nonblocking(true)?;
            socket.send_to_addr(state.as_bytes(), &address)
        });
        if let Err(error) = told {
            tracing::warn!(%error, "the service manager could not be told: {state}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_it_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("strowger-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        for (manager, known) in [
            (UnixDatagram::bind(&path), path.clone().into_os_string()),
            (
                UnixDatagram::bind_addr(&abstract_name),
                format!("@{name}").into(),
            ),
        ] {
            let manager = manager.unwrap();
            let notify = Notify(Some(known));
            notify.ready();
            notify.extend(Duration::from_secs(30));
            let mut buffer = [0; 100];
            for said in ["READY=1", "EXTEND_TIMEOUT_USEC=30000000"] {
                let length = manager.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], said.as_bytes());
            }
        }
        // Nobody listens any more, or never did.
        Notify(Some(path.into_os_string())).stopping();
        Notify::default().ready();
    }
}
