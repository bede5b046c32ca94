//! A SIP message as a value.
