//! The requests of the trace: drawn by chance, about what the answers before have shown.

use std::collections::HashMap;

use serde_json::{Value, json};
use tandem_tests::Answer;

use super::chance::Chance;

/// Draws the requests; what they are about comes from the answers before.
pub struct Draw {
    pub(super) chance: Chance,
    pub(super) leads: Vec<String>,
    pub(super) companies: Vec<String>,
    pub(super) forms: Vec<(String, String)>,
    pub(super) submissions: Vec<String>,
    pub(super) owners: Vec<String>,
    pub(super) tags: HashMap<String, String>,
    pub(super) pages: Vec<String>,
    pub(super) once: Vec<(String, String, Value)>,
}

/// One request to be made.
pub struct Asked {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

impl Asked {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, headers: vec![] }
    }

    pub(super) fn send(method: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), body: Some(body), headers: vec![] }
    }

    pub(super) fn with(mut self, name: &'static str, value: Option<String>) -> Self {
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    pub(super) fn bodiless(self) -> Self {
        Self { body: None, ..self }
    }
}

impl Draw {
    /// By this seed; `owners` are users who may own leads.
    pub fn new(seed: u64, owners: Vec<String>) -> Self {
        Self {
            chance: Chance(seed),
            leads: vec![],
            companies: vec![],
            forms: vec![],
            submissions: vec![],
            owners,
            tags: HashMap::new(),
            pages: vec![],
            once: vec![],
        }
    }

