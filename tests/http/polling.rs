//! Readers who go on behind the newest stamp that they have seen lose nothing, however many write beside them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_tests::{Answer, LiveApp, Request, Server, TestApp, User};

/// How many write at a time.
const WRITERS: usize = 16;

/// A reader of one list by one stamp, as far as it has come.
struct Poller {
    path: String,
    stamp: &'static str,
    newest: Option<String>,
    /// What was last seen of each record, by id.
    seen: BTreeMap<String, Value>,
}

impl Poller {
    fn new(path: &str, stamp: &'static str) -> Self {
        Self { path: path.to_owned(), stamp, newest: None, seen: BTreeMap::new() }
    }

    /// Read everything that is not older than the newest record seen, page by page.
    async fn poll(&mut self, server: &Server, by: &User) {
        let since = self.newest.as_ref().map(|at| format!("&{}_gte={at}", self.stamp));
        let list = format!("{}?sort={}&limit=50{}", self.path, self.stamp, since.unwrap_or_default());
        let mut page = done(|| server.get(&list).by(by)).await.expect(200);
        loop {
            for record in page["data"].as_array().unwrap() {
                self.newest = record[self.stamp].as_str().map(str::to_owned);
                self.seen.insert(record["id"].as_str().unwrap().to_owned(), record["first_name"].clone());
            }
            let Some(cursor) = page["next_cursor"].as_str() else { return };
            let next = format!("{list}&cursor={cursor}");
            page = done(|| server.get(&next).by(by)).await.expect(200);
        }
    }
}

/// The answer of a server that has time: on a busy machine it may say 503, and has done nothing then.
async fn done(request: impl Fn() -> Request) -> Answer {
    loop {
        let answer = request().await;
        if answer.status != 503 {
            return answer;
        }
    }
}

/// Create and change leads, by several doors, until it is over; answers what each lead's name was last.
async fn write(
    server: &Server,
    by: &User,
    form: &str,
    writer: usize,
    is_over: impl Fn() -> bool,
) -> BTreeMap<String, Value> {
    let mut names = BTreeMap::new();
    let mut n = 0;
    while !is_over() {
        let email = format!("w{writer}n{n}@example.com");
        n += 1;
        if n % 4 == 0 {
            let body = json!({"fields": {"email": email, "name": format!("form {writer} {n}")}});
            done(|| server.post(&format!("/v1/capture/{form}")).json(body.clone())).await.expect(201);
            continue;
        }
        let body = json!({"email": email, "first_name": "first"});
        let lead = done(|| server.post("/v1/leads").by(by).json(body.clone())).await.expect(201).id();
        let name = json!(format!("second {writer} {n}"));
        let path = format!("/v1/leads/{lead}");
        done(|| server.patch(&path).by(by).json(json!({"first_name": name}))).await.expect(200);
        names.insert(lead, name);
    }
    names
}

/// Pollers by both stamps beside writers at these servers, for some seconds.
async fn poll_beside_writers(app: &TestApp, servers: &[&Server], seconds: i64) {
    let by = app.admin().await;
    let form = json!({"name": "Contact", "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "name", "label": "Name", "type": "text", "maps_to": "first_name"},
    ]});
    let form = app.post("/v1/forms").by(by).json(form).await.expect(201);
    let form = form["key"].as_str().unwrap();
    // However slow the machine is, there is something to lose.
    let (end, count) = (app.clock.now().plus_millis(seconds * 1000), Cell::new(0));
    let is_over = || {
        count.set(count.get() + 1);
        app.clock.now() >= end && count.get() > 10 * WRITERS
    };
    let writing = Cell::new(WRITERS);
    let writers = join_all((0..WRITERS).map(|writer| {
        let (server, writing) = (servers[writer % servers.len()], &writing);
        async move {
            let names = write(server, by, form, writer, &is_over).await;
            writing.set(writing.get() - 1);
            names
        }
    }));
    let follow = async |stamp: &'static str, server: &Server| {
        let mut poller = Poller::new("/v1/leads", stamp);
        let mut polls = 0;
        while writing.get() > 0 {
            poller.poll(server, by).await;
            polls += 1;
        }
        poller.poll(server, by).await;
        (poller.seen, polls)
    };
    let last = servers[servers.len() - 1];
    let (written, by_created, by_updated) =
        futures::join!(writers, follow("created_at", servers[0]), follow("updated_at", last));

    let names: BTreeMap<String, Value> = written.into_iter().flatten().collect();
    let mut all = BTreeSet::new();
    let mut page = app.get("/v1/leads?limit=200").by(by).await.expect(200);
    loop {
        all.extend(page.each("id"));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        page = app.get(&format!("/v1/leads?limit=200&cursor={cursor}")).by(by).await.expect(200);
    }
    assert!(names.keys().all(|id| all.contains(id)));
    let missed: Vec<&String> = all.iter().filter(|id| !by_created.0.contains_key(*id)).collect();
    let stale: Vec<&String> =
        names.iter().filter(|(id, name)| by_updated.0.get(*id) != Some(name)).map(|(id, _)| id).collect();
    println!(
        "{} leads, {} and {} polls, {} missed, {} stale",
        all.len(),
        by_created.1,
        by_updated.1,
        missed.len(),
        stale.len()
    );
    assert!(all.len() >= 8 * WRITERS && by_created.1 > 3, "too little was written or read to say anything");
    assert_eq!((missed, stale), (vec![], vec![]));
}

