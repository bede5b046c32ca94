//! The arithmetic of Digest (RFC 7616 3.4), for both sides of it.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::sip::endpoint::{Algorithm, Credentials};

impl Algorithm {
    /// The token of a challenge.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Reads the token of a challenge; none given means MD5.
    #[must_use]
    pub fn parse(token: Option<&str>) -> Option<Self> {
        match token {
            None => Some(Self::Md5),
            Some(token) if token.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(token) if token.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    /// The lower-case hex of a hash.
    pub(super) fn hash(self, text: impl AsRef<[u8]>) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

impl Credentials {
    /// The hashes of a password, which is then needed no more.
    #[must_use]
    pub fn from_password(user: &str, realm: &str, password: &str) -> Self {
        let text = format!("{user}:{realm}:{password}");
        Self {
            md5: Algorithm::Md5.hash(&text),
            sha256: Algorithm::Sha256.hash(&text),
        }
    }

    /// The hash for an algorithm.
    #[must_use]
    pub fn ha1(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha256 => &self.sha256,
        }
    }
}

/// Never shows the hashes: who has one can log in with it.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What `qop` adds to a digest.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'a> {
    /// The nonce count, eight hex digits, as it is written.
    pub nc: &'a str,
    /// The client's own nonce.
    pub cnonce: &'a str,
    /// The quality as it is written: `auth` or `auth-int`.
    pub qop: &'a str,
}

/// The `response` of a request with no body to protect.
#[must_use]
pub fn response(
    algorithm: Algorithm,
    ha1: &str,
    nonce: &str,
    protection: Option<Protection<'_>>,
    method: &str,
    uri: &str,
) -> String {
    response_over(algorithm, ha1, nonce, protection, method, uri, None)
}

/// The `response` of a request whose `body`, if given, is protected too (`auth-int`).
#[must_use]
pub fn response_over(
    algorithm: Algorithm,
    ha1: &str,
    nonce: &str,
    protection: Option<Protection<'_>>,
    method: &str,
    uri: &str,
    body: Option<&[u8]>,
) -> String {
    let ha2 = match body {
        Some(body) => {
            let body = algorithm.hash(body);
            algorithm.hash(format!("{method}:{uri}:{body}"))
        }
        None => algorithm.hash(format!("{method}:{uri}")),
    };
    match protection {
        Some(Protection { nc, cnonce, qop }) => {
            algorithm.hash(format!("{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}"))
        }
        None => algorithm.hash(format!("{ha1}:{nonce}:{ha2}")),
    }
}

/// The hash of a `-sess` algorithm, which is bound to both nonces.
#[must_use]
pub fn session_ha1(algorithm: Algorithm, ha1: &str, nonce: &str, cnonce: &str) -> String {
    algorithm.hash(format!("{ha1}:{nonce}:{cnonce}"))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_2617() {
        let credentials =
            Credentials::from_password("Mufasa", "testrealm@host.com", "Circle Of Life");
        let protection = Protection {
            nc: "00000001",
            cnonce: "0a4f113b",
            qop: "auth",
        };
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let uri = "/dir/index.html";
        assert_eq!(
            response(
                Algorithm::Md5,
                &credentials.md5,
                nonce,
                Some(protection),
                "GET",
                uri
            ),
            "6629fae49393a05397450978507c4ef1"
        );
        assert_eq!(
            response(Algorithm::Md5, &credentials.md5, nonce, None, "GET", uri),
            "670fd8c2df070c60b045671b8b24ff02"
        );
    }

    #[test]
    fn the_example_of_rfc_7616() {
        let credentials =
            Credentials::from_password("Mufasa", "http-auth@example.org", "Circle of Life");
        let protection = Protection {
            nc: "00000001",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            qop: "auth",
        };
        assert_eq!(
            response(
                Algorithm::Sha256,
                &credentials.sha256,
                "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                Some(protection),
                "GET",
                "/dir/index.html",
            ),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        assert_eq!(format!("{credentials:?}"), "Credentials(…)");
    }
}
