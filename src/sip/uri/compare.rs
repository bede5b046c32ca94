//! Whether two URIs name the same thing (RFC 3261 19.1.4, RFC 3966 4).

use super::escape::{canonical, unescape};
use super::{Host, Scheme, Uri};

impl Uri {
    /// Whether two URIs name the same thing (RFC 3261 19.1.4).
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            Scheme::Other => false,
            Scheme::Tel => {
                bare_number(self) == bare_number(other) && params_agree(self, other, &[])
            }
            Scheme::Sip | Scheme::Sips => {
                let password = |uri: &Self| {
                    uri.shape
                        .password
                        .as_ref()
                        .map(|range| canonical(uri.slice(range)))
                };
                self.user().map(canonical) == other.user().map(canonical)
                    && password(self) == password(other)
                    && self.port() == other.port()
                    && same_host(self, other)
                    && params_agree(
                        self,
                        other,
                        &["user", "ttl", "method", "maddr", "transport"],
                    )
                    && sorted_headers(self) == sorted_headers(other)
            }
        }
    }
}

fn bare_number(uri: &Uri) -> String {
    uri.user()
        .unwrap_or_default()
        .chars()
        .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
        .collect::<String>()
        .to_ascii_lowercase()
}

fn same_host(a: &Uri, b: &Uri) -> bool {
    match (a.host(), b.host()) {
        (Some(Host::Ip(a)), Some(Host::Ip(b))) => a == b,
        _ => a.host_text().eq_ignore_ascii_case(b.host_text()),
    }
}

/// Parameters in both must be equal; one of `telling` must not be in only one of them.
fn params_agree(a: &Uri, b: &Uri, telling: &[&str]) -> bool {
    let one_way = |a: &Uri, b: &Uri| {
        a.params().all(|(name, value)| {
            let name = unescape(name);
            if !b.has_param(&name) {
                return !telling.iter().any(|known| name.eq_ignore_ascii_case(known));
            }
            let (value, other) = (value.map(canonical), b.param(&name).map(canonical));
            match (value, other) {
                (Some(value), Some(other)) => value.eq_ignore_ascii_case(&other),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
        })
    };
    one_way(a, b) && one_way(b, a)
}

fn sorted_headers(uri: &Uri) -> Vec<String> {
    let mut headers: Vec<String> = uri
        .headers()
        .split('&')
        .filter(|header| !header.is_empty())
        .map(|header| match header.split_once('=') {
            Some((name, value)) => {
                format!(
                    "{}={}",
                    canonical(name).to_ascii_lowercase(),
                    canonical(value)
                )
            }
            None => canonical(header).to_ascii_lowercase(),
        })
        .collect();
    headers.sort();
    headers
}
