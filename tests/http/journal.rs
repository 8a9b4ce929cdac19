//! The journal: timeline, audit and the feed without a gap.

use std::collections::HashSet;

use std::future::IntoFuture;

use futures::future::join;
use serde_json::{Value, json};
use tandem_tests::{Answer, Server, TestApp};

async fn changes(server: &Server, by: &str, query: &str) -> Answer {
    server.get(&format!("/v1/changes?{query}")).by(by).await.expect(200)
}

/// What is in the feed after a cursor, page by page, until all of it is there. On PostgreSQL an entry shows once no
/// elder transaction of the whole server runs any more, so that those of other tests are waited for.
async fn follow(
    server: &Server,
    by: &str,
    mut after: String,
    is_all: impl Fn(&[Value]) -> bool,
) -> (Vec<Value>, String) {
    let mut seen = vec![];
    while !is_all(&seen) {
        let from = if after.is_empty() { String::new() } else { format!("&after={after}") };
        let page = changes(server, by, &format!("limit=7&wait=1s{from}")).await;
        after = page["next_cursor"].as_str().unwrap().to_owned();
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
    }
    (seen, after)
}

/// Whether this many leads have become known.
fn created(n: usize) -> impl Fn(&[Value]) -> bool {
    move |seen| seen.iter().filter(|entry| entry["type"] == "lead.created").count() == n
}

/// Each entry once, and each subject's versions in their order.
fn assert_in_order(entries: &[Value]) {
    let mut ids = HashSet::new();
    let mut last = std::collections::HashMap::new();
    for entry in entries {
        assert!(ids.insert(entry["id"].as_str().unwrap()), "twice: {entry}");
        if entry["subject"]["type"] == "lead" {
            let version = entry["subject"]["version"].as_i64().unwrap();
            let before = last.insert(entry["subject"]["id"].as_str().unwrap(), version).unwrap_or(0);
            assert!(before < version, "{entry}");
        }
    }
}

async fn key(app: &TestApp) -> String {
    app.key(&["changes:read", "journal:read", "leads:read"]).await
}

#[tandem_tests::test]
async fn a_timeline_tells_what_happened_to_a_lead(app: &TestApp) {
    let by = app.admin().await;
    let lead = app.given_lead("ada@example.com").await.id();
    app.given_lead("bob@example.com").await;
    let path = format!("/v1/leads/{lead}");
    app.patch(&path)
        .by(by)
        .header("x-request-id", "rename")
        .json(json!({"first_name": "Ada"}))
        .await
        .expect(200);
    app.moved(&lead, "nurture", Some("not_ready")).await;
    app.post(&format!("{path}/archive")).by(by).await.expect(200);

    let timeline = app.get(&format!("{path}/timeline")).by(by).await.expect(200);
    assert_eq!(
        timeline.each("type"),
        ["lead.archived", "lead.stage_changed", "lead.updated", "lead.created"]
    );
    let renamed = &timeline["data"][2];
    assert_eq!((&renamed["fields"], &renamed["request_id"]), (&json!(["first_name"]), &json!("rename")));
    assert_eq!(
        (&renamed["before"]["first_name"], &renamed["after"]["first_name"]),
        (&Value::Null, &json!("Ada"))
    );
    assert_eq!((&renamed["actor"]["type"], &renamed["actor"]["id"]), (&json!("user"), &json!(by.id)));
    assert_eq!(timeline["data"][1]["data"]["to"], "nurture");

    let page = app.get(&format!("{path}/timeline?limit=3")).by(by).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("{path}/timeline?limit=3&cursor={cursor}")).by(by).await.expect(200);
    assert_eq!(rest.each("type"), ["lead.created"]);
    let moves =
        app.get(&format!("{path}/timeline?types=lead.stage_changed,lead.assigned")).by(by).await.expect(200);
    assert_eq!(moves.each("type"), ["lead.stage_changed"]);
    app.get(&format!("{path}/timeline?types=lead.nonsense")).by(by).await.refused(400, "invalid_parameter");
    app.get("/v1/leads/lead_01h455vb4pex5vsknk084sn02q/timeline").by(by).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn a_refused_change_leaves_no_entry(app: &TestApp) {
    let by = app.admin().await;
    let lead = app.given_lead("ada@example.com").await;
    let path = format!("/v1/leads/{}", lead.id());
    app.patch(&path)
        .by(by)
        .header("if-match", "\"9.0\"")
        .json(json!({"first_name": "x"}))
        .await
        .refused(412, "stale");
    app.post(&format!("{path}/transitions"))
        .by(by)
        .json(json!({"to": "customer"}))
        .await
        .refused(409, "illegal_transition");
    app.post("/v1/leads").by(by).json(json!({"email": "ada@example.com"})).await.expect(200);
    assert_eq!(app.get(&format!("{path}/timeline")).by(by).await.expect(200).each("type"), ["lead.created"]);
}

