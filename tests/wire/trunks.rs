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
