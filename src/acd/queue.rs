//! One queue: its tickets in order.
