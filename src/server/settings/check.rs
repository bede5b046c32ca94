//! Whether this machine can do what the settings ask: ports that are free, certificates of today,
//! folders that can be written. Nothing is changed.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::{Settings, Sink, SinkKind};
use crate::server::transport::certificate::{self, Certificate, Validity};
use crate::sip::flow::Transport;
use crate::time::Wall;

impl Settings {
    /// What would keep the server from starting, each in one sentence that says what to do.
    #[must_use]
    pub fn check(&self, now: Wall) -> Vec<String> {
        let mut found = Vec::new();
        for listener in &self.sip.listen {
            let (scheme, bound) = match listener.transport {
                Transport::Udp => ("udp", UdpSocket::bind(listener.address).map(drop)),
                Transport::Tcp => ("tcp", TcpListener::bind(listener.address).map(drop)),
                Transport::Tls => ("tls", TcpListener::bind(listener.address).map(drop)),
            };
            found.extend(taken(scheme, listener.address, "sip.listen", bound));
        }
        if let Some(Err(sentence)) = self.certificate(now) {
            found.push(sentence);
        }
        let authority = self.sip.tls.ca.as_deref();
        found.extend(authority.and_then(|ca| certificate::authorities(ca, "sip.tls.ca").err()));
        let http = TcpListener::bind(self.http).map(drop);
        found.extend(taken("http", self.http, "http.listen", http));
        let media = SocketAddr::new(self.media.listen, 0);
        let media = UdpSocket::bind(media).map(drop);
        if let Err(error) = media {
            let address = self.media.listen;
            found.push(format!(
                "cannot receive RTP at {address} ({error}); set `media.listen` to an address of this machine"
            ));
        }
        found.extend(not_writable(&self.data, "data"));
        found.extend(self.sinks.iter().flat_map(of_sink));
        if !self.dialplans.exists() {
            let path = self.dialplans.display();
            found.push(format!(
                "there is no dialplan at {path}; write one there or set `dialplans` to where it is"
            ));
        }
        found
    }

    /// When the certificate that would be shown is good, or why it cannot be shown now.
    #[must_use]
    pub fn certificate(&self, now: Wall) -> Option<Result<Validity, String>> {
        let files = self.sip.tls.shown.as_ref()?;
        Some(Certificate::load(files, now).map(|certificate| certificate.validity))
    }
}

/// What would keep a sink from working, as far as this machine knows.
fn of_sink(sink: &Sink) -> Vec<String> {
    let key = |word: &str| format!("sinks.{}.{word}", sink.name);
    let untrusted =
        |ca: &Option<PathBuf>| certificate::authorities(ca.as_deref()?, &key("ca")).err();
    match &sink.kind {
        SinkKind::Jsonl { path } | SinkKind::QueueLog { path } | SinkKind::CdrCsv { path, .. } => {
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            let problem = not_writable(folder, &key(sink.kind.word()));
            problem.into_iter().collect()
        }
        SinkKind::Webhook { .. } => Vec::new(),
        SinkKind::Nats {
            credentials, ca, ..
        } => {
            let unread = credentials.as_deref().and_then(|path| {
                let path = access(path, Access::READ_OK)
                    .is_err()
                    .then(|| path.display())?;
                let key = key("credentials");
                Some(format!(
                    "cannot read {path}; set `{key}` to a file that the server's user may read"
                ))
            });
            unread.into_iter().chain(untrusted(ca)).collect()
        }
        SinkKind::Postgres { ca, .. } => untrusted(ca).into_iter().collect(),
    }
}

fn taken(scheme: &str, address: SocketAddr, key: &str, bound: io::Result<()>) -> Option<String> {
    let error = bound.err()?;
    let what = if error.kind() == io::ErrorKind::AddrInUse {
        "stop what listens there or"
    } else {
        "is it an address of this machine? else"
    };
    Some(format!(
        "cannot listen at {scheme}://{address} ({error}); {what} change `{key}`"
    ))
}

/// The folder, or the nearest one above it that is there.
fn not_writable(folder: &Path, key: &str) -> Option<String> {
    let nearest = folder
        .ancestors()
        .map(|above| {
            if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            }
        })
        .find(|above| above.exists())?;
    let writable = nearest.is_dir() && access(nearest, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    (!writable).then(|| {
        format!(
            "cannot write in {}; give it to the user the server runs as, or change `{key}`",
            nearest.display()
        )
    })
}
