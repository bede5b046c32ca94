//! A call as a ladder: the caller's side on the left, ours in the middle, the phones on the right, time
//! down.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::id::CallId;
use crate::number::Masked;
use crate::server::trace::entry::{Sighting, Way};
use crate::server::trace::read::Story;
use crate::sip::flow::Transport;
use crate::sip::message::Message;
use crate::sip::parse::parse;

/// The narrowest column, in characters.
const NARROW: usize = 28;
/// A label is cut at this.
const LABEL: usize = 48;
/// A call that went wrong a hundred times is still one line a party.
const PARTIES: usize = 64;
const US: &str = "strowger";

/// One column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Party {
    Us,
    Peer(Transport, SocketAddr),
}

/// One line.
struct Line {
    stamp: String,
    from: Party,
    to: Party,
    label: String,
}

/// The call as text.
#[must_use]
pub fn ladder(call: CallId, story: &Story, full: bool) -> String {
    let lines: Vec<_> = story.messages.iter().map(|seen| line(seen, full)).collect();
    let columns = columns(story);
    let widest = lines.iter().map(|line| line.label.chars().count()).max();
    let width = (widest.unwrap_or(0) + 8).max(NARROW);
    let begun = story.messages.first().map(|seen| seen.at.to_string());
    let mut text = format!("call {call}, from {}\n\n", begun.unwrap_or_default());
    let mut head = " ".repeat(14);
    for party in &columns {
        let _ = write!(head, "{:<width$}", name(*party));
    }
    let _ = writeln!(text, "{}", head.trim_end());
    for line in &lines {
        let row = arrow(line, &columns, width);
        let _ = writeln!(text, "{}  {}", line.stamp, row.trim_end());
    }
    text.push('\n');
    for dialog in &story.dialogs {
        let shown: String = dialog.chars().filter(|it| !it.is_control()).collect();
        let _ = writeln!(text, "Call-ID {shown}");
    }
    text
}

fn name(party: Party) -> String {
    match party {
        Party::Us => US.to_owned(),
        Party::Peer(by, address) => format!("{} {address}", by.as_str().to_lowercase()),
    }
}

fn peer(seen: &Sighting) -> Party {
    let address = SocketAddr::new(seen.peer.ip().to_canonical(), seen.peer.port());
    Party::Peer(seen.transport, address)
}

/// The parties of the first dialog, we, and the others, each as it came in.
fn columns(story: &Story) -> Vec<Party> {
    let first = story.dialogs.first().map(String::as_str);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for seen in &story.messages {
        let party = peer(seen);
        if left.contains(&party) || right.contains(&party) {
            continue;
        }
        let of = parse(&seen.bytes).ok().and_then(|message| {
            let id = message.headers.call_id().ok()?;
            Some(first == Some(id))
        });
        if left.len() + right.len() < PARTIES {
            let side = if of == Some(true) {
                &mut left
            } else {
                &mut right
            };
            side.push(party);
        }
    }
    left.push(Party::Us);
    left.extend(right);
    left
}

fn line(seen: &Sighting, full: bool) -> Line {
    let (from, to) = match seen.way {
        Way::In => (peer(seen), Party::Us),
        Way::Out => (Party::Us, peer(seen)),
    };
    // 2026-11-22T09:30:00.123Z
    let stamp = seen.at.to_string();
    let stamp = stamp.get(11..23).unwrap_or("").to_owned();
    let label = match parse(&seen.bytes) {
        Ok(message) => label(&message, &seen.bytes, full),
        Err(_) => "(cannot be read)".to_owned(),
    };
    let label = label.chars().filter(|it| !it.is_control());
    Line {
        stamp,
        from,
        to,
        label: label.take(LABEL).collect(),
    }
}

