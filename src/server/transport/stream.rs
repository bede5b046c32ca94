//! One SIP connection, TCP or TLS, opened by either side: bytes in, messages out, and back.
//!
//! ```text
//!  accepted or connected
//!     │ (TLS: handshake)
//!  ┌──▼────┐ a whole message ┌────────┐ first byte of a message ┌────────────┐
//!  │ Fresh ├────────────────▶│ Quiet  │◀───────────────────────▶│ MidMessage │
//!  └──┬────┘                 └──┬─────┘       its last byte     └──┬─────────┘
//!     │ TCP_FIRST_MESSAGE       │ unused for STREAM_IDLE           │ STREAM_MESSAGE
//!  ┌──▼─────────────────────────▼──────────────────────────────────▼──┐
//!  │ Ending: told as down, what is queued is written for STREAM_LINGER │
//!  └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The time a message may take is never renewed by a byte of it. Whether a quiet connection is of use
//! the engine knows, not this file: [`super::Switchboard::close_idle`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, WeakSender};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::census::Seat;
use super::tcp::Hall;
use crate::id::FlowId;
use crate::limits;
use crate::server::clock::Clock;
use crate::sip::flow::Flow;
use crate::sip::framing::{Frame, Framer};
use crate::time::Duration;

/// When the engine has no room for a message it is offered again after this.
const FULL: Duration = Duration::from_millis(50);

/// What a connection has to say to the engine, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// The connection stands.
    Up(Flow),
    /// A whole message.
    Message(Flow, Bytes),
    /// The connection is gone. Whoever hears it closes the flow at the
    /// [`super::Switchboard`] once the answers
    /// to what came before are on their way.
    Down(FlowId),
}

/// Takes what connections say; false when there is no room for a message, which then comes again.
pub type Deliver = Arc<dyn Fn(Heard) -> bool + Send + Sync>;

/// The near end of a connection: where packets are queued, and how it is ended.
#[derive(Clone, Debug)]
pub struct Line {
    outbox: mpsc::Sender<Bytes>,
    ended: Arc<Notify>,
    pulse: Pulse,
}

/// The near end as the connection itself knows it: it does not keep it open.
struct WeakLine {
    outbox: WeakSender<Bytes>,
    pulse: Pulse,
}

/// When something went over a connection last, in milliseconds of the clock.
#[derive(Clone, Debug)]
struct Pulse {
    last: Arc<AtomicU64>,
    clock: Clock,
}

impl Line {
    fn new(clock: Clock) -> (Self, mpsc::Receiver<Bytes>) {
        let (outbox, inbox) = mpsc::channel(limits::STREAM_OUTBOX);
        let pulse = Pulse {
            last: Arc::default(),
            clock,
        };
        pulse.touch();
        let ended = Arc::default();
        let line = Self {
            outbox,
            ended,
            pulse,
        };
        (line, inbox)
    }

    fn weak(&self) -> WeakLine {
        WeakLine {
            outbox: self.outbox.downgrade(),
            pulse: self.pulse.clone(),
        }
    }

    /// Queues a packet; false when the connection does not take it.
    pub(super) fn send(&self, bytes: Bytes) -> bool {
        self.pulse.touch();
        self.outbox.try_send(bytes).is_ok()
    }

    /// Ends the connection: what is queued is still written, within a bound.
    pub(super) fn end(&self) {
        self.ended.notify_one();
    }

    /// For how long nothing went over it.
    pub(super) fn quiet(&self) -> Duration {
        let last = self.pulse.last.load(Ordering::Relaxed);
        Duration::from_millis(self.pulse.millis().saturating_sub(last))
    }
}

impl Pulse {
    fn touch(&self) {
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    fn millis(&self) -> u64 {
        self.clock.now().mono.as_nanos() / 1_000_000
    }
}

/// How long a connection may take for things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For its first message, whole; handshake included.
    pub first: Duration,
    /// For a later message, from its first byte.
    pub message: Duration,
    /// For one packet to be written.
    pub write: Duration,
    /// For what is queued when it ends.
    pub linger: Duration,
    /// To be opened by us.
    pub connect: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: limits::TCP_FIRST_MESSAGE,
            message: limits::STREAM_MESSAGE,
            write: limits::STREAM_WRITE,
            linger: limits::STREAM_LINGER,
            connect: limits::CONNECT,
        }
    }
}

/// When a connection that somebody opened to us must have said its first message, and its seat.
#[derive(Debug)]
pub struct Probation {
    /// When.
    pub due: Instant,
    /// The seat.
    pub seat: Seat,
}

