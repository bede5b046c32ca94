//! Messages out of a stream (RFC 3261 18.3), and the keep-alives between them (RFC 5626 3.5.1).
//!
//! Not a connection: the shell reads bytes, pushes them and takes frames until there is none. Every
//! byte is looked at once, however small the pieces are that it comes in.

use bytes::{Buf, Bytes, BytesMut};

use super::parse::{Refusal, Reject, head_length, refuse_head};
use crate::limits;

/// What a stream carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A whole message, for [`super::parse::parse`].
    Message(Bytes),
    /// Two line breaks between messages; one line break is due in answer.
    Ping,
}

/// The stream has lost its frame and must be closed, once the answer is sent where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// A refusal to send before closing.
    pub answer: Option<Box<Refusal>>,
    /// What was wrong.
    pub why: &'static str,
}

/// Cuts one stream into frames. Holds at most one message beside what was pushed last.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// The end of the head is not before this.
    scanned: usize,
    /// The length of the message whose head is complete.
    whole: Option<usize>,
    broken: bool,
}

impl Framer {
    /// A framer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came. Take all frames before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame, if it is complete.
    ///
    /// # Errors
    /// The frame is lost; nothing comes any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Broken> {
        if self.broken {
            return Ok(None);
        }
        let frame = self.cut();
        if frame.is_err() {
            self.broken = true;
            self.buffer = BytesMut::new();
        }
        frame
    }

    /// Whether bytes of an unfinished message are held.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.buffer
            .iter()
            .any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    fn cut(&mut self) -> Result<Option<Frame>, Broken> {
        if self.whole.is_none() {
            if self.scanned == 0 && self.skip_line_breaks() {
                return Ok(Some(Frame::Ping));
            }
            let Some(head) = self.find_head()? else {
                return Ok(None);
            };
            self.whole = Some(measure(&head)?);
        }
        let Some(message) = self.whole.and_then(|whole| self.buffer.get(..whole)) else {
            return Ok(None);
        };
        let message = Bytes::copy_from_slice(message);
        self.buffer.advance(message.len());
        self.whole = None;
        self.scanned = 0;
        Ok(Some(Frame::Message(message)))
    }

    /// Skips line breaks before a message; whether they were a ping.
    fn skip_line_breaks(&mut self) -> bool {
        loop {
            match self.buffer.as_ref() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buffer.advance(4);
                    return true;
                }
                // A pong or half a ping: the next bytes tell.
                [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r', b'\n', ..] => self.buffer.advance(2),
                [b'\n', ..] => self.buffer.advance(1),
                _ => return false,
            }
        }
    }

    /// The head with its empty line, once it is complete.
    fn find_head(&mut self) -> Result<Option<Bytes>, Broken> {
        if matches!(self.buffer.first(), Some(b'\r' | b'\n')) {
            return Ok(None);
        }
        while let Some(rest) = self.buffer.get(self.scanned..) {
            let Some(at) = rest.iter().position(|&byte| byte == b'\n') else {
                self.scanned = self.buffer.len();
                break;
            };
            let line_end = self.scanned + at;
            let end = match rest.get(at + 1..) {
                Some([b'\n', ..]) => line_end + 2,
                Some([b'\r', b'\n', ..]) => line_end + 3,
                Some([] | [b'\r']) | None => {
                    self.scanned = line_end;
                    break;
                }
                Some(_) => {
                    self.scanned = line_end + 1;
                    continue;
                }
            };
            if end <= limits::SIP_HEAD_BYTES {
                let head = self.buffer.get(..end).unwrap_or_default();
                return Ok(Some(Bytes::copy_from_slice(head)));
            }
            break;
        }
        if self.buffer.len() > limits::SIP_HEAD_BYTES {
            let head = self.buffer.get(..limits::SIP_HEAD_BYTES);
            let head = Bytes::copy_from_slice(head.unwrap_or_default());
            return Err(refuse_head(&head, 413, "the header fields are too large").into());
        }
        Ok(None)
    }
}

/// The length of the message that begins with `head`.
fn measure(head: &Bytes) -> Result<usize, Broken> {
    let Some(body) = head_length(head)? else {
        return Err(refuse_head(head, 400, "Content-Length is missing").into());
    };
    let whole = head.len().saturating_add(body);
    if whole > limits::SIP_MESSAGE_BYTES {
        return Err(refuse_head(head, 413, "the message is too large").into());
    }
    Ok(whole)
}

impl From<Reject> for Broken {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::Answer(refusal) => Self {
                why: refusal.why,
                answer: Some(refusal),
            },
            Reject::Silence(why) => Self { answer: None, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\n";

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
    }

    fn broken(bytes: &[u8]) -> Broken {
        let mut framer = Framer::new();
        framer.push(bytes);
        let broken = framer.next_frame().unwrap_err();
        framer.push(b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\n\r\n");
        assert_eq!(framer.next_frame(), Ok(None));
        broken
    }

    #[test]
    fn messages_come_out_whole_however_they_come_in() {
        let one = format!("{HEAD}l: 4\r\n\r\n\r\n\r\n");
        let two = format!("{HEAD}Content-Length:\r\n 0\r\n\r\n");
        let stream = format!("\r\n{one}\r\n\r\n{two}\r\n\r\n\r\n\r\n{one}");
        let whole = [
            Frame::Message(Bytes::from(one.clone())),
            Frame::Ping,
            Frame::Message(Bytes::from(two)),
            Frame::Ping,
            Frame::Ping,
            Frame::Message(Bytes::from(one)),
        ];
        for piece in [1, 2, 3, 7, stream.len()] {
            let mut framer = Framer::new();
            let mut got = Vec::new();
            for bytes in stream.as_bytes().chunks(piece) {
                framer.push(bytes);
                got.extend(frames(&mut framer));
            }
            assert_eq!(got, whole, "in pieces of {piece}");
            assert!(!framer.is_mid_message());
        }
    }

    #[test]
    fn a_length_that_cannot_be_trusted_breaks_the_stream_with_an_answer() {
        for (length, status) in [
            ("", 400),
            ("l: -1\r\n", 400),
            ("l: 4294967328\r\n", 413),
            ("l: 99999999999999999999999\r\n", 400),
            ("l: 1\r\nContent-Length: 2\r\n", 400),
            ("l: 65535\r\n", 413),
        ] {
            let broken = broken(format!("{HEAD}{length}\r\n").as_bytes());
            assert_eq!(broken.answer.unwrap().status, status, "{length}");
        }
    }

    #[test]
    fn a_head_without_end_and_noise_break_the_stream() {
        let mut endless = HEAD.to_owned();
        while endless.len() <= limits::SIP_HEAD_BYTES {
            endless.push_str("X-Long: and on and on\r\n");
        }
        assert_eq!(broken(endless.as_bytes()).answer.unwrap().status, 413);
        assert_eq!(broken(b"GET / HTTP/1.1\r\n\r\n").answer, None);
        assert_eq!(broken(&[b'x'; limits::SIP_HEAD_BYTES + 1]).answer, None);
        assert_eq!(
            broken(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\n\r\n").answer,
            None
        );
    }

    #[test]
    fn a_byte_at_a_time_is_looked_at_once() {
        let mut framer = Framer::new();
        let mut scanned = 0;
        for byte in format!("{HEAD}X: {}", "y".repeat(20_000)).bytes() {
            framer.push(&[byte]);
            assert_eq!(framer.next_frame(), Ok(None));
            assert!(framer.scanned >= scanned && framer.scanned + 2 >= framer.buffer.len());
            scanned = framer.scanned;
        }
        assert!(framer.is_mid_message());
    }
}
