//! Connections end after their answers, however a client drips on; those of one address are bounded; a service that is
//! drained answers until its clients have gone.

use std::future::IntoFuture;
use std::time::Duration;

use serde_json::json;
use tandem_tests::{Backend, Given, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A service that gives a body 300 ms, and so everything that belongs to no request.
async fn hurried() -> TestApp {
    let hurried = TestApp::start_with(Backend::Sqlite, |config| config.timeouts.body_ms = 300);
    hurried.await.unwrap()
}

/// Send a beginning, then drip on for ever; answers what came back once the connection was closed.
async fn drip(app: &TestApp, beginning: &str, drops: &str) -> String {
    let stream = TcpStream::connect(app.running.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    write.write_all(beginning.as_bytes()).await.unwrap();
    let dripping = async {
        while write.write_all(drops.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let reading = async {
        let (mut answer, mut piece) = (vec![], [0u8; 4096]);
        // Closed with bytes unread, the connection is reset.
        while let Ok(length @ 1..) = read.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
        }
        String::from_utf8(answer).unwrap()
    };
    let ended = async {
        tokio::select! {
            answer = reading => answer,
            () = dripping => String::new(),
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the connection is never closed")
}

#[actix_web::test]
async fn a_connection_ends_after_its_answer_however_its_body_drips_on() {
    let app = hurried().await;
    let head = |first: &str| {
        format!(
            "{first} HTTP/1.1\r\nHost: tandem\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
    };
    // It is too slow, there is no such path, it is not read at all.
    for (first, status) in [("POST /v1/leads", "408"), ("POST /nowhere", "408"), ("GET /livez", "408")] {
        let answer = drip(&app, &head(first), "1\r\n \r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{first}: {answer}");
    }
    let answer = drip(&app, &head("POST /v1/imports?kind=leads"), "1\r\n \r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let huge = "Content-Length: 99999999\r\n\r\n";
    let answer = drip(&app, &format!("POST /v1/leads HTTP/1.1\r\nHost: tandem\r\n{huge}"), " ").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    app.stop().await;
}

#[actix_web::test]
async fn a_second_head_that_does_not_come_is_not_waited_for() {
    let app = hurried().await;
    let first = "GET /livez HTTP/1.1\r\nHost: tandem\r\n\r\nGET /livez HTTP/1.1\r\n";
    let answer = drip(&app, first, "x: y\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    app.stop().await;
}

#[actix_web::test]
async fn a_connection_between_two_requests_stays_open() {
    let app = hurried().await;
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: tandem\r\n\r\n").await.unwrap();
        let mut answer = [0u8; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    drop(stream);
    app.stop().await;
}

#[actix_web::test]
async fn a_client_behind_a_proxy_has_so_many_requests_at_once() {
    let bounded = TestApp::start_with(Backend::Sqlite, |config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.connections_per_address = 2;
    });
    let app = bounded.await.unwrap();
    let key = app.key(&["changes:read"]).await;
    let end = app.get("/v1/changes?after=latest").by(&key).await.expect(200);
    let wait = format!("/v1/changes?wait=2s&after={}", end["next_cursor"].as_str().unwrap());
    let from = |address: &str, path: &str| app.get(path).by(&key).header("x-forwarded-for", address);
    let waiting = futures::future::join(
        from("203.0.113.9", &wait).into_future(),
        from("198.51.100.1, 203.0.113.9", &wait).into_future(),
    );
    let others = async {
        while app.running.core.part::<tandem_api::journal::Tail>().waiting() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let refused = from("203.0.113.9", "/v1/changes").await.refused(429, "too_many_requests");
        assert_eq!(refused.header("retry-after"), Some("1"));
        from("203.0.113.10", "/v1/changes").await.expect(200);
        app.get("/v1/changes").by(&key).await.expect(200);
    };
    let ((one, two), ()) = futures::future::join(waiting, others).await;
    one.expect(200);
    two.expect(200);
    from("203.0.113.9", "/v1/changes").await.expect(200);
    app.stop().await;
}

#[tandem_tests::test]
async fn a_service_that_is_drained_answers_and_ends_its_connections(app: &TestApp) {
    let by = app.admin().await;
    assert_eq!(app.get("/readyz").await.expect(200).header("connection"), None);
    app.running.drain(Duration::ZERO).await;
    app.get("/readyz").await.refused(503, "unavailable");
    let made = app.post("/v1/leads").by(by).json(json!({"email": "ada@example.com"})).await.expect(201);
    assert_eq!(made.header("connection"), Some("close"));
}
