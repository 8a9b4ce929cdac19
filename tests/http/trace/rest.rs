//! Requests about companies, forms, settings and reports, and requests that nobody should make.

use serde_json::json;

use super::draw::{Asked, Draw};

impl Draw {
    pub(super) fn company(&mut self) -> Asked {
        let body = json!({
            "name": self.chance.pick(&["Firm one", "Ünter", "株式会社", ""]),
            "country": self.chance.pick(&["it", "GB", "toolong"]),
            "employees": self.chance.pick(&[0, 1, 10_000_000, 10_000_001, -1]),
        });
        match (self.chance.below(3), self.companies.is_empty()) {
            (0, false) => {
                Asked::send("PATCH", format!("/v1/companies/{}", self.chance.pick(&self.companies)), body)
            }
            (1, false) => Asked::get(format!("/v1/companies/{}", self.chance.pick(&self.companies))),
            _ => {
                let mut body = body;
                body["domain"] = json!(format!("firm{}.example", self.chance.below(12)));
                Asked::send("POST", "/v1/companies", body)
            }
        }
    }

    pub(super) fn form(&mut self) -> Asked {
        let fields = json!([
            {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
            {"name": "name", "label": "Name", "type": "text", "maps_to": "first_name"},
            {"name": "size", "label": "Size", "type": "number", "maps_to": self.chance.pick(&["custom.size", "company.employees", "nowhere"])},
        ]);
        let name = self.chance.pick(&["Contact", "Kontakt ✉"]).to_string();
        if self.forms.len() > 3 {
            let (id, _) = self.chance.pick(&self.forms).clone();
            return match self.chance.below(3) {
                0 => Asked::get("/v1/forms?limit=2"),
                1 => Asked::get(format!("/v1/forms/{id}")),
                _ => Asked::send(
                    "PATCH",
                    format!("/v1/forms/{id}"),
                    json!({"name": name, "archived": self.chance.below(4) == 0}),
                ),
            };
        }
        Asked::send(
            "POST",
            "/v1/forms",
            json!({"name": name, "fields": fields, "allowed_origins": ["https://www.example.com"]}),
        )
    }

    pub(super) fn capture(&mut self) -> Asked {
        if self.forms.is_empty() {
            return self.form();
        }
        if self.chance.below(6) == 0 && !self.submissions.is_empty() {
            return Asked::get(format!("/v1/submissions/{}", self.chance.pick(&self.submissions)));
        }
        let (_, key) = self.chance.pick(&self.forms).clone();
        let number = self.chance.below(60);
        let fields = match self.chance.below(5) {
            0 => json!({"name": "nobody"}),
            1 => json!({"email": "no address", "size": "ten"}),
            _ => {
                json!({"email": format!("visitor{number}@firm{}.example", number % 9), "name": self.chance.pick(&["Zoë", "🦊"]), "size": number})
            }
        };
        let body = json!({"fields": fields, "context": {"landing_url": "https://www.example.com/?utm_source=ads&utm_medium=cpc"}, "more": [1]});
        let origin = self.chance.pick(&["https://www.example.com", "https://evil.example"]).to_string();
        let origin = (self.chance.below(3) == 0).then_some(origin);
        let once = (self.chance.below(4) == 0).then(|| format!("form-{}", self.chance.below(9)));
        Asked::send("POST", format!("/v1/capture/{key}"), body)
            .with("origin", origin)
            .with("idempotency-key", once)
    }

    pub(super) fn settings(&mut self) -> Asked {
        let field = |name: &str, kind: &str| json!({"name": name, "label": name, "type": kind});
        match self.chance.below(4) {
            0 => Asked::get("/v1/settings/company"),
            1 => {
                let zone = self.chance.pick(&["Europe/Rome", "UTC", "Asia/Tokyo", "Mars/Base"]).to_string();
                Asked::send("PUT", "/v1/settings/company", json!({"name": "Exämple", "timezone": zone}))
            }
            2 => Asked::get("/v1/settings/custom-fields"),
            _ => {
                let last = field("size", self.chance.pick::<&str>(&["integer", "integer", "text"]));
                let mut choice = field("segment", "choice");
                choice["options"] = json!(["gold", "silber ✨"]);
                let fields = [choice, field("score", "number"), field("birthday", "date"), last];
                Asked::send("PUT", "/v1/settings/custom-fields", json!({"fields": fields}))
            }
        }
    }

    pub(super) fn report(&mut self) -> Asked {
        let period = self.chance.pick(&[
            "",
            "&from=2026-03-01",
            "&from=2025-11-01&to=2026-03-03",
            "&from=2026-03-03&to=2026-03-01",
        ]);
        let by = self.chance.pick(&["source", "month", "owner,week", "form,country", "quarter"]);
        let basis = self.chance.pick(&["cohort", "activity"]);
        let stage = self.chance.pick(&["lead", "mql", "customer", "nurture"]);
        let figure = self.chance.pick(&["people", "from_start", "time_in_stage", "dropped"]);
        match self.chance.below(5) {
            0 => Asked::get("/v1/agreements/current"),
            1 => Asked::get(format!(
                "/v1/reports/funnel/evidence?basis={basis}&stage={stage}&figure={figure}{period}"
            )),
            _ => Asked::get(format!("/v1/reports/funnel?by={by}&basis={basis}{period}")),
        }
    }

    pub(super) fn nonsense(&mut self) -> Asked {
        let unknown = "lead_01h455vb4pex5vsknk084sn02q";
        match self.chance.below(9) {
            0 => Asked::get(format!("/v1/leads/{unknown}")),
            1 => Asked::get("/v1/leads/lead_x"),
            2 => Asked::get("/v1/leads?limit=0&sort=up&nonsense=1"),
            3 => Asked::get("/v1/leads?cursor=abc"),
            4 => Asked::send(
                "POST",
                "/v1/leads",
                json!({"emial": "a@b.example", "stage": "mql", "first_name": 7}),
            ),
            5 => Asked::send("POST", "/v1/leads/batch", json!({"leads": []})),
            6 => Asked::send("PATCH", format!("/v1/leads/{unknown}"), json!({"first_name": "\u{0}"})),
            7 => Asked::send("DELETE", "/v1/leads", json!({})).bodiless(),
            _ => Asked::get("/v1/nothing"),
        }
    }
}
