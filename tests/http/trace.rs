//! One trace of 1,000 mixed requests, made by chance from a seed: both databases must give the same answers.

pub mod chance;
mod draw;
mod rest;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use draw::{Asked, Draw};
use serde_json::{Value, json};
use tandem_tests::{Answer, Backend, Request, TestApp, run};

/// How many requests the trace has.
const LENGTH: usize = 1000;
/// What the trace is drawn from.
const SEED: u64 = 20_260_302;

#[test]
fn a_trace_of_1000_requests_gives_the_same_answers_on_both_databases() {
    let [sqlite, postgres] = [Backend::Sqlite, Backend::Postgres].map(|on| record(on, SEED));
    if postgres.is_empty() {
        return; // the harness has said why: there is no server to compare with
    }
    for (number, (one, other)) in sqlite.iter().zip(&postgres).enumerate() {
        assert_eq!(one, other, "line {number}: SQLite on the left, PostgreSQL on the right");
    }
    assert_eq!(sqlite.len(), postgres.len());
}

/// Each request with its answer, then each entry of the feed, as texts; ids and places in line are named by their
/// first appearance.
fn record(on: Backend, seed: u64) -> Vec<String> {
    let recorded = RefCell::new(vec![]);
    run(on, async |app: &TestApp| {
        let mut trace = Trace::begin(app, seed).await;
        for _ in 0..LENGTH {
            let line = trace.step(app).await;
            recorded.borrow_mut().push(line);
        }
        let feed = trace.feed(app).await;
        recorded.borrow_mut().extend(feed);
        trace.summary();
    });
    recorded.into_inner()
}

/// A trace on its way.
struct Trace {
    draw: Draw,
    names: Names,
    callers: Vec<(&'static str, String)>,
    statuses: BTreeMap<u16, usize>,
}

impl Trace {
    async fn begin(app: &TestApp, seed: u64) -> Self {
        let admin = app.admin().await;
        let mut callers = vec![("admin", admin.token.clone()); 6];
        let mut owners = vec![];
        for role in ["marketing", "sales_manager", "sales", "revops", "viewer"] {
            let user = app.user(role).await;
            if role.starts_with("sales") {
                owners.push(user.id.clone());
            }
            callers.push((role, user.token));
        }
        callers.push(("key", app.key(&["leads:read", "leads:write"]).await));
        Self { draw: Draw::new(seed, owners), names: Names::default(), callers, statuses: BTreeMap::new() }
    }

    async fn step(&mut self, app: &TestApp) -> String {
        app.clock.advance(self.draw.below(700) as i64);
        let asked = self.draw.next();
        let (who, credential) = self.callers[self.draw.below(self.callers.len())].clone();
        let is_open = asked.path.starts_with("/v1/capture/");
        let mut request: Request = app.request(asked.method, &asked.path);
        if !is_open && self.draw.below(60) > 0 {
            request = request.by(credential);
        }
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        if let Some(body) = asked.body.clone() {
            request = request.json(body);
        }
        let answer = request.await;
        *self.statuses.entry(answer.status).or_default() += 1;
        self.draw.learn(&asked, &answer);
        self.names.line(who, &asked, &answer)
    }

    /// The whole feed, which must tell as much as the journal. Transactions of other tests on the same server may hold
    /// its end back for a moment: then it is waited for.
    async fn feed(&mut self, app: &TestApp) -> Vec<String> {
        let admin = app.admin().await;
        let (mut written, mut page) = (0, "/v1/journal?limit=200".to_owned());
        loop {
            let answer = app.get(&page).by(admin).await.expect(200);
            written += answer.each("id").len();
            let Some(cursor) = answer["next_cursor"].as_str() else {
                break;
            };
            page = format!("/v1/journal?limit=200&cursor={cursor}");
        }
        let (mut told, mut after) = (vec![], String::new());
        for _ in 0..100 {
            let answer =
                app.get(&format!("/v1/changes?limit=200&wait=5s{after}")).by(admin).await.expect(200);
            let entries = answer.body["data"].as_array().unwrap();
            told.extend(entries.iter().map(|entry| format!("{:#}", self.names.value(entry))));
            after = format!("&after={}", answer["next_cursor"].as_str().unwrap());
            if told.len() >= written {
                break;
            }
        }
        assert_eq!(told.len(), written, "the feed tells what the journal holds");
        told
    }

    /// A trace that only collects refusals would prove little.
    fn summary(&self) {
        let sum = |range: std::ops::Range<u16>| -> usize {
            self.statuses.iter().filter(|(status, _)| range.contains(status)).map(|(_, count)| count).sum()
        };
        println!("answers by status: {:?}", self.statuses);
        assert!(sum(200..300) > LENGTH / 2, "{:?}", self.statuses);
        assert!(self.statuses.len() >= 9 && sum(500..600) == 0, "{:?}", self.statuses);
    }
}

/// Gives ids and places in line names by their first appearance, so that two runs can be compared.
#[derive(Default)]
struct Names {
    ids: HashMap<String, usize>,
    places: HashMap<String, usize>,
}

impl Names {
    fn line(&mut self, who: &str, asked: &Asked, answer: &Answer) -> String {
        let path = self.text(asked.path.split("cursor=").next().unwrap_or_default());
        let sent = asked.body.as_ref().map(|body| self.value(body).to_string()).unwrap_or_default();
        let told = [
            "content-type",
            "location",
            "etag",
            "allow",
            "retry-after",
            "idempotent-replayed",
            "www-authenticate",
        ];
        let headers: Vec<String> = told
            .iter()
            .filter_map(|name| Some(format!("{name}: {}", self.text(answer.header(name)?))))
            .chain(answer.header("link").map(|_| "link".to_owned()))
            .collect();
        let body = self.value(&answer.body);
        format!("{who}: {} {path} {sent}\n{} {headers:?}\n{body:#}", asked.method, answer.status)
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let named = members.iter().map(|(name, member)| {
                    let member = match (name.as_str(), member) {
                        ("next_cursor", Value::String(_)) => json!("<cursor>"),
                        ("key", Value::String(key)) if key.starts_with("fk_") => json!("<form key>"),
                        // They name the port on which this server listens.
                        ("snippet_html" | "snippet_js", Value::String(_)) => json!("<snippet>"),
                        ("seq", place) => {
                            let next = self.places.len();
                            json!(format!("<place {}>", self.places.entry(place.to_string()).or_insert(next)))
                        }
                        (_, other) => self.value(other),
                    };
                    (name.clone(), member)
                });
                Value::Object(named.collect())
            }
            other => other.clone(),
        }
    }

    /// The text with each TypeID and form key in it named.
    fn text(&mut self, text: &str) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut named = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            match word.rsplit_once('_') {
                Some((prefix, id)) if id.len() == 26 && id.starts_with(|c: char| ('0'..'8').contains(&c)) => {
                    let next = self.ids.len();
                    let number = self.ids.entry(word.to_owned()).or_insert(next);
                    named.push_str(&format!("{prefix}#{number}"));
                }
                Some(("fk", _)) => named.push_str("<form key>"),
                _ => named.push_str(word),
            }
            let mut others = after.chars();
            named.extend(others.next());
            rest = others.as_str();
        }
        named
    }
}
