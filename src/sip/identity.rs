//! Who calls whom beside the request URI, To and From: the headers that carriers use for it.
//!
//! Only reads. Which of them is believed, and in which order, is for the dialplan to say.

use super::header::{Headers, Name, NameAddr};
use super::message::Message;
use super::uri::Uri;
use crate::limits;

/// What the headers of an INVITE say of who calls whom.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identity {
    /// P-Called-Party-ID (RFC 7315 4.2).
    pub p_called_party: Option<Uri>,
    /// Diversion, the last diverting party first (RFC 5806).
    pub diversion: Vec<Uri>,
    /// History-Info in the order of its indexes (RFC 7044).
    pub history: Vec<Uri>,
    /// P-Asserted-Identity (RFC 3325).
    pub asserted: Vec<Uri>,
    /// Remote-Party-ID of the calling party.
    pub remote_party: Option<Uri>,
    /// The caller wants not to be shown (RFC 3323).
    pub private: bool,
}

impl Identity {
    /// Reads the headers of an INVITE; one that cannot be read says nothing.
    #[must_use]
    pub fn of(invite: &Message) -> Self {
        let headers = &invite.headers;
        let remote = addresses(headers, &Name::RemotePartyId).find(|it| {
            it.params
                .get("party")
                .is_none_or(|it| it.eq_ignore_ascii_case("calling"))
        });
        let hides = |value: &str| {
            let mut words = value.split([';', ',']).map(str::trim);
            words.any(|word| PRIVATE.iter().any(|it| word.eq_ignore_ascii_case(it)))
        };
        let privacy = headers.all(&Name::Privacy).take(limits::IDENTITIES);
        let mut said = privacy.map(|value| String::from_utf8_lossy(value));
        let private = said.any(|value| hides(&value))
            || remote.as_ref().is_some_and(|it| {
                let privacy = it.params.get("privacy").unwrap_or_default();
                ["full", "uri"]
                    .iter()
                    .any(|word| privacy.eq_ignore_ascii_case(word))
            });
        Self {
            p_called_party: uris(headers, &Name::PCalledPartyId).next(),
            diversion: uris(headers, &Name::Diversion).collect(),
            history: history(headers),
            asserted: uris(headers, &Name::PAssertedIdentity).collect(),
            remote_party: remote.map(|it| it.uri),
            private,
        }
    }
}

/// The words of Privacy (RFC 3323 4.2, RFC 3325 9.3) that hide who calls.
const PRIVATE: [&str; 3] = ["id", "user", "header"];

/// The addresses of a header, those that can be read, as many as are looked at.
fn addresses(headers: &Headers, name: &Name) -> impl Iterator<Item = NameAddr> {
    headers
        .list(name)
        .take(limits::IDENTITIES)
        .filter_map(|value| NameAddr::parse(&value).ok())
}

fn uris(headers: &Headers, name: &Name) -> impl Iterator<Item = Uri> {
    addresses(headers, name).map(|it| it.uri.without_headers())
}

/// History-Info by its indexes (RFC 7044 5): `1`, `1.1`, `1.1.1`, `1.2`. One without an index stands
/// where it was written.
fn history(headers: &Headers) -> Vec<Uri> {
    let mut entries: Vec<_> = addresses(headers, &Name::HistoryInfo)
        .map(|it| {
            let index = it.params.get("index").unwrap_or_default();
            let index: Vec<u32> = index
                .split('.')
                .map_while(|part| part.trim().parse().ok())
                .take(limits::IDENTITIES)
                .collect();
            (index, it.uri.without_headers())
        })
        .collect();
    if entries.iter().all(|(index, _)| !index.is_empty()) {
        entries.sort_by(|one, other| one.0.cmp(&other.0));
    }
    entries.into_iter().map(|(_, uri)| uri).collect()
}

/// The number in a URI: its user part without parameters, unescaped. A local number of a tel URI is
/// completed by its context where that is a country (RFC 3966 5.1.5).
#[must_use]
pub fn number_of(uri: &Uri) -> String {
    let user = uri.user_decoded().unwrap_or_default();
    let mut parts = user.split(';');
    let number = parts.next().unwrap_or_default();
    let context = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("phone-context"))
        .map(|(_, value)| value.to_owned())
        .or_else(|| uri.param("phone-context").map(str::to_owned));
    match context.filter(|it| is_prefix(it)) {
        // With its own trunk prefix it is written as people of that country write it.
        Some(context) if number.starts_with(|first: char| ('1'..='9').contains(&first)) => {
            context + number
        }
        Some(_) | None => number.to_owned(),
    }
}

fn is_prefix(context: &str) -> bool {
    let digits = context.strip_prefix('+').unwrap_or_default();
    let digit = |letter: char| letter.is_ascii_digit() || "-.()".contains(letter);
    !digits.is_empty() && digits.len() <= limits::NUMBER_PREFIX && digits.chars().all(digit)
}

