//! The small words of RFC 3261 25.1: token, quoted-string, LWS, and lists of things that may hold them.

use std::borrow::Cow;

/// Whether `byte` may stand in a token.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// Whether `text` is a token.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `byte` is white space inside a field or the rest of a folded line.
#[must_use]
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without the white space around it.
#[must_use]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_space(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Splits at the first `separator`.
#[must_use]
pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.get(1..)?))
}

/// A decimal number; none when it is anything else, or does not fit.
#[must_use]
pub fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Where the quoted string that opens at the start of `text` ends: the offset behind its closing
/// quote.
#[must_use]
pub fn quoted_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The text of a quoted string, or `text` itself when it is none.
#[must_use]
pub fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = text else {
        return Cow::Borrowed(text);
    };
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            _ => plain.push(byte),
        }
    }
    Cow::Owned(plain)
}

/// `text` as a quoted string. Control characters become spaces, so no line can be begun from within.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The parts of `text` between separators that stand outside quotes and angle brackets.
#[must_use]
pub fn split(text: &[u8], separator: u8) -> Split<'_> {
    Split {
        rest: Some(text),
        separator,
    }
}

/// See [`split`].
#[derive(Clone, Debug)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Split<'a> {
    /// What has not been given out yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest.unwrap_or_default()
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.take()?;
        let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
        let end = text.iter().position(|&byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if !bracketed => quoted = !quoted,
                _ if quoted => {}
                b'<' => bracketed = true,
                b'>' => bracketed = false,
                _ => return byte == self.separator && !bracketed,
            }
            false
        });
        match end.and_then(|end| text.split_at_checked(end)) {
            Some((part, rest)) => {
                self.rest = rest.get(1..);
                Some(part)
            }
            None => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_outside_quotes_and_brackets() {
        let parts: Vec<&[u8]> = split(br#""a, \"b" <sip:x,y@h>;q=1, <sip:c>,"#, b',').collect();
        assert_eq!(
            parts,
            [br#""a, \"b" <sip:x,y@h>;q=1"#.as_slice(), b" <sip:c>", b""]
        );
    }

    #[test]
    fn quoting_is_undone_by_unquoting_and_begins_no_line() {
        let name = "Лікар \"Айболить\" \\ Одеса";
        assert_eq!(unquote(quote(name).as_bytes()), name.as_bytes());
        assert_eq!(quote("a\r\nb"), "\"a  b\"");
        assert_eq!(quoted_len(br#""a\"b" c"#), Some(6));
        assert_eq!(quoted_len(br#""a\""#), None);
    }

    #[test]
    fn numbers_do_not_wrap() {
        assert_eq!(number::<u32>(b"0068"), Some(68));
        assert_eq!(number::<u32>(b"4294967296"), None);
        assert_eq!(number::<u32>(b"-1"), None);
        assert_eq!(number::<u32>(b"+1"), None);
        assert_eq!(number::<u32>(b""), None);
    }
}
