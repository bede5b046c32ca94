//! Header fields: the ordered list of a message, and one typed view a file.
//!
//! Values stay the bytes they came as, slices of the one input buffer; a typed view is made when
//! somebody asks for it, so a field that nobody reads costs nothing and survives whatever is in it.

pub mod content_type;
pub mod credentials;
pub mod cseq;
pub mod headers;
pub mod name;
pub mod name_addr;
pub mod params;
pub mod rack;
pub mod reason;
pub mod session_expires;
pub mod token;
pub mod typed;
pub mod via;

pub use content_type::ContentType;
pub use credentials::Credentials;
pub use cseq::CSeq;
pub use headers::{Field, Headers};
pub use name::Name;
pub use name_addr::NameAddr;
pub use params::Params;
pub use rack::RAck;
pub use reason::Reason;
pub use session_expires::{Refresher, SessionExpires};
pub use via::Via;

/// Why a header field has no typed view.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// The message does not have it.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The message has it, and it cannot be read.
    #[error("{name}: {why}")]
    Bad {
        /// The header.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}
