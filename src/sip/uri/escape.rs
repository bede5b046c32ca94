//! `%HH`: undone for people, made for users that need it, and settled for comparison.

use std::borrow::Cow;

/// Undoes `%HH`; bytes that are no UTF-8 together become replacement characters.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    plain.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, part.get(2..)) {
            (Some(byte), Some(rest)) => {
                plain.push(byte);
                plain.extend_from_slice(rest.as_bytes());
            }
            _ => {
                plain.push(b'%');
                plain.extend_from_slice(part.as_bytes());
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// Escapes everything but the unreserved characters of RFC 3986 2.3, so that what comes out is one
/// value wherever it stands in an address.
#[must_use]
pub fn escape_all(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Adds `user` to `text`, escaping what a user part may not hold (RFC 3261 25.1).
pub(super) fn escape_user(user: &str, text: &mut String) {
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The text with every escape of an unreserved character undone and the others in upper case, so
/// that texts are equal when RFC 3261 19.1.4 says the parts are.
pub(super) fn canonical(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) => {
                plain.push(char::from(byte));
            }
            Some(byte) => plain.push_str(&format!("%{byte:02X}")),
            None => plain.push('%'),
        }
        plain.push_str(if byte.is_some() {
            part.get(2..).unwrap_or_default()
        } else {
            part
        });
    }
    plain
}
