//! Carriers: who they are, where they are, and how they are spoken to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::floor::password;
use super::places::section;
use super::{Defaults, check_name};
use crate::dialplan::diagnose::{Place, Problems};
use crate::dialplan::plan::{Called, CallerId, Peer, Register, Server, Trunk};
use crate::dialplan::read::{Fields, choice, parsed};
use crate::dialplan::schema;
use crate::dialplan::yaml::Node;
use crate::id::TrunkName;
use crate::limits;
use crate::net::Net;
use crate::number::Country;
use crate::sip::flow::Transport;
use crate::time::Duration;
use crate::words::{Codec, Dtmf, Rel100, Srtp};

/// The codecs by the words that name them.
const CODECS: [(&str, Codec); 2] = [("pcma", Codec::Pcma), ("pcmu", Codec::Pcmu)];

/// Codecs of the field that are not spoken yet.
const CODECS_LATER: [&str; 3] = ["g722", "opus", "g729"];

const TRANSPORTS: [(&str, Transport); 3] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
];

const CALLED: [(&str, Called); 5] = [
    ("request_uri", Called::RequestUri),
    ("to", Called::To),
    ("p_called_party_id", Called::PCalledPartyId),
    ("diversion", Called::Diversion),
    ("history_info", Called::HistoryInfo),
];

const CALLER: [(&str, CallerId); 3] = [
    ("pai", CallerId::PAssertedIdentity),
    ("rpid", CallerId::RemotePartyId),
    ("from", CallerId::From),
];

const REL100: [(&str, Rel100); 3] = [
    ("off", Rel100::Off),
    ("supported", Rel100::Supported),
    ("required", Rel100::Required),
];

/// Whether media is encrypted, by the words that say so.
pub(super) const SRTP: [(&str, Srtp); 3] = [
    ("off", Srtp::Off),
    ("optional", Srtp::Optional),
    ("required", Srtp::Required),
];

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

pub(super) fn trunks(
    top: &Fields<'_>,
    defaults: &Defaults,
    problems: &mut Problems<'_>,
) -> BTreeMap<TrunkName, Trunk> {
    let mut trunks = BTreeMap::new();
    let mut taken = Vec::new();
    for entry in section(top, "trunks", problems) {
        check_name(entry, "trunk", problems);
        let fields = Fields::of(entry, &schema::TRUNK, problems);
        let name = TrunkName::from(entry.key.as_str());
        let trunk = trunk(&fields, name.clone(), defaults, &mut taken, problems);
        trunks.insert(name, trunk);
    }
    trunks
}

/// A peer with the trunk that has it and its place.
type Taken = Vec<(Peer, TrunkName, Place)>;

