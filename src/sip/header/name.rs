//! Names of header fields, their canonical spelling and their compact form.

use bytes::Bytes;

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident $text:literal $lower:literal $(| $compact:literal)?,)+) => {
        /// The name of a header field; names compare without case (RFC 3261 7.3.1).
        #[derive(Clone, Debug)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
            /// Any other token, as it came.
            Other(Bytes),
        }

        impl Name {
            /// The name as it is written.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Self::$variant => $text.as_bytes(),)+
                    Self::Other(name) => name,
                }
            }

            /// The name in messages to people; an unknown one is not repeated.
            #[must_use]
            pub const fn label(&self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(_) => "header field",
                }
            }

            fn known(lower: &[u8]) -> Option<Self> {
                match lower {
                    $($lower $(| $compact)? => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

names! {
    Accept "Accept" b"accept",
    AlertInfo "Alert-Info" b"alert-info",
    Allow "Allow" b"allow",
    AllowEvents "Allow-Events" b"allow-events" | b"u",
    AuthenticationInfo "Authentication-Info" b"authentication-info",
    Authorization "Authorization" b"authorization",
    CallId "Call-ID" b"call-id" | b"i",
    CallInfo "Call-Info" b"call-info",
    Contact "Contact" b"contact" | b"m",
    ContentDisposition "Content-Disposition" b"content-disposition",
    ContentEncoding "Content-Encoding" b"content-encoding" | b"e",
    ContentLength "Content-Length" b"content-length" | b"l",
    ContentType "Content-Type" b"content-type" | b"c",
    CSeq "CSeq" b"cseq",
    Date "Date" b"date",
    Diversion "Diversion" b"diversion",
    Event "Event" b"event" | b"o",
    Expires "Expires" b"expires",
    From "From" b"from" | b"f",
    HistoryInfo "History-Info" b"history-info",
    MaxForwards "Max-Forwards" b"max-forwards",
    MinExpires "Min-Expires" b"min-expires",
    MinSe "Min-SE" b"min-se",
    PAssertedIdentity "P-Asserted-Identity" b"p-asserted-identity",
    PCalledPartyId "P-Called-Party-ID" b"p-called-party-id",
    PPreferredIdentity "P-Preferred-Identity" b"p-preferred-identity",
    Path "Path" b"path",
    Privacy "Privacy" b"privacy",
    ProxyAuthenticate "Proxy-Authenticate" b"proxy-authenticate",
    ProxyAuthorization "Proxy-Authorization" b"proxy-authorization",
    ProxyRequire "Proxy-Require" b"proxy-require",
    RAck "RAck" b"rack",
    RSeq "RSeq" b"rseq",
    Reason "Reason" b"reason",
    RecordRoute "Record-Route" b"record-route",
    ReferTo "Refer-To" b"refer-to" | b"r",
    ReferredBy "Referred-By" b"referred-by" | b"b",
    RemotePartyId "Remote-Party-ID" b"remote-party-id",
    Replaces "Replaces" b"replaces",
    Require "Require" b"require",
    RetryAfter "Retry-After" b"retry-after",
    Route "Route" b"route",
    Server "Server" b"server",
    ServiceRoute "Service-Route" b"service-route",
    SessionExpires "Session-Expires" b"session-expires" | b"x",
    Subject "Subject" b"subject" | b"s",
    SubscriptionState "Subscription-State" b"subscription-state",
    Supported "Supported" b"supported" | b"k",
    Timestamp "Timestamp" b"timestamp",
    To "To" b"to" | b"t",
    Unsupported "Unsupported" b"unsupported",
    UserAgent "User-Agent" b"user-agent",
    Via "Via" b"via" | b"v",
    Warning "Warning" b"warning",
    WwwAuthenticate "WWW-Authenticate" b"www-authenticate",
}

/// The longest known name.
const LONGEST: usize = 20;

impl Name {
    /// The name a field was sent with, which stands somewhere in `message`; compact forms are
    /// expanded.
    #[must_use]
    pub fn parse(message: &Bytes, name: &[u8]) -> Self {
        let mut lower = [0; LONGEST];
        let known = lower.get_mut(..name.len()).and_then(|lower| {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            Self::known(lower)
        });
        known.unwrap_or_else(|| Self::Other(message.slice_ref(name)))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && match (self, other) {
                (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
                _ => true,
            }
    }
}

impl Eq for Name {}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        let name = Bytes::from_static(name.as_bytes());
        Self::parse(&name, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_compact_forms_expand() {
        assert_eq!(Name::from("v"), Name::Via);
        assert_eq!(Name::from("cAlL-iD"), Name::CallId);
        assert_eq!(
            Name::from("PROXY-AUTHORIZATION").as_bytes(),
            b"Proxy-Authorization"
        );
        assert_eq!(Name::from("P-Preferred-Identity"), Name::PPreferredIdentity);
        assert_eq!(Name::from("X-Clinic"), Name::from("x-clinic"));
        assert_ne!(Name::from("C%6Fntact"), Name::Contact);
        assert_ne!(Name::from("X-A"), Name::from("X-B"));
    }
}
