//! Digest authentication, the server's side (RFC 3261 22, RFC 7616, RFC 8760).
//!
//! Challenges cost no memory: a nonce carries its own proof. A wrong password and an unknown user
//! get the same answer. `auth-int` is not offered: a SIP body is read by too many on its way.

pub mod answer;
pub mod digest;
pub mod lockout;
pub mod nonce;
pub mod secret;

use std::collections::BTreeMap;
use std::net::IpAddr;

use subtle::ConstantTimeEq as _;

use self::digest::Protection;
use self::lockout::Lockout;
use self::nonce::{Nonces, Use};
use self::secret::Secret;
use super::endpoint::{Algorithm, Credentials};
use super::header;
use crate::id::OperatorName;
use crate::rng::Rng;
use crate::time::Instant;

/// A request that wants to be let in.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Its credentials for our realm, if it has any that we can read.
    pub credentials: Option<&'a header::Credentials>,
    /// Its method.
    pub method: &'a str,
    /// Its request URI, as it came.
    pub uri: &'a str,
    /// What tells it from other requests and not from its own repetitions: Call-ID, CSeq, branch.
    pub request: [&'a [u8]; 3],
    /// Where it came from.
    pub address: IpAddr,
}

/// What is to be done with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is from this operator.
    Accepted(OperatorName),
    /// It gets a challenge.
    Challenged {
        /// The password was right and only the nonce too old or used.
        stale: bool,
        /// It had credentials, and they were wrong.
        failed: bool,
    },
    /// It gets no answer.
    Silenced,
}

/// Who may come in.
pub struct Authority {
    realm: String,
    algorithms: Vec<Algorithm>,
    secret: Secret,
    nonces: Nonces,
    lockout: Lockout,
    /// Every digest computed so far: its algorithm, and how long the secret part of its text was.
    #[cfg(test)]
    pub(in crate::sip) worked: Vec<(Algorithm, usize)>,
}

impl Authority {
    /// An authority for `realm` that challenges with `algorithms` in this order.
    #[must_use]
    pub fn new(realm: &str, algorithms: &[Algorithm], secret: Secret) -> Self {
        Self {
            realm: realm.to_owned(),
            algorithms: algorithms.to_vec(),
            secret,
            nonces: Nonces::default(),
            lockout: Lockout::default(),
            #[cfg(test)]
            worked: Vec::new(),
        }
    }

    /// The values of the challenge's header fields, one an algorithm.
    pub fn challenges(&self, now: Instant, rng: &mut Rng, stale: bool) -> Vec<String> {
        let nonce = nonce::issue(&self.secret, rng, now);
        let stale = if stale { ", stale=true" } else { "" };
        self.algorithms
            .iter()
            .map(|algorithm| {
                format!(
                    "Digest realm={}, nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                    header::token::quote(&self.realm),
                    algorithm.as_str(),
                )
            })
            .collect()
    }

    /// Of a request's credentials, those for us: the scheme Digest, our realm, an algorithm we
    /// offer. Whatever else came is as if it had not come.
    pub fn choose(
        &self,
        mut given: impl Iterator<Item = header::Credentials>,
    ) -> Option<header::Credentials> {
        given.find(|credentials| {
            credentials.is_digest()
                && credentials.get("realm") == Some(&self.realm)
                && Algorithm::parse(credentials.get("algorithm"))
                    .is_some_and(|algorithm| self.algorithms.contains(&algorithm))
        })
    }

    /// Whether nothing from this address is answered.
    #[must_use]
    pub fn silences(&self, now: Instant, address: IpAddr) -> bool {
        self.lockout.silences(now, address)
    }

    /// Judges a request.
    pub fn verify(
        &mut self,
        now: Instant,
        users: &BTreeMap<OperatorName, Credentials>,
        claim: &Claim<'_>,
    ) -> Verdict {
        let none = Verdict::Challenged {
            stale: false,
            failed: false,
        };
        let Some(given) = claim.credentials else {
            return none;
        };
        let (Some(user), Some(nonce), Some(uri), Some(response), Some(algorithm)) = (
            given.get("username"),
            given.get("nonce"),
            given.get("uri"),
            given.get("response"),
            Algorithm::parse(given.get("algorithm")),
        ) else {
            return none;
        };
        let protection = match given.get("qop") {
            None => None,
            Some(qop) => match (given.get("nc"), given.get("cnonce")) {
                (Some(nc), Some(cnonce)) if qop.eq_ignore_ascii_case("auth") => {
                    Some(Protection { nc, cnonce, qop })
                }
                (Some(_) | None, Some(_) | None) => return none,
            },
        };
        let count = match protection.map(|protection| u32::from_str_radix(protection.nc, 16)) {
            None => 0,
            Some(Ok(count)) => count,
            Some(Err(_)) => return none,
        };

        let mark = self.secret.sign(&[b"user", user.as_bytes()]);
        if self.lockout.silences_user(now, claim.address, mark) {
            return Verdict::Silenced;
        }
        // A nonce too old, or of an earlier life of ours, is no guess at a password, and the answer
        // does not tell whether the password was right.
        let stale = Verdict::Challenged {
            stale: true,
            failed: false,
        };
        let Some(id) = nonce::read(&self.secret, nonce) else {
            return stale;
        };
        let request = self.secret.sign(&claim.request);
        let usable = self.nonces.check(now, id, count, request);
        if usable == Use::Stale {
            return stale;
        }
        let name = OperatorName::from(user);
        let known = users.get(&name);
        // An unknown user costs the same work as a known one with a wrong password: the same digest
        // over as many bytes.
        let nobody = match algorithm {
            Algorithm::Md5 => format!("{mark:032x}"),
            Algorithm::Sha256 => format!("{mark:032x}{mark:032x}"),
        };
        let ha1 = known.map_or(nobody.as_str(), |known| known.ha1(algorithm));
        #[cfg(test)]
        self.worked.push((algorithm, ha1.len()));
        let ours = digest::response(algorithm, ha1, nonce, protection, claim.method, uri);
        let theirs = response.to_ascii_lowercase();
        let matches = bool::from(ours.as_bytes().ct_eq(theirs.as_bytes()));
        if !matches || known.is_none() || !same_target(uri, claim.uri) {
            self.lockout.fail(now, claim.address, mark);
            return Verdict::Challenged {
                stale: false,
                failed: true,
            };
        }
        match usable {
            Use::Stale | Use::Replayed => stale,
            Use::Good => {
                self.nonces.remember(now, id, count, request);
                Verdict::Accepted(name)
            }
        }
    }
}

/// Never shows the secret.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({:?}, …)", self.realm)
    }
}

/// Whether the URI of a digest is that of its request: some phones leave out parameters or write
/// the default port, and nothing is lost by letting them.
fn same_target(a: &str, b: &str) -> bool {
    fn core(uri: &str) -> &str {
        let uri = uri.split([';', '?']).next().unwrap_or(uri);
        uri.strip_suffix(":5060").unwrap_or(uri)
    }
    core(a).eq_ignore_ascii_case(core(b))
}

#[cfg(test)]
mod tests;
