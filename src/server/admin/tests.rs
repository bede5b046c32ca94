//! The pages, asked over a real loopback connection, of a real engine and a real store.

mod callbacks;
mod hall;
mod leads;

use std::os::unix::fs::PermissionsExt as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::*;
use crate::server::settings::Settings;
use hall::{Answer, Hall, NOBODYS_CALL};

#[tokio::test]
async fn readiness_follows_the_life_of_the_server() {
    let hall = Hall::open("").await;
    let health = Arc::clone(&hall.health);
    assert_eq!(hall.get("/healthz").await.status, 200);
    assert_eq!(hall.get("/readyz").await.status, 503);
    health.enter(Phase::Ready);
    assert_eq!(hall.get("/readyz").await.status, 200);
    health.enter(Phase::Draining);
    let answer = hall.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.problem().contains("takes no new calls"));
    hall.telemetry.call_offered();
    let answer = hall.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(
        answer.body.contains("strowger_calls_offered_total 1\n"),
        "{}",
        answer.body
    );
    let answer = hall.get("/nothing").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["status"], 404);
    let taken = hall.another().await.unwrap_err();
    assert!(taken.to_string().contains("set `http.listen`"), "{taken}");
    hall.close().await;
}

#[tokio::test]
async fn an_api_that_is_open_to_everybody_is_not_opened() {
    let hall = Hall::open("").await;
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Admin::start(everywhere, hall.sources(""))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("add `tokens`"), "{refused}");
    let guarded = Admin::start(everywhere, hall.sources(hall::TOKENS))
        .await
        .unwrap();
    guarded.stop().await;
    hall.close().await;
}