/// A connection that stands; its handshake is over.
pub struct Connection<S> {
    reading: Reading<S>,
    writer: WriteHalf<S>,
    inbox: mpsc::Receiver<Bytes>,
    ended: Arc<Notify>,
    hall: Hall,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Connection<S> {
    /// Takes a stream to the board and says that it stands.
    pub fn open(stream: S, flow: Flow, probation: Option<Probation>, hall: &Hall) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let (line, inbox) = Line::new(hall.board.clock());
        let (due, seat) = probation.map(|it| (it.due, it.seat)).unzip();
        let connection = Self {
            reading: Reading {
                reader,
                flow,
                due,
                seat,
                // The board alone holds the outbox: dropping it there ends the writer, and with it
                // the stream.
                line: line.weak(),
                patience: hall.patience.message,
            },
            writer,
            inbox,
            ended: Arc::clone(&line.ended),
            hall: hall.clone(),
        };
        hall.board.add_stream(flow.id, line);
        (hall.deliver)(Heard::Up(flow));
        connection
    }

    /// Serves it until it ends.
    pub async fn run(mut self) {
        let (board, deliver) = (&self.hall.board, &self.hall.deliver);
        let id = self.reading.flow.id;
        let mut writing = tokio::spawn(write(self.writer, self.inbox, self.hall.patience.write));
        tokio::select! {
            () = self.reading.read(deliver) => {}
            _ = &mut writing => {}
            () = self.ended.notified() => {}
        }
        deliver(Heard::Down(id));
        // What is unread when a socket closes makes the kernel throw away what was written: the rest is
        // read to its end, if that comes soon.
        let farewell = async {
            if !writing.is_finished() {
                let _panicked = (&mut writing).await;
            }
            self.reading.drain().await;
        };
        let _late = timeout(self.hall.patience.linger, farewell).await;
        writing.abort();
        board.close(id);
    }
}

async fn write<S: AsyncWrite>(
    mut writer: WriteHalf<S>,
    mut inbox: mpsc::Receiver<Bytes>,
    patience: Duration,
) {
    while let Some(bytes) = inbox.recv().await {
        let written = timeout(patience, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
    }
    let _closing = writer.shutdown().await;
}

struct Reading<S> {
    reader: ReadHalf<S>,
    flow: Flow,
    due: Option<Instant>,
    seat: Option<Seat>,
    line: WeakLine,
    patience: Duration,
}

impl<S: AsyncRead> Reading<S> {
    /// Reads until the peer ends the stream, breaks it or is too slow.
    async fn read(&mut self, deliver: &Deliver) {
        let mut framer = Framer::new();
        let mut buffer = vec![0_u8; limits::STREAM_READ];
        loop {
            let received = match self.due {
                Some(due) => timeout_at(due, self.reader.read(&mut buffer)).await,
                None => Ok(self.reader.read(&mut buffer).await),
            };
            let Ok(Ok(length @ 1..)) = received else {
                return;
            };
            self.line.pulse.touch();
            framer.push(buffer.get(..length).unwrap_or_default());
            let mut whole = false;
            loop {
                match framer.next_frame() {
                    Ok(Some(Frame::Message(bytes))) => {
                        whole = true;
                        // Nothing repeats a message of a stream, so none is dropped: the peer waits.
                        while !deliver(Heard::Message(self.flow, bytes.clone())) {
                            sleep(FULL).await;
                        }
                    }
                    Ok(Some(Frame::Ping)) => self.answer(Bytes::from_static(b"\r\n")),
                    Ok(None) => break,
                    Err(broken) => {
                        tracing::debug!(peer = %self.flow.peer, why = broken.why, "a SIP stream lost its frame");
                        if let Some(refusal) = broken.answer {
                            let tag = format!("s{}", self.flow.id);
                            self.answer(refusal.response(&tag).to_bytes());
                        }
                        return;
                    }
                }
            }
            if whole {
                self.due = None;
                if let Some(seat) = &mut self.seat {
                    seat.settle();
                }
            }
            if framer.is_mid_message() && self.due.is_none() {
                self.due = Some(Instant::now() + self.patience);
            }
        }
    }

    async fn drain(&mut self) {
        let mut rest = [0_u8; 512];
        while matches!(self.reader.read(&mut rest).await, Ok(1..)) {}
    }

    fn answer(&self, bytes: Bytes) {
        if let Some(outbox) = self.line.outbox.upgrade() {
            let _full = outbox.try_send(bytes);
        }
    }
}
