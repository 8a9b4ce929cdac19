//! The change feed as server-sent events.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_tests::{Backend, Given, LiveApp, TestApp, User, minutes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(5);

/// An open stream, read as it comes.
struct Stream {
    socket: TcpStream,
    text: String,
}

impl Stream {
    /// Open a stream; its head is read.
    async fn open(app: &TestApp, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(app.running.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut stream = Self { socket, text: String::new() };
        stream.until("\r\n\r\n").await;
        stream
    }

    async fn by(app: &TestApp, user: &str, path: &str, more: &str) -> Self {
        let stream = Self::open(app, path, &format!("Authorization: Bearer {user}\r\n{more}")).await;
        assert!(stream.text.starts_with("HTTP/1.1 200"), "{}", stream.text);
        assert!(stream.text.contains("text/event-stream"), "{}", stream.text);
        stream
    }

    /// Read until a text has come.
    async fn until(&mut self, wanted: &str) {
        let read = async {
            let mut piece = [0; 4096];
            while !self.text.contains(wanted) {
                let size = self.socket.read(&mut piece).await.unwrap();
                assert!(size > 0, "the stream ended before {wanted}: {}", self.text);
                self.text += &String::from_utf8_lossy(&piece[..size]);
            }
        };
        tokio::time::timeout(SOON, read).await.unwrap_or_else(|_| panic!("no {wanted}"));
    }

    /// Whether the server ends it soon.
    async fn ends(&mut self) -> bool {
        let read = async {
            let mut piece = [0; 4096];
            loop {
                let size = self.socket.read(&mut piece).await.unwrap_or(0);
                self.text += &String::from_utf8_lossy(&piece[..size]);
                // The last chunk of a body that is sent in chunks.
                if size == 0 || self.text.ends_with("0\r\n\r\n") {
                    return;
                }
            }
        };
        tokio::time::timeout(SOON, read).await.is_ok()
    }

    fn events(&self) -> Vec<(String, Value)> {
        let datas = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        let ids = self.text.lines().filter_map(|line| line.strip_prefix("id: "));
        ids.map(str::to_owned).zip(datas.map(|data| serde_json::from_str(data).unwrap())).collect()
    }
}

async fn ticket(app: &TestApp, user: &User) -> String {
    let ticket = app.post("/v1/stream/ticket").by(user).await.expect(200);
    ticket["ticket"].as_str().unwrap().to_owned()
}

#[tandem_tests::test]
async fn a_screen_hears_of_what_happens_at_once_and_goes_on_where_it_was(app: &TestApp) {
    let rep = app.user("sales").await;
    app.given_lead("early@example.com").await;
    // On PostgreSQL an entry shows once no older transaction runs, those of other tests included.
    let seen = || app.get("/v1/changes?types=lead.created").by(&rep);
    while seen().await.expect(200)["data"].as_array().unwrap().is_empty() {}
    let mut stream = Stream::by(app, &rep.token, "/v1/stream?types=lead.created", "").await;
    stream.until(": opened").await;
    let lead = app.given_lead("ada@example.com").await.id();
    stream.until(&lead).await;
    let events = stream.events();
    assert_eq!(events.len(), 1, "nothing from before: {}", stream.text);
    assert_eq!(events[0].1["subject"]["id"], lead);
    assert!(stream.text.contains("event: lead.created"));
    drop(stream);

    let missed = app.given_lead("bob@example.com").await.id();
    let last = format!("Last-Event-ID: {}\r\n", events[0].0);
    let mut stream = Stream::by(app, &rep.token, "/v1/stream?types=lead.created", &last).await;
    stream.until(&missed).await;
    assert_eq!(stream.events().len(), 1, "each once: {}", stream.text);
    let feed = format!("/v1/changes?types=lead.created&after={}", events[0].0);
    let feed = app.get(&feed).by(&rep).await.expect(200);
    assert_eq!(feed["data"][0], stream.events()[0].1, "as the feed shows it");
}

#[tandem_tests::test]
async fn a_ticket_opens_one_stream_for_a_minute(app: &TestApp) {
    let rep = app.user("sales").await;
    let good = ticket(app, &rep).await;
    let mut stream = Stream::open(app, &format!("/v1/stream?ticket={good}"), "").await;
    stream.until(": opened").await;
    let again = Stream::open(app, &format!("/v1/stream?ticket={good}"), "").await;
    assert!(again.text.starts_with("HTTP/1.1 401"), "{}", again.text);
    let late = ticket(app, &rep).await;
    app.clock.advance(minutes(1));
    let late = Stream::open(app, &format!("/v1/stream?ticket={late}"), "").await;
    assert!(late.text.starts_with("HTTP/1.1 401"), "{}", late.text);
    let forged = Stream::open(app, "/v1/stream?ticket=bm9uc2Vuc2U", "").await;
    assert!(forged.text.starts_with("HTTP/1.1 401"), "{}", forged.text);
    app.post("/v1/stream/ticket").by(app.key(&["changes:read"]).await).await.refused(403, "wrong_role");
}

#[tandem_tests::test]
async fn a_stream_shows_notices_to_their_addressee_and_values_to_those_who_may_read_them(app: &TestApp) {
    let (rep, other) = (app.user("sales").await, app.user("sales").await);
    let key = app.key(&["changes:read"]).await;
    let types = "/v1/stream?types=notice.created,activity.logged";
    let mut own = Stream::by(app, &rep.token, types, "").await;
    let mut foreign = Stream::by(app, &other.token, types, "").await;
    let mut keys = Stream::by(app, &key, types, "").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let task = json!({"lead_id": lead, "type": "task", "due_at": "2026-03-02T09:01:00Z"});
    let task = app.post("/v1/activities").by(&rep).json(task.clone()).await.expect(201).id();
    app.clock.advance(minutes(1));
    app.run_jobs().await;
    own.until("notice.created").await;
    let note = json!({"lead_id": lead, "type": "note"});
    let note = app.post("/v1/activities").by(&rep).json(note).await.expect(201).id();
    for stream in [&mut own, &mut foreign, &mut keys] {
        stream.until(&note).await;
    }
    assert!(own.text.contains(&task) && foreign.text.contains(&task));
    assert!(!foreign.text.contains("notice.created"), "{}", foreign.text);
    assert!(!keys.text.contains("notice.created") && !keys.text.contains("\"after\""), "{}", keys.text);
}

#[tandem_tests::test]
async fn a_stream_ends_with_the_token_and_with_the_rights(app: &TestApp) {
    let (rep, gone) = (app.user("sales").await, app.user("sales").await);
    let mut by_token = Stream::by(app, &rep.token, "/v1/stream", "").await;
    let mut by_user = Stream::by(app, &gone.token, "/v1/stream", "").await;
    let path = format!("/v1/users/{}", gone.id);
    app.patch(&path).by(app.admin().await).json(json!({"disabled": true})).await.expect(200);
    app.clock.advance(1000);
    assert!(by_user.ends().await, "{}", by_user.text);
    app.clock.advance(minutes(16));
    assert!(by_token.ends().await, "{}", by_token.text);
}

#[actix_web::test]
async fn a_stream_ends_when_the_service_stops() {
    let app = LiveApp::start(Backend::Sqlite).await.unwrap();
    let token = app.admin().await.token.clone();
    let mut stream = Stream::by(&app, &token, "/v1/stream", "").await;
    stream.until(": opened").await;
    let (ended, ()) = futures::join!(stream.ends(), app.stop());
    assert!(ended, "{}", stream.text);
}
