//! Leads and stages against a small model: whatever is done in whatever order, service and model agree.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tandem_tests::{Answer, Backend, Given, TestApp};

const CASES: u32 = 48;
const STEPS: usize = 20;
const EMAILS: usize = 5;
const STAGES: [&str; 9] =
    ["lead", "mql", "sal", "sql", "opportunity", "customer", "nurture", "disqualified", "churned"];

/// One thing that somebody does; leads are meant by the order in which they became known.
#[derive(Debug, Clone)]
enum Step {
    Save { email: usize, name: Option<&'static str> },
    Name { lead: usize, name: Option<&'static str> },
    Stale { lead: usize },
    AddEmail { lead: usize, email: usize },
    Move { lead: usize, to: &'static str, with_reason: bool },
    Archive { lead: usize, away: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || prop::option::of(prop::sample::select(vec!["Ada", "Bob", "Zoë"]));
    let lead = || 0usize..3;
    let step = prop_oneof![
        4 => (0..EMAILS, name()).prop_map(|(email, name)| Step::Save { email, name }),
        3 => (lead(), name()).prop_map(|(lead, name)| Step::Name { lead, name }),
        1 => lead().prop_map(|lead| Step::Stale { lead }),
        2 => (lead(), 0..EMAILS).prop_map(|(lead, email)| Step::AddEmail { lead, email }),
        12 => (lead(), prop::sample::select(STAGES.to_vec()), prop::bool::weighted(0.9))
            .prop_map(|(lead, to, with_reason)| Step::Move { lead, to, with_reason }),
        1 => (lead(), any::<bool>()).prop_map(|(lead, away)| Step::Archive { lead, away }),
    ];
    prop::collection::vec(step, STEPS)
}

/// A lead as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    id: String,
    version: i64,
    emails: Vec<usize>,
    name: Option<&'static str>,
    stage: &'static str,
    came_from: Option<&'static str>,
    cycle: i64,
    /// Whether it has reached mql or a later stage in its cycle.
    was_handed_over: bool,
    /// Whether a hand-off is pending or a promise of it runs.
    is_in_work: bool,
    /// The cycle in which it was qualified last.
    confirmed_in: i64,
    is_archived: bool,
}

/// Where a lead may go: the table of the specification, word for word.
fn allowed(lead: &Known) -> Vec<&'static str> {
    let mut to = match lead.stage {
        "lead" => vec!["mql", "nurture", "disqualified"],
        "nurture" => vec!["mql", "disqualified"],
        "mql" => vec!["sal", "nurture", "disqualified"],
        "sal" => vec!["sql", "nurture", "disqualified"],
        "sql" => vec!["opportunity", "nurture", "disqualified"],
        "opportunity" => vec!["customer", "nurture", "disqualified"],
        "customer" => vec!["opportunity", "churned"],
        "disqualified" | "churned" => vec!["lead"],
        _ => vec![],
    };
    if matches!(lead.stage, "nurture" | "disqualified") {
        to.extend(lead.came_from.filter(|from| *from == "opportunity").map(|_| "opportunity"));
    }
    to
}

/// A reason that leads from one stage to another, where the move needs one.
fn reason(from: &str, to: &str) -> Option<&'static str> {
    match (from, to) {
        ("mql", "nurture") => Some("no_budget"),
        ("mql", "disqualified") => Some("bad_data"),
        ("opportunity", "nurture") => Some("price"),
        ("opportunity", "disqualified") => Some("not_a_fit"),
        (_, "nurture") => Some("not_ready"),
        (_, "disqualified") => Some("spam"),
        (_, "churned") => Some("switched"),
        _ => None,
    }
}

/// One case: its own e-mail addresses, its own leads.
struct Case<'a> {
    app: &'a TestApp,
    number: u32,
    leads: Vec<Known>,
    /// The pairs of leads that a refused statement named as one.
    suggested: BTreeSet<(usize, usize)>,
}

