//! What a phone sees of the engine: the headers of its INVITE, a colleague's lamp, waiting messages.

use super::*;
use crate::sip::auth::digest;
use crate::sip::endpoint::{Algorithm, Credentials};
use crate::sip::header::Name;
use crate::sip::message::Message;
use crate::sip::parse::parse;
use crate::words::OperatorState;

const CLINIC: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
language: uk
sites:
  odesa: { city: Одеса, from: з Одеси }
trunks:
  kyivstar: { peers: ["203.0.113.10:5060"] }
numbers:
  "0800 301 231": { site: odesa, source: google_ads, campaign: імплантація, to: queue.odesa }
queues:
  odesa: { operators: { all: true }, strategy: ring_all, ring: 10s, max_wait: 60s }
operators:
  olena: { name: Олена, password: a, number: "201" }
screen: { card: "https://crm.example/card?phone={from}&call={call_id}" }
"#;

fn bench() -> Bench {
    let sources = [Source {
        name: "plan.yaml",
        text: CLINIC,
    }];
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let plan = compile(&sources, &Nothing, options).plan.unwrap();
    Bench::new(|settings| settings.plan = Arc::new(plan))
}

/// Olena's phone says something.
fn say(bench: &mut Bench, message: &[u8]) {
    let flow = Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: "10.0.0.9:5060".parse().unwrap(),
    };
    bench.tell(Input::Sip {
        flow,
        bytes: message,
    });
}

/// A request of olena's phone, challenged and sent again with a digest.
fn ask(bench: &mut Bench, method: &str, uri: &str, more: &str) {
    let request = |seq: u32, digest: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK{method}{seq}{}\r\n\
             From: <sip:olena@pbx.test>;tag=t\r\nTo: <{}>\r\nCall-ID: {method}{}\r\n\
             CSeq: {seq} {method}\r\nContact: <sip:olena@10.0.0.9:5060>\r\n{digest}{more}\r\n",
            more.len(),
            if method == "REGISTER" {
                "sip:olena@pbx.test"
            } else {
                uri
            },
            more.len(),
        )
    };
    say(bench, request(1, "").as_bytes());
    let challenge = bench.sent.last().unwrap();
    let nonce = challenge.split("nonce=\"").nth(1).unwrap();
    let nonce = nonce.split('"').next().unwrap().to_owned();
    let olena = Credentials::from_password("olena", "pbx.test", "a");
    let md5 = Algorithm::Md5;
    let response = digest::response(md5, &olena.md5, &nonce, None, method, uri);
    let digest = format!(
        "Authorization: Digest username=\"olena\", realm=\"pbx.test\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"\r\n"
    );
    say(bench, request(2, &digest).as_bytes());
}

/// The last request of a method, once only; its answer goes back at once.
fn heard(bench: &mut Bench, method: &str, status: u16) -> Message {
    let at = bench.sent.iter().rposition(|it| it.starts_with(method));
    let text = bench
        .sent
        .remove(at.unwrap_or_else(|| panic!("no {method}: {:#?}", bench.sent)));
    let request = parse(&bytes::Bytes::from(text)).unwrap();
    let mut response = Message::response_to(&request, status);
    response.set_to_tag("phone");
    response
        .headers
        .push(Name::Contact, "<sip:olena@10.0.0.9:5060>");
    say(bench, &response.to_bytes());
    request
}

fn body(message: &Message) -> String {
    String::from_utf8(message.body.to_vec()).unwrap()
}

#[test]
fn a_phone_sees_the_call_its_lamp_and_the_caller_who_was_missed() {
    let mut bench = bench();
    ask(&mut bench, "REGISTER", "sip:pbx.test", "");
    bench.commit();
    ask(
        &mut bench,
        "SUBSCRIBE",
        "sip:201@pbx.test",
        "Event: dialog\r\n",
    );
    let first = heard(&mut bench, "NOTIFY", 200);
    assert!(body(&first).contains("<state>terminated</state>"));
    ask(
        &mut bench,
        "SUBSCRIBE",
        "sip:olena@pbx.test",
        "Event: message-summary\r\n",
    );
    assert!(body(&heard(&mut bench, "NOTIFY", 200)).contains("Voice-Message: 0/0"));
    bench.after(2_000);

    bench.invite(1);
    bench.commit();
    let invite = heard(&mut bench, "INVITE", 180);
    let text = |name: &'static str| invite.headers.text(&Name::from(name)).unwrap();
    assert_eq!(
        invite.headers.from().unwrap().display_name(),
        "Одеса · Google Ads"
    );
    assert_eq!(text("X-Strowger-City"), "Одеса");
    assert_eq!(text("X-Strowger-Campaign"), "імплантація");
    let call = text("X-Strowger-Call-Id");
    let card = format!("<https://crm.example/card?phone=%2B380671112233&call={call}>;purpose=info");
    assert_eq!(text("Call-Info"), card);
    let olena = OperatorName::from("olena");
    assert_eq!(
        bench.engine.desk().state(&olena),
        Some(OperatorState::Ringing)
    );
    assert!(body(&heard(&mut bench, "NOTIFY", 200)).contains("<state>early</state>"));
    bench.after(4_000);

    // The caller gives up: the lamp goes dark, and one message waits.
    let tag = bench.to_tag(1);
    bench.request("ACK", 1, 1, &tag, "");
    bench.request("BYE", 2, 1, &tag, "");
    bench.commit();
    heard(&mut bench, "CANCEL", 200);
    let (one, other) = (
        heard(&mut bench, "NOTIFY", 200),
        heard(&mut bench, "NOTIFY", 200),
    );
    let told = format!("{}{}", body(&one), body(&other));
    assert!(told.contains("<state>terminated</state>"), "{told}");
    assert!(told.contains("Voice-Message: 1/0"), "{told}");
}

#[test]
fn callbacks_from_before_a_restart_wait_at_once() {
    use crate::id::{CallbackId, Ulid};
    use crate::ledger::callbacks::Callback;
    use crate::words::MissedReason;

    let mut rng = Rng::new([3; 32]);
    let mut id = || Ulid::new(Wall::from_millis(1), &mut rng);
    let callback = Callback {
        id: CallbackId(id()),
        call: CallId(id()),
        phone: "+380671112233".to_owned(),
        site: None,
        queue: None,
        dialled: String::new(),
        reason: MissedReason::Timeout,
        opened_at: Wall::from_millis(1),
        due_at: Wall::from_millis(2),
        overdue: false,
        shift_ended_at: None,
        count: 1,
        attempts: Vec::new(),
        ringing: None,
        note: None,
        assigned: None,
        recall: None,
    };
    let sources = [Source {
        name: "plan.yaml",
        text: CLINIC,
    }];
    let options = Options {
        unset: Severity::Error,
        whole: true,
    };
    let plan = compile(&sources, &Nothing, options).plan.unwrap();
    let mut bench = Bench::new(|settings| {
        settings.plan = Arc::new(plan);
        settings.restored.callbacks = vec![callback];
    });
    ask(
        &mut bench,
        "SUBSCRIBE",
        "sip:olena@pbx.test",
        "Event: message-summary\r\n",
    );
    assert!(body(&heard(&mut bench, "NOTIFY", 200)).contains("Voice-Message: 1/0"));
}
