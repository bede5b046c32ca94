//! The disk that fails on order is itself put to the test: what it is told to refuse is refused, and
//! the server says so and goes on when it is over.

use crate::failing::Failing;
use crate::rig::{House, Rig, SOON};

const PLAN: &str = "version: 1
country: UA
timezone: Europe/Kyiv
language: uk
operators:
  olena: { name: Олена, password: secret-olena }
whisper: { uk: \"дзвінок\" }
";

#[test]
fn a_disk_refuses_what_it_is_told_to_and_the_store_commits_again() {
    let mut faulty = None;
    let rig = Rig::with(&House::next(), PLAN, "", |data| {
        let it = Failing::under(data);
        let environment = it.environment();
        faulty = Some(it);
        environment
    });
    let faulty = faulty.unwrap();
    let pause = |state: &str| {
        let wish = serde_json::json!({ "state": state, "reason": "tea" });
        rig.send("PUT", "/v1/operators/olena/state", &wish)
    };
    assert_eq!(pause("paused").0, 200);
    let before = rig.wait_for("audit.action", 1).len();
    faulty.set(&["write strowger.db fail 1 5 0"]);
    pause("available");
    rig.wait_for_log("the store cannot commit");
    assert!(!faulty.hits("write").is_empty());
    assert_eq!(rig.events("audit.action").len(), before);
    faulty.clear();
    rig.wait("the store commits again", SOON, || {
        rig.events("audit.action").len() > before
    });
    assert!(faulty.hits("rename").is_empty());
}
