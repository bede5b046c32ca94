//! Our certificate: read from its files, checked before it is used, changed while calls go on.
//!
//! Not a verifier: who verifies others is [`super::connect`]. Of X.509 only the dates are read here; the
//! rest is rustls's business.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::Error as TlsError;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::limits;
use crate::server::settings::CertificateFiles;
use crate::time::Wall;

/// The first and the last moment a certificate is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// Not before.
    pub from: Wall,
    /// Not after.
    pub until: Wall,
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "good from {} until {}", self.from, self.until)
    }
}

/// A certificate with its key, fit to be shown to peers.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    /// When it is good.
    pub validity: Validity,
}

impl Certificate {
    /// Reads both files and checks that they are a certificate of today and its key.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn load(files: &CertificateFiles, now: Wall) -> Result<Self, String> {
        let chain = certificates(&files.certificate, "sip.tls.certificate")?;
        let shown = files.certificate.display();
        let validity = chain.first().and_then(|first| validity(first));
        let Some(validity) = validity else {
            return Err(format!(
                "{shown} holds no X.509 certificate that can be read; set `sip.tls.certificate` to a PEM file with the certificate and its chain"
            ));
        };
        let key_shown = files.key.display();
        let key = read(&files.key, "sip.tls.key")?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
            format!("{key_shown} holds no private key; set `sip.tls.key` to a PEM file with the key of {shown}, without a password")
        })?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
            if matches!(error, TlsError::InconsistentKeys(_)) {
                format!("{key_shown} is not the key of {shown}; set `sip.tls.certificate` and `sip.tls.key` to two files that belong together")
            } else {
                format!("{shown} and {key_shown} cannot be used: {error}")
            }
        })?;
        if now > validity.until {
            return Err(format!(
                "the certificate in {shown} ended at {}; renew it",
                validity.until
            ));
        }
        if now < validity.from {
            return Err(format!(
                "the certificate in {shown} begins only at {}; use the one before it until then, or correct this machine's clock",
                validity.from
            ));
        }
        Ok(Self {
            key: Arc::new(key),
            validity,
        })
    }
}

/// The certificate that new connections are shown; those that stand keep what they were shown.
#[derive(Debug)]
pub struct Shown {
    live: RwLock<Arc<CertifiedKey>>,
}

impl Shown {
    /// Shows a certificate from now on.
    #[must_use]
    pub fn new(certificate: &Certificate) -> Self {
        Self {
            live: RwLock::new(Arc::clone(&certificate.key)),
        }
    }

    /// Shows another one from now on.
    pub fn replace(&self, certificate: &Certificate) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        *live = Arc::clone(&certificate.key);
    }

    /// What a listener answers handshakes with.
    ///
    /// # Errors
    /// rustls refuses its own defaults.
    pub fn listener(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&live))
    }
}

/// The one provider of cryptography.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The authorities in the file that `key` of the settings names.
///
/// # Errors
/// One sentence that says what to do.
pub fn authorities(path: &Path, key: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, key)? {
        roots.add(certificate).map_err(|error| {
            let path = path.display();
            format!("{path} holds a certificate that is no authority's ({error}); set `{key}` to the PEM file of the authority")
        })?;
    }
    Ok(roots)
}

fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path, key)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(format!(
            "{} holds no certificate; set `{key}` to a PEM file that begins with -----BEGIN CERTIFICATE-----",
            path.display()
        )),
    }
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(limits::SETTINGS_FILE_BYTES)
                .read_to_end(&mut bytes)
        })
        .map_err(|error| {
            let path = path.display();
            format!("cannot read {path} ({error}); set `{key}` to a file that the server's user may read")
        })?;
    Ok(bytes)
}

/// The dates of a certificate (RFC 5280 4.1.2.5).
fn validity(der: &[u8]) -> Option<Validity> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (SEQUENCE, certificate, _) = element(der)? else {
        return None;
    };
    let (SEQUENCE, mut rest, _) = element(certificate)? else {
        return None;
    };
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, dates, _) = element(rest)? else {
        return None;
    };
    let (from, after) = moment(dates)?;
    let (until, _) = moment(after)?;
    Some(Validity { from, until })
}

/// The first element of `der`: its tag, what is in it, what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        let add = |sum: usize, digit: &u8| (sum << 8) | usize::from(*digit);
        (digits.iter().fold(0, add), rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// A UTCTime or a GeneralizedTime, always in UTC and with seconds.
fn moment(der: &[u8]) -> Option<(Wall, &[u8])> {
    let (tag, text, after) = element(der)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        0x18 => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let civil =
        jiff::civil::DateTime::new(year, pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?, 0);
    let zoned = civil.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((Wall::from_millis(zoned.timestamp().as_millisecond()), after))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn at(year: i32) -> Wall {
        let day = date_time_ymd(year, 1, 1).unix_timestamp();
        Wall::from_millis(day * 1000)
    }

    /// A certificate of the years from `from` to `until` and its key, as files.
    fn written(folder: &Path, name: &str, from: i32, until: i32) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["strowger.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        let files = CertificateFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_certificate_is_good_between_its_dates_and_says_what_to_do_outside_them() {
        let folder = tempfile::tempdir().unwrap();
        let files = written(folder.path(), "a", 2020, 2060);
        let good = Certificate::load(&files, at(2026)).unwrap();
        assert_eq!(
            good.validity.to_string(),
            "good from 2020-01-01T00:00:00.000Z until 2060-01-01T00:00:00.000Z"
        );
        let late = Certificate::load(&files, at(2061)).unwrap_err();
        assert!(
            late.ends_with("ended at 2060-01-01T00:00:00.000Z; renew it"),
            "{late}"
        );
        let early = Certificate::load(&files, at(2019)).unwrap_err();
        assert!(early.contains("begins only at 2020-01-01"), "{early}");
    }

    #[test]
    fn files_that_are_missing_empty_or_of_two_pairs_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let one = written(folder.path(), "one", 2020, 2060);
        let other = written(folder.path(), "other", 2020, 2060);
        let load = |certificate: &PathBuf, key: &PathBuf| {
            let files = CertificateFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            };
            Certificate::load(&files, at(2026)).map(drop).unwrap_err()
        };
        let none = folder.path().join("none");
        let mixed = load(&one.certificate, &other.key);
        assert!(mixed.contains("is not the key of"), "{mixed}");
        let missing = load(&none, &one.key);
        assert!(missing.starts_with("cannot read") && missing.contains("`sip.tls.certificate`"));
        let missing = load(&one.certificate, &none);
        assert!(missing.starts_with("cannot read") && missing.contains("`sip.tls.key`"));
        let swapped = load(&one.key, &one.certificate);
        assert!(swapped.contains("holds no certificate"), "{swapped}");
        let keyless = load(&one.certificate, &one.certificate);
        assert!(keyless.contains("holds no private key"), "{keyless}");
    }

    #[test]
    fn no_bytes_make_the_reader_of_dates_fall_over() {
        let folder = tempfile::tempdir().unwrap();
        let files = written(folder.path(), "a", 2020, 2060);
        let pem = std::fs::read(&files.certificate).unwrap();
        let der = CertificateDer::from_pem_slice(&pem).unwrap();
        for end in 0..der.len() {
            // Nothing of it is whole, so nothing is said.
            assert_eq!(validity(&der[..end]), None);
        }
        for at in 0..der.len().min(200) {
            let mut bent = der.to_vec();
            bent[at] = 0xff;
            let _any_answer = validity(&bent);
        }
    }
}
