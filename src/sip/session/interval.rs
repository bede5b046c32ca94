//! The session interval (RFC 4028): how long a session lasts without a refresh, and who refreshes.
//!
//! ```text
//!           2xx to an INVITE, re-INVITE or UPDATE, ours or the peer's
//!      ┌────────┐
//!  ┌───▼────────┴──┐  half of it, if we refresh: a refresh is sent
//!  │ runs for span │
//!  └───────┬───────┘
//!          │ span - min(32 s, span/3)
//!          ▼
//!     BYE, failed
//! ```
//!
//! Timers are the endpoint's; here is only what is agreed. A peer that knows nothing of intervals is
//! refreshed by us all the same: it is how a vanished one is found out.

use super::super::header::{Headers, Name, Refresher, SessionExpires};
use crate::limits::SESSION_INTERVAL;
use crate::time::Duration;

/// What is agreed about a session's length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    /// The interval, and what we ask for before there is one.
    pub span: Duration,
    /// The shortest that some element on the way lets pass.
    pub least: Duration,
    /// We refresh.
    pub ours: bool,
    /// The peer knows of intervals.
    pub shared: bool,
}

impl Interval {
    /// What we ask for, before anything is agreed.
    #[must_use]
    pub fn wished(span: Option<Duration>) -> Self {
        let (least, longest) = SESSION_INTERVAL;
        Self {
            span: span.unwrap_or(USUAL).clamp(least, longest),
            least,
            ours: true,
            shared: false,
        }
    }

    /// When a refresh is due (RFC 4028 10).
    #[must_use]
    pub fn refresh_after(&self) -> Duration {
        self.span / 2
    }

    /// When an unrefreshed session is ended (RFC 4028 10).
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        let early = (self.span / 3).min(Duration::from_secs(32));
        self.span.saturating_sub(early)
    }

    /// What a request of ours asks for (RFC 4028 7.1, 7.4). The first INVITE leaves it to the peer
    /// who refreshes; later requests leave things as they are.
    pub fn ask(&self, headers: &mut Headers, first: bool) {
        let refresher = match (first, self.ours) {
            (true, _) => None,
            (false, true) => Some(Refresher::Uac),
            (false, false) => Some(Refresher::Uas),
        };
        headers.set(Name::SessionExpires, self.value(refresher));
        let least = self.least.as_secs().to_string();
        headers.set(Name::MinSe, least);
    }

    /// Takes a peer's 2xx to a request of ours (RFC 4028 7.2).
    pub fn take_answer(&mut self, response: &Headers) {
        let given = response.session_expires();
        self.shared = given.is_some() || knows(response);
        self.ours = given.is_none_or(|given| given.refresher != Some(Refresher::Uas));
        if let Some(given) = given {
            self.span = bounded(given.seconds);
        }
    }

    /// The Min-SE that a request must be refused with (RFC 4028 9): its interval is too small, and
    /// its sender can do something about it.
    #[must_use]
    pub fn objection(request: &Headers) -> Option<String> {
        let given = request.session_expires()?;
        let least = SESSION_INTERVAL.0.as_secs();
        (knows(request) && u64::from(given.seconds) < least).then(|| least.to_string())
    }

    /// Agrees to a peer's request and writes it into our 2xx (RFC 4028 9). `first` is the INVITE
    /// that makes the session.
    pub fn agree(&mut self, request: &Headers, response: &mut Headers, first: bool) {
        let given = request.session_expires();
        let least = request.min_se().map_or(self.least, bounded);
        self.shared = knows(request);
        if let Some(given) = given {
            let wish = self.span.max(least);
            self.span = bounded(given.seconds).min(wish);
        } else {
            self.span = self.span.max(least);
        }
        let asked = given.and_then(|given| given.refresher);
        self.ours = match (self.shared, asked) {
            (false, _) => true,
            (true, Some(asked)) => asked == Refresher::Uas,
            (true, None) => first || self.ours,
        };
        if !self.shared && given.is_none() {
            return;
        }
        let refresher = if self.ours {
            Refresher::Uas
        } else {
            Refresher::Uac
        };
        response.push(Name::SessionExpires, self.value(Some(refresher)));
        if !self.ours {
            response.push(Name::Require, "timer");
        }
    }

    /// Takes the Min-SE of a 422 (RFC 4028 7.3); false when there is nothing to do better.
    pub fn widen(&mut self, response: &Headers) -> bool {
        let Some(least) = response.min_se() else {
            return false;
        };
        let least = Duration::from_secs(u64::from(least));
        if least <= self.span || least > SESSION_INTERVAL.1 {
            return false;
        }
        self.least = least;
        self.span = least;
        true
    }

    fn value(&self, refresher: Option<Refresher>) -> bytes::Bytes {
        let seconds = u32::try_from(self.span.as_secs()).unwrap_or(u32::MAX);
        SessionExpires { seconds, refresher }.to_value()
    }
}

