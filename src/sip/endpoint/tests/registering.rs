//! Registering, and what a registration opens.

use super::network::*;
use crate::id::{OperatorName, TrunkName};
use crate::sip::auth::digest;
use crate::sip::endpoint::{Algorithm, Credentials, Directory, EndpointEvent, TrunkEntry};
use crate::sip::registration::{Account, RegistrationEvent, RegistrationId};
use crate::sip::session::{SessionCommand, SessionEvent, Source};
use crate::time::Duration;

fn account(net: &Net, password: &str) -> Account {
    Account {
        user: "olena".to_owned(),
        password: password.to_owned(),
        domain: "clinic.example".to_owned(),
        flow: net.flow(PHONE, PBX),
        expires: Duration::from_secs(300),
    }
}

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    let mut net = Net::new();
    let (now, account) = (net.now(), account(&net, "correct horse"));
    net.ends[PHONE].register(now, RegistrationId(1), account);
    net.collect(PHONE);
    net.pause();
    let registered = RegistrationEvent::Registered(RegistrationId(1), Duration::from_secs(300));
    assert_eq!(net.ends[PHONE].poll_registration(), Some(registered));
    let olena = OperatorName::from("olena");
    let binding = net.ends[PBX].bindings(&olena).next().unwrap().clone();
    assert_eq!(binding.contact.as_str(), "sip:olena@192.0.2.10:40000");
    assert_eq!(binding.flow, net.flow(PBX, PHONE));
    assert_eq!(net.holds.len(), 1);
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Registered {
            first: true,
            hold: Some(_),
            ..
        }]
    ));

    net.events[PBX].clear();
    net.run(Duration::from_secs(250));
    assert_eq!(net.ends[PHONE].poll_registration(), Some(registered));
    assert_eq!(net.holds.len(), 1, "a refresh waits for no disk");
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Registered {
            first: false,
            hold: None,
            ..
        }]
    ));

    net.events[PBX].clear();
    let now = net.now();
    net.ends[PHONE].unregister(now, RegistrationId(1));
    net.collect(PHONE);
    net.pause();
    assert_eq!(
        net.ends[PHONE].poll_registration(),
        Some(RegistrationEvent::Unregistered(RegistrationId(1)))
    );
    assert_eq!(net.ends[PBX].registrations(), 0);
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Unregistered {
            last: true,
            why: "removed",
            hold: Some(_),
            ..
        }]
    ));
    net.finish();
}

#[test]
fn a_wrong_password_is_refused_and_a_lapsed_binding_goes() {
    let mut net = Net::new();
    let (now, wrong) = (net.now(), account(&net, "guess"));
    net.ends[PHONE].register(now, RegistrationId(1), wrong);
    net.collect(PHONE);
    net.pause();
    assert_eq!(
        net.ends[PHONE].poll_registration(),
        Some(RegistrationEvent::Failed(RegistrationId(1), 401))
    );
    assert_eq!(net.ends[PBX].refused().auth, 1);

    let mut net = Net::new();
    let (now, right) = (net.now(), account(&net, "correct horse"));
    net.ends[PHONE].register(now, RegistrationId(1), right);
    net.collect(PHONE);
    net.pause();
    net.events[PBX].clear();
    net.blocked = vec![("2→0", 1000)];
    net.run(Duration::from_secs(301));
    assert_eq!(net.ends[PBX].registrations(), 0);
    assert!(matches!(
        &net.events[PBX][..],
        [EndpointEvent::Unregistered {
            last: true,
            why: "expired",
            hold: None,
            ..
        }]
    ));
}

#[test]
fn a_lossy_network_registers_a_phone_all_the_same() {
    for seed in 0..10 {
        let mut net = Net::with(config(), seed);
        (net.loss, net.doubling, net.jitter) = (200, 200, Duration::from_millis(300));
        let (now, right) = (net.now(), account(&net, "correct horse"));
        net.ends[PHONE].register(now, RegistrationId(1), right);
        net.collect(PHONE);
        net.run(Duration::from_secs(100));
        assert_eq!(net.ends[PBX].registrations(), 1, "seed {seed}");
    }
}

/// A REGISTER of olena with a digest, from `port` of the phone's address, as hand-written text.
fn register(net: &mut Net, seq: u32, contact: &str, more: &str) -> String {
    let uri = "sip:clinic.example";
    let challenges = net.ends[PBX].authority.challenges(
        net.now,
        &mut crate::rng::Rng::new([u8::try_from(seq).unwrap(); 32]),
        false,
    );
    let nonce = challenges[0].split('"').nth(3).unwrap().to_owned();
    let olena = Credentials::from_password("olena", "clinic.example", "correct horse");
    let response = digest::response(Algorithm::Md5, &olena.md5, &nonce, None, "REGISTER", uri);
    format!(
        "REGISTER {uri} SIP/2.0
Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bKr{seq}
From: <sip:olena@clinic.example>;tag=t
To: <sip:olena@clinic.example>
Call-ID: reg
CSeq: {seq} REGISTER
{contact}Authorization: Digest username=\"olena\", realm=\"clinic.example\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"
{more}
"
    )
}

