//! One operator's state machine.
