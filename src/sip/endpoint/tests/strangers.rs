//! What nobody we know can learn, occupy or break: guesses, floods, and every method there is.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::network::*;
use crate::id::{FlowId, OperatorName};
use crate::rng::Rng;
use crate::sip::auth::digest::{self, Protection};
use crate::sip::endpoint::{Algorithm, Credentials, Endpoint, EndpointConfig, EndpointEvent, Live};
use crate::sip::flow::{Flow, Transport};
use crate::sip::session::SessionCommand;
use crate::time::{Duration, Instant, Now};

const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "INFO",
    "UPDATE",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "REFER",
    "MESSAGE",
    "PUBLISH",
    "DANCE",
];

/// So many that no test here meets the limiter by accident.
fn roomy() -> EndpointConfig {
    EndpointConfig {
        strangers_rate: 1_000_000,
        strangers_burst: 1_000_000,
        digest: vec![Algorithm::Sha256, Algorithm::Md5],
        ..config()
    }
}

/// One side of a conversation with the exchange, from an address of its own.
struct Guest {
    flow: Flow,
    seq: u32,
    call: String,
}

impl Guest {
    fn at(address: &str) -> Self {
        Self {
            flow: flow(address.parse().unwrap()),
            seq: 0,
            call: address.to_owned(),
        }
    }

    /// A request with whatever header lines come in `more`.
    fn request(&mut self, method: &str, user: &str, more: &str) -> String {
        self.seq += 1;
        let Self { seq, call, .. } = self;
        format!(
            "{method} sip:clinic.example SIP/2.0
Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bK{method}{seq}
From: <sip:{user}@clinic.example>;tag=t
To: <sip:{user}@clinic.example>
Contact: <sip:{user}@10.0.0.7>
Call-ID: {call}
CSeq: {seq} {method}
{more}
"
        )
        .replace('\n', "\r\n")
    }

    /// What a request is answered, a packet a line.
    fn send(&self, endpoint: &mut Endpoint, now: Instant, text: &str) -> Vec<String> {
        endpoint.handle_packet(wall(now), self.flow, text.as_bytes());
        std::iter::from_fn(|| endpoint.poll_transmit())
            .filter(|transmit| transmit.flow.peer == self.flow.peer)
            .map(|transmit| String::from_utf8(transmit.bytes.to_vec()).unwrap())
            .collect()
    }

    /// A REGISTER for which nothing is known but what is given here.
    fn attempt(
        &mut self,
        endpoint: &mut Endpoint,
        now: Instant,
        user: &str,
        password: &str,
    ) -> Vec<String> {
        let plain = self.request("REGISTER", user, "");
        let Some(challenge) = self.send(endpoint, now, &plain).pop() else {
            return Vec::new();
        };
        let nonce = nonce_of(&challenge);
        let digest = authorization(
            "Authorization",
            user,
            password,
            &nonce,
            Algorithm::Md5,
            "REGISTER",
        );
        let second = self.request("REGISTER", user, &digest);
        self.send(endpoint, now, &second)
    }
}

fn flow(peer: SocketAddr) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: address(PBX),
        peer,
    }
}

fn wall(mono: Instant) -> Now {
    Now {
        mono,
        wall: crate::time::Wall::from_millis(1_700_000_000_000) + mono.since(Instant::START),
    }
}

fn at(secs: u64) -> Instant {
    Instant::START + Duration::from_secs(secs)
}

fn exchange(config: EndpointConfig) -> Endpoint {
    let mut net = Net::with(config, 1);
    net.ends.swap_remove(PBX)
}

