//! From YAML to settings: every problem at once, each with its place.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    CertificateFiles, DigestWord, Keep, Limits, Listener, LogFormat, LogLevel, Media, Retention,
    Settings, Sip, Strangers, Tls, Trace, recordings, sinks, tokens,
};
use crate::dialplan::diagnose::{Problem, Problems, Severity, Source};
use crate::dialplan::read::{self, Fields, Name, Words};
use crate::dialplan::secrets::{self, Secrets};
use crate::dialplan::yaml::{self, Node, Value};
use crate::limits;
use crate::net::Net;
use crate::server::prompts::Engine;
use crate::server::store::Sync;
use crate::server::surroundings::Surroundings;
use crate::sip::flow::Transport;
use crate::time::Duration;

const TOP: Words = Words {
    known: &[
        "version",
        "node",
        "data",
        "dialplans",
        "sip",
        "media",
        "http",
        "tts",
        "sinks",
        "store",
        "retention",
        "recordings",
        "limits",
        "drain",
        "log",
        "trace",
    ],
    later: &[],
};
const SIP: Words = Words {
    known: &[
        "domain",
        "listen",
        "advertise",
        "local_nets",
        "digest",
        "tls",
    ],
    later: &[],
};
const TLS: Words = Words {
    known: &["certificate", "key", "ca"],
    later: &[],
};
const MEDIA: Words = Words {
    known: &[
        "listen",
        "advertise",
        "ports",
        "threads",
        "rtp_timeout",
        "local_nets",
    ],
    later: &[],
};
const VOICE: Words = Words {
    known: &["recorded", "command"],
    later: &[],
};
const STORE: Words = Words {
    known: &["sync", "keep_events", "max_events"],
    later: &[],
};
const RETENTION: Words = Words {
    known: &["every", "stop_above"],
    later: &[],
};
const LIMITS: Words = Words {
    known: &[
        "calls",
        "calls_per_second",
        "registrations",
        "strangers",
        "call_length",
        "connections",
    ],
    later: &[],
};
const STRANGERS: Words = Words {
    known: &["rate", "burst", "trusted"],
    later: &[],
};
const CONNECTIONS: Words = Words {
    known: &["all", "per_address"],
    later: &[],
};
const TRACE: Words = Words {
    known: &["write", "keep", "size"],
    later: &[],
};
const LOG: Words = Words {
    known: &["level", "format", "numbers"],
    later: &[],
};

const ADDRESS: &str = "an address like 198.51.100.7";
const NET: &str = "addresses or ranges like 192.168.10.0/24";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

impl Settings {
    /// Reads the file, or takes the defaults where none is given. A reference to the environment or
    /// to a file that leads nowhere is an error.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn load(path: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let (settings, problems) = Self::read(path, Severity::Error);
        settings.ok_or(problems)
    }

    /// Reads the file; none when it has an error. `unset` says how bad a reference is that leads
    /// nowhere.
    #[must_use]
    pub fn read(path: &Path, unset: Severity) -> (Option<Self>, Vec<Problem>) {
        let name = path.display().to_string();
        match text(path) {
            Ok(text) => {
                let secrets = Surroundings::of(path);
                Self::from_text(&name, &text, &secrets, unset)
            }
            Err(message) => (None, vec![Problem::of_file(&name, message)]),
        }
    }

    /// Reads a text called `name`.
    #[must_use]
    pub fn from_text(
        name: &str,
        text: &str,
        secrets: &dyn Secrets,
        unset: Severity,
    ) -> (Option<Self>, Vec<Problem>) {
        let sources = [Source { name, text }];
        let mut problems = Problems::new(&sources);
        let settings = yaml::parse(0, &mut problems).map(|mut root| {
            secrets::resolve(&mut root, secrets, unset, &mut problems);
            top(&root, &mut problems)
        });
        let settings = settings.filter(|_| !problems.has_errors());
        (settings, problems.into_list())
    }
}

