//! What carriers and phones say to us in their different ways, one scenario of sipp for each.

use crate::clinic::{Clinic, Scene, Transport};

/// The dialects of carriers, over UDP.
#[test]
fn a_carrier_speaks_as_the_rfcs_let_it() {
    let scenes = [
        Scene::new("carrier_calls", "phone_answers"),
        Scene::new("carrier_holds", "phone_answers"),
        Scene::new("carrier_offers_late", "phone_answers"),
        Scene::new("carrier_asks", "phone_answers"),
        Scene::new("carrier_cancels", "phone_rings_out")
            .queue(", answer: operator")
            .left(),
        Scene::new("carrier_cancels_late", "phone_answers"),
        Scene::new("carrier_loops", "phone_hangs_up").queue(", answer: operator"),
        Scene::new("carrier_dials_tel", "phone_hangs_up"),
        Scene::new("carrier_calls", "phone_answers").tcp(),
        Scene::new("carrier_holds", "phone_answers").tcp(),
        Scene::new("carrier_acknowledges", "phone_hangs_up").queue(", answer: operator"),
        Scene::new("carrier_refreshes", "phone_answers"),
        Scene::new("carrier_is_refreshed", "phone_answers").long(),
        Scene::new("carrier_forgets_ack", "phone_answers").long(),
    ];
    Clinic::open(&scenes).play();
}

/// The ways of phones, over UDP and TCP.
#[test]
fn a_phone_does_what_its_operator_does() {
    let ways = [
        Scene::new("carrier_listens", "phone_hangs_up"),
        Scene::new("carrier_waits", "phone_declines").missed("declined"),
        Scene::new("carrier_waits", "phone_is_busy").missed("busy"),
        Scene::new("carrier_waits", "phone_is_off").missed("declined"),
        Scene::new("carrier_waits", "phone_rings_out").missed("no_answer"),
        Scene::new("carrier_waits", "phone_crosses_cancel").missed("no_answer"),
        Scene::new("carrier_waits", "phone_is_cut_by_whisper").missed("declined"),
        Scene::new("carrier_listens", "phone_holds"),
        Scene::new("carrier_calls", "phone_forks"),
    ];
    let both: Vec<_> = ways
        .iter()
        .cloned()
        .chain(ways.iter().cloned().map(Scene::tcp))
        .collect();
    Clinic::open(&both).play();
}

/// Calls through the carrier's own proxy, which stays in their way: every request of a dialog goes by
/// its route set (RFC 3261 12.2.1.1, 16.12), from both sides.
#[test]
fn a_carrier_behind_a_record_routing_proxy() {
    Clinic::behind_proxy(&proxied(), Transport::Udp).play();
}

/// The same proxy between UDP and TCP, which puts itself into the route twice (RFC 5658).
#[test]
fn a_carrier_behind_a_proxy_that_changes_the_transport() {
    Clinic::behind_proxy(&proxied(), Transport::Tcp).play();
}

/// The proxy speaks TLS with us, and verifies our certificate (RFC 3261 26.2.1).
#[test]
fn a_carrier_behind_a_proxy_that_speaks_tls() {
    Clinic::behind_proxy(&proxied(), Transport::Tls).play();
}

fn proxied() -> [Scene; 6] {
    [
        Scene::new("carrier_calls", "phone_answers"),
        Scene::new("carrier_listens", "phone_hangs_up"),
        Scene::new("carrier_holds", "phone_answers"),
        Scene::new("carrier_offers_late", "phone_answers"),
        Scene::new("carrier_cancels", "phone_rings_out")
            .queue(", answer: operator")
            .left(),
        Scene::new("carrier_waits", "phone_declines").missed("declined"),
    ]
}

/// Operators dial each other by name and by short number.
#[test]
fn an_operator_dials() {
    let scenes = [
        Scene::dialled("operator_dials", "operator-0-0", &["phone_answers"]),
        Scene::dialled("operator_dials", "210", &["phone_answers"]),
        Scene::dialled("operator_is_refused", "0900123456", &[]).refused(),
        Scene::dialled("operator_dials", "230", &["phone_answers"]).tcp(),
    ];
    Clinic::open(&scenes).play();
}

/// Operators pass callers on blindly; who is sent to one who is busy comes back.
#[test]
fn an_operator_passes_a_call_on() {
    let ways = [
        Scene::new("carrier_calls", "phone_transfers").beside("phone_answers"),
        Scene::new("carrier_listens", "phone_transfers").beside("phone_hangs_up"),
        Scene::new("carrier_listens", "phone_transfers_in_vain").beside("phone_is_busy"),
    ];
    let both: Vec<_> = ways
        .iter()
        .cloned()
        .chain(ways.iter().cloned().map(Scene::tcp))
        .collect();
    Clinic::open(&both).play();
}