fn trunk(
    fields: &Fields<'_>,
    name: TrunkName,
    defaults: &Defaults,
    taken: &mut Taken,
    problems: &mut Problems<'_>,
) -> Trunk {
    let country = fields.choice("country", &Country::ALL, &[], problems);
    let blank = Trunk::new(name.clone(), country.unwrap_or(defaults.country));
    let peers = peers(fields, &name, taken, problems);
    let register = register(fields, problems);
    let servers = servers(fields, problems);
    let trusted = fields.flag("trusted", problems).unwrap_or(false);
    let called = listed(fields, "called", &CALLED, problems);
    let caller = listed(fields, "caller", &CALLER, problems);
    check_belief(fields, trusted, problems);
    let keepalive = fields.duration("keepalive", 5 * SECOND..=HOUR, problems);
    // Peers that cannot be read have been reported; the first might be one address.
    let unread = peers.is_empty() && fields.entry("peers").is_some();
    let single = unread || peers.iter().any(|peer| peer.net.only().is_some());
    if keepalive.is_some() && !single && servers.is_empty() && register.is_none() {
        let at = fields
            .entry("keepalive")
            .map_or(fields.at, |entry| entry.at);
        let needs = "`keepalive` needs `servers`, `register` or a peer that is one address";
        problems.error(at, needs);
    }
    let count = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let max_calls = fields.whole("max_calls", 1..=100_000, problems);
    let a_second = fields.whole("calls_per_second", 1..=10_000, problems);
    let session_timer = fields.duration("session_timer", 90 * SECOND..=24 * HOUR, problems);
    let dtmf = fields.choice("dtmf", &[("rfc4733", Dtmf::Rfc4733)], &["info"], problems);
    Trunk {
        transport: fields.choice("transport", &TRANSPORTS, &[], problems),
        media: media(fields, problems),
        codecs: codecs(fields, problems),
        called: called.unwrap_or_else(|| match register {
            // A call to our Contact has the number elsewhere.
            Some(_) => vec![Called::RequestUri, Called::PCalledPartyId, Called::To],
            None => blank.called.clone(),
        }),
        caller: caller.unwrap_or_else(|| match trusted {
            true => CALLER.iter().map(|(_, header)| *header).collect(),
            false => blank.caller.clone(),
        }),
        max_calls: count(max_calls),
        calls_per_second: count(a_second),
        rel100: fields
            .choice("rel100", &REL100, &[], problems)
            .unwrap_or_default(),
        srtp: fields
            .choice("srtp", &SRTP, &[], problems)
            .unwrap_or_default(),
        dtmf: dtmf.unwrap_or_default(),
        peers,
        register,
        servers,
        trusted,
        keepalive,
        session_timer,
        ..blank
    }
}

/// What a carrier asserts must be believed to be of any use.
fn check_belief(fields: &Fields<'_>, trusted: bool, problems: &mut Problems<'_>) {
    for node in fields.one_or_many("caller") {
        let asserted = |text: &str| (text == "pai" || text == "rpid").then_some(());
        if !trusted && node_text(node).and_then(asserted).is_some() {
            let message = "what the carrier asserts counts with `trusted: true` alone";
            problems.error(node.at, message);
        }
    }
}

fn node_text(node: &Node) -> Option<&str> {
    match &node.value {
        crate::dialplan::yaml::Value::Scalar(scalar) => Some(&scalar.text),
        crate::dialplan::yaml::Value::Null
        | crate::dialplan::yaml::Value::List(_)
        | crate::dialplan::yaml::Value::Map(_) => None,
    }
}

