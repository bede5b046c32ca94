//! From a message to bytes.
//!
//! What is written has exactly the lines that its fields make: a line break inside a value becomes
//! a space, whoever put it there. Content-Length is counted, never copied.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::Name;
use super::header::token::is_token;
use super::message::{Message, StartLine};

impl Message {
    /// The message on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let fields: usize = self
            .headers
            .iter()
            .map(|field| field.name.as_bytes().len() + field.value.len() + 4)
            .sum();
        let mut out = BytesMut::with_capacity(fields + self.body.len() + 256);
        match &self.start {
            StartLine::Request { method, uri } => {
                out.put_slice(method.as_str().as_bytes());
                out.put_u8(b' ');
                out.put_slice(uri.as_str().as_bytes());
                out.put_slice(b" SIP/2.0\r\n");
            }
            StartLine::Response { status, reason } => {
                out.put_slice(format!("SIP/2.0 {status:03} ").as_bytes());
                put_line(&mut out, reason);
            }
        }
        for field in self.headers.iter() {
            let name = field.name.as_bytes();
            if field.name == Name::ContentLength || !is_token(name) {
                continue;
            }
            out.put_slice(name);
            out.put_slice(b": ");
            put_line(&mut out, &field.value);
        }
        out.put_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        out.put_slice(&self.body);
        out.freeze()
    }
}

fn put_line(out: &mut BytesMut, value: &[u8]) {
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        out.extend(value.iter().map(|&byte| match byte {
            b'\r' | b'\n' => b' ',
            byte => byte,
        }));
    } else {
        out.put_slice(value);
    }
    out.put_slice(b"\r\n");
}
