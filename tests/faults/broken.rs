//! Data in which a promise is broken: the server says so when it starts, and works all the same.

use rusqlite::Connection;

use crate::killed::plan;
use crate::rig::{House, Rig, SOON};

#[test]
fn a_broken_promise_is_an_alarm_at_the_start() {
    let house = House::next();
    let mut rig = Rig::with(&house, &plan(&house, 1, ""), "", |_| Vec::new());
    let broken = "strowger_ledger_broken{check=\"data\"}";
    assert_eq!(rig.metric(broken) as u32, 0);
    rig.keeps_its_promises();
    assert_eq!(rig.stop(), Some(0));
    let call = "01JAV3K8Z5W9Q4D6F7G8H9J0KM";
    let db = Connection::open(rig.data().join("strowger.db")).unwrap();
    db.execute(
        "INSERT INTO live_calls VALUES (?1, 1, 0, '{\"direction\":\"inbound\"}')",
        [call],
    )
    .unwrap();
    drop(db);
    rig.restart();
    rig.wait("the alarm", SOON, || rig.metric(broken) >= 1.0);
    rig.wait_for_log("it ended and never began");
    let data = rig.data();
    let told = rig.command(&["check-data", data.to_str().unwrap()]);
    let says = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1));
    let line = format!("{call} beginning: it ended and never began\n");
    assert!(says.contains(&line), "{says}");
}
