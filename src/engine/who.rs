//! Who calls whom, as the plan reads a carrier's headers.

use crate::dialplan::plan::{Called, CallerId, Dialplan, Trunk};
use crate::sip::identity::{is_anonymous, number_of};
use crate::sip::session::{IncomingInvite, Source};
use crate::sip::trunk::Trunks;
use crate::sip::uri::Uri;

/// The number that was dialled: from the first header of the trunk's `called` that has one.
pub(super) fn called(plan: &Dialplan, trunks: &Trunks, invite: &IncomingInvite) -> String {
    let identity = &invite.identity;
    let found = trunk_of(plan, invite).and_then(|trunk| {
        // A call to our Contact says whom it reaches, and not whom it was meant for.
        let contact = trunks.contact_user(&trunk.name);
        trunk.called.iter().find_map(|header| {
            let uri = match header {
                Called::RequestUri => Some(&invite.request_uri),
                Called::To => Some(&invite.to),
                Called::PCalledPartyId => identity.p_called_party.as_ref(),
                Called::Diversion => identity.diversion.first(),
                Called::HistoryInfo => identity.history.first(),
            };
            let number = number_of(uri?);
            (!number.is_empty() && contact != Some(&number)).then_some(number)
        })
    });
    found.unwrap_or_else(|| number_of(&invite.request_uri))
}

/// The caller's number from the first header of the trunk's `caller` that has one; none when it is
/// withheld. What the network asserts is believed of trusted carriers alone (RFC 3325 4).
pub(super) fn caller(plan: &Dialplan, invite: &IncomingInvite) -> Option<String> {
    let identity = &invite.identity;
    let known = |uri: &Uri| (!is_anonymous(uri)).then(|| number_of(uri));
    let Some(trunk) = trunk_of(plan, invite) else {
        return known(&invite.from);
    };
    if identity.private {
        return None;
    }
    let asserted = |uris: &[Uri]| uris.iter().find_map(known);
    trunk.caller.iter().find_map(|header| match header {
        CallerId::PAssertedIdentity if trunk.trusted => asserted(&identity.asserted),
        CallerId::RemotePartyId if trunk.trusted => identity.remote_party.as_ref().and_then(known),
        CallerId::PAssertedIdentity | CallerId::RemotePartyId => None,
        CallerId::From => known(&invite.from),
    })
}

fn trunk_of<'p>(plan: &'p Dialplan, invite: &IncomingInvite) -> Option<&'p Trunk> {
    match &invite.source {
        Source::Trunk(trunk) => plan.trunks.get(trunk),
        Source::Operator(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::id::{FlowId, TrunkName};
    use crate::number::Country;
    use crate::rng::Rng;
    use crate::sip::flow::{Flow, Transport};
    use crate::sip::identity::Identity;
    use crate::sip::parse::parse;

    fn plan(trunk: Trunk) -> Dialplan {
        let options = crate::dialplan::compile::Options {
            unset: crate::dialplan::diagnose::Severity::Error,
            whole: true,
        };
        struct Nothing;
        impl crate::dialplan::secrets::Secrets for Nothing {
            fn env(&self, _name: &str) -> Option<String> {
                None
            }
            fn file(&self, _path: &str) -> Option<String> {
                None
            }
        }
        let compiled = crate::dialplan::compile::compile(&[], &Nothing, options);
        let mut plan = compiled.plan.unwrap();
        plan.trunks = BTreeMap::from([(trunk.name.clone(), trunk)]);
        plan
    }

    fn invite(from: &str, headers: &str) -> IncomingInvite {
        let text = format!(
            "INVITE sip:100@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\n\
             From: <{from}>;tag=1\nTo: <sip:0800301230@d>\nCall-ID: x\nCSeq: 1 INVITE\n\
             Max-Forwards: 70\n{headers}\n"
        );
        let message = parse(&Bytes::from(text.replace('\n', "\r\n")))
            .ok()
            .unwrap();
        IncomingInvite {
            source: Source::Trunk(TrunkName::from("carrier")),
            flow: Flow {
                id: FlowId(1),
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                peer: "192.0.2.2:5060".parse().unwrap(),
            },
            request_uri: message.uri().unwrap().clone(),
            to: message.headers.to().unwrap().uri,
            from: message.headers.from().unwrap().uri,
            from_display: String::new(),
            call_id: "x".to_owned(),
            offer: None,
            identity: Identity::of(&message),
            replaces: None,
        }
    }

    #[test]
    fn a_carriers_headers_say_who_calls_whom() {
        let trunks = Trunks::new(Rng::new([1; 32]));
        let mut trunk = Trunk::new(TrunkName::from("carrier"), Country::Ua);
        trunk.called = vec![Called::PCalledPartyId, Called::Diversion, Called::To];
        trunk.caller = vec![
            CallerId::PAssertedIdentity,
            CallerId::RemotePartyId,
            CallerId::From,
        ];
        let asserted = "P-Asserted-Identity: <sip:anonymous@x>, <tel:+380671112233>\n";
        let known = "sip:0501112233@carrier";

        let doubted = plan(trunk.clone());
        let caller =
            |plan: &Dialplan, from: &str, headers: &str| caller(plan, &invite(from, headers));
        assert_eq!(
            caller(&doubted, known, asserted).as_deref(),
            Some("0501112233")
        );
        trunk.trusted = true;
        let plan = plan(trunk);
        assert_eq!(
            caller(&plan, known, asserted).as_deref(),
            Some("+380671112233")
        );
        let remote = "Remote-Party-ID: <sip:0671112233@x>;party=calling\n";
        assert_eq!(caller(&plan, known, remote).as_deref(), Some("0671112233"));
        assert_eq!(caller(&plan, known, "").as_deref(), Some("0501112233"));
        // Withheld, in every way there is.
        assert_eq!(
            caller(&plan, known, &format!("{asserted}Privacy: id\n")),
            None
        );
        assert_eq!(caller(&plan, "sip:anonymous@anonymous.invalid", ""), None);
        assert_eq!(
            caller(&plan, "sip:380501112233@anonymous.invalid", ""),
            None
        );

        let called = |headers: &str| called(&plan, &trunks, &invite(known, headers));
        assert_eq!(called(""), "0800301230");
        assert_eq!(called("Diversion: <sip:0482@x>\n"), "0482");
        let both = "Diversion: <sip:0482@x>\nP-Called-Party-ID: <sip:0483@x>\n";
        assert_eq!(called(both), "0483");
    }
}
