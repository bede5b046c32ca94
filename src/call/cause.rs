//! Why a call ended, in SIP's words and in Q.850's (RFC 3326, RFC 3398 8).
//!
//! Only the causes this product gives itself; what a peer says is read, never passed on.

use crate::sip::session::Cause;
use crate::words::{CallResult, MissReason};

/// The other side hung up.
pub const NORMAL: Cause = Cause {
    sip: 200,
    q850: Some(16),
    text: "Normal call clearing",
};
/// Another operator was faster; phones must not show a missed call.
pub const ELSEWHERE: Cause = Cause {
    sip: 200,
    q850: Some(26),
    text: "Call completed elsewhere",
};
/// The caller went where this phone does not ring, or its operator stopped working: nobody took the
/// call, and a phone may show it as missed.
pub const NO_LONGER: Cause = Cause {
    sip: 487,
    q850: Some(16),
    text: "No longer offered",
};
/// A supervisor took the caller over.
pub const TAKEN_OVER: Cause = Cause {
    sip: 200,
    q850: Some(16),
    text: "A supervisor took the call over",
};
/// The caller left while the phone rang.
pub const CALLER_LEFT: Cause = Cause {
    sip: 487,
    q850: Some(16),
    text: "Caller hung up",
};
/// The phone rang out.
pub const NO_ANSWER: Cause = Cause {
    sip: 480,
    q850: Some(19),
    text: "No answer",
};
/// Nobody could take the caller.
pub const NOBODY: Cause = Cause {
    sip: 480,
    q850: Some(18),
    text: "No operator could take the call",
};
/// The two sides share no codec.
pub const MEDIA: Cause = Cause {
    sip: 488,
    q850: Some(88),
    text: "No codec in common",
};
/// No sound came for too long.
pub const SILENT: Cause = Cause {
    sip: 500,
    q850: Some(41),
    text: "No RTP received",
};
/// The longest call is over.
pub const TOO_LONG: Cause = Cause {
    sip: 500,
    q850: Some(102),
    text: "Longest call reached",
};
/// The server stops.
pub const STOPPING: Cause = Cause {
    sip: 503,
    q850: Some(41),
    text: "Server is stopping",
};
/// Our own fault.
pub const FAULT: Cause = Cause {
    sip: 500,
    q850: Some(41),
    text: "Server fault",
};

/// Who was dialled rang long enough.
pub const RANG_OUT: Cause = Cause {
    sip: 480,
    q850: Some(19),
    text: "No answer",
};

/// What a final response of the far side becomes for the one who dialled: the cause of RFC 3398 8.2.6.1
/// beside the code. A code that speaks of our own dealings with the far side says nothing to others.
#[must_use]
pub const fn of_response(code: u16) -> Cause {
    let (sip, q850, text) = match code {
        404 => (404, 1, "Unallocated number"),
        410 => (410, 22, "Number changed"),
        408 | 480 => (480, 19, "No answer"),
        484 => (484, 28, "Invalid number format"),
        486 => (486, 17, "User busy"),
        488 | 606 => (488, 88, "No codec in common"),
        403 => (403, 21, "Call rejected"),
        600 => (600, 17, "User busy"),
        603 => (603, 21, "Call rejected"),
        604 => (604, 1, "Unallocated number"),
        500 => (500, 41, "Temporary failure"),
        502 => (502, 38, "Network out of order"),
        503 => (503, 41, "Temporary failure"),
        504 => (504, 102, "Recovery on timer expiry"),
        300..400 => (480, 20, "Subscriber absent"),
        _ => (502, 38, "Network out of order"),
    };
    Cause {
        sip,
        q850: Some(q850),
        text,
    }
}

/// How a call that an operator placed ended, by the final response of the far side.
#[must_use]
pub const fn result_of(code: u16) -> CallResult {
    match code {
        486 | 600 | 603 => CallResult::Busy,
        408 | 480 => CallResult::NoAnswer,
        _ => CallResult::Failed,
    }
}

/// What a phone's final response says about its operator.
#[must_use]
pub const fn miss_reason(code: u16) -> MissReason {
    match code {
        486 | 600 => MissReason::Busy,
        // Wherever a phone of a queue sends its caller, the caller stays here.
        300..400 | 480 | 603 => MissReason::Declined,
        408 => MissReason::NoAnswer,
        _ => MissReason::Failed,
    }
}

/// Whether a final response speaks for the person, not for the one device (RFC 3261 21.6).
#[must_use]
pub const fn is_global(code: u16) -> bool {
    code >= 600
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_of_phones_are_told_apart() {
        assert_eq!(miss_reason(486), MissReason::Busy);
        assert_eq!(miss_reason(603), MissReason::Declined);
        assert_eq!(miss_reason(302), MissReason::Declined);
        assert_eq!(miss_reason(503), MissReason::Failed);
        assert!(is_global(603) && !is_global(486));
    }

    #[test]
    fn what_the_far_side_said_becomes_a_cause_for_the_one_who_dialled() {
        // RFC 3398 8.2.6.1
        for (code, sip, q850) in [
            (404, 404, 1),
            (410, 410, 22),
            (480, 480, 19),
            (408, 480, 19),
            (484, 484, 28),
            (486, 486, 17),
            (600, 600, 17),
            (603, 603, 21),
            (500, 500, 41),
            (503, 503, 41),
            (504, 504, 102),
        ] {
            let cause = of_response(code);
            assert_eq!((cause.sip, cause.q850), (sip, Some(q850)), "{code}");
        }
        // What the far side has against us is no business of the one who dialled.
        for code in [401, 407, 420, 481, 513] {
            assert_eq!(of_response(code).sip, 502, "{code}");
        }
        assert_eq!(result_of(486), CallResult::Busy);
        assert_eq!(result_of(480), CallResult::NoAnswer);
        assert_eq!(result_of(404), CallResult::Failed);
    }
}
