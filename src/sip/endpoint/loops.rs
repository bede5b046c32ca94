//! A request of our own that comes back to us (RFC 3261 16.3, 8.2.2.2).

use super::Endpoint;
use crate::sip::dialog::DialogKey;
use crate::sip::message::Message;
use crate::sip::transaction::table::Key;

impl Endpoint {
    /// Whether a request outside a dialog is one that we sent: it has the Call-ID and the tag of a
    /// dialog we began, or the branch of a transaction of ours in its Via. Nobody else can know
    /// either, so no foreign request is taken for one.
    pub(super) fn loops(&self, request: &Message) -> bool {
        let headers = &request.headers;
        let from = headers.from().ok();
        let key = from.as_ref().and_then(|from| {
            Some(DialogKey {
                call_id: headers.call_id().ok()?.to_owned(),
                local_tag: from.tag()?.to_owned(),
            })
        });
        if key.is_some_and(|key| self.dialogs.contains_key(&key)) {
            return true;
        }
        let method = request.method().map(|method| method.as_str());
        let method = method.unwrap_or_default();
        headers.vias().unwrap_or_default().iter().any(|via| {
            let branch = via.unique_branch().unwrap_or_default().to_owned();
            let method = method.to_owned();
            self.transactions
                .find(&Key::Client { branch, method })
                .is_some()
        })
    }
}
