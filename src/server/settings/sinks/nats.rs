//! A sink that is a stream of NATS: its servers, who we are there, and the subjects.

use reqwest::Url;

use super::{authority, is_unset};
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::Secret;
use crate::dialplan::read::Fields;
use crate::server::settings::{Login, SinkKind};
use crate::sip::uri::unescape;

/// Where a server listens when its address does not say.
const PORT: u16 = 4222;
/// What subjects begin with when nothing is said.
const SUBJECT: &str = "strowger";
const SUBJECT_BYTES: usize = 128;

/// Reads the words of the sink. The address may bear a password: no message shows it.
pub(super) fn read(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<SinkKind> {
    if is_unset(fields, "nats") {
        return None;
    }
    let mut login = None;
    let mut servers = Vec::new();
    for address in fields.text("nats", problems)?.split(',') {
        let Some(mut url) = server(address.trim()) else {
            let at = fields.get("nats").map_or(fields.at, |node| node.at);
            problems.error(
                at,
                "`nats` takes addresses like nats://127.0.0.1:4222 or tls://nats.clinic.example, with a comma between",
            );
            return None;
        };
        login = take_login(&mut url).or(login);
        servers.push(url);
    }
    let subject = word(fields, "subject", problems, |text| {
        text.len() <= SUBJECT_BYTES && text.split('.').all(is_token)
    });
    let stream = word(fields, "stream", problems, is_token);
    let credentials = fields
        .entry("credentials")
        .and_then(|_| fields.text("credentials", problems));
    if let (Some(_), Some(entry)) = (&login, fields.entry("credentials")) {
        problems.error(
            entry.at,
            "the address says who we are already; leave out the user there, or `credentials`",
        );
    }
    Some(SinkKind::Nats {
        servers,
        login,
        credentials: credentials.map(Into::into),
        ca: authority(fields, problems),
        subject: subject.unwrap_or_else(|| SUBJECT.to_owned()),
        stream,
    })
}

fn server(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none();
    let named = url.host_str().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme(), "nats" | "tls") || !named || !bare {
        return None;
    }
    if url.port().is_none() {
        url.set_port(Some(PORT)).ok()?;
    }
    Some(url)
}

/// Takes user and password, or a token, out of the address, so that nothing that shows it shows them.
fn take_login(url: &mut Url) -> Option<Login> {
    let user = unescape(url.username()).into_owned();
    let password = url
        .password()
        .map(|password| unescape(password).into_owned());
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    match (user.is_empty(), password) {
        (true, None) => None,
        (false, None) => Some(Login::Token(Secret::new(user))),
        (_, Some(password)) => Some(Login::User(user, Secret::new(password))),
    }
}

fn word(
    fields: &Fields<'_>,
    key: &str,
    problems: &mut Problems<'_>,
    is_good: impl Fn(&str) -> bool,
) -> Option<String> {
    fields.entry(key)?;
    let text = fields.text(key, problems)?;
    if is_good(&text) {
        return Some(text);
    }
    let at = fields.get(key).map_or(fields.at, |node| node.at);
    let dots = if key == "subject" {
        ", `.` between words"
    } else {
        ""
    };
    problems.error(
        at,
        format!("`{key}` is of letters, digits, `-` and `_`{dots}, not too long"),
    );
    None
}

fn is_token(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(word)
}
