//! What phones watch: a colleague's lamp on sipp, waiting messages on PJSIP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::carrier;
use crate::hook::{Hook, deadline, now};
use crate::pjsua::{Line, Phone};
use crate::rig::Rig;
use crate::sipp::{Role, Sipp, free};

const SOON: Duration = Duration::from_secs(30);
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn plan(carrier: SocketAddr) -> String {
    format!(
        "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
trunks:
  carrier: {{ peers: [\"{carrier}\"], media: [127.0.0.0/8] }}
numbers:
  \"0800 301 231\": {{ to: queue.odesa }}
operators:
  olena: {{ name: Олена, password: secret-olena }}
  serhii: {{ name: Сергій, number: \"202\", password: secret-serhii }}
queues:
  odesa: {{ operators: {{ names: [serhii] }}, ring: 10s, wrap_up: 0s, max_wait: 60s }}
recording: {{ keep: 90d }}
"
    )
}

fn role(scenario: &'static str, user: &str) -> Role {
    Role {
        scenario,
        address: free(HOME),
        tcp: false,
        words: vec![
            ("me", format!("<sip:{user}@strowger.test>")),
            ("user", user.to_owned()),
            ("stay", "{{pause 60000}}".to_owned()),
        ],
    }
}

/// Serhii takes a call, and then none: olena's lamp follows him, and the caller he missed is a
/// message.
#[test]
fn a_lamp_follows_a_colleague_and_a_missed_caller_is_a_message() {
    let mut hook = Hook::start();
    let carrier = free(HOME);
    let rig = Rig::with_plan(&hook, carrier, &plan(carrier));
    let folder = rig.folder.path();
    let mut serhii = Sipp::phone(folder, &role("phone_takes_its_time", "serhii"), rig.sip);
    let line = Line {
        server: rig.sip,
        transport: "udp",
        srtp: "off",
        authority: folder,
    };
    let mut olena = Phone::start(folder, "olena", 660.0, line);
    olena.wait("messages 0/0");
    hook.wait_for("operator.registered", 2, SOON);
    let mut watches = role("phone_watches", "olena");
    watches.words.push(("number", "202".to_owned()));
    let mut lamp = Sipp::begins(folder, &watches, rig.sip);
    let until = deadline(SOON);
    while !lamp.messages().contains("NOTIFY") {
        assert!(now() < until, "{:?}", lamp.end());
        std::thread::yield_now();
    }

    assert_eq!(carrier::call(&rig, 1, 1).exit, Some(0));
    let ends = [serhii.end(), lamp.end()];
    assert!(ends.iter().all(Result::is_ok), "{ends:#?}");

    assert_eq!(carrier::call(&rig, 1, 1).exit, Some(0));
    hook.wait_for("callback.opened", 1, SOON);
    olena.wait("messages 1/0");
}
