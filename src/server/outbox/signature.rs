//! The signature of Standard Webhooks: base64 of HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::dialplan::plan::Secret;

/// The key of a sink: `whsec_` and base64, or any text, taken as bytes.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// None when what follows `whsec_` is no base64.
    pub(super) fn new(secret: &Secret) -> Option<Self> {
        let clear = secret.reveal();
        let bytes = match clear.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => clear.as_bytes().to_vec(),
        };
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(id.as_bytes());
        mac.update(format!(".{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the libraries of Standard Webhooks share.
    #[test]
    fn the_known_vector_is_met() {
        let key = Key::new(&Secret::new(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
        ))
        .unwrap();
        assert_eq!(
            key.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn any_other_text_is_taken_as_bytes_and_bad_base64_is_refused() {
        let plain = Key::new(&Secret::new("секрет".into())).unwrap();
        assert!(plain.sign("id", 0, "").starts_with("v1,"));
        assert!(Key::new(&Secret::new("whsec_не base64".into())).is_none());
    }
}
