//! Recordings and messages: which there are, and their sound. Every access to the sound is journalled.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body::{Frame, SizeHint};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

use super::asked::{Called, Question};
use super::problem::Problem;
use super::{Desk, pages};
use crate::engine::command::Actor;
use crate::id::CallId;
use crate::server::media::{Playback, manifest_of};
use crate::server::store::{RecordingFilter, StoredRecording};

/// What is read of a file at once, and how many such pieces wait for a client.
const PIECE: usize = 65_536;
const PIECES: usize = 4;

/// Which recordings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    phone: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/recordings`.
pub(super) async fn recordings(
    State(desk): State<Desk>,
    Question(which): Question<Which>,
) -> Result<Response, Problem> {
    let limit = pages::limit(which.limit)?;
    let filter = RecordingFilter {
        phone: which
            .phone
            .as_deref()
            .map(super::calls::phone)
            .transpose()?,
        before: which.cursor,
        limit: limit + 1,
    };
    let found = desk
        .read(move |store| store.recordings()?.page(&filter))
        .await?;
    let found = found.iter().map(fields).collect();
    Ok(Json(pages::of("recordings", found, limit)).into_response())
}

fn fields(recording: &StoredRecording) -> Value {
    let moment = |wall: Option<crate::time::Wall>| wall.map(|wall| wall.to_string());
    json!({
        "id": recording.call,
        "call_id": recording.call,
        "started_at": moment(recording.started),
        "ended_at": moment(recording.ended),
        "keep_until": moment(recording.keep_until),
        "bytes": recording.bytes,
        "from": recording.from,
        "to": recording.to,
        "hold": recording.hold,
        "audio": format!("/v1/recordings/{}/audio", recording.call),
    })
}

/// What there is of a call, with who talked when.
pub(super) async fn of_call(desk: &Desk, call: CallId) -> Result<Vec<Value>, Problem> {
    let folder = Arc::clone(&desk.api.recordings);
    desk.read(move |store| {
        let Some(recording) = store.recordings()?.one(&call.to_string())? else {
            return Ok(Vec::new());
        };
        let mut found = fields(&recording);
        let manifest = manifest_of(&folder, &recording.file);
        if let (Some(found), Some(manifest)) = (found.as_object_mut(), manifest) {
            found.insert("duration_ms".into(), json!(manifest.duration_ms));
            found.insert("segments".into(), json!(manifest.segments));
        }
        Ok(vec![found])
    })
    .await
}

/// `GET /v1/recordings/{id}/audio`.
pub(super) async fn audio(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Called(call): Called,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = Arc::clone(&desk.api.downloads).try_acquire_owned();
    let place = place.map_err(|_| {
        let why = "many recordings are being heard at once; ask again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    let (folder, vault) = (
        Arc::clone(&desk.api.recordings),
        Arc::clone(&desk.api.vault),
    );
    let opened = desk
        .read(move |store| {
            let recording = store.recordings()?.one(&call.to_string())?;
            let opened = recording.map(|it| Playback::open(&folder, &vault, &it.file));
            Ok(opened.unwrap_or(Ok(None)))
        })
        .await?;
    let opened = opened.map_err(|error| {
        tracing::warn!(%call, "a recording cannot be heard: {error:#}");
        let why = "the recording cannot be opened: its key is not in the settings, or its file is not whole; the log says which";
        Problem::new(StatusCode::CONFLICT, why)
    })?;
    let playback = opened.ok_or_else(|| {
        let why = "there is no such recording, or it has been deleted";
        Problem::new(StatusCode::NOT_FOUND, why)
    })?;
    let length = playback.length();
    let asked = headers.get(header::RANGE).filter(|_| {
        // Nothing here says which version it was, so a part of another one is never put to it.
        !headers.contains_key(header::IF_RANGE)
    });
    let asked = asked.and_then(|range| range.to_str().ok());
    let range = match asked.map_or(Asked::Whole, |range| Asked::read(range, length)) {
        Asked::Whole => None,
        Asked::Part(first, last) => Some((first, last)),
        Asked::Beyond => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            put(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            return Ok(response);
        }
    };
    let (first, last) = range.unwrap_or((0, length.saturating_sub(1)));
    let left = if length == 0 { 0 } else { last - first + 1 };
    if method == Method::GET {
        journal(&desk, &actor, call);
    }
    let mut response = Body::new(Sound::play(playback, first, left, place)).into_response();
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let part = format!("bytes {first}-{last}/{length}");
        put(&mut response, header::CONTENT_RANGE, &part);
    }
    put(&mut response, header::CONTENT_TYPE, "audio/wav");
    put(&mut response, header::ACCEPT_RANGES, "bytes");
    put(&mut response, header::CONTENT_LENGTH, &left.to_string());
    let name = format!("inline; filename=\"{call}.wav\"");
    put(&mut response, header::CONTENT_DISPOSITION, &name);
    Ok(response)
}

