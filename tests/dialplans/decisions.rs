//! What a plan decides of a call.

use strowger::dialplan::decide::{Decision, Facts};
use strowger::dialplan::diagnose::Severity;
use strowger::dialplan::dial::{Barred, Dialled};
use strowger::dialplan::plan::{Answer, Dialplan, Need, Target, Whisper};
use strowger::dialplan::plan::{Called, CallerId};
use strowger::dialplan::whisper::utterance::Spoken;
use strowger::id::{OperatorName, QueueName, TrunkName};
use strowger::sip::flow::Transport;
use strowger::time::{Duration, Wall};
use strowger::words::Srtp;
use strowger::words::{Codec, Language, Phrase, Strategy};

use crate::compiled;

const NETWORK: &str = include_str!("good/network.yaml");

fn network() -> Dialplan {
    let compiled = compiled(&[("network.yaml", NETWORK)], Severity::Error);
    assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
    compiled.plan.unwrap()
}

fn decide(trunk: &str, to: &str) -> Decision {
    let facts = Facts {
        trunk: TrunkName::from(trunk),
        to: to.to_owned(),
        from: Some("067 111 22 33".to_owned()),
    };
    network().decide(&facts, Wall::default())
}

fn targets(decision: &Decision) -> Vec<&str> {
    decision
        .targets
        .iter()
        .filter_map(Target::queue)
        .map(QueueName::as_str)
        .collect()
}

fn texts(whisper: &Whisper) -> Vec<String> {
    let forms = whisper.about(&Spoken::default()).forms();
    forms.iter().map(|form| form.text().to_owned()).collect()
}

#[test]
fn a_number_says_where_the_call_goes_and_what_the_operator_hears() {
    let decision = decide("kyivstar", "0800301232");
    assert_eq!(decision.to, "+380800301232");
    assert_eq!(decision.from.as_deref(), Some("+380671112233"));
    assert_eq!(targets(&decision), ["kharkiv", "all"]);
    assert_eq!(decision.city.as_deref(), Some("Харків"));
    assert_eq!(decision.source.as_deref(), Some("google_ads"));
    assert_eq!(
        texts(&decision.whisper),
        ["Дзвінок із Харкова, імплантація", "Дзвінок із Харкова"]
    );
    let rule = decision.rule.unwrap();
    assert_eq!(
        (&*rule.file, rule.line, rule.column),
        ("network.yaml", 39, 3)
    );
}

#[test]
fn a_pool_fills_in_what_the_number_does_not_say() {
    let decision = decide("kyivstar", "380487053207");
    assert_eq!(decision.source.as_deref(), Some("site"));
    assert_eq!(decision.campaign.as_deref(), Some("осінь"));
    assert_eq!(texts(&decision.whisper)[1], "Дзвінок з Одеси");
}

#[test]
fn a_site_brings_its_language_and_its_way_of_writing_numbers() {
    let decision = decide("rostelecom", "8 861 200-30-40");
    assert_eq!(decision.to, "+78612003040");
    assert_eq!(decision.language, Language::Ru);
    assert_eq!(
        texts(&decision.whisper)[0],
        "Звонок из Краснодара, чистка лица"
    );
    // 067… is no number of Russia.
    assert_eq!(decision.from.as_deref(), Some("067 111 22 33"));
}

#[test]
fn what_nobody_routes_is_told_apart() {
    for to in ["0800 999 999", "", "reception", "+", "+380 800 301 23"] {
        let decision = decide("kyivstar", to);
        assert!(
            decision.targets.is_empty() && decision.rule.is_none(),
            "{to}"
        );
        assert_eq!(decision.whisper, Whisper::default());
    }
    let known = decide("no such trunk", "0800 301 232");
    assert_eq!(targets(&known), ["kharkiv", "all"]);
}

#[test]
fn a_way_is_the_targets_each_with_its_overflow() {
    let plan = network();
    let way = |names: &[&str]| {
        let targets = names
            .iter()
            .map(|name| Target::Queue(QueueName::from(*name)))
            .collect::<Vec<_>>();
        let way = plan.way(&targets);
        way.iter().map(QueueName::to_string).collect::<Vec<_>>()
    };
    assert_eq!(way(&["odesa"]), ["odesa", "kharkiv", "all"]);
    assert_eq!(way(&["kharkiv", "all"]), ["kharkiv", "all"]);
    assert_eq!(way(&["all", "odesa"]), ["all", "odesa", "kharkiv"]);
    assert_eq!(way(&["nowhere"]), Vec::<String>::new());
}