    /// A number below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        self.chance.below(most)
    }

    /// Remember what later requests can be about.
    pub fn learn(&mut self, asked: &Asked, answer: &Answer) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = text(&answer.body["id"]);
        match (asked.path.as_str(), answer.status, id) {
            ("/v1/leads", 201, Some(id)) => self.leads.push(id),
            ("/v1/companies", 201, Some(id)) => self.companies.push(id),
            ("/v1/forms", 201, Some(id)) => self.forms.push((id, text(&answer.body["key"]).unwrap())),
            _ => {}
        }
        for item in answer.body["items"].as_array().into_iter().flatten() {
            if item["status"] == 201 {
                self.leads.extend(text(&item["id"]));
            }
        }
        self.submissions.extend(text(&answer.body["submission_id"]));
        if let (Some(id), Some(tag)) = (text(&answer.body["id"]), answer.header("etag")) {
            self.tags.insert(id, tag.to_owned());
        }
        if let Some(cursor) = text(&answer.body["next_cursor"]) {
            let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
            let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
            let query: Vec<String> = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
            self.pages.push(format!("{path}?{}", query.join("&")));
        }
    }

    /// The next request.
    pub fn next(&mut self) -> Asked {
        match self.chance.below(100) {
            0..18 => self.create(),
            18..23 => self.batch(),
            23..33 => self.patch(),
            33..48 => self.transition(),
            48..52 => self.act(),
            52..68 => self.list(),
            68..73 => self.next_page(),
            73..78 => self.read_one(),
            78..82 => self.company(),
            82..84 => self.form(),
            84..90 => self.capture(),
            90..93 => self.settings(),
            93..96 => self.report(),
            96..98 => self.again(),
            _ => self.nonsense(),
        }
    }

    fn create(&mut self) -> Asked {
        let body = self.chance.lead();
        let key = (self.chance.below(4) == 0).then(|| format!("once-{}", self.chance.below(40)));
        if let Some(key) = &key {
            self.once.push(("/v1/leads".into(), key.clone(), body.clone()));
        }
        Asked::send("POST", "/v1/leads", body).with("idempotency-key", key)
    }

    fn again(&mut self) -> Asked {
        if self.once.is_empty() {
            return self.create();
        }
        let (path, key, mut body) = self.chance.pick(&self.once).clone();
        if self.chance.below(3) == 0 {
            body["last_name"] = json!("Another");
        }
        Asked::send("POST", path, body).with("idempotency-key", Some(key))
    }

    fn batch(&mut self) -> Asked {
        let leads: Vec<Value> = (0..1 + self.chance.below(6)).map(|_| self.chance.lead()).collect();
        Asked::send("POST", "/v1/leads/batch", json!({"leads": leads}))
    }

    fn patch(&mut self) -> Asked {
        let Some(id) = self.some_lead() else {
            return self.create();
        };
        let mut body = self.chance.words();
        match self.chance.below(10) {
            0 => drop(
                body.insert("email".into(), json!(format!("new{}@firm1.example", self.chance.below(50)))),
            ),
            1 => drop(body.insert(
                "emails".into(),
                json!(["ada2@firm1.example", format!("x{}@y.example", self.chance.below(9))]),
            )),
            2 => drop(body.insert("phones".into(), json!(["+442071234567", "+44 20 7123 4567"]))),
            3 => drop(body.insert("company".into(), Value::Null)),
            4 => drop(body.insert("custom".into(), Value::Null)),
            _ => {}
        }
        let tag = (self.chance.below(3) == 0).then(|| self.tags.get(&id).cloned()).flatten();
        Asked::send("PATCH", format!("/v1/leads/{id}"), Value::Object(body)).with("if-match", tag)
    }

    fn transition(&mut self) -> Asked {
        let Some(id) = self.some_lead() else {
            return self.create();
        };
        let path = format!("/v1/leads/{id}/transitions");
        if self.chance.below(6) == 0 {
            return Asked::get(path);
        }
        let stages = [
            "mql",
            "mql",
            "sal",
            "sql",
            "opportunity",
            "customer",
            "nurture",
            "disqualified",
            "churned",
            "lead",
        ];
        let mut body =
            json!({"to": self.chance.pick(&stages), "note": self.chance.pick(&["ok", "日本", ""])});
        if self.chance.below(2) == 0 {
            body["reason"] =
                json!(self.chance.pick(&["no_budget", "not_a_fit", "price", "other", "unknown"]));
        }
        match self.chance.below(12) {
            0 => drop(body.as_object_mut().unwrap().remove("to")),
            1 => {
                body["until"] = json!(self.chance.pick(&[
                    "2026-12-24T00:00:00Z",
                    "1970-01-01T00:00:00Z",
                    "9999-12-31T23:59:59.999Z"
                ]))
            }
            _ => {}
        }
        Asked::send("POST", path, body)
    }

    fn act(&mut self) -> Asked {
        let Some(id) = self.some_lead() else {
            return self.create();
        };
        match self.chance.below(4) {
            0 => Asked::send("POST", format!("/v1/leads/{id}/archive"), json!({})).bodiless(),
            1 => Asked::send("POST", format!("/v1/leads/{id}/restore"), json!({})).bodiless(),
            2 => Asked::send("POST", format!("/v1/leads/{id}/assign"), json!({"owner_id": null})),
            _ => {
                let owner = self.chance.pick(&self.owners).clone();
                Asked::send("POST", format!("/v1/leads/{id}/assign"), json!({"owner_id": owner}))
            }
        }
    }

    fn list(&mut self) -> Asked {
        let limit = [1, 2, 5, 50, 200][self.chance.below(5)];
        let path = match self.chance.below(12) {
            0 => format!("/v1/companies?limit={limit}&q={}", self.chance.word()),
            1 => format!("/v1/companies?limit={limit}&country=IT,GB"),
            2 => format!("/v1/forms?limit={limit}"),
            3 => format!("/v1/users?limit={limit}"),
            4 => format!("/v1/journal?limit={limit}&type=lead.updated,setting.changed"),
            5 => {
                format!("/v1/journal?limit={limit}&subject_type=company&occurred_at_gte=2026-03-02T09:02:00Z")
            }
            6 => format!("/v1/submissions?limit={limit}"),
            _ => {
                let sort = self.chance.pick(&[
                    "id",
                    "-id",
                    "created_at",
                    "-created_at",
                    "updated_at",
                    "-updated_at",
                    "name",
                    "-name",
                ]);
                let filters: Vec<String> = (0..self.chance.below(3)).map(|_| self.filter()).collect();
                format!("/v1/leads?limit={limit}&sort={sort}{}", filters.concat())
            }
        };
        let total = (self.chance.below(5) == 0 && path.starts_with("/v1/leads"))
            .then(|| "return=total-count".to_owned());
        Asked::get(path).with("prefer", total)
    }

    fn filter(&mut self) -> String {
        match self.chance.below(10) {
            0 => format!("&stage={}", self.chance.pick(&["mql,sal", "lead", "nurture,disqualified,churned"])),
            1 => format!("&owner_id={}", self.chance.pick(&self.owners)),
            2 => "&owner_id=none".into(),
            3 => format!("&country={}", self.chance.pick(&["IT", "GB,BR", "it"])),
            4 => "&source=google,%C3%9Cn%C3%AFcode".into(),
            5 => "&channel=email".into(),
            6 => "&archived=true".into(),
            7 => format!("&created_at_gte=2026-03-02T09:0{}:00Z", self.chance.below(6)),
            8 => format!("&updated_at_lt=2026-03-02T09:0{}:30Z", self.chance.below(6)),
            _ => format!("&q={}", self.chance.word()),
        }
    }

    fn next_page(&mut self) -> Asked {
        let Some(page) = self.pages.pop() else {
            return self.list();
        };
        if self.chance.below(8) == 0 {
            return Asked::get(format!("{page}&sort=-name"));
        }
        Asked::get(page)
    }

    fn read_one(&mut self) -> Asked {
        let Some(id) = self.some_lead() else {
            return self.list();
        };
        match self.chance.below(8) {
            0 => Asked::get(format!("/v1/leads/{id}/fields")),
            1 | 2 => Asked::get(format!("/v1/leads/{id}/timeline?limit={}", 1 + self.chance.below(20))),
            3 => Asked::get(format!("/v1/leads/by-external-id/crm/{}", self.chance.below(260))),
            4 => Asked::get(format!("/v1/leads/{id}/timeline?types=lead.stage_changed,submission.accepted")),
            5 => Asked::get(format!("/v1/leads/{id}")).with("if-none-match", self.tags.get(&id).cloned()),
            _ => Asked::get(format!("/v1/leads/{id}")),
        }
    }

    fn some_lead(&mut self) -> Option<String> {
        // The first ones are asked for more often, so that some leads live long lives.
        let most = if self.chance.below(2) == 0 { self.leads.len().min(12) } else { self.leads.len() };
        (most > 0).then(|| self.leads[self.chance.below(most)].clone())
    }
}
