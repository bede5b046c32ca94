//! SIP, SIPS and tel URIs.

/// A URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uri;