#[test]
fn queues_and_operators_are_what_the_plan_says() {
    let plan = network();
    let queue = |name: &str| plan.queues[&QueueName::from(name)].clone();
    let levels = |name: &str| {
        let operators = queue(name).operators;
        let levels = operators
            .iter()
            .map(|(name, member)| format!("{name}={}", member.level));
        levels.collect::<Vec<_>>()
    };
    assert_eq!(levels("odesa"), ["iryna=2", "olena=1", "serhii=2"]);
    assert_eq!(levels("kharkiv"), ["iryna=1", "olena=3", "serhii=1"]);
    assert_eq!(levels("all"), ["iryna=1", "olena=1", "serhii=1"]);
    assert_eq!(levels("vip"), ["olena=1"]);
    let odesa = queue("odesa");
    assert_eq!(odesa.ring, Duration::from_secs(15));
    assert_eq!(odesa.wrap_up, Duration::ZERO);
    assert_eq!(odesa.max_wait, Some(Duration::from_secs(90)));
    assert_eq!(odesa.answer, Answer::Operator);
    assert_eq!(odesa.after.decline, Duration::from_secs(30));
    assert_eq!(odesa.after.no_answer, Duration::from_secs(5));
    assert_eq!(odesa.music, Phrase::File("music/odesa.wav".to_owned()));
    let all = queue("all");
    assert_eq!(
        (all.strategy, all.ring),
        (Strategy::RingAll, Duration::from_secs(20))
    );
    assert_eq!((all.max_wait, all.answer), (None, Answer::Queue));
    assert_eq!(all.music, Phrase::File("music/calm.wav".to_owned()));
    let olena = &plan.operators[&OperatorName::from("olena")];
    assert_eq!(olena.password.as_ref().unwrap().reveal(), "лимон");
    assert_eq!(
        (olena.display.as_str(), olena.number.as_deref()),
        ("Олена", Some("201"))
    );
    let trunk = &plan.trunks[&TrunkName::from("kyivstar")];
    assert_eq!(trunk.codecs, [Codec::Pcmu]);
    assert_eq!(trunk.peers.len(), 3);
    assert_eq!(trunk.peers[2].port, Some(5070));
    assert_eq!(plan.whisper_max, Duration::from_secs(3));
    let recording = plan.recording.unwrap();
    assert_eq!(recording.keep, Some(Duration::from_secs(90 * 86_400)));
}

#[test]
fn a_test_is_read_whole() {
    let plan = network();
    let test = &plan.tests[0];
    assert_eq!(test.name, "усі зайняті");
    // Ten in the morning in Krasnodar is seven in Greenwich.
    assert_eq!(
        test.call.at.unwrap().to_string(),
        "2026-10-05T07:00:00.000Z"
    );
    assert_eq!(test.call.to, "+78612003040");
    assert_eq!(test.call.from, None);
    assert_eq!(test.call.trunk, Some(TrunkName::from("rostelecom")));
    assert_eq!(test.given.len(), 2);
    assert_eq!(test.expect.path.as_ref().unwrap().len(), 2);
    assert_eq!(test.expect.callback, Some(true));
}

#[test]
fn the_hash_tells_plans_apart() {
    let hash = |files: &[(&str, &str)]| compiled(files, Severity::Error).plan.unwrap().hash;
    let plan = "country: UA\n";
    assert_eq!(hash(&[("a.yaml", plan)]), hash(&[("b.yaml", plan)]));
    assert_ne!(
        hash(&[("a.yaml", plan)]),
        hash(&[("a.yaml", "country: RU\n")])
    );
    assert_eq!(hash(&[("a.yaml", plan)]).len(), 64);
}

