//! Leads as a website and a program of the clinic send them.

use serde_json::json;

use super::hall::{self, Answer, Hall};
use super::*;

const LEAD: &str = r#"{"phone":"067 111 22 01","name":"Ольга Їжак","source":"site"}"#;

async fn send(hall: &Hall, key: &str, body: &str) -> Answer {
    let headers = [("idempotency-key", key)];
    hall::ask(hall.address(), "POST", "/v1/leads", &headers, body).await
}

#[tokio::test]
async fn a_lead_is_kept_before_it_is_answered_for_and_the_same_again_is_the_same() {
    let hall = Hall::open("").await;
    let first = send(&hall, "k1", LEAD).await;
    assert_eq!(first.status, 202, "{}", first.body);
    let lead = first.json();
    assert_eq!(
        (&lead["phone"], &lead["queue"]),
        (&json!("+380671112201"), &json!("odesa"))
    );
    let id = lead["id"].as_str().unwrap();
    // No waiting: it is in the store already.
    let kept = hall.get(&format!("/v1/leads/{id}")).await.json();
    assert_eq!(
        (&kept["name"], &kept["state"]),
        (&json!("Ольга Їжак"), &json!("open"))
    );
    let again = send(&hall, "k1", LEAD).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    // What only looks otherwise is the same.
    let respelt = LEAD.replace(',', " , ");
    assert_eq!(send(&hall, "k1", &respelt).await.body, first.body);
    let other = send(&hall, "k1", r#"{"phone":"0671112202"}"#).await;
    assert_eq!(other.status, 422);
    assert!(other.problem().contains("Idempotency-Key"));
    for key in ["", "k2"] {
        let known = send(&hall, key, LEAD).await;
        assert_eq!(known.status, 200, "{}", known.body);
        assert_eq!(
            (&known.json()["id"], &known.json()["duplicate"]),
            (&json!(id), &json!(true))
        );
    }
    let long = "k".repeat(limits::KEY_CHARS + 1);
    assert_eq!(send(&hall, &long, LEAD).await.status, 422);
    assert_eq!(hall.events("lead.received").await.len(), 1);
    let deed = hall.journal().await.remove(0);
    assert_eq!(
        (&deed["action"], &deed["rows"]),
        (&json!("leads"), &json!(1))
    );
    hall.close().await;
}

#[tokio::test]
async fn a_list_is_taken_row_by_row_and_found_page_by_page() {
    let hall = Hall::open("").await;
    let mut rows: Vec<_> = (0..limits::LEAD_ROWS)
        .map(|n| json!({ "phone": format!("+38067{n:07}"), "comment": "ї".repeat(200) }))
        .collect();
    rows[1] = json!({ "phone": "+380671112201", "queue": "lviv" });
    rows[2] = json!({ "phone": "+380671112201", "colour": "red" });
    rows[3] = json!("+380671112201");
    rows[4] = json!({ "phone": "+380670000000" });
    // The fields of a lead in their order, without their names.
    rows[5] = json!([
        "+380671112203",
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null
    ]);
    let body = json!({ "list": "recall-nov", "leads": rows }).to_string();
    assert!(body.len() > limits::HTTP_BODY);
    let told = send(&hall, "list-1", &body).await;
    assert_eq!(told.status, 202, "{}", told.body);
    let told = told.json();
    let sums = ["received", "duplicates", "refused"].map(|sum| told[sum].as_u64().unwrap());
    assert_eq!(sums, [limits::LEAD_ROWS as u64 - 5, 1, 4]);
    let of_row = |row: usize, field: &str| told["leads"][row][field].clone();
    for (row, why) in [
        (1, "no queue"),
        (2, "colour"),
        (3, "a lead is"),
        (5, "a lead is"),
    ] {
        assert_eq!(of_row(row, "status"), 422);
        assert!(
            of_row(row, "detail").as_str().unwrap().contains(why),
            "{told}"
        );
    }
    assert_eq!(
        (of_row(4, "status"), of_row(4, "id")),
        (json!(200), of_row(0, "id"))
    );
    let first = hall
        .get("/v1/leads?list=recall-nov&state=open&limit=200")
        .await
        .json();
    let next = first["next"].as_str().unwrap();
    let path = format!("/v1/leads?list=recall-nov&limit=200&cursor={next}");
    let second = hall.get(&path).await.json();
    let ids = |page: &Value| -> Vec<String> {
        let leads = page["leads"].as_array().unwrap().iter();
        leads
            .map(|lead| lead["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!((ids(&first).len(), ids(&second).len()), (200, 200));
    assert!(ids(&first).last() > ids(&second).first());
    let found = hall.get("/v1/leads?phone=%2B380670000000").await.json();
    assert_eq!(ids(&found).len(), 1);
    assert_eq!(
        hall.get("/v1/leads?state=closed").await.json()["leads"],
        json!([])
    );
    assert_eq!(hall.get("/v1/leads?state=lost").await.status, 422);
    assert_eq!(hall.get("/v1/leads?cursor=x").await.status, 422);
    for (rows, status) in [(0, 422), (limits::LEAD_ROWS + 1, 422), (1, 202)] {
        let rows = vec![json!({ "phone": "0671112299" }); rows];
        let body = json!({ "list": "x", "leads": rows }).to_string();
        assert_eq!(send(&hall, "", &body).await.status, status);
    }
    let told = send(&hall, "", r#"["+380671112204"]"#).await;
    assert_eq!(told.status, 422);
    assert!(told.problem().contains("no object"), "{}", told.body);
    let huge = format!(r#"{{"phone":"{}"}}"#, "1".repeat(limits::LEADS_BODY));
    assert_eq!(send(&hall, "", &huge).await.status, 413);
    hall.close().await;
}

#[tokio::test]
async fn what_is_known_of_a_number_is_told() {
    let hall = Hall::open("").await;
    assert_eq!(hall.get("/v1/numbers/%2B380671112201").await.status, 404);
    let lead = send(&hall, "", LEAD).await.json();
    for written in [
        "%2B380671112201",
        "+380671112201",
        "0671112201",
        "380671112201",
    ] {
        let known = hall.get(&format!("/v1/numbers/{written}")).await;
        assert_eq!(known.status, 200, "{written}: {}", known.body);
        let known = known.json();
        assert_eq!((&known["lead"], &known["calls"]), (&lead["id"], &json!(0)));
        assert_eq!(
            (&known["repeat"], &known["talk"]),
            (&json!(false), &Value::Null)
        );
    }
    assert_eq!(hall.get("/v1/numbers/olena").await.status, 422);
    hall.close().await;
}
