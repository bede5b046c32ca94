//! OPTIONS of ours: is a carrier, or a phone, there (RFC 3261 11)?

use super::Endpoint;
use crate::sip::flow::Flow;
use crate::sip::header::{CSeq, Name, NameAddr};
use crate::sip::message::{Message, Method};
use crate::sip::transaction::table::Owner;
use crate::sip::trunk::ProbeId;
use crate::sip::uri::{Host, Uri};
use crate::time::Now;

impl Endpoint {
    /// Sends OPTIONS; [`super::EndpointEvent::Probed`] says what came of it.
    pub fn probe(&mut self, now: Now, id: ProbeId, flow: Flow, uri: Uri) {
        self.now = now;
        let mut request = self.options(&flow, uri);
        self.send_request(Owner::Probe(id), flow, &mut request);
        self.settle();
    }

    /// An OPTIONS of ours, without Via.
    pub(super) fn options(&mut self, flow: &Flow, uri: Uri) -> Message {
        let host =
            Host::parse(&self.config.domain).unwrap_or_else(|_| Host::Ip(self.visible(flow).ip()));
        let from = NameAddr::new(Uri::sip(Some("strowger"), &host, None))
            .with_param("tag", Some(&self.rng.token(12)));
        let cseq = CSeq {
            number: 1,
            method: Method::Options,
        };
        let mut request = Message::request(Method::Options, uri.clone());
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, from.to_value());
        headers.push(Name::To, NameAddr::new(uri).to_value());
        headers.push(Name::CallId, self.rng.token(24));
        headers.push(Name::CSeq, cseq.to_value());
        headers.push(Name::Contact, self.contact(flow));
        headers.push(Name::Accept, "application/sdp");
        request
    }
}