#[test]
fn a_trunk_says_how_it_is_reached_known_and_spoken_to() {
    let plan = network();
    let reserve = &plan.trunks[&TrunkName::from("reserve")];
    let register = reserve.register.as_ref().unwrap();
    let servers: Vec<_> = register
        .servers
        .iter()
        .map(|it| (it.host.as_str(), it.port))
        .collect();
    assert_eq!(
        servers,
        [("sip1.example.net", None), ("sip2.example.net", Some(5070))]
    );
    assert_eq!(register.expires.as_secs(), 1_800);
    assert_eq!(
        (reserve.transport, reserve.srtp),
        (Some(Transport::Tls), Srtp::Required)
    );
    assert_eq!(
        (reserve.max_calls, reserve.calls_per_second),
        (Some(60), Some(5))
    );
    assert_eq!(reserve.session_timer.unwrap().as_secs(), 900);
    // A call to our Contact has its number elsewhere.
    assert_eq!(
        reserve.called,
        [Called::RequestUri, Called::PCalledPartyId, Called::To]
    );
    assert_eq!(reserve.caller, [CallerId::From]);

    let trusting = &plan.trunks[&TrunkName::from("trusting")];
    let hosts: Vec<_> = trusting
        .servers
        .iter()
        .map(|it| (it.host.as_str(), it.port))
        .collect();
    assert_eq!(
        hosts,
        [
            ("2001:db8:1::1", None),
            ("2001:db8:1::2", Some(5062)),
            ("203.0.113.99", None)
        ]
    );
    assert_eq!(trusting.called, [Called::PCalledPartyId, Called::To]);
    assert_eq!(trusting.caller, [CallerId::PAssertedIdentity]);
}

const OUTBOUND: &str = r#"
version: 1
country: UA
timezone: Europe/Kyiv
sites: { odesa: { city: Одеса }, kharkiv: { city: Харків } }
trunks: { kyivstar: { peers: [203.0.113.10] } }
numbers: { "0800 301 231": { site: odesa, to: queue.front } }
operators:
  olena: { password: x, number: "201", site: odesa }
  iryna: { password: x, number: "202", site: kharkiv }
queues: { front: { operators: { all: true }, number: "300" } }
outbound:
  via: [kyivstar]
  allow: ["+380*", "00 48 22*", "+7 861 200-30-40"]
  deny: ["+380 900*"]
  emergency: ["103", "112"]
  hours: "08:00-20:00"
  show: [{ site: odesa, number: "0800 301 231" }, { number: "067 000 00 00" }]
"#;

#[test]
fn an_operator_dials_colleagues_queues_and_what_outbound_allows() {
    let compiled = compiled(&[("plan.yaml", OUTBOUND)], Severity::Error);
    let plan = compiled.plan.unwrap();
    // 10:00 and 22:00 in Kyiv.
    let (day, night) = (1_791_183_600_000, 1_791_226_800_000);
    let dial = |text: &str, millis| plan.dialled(text, Wall::from_millis(millis));
    let outside = |number: &str, emergency| {
        let number = number.to_owned();
        Ok(Dialled::Outside { number, emergency })
    };
    for text in ["olena", "201"] {
        assert_eq!(dial(text, night), Ok(Dialled::Operator("olena".into())));
    }
    for text in ["front", "300", "odesa"] {
        assert_eq!(
            dial(text, night),
            Ok(Dialled::Queues(vec![Target::Queue("front".into())]))
        );
    }
    // A number of ours is nobody outside, whatever the hours.
    for text in ["0800301231", "+380800301231", "00380800301231"] {
        assert_eq!(
            dial(text, night),
            Ok(Dialled::Queues(vec![Target::Queue("front".into())]))
        );
    }
    assert_eq!(dial("067 111 22 33", day), outside("+380671112233", false));
    assert_eq!(dial("0048221234567", day), outside("+48221234567", false));
    assert_eq!(dial("+78612003040", day), outside("+78612003040", false));
    assert_eq!(dial("+78612003041", day), Err(Barred::Unknown));
    assert_eq!(dial("0900123456", day), Err(Barred::Denied));
    assert_eq!(dial("067 111 22 33", night), Err(Barred::Closed));
    assert_eq!(dial("103", night), outside("103", true));
    for stranger in ["kharkiv", "203", "101", "", "*97", "olena;x=y", "Олена"] {
        assert_eq!(dial(stranger, day), Err(Barred::Unknown), "{stranger}");
    }
    assert_eq!(plan.shown_for(&"olena".into()), Some("+380800301231"));
    assert_eq!(plan.shown_for(&"iryna".into()), Some("+380670000000"));
}

