//! The client's side of Digest (RFC 3261 22.2, RFC 7616, RFC 8760): a challenge that we can answer.
//!
//! Whom we answer, and how often, is for the one who sends the request to say.

use super::digest::{self, Protection};
use crate::rng::Rng;
use crate::sip::endpoint::{Algorithm, Credentials};
use crate::sip::header;
use crate::sip::header::token::quote;

/// What a digest protects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quality {
    /// `auth`: the method and the URI.
    Request,
    /// `auth-int`: the body too.
    Body,
}

impl Quality {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "auth",
            Self::Body => "auth-int",
        }
    }
}

/// A challenge that we can answer.
#[derive(Clone)]
pub struct Challenge {
    realm: String,
    nonce: String,
    algorithm: Algorithm,
    /// The hash is one of the session: `MD5-sess`, `SHA-256-sess`.
    session: bool,
    opaque: Option<String>,
    quality: Option<Quality>,
    count: u32,
}

/// A request as its digest sees it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The method.
    pub method: &'a str,
    /// The request URI.
    pub uri: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Challenge {
    /// The first challenge that we can answer, as the server prefers them (RFC 8760 2.4), and
    /// whether the password was right and only the nonce too old.
    pub fn choose(given: impl Iterator<Item = header::Credentials>) -> Option<(Self, bool)> {
        given.filter_map(|given| Self::read(&given)).next()
    }

    fn read(given: &header::Credentials) -> Option<(Self, bool)> {
        if !given.is_digest() {
            return None;
        }
        let qop = given.get("qop");
        let lists = |word: &str| {
            qop.is_some_and(|list| {
                list.split(',')
                    .any(|one| one.trim().eq_ignore_ascii_case(word))
            })
        };
        let quality = match (lists("auth"), lists("auth-int")) {
            (true, _) => Some(Quality::Request),
            (false, true) => Some(Quality::Body),
            (false, false) if qop.is_none() => None,
            (false, false) => return None,
        };
        let token = given.get("algorithm");
        let base = token.and_then(|token| {
            let (base, suffix) = token.split_at_checked(token.len().checked_sub(5)?)?;
            suffix.eq_ignore_ascii_case("-sess").then_some(base)
        });
        let challenge = Self {
            realm: given.get("realm")?.to_owned(),
            nonce: given.get("nonce")?.to_owned(),
            algorithm: Algorithm::parse(base.or(token))?,
            session: base.is_some(),
            opaque: given.get("opaque").map(str::to_owned),
            quality,
            count: 0,
        };
        let stale = given
            .get("stale")
            .is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        Some((challenge, stale))
    }

    /// Who asks.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The value of Authorization or Proxy-Authorization for the next request.
    pub fn answer(
        &mut self,
        user: &str,
        password: &str,
        subject: Subject<'_>,
        rng: &mut Rng,
    ) -> String {
        self.count = self.count.saturating_add(1);
        let algorithm = self.algorithm;
        let (nc, cnonce) = (format!("{:08x}", self.count), rng.token(16));
        let hashes = Credentials::from_password(user, &self.realm, password);
        let plain = hashes.ha1(algorithm);
        let session = self
            .session
            .then(|| digest::session_ha1(algorithm, plain, &self.nonce, &cnonce));
        let protection = self.quality.map(|quality| Protection {
            nc: &nc,
            cnonce: &cnonce,
            qop: quality.as_str(),
        });
        let body = (self.quality == Some(Quality::Body)).then_some(subject.body);
        let response = digest::response_over(
            algorithm,
            session.as_deref().unwrap_or(plain),
            &self.nonce,
            protection,
            subject.method,
            subject.uri,
            body,
        );
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", \
             algorithm={}{}",
            quote(user),
            quote(&self.realm),
            quote(&self.nonce),
            quote(subject.uri),
            algorithm.as_str(),
            if self.session { "-sess" } else { "" },
        );
        match self.quality {
            Some(quality) => {
                let qop = quality.as_str();
                value.push_str(&format!(", qop={qop}, nc={nc}, cnonce=\"{cnonce}\""));
            }
            None if self.session => value.push_str(&format!(", cnonce=\"{cnonce}\"")),
            None => {}
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque={}", quote(opaque)));
        }
        value
    }
}