fn text(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("the file cannot be read: {error}");
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(cannot)?
        .take(limits::SETTINGS_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8; save it as UTF-8".to_owned())
}

fn top(root: &Node, problems: &mut Problems<'_>) -> Settings {
    let top = Fields::open(root, root.at, Name::Phrase("the settings"), &TOP, problems);
    let defaults = Settings::default();
    if top.entry("version").is_some() {
        top.whole("version", 1..=1, problems);
    }
    let level = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
    let format = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let numbers = [("full", true), ("masked", false)];
    let log = top.section("log", &LOG, problems);
    let store = top.section("store", &STORE, problems);
    let mut settings = Settings {
        sip: sip(&top.section("sip", &SIP, problems), defaults.sip, problems),
        media: media(
            &top.section("media", &MEDIA, problems),
            defaults.media,
            problems,
        ),
        tts: voices(&top, problems).unwrap_or(defaults.tts),
        sinks: sinks::read(&top, problems),
        keep: keep(&store, defaults.keep, problems),
        sync: store
            .choice(
                "sync",
                &[("normal", Sync::Normal), ("full", Sync::Full)],
                &[],
                problems,
            )
            .unwrap_or(defaults.sync),
        retention: retention(
            &top.section("retention", &RETENTION, problems),
            defaults.retention,
            problems,
        ),
        recordings: Arc::new(recordings::read(&top, problems)),
        limits: limit(
            &top.section("limits", &LIMITS, problems),
            defaults.limits,
            problems,
        ),
        ..defaults
    };
    if let Some(node) = node(&top, problems) {
        settings.node = node;
    }
    if let Some(data) = top.text("data", problems) {
        settings.data = PathBuf::from(data);
    }
    if let Some(dialplans) = top.text("dialplans", problems) {
        settings.dialplans = PathBuf::from(dialplans);
    }
    let http = tokens::read(&top, problems);
    settings.http = http.listen.unwrap_or(settings.http);
    settings.tokens = http.tokens;
    if let Some(drain) = top.duration("drain", Duration::ZERO..=DAY, problems) {
        settings.drain = drain;
    }
    settings.trace = trace(&top.section("trace", &TRACE, problems), problems);
    settings.log.level = log
        .choice("level", &level, &[], problems)
        .unwrap_or(settings.log.level);
    settings.log.format = log
        .choice("format", &format, &[], problems)
        .unwrap_or(settings.log.format);
    settings.log.full_numbers = log
        .choice("numbers", &numbers, &[], problems)
        .unwrap_or(settings.log.full_numbers);
    settings
}

/// The node's name goes into every event's `source`, which is a URI reference.
fn node(top: &Fields<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let takes = "a name of letters, digits, `-`, `_` and `.`, 64 at most";
    let good = |text: &str| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(word);
        fits.then(|| text.to_owned())
    };
    top.parsed("node", takes, good, problems)
}

fn sip(fields: &Fields<'_>, mut sip: Sip, problems: &mut Problems<'_>) -> Sip {
    let takes = "a host name or an address";
    let host = |text: &str| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        let fits = (1..=253).contains(&text.len()) && text.bytes().all(word);
        fits.then(|| text.to_owned())
    };
    if let Some(domain) = fields.parsed("domain", takes, host, problems) {
        sip.domain = domain;
    }
    if let Some(entry) = fields.entry("listen") {
        let listen: Vec<_> = read::one_or_many(&entry.value)
            .iter()
            .filter_map(|node| listener(node, problems))
            .collect();
        if read::one_or_many(&entry.value).is_empty() {
            problems.error(entry.at, "`listen` names no listener");
        }
        for (index, one) in listen.iter().enumerate() {
            if listen.iter().take(index).any(|other| other == one) {
                let message = format!("{} is there twice", one.address);
                problems.error(entry.at, message);
            }
        }
        sip.listen = listen;
    }
    sip.advertise = fields.parsed("advertise", ADDRESS, |text| text.parse().ok(), problems);
    sip.local_nets = nets(fields, "local_nets", problems);
    if fields.entry("digest").is_some() {
        let words = [("md5", DigestWord::Md5), ("sha-256", DigestWord::Sha256)];
        let digest: Vec<_> = fields
            .one_or_many("digest")
            .iter()
            .filter_map(|node| read::choice(node, "digest", &words, &[], problems))
            .collect();
        if !digest.is_empty() {
            sip.digest = digest;
        }
    }
    sip.tls = tls(&fields.section("tls", &TLS, problems), problems);
    let listens = sip.listen.iter().any(|one| one.transport == Transport::Tls);
    if listens && fields.get("tls").is_none() {
        let at = fields.get("listen").map_or(fields.at, |node| node.at);
        problems.error_do(
            at,
            "a `tls` listener has no certificate to show",
            "add `tls: { certificate: FILE, key: FILE }` to `sip`",
        );
    } else if listens && sip.tls.shown.is_none() {
        let tls = fields.section("tls", &TLS, problems);
        tls.need("certificate", problems);
        tls.need("key", problems);
    }
    unreachable_advert(
        fields,
        sip.advertise,
        sip.listen.iter().map(|one| one.address.ip()),
        problems,
    );
    sip
}

