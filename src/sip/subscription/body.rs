//! What a NOTIFY tells: the state of a dialog as XML (RFC 4235), a count of messages (RFC 3842).
//!
//! Nothing of the other side of a dialog is told: not its number, not its name, not the ids by which
//! somebody could replace it. A lamp needs to know that a colleague talks, not with whom.

use crate::words::OperatorState;

/// How far an operator's dialog is, as a lamp shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Lamp {
    /// No dialog.
    #[default]
    Dark,
    /// The phone rings.
    Rings,
    /// The operator talks.
    Talks,
}

impl Lamp {
    /// What an operator's state means for a lamp. Paperwork and pauses are no dialogs.
    #[must_use]
    pub const fn of(state: OperatorState) -> Self {
        match state {
            OperatorState::Ringing => Self::Rings,
            OperatorState::Talking => Self::Talks,
            OperatorState::LoggedOut
            | OperatorState::Paused
            | OperatorState::Available
            | OperatorState::Reserved
            | OperatorState::WrapUp => Self::Dark,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Dark => "terminated",
            Self::Rings => "early",
            Self::Talks => "confirmed",
        }
    }
}

/// The dialogs of an entity, all of them each time (RFC 4235 4.1).
#[must_use]
pub fn dialog_info(entity: &str, version: u32, lamp: Lamp) -> String {
    let entity = escaped(entity);
    let state = lamp.as_str();
    // Who rings can be picked up; whether a talk was dialled or taken is not known here.
    let direction = match lamp {
        Lamp::Rings => " direction=\"recipient\"",
        Lamp::Dark | Lamp::Talks => "",
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"full\" entity=\"{entity}\">\r\n\
         <dialog id=\"1\"{direction}><state>{state}</state></dialog>\r\n\
         </dialog-info>\r\n"
    )
}

/// So many messages wait for an account, and none that was heard is kept (RFC 3842 5.2).
#[must_use]
pub fn message_summary(account: &str, waiting: usize) -> String {
    let yes = if waiting > 0 { "yes" } else { "no" };
    format!(
        "Messages-Waiting: {yes}\r\nMessage-Account: {account}\r\nVoice-Message: {waiting}/0 (0/0)\r\n"
    )
}

/// Text for an attribute of XML 1.0; what XML cannot hold becomes a space.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_is_told_in_xml_that_nothing_breaks_out_of() {
        // RFC 4235 4.1
        let body = dialog_info("sip:o'n&<\"Олена\">\r\n@x", 7, Lamp::Rings);
        assert_eq!(
            body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" state=\"full\" entity=\"sip:o&apos;n&amp;&lt;&quot;Олена&quot;&gt;  @x\">\r\n<dialog id=\"1\" direction=\"recipient\"><state>early</state></dialog>\r\n</dialog-info>\r\n"
        );
        assert_eq!(Lamp::of(OperatorState::WrapUp), Lamp::Dark);
        assert_eq!(Lamp::of(OperatorState::Talking), Lamp::Talks);
    }

    #[test]
    fn messages_are_counted() {
        // RFC 3842 5.2
        assert_eq!(
            message_summary("sip:olena@clinic.example", 3),
            "Messages-Waiting: yes\r\nMessage-Account: sip:olena@clinic.example\r\nVoice-Message: 3/0 (0/0)\r\n"
        );
        assert!(message_summary("x", 0).starts_with("Messages-Waiting: no\r\n"));
    }
}