fn nonce_of(challenge: &str) -> String {
    let (_, rest) = challenge.split_once("nonce=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn status(answers: &[String]) -> Option<u16> {
    answers.last()?.get(8..11)?.parse().ok()
}

fn authorization(
    field: &str,
    user: &str,
    password: &str,
    nonce: &str,
    algorithm: Algorithm,
    method: &str,
) -> String {
    let uri = "sip:clinic.example";
    let secret = Credentials::from_password(user, "clinic.example", password);
    let (nc, cnonce, qop) = ("00000001", "abc", "auth");
    let protection = Some(Protection { nc, cnonce, qop });
    let ha1 = secret.ha1(algorithm);
    let response = digest::response(algorithm, ha1, nonce, protection, method, uri);
    let algorithm = algorithm.as_str();
    format!(
        "{field}: Digest username=\"{user}\", realm=\"clinic.example\", nonce=\"{nonce}\", \
         uri=\"{uri}\", algorithm={algorithm}, qop={qop}, nc={nc}, cnonce=\"{cnonce}\", response=\"{response}\"\n"
    )
}

/// All that a stranger gets to see of one user: challenge, wrong password, foreign nonce, damaged
/// credentials, silence.
fn seen_of(user: &str, field: &str, method: &str) -> (Vec<String>, Vec<(Algorithm, usize)>) {
    let mut endpoint = exchange(roomy());
    let mut guest = Guest::at("192.0.2.66:5060");
    let mut seen = Vec::new();
    let mut says = |endpoint: &mut Endpoint, more: &str| {
        let text = guest.request(method, user, more);
        let answers = guest.send(endpoint, at(1), &text);
        seen.push(answers.concat().replace(user, "USER"));
        answers.concat()
    };
    let nonce = nonce_of(&says(&mut endpoint, ""));
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let wrong = authorization(field, user, "guess", &nonce, algorithm, method);
        says(&mut endpoint, &wrong);
        says(&mut endpoint, &wrong.replace(&nonce, "dcd98b7102dd2f0e"));
        says(
            &mut endpoint,
            &wrong.replace("clinic.example\"", "elsewhere\""),
        );
        says(&mut endpoint, &wrong.replace("nc=00000001", "nc=x"));
        says(&mut endpoint, &wrong.replace("qop=auth", "qop=auth-int"));
    }
    for guess in 0..20 {
        let guess = format!("guess {guess}");
        let wrong = authorization(field, user, &guess, &nonce, Algorithm::Sha256, method);
        says(&mut endpoint, &wrong);
    }
    assert_eq!(endpoint.live(), Live::default());
    (seen, endpoint.authority.worked)
}

/// The To tag of an answer that keeps no state hangs on From, which names the user.
fn without_tag(answer: &str) -> String {
    let lines = answer
        .split("\r\n")
        .map(|line| match line.split_once(";tag=") {
            Some((to, tag)) if line.starts_with("To:") => {
                assert_eq!(tag.len(), 16, "{line}");
                to
            }
            Some(_) | None => line,
        });
    lines.collect::<Vec<_>>().join("\r\n")
}

#[test]
fn who_exists_and_who_does_not_get_the_same_bytes_for_the_same_work() {
    for (field, method, code) in [
        ("Authorization", "REGISTER", 401),
        ("Proxy-Authorization", "INVITE", 407),
        ("Authorization", "SUBSCRIBE", 401),
    ] {
        let (known, worked_for_known) = seen_of("olena", field, method);
        let (nobody, worked_for_nobody) = seen_of("nobod", field, method);
        assert_eq!(known.len(), 31);
        for (step, (one, other)) in known.iter().zip(&nobody).enumerate() {
            assert_eq!(without_tag(one), without_tag(other), "{method} step {step}");
        }
        let answered = known.iter().filter(|answer| !answer.is_empty()).count();
        assert_eq!(answered, 29, "twenty failures and nine that were none");
        let status = format!("SIP/2.0 {code}");
        let challenged = known.iter().take(29).filter(|it| it.starts_with(&status));
        assert_eq!(challenged.count(), 29);
        assert_eq!(worked_for_known, worked_for_nobody, "{method}");
        assert_eq!(worked_for_known.len(), 20);
    }
}

#[test]
fn whom_a_stranger_asks_for_changes_nothing_in_the_answer() {
    for method in METHODS {
        let ask = |whom: &str| {
            let mut endpoint = exchange(roomy());
            let mut guest = Guest::at("192.0.2.66:5060");
            let text = guest.request(method, "probe", "");
            let text = text
                .replace(
                    "sip:clinic.example SIP",
                    &format!("sip:{whom}@clinic.example SIP"),
                )
                .replace("To: <sip:probe@", &format!("To: <sip:{whom}@"));
            guest
                .send(&mut endpoint, at(1), &text)
                .concat()
                .replace(whom, "WHOM")
        };
        let [user, nobody, number] = ["olena", "nobod", "08001"].map(ask);
        assert_eq!(user, nobody, "{method}");
        assert_eq!(user, number, "{method}");
    }
}