#[test]
fn what_may_be_true_of_a_caller_is_ready_before_the_first_call() {
    let whisper = "Дзвінок {from}[, {repeat}][, чекає {wait}][, {callback}]";
    let plan = format!(
        "version: 1\ncountry: UA\nsites: {{ odesa: {{ city: Одеса, from: з Одеси }} }}\n\
         trunks: {{ t: {{ peers: [203.0.113.10] }} }}\n\
         numbers: {{ \"0800 301 230\": {{ site: odesa, to: queue.q }} }}\n\
         operators: {{ a: {{ password: x }} }}\n\
         queues: {{ q: {{ operators: [a] }} }}\nwhisper: {{ uk: \"{whisper}\" }}\n"
    );
    let compiled = compiled(&[("plan.yaml", &plan)], Severity::Error);
    let plan = compiled
        .plan
        .unwrap_or_else(|| panic!("{:?}", compiled.problems));
    let texts = |phrases: std::collections::BTreeSet<Phrase>| {
        let texts = phrases.into_iter().filter_map(|phrase| match phrase {
            Phrase::Spoken { text, .. } => Some(text),
            Phrase::File(_) | Phrase::Tone(_) => None,
        });
        texts.collect::<Vec<_>>()
    };
    assert_eq!(
        texts(plan.phrases()),
        [
            "Дзвінок з Одеси",
            "Дзвінок з Одеси, зворотний дзвінок",
            "Дзвінок з Одеси, повторний клієнт",
            "Дзвінок з Одеси, повторний клієнт, зворотний дзвінок",
        ]
    );
    assert_eq!(
        texts(plan.fragments()),
        ["Дзвінок з Одеси", "зворотний дзвінок", "повторний клієнт"]
    );
}

const ROUTES: &str = include_str!("good/routes.yaml");

/// What a plan with routes decides of a call at a moment in UTC.
fn routed(trunk: &str, from: Option<&str>, to: &str, at: &str) -> (String, i32, Option<u16>) {
    let compiled = compiled(&[("routes.yaml", ROUTES)], Severity::Error);
    assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
    let at: jiff::Timestamp = at.parse().unwrap();
    let facts = Facts {
        trunk: TrunkName::from(trunk),
        to: to.to_owned(),
        from: from.map(str::to_owned),
    };
    let plan = compiled.plan.unwrap();
    let decision = plan.decide(&facts, Wall::from_millis(at.as_millisecond()));
    let targets = decision.targets.iter().map(ToString::to_string);
    let targets = targets.collect::<Vec<_>>().join(" ");
    let line = decision.rule.map_or(0, |rule| rule.line);
    let code = decision.reject.map(|reject| reject.code);
    (format!("{targets}:{line}"), decision.priority, code)
}

#[test]
fn the_first_route_that_fits_decides_and_the_first_priority_counts() {
    let day = "2026-10-05T10:00:00Z";
    let night = "2026-10-05T20:00:00Z";
    let kyivstar = |from, to, at| routed("kyivstar", from, to, at);
    let all = |line: u32, priority| (format!("queue.all:{line}"), priority, None);
    for from in [
        "093 111 22 33",
        "0935551234",
        "050 123 45 67",
        "044 111 22 33",
    ] {
        let refused = (":14".to_owned(), 0, Some(607));
        assert_eq!(kyivstar(Some(from), "0800301231", day), refused, "{from}");
    }
    let to = "0800301231";
    assert_eq!(kyivstar(Some("050 123 45 70"), to, day), all(22, 0));
    assert_eq!(kyivstar(Some("067 000 00 01"), to, day), all(22, 10));
    assert_eq!(kyivstar(Some("067 111 22 33"), to, day), all(22, 10));
    assert_eq!(kyivstar(Some("067 000 00 03"), to, day), all(22, -5));
    assert_eq!(kyivstar(None, to, day), all(22, 0));
    let refused = (":17".to_owned(), 0, Some(603));
    assert_eq!(kyivstar(None, to, night), refused);
    let elsewhere = ("queue.night:18".to_owned(), 10, None);
    assert_eq!(kyivstar(Some("067 000 00 01"), to, night), elsewhere);
    assert_eq!(
        kyivstar(Some("050 000 00 01"), "0800301230", night),
        all(21, 0)
    );
    let krasnodar = routed(
        "rostelecom",
        Some("8 918 111 22 33"),
        "8 861 200-30-40",
        day,
    );
    assert_eq!(krasnodar, ("queue.night queue.all:19".to_owned(), 0, None));
    let unrouted = kyivstar(Some("050 000 00 01"), "0800 999 999", day);
    assert_eq!(unrouted, (":0".to_owned(), 0, None));
}

