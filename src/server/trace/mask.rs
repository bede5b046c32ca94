//! What must not lie on a disk is overwritten before it gets there: digest responses and the keys of
//! SRTP. Every other byte stays where it was, so lengths stay true and a parser reads the rest.

/// Fields that carry credentials.
const CREDENTIALS: [&[u8]; 4] = [
    b"authorization",
    b"proxy-authorization",
    b"authentication-info",
    b"proxy-authentication-info",
];
/// Parameters of a digest that help to understand a failure and prove nothing.
const HARMLESS: [&[u8]; 11] = [
    b"username",
    b"realm",
    b"nonce",
    b"uri",
    b"algorithm",
    b"qop",
    b"nc",
    b"cnonce",
    b"opaque",
    b"userhash",
    b"stale",
];
const INLINE: &[u8] = b"inline:";

/// The message without its secrets, as long as it was.
#[must_use]
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    mask_head(&mut bytes);
    mask_keys(&mut bytes);
    bytes
}

/// Walks the header fields, a folded one as one. Line breaks before the message are no end of its head:
/// the parser passes them over too (RFC 3261 7.5).
fn mask_head(bytes: &mut [u8]) {
    let breaks = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let mut start = bytes.iter().take_while(breaks).count();
    while start < bytes.len() {
        let end = field_end(bytes, start);
        let Some(field) = bytes.get_mut(start..end) else {
            return;
        };
        if field.trim_ascii().is_empty() {
            return;
        }
        if let Some(colon) = field.iter().position(|&byte| byte == b':')
            && let Some((name, value)) = field.split_at_mut_checked(colon + 1)
        {
            let name = name.strip_suffix(b":").unwrap_or_default().trim_ascii();
            if CREDENTIALS.iter().any(|it| name.eq_ignore_ascii_case(it)) {
                mask_credentials(value);
            }
        }
        start = end;
    }
}

/// Where the field that begins at `start` ends: at a line break that no folding follows.
fn field_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(rest) = bytes.get(at..) {
        let Some(line) = rest.iter().position(|&byte| byte == b'\n') else {
            break;
        };
        at += line + 1;
        if !matches!(bytes.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    bytes.len()
}

/// A digest keeps what is harmless; of any other scheme its name alone is kept.
fn mask_credentials(value: &mut [u8]) {
    let blank_before = value.iter().take_while(|byte| byte.is_ascii_whitespace());
    let start = blank_before.count();
    let rest = value.get_mut(start..).unwrap_or_default();
    let scheme = rest.iter().position(u8::is_ascii_whitespace);
    let Some((scheme, rest)) = scheme.and_then(|end| rest.split_at_mut_checked(end)) else {
        // The fields of RFC 7616 3.5 have no scheme.
        return mask_parameters(rest);
    };
    if scheme.eq_ignore_ascii_case(b"digest") {
        mask_parameters(rest);
    } else if scheme.contains(&b'=') {
        mask_parameters(value);
    } else {
        blank(rest);
    }
}

fn mask_parameters(mut rest: &mut [u8]) {
    while !rest.is_empty() {
        let mut quoted = false;
        let mut escaped = false;
        let end = rest.iter().position(|&byte| {
            let ends = byte == b',' && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let Some((parameter, after)) = rest.split_at_mut_checked(end.unwrap_or(rest.len())) else {
            return;
        };
        let equals = parameter.iter().position(|&byte| byte == b'=');
        let equals = equals.unwrap_or(0);
        let name = parameter.get(..equals).unwrap_or_default().trim_ascii();
        if !HARMLESS.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            blank(parameter.get_mut(equals..).unwrap_or_default());
        }
        let skip = after.len().min(1);
        rest = after.get_mut(skip..).unwrap_or_default();
    }
}

/// Keys of RFC 4568 wherever they stand, and the `k=` lines of RFC 4566.
fn mask_keys(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + INLINE.len()) {
        if window.eq_ignore_ascii_case(INLINE) {
            at += INLINE.len();
            for byte in bytes.iter_mut().skip(at) {
                if byte.is_ascii_whitespace() || matches!(byte, b'|' | b';') {
                    break;
                }
                *byte = b'x';
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    for line in bytes.split_mut(|&byte| byte == b'\n') {
        if line.starts_with(b"k=") {
            blank(line.get_mut(2..).unwrap_or_default());
        }
    }
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'"') {
            *byte = b'x';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> String {
        let masked = masked(message.as_bytes());
        assert_eq!(masked.len(), message.len());
        String::from_utf8(masked).unwrap()
    }

    #[test]
    fn digest_responses_never_reach_the_disk_and_the_rest_does() {
        let text = said(
            "REGISTER sip:a SIP/2.0\r\nauthorization : Digest username=\"olena, response=x\", realm=\"r\",\r\n\tresponse=\"0123456789abcdef\", uri=\"sip:a\", nc=00000001\r\nProxy-Authorization: Digest RESPONSE = \"feed\"\r\nAuthorization: Basic b2xlbmE6c2VjcmV0\r\nAuthorization: Bearer s3cret\r\nAuthentication-Info: rspauth=\"beef\", nc=1\r\nContact: <sip:a>\r\n\r\n",
        );
        for secret in [
            "0123456789abcdef",
            "feed",
            "b2xlbmE6c2VjcmV0",
            "s3cret",
            "beef",
        ] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        for kept in [
            "username=\"olena, response=x\", realm=\"r\"",
            "uri=\"sip:a\", nc=00000001",
            "Basic xxxx",
            "Contact: <sip:a>",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn line_breaks_before_a_message_do_not_uncover_it() {
        for breaks in ["\r\n", "\r\n\r\n", "\n"] {
            let text = said(&format!(
                "{breaks}REGISTER sip:a SIP/2.0\r\nAuthorization: Digest response=\"feed\"\r\n\r\n"
            ));
            assert!(!text.contains("feed"), "{text}");
        }
    }

    #[test]
    fn keys_of_srtp_never_reach_the_disk() {
        let text = said(
            "INVITE sip:a SIP/2.0\r\nl: 1\r\n\r\nv=0\r\nk=base64:c2VjcmV0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZi|2^20|1:4;INLINE:second FEC_ORDER=1\r\na=rtpmap:8 PCMA/8000\r\n",
        );
        for secret in ["c2VjcmV0", "d0RmdmcmVCspeEc3QGZi", "second"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert!(text.contains("inline:xxxxxxxxxxxxxxxxxxxx|2^20|1:4;INLINE:xxxxxx FEC_ORDER=1"));
        assert!(text.ends_with("a=rtpmap:8 PCMA/8000\r\n"));
    }

    #[test]
    fn no_bytes_make_it_fall_over_or_change_the_length() {
        let whole = b"A: b\r\nAuthorization: Digest response=\"a\\\"b\", x\r\n \r\n\r\ninline:";
        for cut in 0..whole.len() {
            assert_eq!(masked(&whole[..cut]).len(), cut);
            assert_eq!(masked(&whole[cut..]).len(), whole.len() - cut);
        }
    }
}
