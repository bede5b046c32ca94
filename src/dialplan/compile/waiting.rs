//! What happens to callers while they wait: what they are told, the keys they press, and for whom they
//! are kept.

use std::collections::BTreeMap;

use super::Names;
use super::targets::some_targets;
use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::{Announce, Disposition, Exit, Need, QueueCallback, Sticky};
use crate::dialplan::read::{Fields, cut, parsed};
use crate::dialplan::schema;
use crate::dialplan::yaml::{Node, Value};
use crate::limits;
use crate::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How often callers are told where they stand, where a queue does not say.
const EVERY: Duration = Duration::from_secs(30);

/// What a queue needs of its operators.
pub(super) fn need(fields: &Fields<'_>, key: &str, problems: &mut Problems<'_>) -> Need {
    let none = Need::default();
    let Some(entry) = fields.entry(key) else {
        return none;
    };
    let fields = Fields::of(entry, &schema::NEED, problems);
    let mut count = |key, default| {
        let count = fields.whole(key, 0..=1_000, problems);
        count
            .and_then(|it| u32::try_from(it).ok())
            .unwrap_or(default)
    };
    Need {
        logged_in: count("logged_in", none.logged_in),
        working: count("working", none.working),
        available: count("available", none.available),
        wait: fields.duration("wait", SECOND..=DAY, problems),
    }
}

pub(super) fn announce(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Announce> {
    let entry = fields.entry("announce")?;
    let fields = Fields::of(entry, &schema::ANNOUNCED, problems);
    let announce = Announce {
        position: fields.flag("position", problems).unwrap_or(false),
        wait: fields.flag("wait", problems).unwrap_or(false),
        every: (fields.duration("every", 10 * SECOND..=10 * MINUTE, problems)).unwrap_or(EVERY),
    };
    if !announce.position && !announce.wait {
        problems.error(entry.at, "`announce` says neither `position` nor `wait`");
    }
    Some(announce)
}

pub(super) fn callback(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<QueueCallback> {
    let entry = fields.entry("callback")?;
    let fields = Fields::of(entry, &schema::ASKED, problems);
    let offer_after = fields.duration("offer_after", Duration::ZERO..=HOUR, problems);
    let offer_over = fields.duration("offer_over", SECOND..=DAY, problems);
    if fields.entry("offer_after").is_none() && fields.entry("offer_over").is_none() {
        let message = "nobody is told of this key: say `offer_after` or `offer_over`";
        problems.warning(entry.at, message);
    }
    Some(QueueCallback {
        key: key(&fields, "key", problems)?,
        offer_after,
        offer_over,
    })
}

pub(super) fn exit(
    fields: &Fields<'_>,
    names: &Names<'_>,
    problems: &mut Problems<'_>,
) -> Option<Exit> {
    let entry = fields.entry("exit")?;
    let fields = Fields::of(entry, &schema::EXIT, problems);
    let to = some_targets(&fields, "to", names, problems);
    Some(Exit {
        key: key(&fields, "key", problems)?,
        to,
    })
}

/// A key of a telephone.
pub(super) fn key(fields: &Fields<'_>, name: &str, problems: &mut Problems<'_>) -> Option<char> {
    fields.need(name, problems);
    let one = |text: &str| {
        let mut keys = text.chars();
        let key = keys.next().filter(|key| is_key(*key))?;
        keys.next().is_none().then_some(key)
    };
    fields.parsed(name, "one key: a digit, * or #", one, problems)
}

/// Whether a telephone has this key.
const fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#')
}

pub(super) fn sticky(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Sticky> {
    let entry = fields.entry("sticky")?;
    let fields = Fields::of(entry, &schema::STICKY, problems);
    fields.choice("to", &[("last_operator", ())], &[], problems);
    fields.need("within", problems);
    fields.need("wait", problems);
    let within = fields.duration("within", MINUTE..=limits::HISTORY_KEPT, problems);
    let wait = fields.duration("wait", SECOND..=10 * MINUTE, problems);
    Some(Sticky {
        within: within?,
        wait: wait?,
    })
}

pub(super) fn disposition(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Disposition> {
    let entry = fields.entry("disposition")?;
    let fields = Fields::of(entry, &schema::DISPOSITION, problems);
    fields.need("codes", problems);
    let require = fields.flag("require", problems).unwrap_or(false);
    let codes = fields.get("codes").map(|node| codes(node, problems));
    let codes = codes.unwrap_or_default();
    if codes.is_empty() && fields.get("codes").is_some() {
        problems.error(entry.at, "`codes` has no code");
    }
    Some(Disposition { require, codes })
}

/// `[booked, refused]`, or each with the digits of a keypad: `{ booked: "1", refused: "2" }`.
fn codes(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, Option<String>> {
    let mut codes = BTreeMap::new();
    match &node.value {
        Value::Map(entries) => {
            let mut taken = BTreeMap::<String, String>::new();
            for entry in entries {
                let digits = match &entry.value.value {
                    Value::Null => None,
                    Value::Scalar(_) | Value::List(_) | Value::Map(_) => {
                        let takes = "1 to 4 digits of a keypad";
                        parsed(&entry.value, &entry.key, takes, keypad, problems)
                    }
                };
                if let Some(digits) = &digits
                    && let Some(first) = taken.insert(digits.clone(), entry.key.clone())
                {
                    let message = format!("`{digits}` is `{}` already", cut(&first));
                    problems.error(entry.value.at, message);
                }
                codes.insert(entry.key.clone(), digits);
            }
        }
        Value::List(items) => {
            for item in items {
                let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                let code = parsed(item, "codes", "the word of a code", word, problems);
                if let Some(code) = code
                    && codes.insert(code.clone(), None).is_some()
                {
                    problems.error(item.at, format!("`codes` has `{}` twice", cut(&code)));
                }
            }
        }
        Value::Scalar(_) | Value::Null => {
            let message = format!("`codes` takes a list or a mapping, not {}", node.kind());
            problems.error(node.at, message);
        }
    }
    if codes.len() > limits::CODES {
        let limit = limits::CODES;
        problems.error(node.at, format!("`codes` has more than {limit} codes"));
    }
    if let Some(long) = (codes.keys()).find(|code| code.chars().count() > limits::NAME_CHARS) {
        let limit = limits::NAME_CHARS;
        let message = format!("`{}` has more than {limit} characters", cut(long));
        problems.error(node.at, message);
    }
    codes
}

/// The digits that stand for a code or a reason.
pub(super) fn keypad(text: &str) -> Option<String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (1..=limits::CODE_DIGITS).contains(&text.len())).then(|| text.to_owned())
}