#[test]
fn a_register_gets_what_the_rfc_says() {
    let mut net = Net::new();
    let one = "Contact: <sip:olena@10.0.0.7>\n";
    for (contact, more, status) in [
        (one, "Expires: 59\n", 423),
        (one, "Expires: x\n", 400),
        ("Contact: *\n", "Expires: 5\n", 400),
        ("Contact: *, <sip:a@b>\n", "Expires: 0\n", 400),
        ("Contact: <tel:+380>\n", "", 400),
        (one, "Expires: 99999999999\n", 200),
        ("", "", 200),
        (
            "Contact: <sip:a@b>;expires=61, <sip:a@c>;expires=62\n",
            "",
            200,
        ),
        ("Contact: *\n", "Expires: 0\n", 200),
    ] {
        net.trace.clear();
        let seq = u32::try_from(net.holds.len()).unwrap() + 10;
        let text = register(&mut net, seq, contact, more);
        net.send_text(PHONE, &text);
        assert_eq!(net.status(PHONE), Some(status), "{contact}{more}");
    }
    assert_eq!(net.ends[PBX].registrations(), 0);
    assert_eq!(net.holds.len(), 3);
}

#[test]
fn a_repeated_register_is_answered_again_and_waits_for_the_disk_again() {
    let mut net = Net::new();
    let text = register(&mut net, 1, "Contact: <sip:olena@10.0.0.7>\n", "");
    net.send_text(PHONE, &text);
    net.send_text(PHONE, &text);
    assert_eq!(net.count("0→2 SIP/2.0 200"), 2);
    assert_eq!(net.holds.len(), 2);
    // The same credentials in another request are a theft.
    net.send_text(PHONE, &text.replace("CSeq: 1", "CSeq: 2"));
    assert_eq!(net.status(PHONE), Some(401));
}

