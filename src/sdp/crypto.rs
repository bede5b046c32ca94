//! `a=crypto` (RFC 4568): the keys that two sides tell each other.
//!
//! Nothing is encrypted here. A line with a suite, a parameter or a key that we do not speak is
//! passed over, as RFC 4568 6.3 and 7.1.2 want it, and never half understood.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use base64::{alphabet, engine::DecodePaddingMode};

use crate::rng::Rng;
use crate::words::{SrtpKey, SrtpSuite};

/// Some phones leave the padding away.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Suites that we speak, the better first. The tag of an offered line is its place here, from one.
pub const SUITES: [SrtpSuite; 2] = [
    SrtpSuite::AesCm128HmacSha1Tag80,
    SrtpSuite::AesCm128HmacSha1Tag32,
];

/// The key name that a packet can carry, in bytes (RFC 4568 6.1).
const LONGEST_MKI: usize = 128;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crypto {
    /// Names the line; the answer repeats it.
    pub tag: u32,
    /// What the author of the line encrypts with.
    pub key: SrtpKey,
}

impl Crypto {
    /// Reads the value of the attribute; none when it is not for us.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?;
        // RFC 4568 9.2: one to nine digits.
        let tag = Some(tag).filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let name = words.next()?;
        let suite = SUITES
            .into_iter()
            .find(|suite| name.eq_ignore_ascii_case(suite.as_str()))?;
        let key = words.next()?;
        // What is not announced as optional must be understood (RFC 4568 6.3.8); of the rest a
        // window's size is a hint for the author's own use.
        let understood = words.all(|word| word.starts_with('-') || word.starts_with("WSH="));
        let key = read_key(suite, key).filter(|_| understood)?;
        Some(Self { tag, key })
    }

    /// The line.
    #[must_use]
    pub fn to_line(&self) -> String {
        let key = [&self.key.master[..], &self.key.salt].concat();
        let (suite, key) = (self.key.suite.as_str(), STANDARD.encode(key));
        format!("a=crypto:{} {suite} inline:{key}\r\n", self.tag)
    }
}

/// `inline:<key and salt>[|lifetime][|MKI:length]`. A second key would need packets that say which.
fn read_key(suite: SrtpSuite, text: &str) -> Option<SrtpKey> {
    let (method, info) = text.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || info.contains(';') {
        return None;
    }
    let mut parts = info.split('|');
    let key = LENIENT.decode(parts.next()?).ok()?;
    let (master, salt) = key.split_first_chunk()?;
    let (master, salt) = (*master, salt.try_into().ok()?);
    let mut mki = Box::default();
    for part in parts {
        if let Some((value, length)) = part.split_once(':') {
            mki = read_mki(value, length)?;
        }
    }
    Some(SrtpKey {
        suite,
        master,
        salt,
        mki,
    })
}

/// The value as a number in so many bytes.
fn read_mki(value: &str, length: &str) -> Option<Box<[u8]>> {
    let value: u128 = value.parse().ok()?;
    let length: usize = length.parse().ok()?;
    if !(1..=LONGEST_MKI).contains(&length) {
        return None;
    }
    let bytes = value.to_be_bytes();
    let mut mki = vec![0; length];
    let kept = length.min(bytes.len());
    let (dropped, low) = bytes.split_at(bytes.len() - kept);
    mki.get_mut(length - kept..)?.copy_from_slice(low);
    dropped.iter().all(|&byte| byte == 0).then(|| mki.into())
}

/// Our own keys for one leg, one a suite, so that no key ever serves two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnKeys([SrtpKey; 2]);

impl OwnKeys {
    /// New keys.
    #[must_use]
    pub fn new(rng: &mut Rng) -> Self {
        Self(SUITES.map(|suite| {
            let (mut master, mut salt) = ([0; 16], [0; 14]);
            rng.fill(&mut master);
            rng.fill(&mut salt);
            SrtpKey {
                suite,
                master,
                salt,
                mki: Box::default(),
            }
        }))
    }

    /// The key for a suite.
    #[must_use]
    pub const fn of(&self, suite: SrtpSuite) -> &SrtpKey {
        let Self([long, short]) = self;
        match suite {
            SrtpSuite::AesCm128HmacSha1Tag80 => long,
            SrtpSuite::AesCm128HmacSha1Tag32 => short,
        }
    }

    /// The lines of an offer.
    pub fn lines(&self) -> impl Iterator<Item = Crypto> {
        let Self(keys) = self;
        (1..).zip(keys).map(|(tag, key)| Crypto {
            tag,
            key: key.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4568 9.1's own example of a key.
    const KEY: &str = "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";

    #[test]
    fn lines_of_phones_are_read() {
        for (line, mki) in [
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), &[][..]),
            (format!("1 aes_cm_128_hmac_sha1_80 INLINE:{KEY}|2^31"), &[]),
            (
                format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
                &[0, 0, 0, 1],
            ),
            (
                format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|258:2"),
                &[1, 2],
            ),
            (
                format!("1  AES_CM_128_HMAC_SHA1_80  inline:{KEY} WSH=128 -X"),
                &[],
            ),
        ] {
            let crypto = Crypto::parse(&line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((crypto.tag, &crypto.key.mki[..]), (1, mki), "{line}");
            assert_eq!(crypto.key.master[..3], *b"70x");
        }
        let short = Crypto::parse(&format!("7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}")).unwrap();
        let line = short.to_line();
        assert_eq!(
            line,
            format!("a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\r\n")
        );
        assert_eq!(Crypto::parse(line["a=crypto:".len()..].trim()), Some(short));
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for line in [
            "",
            "1",
            "x AES_CM_128_HMAC_SHA1_80 inline:x",
            &format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:x",
            "1 AES_CM_128_HMAC_SHA1_80 inline:YWJj",
            &format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 outline:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:0"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|256:1"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:129"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"),
        ] {
            assert_eq!(Crypto::parse(line), None, "{line}");
        }
    }

    #[test]
    fn keys_are_shown_to_nobody() {
        let own = OwnKeys::new(&mut Rng::new([5; 32]));
        let shown = format!("{own:?}");
        assert_eq!(
            shown,
            "OwnKeys([SrtpKey(AES_CM_128_HMAC_SHA1_80), SrtpKey(AES_CM_128_HMAC_SHA1_32)])"
        );
    }
}