#[test]
fn guessing_is_cut_off_and_the_owner_elsewhere_never_notices() {
    let mut endpoint = exchange(roomy());
    let mut thief = Guest::at("192.0.2.66:5060");
    let mut owner = Guest::at("192.0.2.10:40000");
    let mut guesses = 0;
    for minute in 0..10 {
        for second in 0..60 {
            let now = at(minute * 60 + second);
            for _ in 0..10 {
                let answers = thief.attempt(&mut endpoint, now, "olena", "guess");
                guesses += usize::from(!answers.is_empty());
            }
        }
        let now = at(minute * 60 + 59);
        let answers = owner.attempt(&mut endpoint, now, "olena", "correct horse");
        assert_eq!(status(&answers), Some(200), "minute {minute}");
        // Not even who knows the password gets in where it is being guessed.
        let answers = thief.attempt(&mut endpoint, now, "olena", "correct horse");
        assert_eq!(answers, [""; 0], "minute {minute}");
    }
    assert!(
        (180..=200).contains(&guesses),
        "{guesses} of 6000 were answered"
    );
    assert_eq!(endpoint.live(), Live::default());
}

#[test]
fn a_request_without_credentials_or_with_a_stale_nonce_is_no_guess() {
    let mut endpoint = exchange(roomy());
    let mut guest = Guest::at("192.0.2.66:5060");
    let plain = guest.request("REGISTER", "olena", "");
    let nonce = nonce_of(&guest.send(&mut endpoint, at(0), &plain).concat());
    for step in 0..100 {
        let now = at(200 + step / 10);
        let user = format!("olena{step}");
        let plain = guest.request("REGISTER", &user, "");
        assert_eq!(status(&guest.send(&mut endpoint, now, &plain)), Some(401));
        let field = "Authorization";
        let stale = authorization(field, &user, "guess", &nonce, Algorithm::Md5, "REGISTER");
        let stale = guest.request("REGISTER", &user, &stale);
        let answers = guest.send(&mut endpoint, now, &stale);
        assert_eq!(status(&answers), Some(401), "{step}");
        assert!(answers.concat().contains("stale=true"));
    }
    let answers = guest.attempt(&mut endpoint, at(210), "olena", "correct horse");
    assert_eq!(status(&answers), Some(200));
    assert!(
        endpoint.authority.worked.len() == 1,
        "only the last had to be computed"
    );
}

#[test]
fn twenty_names_silence_their_address_and_neither_its_phones_nor_anybody_else() {
    let mut endpoint = exchange(roomy());
    let mut phone = Guest::at("192.0.2.66:40000");
    let answers = phone.attempt(&mut endpoint, at(0), "olena", "correct horse");
    assert_eq!(status(&answers), Some(200));
    let mut thief = Guest::at("192.0.2.66:5060");
    for name in 0..20 {
        let answers = thief.attempt(&mut endpoint, at(1), &format!("user{name}"), "1234");
        assert_eq!(status(&answers), Some(401), "{name}");
    }
    for method in METHODS {
        let text = thief.request(method, "olena", "");
        assert_eq!(thief.send(&mut endpoint, at(2), &text), [""; 0], "{method}");
    }
    assert_eq!(endpoint.refused().silenced, METHODS.len() as u64);
    let answers = phone.attempt(&mut endpoint, at(3), "olena", "correct horse");
    assert_eq!(status(&answers), Some(200), "its flow is known");
    let mut other = Guest::at("192.0.2.67:5060");
    let answers = other.attempt(&mut endpoint, at(3), "olena", "correct horse");
    assert_eq!(status(&answers), Some(200), "another address");
    let text = thief.request("OPTIONS", "olena", "");
    assert_eq!(status(&thief.send(&mut endpoint, at(62), &text)), Some(200));
}

