//! References to the environment and to files: `${env:NAME}` and `${file:PATH}` in any text value.
//!
//! Whoever has an environment and files implements [`Secrets`]; this file only asks.

use super::diagnose::{Help, Problems, Severity, nearest};
use super::read::cut;
use super::yaml::{Node, Scalar, Value};
use crate::limits;

/// Where references lead.
pub trait Secrets {
    /// The variable of the environment; none when it is unset.
    fn env(&self, name: &str) -> Option<String>;
    /// The content of a file, its path as the plan writes it; none when it cannot be read.
    fn file(&self, path: &str) -> Option<String>;
    /// The text of a list of numbers, its path as the plan writes it.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn list(&self, path: &str) -> Result<String, NoList> {
        self.file(path).ok_or(NoList::Unreadable)
    }
}

/// Why a list of numbers cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoList {
    /// It is not there, or it is no UTF-8 text.
    Unreadable,
    /// It is longer than [`limits::LIST_FILE_BYTES`].
    TooLong,
}

/// Replaces every reference in the values under `node`. One that is unset is a problem of the given
/// severity, and its text stays as it was written.
pub fn resolve(
    node: &mut Node,
    secrets: &dyn Secrets,
    unset: Severity,
    problems: &mut Problems<'_>,
) {
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(scalar) if scalar.text.contains("${") => {
            let found = filled(&scalar.text, secrets);
            match found {
                Ok(text) => {
                    *scalar = Scalar {
                        text,
                        quoted: true,
                        resolved: true,
                        unset: false,
                    };
                }
                Err(fault) => {
                    scalar.unset = true;
                    let (severity, message, help) = fault.told(unset);
                    problems.add(severity, node.at, message, help);
                }
            }
        }
        Value::Scalar(_) => {}
        Value::List(items) => {
            for item in items {
                resolve(item, secrets, unset, problems);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                resolve(&mut entry.value, secrets, unset, problems);
            }
        }
    }
}

enum Fault {
    Unset(String),
    Unreadable(String),
    TooLong,
    Unclosed,
    Unknown(String),
}

impl Fault {
    fn told(self, unset: Severity) -> (Severity, String, Option<Help>) {
        match self {
            Self::Unset(name) => {
                let message = format!("the environment has no `{}`", cut(&name));
                (unset, message, None)
            }
            Self::Unreadable(path) => {
                let message = format!("the file `{}` cannot be read", cut(&path));
                (unset, message, None)
            }
            Self::TooLong => {
                let limit = limits::YAML_TEXT_BYTES;
                let message = format!("what the reference holds is longer than {limit} bytes");
                (Severity::Error, message, None)
            }
            Self::Unclosed => {
                let message = "a `${` is not closed by `}`".to_owned();
                (Severity::Error, message, None)
            }
            Self::Unknown(kind) => {
                let help = match nearest(&kind, ["env", "file"]) {
                    Some(near) => Help::DidYouMean(near.to_owned()),
                    None => Help::Do("write ${env:NAME} or ${file:PATH}".to_owned()),
                };
                let message = format!("there is no reference of the kind `{}`", cut(&kind));
                (Severity::Error, message, Some(help))
            }
        }
    }
}

fn filled(text: &str, secrets: &dyn Secrets) -> Result<String, Fault> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("${") {
        let (inside, after) = tail.split_once('}').ok_or(Fault::Unclosed)?;
        let (kind, name) = inside.split_once(':').unwrap_or((inside, ""));
        let value = match kind {
            "env" => secrets
                .env(name)
                .ok_or_else(|| Fault::Unset(name.to_owned()))?,
            "file" => secrets
                .file(name)
                .ok_or_else(|| Fault::Unreadable(name.to_owned()))?,
            other => return Err(Fault::Unknown(other.to_owned())),
        };
        out.push_str(before);
        // Editors and `echo` end a file with a line break that is no part of the secret.
        out.push_str(value.trim_end_matches(['\r', '\n']));
        if out.len() > limits::YAML_TEXT_BYTES {
            return Err(Fault::TooLong);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
