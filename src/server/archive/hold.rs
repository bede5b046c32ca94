//! A recording that somebody holds is neither swept nor erased, until they release it. It is said in
//! the store, in the chain and in the manifest.

use serde_json::{Value, json};

use super::{Archive, NONE_SUCH, Undone, files};
use crate::engine::command::Actor;
use crate::limits;
use crate::server::store::hold;

impl Archive {
    /// Holds a recording; one that is held gets the new reason.
    ///
    /// # Errors
    /// When there is none, when it is still being recorded, when no reason is given, or when the disk
    /// refuses.
    pub fn hold(&self, recording: &str, reason: &str, actor: &Actor) -> Result<Value, Undone> {
        let reason = reason.trim();
        let fits = reason.chars().count() <= limits::HOLD_REASON && !reason.is_empty();
        if !fits || reason.chars().any(char::is_control) {
            let most = limits::HOLD_REASON;
            let why = format!(
                "say why in one line of {most} characters at most: {{\"reason\": \"court order 12\"}}"
            );
            return Err(Undone::refused(422, why));
        }
        let done = self.set_hold(recording, Some(reason.to_owned()), actor);
        self.journal(actor, "recording_hold", Some(recording), Some(reason), done)
    }

    /// Releases a recording that is held.
    ///
    /// # Errors
    /// When there is none, when nobody holds it, or when the disk refuses.
    pub fn release(&self, recording: &str, actor: &Actor) -> Result<Value, Undone> {
        let done = self.set_hold(recording, None, actor);
        self.journal(actor, "recording_release", Some(recording), None, done)
    }

    fn set_hold(
        &self,
        recording: &str,
        reason: Option<String>,
        actor: &Actor,
    ) -> Result<Value, Undone> {
        let _alone = self.act();
        let row = self.store.recordings()?.one(recording)?;
        let row = row.ok_or_else(|| Undone::refused(404, NONE_SUCH))?;
        if reason.is_none() && row.hold.is_none() {
            return Err(Undone::refused(409, "nobody holds this recording"));
        }
        let folder = files::root(&self.recordings)?;
        let (before, mut manifest) = files::manifest(&folder, &row.file)?;
        if self.store.chain()?.of(recording)?.is_empty() || !manifest.is_complete() {
            let why = "it is still being recorded; hold it when the call is over";
            return Err(Undone::refused(409, why));
        }
        manifest.hold.clone_from(&reason);
        files::put_manifest(&folder, &row.file, &manifest.document())?;
        let (call, hash, by) = (recording.to_owned(), manifest.hash(), actor.name.clone());
        let said = reason.clone();
        let done = self.store.write(move |writing| {
            let at = writing.now();
            hold(writing.rows(), at, &call, said.as_deref(), &by, &hash)
        });
        if let Err(error) = done {
            // The manifest says what the store says.
            files::put_manifest(&folder, &row.file, &before)?;
            return Err(error.into());
        }
        Ok(json!({ "id": recording, "hold": reason }))
    }
}
