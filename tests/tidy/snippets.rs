//! A law must be able to fail: small bad snippets, each with the one complaint it must raise, and
//! good ones that must raise none.

use super::check;
use super::source::Source;

/// The complaints about `body` in the file `path`, as `line: law`.
fn complaints(path: &str, body: &str) -> Vec<String> {
    check(&Source::new(path, &format!("//! A noun.\n{body}")))
        .iter()
        .map(|broken| {
            broken
                .to_string()
                .trim_start_matches(path)
                .trim_start_matches(':')
                .to_owned()
        })
        .collect()
}

/// `body` breaks exactly one law, at line 2, that contains `law`.
#[track_caller]
fn refused(path: &str, body: &str, law: &str) {
    let found = complaints(path, body);
    assert!(
        found.len() == 1 && found[0].starts_with("2: ") && found[0].contains(law),
        "{path}: {body}\ngave {found:#?}"
    );
}

/// `body` breaks no law.
#[track_caller]
fn accepted(path: &str, body: &str) {
    let found = complaints(path, body);
    assert!(found.is_empty(), "{path}: {body}\ngave {found:#?}");
}

#[test]
fn imports_point_right_only() {
    refused(
        "src/sip/dialog.rs",
        "use crate::call::leg::Leg;",
        "`sip` imports `call`",
    );
    refused(
        "src/engine/input.rs",
        "use crate::server::store::Store;",
        "`engine` imports `server`",
    );
    refused(
        "src/id.rs",
        "use crate::sip::uri::Uri;",
        "`id` imports `sip`",
    );
    refused(
        "src/sip/uri.rs",
        "fn f() -> crate::engine::event::Event {}",
        "`sip` imports `engine`",
    );
    refused(
        "src/sip/header/mod.rs",
        "use super::super::acd::desk::Desk;",
        "`sip` imports `acd`",
    );
    refused(
        "src/sip/uri.rs",
        "use crate::{words, call::{leg::Leg}};",
        "`sip` imports `call`",
    );
    accepted(
        "src/engine/input.rs",
        "use crate::{call::leg::Leg, sip::{self, flow::Flow as F}};",
    );
    accepted(
        "src/server/store/mod.rs",
        "use super::super::engine::event::Event;",
    );
    accepted("src/main.rs", "use strowger::cli;");
    accepted("src/sip/uri.rs", "fn f() -> impl Fn() + use<> { || () }");
}

#[test]
fn siblings_do_not_know_each_other() {
    refused(
        "src/acd/queue.rs",
        "use crate::dialplan::plan::Queue;",
        "sibling `dialplan`",
    );
    refused(
        "src/sip/session.rs",
        "use crate::sdp::description::Sdp;",
        "sibling `sdp`",
    );
    refused(
        "src/sim/mod.rs",
        "use crate::server::driver;",
        "sibling `server`",
    );
    refused(
        "src/acd/queue.rs",
        "use crate::rtp::packet;",
        "`media` alone",
    );
    refused("src/time.rs", "use crate::id::CallId;", "sibling `id`");
    accepted("src/media/relay.rs", "use crate::rtp::packet;");
    accepted("src/words.rs", "use crate::time::Duration;");
}

#[test]
fn call_sees_messages_only() {
    refused(
        "src/call/mod.rs",
        "use crate::acd::desk::Desk;",
        "`call` sees `acd`",
    );
    refused(
        "src/call/leg.rs",
        "use crate::media;",
        "`call` sees `media`",
    );
    accepted(
        "src/call/leg.rs",
        "use crate::acd::message::Assigned; use crate::media::command::MediaCommand;",
    );
}

#[test]
fn a_module_without_a_place_is_refused() {
    refused_at_one("src/wizard.rs", "has no place");
}

/// A complaint about the file as a whole.
#[track_caller]
fn refused_at_one(path: &str, law: &str) {
    let found = complaints(path, "");
    assert!(
        found.len() == 1 && found[0].starts_with("1: ") && found[0].contains(law),
        "{path} gave {found:#?}"
    );
}

