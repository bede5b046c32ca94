//! Where phones are: bindings of an address of record to a contact and a flow (RFC 3261 10).

use super::flow::Flow;
use super::uri::Uri;
use crate::id::OperatorName;
use crate::time::Wall;

/// One binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The user part of the address of record.
    pub user: OperatorName,
    /// What tells this binding from the user's others: `+sip.instance` with reg-id, else the contact.
    pub key: String,
    /// The contact URI, as the phone gave it.
    pub contact: Uri,
    /// The flow the REGISTER came by, and where INVITEs go (a phone behind NAT is reached this way).
    pub flow: Flow,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// When it lapses, on the wall clock: it survives a restart.
    pub expires: Wall,
    /// User-Agent, cut to a bound, for the admin's eyes.
    pub user_agent: String,
}