/// What listeners show needs both its files; `ca` may stand alone.
fn tls(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Tls {
    let path =
        |key: &str, problems: &mut Problems<'_>| fields.text(key, problems).map(PathBuf::from);
    let certificate = path("certificate", problems);
    let key = path("key", problems);
    let ca = path("ca", problems);
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if fields.get(one).is_some() {
            fields.need(other, problems);
        }
    }
    let shown = certificate
        .zip(key)
        .map(|(certificate, key)| CertificateFiles { certificate, key });
    Tls { shown, ca }
}

/// `udp://0.0.0.0:5060`.
fn listener(node: &Node, problems: &mut Problems<'_>) -> Option<Listener> {
    let takes = "listeners like udp://0.0.0.0:5060, tcp://[::]:5060 or tls://0.0.0.0:5061";
    let scalar = read::scalar(node, "listen", takes, problems)?;
    let text = scalar.text.trim();
    if ["ws://", "wss://"]
        .iter()
        .any(|later| text.starts_with(later))
    {
        let scheme = text.split(':').next().unwrap_or("");
        problems.error(
            node.at,
            format!("a `{scheme}` listener is not yet supported"),
        );
        return None;
    }
    let parse = |text: &str| {
        let (scheme, address) = text.split_once("://")?;
        let transport = match scheme {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            _ => return None,
        };
        let address = address.parse().ok()?;
        Some(Listener { transport, address })
    };
    read::parsed(node, "listen", takes, parse, problems)
}

/// An address that peers are told must be one they can answer to.
fn unreachable_advert(
    fields: &Fields<'_>,
    advertise: Option<IpAddr>,
    listen: impl IntoIterator<Item = IpAddr>,
    problems: &mut Problems<'_>,
) {
    let at = |key: &str| fields.get(key).map_or(fields.at, |node| node.at);
    if advertise.is_some_and(|address| address.is_unspecified()) {
        problems.error(
            at("advertise"),
            "`advertise` is an address peers can send to",
        );
    }
    if advertise.is_none() && listen.into_iter().any(|address| address.is_unspecified()) {
        problems.error_do(
            at("listen"),
            "listening at every address leaves peers without one to answer to",
            "add `advertise` with the address peers see, or listen at that address",
        );
    }
}

fn media(fields: &Fields<'_>, mut media: Media, problems: &mut Problems<'_>) -> Media {
    let address = |text: &str| text.parse().ok();
    if let Some(listen) = fields.parsed("listen", ADDRESS, address, problems) {
        media.listen = listen;
    }
    media.advertise = fields.parsed("advertise", ADDRESS, address, problems);
    unreachable_advert(fields, media.advertise, [media.listen], problems);
    let takes = "a range of ports from 1024 on, at least two, like 20000-29999";
    if let Some(range) = fields.parsed("ports", takes, ports, problems) {
        media.ports = range;
    }
    if let Some(threads) = fields.whole("threads", 1..=256, problems) {
        media.threads = usize::try_from(threads).unwrap_or(media.threads);
    }
    if let Some(timeout) = fields.duration("rtp_timeout", Duration::from_secs(5)..=DAY, problems) {
        media.rtp_timeout = timeout;
    }
    media.local_nets = nets(fields, "local_nets", problems);
    media
}

fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first >= 1024 && last > first).then_some(first..=last)
}

fn nets(fields: &Fields<'_>, key: &str, problems: &mut Problems<'_>) -> Vec<Net> {
    fields
        .one_or_many(key)
        .iter()
        .filter_map(|node| read::parsed(node, key, NET, |text| text.parse().ok(), problems))
        .collect()
}