impl Case<'_> {
    fn email(&self, n: usize) -> String {
        format!("user{n}@case{}.example", self.number)
    }

    fn holder(&self, email: usize) -> Option<usize> {
        self.leads.iter().position(|lead| lead.emails.contains(&email))
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.app.post(path).by(self.app.admin().await).json(body).await
    }

    async fn patch(&self, lead: usize, tag: &str, body: Value) -> Answer {
        let path = format!("/v1/leads/{}", self.leads[lead].id);
        self.app.patch(&path).by(self.app.admin().await).header("if-match", tag).json(body).await
    }

    fn tag(&self, lead: usize, later: i64) -> String {
        format!("\"{}.0\"", self.leads[lead].version + later)
    }

    /// Do one step, and hold the service's answer against the model's.
    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Save { email, name } => self.save(email, name).await,
            Step::Name { lead, name } if lead < self.leads.len() => {
                self.patch(lead, &self.tag(lead, 0), json!({"first_name": name})).await.expect(200);
                self.rename(lead, name);
                self.compare(lead).await;
            }
            Step::Stale { lead } if lead < self.leads.len() => {
                self.patch(lead, &self.tag(lead, 7), json!({"first_name": "Never"}))
                    .await
                    .refused(412, "stale");
                self.compare(lead).await;
            }
            Step::AddEmail { lead, email } if lead < self.leads.len() => self.add_email(lead, email).await,
            Step::Move { lead, to, with_reason } if lead < self.leads.len() => {
                self.go(lead, to, with_reason).await
            }
            Step::Archive { lead, away } if lead < self.leads.len() => {
                let act = if away { "archive" } else { "restore" };
                let answer = self.post(&format!("/v1/leads/{}/{act}", self.leads[lead].id), json!({})).await;
                let known = &mut self.leads[lead];
                if away && known.is_in_work && !known.is_archived {
                    answer.refused(409, "still_in_work");
                    return;
                }
                answer.expect(200);
                known.version += i64::from(known.is_archived != away);
                known.is_archived = away;
                self.compare(lead).await;
            }
            _ => {}
        }
    }

    fn rename(&mut self, lead: usize, name: Option<&'static str>) {
        let known = &mut self.leads[lead];
        known.version += i64::from(known.name != name);
        known.name = name;
    }

    async fn save(&mut self, email: usize, name: Option<&'static str>) {
        let mut body = json!({"email": self.email(email)});
        if let Some(name) = name {
            body["first_name"] = json!(name);
        }
        let answer = self.post("/v1/leads", body).await;
        let lead = match self.holder(email) {
            Some(lead) => {
                answer.expect(200);
                if name.is_some() {
                    self.rename(lead, name);
                }
                lead
            }
            None => {
                let id = answer.expect(201).id();
                let emails = vec![email];
                let fresh = Known {
                    id,
                    version: 1,
                    emails,
                    name,
                    stage: "lead",
                    came_from: None,
                    cycle: 1,
                    was_handed_over: false,
                    is_in_work: false,
                    confirmed_in: 0,
                    is_archived: false,
                };
                self.leads.push(fresh);
                self.leads.len() - 1
            }
        };
        self.compare(lead).await;
    }

    async fn add_email(&mut self, lead: usize, email: usize) {
        let body = json!({"id": self.leads[lead].id, "email": self.email(email)});
        let answer = self.post("/v1/leads", body).await;
        match self.holder(email) {
            Some(holder) if holder != lead => {
                answer.refused(409, "identifiers_conflict");
                if !self.leads[holder].is_archived && !self.leads[lead].is_archived {
                    self.suggested.insert((holder.min(lead), holder.max(lead)));
                }
            }
            Some(_) => drop(answer.expect(200)),
            None => {
                answer.expect(200);
                self.leads[lead].emails.push(email);
                self.leads[lead].version += 1;
            }
        }
        self.compare(lead).await;
    }

    async fn go(&mut self, lead: usize, to: &'static str, with_reason: bool) {
        let known = self.leads[lead].clone();
        let may = allowed(&known);
        let needed = reason(known.stage, to).filter(|_| may.contains(&to));
        let mut body = json!({"to": to, "note": "because"});
        if let Some(reason) = needed.filter(|_| with_reason) {
            body["reason"] = json!(reason);
        }
        let answer = match to {
            "sql" if may.contains(&to) => Answer { status: 201, ..self.app.qualified(&known.id).await },
            _ => self.post(&format!("/v1/leads/{}/transitions", known.id), body).await,
        };
        if !may.contains(&to) {
            let refused = answer.refused(409, "illegal_transition");
            assert_eq!(refused["current"], known.stage);
        } else if needed.is_some() && !with_reason {
            answer.refused(422, "validation_failed");
        } else {
            answer.expect(201);
            let is_next = match (known.stage, to) {
                ("nurture", "mql") => known.was_handed_over,
                (from, to) => matches!(from, "disqualified" | "churned") && to == "lead",
            };
            let known = &mut self.leads[lead];
            known.came_from = Some(known.stage);
            known.stage = to;
            known.cycle += i64::from(is_next);
            let is_of_sales = !matches!(to, "lead" | "nurture" | "disqualified");
            known.was_handed_over = is_of_sales || known.was_handed_over && !is_next;
            known.is_in_work = to == "mql" || known.is_in_work && !matches!(to, "nurture" | "disqualified");
            known.version += 1;
            if to == "sql" {
                // Confirming is a change of its own, once in a cycle.
                known.version += i64::from(known.confirmed_in != known.cycle);
                known.confirmed_in = known.cycle;
            }
        }
        self.compare(lead).await;
    }

    /// The lead as it is read must be the lead as it is known.
    async fn compare(&self, lead: usize) {
        let known = &self.leads[lead];
        let read =
            self.app.get(&format!("/v1/leads/{}", known.id)).by(self.app.admin().await).await.expect(200);
        let emails: Vec<String> = known.emails.iter().map(|n| self.email(*n)).collect();
        // What follows the version counts what rules did: going to nurture changes until when the score is true.
        let version = |tag: &str| tag.split('.').next().map(str::to_owned);
        assert_eq!(version(read.etag()), version(&self.tag(lead, 0)), "{known:?}");
        assert_eq!((&read["emails"], &read["first_name"]), (&json!(emails), &json!(known.name)), "{known:?}");
        assert_eq!((&read["stage"], &read["cycle"]), (&json!(known.stage), &json!(known.cycle)), "{known:?}");
        assert_eq!(read["archived_at"].is_null(), !known.is_archived, "{known:?}");
    }

    /// In the end lists, words and journal must tell the same.
    async fn conclude(&self) {
        let by = self.app.admin().await;
        let mut found = BTreeMap::new();
        for archived in [false, true] {
            let path = format!("/v1/leads?q=case{}.example&archived={archived}", self.number);
            found.insert(archived, self.app.get(&path).by(by).await.expect(200).each("id"));
        }
        for (archived, ids) in found {
            let known = self.leads.iter().filter(|lead| lead.is_archived == archived);
            assert_eq!(ids, known.map(|lead| lead.id.clone()).collect::<Vec<_>>());
        }
        for lead in &self.leads {
            let timeline =
                self.app.get(&format!("/v1/leads/{}/timeline?limit=200", lead.id)).by(by).await.expect(200);
            let (told, changes): (Vec<String>, Vec<String>) =
                timeline.each("type").into_iter().partition(|kind| kind == "duplicate.suggested");
            // What follows of a hand-off has entries of its own.
            let follows =
                |kind: &String| ["handoff.", "clock.", "notice."].iter().any(|of| kind.starts_with(of));
            let changes: Vec<String> = changes.into_iter().filter(|kind| !follows(kind)).collect();
            assert_eq!(changes.len() as i64, lead.version, "one entry a change");
            let younger = |(one, other): &(usize, usize)| {
                self.leads[*one].id.clone().max(self.leads[*other].id.clone())
            };
            let pairs = self.suggested.iter().filter(|pair| younger(pair) == lead.id);
            assert_eq!(told.len(), pairs.count(), "one a pair");
        }
    }
}

fn service_and_model_agree(on: Backend) {
    let system = actix_web::rt::System::new();
    let Some(app) = system.block_on(TestApp::start(on)) else {
        return println!("skipped: TANDEM_TEST_POSTGRES_URL is not set");
    };
    system.block_on(app.admin());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        system.block_on(async {
            let mut case = Case { app: &app, number: app.next(), leads: vec![], suggested: BTreeSet::new() };
            for step in &steps {
                case.step(step).await;
            }
            case.conclude().await;
        });
        Ok(())
    });
    system.block_on(app.stop());
    outcome.unwrap();
}

#[test]
fn service_and_model_agree_sqlite() {
    service_and_model_agree(Backend::Sqlite);
}

#[test]
fn service_and_model_agree_postgres() {
    service_and_model_agree(Backend::Postgres);
}
