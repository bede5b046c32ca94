//! Forwarding between the legs of a call.