fn put(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn journal(desk: &Desk, actor: &Actor, call: CallId) {
    let mut data = Map::new();
    data.insert("recording".into(), json!(call.to_string()));
    data.insert("actor".into(), json!(actor.name));
    data.insert("role".into(), json!(actor.role));
    let store = &desk.api.store;
    store.emit("recording.accessed", Some(call), data);
}

/// What a Range asks for (RFC 9110 14.2). Several parts at once are answered with the whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Whole,
    Part(u64, u64),
    Beyond,
}

impl Asked {
    fn read(range: &str, length: u64) -> Self {
        let Some((first, last)) = range
            .strip_prefix("bytes=")
            .filter(|part| !part.contains(','))
            .and_then(|part| part.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), _)
                if first >= length && (last.is_empty() || last.parse::<u64>().is_ok()) =>
            {
                Self::Beyond
            }
            (Ok(first), Ok(last)) if first <= last => Self::Part(first, last.min(length - 1)),
            (Ok(first), Err(_)) if last.is_empty() => Self::Part(first, length - 1),
            (Err(_), Ok(0)) if first.is_empty() => Self::Beyond,
            (Err(_), Ok(_)) if first.is_empty() && length == 0 => Self::Beyond,
            (Err(_), Ok(most)) if first.is_empty() => {
                Self::Part(length.saturating_sub(most), length - 1)
            }
            _ => Self::Whole,
        }
    }
}

/// The bytes of a file on their way to a client, read by a thread that may wait for the disk.
struct Sound {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Sound {
    fn play(mut playback: Playback, first: u64, left: u64, place: OwnedSemaphorePermit) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES);
        spawn_blocking(move || {
            let _place = place;
            let (mut at, mut left) = (first, left);
            while left > 0 {
                let read = piece(&mut playback, at, left);
                let read_bytes = read.as_ref().map_or(left, |it| it.len() as u64);
                at += read_bytes;
                left = left.saturating_sub(read_bytes.max(1));
                // A client that is gone wants no more.
                if sender.blocking_send(read).is_err() {
                    return;
                }
            }
        });
        Self { pieces, left }
    }
}

fn piece(playback: &mut Playback, at: u64, left: u64) -> io::Result<Bytes> {
    let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
    let (mut bytes, mut read) = (vec![0; size], 0);
    while read < size {
        let from = at + u64::try_from(read).unwrap_or(0);
        match playback.read(from, bytes.get_mut(read..).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read += count,
        }
    }
    Ok(bytes.into())
}

impl http_body::Body for Sound {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map(|piece| {
            let piece = piece?;
            if let Ok(bytes) = &piece {
                self.left = self.left.saturating_sub(bytes.len() as u64);
            }
            Some(piece.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let read = |range: &str| Asked::read(range, 100);
        assert_eq!(read("bytes=0-9"), Asked::Part(0, 9));
        assert_eq!(read("bytes=90-"), Asked::Part(90, 99));
        assert_eq!(read("bytes=90-1000"), Asked::Part(90, 99));
        assert_eq!(read("bytes=-10"), Asked::Part(90, 99));
        assert_eq!(read("bytes=-1000"), Asked::Part(0, 99));
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(read(beyond), Asked::Beyond, "{beyond}");
        }
        for whole in [
            "bytes=0-1,5-6",
            "lines=0-1",
            "bytes=9-0",
            "bytes=x-1",
            "bytes=-",
            "",
        ] {
            assert_eq!(read(whole), Asked::Whole, "{whole}");
        }
        for empty in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(Asked::read(empty, 0), Asked::Beyond, "{empty}");
        }
    }
}
