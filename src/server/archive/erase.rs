//! One person is forgotten everywhere: what was said, who they were, and what was written of them. What
//! stays is what is counted, and a certificate that names no number.
//!
//! ```text
//! nothing held, nobody talking ─► the engine forgets ─► files go ─► events and rows are rewritten ─► certificate
//! ```
//!
//! Should it be cut in between, it is asked for once more: each step finds what is left.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::{Archive, Undone, files};
use crate::engine::command::Actor;
use crate::id::CallId;
use crate::number;
use crate::server::store::chain;
use crate::server::store::erasing::{self, Trace, Traces};
use crate::server::trace;

/// Fewer digits are no person's number.
const DIGITS: usize = 7;
/// Events rewritten in one transaction, so that nobody waits long for theirs.
const AT_ONCE: usize = 200;

impl Archive {
    /// Whether the person with this number may be erased now.
    ///
    /// # Errors
    /// When it is no person's number, when a recording is held, when a call is under way, or when the
    /// store cannot be read.
    pub fn may_erase(&self, phone: &str) -> Result<Traces, Undone> {
        if digits(phone).len() < DIGITS {
            let why = format!("a person's number has {DIGITS} digits at least");
            return Err(Undone::refused(422, why));
        }
        let traces = self.store.seeker()?.traces(phone, &digits(phone))?;
        if traces.ours {
            let why = "patients ring this number, so it is one of ours; erase a patient's";
            return Err(Undone::refused(409, why));
        }
        if traces.live {
            let why = "a call with this number is under way; erase it when it is over";
            return Err(Undone::refused(409, why));
        }
        if let Some(held) = traces.held.first() {
            let (count, call) = (traces.held.len(), held);
            let why = format!(
                "{count} of their recordings are held, the first is {call}; release them, or keep the person"
            );
            return Err(Undone::refused(409, why));
        }
        let now = self.now();
        let written =
            |it: &&Trace| files::is_being_written(&self.recordings, &it.call, it.ended, now);
        if let Some(open) = traces.recordings.iter().find(written) {
            let call = &open.call;
            let why = format!(
                "the recording {call} of this number is still being written; erase it in a moment, or \
                 start the server once if it was killed"
            );
            return Err(Undone::refused(409, why));
        }
        Ok(traces)
    }

    /// Erases the person with this number. Who keeps what in memory has forgotten it before.
    ///
    /// # Errors
    /// As [`Self::may_erase`]; or when the disk refuses, and then it can be asked for again.
    pub fn erase(&self, phone: &str, actor: &Actor) -> Result<Value, Undone> {
        let done = self.erase_all(phone, actor);
        self.journal(actor, "erase", None, None, done)
    }

    fn erase_all(&self, phone: &str, actor: &Actor) -> Result<Value, Undone> {
        let _alone = self.act();
        // What was told before is in the rows now.
        self.store.write(|_| Ok(()))?;
        let traces = self.may_erase(phone)?;
        let digits = digits(phone);
        let seqs = self.store.seeker()?.events(&digits, &traces)?;
        if seqs.is_empty() && traces.is_nothing() {
            // What an erasure that was cut has left.
            self.store.wipe(number::end_of(&digits))?;
            let why = "nothing is known of this number; write it in full, like +380671112233";
            return Err(Undone::refused(404, why));
        }
        let copies = self.store.forget_copies()?;
        let recordings = self.delete_recordings(&traces, actor)?;
        let mut events = 0;
        for some in seqs.chunks(AT_ONCE) {
            let (some, digits) = (some.to_vec(), digits.clone());
            events += self
                .store
                .write(move |writing| erasing::rewrite_events(writing, &some, &digits))?;
        }
        let beside = self.recordings.with_file_name(trace::FOLDER);
        let messages = trace::erase::erase(&beside, &digits)?;
        let (phone, of, wanted) = (phone.to_owned(), traces.clone(), digits.clone());
        self.store.write(move |writing| {
            erasing::close_open(writing, &phone, &wanted)?;
            erasing::rewrite_rows(writing, &phone, &wanted, &of)
        })?;
        let wiped = self.store.wipe(number::end_of(&digits));
        let mut says = Map::new();
        says.insert("by".into(), json!(actor.name));
        says.insert("calls".into(), json!(traces.calls.len()));
        says.insert("recordings".into(), json!(recordings));
        says.insert("events".into(), json!(events));
        says.insert("sip_messages".into(), json!(messages));
        says.insert("exports_changed".into(), json!(traces.days));
        says.insert("sinks_told_before".into(), json!(traces.sinks));
        says.insert("database_copies_deleted".into(), json!(copies));
        let residue = !wiped.as_ref().is_ok_and(|clean| *clean);
        says.insert("residue".into(), json!(residue));
        let link = self.store.write(move |writing| {
            chain::append(writing.rows(), writing.now(), "erasure", None, &says)
        })?;
        wiped.context(
            "the person is erased, and older bytes of the database could not be overwritten; ask for it \
             once more",
        )?;
        let mut certificate = link.fields();
        certificate.insert("hash".into(), json!(link.hash));
        Ok(Value::Object(certificate))
    }

    fn delete_recordings(&self, traces: &Traces, actor: &Actor) -> Result<usize, Undone> {
        if traces.recordings.is_empty() {
            return Ok(0);
        }
        let folder = files::root(&self.recordings)?;
        let now = self.now();
        let mut gone = Vec::new();
        for Trace { call, file, .. } in &traces.recordings {
            let bytes = files::delete(&folder, file, now)?;
            let mut data = Map::new();
            data.insert("recording".into(), json!(call));
            data.insert("file".into(), json!(file));
            data.insert("reason".into(), json!("erased"));
            data.insert("by".into(), json!(actor.name));
            data.insert("bytes".into(), json!(bytes));
            gone.push((call.parse::<CallId>().ok(), data));
        }
        let count = gone.len();
        self.store.write(move |writing| {
            for (call, data) in &gone {
                writing.emit("recording.erased", *call, data)?;
            }
            Ok(())
        })?;
        Ok(count)
    }
}

/// The digits by which a number is found, with or without its `+`, and within its country.
fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
