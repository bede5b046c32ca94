//! Which operator is asked first.