#[test]
fn the_words_of_the_floor_are_what_the_plan_says() {
    let text = include_str!("good/floor.yaml");
    let compiled = compiled(&[("floor.yaml", text)], Severity::Error);
    assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
    let plan = compiled.plan.unwrap();
    let queue = |name: &str| plan.queues[&QueueName::from(name)].clone();
    let seconds = Duration::from_secs;
    let odesa = queue("odesa");
    assert_eq!(odesa.strategy, Strategy::Progressive);
    let steps = odesa.widen.iter().map(|step| (step.after, step.level));
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [(seconds(20), 2), (seconds(40), 3)]
    );
    assert_eq!(
        (odesa.step, odesa.retry, odesa.weight),
        (seconds(8), seconds(2), -3)
    );
    assert_eq!((odesa.wrap_up, odesa.ring), (seconds(20), seconds(15)));
    assert_eq!(
        (odesa.max_wait, odesa.max_size),
        (Some(seconds(90)), Some(30))
    );
    assert_eq!(odesa.service_level, Some(seconds(20)));
    assert_eq!(odesa.resume_within, Some(seconds(300)));
    let usual = Need::default();
    let join = Need {
        available: 1,
        wait: Some(seconds(600)),
        ..usual
    };
    assert_eq!(odesa.join_empty, join);
    assert_eq!(
        odesa.leave_empty,
        Need {
            logged_in: 0,
            working: 1,
            ..usual
        }
    );
    let silent = queue("few");
    assert_eq!(
        (silent.step, silent.retry, silent.weight),
        (seconds(5), Duration::ZERO, 0)
    );
    assert_eq!((silent.join_empty, silent.leave_empty), (usual, usual));
    assert_eq!(
        (silent.service_level, silent.resume_within, silent.max_size),
        (None, None, None)
    );
    let olena = &plan.operators[&OperatorName::from("olena")];
    assert_eq!((olena.wrap_up, olena.max_no_answer), (None, Some(3)));
    let taras = &plan.operators[&OperatorName::from("taras")];
    assert_eq!(
        (taras.wrap_up, taras.max_no_answer),
        (Some(seconds(30)), None)
    );
    // The plan's order, not that of the alphabet.
    let members = |name: &str| {
        let mut members = queue(name).operators.into_iter().collect::<Vec<_>>();
        members.sort_by_key(|(_, member)| member.order);
        let members = members
            .iter()
            .map(|(name, member)| format!("{name}{}", member.level));
        members.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(members("odesa"), "taras3 olena1 iryna2");
    assert_eq!(members("here"), "olena1 iryna1");
    assert_eq!(members("listed"), "iryna1 taras1 olena1");
    assert_eq!(members("everyone"), "taras1 olena1 iryna1");
    assert_eq!(members("dental"), "taras1 olena1 iryna2");
}

#[test]
fn a_recording_is_kept_as_the_number_says_else_the_queue_else_the_plan() {
    let plan = "
country: UA
operators: { olena: { password: x } }
numbers:
  \"0800 301 230\": { to: queue.all, recording: { keep: 5d } }
  \"0800 301 23x\": { to: queue.all }
queues:
  all: { operators: [olena], recording: { keep: 30d } }
  vip: { operators: [olena] }
";
    let kept = |text: &str| {
        let compiled = compiled(&[("a.yaml", text)], Severity::Error);
        let problems: Vec<_> = compiled.problems.iter().map(ToString::to_string).collect();
        compiled.plan.ok_or_else(|| problems.join("\n"))
    };
    let recorded = kept(&format!("{plan}recording: {{ keep: 90d }}\n")).unwrap();
    let days = |to: Option<&str>, queue: &str| {
        let keep = recorded.keep(to, Some(&QueueName::from(queue)));
        keep.map(|keep| keep.as_secs() / 86_400)
    };
    assert_eq!(days(Some("+380800301230"), "all"), Some(5));
    assert_eq!(days(Some("+380800301231"), "all"), Some(30));
    assert_eq!(days(Some("+380800301231"), "vip"), Some(90));
    assert_eq!(days(None, "all"), Some(30));
    assert_eq!(
        recorded.keep(None, None).map(|it| it.as_secs()),
        Some(90 * 86_400)
    );
    let for_ever = kept(&format!("{plan}recording: {{}}\n")).unwrap();
    assert_eq!(for_ever.keep(None, Some(&QueueName::from("vip"))), None);
    let said = kept(plan).unwrap_err();
    assert_eq!(
        said.matches("this plan has no `recording`").count(),
        2,
        "{said}"
    );
    let silent = kept(&format!("{plan}recording: {{}}\n").replace("keep: 5d", "")).unwrap_err();
    assert!(silent.contains("keep"), "{silent}");
}
