//! What we write reads as what we meant, whatever stands in its values.

use bytes::Bytes;
use proptest::prelude::*;
use strowger::limits;
use strowger::sip::header::{CSeq, Name, NameAddr, Via};
use strowger::sip::message::{Message, Method};
use strowger::sip::parse::parse;
use strowger::sip::uri::{Host, Uri};

/// What a line can carry of a text: line breaks become spaces, space around it is not kept.
fn on_a_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
        .trim_matches([' ', '\t'])
        .to_owned()
}

/// What a display name can carry: control characters become spaces, and it is cut at a character.
fn as_display(name: &str) -> String {
    let mut end = name.len().min(limits::DISPLAY_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end]
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

proptest! {
    #[test]
    fn messages_read_as_they_were_meant(
        display in any::<String>(),
        user in "\\PC{1,40}",
        number in any::<u32>(),
        tag in "[a-z0-9]{1,20}",
        values in prop::collection::vec(any::<String>(), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..300),
        source in any::<std::net::SocketAddr>(),
    ) {
        let uri = Uri::sip(Some(&user), &Host::parse("clinic.example").unwrap(), None);
        let address = NameAddr::new(uri.clone()).with_display(&display);
        let mut message = Message::request(Method::Invite, uri.clone());
        message.headers.push(Name::Via, Via::new("UDP", source, "z9hG4bKx").to_value());
        message.headers.push(Name::From, address.clone().with_param("tag", Some(&tag)).to_value());
        message.headers.push(Name::To, address.to_value());
        message.headers.push(Name::CallId, "a@b");
        let cseq = CSeq { number, method: Method::Invite };
        message.headers.push(Name::CSeq, cseq.to_value());
        for value in &values {
            message.headers.push("X-Any".into(), value.clone());
        }
        message.set_body("application/octet-stream", Bytes::from(body.clone()));

        let read = parse(&message.to_bytes()).unwrap();
        prop_assert_eq!(read.uri(), Some(&uri));
        let decoded = read.uri().and_then(Uri::user_decoded).map(|user| user.into_owned());
        prop_assert_eq!(decoded, Some(user));
        let from = read.headers.from().unwrap();
        prop_assert_eq!(from.display_name(), as_display(&display));
        prop_assert_eq!(from.tag(), Some(tag.as_str()));
        prop_assert_eq!(&from.uri, &uri);
        prop_assert_eq!(read.headers.cseq(), Ok(cseq));
        let via = read.headers.top_via().unwrap();
        prop_assert_eq!((via.host.ip(), via.port), (Some(source.ip()), Some(source.port())));
        let any: Vec<String> = read
            .headers
            .all(&"X-Any".into())
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect();
        let meant: Vec<String> = values.iter().map(|value| on_a_line(value)).collect();
        prop_assert_eq!(any, meant);
        prop_assert_eq!(read.body.as_ref(), body.as_slice());
        prop_assert_eq!(parse(&read.to_bytes()), Ok(read));
    }

    #[test]
    fn any_text_is_a_uri_or_none(text in "(sip|sips|tel|x):\\PC{0,60}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(uri.as_str(), text.as_str());
            prop_assert!(uri.equivalent(&uri));
            if let Some(host) = uri.host() {
                let rebuilt = Uri::sip(uri.user_decoded().as_deref(), &host, uri.port());
                prop_assert_eq!(Uri::parse(rebuilt.as_str()), Ok(rebuilt.clone()));
            }
        }
    }
}
