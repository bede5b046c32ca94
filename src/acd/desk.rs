//! The distributor: all queues and all operators.