/// RFC 4028 4 recommends half an hour.
const USUAL: Duration = Duration::from_secs(1800);

fn bounded(seconds: u32) -> Duration {
    let (least, longest) = SESSION_INTERVAL;
    Duration::from_secs(u64::from(seconds)).clamp(least, longest)
}

fn knows(headers: &Headers) -> bool {
    [Name::Supported, Name::Require]
        .iter()
        .any(|name| headers.lists(name, "timer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push(Name::from(*name), *value);
        }
        headers
    }

    /// RFC 4028 9, table 2: what a callee answers.
    #[test]
    fn the_table_of_refreshers() {
        const TIMER: (&str, &str) = ("Supported", "timer");
        for (fields, written, required, ours, span) in [
            (vec![], None, false, true, 1800),
            (vec![TIMER], Some("1800;refresher=uas"), false, true, 1800),
            (
                vec![("Session-Expires", "600")],
                Some("600;refresher=uas"),
                false,
                true,
                600,
            ),
            (
                vec![TIMER, ("Session-Expires", "600;refresher=uac")],
                Some("600;refresher=uac"),
                true,
                false,
                600,
            ),
            (
                vec![TIMER, ("Session-Expires", "3600;refresher=uas")],
                Some("1800;refresher=uas"),
                false,
                true,
                1800,
            ),
            (
                vec![TIMER, ("Session-Expires", "7200"), ("Min-SE", "3600")],
                Some("3600;refresher=uas"),
                false,
                true,
                3600,
            ),
            (
                vec![("Session-Expires", "30")],
                Some("90;refresher=uas"),
                false,
                true,
                90,
            ),
        ] {
            let mut interval = Interval::wished(None);
            let mut response = Headers::new();
            interval.agree(&headers(&fields), &mut response, true);
            let value = response.text(&Name::SessionExpires);
            assert_eq!(value.as_deref(), written, "{fields:?}");
            assert_eq!(response.lists(&Name::Require, "timer"), required);
            assert_eq!(interval.ours, ours, "{fields:?}");
            assert_eq!(interval.span.as_secs(), span, "{fields:?}");
        }
    }

    /// RFC 4028 7.2 and 7.3: what a caller makes of the answer.
    #[test]
    fn a_caller_takes_what_the_answer_says() {
        let mut interval = Interval::wished(Some(Duration::from_secs(300)));
        let mut request = Headers::new();
        interval.ask(&mut request, true);
        assert_eq!(request.get(&Name::SessionExpires).unwrap(), "300");
        assert!(interval.widen(&headers(&[("Min-SE", "400;x")])));
        assert!(!interval.widen(&headers(&[("Min-SE", "400")])));
        assert!(!interval.widen(&headers(&[])));
        interval.ask(&mut request, true);
        assert_eq!(request.get(&Name::SessionExpires).unwrap(), "400");
        assert_eq!(request.get(&Name::MinSe).unwrap(), "400");
        interval.take_answer(&headers(&[("Session-Expires", "400;refresher=uas")]));
        assert!(!interval.ours && interval.shared);
        interval.ask(&mut request, false);
        let kept = request.get(&Name::SessionExpires).unwrap();
        assert_eq!(kept, "400;refresher=uas");
        interval.take_answer(&headers(&[]));
        assert!(interval.ours && !interval.shared);
        assert_eq!(interval.span.as_secs(), 400);
    }

    /// RFC 4028 10: a third of the interval, 32 seconds at most, before its end.
    #[test]
    fn an_interval_ends_a_little_early() {
        for (span, refresh, end) in [(90, 45, 60), (1800, 900, 1768)] {
            let interval = Interval::wished(Some(Duration::from_secs(span)));
            assert_eq!(interval.refresh_after().as_secs(), refresh);
            assert_eq!(interval.expires_after().as_secs(), end);
        }
    }

    /// RFC 4028 9: only who knows of intervals is told that his is too small.
    #[test]
    fn too_small_an_interval_is_refused_where_that_helps() {
        let small = ("Session-Expires", "89");
        assert_eq!(Interval::objection(&headers(&[small])), None);
        let told = Interval::objection(&headers(&[small, ("Supported", "timer")]));
        assert_eq!(told.as_deref(), Some("90"));
        let fine = headers(&[("Session-Expires", "90"), ("Supported", "timer")]);
        assert_eq!(Interval::objection(&fine), None);
    }
}