#[tandem_tests::test]
async fn pollers_lose_nothing_beside_sixteen_writers(app: &LiveApp) {
    poll_beside_writers(app, &[app], 4).await;
}

/// Takes as long as `TANDEM_POLL_SECONDS` says, a minute if nothing: run it by `scripts/poll`.
#[tandem_tests::test(postgres)]
#[ignore = "runs a minute or longer: scripts/poll"]
async fn pollers_lose_nothing_beside_two_servers(app: &LiveApp) {
    let seconds = std::env::var("TANDEM_POLL_SECONDS").ok().and_then(|text| text.parse().ok());
    let second = app.second_server().await;
    poll_beside_writers(app, &[app, &second], seconds.unwrap_or(60)).await;
    second.stop().await;
}

/// A write that has begun, and taken its stamp, hides what is younger from lists by stamps alone.
async fn with_a_slow_write(app: &TestApp) {
    let (by, old) = (app.admin().await, app.given_lead("old@example.com").await.id());
    // A stamp of its own, by either clock.
    app.clock.advance(1);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let actor = Actor::System("test");
    let slow = app.running.core.db.begin(Act::new(actor, "slow", app.clock.now(), 1)).await.unwrap();
    let new = app.given_lead("new@example.com").await.id();
    let company = json!({"name": "New Ltd"});
    app.post("/v1/companies").by(by).json(company).await.expect(201);
    for (path, shown) in [
        ("leads", 2),
        ("leads?sort=name", 2),
        ("leads?sort=created_at", 1),
        ("leads?sort=-updated_at", 1),
        ("leads?updated_at_gte=2026-01-01", 1),
        ("leads?created_at_lt=2027-01-01", 1),
        ("companies", 2),
        ("companies?sort=created_at", 1),
        ("companies?updated_at_gte=2026-01-01", 1),
        ("journal?subject_type=company", 2),
        ("journal?subject_type=company&occurred_at_gte=2026-01-01", 1),
    ] {
        let listed = app.get(&format!("/v1/{path}")).by(by).await.expect(200);
        assert_eq!(listed.each("id").len(), shown, "{path}");
    }
    slow.rollback().await.unwrap();
    let listed = app.get("/v1/leads?sort=created_at").by(by).await.expect(200);
    assert_eq!(listed.each("id"), [old, new]);
    let listed = app.get("/v1/companies?sort=-created_at").by(by).await.expect(200);
    assert_eq!(listed.each("id").len(), 2);
}

#[tandem_tests::test(postgres)]
async fn a_write_under_way_hides_what_is_younger(app: &TestApp) {
    with_a_slow_write(app).await;
}

#[tandem_tests::test(postgres)]
async fn a_write_under_way_hides_what_is_younger_by_the_servers_clock(app: &LiveApp) {
    with_a_slow_write(app).await;
}

#[tandem_tests::test]
async fn who_writes_and_lists_at_once_finds_it(app: &TestApp) {
    let by = app.admin().await;
    for n in 0..20 {
        let id = app.given_lead(&format!("n{n}@example.com")).await.id();
        for sort in ["created_at", "-updated_at"] {
            let listed = app.get(&format!("/v1/leads?sort={sort}&limit=200")).by(by).await.expect(200);
            assert!(listed.each("id").contains(&id), "{sort} {n}");
        }
    }
}
