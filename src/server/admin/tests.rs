//! The pages, asked over a real loopback connection.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::server::clock::Clock;

async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, kind.to_owned(), body.to_owned())
}

#[tokio::test]
async fn readiness_follows_the_life_of_the_server() {
    let clock = Clock::start();
    let health = Arc::new(Health::new(clock));
    let listen = "127.0.0.1:0".parse().unwrap();
    let telemetry = Telemetry::new().unwrap();
    let admin = Admin::start(listen, telemetry.clone(), Arc::clone(&health))
        .await
        .unwrap();
    let at = admin.address();
    assert_eq!(get(at, "/healthz").await.0, 200);
    assert_eq!(get(at, "/readyz").await.0, 503);
    health.enter(Phase::Ready);
    assert_eq!(get(at, "/readyz").await.0, 200);
    health.enter(Phase::Draining);
    let (status, kind, body) = get(at, "/readyz").await;
    assert_eq!((status, kind.as_str()), (503, "application/problem+json"));
    assert!(body.contains("takes no new calls"), "{body}");
    telemetry.call_offered();
    let (status, kind, body) = get(at, "/metrics").await;
    assert_eq!(status, 200);
    assert!(kind.starts_with("text/plain; version=0.0.4"));
    assert!(body.contains("strowger_calls_offered_total 1\n"), "{body}");
    let (status, kind, body) = get(at, "/nothing").await;
    assert_eq!((status, kind.as_str()), (404, "application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["status"], 404);
    let taken = Admin::start(at, telemetry, health).await.unwrap_err();
    assert!(taken.to_string().contains("set `http.listen`"), "{taken}");
    admin.stop().await;
}

#[tokio::test]
async fn a_connection_that_never_asks_is_closed_and_gives_its_place_back() {
    let health = Arc::new(Health::new(Clock::start()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let one = Bounded::new(listener, 1, Duration::from_millis(50));
    let app = router(Telemetry::new().unwrap(), health);
    let served = tokio::spawn(async { axum::serve(one, app).await });
    let mut idle = TcpStream::connect(at).await.unwrap();
    idle.write_all(b"GET /healthz HT").await.unwrap();
    assert_eq!(get(at, "/healthz").await.0, 200);
    // Closed with nothing said, or reset.
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
    served.abort();
}