/// Header lines that might open a door.
fn temptations() -> Vec<String> {
    let sdp = "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\n\n".to_owned();
    let fields = |name: &str, count: usize| format!("{name}: x\n").repeat(count);
    let mut all = vec![
        String::new(),
        sdp,
        "Replaces: hand;to-tag=a;from-tag=theirs\n".to_owned(),
        "Replaces: x;to-tag=;from-tag=\nRequire: replaces\n".to_owned(),
        "Refer-To: <sip:0900111222@clinic.example?Replaces=hand%3Bto-tag%3Da>\n".to_owned(),
        "Event: dialog\nExpires: 3600\nAccept: application/dialog-info+xml\n".to_owned(),
        "Event: message-summary\nExpires: 3600\n".to_owned(),
        "Event: refer\nSubscription-State: active\n".to_owned(),
        "Require: 100rel\n".to_owned(),
        "Supported: 100rel, timer, outbound, path\nSession-Expires: 90;refresher=uac\n".to_owned(),
        "P-Asserted-Identity: <sip:olena@clinic.example>\nRemote-Party-ID: <sip:olena@x>\n"
            .to_owned(),
        "Diversion: <sip:olena@clinic.example>\nHistory-Info: <sip:a@b>;index=1\n".to_owned(),
        "Route: <sip:198.51.100.1;lr>\nRecord-Route: <sip:192.0.2.66;lr>\n".to_owned(),
        "Path: <sip:192.0.2.66;lr>\nExpires: 0\n".to_owned(),
        "RAck: 1 1 INVITE\nRSeq: 1\n".to_owned(),
        "Expires: 0\n".to_owned(),
        fields("Subject", 200),
        format!("Subject: {}\n", "я".repeat(14_000)),
        format!("Route: <sip:{}@x;lr>\n", "a".repeat(20_000)),
        format!("Via: SIP/2.0/UDP {};branch=z9hG4bKx\n", "h".repeat(5_000)),
    ];
    for field in ["Authorization", "Proxy-Authorization"] {
        for user in ["olena", "nobody"] {
            let nonce = "0".repeat(64);
            let fake = authorization(field, user, "guess", &nonce, Algorithm::Md5, "INVITE");
            all.push(fake.replace(
                "response=\"",
                &format!("opaque=\"{}\", response=\"", "o".repeat(9_000)),
            ));
            all.push(fake);
        }
    }
    all
}

/// An exchange with one call of the carrier and one of its own, and what a stranger would have to know
/// to touch them.
fn busy() -> (Net, BTreeMap<String, (String, String)>) {
    let mut net = Net::with(roomy(), 1);
    net.call(CARRIER, PBX, 1);
    net.call(PBX, CARRIER, 2);
    net.pause();
    for (end, answer) in [(PBX, "ours"), (CARRIER, "theirs")] {
        let leg = inbound(1);
        let answer = sdp(answer);
        net.command(end, SessionCommand::Accept { leg, answer });
    }
    net.pause();
    let known = net.ends[PBX].sessions.values().map(|session| {
        let dialog = &session.dialog;
        let theirs = dialog.remote_tag.clone().unwrap();
        let ours = dialog.key.local_tag.clone();
        (dialog.key.call_id.clone(), (ours, theirs))
    });
    let known = known.collect::<BTreeMap<_, _>>();
    assert_eq!(known.len(), 2);
    (net, known)
}