#[test]
fn a_registered_phone_is_no_stranger_and_may_call_by_digest() {
    let mut net = Net::new();
    let text = register(&mut net, 1, "Contact: <sip:olena@10.0.0.7>\n", "");
    net.send_text(PHONE, &text);
    let invite = |user: &str, answer: &str| {
        format!(
            "INVITE sip:201@clinic.example SIP/2.0
Via: SIP/2.0/UDP 10.0.0.7:5060;rport;branch=z9hG4bK{user}{}
From: <sip:{user}@clinic.example>;tag=t
To: <sip:201@clinic.example>
Contact: <sip:olena@10.0.0.7>
Call-ID: call{user}
CSeq: 1 INVITE
{answer}
",
            answer.len()
        )
    };
    for _ in 0..300 {
        net.send_text(PHONE, &invite("olena", ""));
    }
    assert_eq!(net.count("0→2 SIP/2.0 407"), 300);
    let digest = |net: &mut Net, seq: u32| {
        let line = register(net, seq, "", "");
        let nonce = line
            .split("nonce=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let olena = Credentials::from_password("olena", "clinic.example", "correct horse");
        let uri = "sip:201@clinic.example";
        let response = digest::response(Algorithm::Md5, &olena.md5, &nonce, None, "INVITE", uri);
        format!(
            "Proxy-Authorization: Digest username=\"olena\", realm=\"clinic.example\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"\n"
        )
    };
    let stolen = digest(&mut net, 2);
    net.send_text(PHONE, &invite("taras", &stolen));
    assert_eq!(net.status(PHONE), Some(403));
    let own = digest(&mut net, 3);
    net.send_text(PHONE, &invite("olena", &own));
    assert_eq!(net.status(PHONE), Some(100));
    let events = net.sessions(PBX);
    let [SessionEvent::Incoming { invite, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(invite.source, Source::Operator(OperatorName::from("olena")));
}

#[test]
fn guessed_passwords_bring_silence_to_the_guesser_alone() {
    let mut net = Net::new();
    for seq in 1..=25 {
        let text = register(&mut net, seq, "Contact: <sip:olena@10.0.0.7>\n", "");
        let at = text.find("response=\"").unwrap() + 10;
        let wrong = format!(
            "{}{}",
            &text[..at],
            text[at..].replacen(&text[at..=at], "!", 1)
        );
        net.send_text(STRANGER, &wrong);
    }
    assert_eq!(net.count("0→3 SIP/2.0 401"), 20);
    let text = register(&mut net, 50, "Contact: <sip:olena@10.0.0.7>\n", "");
    net.send_text(STRANGER, &text);
    assert_eq!(net.count("0→3 SIP/2.0 200"), 0);
    net.send_text(
        PHONE,
        &text.replace("branch=z9hG4bKr50", "branch=z9hG4bKr51"),
    );
    assert_eq!(net.status(PHONE), Some(200));
}

#[test]
fn trusted_phones_above_the_rate_are_asked_to_come_later() {
    let mut config = config();
    (config.strangers_rate, config.strangers_burst) = (1, 1);
    config.strangers_trusted = vec!["192.0.2.10/32".parse().unwrap()];
    let mut net = Net::with(config, 1);
    for seq in 1..=3 {
        let text = register(&mut net, seq, "Contact: <sip:olena@10.0.0.7>\n", "");
        net.send_text(PHONE, &text.replace("Authorization", "X-None"));
        net.send_text(STRANGER, &text.replace("Authorization", "X-None"));
    }
    assert_eq!(net.count("0→2 SIP/2.0 401"), 1);
    assert_eq!(net.count("0→2 SIP/2.0 503"), 2);
    assert_eq!(net.count("0→3"), 1);
}

#[test]
fn a_phone_that_came_back_by_another_port_hears_the_bye_there() {
    let mut net = Net::new();
    let text = register(&mut net, 1, "Contact: <sip:phone@192.0.2.10:40000>\n", "");
    net.send_text(PHONE, &text);
    let leg = net.call(PBX, PHONE, 1);
    net.pause();
    let accept = SessionCommand::Accept {
        leg: inbound(1),
        answer: sdp("answer"),
    };
    net.command(PHONE, accept);
    net.pause();
    // The same binding, from the stranger's address now.
    let text = register(&mut net, 2, "Contact: <sip:phone@192.0.2.10:40000>\n", "");
    net.send_text(STRANGER, &text);
    net.trace.clear();
    let hang_up = SessionCommand::HangUp {
        leg,
        cause: cause(200),
    };
    net.command(PBX, hang_up);
    assert_eq!(net.count("0→3 BYE"), 1);
}

#[test]
fn peers_see_the_advertised_address_unless_they_are_near() {
    let mut config = config();
    config.advertise = Some("203.0.113.99".parse().unwrap());
    config.local_nets = vec!["192.0.2.0/24".parse().unwrap()];
    let mut net = Net::with(config, 1);
    net.call(PBX, CARRIER, 1);
    net.call(PBX, PHONE, 2);
    net.pause();
    let contacts: Vec<_> = [CARRIER, PHONE]
        .map(|of| {
            net.ends[of]
                .sessions
                .values()
                .next()
                .map(|session| session.phase.clone())
        })
        .into_iter()
        .flatten()
        .map(|phase| match phase {
            crate::sip::session::state::Phase::Offered { request, .. } => {
                request.headers.contacts().unwrap()[0]
                    .uri
                    .as_str()
                    .to_owned()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        contacts,
        [
            "sip:strowger@203.0.113.99:5060",
            "sip:strowger@198.51.100.1:5060"
        ]
    );
    assert_eq!(net.count("0→2 INVITE"), 1);
}

#[test]
fn a_flow_is_in_use_while_a_binding_or_a_session_is_on_it() {
    let mut net = Net::new();
    let used = |net: &Net, of: usize| !net.ends[of].flows_in_use().is_empty();
    assert!(!used(&net, PBX));
    let (now, account) = (net.now(), account(&net, "correct horse"));
    net.ends[PHONE].register(now, RegistrationId(1), account);
    net.collect(PHONE);
    net.pause();
    assert!(
        used(&net, PBX) && used(&net, PHONE),
        "a binding, and a registration"
    );
    let now = net.now();
    net.ends[PHONE].unregister(now, RegistrationId(1));
    net.collect(PHONE);
    net.pause();
    assert!(!used(&net, PBX) && !used(&net, PHONE));
    let leg = net.call(PBX, CARRIER, 1);
    net.pause();
    assert!(used(&net, PBX) && used(&net, CARRIER), "a session");
    let cause = cause(200);
    net.command(PBX, SessionCommand::HangUp { leg, cause });
    net.run(Duration::from_secs(200));
    assert!(!used(&net, PBX));
}

#[test]
fn a_call_to_our_contact_is_the_carriers_and_a_guess_is_challenged() {
    let mut net = Net::new();
    let mut reserve = TrunkEntry::at(TrunkName::from("reserve"), Vec::new());
    reserve.contact_user = Some("k3x9unguessable".to_owned());
    net.ends[PBX].set_directory(Directory {
        trunks: vec![reserve],
        ..Directory::default()
    });
    let invite = |net: &mut Net, user: &str, branch: &str| {
        net.send_text(
            STRANGER,
            &format!(
                "INVITE sip:{user}@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 198.51.100.66:5060;branch=z9hG4bK{branch}
From: <sip:+380671112233@carrier.example>;tag={branch}
To: <sip:0800301230@carrier.example>
Call-ID: {branch}
CSeq: 1 INVITE
Contact: <sip:carrier@198.51.100.66>
Max-Forwards: 70
Content-Length: 0

"
            ),
        );
    };
    invite(&mut net, "k3x9unguessablf", "guess");
    assert!(net.trace.last().unwrap().contains("407"), "{:?}", net.trace);
    assert!(net.events[PBX].is_empty());
    invite(&mut net, "k3x9unguessable", "right");
    let incoming = net.events[PBX].iter().find_map(|event| match event {
        EndpointEvent::Session(SessionEvent::Incoming { invite, .. }) => Some(invite),
        _ => None,
    });
    let source = &incoming.unwrap().source;
    assert_eq!(*source, Source::Trunk(TrunkName::from("reserve")));
}
