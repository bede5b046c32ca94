//! The tests of dialplans, as `strowger test` runs them.

use std::path::Path;

use serde_json::json;
use strowger::dialplan::diagnose::Severity;
use strowger::server::plan_files;
use strowger::sim::rehearsal::rehearse;

use crate::hall::plan;

#[test]
fn the_tests_of_every_shipped_plan_pass() {
    for folder in [
        "dialplans",
        "dialplans/demo",
        "dialplans/cookbook/one-city.yaml",
        "dialplans/cookbook/branches.yaml",
        "dialplans/cookbook/everyone.yaml",
        "tests/dialplans/good/routes.yaml",
        "tests/dialplans/good/example.yaml",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let compiled = plan_files::load(&path, Severity::Warning);
        let plan = compiled.plan.expect("a shipped plan loads");
        assert!(!plan.tests.is_empty());
        for test in &plan.tests {
            let rehearsed = rehearse(&plan, test);
            assert!(rehearsed.ok, "{}: {rehearsed:#?}", test.name);
        }
    }
}

const PLAN: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { site: odesa, to: queue.odesa }
queues:
  odesa: { operators: { skills: [odesa] }, max_wait: 20s, overflow: queue.all }
  all: { operators: { all: true }, strategy: ring_all, max_wait: 30s }
whisper: { uk: "Дзвінок[ {from}]" }
operators:
  iryna: { name: Ирина, password: a, skills: { odesa: 1 } }
  olena: { name: Олена, password: b, skills: { odesa: 2 } }
  serhii: { name: Сергій, password: c }
tests:
"#;

fn rehearsed(test: &str) -> (bool, serde_json::Value) {
    let plan = plan(&format!("{PLAN}  - {{ name: it, {test} }}\n"));
    let rehearsed = rehearse(&plan, plan.tests.first().unwrap());
    (rehearsed.ok, json!(rehearsed.got))
}

#[test]
fn what_is_given_of_the_operators_comes_true() {
    let call = "call: { from: 067 111 22 33, to: 0800 301 231 }";
    for (given, operator) in [
        ("", "iryna"),
        ("given: { operators: { iryna: paused } },", "olena"),
        ("given: { operators: { iryna: talking } },", "olena"),
        ("given: { operators: { iryna: logged_out } },", "olena"),
        (
            "given: { operators: { iryna: talking, olena: logged_out } },",
            "serhii",
        ),
    ] {
        let expect = format!("expect: {{ operator: {operator}, outcome: answered }}");
        let (ok, got) = rehearsed(&format!("{given} {call}, {expect}"));
        assert!(ok, "{given} {got}");
    }
}

#[test]
fn operators_of_a_rehearsal_press_the_key_that_accepts() {
    let call = "call: { from: 067 111 22 33, to: 0800 301 231 }";
    let given = "given: { operators: { iryna: talking } }";
    let expect = "expect: { operator: olena, outcome: answered, whisper: Дзвінок з Одеси }";
    let accepting = PLAN.replace("{from}]\"", "{from}]\", accept: key");
    let plan = plan(&format!(
        "{accepting}  - {{ name: it, {given}, {call}, {expect} }}\n"
    ));
    let rehearsed = rehearse(&plan, plan.tests.first().unwrap());
    assert!(rehearsed.ok, "{rehearsed:#?}");
}

#[test]
fn what_does_not_come_true_is_told() {
    let call = "call: { from: 067 111 22 33, to: 0800 301 231 }";
    let expect = "expect: { operator: olena, whisper: Дзвінок, queue: odesa }";
    let (ok, got) = rehearsed(&format!("{call}, {expect}"));
    assert!(!ok);
    assert_eq!(
        got,
        json!({ "operator": "iryna", "whisper": "Дзвінок з Одеси", "queue": "odesa" })
    );
    let busy = "given: { operators: { iryna: paused, olena: paused, serhii: paused } }";
    let call = "call: { from: 067 111 22 33, to: 0800 301 231, patience: 25s }";
    let expect = "expect: { path: [queue.odesa], reason: timeout, callback: false }";
    let (ok, got) = rehearsed(&format!("{busy}, {call}, {expect}"));
    assert!(!ok);
    assert_eq!(
        got,
        json!({ "path": ["queue.odesa", "queue.all"], "reason": "abandoned", "callback": true })
    );
}