fn label(message: &Message, bytes: &[u8], full: bool) -> String {
    let sdp = if message.sdp().is_some() { " +SDP" } else { "" };
    let Some(method) = message.method() else {
        let first = bytes.split(|&byte| byte == b'\r' || byte == b'\n').next();
        let first = String::from_utf8_lossy(first.unwrap_or_default());
        let status = first.split_once(' ').map_or("", |(_, rest)| rest);
        let asked = message.headers.cseq().map(|cseq| cseq.method);
        return match asked {
            Ok(method) => format!("{status} ({}){sdp}", method.as_str()),
            Err(_) => format!("{status}{sdp}"),
        };
    };
    let user = message.uri().and_then(|uri| uri.user_decoded());
    let user = user.unwrap_or_default();
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let user = if digits > 3 && !full {
        Masked(&user).to_string()
    } else {
        user.into_owned()
    };
    let space = if user.is_empty() { "" } else { " " };
    format!("{}{space}{user}{sdp}", method.as_str())
}

fn arrow(line: &Line, columns: &[Party], width: usize) -> String {
    let place = |party| columns.iter().position(|it| *it == party);
    let bar = |at: usize| if at % width == 1 { '│' } else { ' ' };
    let mut row: Vec<_> = (0..columns.len() * width).map(bar).collect();
    let (Some(from), Some(to)) = (place(line.from), place(line.to)) else {
        return row.into_iter().collect();
    };
    let (start, end) = (from.min(to) * width + 2, from.max(to) * width);
    for slot in row.iter_mut().take(end).skip(start) {
        *slot = '─';
    }
    let (tip, point) = if from < to {
        (end.saturating_sub(1), '▶')
    } else {
        (start, '◀')
    };
    if let Some(slot) = row.get_mut(tip) {
        *slot = point;
    }
    let label = format!(" {} ", line.label);
    for (slot, letter) in row.iter_mut().skip(start + 2).zip(label.chars()) {
        *slot = letter;
    }
    row.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::id::Ulid;
    use crate::rng::Rng;
    use crate::time::Wall;

    fn seen(at: i64, way: Way, port: u16, text: &str) -> Sighting {
        Sighting {
            at: Wall::from_millis(1_763_800_000_000 + at),
            way,
            transport: if port == 5060 {
                Transport::Udp
            } else {
                Transport::Tls
            },
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: SocketAddr::from(([192, 0, 2, 9], port)),
            bytes: Bytes::from(text.to_owned()),
        }
    }

    fn text(start: &str, id: &str, method: &str, body: &str) -> String {
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn the_caller_is_left_the_phones_are_right_and_numbers_are_masked() {
        let invite = |id, user| {
            let start = format!("INVITE sip:{user}@h SIP/2.0");
            text(&start, id, "INVITE", "v=0\r\n")
        };
        let ringing = text("SIP/2.0 180 Ringing", "one", "INVITE", "");
        let busy = text("SIP/2.0 486 Busy Here", "two", "INVITE", "");
        let story = Story {
            dialogs: vec!["one".to_owned(), "two".to_owned()],
            messages: vec![
                seen(0, Way::In, 5060, &invite("one", "0800301230")),
                seen(20, Way::Out, 40_000, &invite("two", "olena")),
                seen(31, Way::Out, 5060, &ringing),
                seen(1_031, Way::In, 40_000, &busy),
            ],
        };
        let call = CallId(Ulid::new(Wall::from_millis(1), &mut Rng::new([1; 32])));
        let chart = ladder(call, &story, false);
        let chart = chart.replace(&call.to_string(), "CALL");
        insta::assert_snapshot!(chart, @r"
        call CALL, from 2025-11-22T08:26:40.000Z

                      udp 192.0.2.9:5060            strowger                      tls 192.0.2.9:40000
        08:26:40.000   │── INVITE 080•••••30 +SDP ─▶ │                             │
        08:26:40.020   │                             │── INVITE olena +SDP ──────▶ │
        08:26:40.031   │◀─ 180 Ringing (INVITE) ──── │                             │
        08:26:41.031   │                             │◀─ 486 Busy Here (INVITE) ── │

        Call-ID one
        Call-ID two
        ");
        let full = ladder(call, &story, true);
        assert!(full.contains("INVITE 0800301230 +SDP"), "{full}");
    }
}
