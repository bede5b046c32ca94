//! The HTTP listener: so many connections at once, and none that only sits there.
//!
//! Whoever opens connections and never asks takes neither the descriptors that calls need nor the
//! place of those who ask.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::time::Duration;

/// A listener with a bound; connections beyond it wait their turn.
pub(super) struct Bounded<L> {
    listener: L,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl<L> Bounded<L> {
    /// `places` at once, and `patience` for each request.
    pub(super) fn new(listener: L, places: usize, patience: Duration) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(places)),
            patience,
        }
    }
}

impl<L: Listener<Io: Unpin>> Listener for Bounded<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, L::Addr) {
        // The semaphore is never closed, so there is always a permit at last.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, peer) = self.listener.accept().await;
        let connection = Connection {
            stream,
            due: Box::pin(sleep(self.patience)),
            patience: self.patience,
            _place: place,
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }
}

/// A connection on which a request is due whole, in time from its opening or from the last answer, and
/// on which each piece of an answer is taken in time.
pub(super) struct Connection<S> {
    stream: S,
    due: Pin<Box<Sleep>>,
    patience: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.due.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            let due = sleep(self.patience);
            self.due.set(due);
            return written;
        }
        // Nor does a client keep its place that asks for a recording and never takes it.
        self.due
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