#[tandem_tests::test]
async fn the_journal_is_filtered(app: &TestApp) {
    let by = app.admin().await;
    let lead = app.given_lead("ada@example.com").await.id();
    let sam = app.user("sales").await;
    app.post("/v1/leads")
        .by(&sam)
        .json(json!({"email": "sam@example.com", "company": {"name": "Example"}}))
        .await
        .expect(201);
    let list = |query: String| app.get(&format!("/v1/journal?{query}")).by(by);
    assert_eq!(list(format!("actor_id={}", sam.id)).await.expect(200).each("type").len(), 2);
    assert_eq!(list(format!("subject_id={lead}")).await.expect(200).each("type"), ["lead.created"]);
    assert_eq!(list("subject_type=company".into()).await.expect(200).each("type"), ["company.created"; 2]);
    assert_eq!(list("type=lead.created".into()).await.expect(200).each("type").len(), 2);
    assert_eq!(list("occurred_at_lt=2026-03-02T09:00:00Z".into()).await.expect(200).each("type").len(), 0);
    let users = list("subject_type=user".into()).await.expect(200);
    assert!(
        !users.text.contains(tandem_tests::PASSWORD) && !users.text.contains("argon2"),
        "secrets stay out"
    );
}

#[tandem_tests::test]
async fn the_feed_goes_on_where_it_was_left(app: &TestApp) {
    let key = key(app).await;
    for n in 0..10 {
        app.given_lead(&format!("lead{n}@example.com")).await;
    }
    let (all, end) = follow(app, &key, String::new(), created(10)).await;
    assert_in_order(&all);
    let nothing = changes(app, &key, &format!("after={end}")).await;
    assert_eq!((&nothing["data"], &nothing["has_more"]), (&json!([]), &json!(false)));

    let lead = app.given_lead("late@example.com").await.id();
    let next = nothing["next_cursor"].as_str().unwrap();
    let news = changes(app, &key, &format!("after={next}&wait=30s")).await;
    assert_eq!(news["data"].as_array().unwrap().len(), 1);
    assert_eq!(news["data"][0]["lead_id"], json!(lead));
    app.moved(&lead, "mql", None).await;
    let moves = changes(app, &key, &format!("after={next}&types=lead.stage_changed&wait=30s")).await;
    assert_eq!(moves.each("type"), ["lead.stage_changed"]);
    let from_now = changes(app, &key, "after=latest").await;
    assert_eq!(from_now["data"], json!([]));
    for (after, code) in [("nonsense", "invalid_cursor"), ("AAAA", "invalid_cursor")] {
        app.get(&format!("/v1/changes?after={after}")).by(&key).await.refused(400, code);
    }
    let list = app.get("/v1/leads?limit=1").by(&key).await.expect(200);
    let foreign = list["next_cursor"].as_str().unwrap().to_owned();
    app.get(&format!("/v1/changes?after={foreign}")).by(&key).await.refused(400, "cursor_mismatch");
    app.get("/v1/changes?wait=31s").by(&key).await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn who_waits_is_answered_as_soon_as_something_happens(app: &TestApp) {
    let key = key(app).await;
    app.admin().await;
    let end = changes(app, &key, "after=latest").await["next_cursor"].as_str().unwrap().to_owned();
    let waiting = app.get(&format!("/v1/changes?after={end}&types=lead.created&wait=30s")).by(&key);
    let (news, lead) = join(waiting.into_future(), app.given_lead("ada@example.com")).await;
    assert_eq!(news.expect(200)["data"][0]["lead_id"], json!(lead.id()));
}

#[tandem_tests::test(postgres)]
async fn the_feed_has_no_gap_under_writers_on_two_servers(app: &TestApp) {
    let other = app.second_server().await;
    let (key, writer) = (key(app).await, app.key(&["leads:write"]).await);
    let lead = |n: usize| json!({"email": format!("lead{}@example.com", n % 5), "need": format!("{n}")});
    let servers: [&Server; 2] = [app, &other];
    let writers = futures::future::join_all((0..16).map(|w| {
        let (server, writer) = (servers[w % 2], writer.clone());
        async move {
            for n in 0..5 {
                let write = || server.post("/v1/leads").by(&writer).json(lead(w * 5 + n));
                let mut answer = write().await;
                // A lock that others hold for too long: nothing was done.
                while answer.status == 503 {
                    answer = write().await;
                }
                assert!([200, 201].contains(&answer.status), "{}", answer.text);
            }
        }
    }));
    let last = async {
        writers.await;
        app.given_lead("last@example.com").await.id()
    };
    let is_last =
        |seen: &[Value]| seen.iter().any(|entry| entry["after"]["emails"] == json!(["last@example.com"]));
    let (last, (seen, _)) = join(last, follow(&other, &key, String::new(), is_last)).await;

    assert_in_order(&seen);
    assert_eq!(seen.iter().filter(|entry| entry["lead_id"] == json!(last)).count(), 1);
    let (all, _) = follow(app, &key, String::new(), is_last).await;
    assert_eq!(seen, all, "whoever follows sees what is there in the end");
    let mut versions = 0;
    for lead in app.get("/v1/leads").by(&key).await.expect(200).each("id") {
        let read = app.get(&format!("/v1/leads/{lead}")).by(&key).await.expect(200);
        versions += read.etag().trim_matches('"').split('.').next().unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(
        seen.iter().filter(|entry| entry["subject"]["type"] == "lead").count(),
        versions,
        "one entry a version"
    );
    other.stop().await;
}

/// After a restore or a failover the newest entries may be lost: a follower that has seen them gets the cursor from which to
/// read again, and misses nothing of what was written since.
#[tandem_tests::test]
async fn a_cursor_that_is_ahead_of_the_journal_is_refused_with_an_earlier_one(app: &TestApp) {
    let by = key(app).await;
    app.given_lead("ada@example.com").await;
    let (_, kept) = follow(app, &by, String::new(), created(1)).await;
    app.clock.advance(tandem_tests::minutes(10));
    app.given_lead("bob@example.com").await;
    let (_, lost) = follow(app, &by, kept.clone(), created(1)).await;

    use sea_orm::ConnectionTrait;
    let raw = app.database.raw().await;
    let bobs = "(SELECT id FROM journal WHERE occurred_at > 1772442300000)";
    for table in ["journal_values", "journal"] {
        raw.execute_unprepared(&format!("DELETE FROM {table} WHERE id IN {bobs}")).await.unwrap();
    }
    raw.close().await.unwrap();
    let refused = app.get(&format!("/v1/changes?after={lost}")).by(&by).await.refused(409, "cursor_ahead");
    let again = refused["cursor"].as_str().unwrap().to_owned();
    let stream = app.get("/v1/stream").by(&by).header("last-event-id", &lost).await;
    stream.refused(409, "cursor_ahead");

    app.clock.advance(tandem_tests::minutes(1));
    for n in 0..9 {
        app.given_lead(&format!("new{n}@example.com")).await;
    }
    // The place is taken again, by another entry.
    app.get(&format!("/v1/changes?after={lost}")).by(&by).await.refused(409, "cursor_ahead");
    for from in [again, kept] {
        let (seen, _) = follow(app, &by, from, created(9)).await;
        assert_in_order(&seen);
    }
}