/// Words in an order that counts, none twice; none when there are none.
fn listed<T: Copy + PartialEq>(
    fields: &Fields<'_>,
    key: &str,
    words: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<Vec<T>> {
    let mut list = Vec::new();
    for node in fields.one_or_many(key) {
        let Some(word) = choice(node, key, words, &[], problems) else {
            continue;
        };
        if list.contains(&word) {
            problems.error(node.at, format!("this is in `{key}` already"));
        } else {
            list.push(word);
        }
    }
    (!list.is_empty()).then_some(list)
}

fn register(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Register> {
    let entry = fields.entry("register")?;
    let fields = Fields::of(entry, &schema::REGISTER, problems);
    for key in ["servers", "user", "password"] {
        fields.need(key, problems);
    }
    let servers = servers(&fields, problems);
    let expires = fields.duration("expires", 60 * SECOND..=24 * HOUR, problems);
    Some(Register {
        servers,
        user: fields.text("user", problems).unwrap_or_default(),
        password: password(&fields, problems),
        expires: expires.unwrap_or(HOUR),
    })
}

fn servers(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Vec<Server> {
    let takes = "names or addresses like sip.example.net, sip.example.net:5070 or 203.0.113.10";
    let mut servers = Vec::new();
    for node in fields.one_or_many("servers") {
        let Some(server) = parsed(node, "servers", takes, server, problems) else {
            continue;
        };
        if servers.contains(&server) {
            problems.error(node.at, "this server is in the list already");
            continue;
        }
        if !server.host.contains(['.', ':']) {
            let host = &server.host;
            let message =
                format!("`{host}` is a name without a dot: only a local resolver knows it");
            problems.warning(node.at, message);
        }
        servers.push(server);
    }
    if let Some(entry) = fields.entry("servers")
        && fields.one_or_many("servers").is_empty()
    {
        problems.error(entry.at, format!("`servers` is empty; it takes {takes}"));
    }
    servers
}

fn server(text: &str) -> Option<Server> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let host = address.to_string();
        return Some(Server { host, port: None });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Server {
            host: address.ip().to_string(),
            port: Some(address.port()).filter(|port| *port > 0),
        });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    is_name(host).then(|| Server {
        host: host.to_ascii_lowercase(),
        port,
    })
}

/// Whether it is a host name (RFC 1123 2.1); one of digits alone is an address that is none.
fn is_name(host: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(letters)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= limits::DNS_NAME_BYTES
        && host.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn peers(
    fields: &Fields<'_>,
    name: &TrunkName,
    taken: &mut Taken,
    problems: &mut Problems<'_>,
) -> Vec<Peer> {
    let takes = "addresses like 203.0.113.10, 203.0.113.0/28 or 203.0.113.10:5060";
    let nodes = fields.one_or_many("peers");
    let elsewhere = fields.entry("register").is_some() || fields.entry("servers").is_some();
    if nodes.is_empty() && !elsewhere {
        let at = fields.entry("peers").map_or(fields.at, |entry| entry.at);
        let message =
            format!("a trunk needs `peers`, `servers` or `register`; `peers` takes {takes}");
        problems.error(at, message);
    }
    let mut peers = Vec::new();
    for node in nodes {
        let Some(peer) = parsed(node, "peers", takes, peer, problems) else {
            continue;
        };
        if taken.len() >= limits::PEERS {
            let most = limits::PEERS;
            problems.error(node.at, format!("the plan has more than {most} peers"));
            return peers;
        }
        let mut others = taken.iter();
        let clash = others
            .find(|(other, trunk, _)| *other == peer || trunk != name && overlap(other, &peer));
        if let Some((other, _, first)) = clash {
            let first = problems.position(*first);
            let message = match *other == peer {
                true => format!("this peer is also the one at {first}; a call has one trunk"),
                false => format!("this peer overlaps the one at {first}; a call has one trunk"),
            };
            problems.error(node.at, message);
            continue;
        }
        if everybody(&peer.net) {
            problems.warning(
                node.at,
                "this takes everybody on the network for the carrier",
            );
        }
        taken.push((peer, name.clone(), node.at));
        peers.push(peer);
    }
    peers
}

/// Whether a call could come from both.
fn overlap(one: &Peer, other: &Peer) -> bool {
    let ports = one.port.is_none() || other.port.is_none() || one.port == other.port;
    ports && one.net.overlaps(&other.net)
}

fn peer(text: &str) -> Option<Peer> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Peer {
            net: Net::single(address.ip().to_canonical()),
            port: Some(address.port()).filter(|port| *port > 0),
        });
    }
    let net = text.parse().ok()?;
    Some(Peer { net, port: None })
}

fn everybody(net: &Net) -> bool {
    let far = |text: &str| text.parse::<IpAddr>().is_ok_and(|far| net.contains(far));
    (far("1.1.1.1") && far("223.255.255.254")) || (far("2000::1") && far("fd00::1"))
}

fn media(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Arc<[Net]> {
    let takes = "addresses like 203.0.113.10 or 203.0.113.0/28";
    let nodes = fields.one_or_many("media");
    let nets = nodes.iter().filter_map(|node| {
        let net = |text: &str| text.parse::<Net>().ok();
        parsed(node, "media", takes, net, problems)
    });
    nets.collect()
}

fn codecs(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Vec<Codec> {
    let mut codecs = Vec::new();
    for node in fields.one_or_many("codecs") {
        let Some(codec) = choice(node, "codecs", &CODECS, &CODECS_LATER, problems) else {
            continue;
        };
        if codecs.contains(&codec) {
            problems.error(node.at, "this codec is in the list already");
        } else {
            codecs.push(codec);
        }
    }
    if codecs.is_empty() {
        codecs.extend([Codec::Pcma, Codec::Pcmu]);
    }
    codecs
}