#[test]
fn no_request_of_a_stranger_leaves_anything_or_touches_a_call() {
    let (mut net, known) = busy();
    net.run(Duration::from_secs(40));
    net.events[PBX].clear();
    let before = net.ends[PBX].live();
    assert_eq!((before.dialogs, before.transactions), (2, 0));
    let mut dialogs = vec![("call".to_owned(), "t".to_owned(), String::new())];
    dialogs.push(("call".to_owned(), "t".to_owned(), ";tag=guess".to_owned()));
    for (call, (ours, theirs)) in known {
        dialogs.push((call, theirs, format!(";tag={ours}")));
    }
    let mut sent = 0;
    for method in METHODS {
        for more in temptations() {
            for (call, from, to) in &dialogs {
                sent += 1;
                let mut guest = Guest::at("192.0.2.66:5060");
                (guest.seq, guest.call) = (1_000 + sent, call.clone());
                let text = guest.request(method, "olena", &more);
                let text = text
                    .replace(">;tag=t\r\n", &format!(">;tag={from}\r\n"))
                    .replace("example>\r\nContact", &format!("example>{to}\r\nContact"));
                let what = || text.get(..400.min(text.len())).unwrap_or(method).to_owned();
                let now = net.now;
                let answers = guest.send(&mut net.ends[PBX], now, &text);
                assert!(answers.len() <= 1, "{}", what());
                let said = status(&answers);
                let fair = match said {
                    None => true,
                    Some(200) => method == "OPTIONS",
                    Some(code) => code >= 400,
                };
                assert!(fair, "{said:?} to {}", what());
                assert!(
                    said.is_some() || method == "ACK" || text.len() > 20_000,
                    "silence to {}",
                    what()
                );
                assert_eq!(net.ends[PBX].live(), before, "{}", what());
                while let Some(event) = net.ends[PBX].poll_event() {
                    let noted = matches!(event, EndpointEvent::Noted(_));
                    assert!(noted, "{event:?} after {}", what());
                }
            }
        }
    }
    assert_eq!(net.ends[PBX].registrations(), 0);
    assert_eq!(net.ends[PBX].subscriptions(), 0);
    assert_eq!(net.ends[PBX].merges.len(), 1);
    net.run(Duration::from_secs(600));
    assert_eq!(net.ends[PBX].live().dialogs, 2, "both calls still stand");
    assert_eq!(net.story(PBX), [""; 0]);
}

/// The trunk is an address and a port where it names one: its neighbours are strangers.
#[test]
fn the_neighbours_of_a_trunk_are_strangers() {
    let mut net = Net::with(roomy(), 1);
    let mut directory = net.ends[PBX].directory.clone();
    for trunk in &mut directory.trunks {
        trunk.peers = vec![(crate::net::Net::single(address(CARRIER).ip()), Some(5060))];
    }
    net.ends[PBX].set_directory(directory);
    for (seq, (from, code)) in (1..).zip([
        ("203.0.113.5:5060", 100),
        ("203.0.113.5:5061", 407),
        ("203.0.113.6:5060", 407),
        ("[::ffff:203.0.113.6]:5060", 407),
        ("[2001:db8::5]:5060", 407),
    ]) {
        let mut guest = Guest::at(from);
        guest.seq = seq;
        let text = guest.request("INVITE", "380671234567", "");
        let answers = guest.send(&mut net.ends[PBX], at(1), &text);
        assert_eq!(status(&answers), Some(code), "{from}");
    }
    assert_eq!(net.ends[PBX].live().sessions, 1);
}

#[test]
fn many_sources_fill_tables_to_their_bounds_and_nothing_else() {
    let mut endpoint = exchange(config());
    let mut rng = Rng::new([5; 32]);
    for number in 0..30_000_u32 {
        let peer = SocketAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 5060);
        let mut guest = Guest::at("192.0.2.66:5060");
        guest.flow = flow(peer);
        guest.call = rng.token(16);
        let nonce = "f".repeat(64);
        let field = "Authorization";
        let fake = authorization(field, "olena", "x", &nonce, Algorithm::Md5, "REGISTER");
        let method = ["INVITE", "REGISTER", "OPTIONS"][number as usize % 3];
        let text = guest.request(method, "olena", &fake);
        assert_eq!(guest.send(&mut endpoint, at(1), &text).len(), 1);
        while endpoint.poll_event().is_some() {}
    }
    assert_eq!(endpoint.live(), Live::default());
    assert_eq!((endpoint.registrations(), endpoint.subscriptions()), (0, 0));
    assert!(endpoint.timers.next().is_none() && endpoint.merges.is_empty());
}

