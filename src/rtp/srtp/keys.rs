//! The session keys of one direction (RFC 3711 4.3), and what they do to bytes.

use aes::Aes128;
use aes::cipher::{InnerIvInit as _, KeyInit as _, StreamCipherCore as _};
use ctr::{CtrCore, flavors};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

use crate::words::SrtpKey;

/// What the keys are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum For {
    Rtp,
    Rtcp,
}

impl For {
    /// The labels of cipher, authentication and salt (RFC 3711 4.3.1 and 4.3.2).
    const fn labels(self) -> [u8; 3] {
        match self {
            Self::Rtp => [0, 1, 2],
            Self::Rtcp => [3, 4, 5],
        }
    }
}

/// The keys of one direction of RTP, or of RTCP.
pub(super) struct SessionKeys {
    cipher: Aes128,
    auth: Hmac<Sha1>,
    salt: [u8; 14],
}

impl SessionKeys {
    /// Derives the keys; as with SDES always, once and for all (a derivation rate of zero).
    pub(super) fn derive(key: &SrtpKey, purpose: For) -> Self {
        let master = Aes128::new(&key.master.into());
        let [cipher, auth, own] = purpose.labels();
        Self {
            cipher: Aes128::new(&derived::<16>(&master, &key.salt, cipher).into()),
            auth: signer(derived(&master, &key.salt, auth)),
            salt: derived(&master, &key.salt, own),
        }
    }

    /// Encrypts or decrypts (RFC 3711 4.1.1).
    pub(super) fn apply(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let mut block = [0; 16];
        let (salt, ssrc, [_, _, index @ ..]) = (self.salt, ssrc.to_be_bytes(), index.to_be_bytes());
        let mask = [0; 4].into_iter().chain(ssrc).chain(index);
        for (byte, (salt, mask)) in block.iter_mut().zip(salt.into_iter().zip(mask)) {
            *byte = salt ^ mask;
        }
        keystream(&self.cipher, block, bytes);
    }

    /// The tag over a packet and what follows it (RFC 3711 4.2).
    pub(super) fn tag(&self, packet: &[u8], suffix: &[u8]) -> [u8; 20] {
        let mut auth = self.auth.clone();
        auth.update(packet);
        auth.update(suffix);
        auth.finalize().into_bytes().into()
    }

    /// Whether a tag, cut as the suite cuts it, is right; takes as long if it is not.
    pub(super) fn verify(&self, packet: &[u8], suffix: &[u8], tag: &[u8]) -> bool {
        let mut auth = self.auth.clone();
        auth.update(packet);
        auth.update(suffix);
        auth.verify_truncated_left(tag).is_ok()
    }
}

/// HMAC fills a short key up with zeros itself (RFC 2104 2); doing it here leaves nothing to fail.
fn signer(key: [u8; 20]) -> Hmac<Sha1> {
    let mut block = [0; 64];
    for (byte, key) in block.iter_mut().zip(key) {
        *byte = key;
    }
    Hmac::new(&block.into())
}

fn derived<const N: usize>(master: &Aes128, salt: &[u8; 14], label: u8) -> [u8; N] {
    let mut block = [0; 16];
    for (byte, salt) in block.iter_mut().zip(salt) {
        *byte = *salt;
    }
    let [.., place, _, _, _, _, _, _, _, _] = &mut block;
    *place ^= label;
    let mut out = [0; N];
    keystream(master, block, &mut out);
    out
}

fn keystream(cipher: &Aes128, block: [u8; 16], bytes: &mut [u8]) {
    CtrCore::<&Aes128, flavors::Ctr128BE>::inner_iv_init(cipher, &block.into())
        .apply_keystream_partial(bytes.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::SrtpSuite;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        pairs
            .map(|pair| u8::from_str_radix(&pair, 16).unwrap())
            .collect()
    }

    #[test]
    fn rfc_3711_b_2_keystream() {
        let key: [u8; 16] = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
        let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
        let keys = SessionKeys {
            cipher: Aes128::new(&key.into()),
            auth: signer([0; 20]),
            salt,
        };
        let mut bytes = vec![0; 0xff02 * 16];
        keys.apply(0, 0, &mut bytes);
        assert_eq!(
            bytes[..48],
            hex(
                "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB \
                 41E95B3BB0A2E8DD477901E4FCA894C0"
            )
        );
        assert_eq!(
            bytes[0xfeff * 16..],
            hex(
                "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE \
                 6A2CC3787889374FBEB4C81B17BA6C44"
            )
        );
    }

    #[test]
    fn rfc_3711_b_3_key_derivation() {
        let master: [u8; 16] = hex("E1F97A0D3E018BE0D64FA32C06DE4139").try_into().unwrap();
        let salt: [u8; 14] = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
        let master = Aes128::new(&master.into());
        let cipher: [u8; 16] = derived(&master, &salt, 0);
        let own: [u8; 14] = derived(&master, &salt, 2);
        let auth: [u8; 94] = derived(&master, &salt, 1);
        assert_eq!(cipher[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(own[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            auth[..],
            hex(
                "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE \
                 E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25 \
                 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2"
            )
        );
    }

    #[test]
    fn the_keys_of_rtp_and_rtcp_differ() {
        let key = SrtpKey {
            suite: SrtpSuite::AesCm128HmacSha1Tag80,
            master: [7; 16],
            salt: [8; 14],
            mki: Box::default(),
        };
        let [rtp, rtcp] = [For::Rtp, For::Rtcp].map(|it| SessionKeys::derive(&key, it));
        assert_ne!(rtp.salt, rtcp.salt);
        assert_ne!(rtp.tag(b"x", b""), rtcp.tag(b"x", b""));
    }
}
