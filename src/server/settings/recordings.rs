//! `recordings`: how the sound is written, and the keys that it is sealed under.

use crate::dialplan::diagnose::Problems;
use crate::dialplan::read::{self, Fields, Words};
use crate::dialplan::yaml::Node;
use crate::media::command::SoundFormat;
use crate::server::media::{MasterKey, Vault};

const RECORDINGS: Words = Words {
    known: &["format", "key", "old_keys"],
    later: &[],
};

/// Reads the section.
pub(super) fn read(top: &Fields<'_>, problems: &mut Problems<'_>) -> Vault {
    let fields = top.section("recordings", &RECORDINGS, problems);
    let formats = [("pcm", SoundFormat::Pcm), ("alaw", SoundFormat::Alaw)];
    let format = fields.choice("format", &formats, &[], problems);
    let key = fields.get("key");
    let old_keys = fields.one_or_many("old_keys");
    Vault {
        format: format.unwrap_or_default(),
        key: key.and_then(|node| key_of(node, "key", problems)),
        old_keys: old_keys
            .iter()
            .filter_map(|node| key_of(node, "old_keys", problems))
            .collect(),
    }
}

/// A key, which is never shown, be it a wrong one.
fn key_of(node: &Node, name: &str, problems: &mut Problems<'_>) -> Option<MasterKey> {
    let takes = "64 hex digits, as `openssl rand -hex 32` prints them";
    let scalar = read::scalar(node, name, takes, problems)?;
    let key = MasterKey::read(&scalar.text);
    if key.is_none() && !scalar.unset {
        problems.error_unshown(node.at, format!("a key in `{name}` is not {takes}"));
    }
    key
}
