//! One call from INVITE to its terminal event. Pure, and alone in changing a call.