/// Whether a URI says that its owner does not want to be known (RFC 3323 4.1.1.3).
#[must_use]
pub fn is_anonymous(uri: &Uri) -> bool {
    let user = uri.user_decoded().unwrap_or_default();
    let user = user.split(';').next().unwrap_or_default();
    user.is_empty()
        || ["anonymous", "unknown", "restricted", "unavailable"]
            .iter()
            .any(|word| user.eq_ignore_ascii_case(word))
        || uri.host_text().eq_ignore_ascii_case("anonymous.invalid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::parse::parse;
    use bytes::Bytes;

    fn identity(headers: &str) -> Identity {
        let text = format!(
            "INVITE sip:48705@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\n\
             From: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 INVITE\n\
             Max-Forwards: 70\n{headers}\n\n"
        );
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        Identity::of(&parse(&bytes).ok().unwrap())
    }

    fn texts(uris: &[Uri]) -> Vec<&str> {
        uris.iter().map(Uri::as_str).collect()
    }

    fn number(uri: &str) -> String {
        number_of(&Uri::parse(uri).unwrap())
    }

    #[test]
    fn each_header_says_who_calls_whom() {
        let read = identity(
            "P-Called-Party-ID: \"Головна, лінія\" <sip:+380487053200@ims.example;user=phone>\n\
             Diversion: <sip:0482@carrier>;reason=unconditional;counter=1, \"x\" <sip:0481@carrier>\n\
             P-Asserted-Identity: \"A, B\" <sip:+380671112233@carrier>, tel:+380671112233\n\
             Remote-Party-ID: <sip:9@x>;party=called\n\
             Remote-Party-ID: \"P\" <sip:0671112233@x>;party=calling;privacy=off;screen=yes\n\
             History-Info: <sip:3@x>;index=1.2, <sip:1@x?Reason=SIP%3Bcause%3D302>;index=1,\n \
             <sip:2@x>;index=1.1;mp=1",
        );
        let called = read.p_called_party.unwrap();
        assert_eq!(number_of(&called), "+380487053200");
        assert_eq!(
            texts(&read.diversion),
            ["sip:0482@carrier", "sip:0481@carrier"]
        );
        assert_eq!(
            texts(&read.asserted),
            ["sip:+380671112233@carrier", "tel:+380671112233"]
        );
        assert_eq!(number_of(&read.remote_party.unwrap()), "0671112233");
        assert_eq!(texts(&read.history), ["sip:1@x", "sip:2@x", "sip:3@x"]);
        assert!(!read.private);
    }

    #[test]
    fn privacy_is_seen_in_every_form() {
        for asked in ["id", "Id;critical", "header;user", "critical; ID"] {
            assert!(identity(&format!("Privacy: {asked}")).private, "{asked}");
        }
        for open in ["none", "session", "history", "identity", ""] {
            assert!(!identity(&format!("Privacy: {open}")).private, "{open}");
        }
        let hidden = identity("Remote-Party-ID: <sip:1@x>;party=calling;privacy=full");
        assert!(hidden.private);
        for uri in [
            "sip:anonymous@anonymous.invalid",
            "sip:380@anonymous.invalid",
            "sip:x",
        ] {
            assert!(is_anonymous(&Uri::parse(uri).unwrap()), "{uri}");
        }
        assert!(!is_anonymous(&Uri::parse("tel:+380").unwrap()));
    }

    #[test]
    fn numbers_of_tel_uris_know_their_country() {
        assert_eq!(number("tel:+380-48-705"), "+380-48-705");
        assert_eq!(number("tel:487053200;phone-context=+380"), "+380487053200");
        assert_eq!(
            number("sip:487053200;phone-context=+380@x;user=phone"),
            "+380487053200"
        );
        // With the 0 of the country, and with a context that is a name, it stays as it is written.
        assert_eq!(number("tel:0487053200;phone-context=+380"), "0487053200");
        assert_eq!(number("tel:201;phone-context=clinic.example"), "201");
        assert_eq!(number("tel:201;phone-context=+"), "201");
        assert_eq!(number("sip:%2B380671112233;npdi@x"), "+380671112233");
    }

    #[test]
    fn what_cannot_be_read_says_nothing_and_the_rest_is_read() {
        let long = "<sip:1@x>, ".repeat(500);
        let read = identity(&format!(
            "Diversion: \"open <sip:1@x>\nDiversion: sip:2@x;reason=no-answer\n\
             Diversion: <sip:\nDiversion: ,,,\nP-Asserted-Identity: {long}<sip:2@x>\n\
             History-Info: <sip:5@x>;index=1.999999999999999999999, <sip:6@x>\n\
             P-Called-Party-ID: \nPrivacy: ;;;,\nRemote-Party-ID: \"\""
        ));
        assert_eq!(texts(&read.diversion), ["sip:2@x"]);
        assert_eq!(read.asserted.len(), limits::IDENTITIES);
        assert_eq!(texts(&read.history), ["sip:5@x", "sip:6@x"]);
        assert!(read.p_called_party.is_none() && read.remote_party.is_none() && !read.private);
    }
}
