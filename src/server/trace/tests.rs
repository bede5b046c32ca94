//! The trace on a disk: what it keeps, what it loses, and what it reads of it.

use std::net::SocketAddr;

use bytes::Bytes;

use super::entry::{Sighting, Way};
use super::read::{Story, story};
use super::ring::segments;
use super::*;
use crate::id::{CallId, Ulid};
use crate::rng::Rng;
use crate::sip::flow::Transport;
use crate::time::{Duration, Wall};

const DAY: Duration = Duration::from_secs(86_400);

fn call(number: u8) -> CallId {
    CallId(Ulid::new(
        Wall::from_millis(1_000),
        &mut Rng::new([number; 32]),
    ))
}

fn message(at: i64, id: &str, more: &str) -> Entry {
    let text = format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{at}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: {id}\r\nCSeq: {at} OPTIONS\r\n{more}Content-Length: 0\r\n\r\n"
    );
    Entry::Message(Sighting {
        at: Wall::from_millis(at),
        way: Way::In,
        transport: Transport::Udp,
        local: SocketAddr::from(([192, 0, 2, 1], 5060)),
        peer: SocketAddr::from(([192, 0, 2, 2], 5060)),
        bytes: Bytes::from(text),
    })
}

fn leg(call: CallId, id: &str) -> Entry {
    Entry::Leg {
        at: Wall::from_millis(2),
        call,
        sip_call_id: id.to_owned(),
    }
}

fn written(folder: &Path, entries: &[Entry]) {
    let mut ring = Ring::open(folder, DAY, 1 << 30, Wall::from_millis(1)).unwrap();
    let mut bytes = Vec::new();
    for entry in entries {
        entry.encode(&mut bytes);
    }
    ring.append(&bytes, Wall::from_millis(2));
}

fn read(folder: &Path, of: CallId) -> (Vec<String>, Vec<i64>) {
    let Story { dialogs, messages } = story(folder, of, |_, _| {}).unwrap();
    let times = messages.iter().map(|seen| seen.at.as_millis());
    (dialogs, times.collect())
}

#[test]
fn a_call_has_the_messages_of_its_dialogs_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    written(
        folder.path(),
        &[
            message(1, "caller", ""),
            leg(call(1), "caller"),
            message(2, "other", "X-About: caller\r\n"),
            leg(call(2), "other"),
            message(3, "phone", ""),
            leg(call(1), "phone"),
            message(4, "caller", ""),
        ],
    );
    let both = vec!["caller".to_owned(), "phone".to_owned()];
    assert_eq!(read(folder.path(), call(1)), (both, vec![1, 3, 4]));
    assert_eq!(read(folder.path(), call(3)), (Vec::new(), Vec::new()));
}

#[test]
fn a_torn_tail_costs_what_is_torn_and_a_restart_begins_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    written(
        folder.path(),
        &[leg(call(1), "a"), message(1, "a", ""), message(2, "a", "")],
    );
    let first = segments(folder.path()).unwrap().remove(0);
    let bytes = std::fs::read(&first).unwrap();
    std::fs::write(&first, &bytes[..bytes.len() - 20]).unwrap();
    written(folder.path(), &[message(3, "a", "")]);
    assert_eq!(segments(folder.path()).unwrap().len(), 2);
    assert_eq!(read(folder.path(), call(1)).1, [1, 3]);
}

#[test]
fn what_somebody_else_put_into_the_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["notes.sip", "99999999999999999999999.sip"] {
        std::fs::write(folder.path().join(name), b"not ours").unwrap();
    }
    // Two files begun in one millisecond take different names.
    let now = Clock::start().now().wall;
    let first = Ring::open(folder.path(), DAY, 1 << 20, now).unwrap();
    let second = Ring::open(folder.path(), DAY, 1 << 20, now).unwrap();
    second.sweep(Wall::from_millis(i64::MAX / 2));
    drop((first, second));
    assert!(folder.path().join("notes.sip").exists());
    assert_eq!(segments(folder.path()).unwrap().len(), 1);
}

#[test]
fn files_from_before_a_call_are_not_read_for_it() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &[leg(call(1), "a"), message(1, "a", "")]);
    written(folder.path(), &[message(2, "a", "")]);
    let mut steps = 0;
    let late = CallId(Ulid::new(
        Wall::from_millis(1 << 40),
        &mut Rng::new([9; 32]),
    ));
    story(folder.path(), late, |_, all| steps = all).unwrap();
    assert_eq!(steps, 2, "the last file alone");
    assert_eq!(read(folder.path(), call(1)).1, [1, 2]);
}

#[test]
fn the_oldest_goes_when_there_is_too_much_or_it_is_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let size = 64 << 10;
    let now = Clock::start().now().wall;
    let mut ring = Ring::open(folder.path(), DAY, size, now).unwrap();
    let on_disk = || -> u64 {
        let files = segments(folder.path()).unwrap();
        files.iter().map(|it| it.metadata().unwrap().len()).sum()
    };
    for at in 0..2_000 {
        let mut bytes = Vec::new();
        message(at, "a", "").encode(&mut bytes);
        ring.append(&bytes, now);
        assert!(on_disk() <= size + 4_096, "after {at}");
    }
    assert!(on_disk() > size / 2, "and it is made use of");
    let before = on_disk();
    ring.sweep_beside(now, limits::TRACE_LEAVES_FREE);
    assert_eq!(on_disk(), before, "there is room for all of it");
    ring.sweep_beside(now, limits::TRACE_LEAVES_FREE - 20_000);
    let after = on_disk();
    assert!(after <= before - 20_000 && after > 0, "{after} of {before}");
    ring.sweep(now + DAY * 2);
    assert_eq!(
        segments(folder.path()).unwrap().len(),
        1,
        "the one that is written stays"
    );
}

#[test]
fn what_is_handed_in_is_on_disk_at_the_end_and_its_secrets_are_not() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let (tracer, thread) = Tracer::start(data.path(), settings, Clock::start()).unwrap();
    tracer.keep(|| leg(call(1), "a"));
    tracer.keep(|| {
        message(
            1,
            "a",
            "Authorization: Digest username=\"olena\", response=\"5ec2e7\"\r\n",
        )
    });
    assert_eq!(tracer.lost(), 0);
    drop(tracer);
    thread.unwrap().join().unwrap();
    let folder = data.path().join(FOLDER);
    let story = story(&folder, call(1), |_, _| {}).unwrap();
    let text = String::from_utf8_lossy(&story.messages[0].bytes).into_owned();
    assert!(
        text.contains("username=\"olena\", response=\"xxxxxx\""),
        "{text}"
    );
}

#[test]
fn a_disk_that_takes_nothing_costs_messages_and_no_time() {
    let (queue, waiting) = sync_channel(2);
    let tracer = Tracer(Some(Desk {
        queue,
        load: Arc::default(),
    }));
    for at in 0..5 {
        tracer.keep(|| message(at, "a", ""));
    }
    assert_eq!(tracer.lost(), 3);
    drop(waiting);
    tracer.keep(|| message(9, "a", ""));
    assert_eq!(tracer.lost(), 4);
    let off = Settings {
        write: false,
        ..Settings::default()
    };
    let data = tempfile::tempdir().unwrap();
    let (tracer, thread) = Tracer::start(data.path(), off, Clock::start()).unwrap();
    tracer.keep(|| unreachable!("nobody wants it"));
    assert!(thread.is_none() && !data.path().join(FOLDER).exists());
}
