//! What meets a request before its handler, as operators set it: rate limits, origins of front ends, time for a body.

use std::time::Duration;

use serde_json::json;
use tandem_tests::{Backend, Given, PASSWORD, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FRONT_END: &str = "https://crm.example.com";

#[actix_web::test]
async fn whoever_calls_too_often_is_told_when_to_come_back() {
    let one_a_minute = TestApp::start_with(Backend::Sqlite, |config| config.rates.per_key = 1);
    let app = one_a_minute.await.unwrap();
    let (email, token) = ("grace@example.com", app.setup_token().await);
    let setup = json!({"token": token, "email": email, "name": "Grace", "password": PASSWORD});
    app.post("/v1/setup").json(setup).await.expect(201);
    let login = json!({"email": email, "password": PASSWORD});
    let tokens = app.post("/v1/auth/login").json(login).await.expect(200);
    let by = tokens["access_token"].as_str().unwrap();

    let admitted = app.get("/v1/leads").by(by).await.expect(200);
    assert_eq!(admitted.header("ratelimit-policy"), Some("\"caller\";q=1;w=60"));
    assert_eq!(admitted.header("ratelimit"), Some("\"caller\";r=0;t=60"));
    assert_eq!(admitted.header("retry-after"), None);

    let refused = app.post("/v1/leads").by(by).json(json!({"email": "ada@example.com"})).await;
    let refused = refused.refused(429, "too_many_requests");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"caller\";q=1;w=60"));
    assert_eq!(refused.header("ratelimit"), Some("\"caller\";r=0;t=60"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");

    let another = app.get("/livez").await.expect(200);
    assert_eq!(another.header("ratelimit"), None, "addresses have no limit here");
    app.stop().await;
}

#[actix_web::test]
async fn front_ends_of_listed_origins_may_call() {
    let listed = TestApp::start_with(Backend::Sqlite, |config| {
        config.front_end_origins = vec![FRONT_END.to_owned()];
    });
    let app = listed.await.unwrap();
    let by = app.admin().await;

    let read = app.get("/v1/leads").by(by).header("origin", FRONT_END).await.expect(200);
    assert_eq!(read.header("access-control-allow-origin"), Some(FRONT_END));
    assert!(read.header("access-control-expose-headers").unwrap().contains("etag"));
    assert_eq!(read.header("access-control-allow-credentials"), None);
    let varies = |(name, value): &(String, String)| name == "vary" && value.eq_ignore_ascii_case("origin");
    assert!(read.headers.iter().any(varies), "{:?}", read.headers);
    let refused = app.get("/v1/leads").header("origin", FRONT_END).await.refused(401, "unauthenticated");
    assert_eq!(refused.header("access-control-allow-origin"), Some(FRONT_END), "it may read what was wrong");

    let asks = |origin: &str| {
        let request = app.request("OPTIONS", "/v1/leads").header("origin", origin);
        request.header("access-control-request-method", "PATCH")
    };
    let allowed = asks(FRONT_END).await.expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(FRONT_END));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("PATCH"));
    for name in ["authorization", "content-type", "if-match", "idempotency-key", "traceparent"] {
        assert!(allowed.header("access-control-allow-headers").unwrap().contains(name), "{name}");
    }

    for foreign in ["https://evil.example", "http://crm.example.com", "https://crm.example.com.evil", "null"]
    {
        let read = app.get("/v1/leads").by(by).header("origin", foreign).await.expect(200);
        for answer in [read, asks(foreign).await] {
            assert_eq!(answer.header("access-control-allow-origin"), None, "{foreign}");
            assert_eq!(answer.header("access-control-allow-methods"), None, "{foreign}");
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let hurried = TestApp::start_with(Backend::Sqlite, |config| config.timeouts.body_ms = 50);
    let app = hurried.await.unwrap();
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    let begun = "POST /v1/leads HTTP/1.1\r\nHost: tandem\r\nContent-Type: application/json\r\n\
                 Content-Length: 40\r\n\r\n{\"email\": ";
    stream.write_all(begun.as_bytes()).await.unwrap();
    let answered = async {
        let (mut answer, mut piece) = (String::new(), [0u8; 4096]);
        while !answer.contains("request_timeout") {
            let length = stream.read(&mut piece).await.unwrap();
            assert!(length > 0, "it ends with: {answer}");
            answer.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    drop(stream);
    app.stop().await;
}
