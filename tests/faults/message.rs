//! SIP as text, as far as the parties of these tests speak it: written from RFC 3261 and not with the
//! project's own parser.

use md5::{Digest as _, Md5};

/// A message that was received. Its header lines are whole, one to a line.
#[derive(Clone)]
pub struct Message {
    pub first: String,
    lines: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    /// Reads a datagram; none for keepalives and the like.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?.to_owned();
        let lines = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (full(name.trim()), value.trim().to_owned()))
            .collect();
        Some(Self {
            first,
            lines,
            body: body.to_owned(),
        })
    }

    /// The message as it is sent again.
    pub fn whole(&self) -> String {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.lines {
            text += &format!("{name}: {value}\r\n");
        }
        text + "\r\n" + &self.body
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.first
            .strip_prefix("SIP/2.0 ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    }

    /// The method of a request, or of what a response answers.
    pub fn method(&self) -> &str {
        let of_response = || self.get("cseq").split(' ').nth(1);
        let of_request = || self.first.split(' ').next();
        let word = if self.status().is_some() {
            of_response()
        } else {
            of_request()
        };
        word.unwrap_or_default()
    }

    /// The first header of a name, in lower case.
    pub fn get(&self, name: &str) -> &str {
        let named = self.lines.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The user that a request is for.
    pub fn wanted(&self) -> &str {
        let uri = self.first.split(' ').nth(1).unwrap_or_default();
        let user = uri.strip_prefix("sip:").unwrap_or(uri);
        user.split('@').next().unwrap_or_default()
    }

    /// The URI of the contact, which requests inside the dialog go to.
    pub fn contact(&self) -> &str {
        let contact = self.get("contact");
        let inner = contact.split_once('<').map_or(contact, |(_, rest)| rest);
        inner.split('>').next().unwrap_or_default()
    }

    /// Where the description wants its sound.
    pub fn port(&self) -> Option<u16> {
        let (_, media) = self.body.split_once("m=audio ")?;
        media.split(' ').next()?.parse().ok()
    }

    /// The answer to this request (RFC 3261 8.2.6), with lines and a body.
    pub fn answer(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["via", "from", "to", "call-id", "cseq"] {
            for (_, value) in self.lines.iter().filter(|(known, _)| known == name) {
                let tagged = name == "to" && !value.contains(";tag=") && !tag.is_empty();
                let tag = if tagged {
                    format!(";tag={tag}")
                } else {
                    String::new()
                };
                text += &format!("{name}: {value}{tag}\r\n");
            }
        }
        text + more + &bodied(body)
    }

    /// What a REGISTER says to the challenge of this response (RFC 2617, MD5).
    pub fn credentials(&self, user: &str, password: &str, method: &str, uri: &str) -> String {
        let challenge = self.get("www-authenticate");
        let word = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let (realm, nonce) = (word("realm"), word("nonce"));
        let (cnonce, count) = ("c0ffee", "00000001");
        let secret = hash(&format!("{user}:{realm}:{password}"));
        let asked = hash(&format!("{method}:{uri}"));
        let response = hash(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{asked}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm=MD5, qop=auth, nc={count}, cnonce=\"{cnonce}\"\r\n"
        )
    }
}

/// A body with its headers.
pub fn bodied(body: &str) -> String {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn hash(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A header's whole name in lower case.
fn full(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        other => return other.to_owned(),
    }
    .to_owned()
}
