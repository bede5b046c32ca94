//! SIP over TCP: a listener, and one task for each connection.
//!
//! A connection that sends no whole message in its first ten seconds is closed, however slowly it
//! drips; connections are counted in all and by address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, WeakSender};
use tokio::time::{Instant, timeout_at};

use super::Switchboard;
use crate::id::FlowId;
use crate::limits;
use crate::sip::flow::{Flow, Transport};
use crate::sip::framing::{Frame, Framer};

/// Bytes on their way into a connection.
pub type Outbox = mpsc::Sender<Bytes>;

/// What a connection has to say to the engine.
pub enum Heard {
    /// A whole message.
    Message(Flow, Bytes),
    /// The connection is gone.
    Down(FlowId),
}

/// Numbers connections; listeners of datagrams take theirs from here too, so none is used twice.
#[derive(Default)]
pub struct FlowIds(AtomicU64);

impl FlowIds {
    /// The next number.
    pub fn mint(&self) -> FlowId {
        FlowId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Counts open connections by address.
#[derive(Default)]
struct Census {
    open: Mutex<BTreeMap<IpAddr, usize>>,
    all: AtomicU64,
}

struct Seat {
    census: Arc<Census>,
    address: IpAddr,
}

impl Census {
    fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = open.get(&address).copied().unwrap_or(0);
        let all = usize::try_from(self.all.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        if mine >= limits::TCP_CONNECTIONS_PER_ADDRESS || all >= limits::TCP_CONNECTIONS {
            return None;
        }
        open.insert(address, mine + 1);
        self.all.fetch_add(1, Ordering::Relaxed);
        Some(Seat {
            census: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self
            .census
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                open.remove(&self.address);
            }
        }
        self.census.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Binds a listener.
///
/// # Errors
/// The port is taken or the address is not this machine's.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen for SIP on tcp://{listen}: stop the program that has the port, or set another one under `sip.listen`")
    })
}

/// Accepts connections for ever.
pub async fn listen(
    listener: TcpListener,
    ids: Arc<FlowIds>,
    board: Switchboard,
    deliver: impl Fn(Heard) + Clone + Send + Sync + 'static,
) {
    let census = Arc::new(Census::default());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: the next accept would fail at once and spin.
                tracing::warn!(%error, "a TCP connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(seat) = census.seat(peer.ip()) else {
            continue;
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        let flow = Flow {
            id: ids.mint(),
            transport: Transport::Tcp,
            local,
            peer,
        };
        let (board, deliver) = (board.clone(), deliver.clone());
        tokio::spawn(async move {
            serve(stream, flow, &board, &deliver).await;
            board.remove_stream(flow.id);
            deliver(Heard::Down(flow.id));
            drop(seat);
        });
    }
}

async fn serve(stream: TcpStream, flow: Flow, board: &Switchboard, deliver: &impl Fn(Heard)) {
    let _small_packets = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (outbox, inbox) = mpsc::channel(limits::STREAM_OUTBOX);
    let pongs = outbox.downgrade();
    // The board alone holds the outbox: dropping it there ends the writer, and with it the stream.
    board.add_stream(flow.id, outbox);
    let mut writing = tokio::spawn(write(writer, inbox));
    tokio::select! {
        () = read(reader, flow, &pongs, deliver) => {}
        _ = &mut writing => {}
    }
    // Dropping the board's outbox lets the writer finish what is queued, bounded in time.
    board.remove_stream(flow.id);
    if !writing.is_finished() {
        let _late = timeout_at(Instant::now() + limits::STREAM_LINGER, writing).await;
    }
}

async fn write(mut writer: OwnedWriteHalf, mut inbox: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = inbox.recv().await {
        let written = tokio::time::timeout(limits::STREAM_WRITE, writer.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
    let _closing = writer.shutdown().await;
}

async fn read(
    mut reader: OwnedReadHalf,
    flow: Flow,
    outbox: &WeakSender<Bytes>,
    deliver: &impl Fn(Heard),
) {
    let answer = |bytes| outbox.upgrade().map(|outbox| outbox.try_send(bytes));
    let mut framer = Framer::new();
    let mut buffer = vec![0_u8; 16 << 10];
    let mut due = Some(Instant::now() + limits::TCP_FIRST_MESSAGE);
    loop {
        let received = match due {
            Some(due) => match timeout_at(due, reader.read(&mut buffer)).await {
                Ok(received) => received,
                Err(_) => return,
            },
            None => reader.read(&mut buffer).await,
        };
        let Ok(length @ 1..) = received else {
            return;
        };
        framer.push(buffer.get(..length).unwrap_or_default());
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Message(bytes))) => {
                    due = None;
                    deliver(Heard::Message(flow, bytes));
                }
                Ok(Some(Frame::Ping)) => {
                    let _full = answer(Bytes::from_static(b"\r\n"));
                }
                Ok(None) => break,
                Err(broken) => {
                    tracing::debug!(peer = %flow.peer, why = broken.why, "a SIP stream lost its frame");
                    if let Some(refusal) = broken.answer {
                        let tag = format!("s{}", flow.id);
                        let _full = answer(refusal.response(&tag).to_bytes());
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    #[tokio::test]
    async fn a_stream_that_is_closed_here_is_closed_there() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let board = Switchboard::default();
        let (heard, mut hear) = mpsc::unbounded_channel();
        let deliver = move |word| heard.send(word).unwrap();
        let ids = Arc::new(FlowIds::default());
        let listening = tokio::spawn(listen(listener, ids, board.clone(), deliver));
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(OPTIONS).await.unwrap();
        let Some(Heard::Message(flow, _)) = hear.recv().await else {
            panic!("the message is heard first");
        };
        assert!(board.send(&flow, Bytes::from_static(b"bye")));
        board.close(flow.id);
        assert!(!board.send(&flow, Bytes::from_static(b"late")));
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"bye");
        assert!(matches!(hear.recv().await, Some(Heard::Down(id)) if id == flow.id));
        listening.abort();
    }
}