#[test]
fn pure_code_has_no_io_clock_thread_or_lock() {
    for (body, law) in [
        ("use std::fs;", "no IO"),
        ("use std::io::Read;", "no IO"),
        ("use std::net::{IpAddr, UdpSocket};", "no sockets"),
        (
            "fn f() { let _ = std::time::SystemTime::UNIX_EPOCH; }",
            "no clock",
        ),
        ("use std::time::Instant;", "no clock"),
        ("use std::time;", "no clock"),
        ("use std::time::*;", "no clock"),
        ("use std::sync::{self};", "no locks"),
        (
            "fn f() { let _ = jiff::Timestamp::now(); }",
            "clock is read",
        ),
        ("fn f() { std::thread::yield_now(); }", "no threads"),
        ("use std::sync::{Arc, Mutex};", "no locks"),
        ("use std::sync::atomic::AtomicU64;", "no atomics"),
        ("use std::rc::Rc;", "no `Rc`"),
        ("use std::collections::{BTreeMap, HashMap};", "BTreeMap"),
        ("use tokio::sync::oneshot;", "no async"),
        ("async fn f() {}", "async"),
        ("fn f() { println!(\"{}\", 1); }", "prints nothing"),
        ("fn f() -> u8 { rand::random() }", "no global randomness"),
        ("use core::cell::Cell; use alloc::rc::Rc;", "no `Rc`"),
    ] {
        refused("src/acd/queue.rs", body, law);
        refused("src/sim/mod.rs", body, law);
        accepted("src/server/driver.rs", body);
    }
    accepted(
        "src/net.rs",
        "use std::net::{IpAddr, SocketAddr}; use std::sync::Arc;",
    );
    accepted("src/time.rs", "pub use std::time::Duration;");
    accepted("src/acd/queue.rs", "use std::collections::BTreeMap;");
}

#[test]
fn some_words_stand_nowhere() {
    for path in [
        "src/server/driver.rs",
        "src/acd/queue.rs",
        "tests/wire/main.rs",
    ] {
        refused(path, "fn f() { todo!() }", "is no code");
        refused(path, "#[ignore = \"slow\"] fn f() {}", "tests nothing");
        refused(path, "// FIXME: later", "write an issue");
        refused(path, "/* a /* nested */ TODO */", "write an issue");
        refused(path, "fn f() { unsafe {} }", "outside");
        accepted(
            path,
            "fn f() -> &'static str { \"FIXME\" } // ignore the rest, nothing to do",
        );
        accepted(
            path,
            "const S: &str = r#\"use std::fs; \"todo!()\" unsafe\"#; const C: char = '\"';",
        );
    }
    refused(
        "tests/wire/main.rs",
        "fn f() { std::thread::sleep(D); }",
        "deadline",
    );
    accepted("src/server/media/epoll.rs", "fn f() { unsafe {} }");
}

#[test]
fn files_are_named_opened_and_short() {
    refused_at_one("src/server/utils.rs", "names nothing");
    refused_at_one("src/server/common/mod.rs", "names nothing");
    let closed = check(&Source::new("src/acd/queue.rs", "// A comment.\n"));
    assert!(closed.len() == 1 && closed[0].to_string().contains("opens with"));
    let long = "const A: u8 = 1;\n".repeat(600);
    let found = complaints("src/acd/queue.rs", &long);
    assert!(
        found.len() == 1 && found[0].contains("601 lines"),
        "{found:?}"
    );
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    accepted("src/acd/queue.rs", &tested);
    accepted("src/acd/queue/tests.rs", &long);
}

#[test]
fn tests_may_use_what_shipped_code_may_not() {
    accepted(
        "src/acd/queue.rs",
        "#[cfg(test)]\nmod tests {\n use std::fs; use crate::engine::input::Input;\n}\n",
    );
    let after = "#[cfg(test)]\nmod tests { fn f() { if true { } } }\nuse std::fs;";
    let found = complaints("src/acd/queue.rs", after);
    assert!(found.len() == 1 && found[0].starts_with("4: "), "{found:?}");
}
