//! The RFCs' own messages, read in place where they are: `STROWGER_TORTURE`, or the folder
//! `shared/torture` beside the project.

use std::path::PathBuf;

use bytes::Bytes;
use strowger::sip::parse::{Reject, parse};

/// What the parser's verdict lets an endpoint answer, in the words of the index.
fn allowed(bytes: Vec<u8>, accepted: &[&str]) -> Result<(), String> {
    match parse(&Bytes::from(bytes)) {
        Err(Reject::Silence(why)) if !accepted.contains(&"none") => Err(format!("dropped: {why}")),
        Err(Reject::Answer(refusal))
            if !accepted.contains(&refusal.status.to_string().as_str()) =>
        {
            Err(format!("{}: {}", refusal.status, refusal.why))
        }
        Ok(message) if !message.is_request() && !accepted.contains(&"none") => {
            Err("a response that was to be refused".to_owned())
        }
        // A request that was let through must leave the endpoint something else to say.
        Ok(message)
            if message.is_request()
                && accepted
                    .iter()
                    .all(|code| ["400", "413", "416", "505", "none"].contains(code)) =>
        {
            Err("let through".to_owned())
        }
        _ => Ok(()),
    }
}

#[test]
fn every_torture_message_is_parsed_as_the_index_says() {
    let folder = std::env::var_os("STROWGER_TORTURE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/torture"),
        PathBuf::from,
    );
    let Ok(index) = std::fs::read_to_string(folder.join("INDEX.tsv")) else {
        println!("skipped: no torture messages at {}", folder.display());
        return;
    };
    let mut wrong = Vec::new();
    let mut read = 0;
    for line in index.lines().filter(|line| !line.trim().is_empty()) {
        let mut columns = line.split('\t');
        let (file, validity) = (columns.next().unwrap(), columns.next().unwrap());
        let accepted: Vec<&str> = columns.next().unwrap().split(',').collect();
        let bytes = std::fs::read(folder.join(file)).unwrap();
        read += 1;
        if let Err(why) = allowed(bytes.clone(), &accepted) {
            wrong.push(format!("{file}: {why}"));
        }
        if validity == "valid" && parse(&Bytes::from(bytes)).is_err() {
            wrong.push(format!("{file}: valid, and not taken"));
        }
    }
    assert_eq!(read, 61);
    assert_eq!(wrong, [""; 0]);
}
