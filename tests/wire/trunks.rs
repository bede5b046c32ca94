//! Carriers that know us by a registration, that are asked whether they are there, and that take calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::hook::Hook;
use crate::rig::{Rig, free_port, plan_text};
use crate::sipp::{Role, Sipp, free};

const SOON: Duration = Duration::from_secs(30);

fn host(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 2, 0, last))
}

fn waits(rig: &Rig, scenario: &'static str, address: SocketAddr) -> Sipp {
    let role = Role {
        scenario,
        address,
        tcp: false,
        words: vec![("user", "carrier".to_owned())],
    };
    Sipp::waits(rig.folder.path(), &role, rig.sip)
}

fn with_trunks(trunks: &str) -> String {
    plan_text(free_port()).replace("trunks:\n", &format!("trunks:\n{trunks}"))
}

/// RFC 3261 10.2, 22.2: we register, answer the challenge, and the trunk is up. RFC 3261 11: another
/// carrier is asked by OPTIONS.
#[test]
fn carriers_register_us_and_are_asked_whether_they_are_there() {
    let (registrar, asked) = (free(host(1)), free(host(2)));
    let plan = with_trunks(&format!(
        "  known: {{ register: {{ servers: [\"{registrar}\"], user: \"100200\", password: secret-100200 }}, transport: udp }}
  asked: {{ servers: [\"{asked}\"], transport: udp, keepalive: 10s }}
"
    ));
    let mut hook = Hook::start();
    let rig = Rig::with_plan(&hook, free_port(), &plan);
    let mut players = [
        waits(&rig, "registrar", registrar),
        waits(&rig, "carrier_is_asked", asked),
    ];
    let wrong: Vec<_> = players.iter_mut().filter_map(|it| it.end().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hook.wait("trunk.up of the one that knows us", SOON, |heard| {
        heard
            .iter()
            .any(|it| it["type"] == "trunk.up" && it["data"]["trunk"] == "known")
    });
}

/// An operator's call to an outside number goes to the carrier of the plan, with the number that the
/// plan shows; it ends as an outbound call.
#[test]
fn an_operator_calls_outside_through_a_carrier() {
    let carrier = free(host(3));
    let plan = with_trunks(&format!(
        "  out: {{ servers: [\"{carrier}\"], transport: udp, media: [127.0.0.0/8] }}\n"
    )) + "outbound: { via: [out], allow: [\"+380*\"], show: { number: \"0800 301 231\" } }\n";
    let mut hook = Hook::start();
    let rig = Rig::with_plan(&hook, free_port(), &plan);
    let answers = waits(&rig, "carrier_answers", carrier);
    let role = Role {
        scenario: "operator_dials",
        address: free(host(4)),
        tcp: false,
        words: vec![
            ("user", "olena".to_owned()),
            ("me", "<sip:olena@strowger.test>".to_owned()),
            ("number", "0671234567".to_owned()),
        ],
    };
    let dials = Sipp::begins(rig.folder.path(), &role, rig.sip);
    let mut players = [dials, answers];
    let wrong: Vec<_> = players.iter_mut().filter_map(|it| it.end().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hook.wait_for("call.ended", 1, SOON);
    let ended = &hook.of("call.ended").next().unwrap()["data"];
    assert_eq!(ended["direction"], "outbound");
    assert_eq!(ended["result"], "answered");
}
