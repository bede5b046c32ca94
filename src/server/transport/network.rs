//! Every socket of SIP, opened as the settings say, and the certificate that is shown on some of them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use super::census::{Bounds, Census};
use super::certificate::{self, Certificate, Shown};
use super::connect::Dialler;
use super::stream::{Deliver, Heard, Patience};
use super::tcp::{self, FlowIds, Hall};
use super::{Switchboard, udp};
use crate::limits;
use crate::server::clock::Clock;
use crate::server::driver::{Inbox, Word};
use crate::server::handed::Handed;
use crate::server::plans::{Fingerprint, Look};
use crate::server::settings::{CertificateFiles, Connections, Sip};
use crate::sip::flow::Transport;

/// What is open.
pub struct Network {
    /// Where packets go.
    pub board: Switchboard,
    /// Who opens connections.
    pub dialler: Dialler,
    /// Readers of datagrams.
    pub threads: Vec<JoinHandle<()>>,
    /// Acceptors of connections.
    pub tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Where is listened; with port 0 in the settings these are the ones it got.
    pub addresses: Vec<(Transport, SocketAddr)>,
    /// What listeners of TLS show.
    pub identity: Option<Identity>,
}

/// The certificate that is shown, and where it came from.
#[derive(Clone)]
pub struct Identity {
    files: CertificateFiles,
    /// What the files looked like just before they were first read.
    seen: Fingerprint,
    shown: Arc<Shown>,
    clock: Clock,
}

impl Identity {
    fn open(files: &CertificateFiles, clock: Clock) -> Result<Self> {
        let seen = Fingerprint::of_all(&[files.certificate.clone(), files.key.clone()]);
        let certificate =
            Certificate::load(files, clock.now().wall).map_err(|sentence| anyhow!(sentence))?;
        tracing::info!("the certificate is {}", certificate.validity);
        Ok(Self {
            files: files.clone(),
            seen,
            shown: Arc::new(Shown::new(&certificate)),
            clock,
        })
    }

    /// The files it is read from, to be looked at now and then.
    #[must_use]
    pub fn look(&self) -> Look {
        let CertificateFiles { certificate, key } = self.files.clone();
        Look::at(vec![certificate, key], self.seen.clone())
    }

    /// Reads the files again and shows what is in them from now on; connections that stand are not
    /// touched. A certificate that cannot be used leaves the old one in place.
    pub fn renew(&self) {
        match Certificate::load(&self.files, self.clock.now().wall) {
            Ok(certificate) => {
                self.shown.replace(&certificate);
                tracing::info!("the certificate was read anew, {}", certificate.validity);
            }
            Err(why) => tracing::error!("the old certificate is still shown: {why}"),
        }
    }
}

impl Network {
    /// Opens every socket that was not handed over and begins to listen.
    ///
    /// # Errors
    /// One sentence that says what to do: a port taken, a certificate that cannot be used.
    pub async fn open(
        sip: &Sip,
        handed: &mut Handed,
        connections: Connections,
        inbox: &Inbox,
        clock: Clock,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let identity = match &sip.tls.shown {
            Some(files) => Some(Identity::open(files, clock)?),
            None => None,
        };
        let roots = trusted(sip.tls.ca.as_ref())?;
        let ids = Arc::new(FlowIds::default());
        let mut board = Switchboard::new(clock);
        let (mut datagrams, mut streams) = (Vec::new(), Vec::new());
        let mut listeners = Vec::new();
        for listener in &sip.listen {
            let id = ids.mint();
            let address = if listener.transport.is_stream() {
                let socket = match handed.streams(listener.address) {
                    Some(socket) => tcp::adopt(socket)?,
                    None => tcp::bind(listener.transport, listener.address).await?,
                };
                let address = socket.local_addr()?;
                streams.push((listener.transport, socket));
                address
            } else {
                let socket = match handed.datagrams(listener.address) {
                    Some(socket) => udp::adopt(socket)?,
                    None => udp::bind(listener.address)?,
                };
                let address = socket.local_addr()?;
                board.add_udp(id, Arc::clone(&socket));
                datagrams.push((id, socket));
                address
            };
            listeners.push((id, listener.transport, address));
        }
        let addresses = listeners.iter().map(|(_, by, at)| (*by, *at)).collect();
        let hall = Hall {
            ids,
            board: board.clone(),
            census: Arc::new(Census::new(Bounds {
                all: connections.all,
                per_address: connections.per_address,
                fresh: limits::TCP_FRESH,
            })),
            deliver: deliver(inbox),
            patience: Patience::default(),
        };
        let mut threads = Vec::new();
        for (id, socket) in datagrams {
            let inbox = Arc::clone(inbox);
            let deliver = move |flow, bytes| {
                inbox.post_network(Word::Sip(flow, bytes));
            };
            threads.push(udp::listen(id, socket, Arc::clone(stop), deliver)?);
        }
        let mut tasks = Vec::new();
        for (transport, socket) in streams {
            let acceptor = match (transport, &identity) {
                (Transport::Tls, Some(identity)) => {
                    let config = identity.shown.listener();
                    Some(TlsAcceptor::from(config.context("TLS cannot be used")?))
                }
                (Transport::Tls, None) => {
                    return Err(anyhow!(
                        "a tls:// listener has no certificate; set `sip.tls.certificate` and `sip.tls.key`"
                    ));
                }
                (Transport::Tcp | Transport::Udp, _) => None,
            };
            tasks.push(tokio::spawn(tcp::listen(socket, acceptor, hall.clone())));
        }
        Ok(Self {
            board,
            dialler: Dialler::new(hall, listeners, roots, Handle::current()),
            threads,
            tasks,
            addresses,
            identity,
        })
    }
}

fn trusted(ca: Option<&PathBuf>) -> Result<Option<rustls::RootCertStore>> {
    ca.map(|path| {
        certificate::authorities(path, "sip.tls.ca").map_err(|sentence| anyhow!(sentence))
    })
    .transpose()
}

/// What connections say goes the way of the network's messages, so that nothing overtakes: the end of a
/// connection comes after what was said on it.
fn deliver(inbox: &Inbox) -> Deliver {
    let inbox = Arc::clone(inbox);
    Arc::new(move |heard| match heard {
        Heard::Up(flow) => {
            inbox.post_behind(Word::Up(flow));
            true
        }
        Heard::Message(flow, bytes) => inbox.offer(Word::Sip(flow, bytes)),
        Heard::Down(flow) => {
            inbox.post_behind(Word::Down(flow));
            true
        }
    })
}
