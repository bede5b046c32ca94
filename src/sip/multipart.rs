//! The session description inside a `multipart` body (RFC 2046 5.1, RFC 5621 3).
//!
//! Carriers put SDP beside parts that mean nothing here (ISUP, locations). The first part that is
//! `application/sdp` is taken; how the parts relate to each other is not looked at.

use bytes::Bytes;

use super::header::ContentType;
use super::header::token::trim;

/// Where a part stands while its lines go by.
enum At {
    /// Before the first part, or in one that is not looked for.
    Outside,
    /// In a part's header fields; whether they have named SDP.
    Head(bool),
    /// In the body of the part that is wanted, which begins here.
    Wanted(usize),
}

/// The first part that is SDP; none when there is none, or its end is missing.
pub(super) fn sdp_part(body: &Bytes, boundary: &str) -> Option<Bytes> {
    let mut at = At::Outside;
    let mut start = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let (begin, text) = (start, trim(line));
        start += line.len();
        if is_delimiter(text, boundary) {
            if let At::Wanted(from) = at {
                // The line break before the delimiter belongs to the delimiter.
                let part = body.get(from..begin)?;
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                let part = part.strip_suffix(b"\r").unwrap_or(part);
                return Some(body.slice_ref(part)).filter(|part| !part.is_empty());
            }
            at = At::Head(false);
        } else if let At::Head(is_sdp) = at {
            at = match (text.is_empty(), is_sdp) {
                (true, true) => At::Wanted(start),
                (true, false) => At::Outside,
                (false, _) => At::Head(is_sdp || names_sdp(&body.slice_ref(text))),
            };
        }
    }
    None
}

fn is_delimiter(line: &[u8], boundary: &str) -> bool {
    line.strip_prefix(b"--")
        .and_then(|line| line.strip_prefix(boundary.as_bytes()))
        .is_some_and(|rest| rest.is_empty() || rest == b"--")
}

fn names_sdp(field: &Bytes) -> bool {
    let mut halves = field.splitn(2, |&byte| byte == b':');
    let (name, value) = (halves.next(), halves.next());
    let is_type = name.is_some_and(|name| {
        let name = trim(name);
        name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c")
    });
    is_type
        && value.is_some_and(|value| {
            ContentType::parse(&field.slice_ref(value)).is_ok_and(|kind| kind.is_sdp())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(body: &'static str) -> Option<Bytes> {
        sdp_part(&Bytes::from_static(body.as_bytes()), "one")
    }

    #[test]
    fn the_sdp_is_found_among_other_parts() {
        for body in [
            "--one\r\nContent-Type: application/sdp\r\n\r\nv=0\r\na=x\r\n--one--\r\n",
            "preamble\r\n--one\r\nContent-Type: application/isup\r\n\r\n\u{1}\u{2}\r\n\
             --one\r\nContent-Disposition: session\r\nc: Application/SDP;charset=utf-8\r\n\r\nv=0\r\na=x\r\n--one--",
            "--one\nContent-Type:application/sdp\n\nv=0\r\na=x\n--one\n\ntext\n--one--\n",
        ] {
            assert_eq!(part(body).as_deref(), Some(&b"v=0\r\na=x"[..]), "{body}");
        }
    }

    #[test]
    fn what_has_no_sdp_or_no_end_is_none() {
        for body in [
            "",
            "v=0\r\n",
            "--one\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--one--",
            "--one\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n",
            "--one\r\nContent-Type: application/sdp\r\nv=0\r\n--one--",
            "--one\r\nContent-Type: application/sdp\r\n\r\n\r\n--one--",
            "--two\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--two--",
            "--one\r\n\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--one--",
        ] {
            assert_eq!(part(body), None, "{body}");
        }
    }
}