#[tokio::test]
async fn commands_of_this_machine_come_by_the_data_folder_and_need_no_token() {
    let hall = Hall::open(hall::TOKENS).await;
    let socket = socket_in(&hall.sources("").data);
    let rights = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(rights & 0o777, 0o600);
    assert_eq!(hall.get("/v1/operators").await.status, 401);
    let asked = "PUT /v1/operators/iryna/state HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: 22\r\n\r\n\
                 {\"state\":\"logged_out\"}";
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let deed = hall.journal().await.remove(0);
    assert_eq!(
        (&deed["actor"], &deed["role"]),
        (&"local".into(), &"admin".into())
    );
    hall.close().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_connection_that_never_asks_is_closed_and_gives_its_place_back() {
    let hall = Hall::open("").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let one = Bounded::new(listener, 1, Duration::from_millis(50));
    let app = router(Desk::new(hall.sources("")));
    let served = tokio::spawn(async { axum::serve(one, app).await });
    let mut idle = TcpStream::connect(at).await.unwrap();
    idle.write_all(b"GET /healthz HT").await.unwrap();
    assert_eq!(hall::ask(at, "GET", "/healthz", &[], "").await.status, 200);
    // Closed with nothing said, or reset.
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
    // Nor does one whose body never ends keep the place.
    let mut slow = TcpStream::connect(at).await.unwrap();
    let head = "POST /v1/calls/x/hangup HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(hall::ask(at, "GET", "/healthz", &[], "").await.status, 200);
    served.abort();
    hall.close().await;
}

const NO_CALLBACK: &str = "/v1/callbacks/01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// What each role may, written down once more: rows of the table, and who gets past the door.
const MATRIX: [(&str, &str, &str, &str); 34] = [
    ("POST", "/v1/leads", "{\"phone\":\"0671112201\"}", "asi"),
    ("GET", "/v1/leads", "", "asui"),
    ("GET", "/v1/leads/01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "asui"),
    ("GET", "/v1/numbers/0671112233", "", "asui"),
    ("GET", "/v1/queues", "", "asoui"),
    ("GET", "/v1/queues/odesa", "", "asoui"),
    ("GET", "/v1/operators", "", "asoui"),
    ("GET", "/v1/operators/iryna", "", "asoui"),
    (
        "PUT",
        "/v1/operators/iryna/state",
        r#"{"state":"paused","reason":"lunch"}"#,
        "aso",
    ),
    (
        "PUT",
        "/v1/operators/olena/state",
        r#"{"state":"available"}"#,
        "as",
    ),
    ("GET", "/v1/calls", "", "asoui"),
    ("GET", "/v1/calls?operator=olena", "", "asui"),
    ("GET", NOBODYS_CALL, "", "asui"),
    ("PATCH", NOBODYS_CALL, r#"{"tags":["vip"]}"#, "asoi"),
    ("POST", "hangup", "", "as"),
    ("POST", "hold", "", "as"),
    ("POST", "recording", r#"{"action":"pause"}"#, "asoi"),
    ("POST", "transfer", r#"{"to":"202"}"#, "as"),
    ("POST", "move", r#"{"queue":"odesa"}"#, "as"),
    ("POST", "pull", r#"{"operator":"iryna"}"#, "as"),
    ("POST", "priority", r#"{"priority":10}"#, "as"),
    ("POST", "listen", r#"{"operator":"iryna"}"#, "as"),
    ("POST", "coach", r#"{"operator":"iryna"}"#, "as"),
    ("POST", "barge", r#"{"operator":"iryna"}"#, "as"),
    ("POST", "takeover", r#"{"operator":"iryna"}"#, "as"),
    ("GET", "/v1/callbacks", "", "asoui"),
    ("GET", NO_CALLBACK, "", "asoui"),
    ("PATCH", NO_CALLBACK, r#"{"note":"no"}"#, "asoi"),
    (
        "POST",
        "/v1/callbacks/01ARZ3NDEKTSV4RRFFQ69G5FAV/call",
        "",
        "asoi",
    ),
    (
        "POST",
        "/v1/callbacks/01ARZ3NDEKTSV4RRFFQ69G5FAV/call",
        r#"{"operator":"olena"}"#,
        "asi",
    ),
    ("GET", "/v1/recordings", "", "asu"),
    (
        "GET",
        "/v1/recordings/01ARZ3NDEKTSV4RRFFQ69G5FAV/audio",
        "",
        "asu",
    ),
    ("GET", "/v1/events", "", "asui"),
    ("GET", "/openapi.json", "", "asoui"),
];

fn path_of(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{NOBODYS_CALL}/{path}")
    }
}

#[tokio::test]
async fn each_role_may_what_it_may_and_nothing_else() {
    let hall = Hall::open(hall::TOKENS).await;
    for (method, path, body, who) in MATRIX {
        for (letter, token) in hall::ROLES {
            let answer = hall.ask_as(token, method, &path_of(path), body).await;
            let line = format!("{token} {method} {path}: {} {}", answer.status, answer.body);
            if who.contains(letter) {
                assert!(![401, 403].contains(&answer.status), "{line}");
            } else {
                assert_eq!(answer.status, 403, "{line}");
                assert!(answer.problem().contains("role"), "{line}");
            }
        }
        let private = path != "/openapi.json";
        let nobody = hall.ask("", method, &path_of(path), body).await;
        assert_eq!(nobody.status == 401, private, "{method} {path}");
        if private {
            assert!(nobody.header("www-authenticate").starts_with("Bearer"));
            let stranger = hall.ask_as("stranger", method, &path_of(path), body).await;
            assert_eq!(stranger.status, 401, "{method} {path}");
        }
    }
    for open in ["/metrics", "/healthz"] {
        assert_eq!(hall.get(open).await.status, 200, "{open}");
    }
    hall.close().await;
}

#[tokio::test]
async fn the_description_is_true_to_the_code() {
    let hall = Hall::open("").await;
    let described = hall.get("/openapi.json").await.json();
    let paths = described["paths"].as_object().unwrap();
    let mut told = 0;
    for (path, methods) in paths {
        let path = path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        for method in ["get", "put", "post", "patch", "delete"] {
            let operation = methods.get(method);
            let answer = hall.ask("", &method.to_uppercase(), &path, "").await;
            let known = answer.status != 405 && !answer.body.contains("no such page");
            assert_eq!(
                known,
                operation.is_some(),
                "{method} {path}: {}",
                answer.body
            );
            if answer.status == 405 {
                assert!(!answer.header("allow").is_empty(), "{path}");
                assert!(!answer.problem().is_empty());
            }
            told += usize::from(operation.is_some());
            let Some(body) = operation.and_then(|it| it.get("requestBody")) else {
                continue;
            };
            let schema = &body["content"]["application/json"]["schema"];
            for needed in schema["required"].as_array().unwrap() {
                // Without what it needs the body is refused, by the name of what is missing.
                let name = needed.as_str().unwrap();
                assert_eq!(answer.status, 422, "{method} {path}");
                assert!(answer.problem().contains(name), "{}", answer.body);
            }
            let surplus = hall
                .ask("", &method.to_uppercase(), &path, r#"{"nonsense":1}"#)
                .await;
            assert_eq!(surplus.status, 422, "{method} {path}: {}", surplus.body);
            for known in schema["properties"].as_object().unwrap().keys() {
                assert!(
                    surplus.body.contains(known.as_str()),
                    "{method} {path}: {known}"
                );
            }
        }
    }
    assert_eq!(told, routes::ROUTES.len());
    hall.close().await;
}

#[tokio::test]
async fn a_request_that_is_no_good_is_told_why() {
    let hall = Hall::open("").await;
    let state = "/v1/operators/iryna/state";
    for (body, status, says) in [
        ("{", 400, "no JSON"),
        (r#"{"state":"asleep"}"#, 422, "asleep"),
        (r#"{"state":"paused"}"#, 422, "needs a `reason`"),
        (
            r#"{"state":"paused","reason":"  "}"#,
            422,
            "needs a `reason`",
        ),
        (r#"{"state":"paused","reason":"a","why":1}"#, 422, "why"),
        (r#"{"state":["paused"]}"#, 422, "body"),
        ("[]", 422, "body"),
    ] {
        let answer = hall.ask("", "PUT", state, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.problem().contains(says), "{body}: {}", answer.body);
    }
    for name in ["x".repeat(65), "x%0Ay".to_owned()] {
        let path = format!("/v1/operators/{name}/state");
        let answer = hall.ask("", "PUT", &path, r#"{"state":"available"}"#).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.body);
    }
    let journal = hall.journal().await;
    assert!(
        journal.is_empty(),
        "nobody can have such a name: {journal:?}"
    );
    let lines = r#"{"state":"paused","reason":"a\nb"}"#;
    assert_eq!(hall.ask("", "PUT", state, lines).await.status, 422);
    let long = format!(r#"{{"state":"paused","reason":"{}"}}"#, "ї".repeat(65));
    assert_eq!(hall.ask("", "PUT", state, &long).await.status, 422);
    let huge = format!(
        r#"{{"state":"paused","reason":"{}"}}"#,
        "x".repeat(limits::HTTP_BODY)
    );
    assert_eq!(hall.ask("", "PUT", state, &huge).await.status, 413);
    let at = hall.address();
    let plain = [("content-type", "text/plain")];
    let body = r#"{"state":"available"}"#;
    assert_eq!(hall::ask(at, "PUT", state, &plain, body).await.status, 415);
    let html = [("accept", "text/html")];
    assert_eq!(
        hall::ask(at, "GET", "/v1/queues", &html, "").await.status,
        406
    );
    let elsewhere = [("host", "evil.example")];
    assert_eq!(
        hall::ask(at, "GET", "/v1/queues", &elsewhere, "")
            .await
            .status,
        421
    );
    let page = [("origin", "http://evil.example")];
    assert_eq!(hall::ask(at, "PUT", state, &page, body).await.status, 403);
    for (path, status) in [
        ("/v1/nothing", 404),
        ("/v1/queues/nowhere", 404),
        ("/v1/operators/nobody", 404),
        ("/v1/operators/%FF", 400),
        ("/v1/calls/x", 404),
        ("/v1/calls?nonsense=1", 422),
        ("/v1/calls?limit=201", 422),
        ("/v1/calls?limit=0", 422),
        ("/v1/calls?limit=many", 422),
        ("/v1/calls?phone=hello", 422),
        ("/v1/calls?outcome=lost", 422),
        ("/v1/calls?since=yesterday", 422),
        ("/v1/events?after=x", 422),
        ("/v1/recordings/01ARZ3NDEKTSV4RRFFQ69G5FAV/audio", 404),
    ] {
        let answer = hall.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(!answer.problem().is_empty());
    }
    hall.close().await;
}

#[tokio::test]
async fn the_floor_is_seen_and_moved_and_every_move_is_journalled() {
    let hall = Hall::open(hall::TOKENS).await;
    let queue = hall
        .ask_as("supervisor", "GET", "/v1/queues/odesa", "")
        .await
        .json();
    assert_eq!(queue["waiting"], 0);
    assert_eq!(queue["operators"]["available"], 2);
    let paused = r#"{"state":"paused","reason":"обід"}"#;
    let answer = hall
        .ask_as("iryna", "PUT", "/v1/operators/iryna/state", paused)
        .await;
    assert_eq!(
        (answer.status, &answer.json()["state"]),
        (200, &"paused".into())
    );
    assert_eq!(answer.json()["takes_effect"], "now");
    let seen = hall
        .ask_as("board", "GET", "/v1/operators/iryna", "")
        .await
        .json();
    assert_eq!(seen["reason"], "обід");
    assert_eq!(seen["registered"], true);
    let first = hall
        .ask_as("board", "GET", "/v1/operators?limit=1", "")
        .await
        .json();
    assert_eq!(
        (&first["operators"][0]["id"], &first["next"]),
        (&"iryna".into(), &"iryna".into())
    );
    let second = hall
        .ask_as("board", "GET", "/v1/operators?cursor=iryna", "")
        .await
        .json();
    assert_eq!(
        (&second["operators"][0]["id"], &second["next"]),
        (&"olena".into(), &Value::Null)
    );
    let hangup = format!("{NOBODYS_CALL}/hangup");
    assert_eq!(
        hall.ask_as("supervisor", "POST", &hangup, "").await.status,
        404
    );
    assert_eq!(
        hall.ask_as("auditor", "POST", &hangup, "").await.status,
        403
    );
    let journal = hall.journal().await;
    let line = |data: &Value| {
        let word = |key: &str| data[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {}",
            word("actor"),
            word("role"),
            word("action"),
            word("result")
        )
    };
    let lines: Vec<_> = journal.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "iryna operator state done",
            "supervisor supervisor hangup refused",
            "auditor auditor hangup refused",
        ]
    );
    hall.close().await;
}

#[tokio::test]
async fn calls_that_ended_are_found_page_by_page() {
    let hall = Hall::open("").await;
    let ids = hall.calls_of_a_day(25).await;
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let page = hall.get(&format!("/v1/calls?limit=10&{next}")).await.json();
        found.extend(
            page["calls"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["id"].clone()),
        );
        match page["next"].as_str() {
            Some(cursor) => next = format!("cursor={cursor}"),
            None => break,
        }
    }
    let latest_first: Vec<Value> = ids.iter().rev().map(|id| id.as_str().into()).collect();
    assert_eq!(found, latest_first);
    let since = hall
        .get(&format!("/v1/calls?since={}", ids[22]))
        .await
        .json();
    let since: Vec<_> = since["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(since, [&ids[23], &ids[24]]);
    let count = |query: &'static str| {
        let asked = hall.get(query);
        async move { asked.await.json()["calls"].as_array().unwrap().len() }
    };
    // Every fifth call was Ирина's, every second one missed; all to the same number.
    assert_eq!(count("/v1/calls?operator=iryna").await, 5);
    assert_eq!(count("/v1/calls?outcome=missed").await, 13);
    assert_eq!(count("/v1/calls?phone=%2B380671112203").await, 1);
    assert_eq!(
        count("/v1/calls?phone=+380671112203&outcome=missed").await,
        0
    );
    assert_eq!(count("/v1/calls?phone=380800301231").await, 25);
    assert_eq!(count("/v1/calls?outcome=live").await, 0);
    assert_eq!(count("/v1/calls?since=2026-10-05T00:00:00Z").await, 25);
    assert_eq!(count("/v1/calls?since=2027-10-05T00:00:00Z").await, 0);
    let call = format!("/v1/calls/{}", ids[3]);
    let one = hall.get(&call).await.json();
    assert_eq!(
        (&one["from"], &one["state"]),
        (&"+380671112203".into(), &"ended".into())
    );
    let said = r#"{"tags":["vip"],"comment":"передзвонити"}"#;
    let answer = hall.ask("", "PATCH", &call, said).await;
    assert_eq!(
        (answer.status, &answer.json()["tags"][0]),
        (200, &"vip".into())
    );
    assert_eq!(hall.journal().await.len(), 1);
    // What cannot be said is known before anything is done.
    let half = r#"{"priority":5,"comment":"\u0007"}"#;
    assert_eq!(hall.ask("", "PATCH", &call, half).await.status, 422);
    assert_eq!(hall.journal().await.len(), 1);
    let one = hall.get(&call).await.json();
    assert_eq!(
        (&one["comment"], &one["tags"][0]),
        (&"передзвонити".into(), &"vip".into())
    );
    let unknown = hall
        .ask("", "PATCH", &call, r#"{"disposition":"bought"}"#)
        .await;
    assert_eq!(unknown.status, 422, "{}", unknown.body);
    hall.close().await;
}

#[tokio::test]
async fn a_recording_is_played_in_parts_and_every_access_is_journalled() {
    let hall = Hall::open(hall::TOKENS).await;
    let (call, sound) = hall.recorded().await;
    let audio = format!("/v1/recordings/{call}/audio");
    let at = hall.address();
    let ask = |more: &'static str| {
        let token = hall::bearer("auditor");
        let audio = audio.clone();
        async move {
            let headers = [("authorization", token.as_str()), ("range", more)];
            hall::ask(at, "GET", &audio, &headers, "").await
        }
    };
    let whole: Answer = ask("").await;
    assert_eq!((whole.status, whole.bytes.len()), (200, sound.len()));
    assert!(whole.bytes == sound, "the sound is another one");
    assert_eq!(whole.header("content-type"), "audio/wav");
    let part = ask("bytes=100000-100009").await;
    assert_eq!(
        (part.status, &part.bytes[..]),
        (206, &sound[100_000..100_010])
    );
    let length = sound.len();
    assert_eq!(
        part.header("content-range"),
        format!("bytes 100000-100009/{length}")
    );
    let beyond = ask("bytes=9000000-").await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
    let listed = hall
        .ask_as("auditor", "GET", "/v1/recordings", "")
        .await
        .json();
    assert_eq!(listed["recordings"][0]["audio"], audio);
    let accessed = hall.events("recording.accessed").await;
    assert_eq!(
        accessed.len(),
        2,
        "the part that is not there was not heard"
    );
    assert_eq!(accessed[0]["actor"], "auditor");
    hall.close().await;
}

#[test]
fn the_settings_say_what_is_wrong_with_tokens() {
    let read = |text: &str| {
        let nothing = hall::Nothing;
        let error = crate::dialplan::diagnose::Severity::Error;
        let (settings, problems) = Settings::from_text("s.yaml", text, &nothing, error);
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        (settings.is_some(), lines.join("\n"))
    };
    let tokens = |tokens: &str| {
        read(&format!(
            "http: {{ listen: \"0.0.0.0:8080\", tokens: [{tokens}] }}"
        ))
    };
    let good = "{ name: a, role: operator, operator: olena, token: 0123456789abcdef }";
    assert_eq!(tokens(good), (true, String::new()));
    let (loads, says) = tokens("{ name: a, role: admin, token: short }");
    assert!(loads && says.contains("can be guessed"), "{says}");
    for (bad, why) in [
        ("", "names no token"),
        ("{ name: a, role: boss, token: 0123456789abcdef }", "boss"),
        ("{ name: a, role: admin }", "`token`"),
        (
            "{ name: a, role: auditor, operator: olena, token: 0123456789abcdef }",
            "stands for no operator",
        ),
        (
            "{ name: a, role: admin, token: \"white space is no good\" }",
            "visible ASCII",
        ),
        ("secret", "a token is"),
        (
            "{ name: a, role: operator, token: 0123456789abcdef }",
            "which operator",
        ),
    ] {
        let (loads, says) = tokens(bad);
        assert!(!loads && says.contains(why), "{bad}: {says}");
    }
    let twice = format!("{good}, {good}");
    let (_, says) = tokens(&twice);
    assert!(
        says.contains("there twice") && says.contains("same secret"),
        "{says}"
    );
    let (loads, says) = read("http: { listen: \"0.0.0.0:8080\" }");
    assert!(!loads && says.contains("add `tokens`"), "{says}");
}
