//! The door for commands on this machine: a socket in the data folder, which only the server's own user
//! (and root) can open, so that whoever comes by it needs no token.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use axum::{Extension, Router};
use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::engine::command::Actor;
use crate::words::Role;

/// Connections that wait to be accepted.
const WAITING: i32 = 16;

/// Where the socket of a data folder is.
#[must_use]
pub fn socket_in(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Listens. The folder is ours by its lock, so a socket that is there already is one that a crash left.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    forget(path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the file the rights that the socket has when it is bound, so it never has others.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(WAITING)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(StdListener::from(socket))
}

/// Takes the socket's file away.
pub(super) fn forget(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let path = path.display();
            tracing::warn!(%error, "{path} is in the way and cannot be removed");
        }
    }
}

/// The pages, for whoever came by the socket.
pub(super) fn door(app: Router) -> Router {
    app.layer(Extension(Actor {
        name: "local".to_owned(),
        role: Role::Admin,
        operator: None,
    }))
}
