//! Callbacks by the API, as the store has them.

use serde_json::json;

use super::hall::Hall;
use super::*;

const IDS: [&str; 3] = [
    "01K00000000000000000000001",
    "01K00000000000000000000002",
    "01K00000000000000000000003",
];

fn fields(index: usize) -> Value {
    json!({
        "id": IDS[index],
        "call_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "phone": format!("+38067111220{index}"),
        "site": if index == 0 { "odesa" } else { "kharkiv" },
        "queue": "odesa", "to": "+380800301231", "reason": "timeout", "state": "open",
        "opened_at": "2026-10-05T07:00:00.000Z", "due_at": "2026-10-05T07:15:00.000Z",
        "overdue": index == 1, "shift_ended_at": null, "count": 1, "attempts": [],
        "note": null, "assigned": null, "closed_by": null, "recall": null,
        "secret": "no field of a callback",
    })
}

/// One is open, one overdue, one closed.
async fn three() -> Hall {
    let hall = Hall::open("").await;
    for index in 0..3 {
        hall.told("callback.opened", fields(index)).await;
    }
    hall.told("callback.overdue", fields(1)).await;
    let mut closed = fields(2);
    closed["closed_by"] = json!("01ARZ3NDEKTSV4RRFFQ69G5FAW");
    hall.told("callback.closed", closed).await;
    hall
}

async fn listed(hall: &Hall, query: &str) -> Vec<String> {
    let page = hall.get(&format!("/v1/callbacks{query}")).await.json();
    let items = page["callbacks"].as_array().unwrap();
    let ids = items.iter().map(|it| it["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn callbacks_are_listed_by_state_number_and_branch() {
    let hall = three().await;
    for (query, found) in [
        ("", vec![2, 1, 0]),
        ("?state=open", vec![0]),
        ("?state=overdue", vec![1]),
        ("?state=closed", vec![2]),
        ("?state=attempting", vec![]),
        ("?phone=%2B380671112201", vec![1]),
        ("?phone=380671112209", vec![]),
        ("?site=kharkiv", vec![2, 1]),
        ("?site=kharkiv&state=closed", vec![2]),
    ] {
        let expected: Vec<_> = found.into_iter().map(|index: usize| IDS[index]).collect();
        assert_eq!(listed(&hall, query).await, expected, "{query}");
    }
    let first = hall.get("/v1/callbacks?limit=2").await.json();
    assert_eq!(first["next"], IDS[1]);
    let rest = listed(&hall, &format!("?limit=2&cursor={}", IDS[1])).await;
    assert_eq!(rest, [IDS[0]]);
    let one = hall.get(&format!("/v1/callbacks/{}", IDS[2])).await.json();
    assert_eq!(
        (&one["state"], &one["secret"]),
        (&json!("closed"), &Value::Null)
    );
    assert_eq!(one["closed_by"], "01ARZ3NDEKTSV4RRFFQ69G5FAW");
    for bad in ["?state=done", "?cursor=x", "?phone=abc", "?limit=0"] {
        let answer = hall.get(&format!("/v1/callbacks{bad}")).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(!answer.problem().is_empty());
    }
    hall.close().await;
}

#[tokio::test]
async fn nobody_closes_a_callback_by_hand() {
    let hall = three().await;
    let path = format!("/v1/callbacks/{}", IDS[0]);
    for (body, status, says) in [
        (
            r#"{"state":"closed"}"#,
            409,
            "closes when somebody has spoken",
        ),
        (r#"{"closed_by":"me"}"#, 409, "closes when"),
        (r#"{"note":"x","count":0}"#, 409, "count"),
        (r#"{"note":1}"#, 422, "is a text"),
        (r#"{"why":"x"}"#, 422, "expected `note` or `assigned`"),
    ] {
        let answer = hall.ask("", "PATCH", &path, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.problem().contains(says), "{body}: {}", answer.body);
    }
    for (method, path) in [("PATCH", ""), ("POST", "/call")] {
        let closed = format!("/v1/callbacks/{}{path}", IDS[2]);
        let answer = hall.ask("", method, &closed, "").await;
        assert_eq!(answer.status, 409, "{}", answer.body);
        assert!(answer.problem().contains("is closed"), "{}", answer.body);
        let unknown = format!("/v1/callbacks/01ARZ3NDEKTSV4RRFFQ69G5FAV{path}");
        assert_eq!(hall.ask("", method, &unknown, "").await.status, 404);
    }
    assert_eq!(hall.get("/v1/callbacks/x").await.status, 404);
    hall.close().await;
}

#[tokio::test]
async fn what_was_said_of_a_callback_is_kept() {
    let hall = three().await;
    let say = |note: &str, result: &str| {
        let said = json!({
            "action": "callback_describe", "callback_id": IDS[0], "result": result,
            "note": note, "assigned": null, "actor": "head", "role": "supervisor",
        });
        hall.told("audit.action", said)
    };
    let path = format!("/v1/callbacks/{}", IDS[0]);
    say("після обіду", "done").await;
    assert_eq!(hall.get(&path).await.json()["note"], "після обіду");
    say("never", "refused").await;
    assert_eq!(hall.get(&path).await.json()["note"], "після обіду");
    say("", "done").await;
    assert_eq!(hall.get(&path).await.json()["note"], Value::Null);
    hall.close().await;
}