fn voices(top: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Vec<Engine>> {
    let entry = top.entry("tts")?;
    let voices = read::one_or_many(&entry.value)
        .iter()
        .filter_map(|node| voice(node, problems))
        .collect();
    Some(voices)
}

fn voice(node: &Node, problems: &mut Problems<'_>) -> Option<Engine> {
    if let Value::Scalar(_) = node.value {
        read::choice(node, "tts", &[("embedded", ())], &[], problems)?;
        if !cfg!(feature = "embedded-tts") {
            problems.error(node.at, "this program was built without the embedded voice");
        }
        return Some(Engine::Embedded);
    }
    let fields = Fields::open(node, node.at, "tts", &VOICE, problems);
    if let Some(command) = fields.entry("command") {
        let words: Vec<_> = read::one_or_many(&command.value)
            .iter()
            .filter_map(|word| read::scalar(word, "command", "the words of a command", problems))
            .map(|word| word.text.clone())
            .collect();
        if words
            .first()
            .is_none_or(|program| program.trim().is_empty())
        {
            problems.error(command.at, "`command` names no program");
            return None;
        }
        return Some(Engine::Command(words));
    }
    fields.need("recorded", problems);
    fields
        .text("recorded", problems)
        .map(|folder| Engine::Recorded(folder.into()))
}

fn keep(fields: &Fields<'_>, known: Keep, problems: &mut Problems<'_>) -> Keep {
    let age = fields.duration("keep_events", DAY..=DAY * 3_650, problems);
    let most = fields.whole("max_events", 10_000..=1_000_000_000, problems);
    Keep {
        age: age.unwrap_or(known.age),
        most: most.unwrap_or(known.most),
    }
}

fn retention(
    fields: &Fields<'_>,
    mut retention: Retention,
    problems: &mut Problems<'_>,
) -> Retention {
    if let Some(every) = fields.duration("every", MINUTE..=DAY, problems) {
        retention.every = every;
    }
    let takes = "per cent from 1% to 100%, like 20%";
    let per_cent = |text: &str| {
        let number = text.strip_suffix('%')?.trim().parse::<u8>().ok()?;
        (1..=100).contains(&number).then_some(number)
    };
    if let Some(stop_above) = fields.parsed("stop_above", takes, per_cent, problems) {
        retention.stop_above = stop_above;
    }
    retention
}

fn trace(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Trace {
    let known = Trace::default();
    let takes = "a size like 200MiB or 1GiB";
    let size = fields.parsed("size", takes, bytes, problems);
    if size.is_some_and(|size| !(16 << 20..=1 << 40).contains(&size)) {
        let at = fields.get("size").map_or(fields.at, |node| node.at);
        problems.error(at, "`size` is from 16MiB to 1024GiB");
    }
    Trace {
        write: fields.flag("write", problems).unwrap_or(known.write),
        keep: fields
            .duration("keep", MINUTE * 60..=DAY * 30, problems)
            .unwrap_or(known.keep),
        size: size.unwrap_or(known.size),
    }
}

/// Reads `200MiB`, `1GiB`.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(3)?)?;
    let shift = match unit {
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    let number = number.trim().parse::<u64>().ok()?;
    number.checked_mul(1 << shift)
}

fn limit(fields: &Fields<'_>, mut limits: Limits, problems: &mut Problems<'_>) -> Limits {
    let wide = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    if let Some(calls) = fields.whole("calls", 1..=100_000, problems) {
        limits.calls = wide(calls);
    }
    if let Some(rate) = fields.whole("calls_per_second", 1..=10_000, problems) {
        limits.calls_per_second = narrow(rate);
    }
    if let Some(registrations) = fields.whole("registrations", 1..=100_000, problems) {
        limits.registrations = wide(registrations);
    }
    if let Some(length) = fields.duration("call_length", MINUTE..=DAY, problems) {
        limits.call_length = length;
    }
    let strangers = fields.section("strangers", &STRANGERS, problems);
    let known = limits.strangers;
    limits.strangers = Strangers {
        rate: strangers
            .whole("rate", 1..=100_000, problems)
            .map_or(known.rate, narrow),
        burst: strangers
            .whole("burst", 1..=1_000_000, problems)
            .map_or(known.burst, narrow),
        trusted: nets(&strangers, "trusted", problems),
    };
    let connections = fields.section("connections", &CONNECTIONS, problems);
    let most = u64::from(limits::TCP_CONNECTIONS_MOST);
    if let Some(all) = connections.whole("all", 1..=most, problems) {
        limits.connections.all = wide(all);
    }
    if let Some(each) = connections.whole("per_address", 1..=most, problems) {
        limits.connections.per_address = wide(each);
    }
    limits
}
