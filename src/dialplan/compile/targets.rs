//! Where a call can go: `queue.X`, `voicemail.X`, or a list of them.

use super::Names;
use crate::dialplan::diagnose::{Help, Place, Problems, Severity, nearest};
use crate::dialplan::plan::Target;
use crate::dialplan::read::{Fields, cut, scalar, shown};
use crate::dialplan::schema;
use crate::dialplan::yaml::{Node, Scalar};
use crate::id::{QueueName, VoicemailName};

/// What targets look like.
const LIKE: &str = "targets like queue.odesa";

/// The targets under a key.
pub(super) fn targets(
    fields: &Fields<'_>,
    key: &str,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Target> {
    let before = problems.count();
    let mut targets = Vec::new();
    for node in fields.one_or_many(key) {
        let Some(scalar) = scalar(node, key, LIKE, problems) else {
            continue;
        };
        if let Some(target) = target(node, scalar, key, names, problems) {
            if targets.contains(&target) {
                problems.error(node.at, format!("`{key}` names {} twice", shown(scalar)));
            } else {
                targets.push(target);
            }
        }
    }
    let last = targets.iter().position(|it| it.queue().is_none());
    if let Some(last) = last
        && let Some(node) = fields.one_or_many(key).get(last + 1)
        && problems.count() == before
    {
        let message = "nothing comes after a voicemail box: whoever left a message hangs up";
        problems.error(node.at, message);
    }
    targets
}

/// The targets under a key that must name at least one.
pub(super) fn some_targets(
    fields: &Fields<'_>,
    key: &str,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Target> {
    fields.need(key, problems);
    if let Some(entry) = fields.entry(key)
        && fields.one_or_many(key).is_empty()
    {
        problems.error(entry.at, format!("`{key}` names no queue"));
    }
    targets(fields, key, names, problems)
}

/// What one target names.
pub(super) fn target(
    node: &Node,
    scalar: &Scalar,
    key: &str,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Option<Target> {
    let text = scalar.text.as_str();
    match text.split_once('.') {
        _ if scalar.unset => None,
        Some((kind, _)) if schema::TARGETS_LATER.contains(&kind) => {
            let message = format!("`{key}: {}` is not yet supported", cut(text));
            problems.error(node.at, message);
            None
        }
        Some(("queue", name)) => {
            let known = names.queues.contains_key(name);
            if !known && names.whole {
                let message = format!("unknown queue `{}`", cut(name));
                near(node.at, message, name, names, problems);
            }
            known.then(|| Target::Queue(QueueName::from(name)))
        }
        Some(("voicemail", name)) => {
            let known = names.voicemail.contains_key(name);
            if !known && names.whole {
                let message = format!("unknown voicemail box `{}`", cut(name));
                near(node.at, message, name, names, problems);
            }
            known.then(|| Target::Voicemail(VoicemailName::from(name)))
        }
        _ => {
            let message = format!("`{key}` takes {LIKE}, not {}", shown(scalar));
            let name = text.rsplit('.').next().unwrap_or(text);
            near(node.at, message, name, names, problems);
            None
        }
    }
}

/// An error with the target that is nearest to a name.
fn near(at: Place, message: String, name: &str, names: &Names<'_>, problems: &mut Problems<'_>) {
    let queue = nearest(name, names.queues.keys().copied()).map(|near| format!("queue.{near}"));
    let boxes = || nearest(name, names.voicemail.keys().copied());
    let near = queue.or_else(|| boxes().map(|near| format!("voicemail.{near}")));
    problems.add(Severity::Error, at, message, near.map(Help::DidYouMean));
}
