//! `http:` of the settings: where the pages are, and who may use the API.

use std::net::SocketAddr;

use crate::dialplan::diagnose::Problems;
use crate::dialplan::plan::Secret;
use crate::dialplan::read::{self, Fields, Words};
use crate::dialplan::yaml::{Node, Value};
use crate::id::OperatorName;
use crate::limits;
use crate::words::Role;

const HTTP: Words = Words {
    known: &["listen", "tokens"],
    later: &[],
};
const TOKEN: Words = Words {
    known: &["name", "role", "token", "operator"],
    later: &[],
};

/// A shorter token is guessed by whoever tries long enough.
const SHORT: usize = 16;

/// Somebody who may use the API.
#[derive(Clone, Debug)]
pub struct Token {
    /// Named in the journal.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The operator it stands for.
    pub operator: Option<OperatorName>,
    /// What its bearer sends.
    pub secret: Secret,
}

/// The section.
pub(super) struct Http {
    pub(super) listen: Option<SocketAddr>,
    pub(super) tokens: Vec<Token>,
}

/// Reads the section. Without tokens anybody who reaches the API may use it, so only this machine may
/// reach it.
pub(super) fn read(top: &Fields<'_>, problems: &mut Problems<'_>) -> Http {
    let fields = top.section("http", &HTTP, problems);
    let tokens = tokens(&fields, problems);
    let takes = "an address and a port like 127.0.0.1:8080";
    let parse = |text: &str| text.parse().ok();
    let listen: Option<SocketAddr> = fields.parsed("listen", takes, parse, problems);
    let outside = listen.filter(|address| !address.ip().is_loopback());
    if let Some(address) = outside.filter(|_| fields.one_or_many("tokens").is_empty()) {
        let at = fields.get("listen").map_or(fields.at, |node| node.at);
        problems.error_do(
            at,
            format!(
                "{} can be reached from outside, and without tokens the API is open to whoever reaches it",
                address.ip()
            ),
            "add `tokens` to `http`, or listen at 127.0.0.1",
        );
    }
    Http { listen, tokens }
}

fn tokens(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Vec<Token> {
    let Some(entry) = fields.entry("tokens") else {
        return Vec::new();
    };
    let nodes = read::one_or_many(&entry.value);
    if nodes.is_empty() {
        problems.error(entry.at, "`tokens` names no token");
    }
    if nodes.len() > limits::TOKENS {
        let most = limits::TOKENS;
        problems.error(entry.at, format!("there are more than {most} tokens"));
        return Vec::new();
    }
    let mut tokens: Vec<Token> = Vec::new();
    for node in nodes {
        let Some(token) = token(node, problems) else {
            continue;
        };
        if tokens.iter().any(|other| other.name == token.name) {
            let message = format!("the token `{}` is there twice", read::cut(&token.name));
            problems.error(node.at, message);
        }
        if tokens.iter().any(|other| other.secret == token.secret) {
            problems.error(
                node.at,
                "two tokens have the same secret: nobody could tell whose it is",
            );
        }
        tokens.push(token);
    }
    tokens
}

fn token(node: &Node, problems: &mut Problems<'_>) -> Option<Token> {
    if !matches!(node.value, Value::Map(_)) {
        let takes = "a token is `{ name: crm, role: integration, token: \"${env:CRM_TOKEN}\" }`";
        problems.error(node.at, takes);
        return None;
    }
    let fields = Fields::open(node, node.at, "tokens", &TOKEN, problems);
    for key in ["name", "role", "token"] {
        fields.need(key, problems);
    }
    let name = fields.text("name", problems);
    let role = fields.choice("role", &Role::ALL, &[], problems);
    let secret = secret(&fields, problems);
    let operator = fields.text("operator", problems);
    if let (Some(_), Some(Role::Auditor | Role::Integration)) = (&operator, role) {
        let at = fields.get("operator").map_or(fields.at, |node| node.at);
        problems.error_do(
            at,
            "this role stands for no operator",
            "give the token the role `operator`, or leave `operator` out",
        );
    }
    if operator.is_none() && role == Some(Role::Operator) && fields.entry("operator").is_none() {
        let at = fields.get("role").map_or(fields.at, |node| node.at);
        problems.error_do(
            at,
            "nothing says which operator it is, and the role `operator` moves its own alone",
            "add `operator: NAME`, the operator's name in the plan",
        );
    }
    Some(Token {
        name: name?,
        role: role?,
        operator: operator.map(|name| OperatorName::from(name.as_str())),
        secret: secret?,
    })
}

/// The secret, which travels in one header field.
fn secret(fields: &Fields<'_>, problems: &mut Problems<'_>) -> Option<Secret> {
    let text = fields.text("token", problems)?;
    let node = fields.get("token")?;
    if matches!(&node.value, Value::Scalar(scalar) if scalar.unset) {
        return Some(Secret::new(text));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.error_do(
            node.at,
            "a token is of visible ASCII characters, without spaces",
            "make one with `openssl rand -hex 32`",
        );
        return None;
    }
    if text.len() < SHORT {
        problems.warning(
            node.at,
            format!("a token of fewer than {SHORT} characters can be guessed; make one with `openssl rand -hex 32`"),
        );
    }
    Some(Secret::new(text))
}
