//! Our own messages for every section of RFC 4475 and RFC 5118, each with its verdict.

use bytes::Bytes;
use strowger::sip::message::Message;
use strowger::sip::parse::{Reject, parse};

use crate::corpus_files;

/// What the parser shall say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// A message; whether it can be served is the endpoint's to say.
    Message,
    /// A refusal.
    Refused(u16),
    /// Silence.
    Dropped,
}
use Verdict::{Dropped, Message as Fine, Refused};

const RFC_4475: &[(&str, Verdict)] = &[
    ("badaspec", Fine),
    ("badbranch", Fine),
    ("baddate", Fine),
    ("baddn", Fine),
    ("badinv01", Refused(400)),
    ("badvers", Refused(505)),
    ("bcast", Fine),
    ("bext01", Fine),
    ("bigcode", Dropped),
    ("clerr", Refused(400)),
    ("cparam01", Fine),
    ("cparam02", Fine),
    ("dblreq", Fine),
    ("esc01", Fine),
    ("esc02", Fine),
    ("escnull", Fine),
    ("escruri", Fine),
    ("insuf", Refused(400)),
    ("intmeth", Fine),
    ("inv2543", Fine),
    ("invut", Fine),
    ("longreq", Fine),
    ("ltgtruri", Refused(400)),
    ("lwsdisp", Fine),
    ("lwsruri", Refused(400)),
    ("lwsstart", Refused(400)),
    ("mcl01", Refused(400)),
    ("mismatch01", Refused(400)),
    ("mismatch02", Refused(400)),
    ("mpart01", Fine),
    ("multi01", Refused(400)),
    ("ncl", Refused(400)),
    ("noreason", Fine),
    ("novelsc", Refused(416)),
    ("quotbal", Refused(400)),
    ("regaut01", Fine),
    ("regbadct", Refused(400)),
    ("regescrt", Fine),
    ("scalar02", Refused(400)),
    ("scalarlg", Dropped),
    ("sdp01", Fine),
    ("semiuri", Fine),
    ("transports", Fine),
    ("trws", Refused(400)),
    ("unkscm", Refused(416)),
    ("unksm2", Fine),
    ("unreason", Fine),
    ("wsinv", Fine),
    ("zeromf", Fine),
];

const RFC_5118: &[(&str, Verdict)] = &[
    ("ipv4-mapped-ipv6", Fine),
    ("ipv6-bad", Refused(400)),
    ("ipv6-bug-abnf-3-colons", Fine),
    ("ipv6-correct-abnf-2-colons", Fine),
    ("ipv6-good", Fine),
    ("ipv6-in-sdp", Fine),
    ("mult-ip-in-header", Fine),
    ("mult-ip-in-sdp", Fine),
    ("port-ambiguous", Fine),
    ("port-unambiguous", Fine),
    ("via-received-param-no-delim", Fine),
    ("via-received-param-with-delim", Fine),
];

fn verdict(bytes: Vec<u8>) -> Verdict {
    match parse(&Bytes::from(bytes)) {
        Ok(_) => Fine,
        Err(Reject::Answer(refusal)) => Refused(refusal.status),
        Err(Reject::Silence(_)) => Dropped,
    }
}

fn message(name: &str) -> Message {
    let path = format!(
        "{}/tests/conformance/{name}.sip",
        env!("CARGO_MANIFEST_DIR")
    );
    parse(&Bytes::from(std::fs::read(path).unwrap())).unwrap()
}

#[test]
fn every_message_of_the_corpus_gets_its_verdict() {
    for (folder, verdicts) in [("rfc4475", RFC_4475), ("rfc5118", RFC_5118)] {
        let got: Vec<(String, Verdict)> = corpus_files(folder)
            .into_iter()
            .map(|(name, bytes)| (name, verdict(bytes)))
            .collect();
        let want: Vec<(String, Verdict)> = verdicts
            .iter()
            .map(|&(name, verdict)| (name.to_owned(), verdict))
            .collect();
        assert_eq!(got, want, "{folder}");
    }
}

#[test]
fn odd_white_space_folding_and_case_mean_what_they_should() {
    let wsinv = message("rfc4475/wsinv");
    let headers = &wsinv.headers;
    assert_eq!(headers.to().unwrap().tag(), Some("77n"));
    let from = headers.from().unwrap();
    assert_eq!(
        (from.display_name().as_str(), from.tag()),
        ("A \\\" B", Some("f77"))
    );
    assert_eq!(headers.max_forwards(), Ok(Some(70)));
    assert_eq!(headers.cseq().unwrap().number, 11);
    let vias = headers.vias().unwrap();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["z9hG4bKws1", "z9hG4bKws2", "z9hG4bKws3"]);
    let odd = headers.get(&"NeverHeardOfIt".into()).unwrap();
    assert_eq!(odd, "one value goes on here");
    let contact = headers.contacts().unwrap().remove(0);
    assert_eq!(contact.display_name(), "Quoted \"\"");
    assert_eq!(contact.params.get("q"), Some("0.5"));
    assert!(headers.routes().unwrap()[0].uri.has_param("lr"));
    assert!(wsinv.sdp().is_some());
}

#[test]
fn escapes_and_odd_words_mean_what_they_should() {
    let esc01 = message("rfc4475/esc01");
    let uri = esc01.uri().unwrap();
    assert_eq!(
        uri.user_decoded().as_deref(),
        Some("sips:odesa@clinic.example")
    );
    assert_eq!(uri.host_text(), "carrier.example");
    let contact = esc01.headers.contacts().unwrap().remove(0).uri;
    assert!(contact.has_param("lr"));
    assert_eq!(contact.param("name"), Some("v%61lue%25%34%31"));

    let nul = message("rfc4475/escnull").headers;
    assert_eq!(
        nul.to().unwrap().uri.user_decoded().unwrap(),
        "zero-\0-zero"
    );
    assert_eq!(nul.contacts().unwrap().len(), 2);

    let esc02 = message("rfc4475/esc02");
    assert_eq!(esc02.method().unwrap().as_str(), "RE%47IST%45R");
    assert_eq!(esc02.headers.contacts().unwrap().len(), 2);

    let odd = message("rfc4475/intmeth");
    assert_eq!(
        odd.headers.to().unwrap().display_name(),
        "BEL:\x07 NUL:\0 DEL:\x7f"
    );
    let parameter = "fromParam''~+*_!.-%";
    let from = odd.headers.from().unwrap();
    assert_eq!(from.params.unquoted(parameter).as_deref(), Some("працює"));
}

#[test]
fn what_stands_behind_the_body_is_not_read() {
    let first = message("rfc4475/dblreq");
    assert!(first.body.is_empty());
    assert_eq!(first.headers.cseq().unwrap().method.as_str(), "REGISTER");
    let parts = message("rfc4475/mpart01").body;
    assert!(parts.starts_with(b"--edge\r\n") && parts.ends_with(b"\r\n--edge--\r\n"));
}

#[test]
fn a_refusal_answers_with_what_the_request_had() {
    let bytes = std::fs::read(format!(
        "{}/tests/conformance/rfc4475/multi01.sip",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    let Err(Reject::Answer(refusal)) = parse(&Bytes::from(bytes)) else {
        panic!("a request with two of everything is refused");
    };
    let response = parse(&refusal.response("our-tag").to_bytes()).unwrap();
    assert_eq!(response.status(), Some(400));
    assert_eq!(response.headers.cseq().unwrap().number, 5);
    assert_eq!(response.headers.to().unwrap().tag(), Some("our-tag"));
    assert_eq!(response.headers.from().unwrap().tag(), Some("1"));
}
