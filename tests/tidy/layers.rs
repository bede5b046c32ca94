//! The layer law: imports point right only, siblings in braces do not import each other, and `call`
//! sees its neighbours through their messages.

use super::Broken;
use super::source::{Path, Source};

/// The braces of `src/lib.rs`, from left to right.
const LAYERS: &[&[&str]] = &[
    &["main", "cli"],
    &["server", "sim"],
    &["engine"],
    &["call"],
    &["media", "dialplan", "acd", "ledger"],
    &["sip", "sdp", "rtp"],
    &["id", "net", "number", "words", "time", "rng", "limits"],
];

/// What siblings may import all the same. The base types stand on each other in this order, and the
/// binary is a thin door before the commands.
const AMONG_SIBLINGS: &[(&str, &str)] = &[
    ("main", "cli"),
    ("id", "rng"),
    ("id", "time"),
    ("words", "time"),
    ("limits", "time"),
];

/// What `call` may see of the machines at its right hand: their messages, never their insides.
const SEEN_BY_CALL: &[(&str, &[&str])] = &[
    ("media", &["command"]),
    ("dialplan", &["plan", "decide", "dial", "speech"]),
    ("acd", &["message"]),
    ("ledger", &["history"]),
];

/// Where in [`LAYERS`] a top module stands.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Checks the imports of one file of `src/`.
pub fn check(source: &Source) -> Vec<Broken> {
    let module = source.module();
    let Some(from) = module.first() else {
        return Vec::new();
    };
    let Some(from_layer) = layer(from) else {
        return vec![Broken::new(
            source,
            1,
            format!("`{from}` has no place in the layers of src/lib.rs"),
        )];
    };
    source
        .paths()
        .iter()
        .filter_map(|path| {
            let law = broken(from, from_layer, path)?;
            Some(Broken::new(source, path.line, law))
        })
        .collect()
}

/// Which law `path`, seen from the top module `from`, breaks.
fn broken(from: &str, from_layer: usize, path: &Path) -> Option<String> {
    let [root, to, inner @ ..] = path.segments.as_slice() else {
        return None;
    };
    if root != "crate" || to == from {
        return None;
    }
    if to == "*" {
        return Some(
            "imports the whole crate, so its layer cannot be seen; name what is used".to_owned(),
        );
    }
    // What is no module is a macro or an item of the root, and has no layer.
    let to_layer = layer(to)?;
    let allowed = AMONG_SIBLINGS.contains(&(from, to));
    if to_layer < from_layer {
        return Some(format!(
            "`{from}` imports `{to}`, which stands left of it: imports point right only"
        ));
    }
    if to_layer == from_layer && !allowed {
        return Some(format!(
            "`{from}` imports its sibling `{to}`: siblings in braces do not know each other"
        ));
    }
    if to == "rtp" && from_layer == 4 && from != "media" {
        return Some(format!(
            "`{from}` imports `rtp`: of its brace `media` alone does"
        ));
    }
    let seen = SEEN_BY_CALL.iter().find(|(module, _)| module == to);
    match (from, seen) {
        ("call", Some((_, modules)))
            if !inner
                .first()
                .is_some_and(|inner| modules.contains(&inner.as_str())) =>
        {
            Some(format!("`call` sees `{to}` through {modules:?} only"))
        }
        _ => None,
    }
}
