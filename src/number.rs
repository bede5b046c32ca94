//! Telephone numbers: what people write, normalised to E.164 by a table of countries.

/// How numbers without `+` are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Country {
    /// Ukraine.
    Ua,
    /// Russia.
    Ru,
}