/// Shows nothing that proves who somebody is.
impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Challenge({:?}, …)", self.realm)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(text: &str) -> Option<(Challenge, bool)> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let given = header::Credentials::parse(&bytes).unwrap();
        Challenge::choose(std::iter::once(given))
    }

    fn answer(challenge: &mut Challenge, body: &[u8]) -> header::Credentials {
        let subject = Subject {
            method: "INVITE",
            uri: "sip:1@carrier.example",
            body,
        };
        let value = challenge.answer("clinic", "secret", subject, &mut Rng::new([3; 32]));
        header::Credentials::parse(&Bytes::from(value)).unwrap()
    }

    /// RFC 7616 3.4.1 to 3.4.3, the hash computed here by its words.
    #[test]
    fn each_algorithm_and_quality_is_computed_as_the_rfc_says() {
        for (name, algorithm) in [("MD5", Algorithm::Md5), ("SHA-256", Algorithm::Sha256)] {
            for session in [false, true] {
                for qop in ["", "auth", "auth-int", "auth-int,auth"] {
                    let suffix = if session { "-sess" } else { "" };
                    let text = format!(
                        "Digest realm=\"r\", nonce=\"n\", qop=\"{qop}\", algorithm={name}{suffix}"
                    );
                    let text = text.replace(" qop=\"\",", "");
                    let (mut challenge, stale) = read(&text).unwrap();
                    assert!(!stale);
                    let given = answer(&mut challenge, b"v=0");
                    let hash = |text: &str| algorithm.hash(text);
                    let mut a1 = hash("clinic:r:secret");
                    let cnonce = given.get("cnonce").unwrap_or_default().to_owned();
                    if session {
                        a1 = hash(&format!("{a1}:n:{cnonce}"));
                    }
                    let body = if qop == "auth-int" {
                        format!(":{}", hash("v=0"))
                    } else {
                        String::new()
                    };
                    let a2 = hash(&format!("INVITE:sip:1@carrier.example{body}"));
                    let wanted = match qop {
                        "" => hash(&format!("{a1}:n:{a2}")),
                        _ => {
                            let qop = given.get("qop").unwrap();
                            hash(&format!("{a1}:n:00000001:{cnonce}:{qop}:{a2}"))
                        }
                    };
                    assert_eq!(given.get("response"), Some(wanted.as_str()), "{text}");
                    assert_eq!(given.get("algorithm").unwrap(), format!("{name}{suffix}"));
                }
            }
        }
    }

    /// RFC 3261 22.4 and RFC 7616 3.4: `nc` has eight digits of base sixteen.
    #[test]
    fn the_nonce_count_is_hexadecimal() {
        let (mut challenge, stale) =
            read("Digest realm=\"r\", nonce=\"n\", qop=\"auth\", stale=TRUE, opaque=\"o\"")
                .unwrap();
        assert!(stale);
        for count in 1..=17 {
            let given = answer(&mut challenge, b"");
            assert_eq!(given.get("nc").unwrap(), format!("{count:08x}"));
            assert_eq!(given.get("opaque"), Some("o"));
        }
        assert_eq!(answer(&mut challenge, b"").get("nc"), Some("00000012"));
    }

    #[test]
    fn what_we_cannot_answer_is_passed_over() {
        for bad in [
            "Basic realm=\"r\"",
            "Digest realm=\"r\", nonce=\"n\", algorithm=AKAv1-MD5",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
            "Digest realm=\"r\", algorithm=MD5",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
        let list = [
            "Digest realm=\"a\", nonce=\"n\", algorithm=SHA-512-256",
            "Digest realm=\"b\", nonce=\"n\", algorithm=sha-256-SESS",
            "Digest realm=\"c\", nonce=\"n\"",
        ];
        let given = list.map(|text| header::Credentials::parse(&Bytes::from(text)).unwrap());
        let (challenge, _) = Challenge::choose(given.into_iter()).unwrap();
        assert_eq!(challenge.realm(), "b");
        assert!(challenge.session);
    }
}