#[test]
fn a_flood_of_what_nobody_can_read_floods_no_log() {
    let mut endpoint = exchange(config());
    let mut noted = |from: u32, now: Instant| {
        let peer = SocketAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + from).into(), 5060);
        endpoint.handle_packet(wall(now), flow(peer), b"hello");
        std::iter::from_fn(|| endpoint.poll_event())
            .filter_map(|event| match event {
                EndpointEvent::Noted(text) => Some(text),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let lines = (0..5_000).map(|from| noted(from, at(1)).len());
    assert_eq!(lines.sum::<usize>(), 100);
    let [line] = &noted(1, at(2))[..] else {
        panic!("one line");
    };
    assert!(line.contains("10.0.0.1:5060"), "{line}");
    assert!(
        line.ends_with("4900 such lines before it were left out"),
        "{line}"
    );
}

/// A phone of two hundred behind one address, which asks again as RFC 3261 17.1.2 and 21.5.4 say.
struct Returning {
    guest: Guest,
    user: String,
    credentials: String,
    gap: Duration,
    due: Instant,
    back: Option<Instant>,
}

impl Returning {
    fn knock(&mut self, endpoint: &mut Endpoint, now: Instant) {
        if self.guest.seq == 0 || !self.credentials.is_empty() {
            self.guest.seq += 1;
        }
        self.guest.seq -= 1;
        let text = self
            .guest
            .request("REGISTER", &self.user, &self.credentials);
        let answers = self.guest.send(endpoint, now, &text);
        self.due = now + self.gap;
        self.gap = (self.gap * 2).min(Duration::from_secs(4));
        match status(&answers) {
            Some(200) => self.back = Some(now),
            Some(401) => {
                let (nonce, field) = (nonce_of(&answers.concat()), "Authorization");
                let (user, md5) = (&self.user, Algorithm::Md5);
                self.credentials = authorization(field, user, "secret", &nonce, md5, "REGISTER");
                self.guest.seq += 1;
                self.gap = Duration::from_millis(500);
                self.due = now + Duration::from_millis(20);
            }
            Some(503) => {
                let text = answers.concat();
                let wait = text.split_once("Retry-After: ").unwrap().1;
                let wait = wait.split("\r\n").next().unwrap().parse().unwrap();
                self.credentials.clear();
                self.guest.seq += 1;
                self.gap = Duration::from_millis(500);
                self.due = now + Duration::from_secs(wait);
            }
            Some(_) | None => {}
        }
    }
}

/// When the last of two hundred phones is back, and how many were told to wait.
fn after_a_power_cut(trusted: bool) -> (Duration, u64) {
    let mut config = config();
    config.registrations = 1_000;
    if trusted {
        config.strangers_trusted = vec!["192.0.2.66/32".parse().unwrap()];
    }
    let mut endpoint = exchange(config);
    let mut directory = endpoint.directory.clone();
    let user = |number: u16| format!("op{number:03}");
    for number in 0..200 {
        let user = user(number);
        let secret = Credentials::from_password(&user, "clinic.example", "secret");
        directory
            .users
            .insert(OperatorName::from(user.as_str()), secret);
    }
    endpoint.set_directory(directory);
    let mut phones: Vec<_> = (0..200)
        .map(|number| Returning {
            guest: Guest::at(&format!("192.0.2.66:{}", 10_000 + number)),
            user: user(number),
            credentials: String::new(),
            gap: Duration::from_millis(500),
            due: Instant::START + Duration::from_millis(u64::from(number % 10)),
            back: None,
        })
        .collect();
    while let Some(phone) = phones
        .iter_mut()
        .filter(|phone| phone.back.is_none())
        .min_by_key(|phone| phone.due)
    {
        let now = phone.due;
        assert!(now < at(300), "{} never came back", phone.user);
        phone.knock(&mut endpoint, now);
    }
    assert_eq!(endpoint.registrations(), 200);
    let last = phones.iter().filter_map(|phone| phone.back).max().unwrap();
    (last.since(Instant::START), endpoint.refused().limited)
}

#[test]
fn two_hundred_phones_of_one_address_are_back_within_a_minute_of_a_power_cut() {
    let (last, spread) = after_a_power_cut(true);
    assert!(spread > 100, "{spread} were asked to come later");
    assert!(last < Duration::from_secs(60), "{last:?}");
    let (last, silenced) = after_a_power_cut(false);
    assert!(silenced > 100);
    assert!(last < Duration::from_secs(60), "{last:?}");
}
