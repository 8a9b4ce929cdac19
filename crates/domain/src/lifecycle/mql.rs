//! Whether a lead is ready to become an MQL by rule, and what holds it back.

use super::Cycle;
use crate::agreement::Version;
use crate::agreement::conditions::{Evidence, Facts, Field, Memberships, Standard, Value};
use crate::agreement::document::Rules;
use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::scoring::{Score, score};
use crate::stage::Stage;

/// How far a lead is from becoming an MQL by the rules of an agreement.
#[derive(Debug, Clone, PartialEq)]
pub struct Readiness {
    /// The score by which it was judged.
    pub score: Score,
    /// Whether the rule makes it an MQL, as far as the agreement's conditions go: its stage, waits and the archive are
    /// looked at elsewhere.
    pub is_ready: bool,
    /// The segments that it is in.
    pub memberships: Memberships,
    /// What holds it back whatever it does: required fields that are missing, `icp:` with the fields that fail the ICP
    /// (`icp` where something else fails it), `contactable`.
    pub blocked_by: Vec<String>,
    /// What decided about `stages.mql.when`.
    pub evidence: Vec<Evidence>,
    /// When the score or the answer could change if nothing new happens; never too late. `None`: never.
    pub valid_until: Option<Timestamp>,
    /// Whether a rule or condition saw 1,000 events and there were more.
    pub truncated: bool,
}

impl Readiness {
    /// Judge a lead at an instant. The score is computed first and kept among the facts, for the conditions that ask for it.
    pub fn of(facts: &mut Facts, rules: &Rules, at: Timestamp) -> Self {
        let score = score(facts, &rules.scoring, at);
        facts.score = Some(score.standing());
        facts.segments = rules.memberships(facts, at);
        let (icp, when) = (rules.icp.judge(facts, at), rules.mql.judge(facts, at));
        let missing = rules
            .required_fields
            .iter()
            .filter(|field| !facts.fields.contains_key(field));
        let mut blocked_by: Vec<String> = missing.map(Field::name).collect();
        if !icp.holds {
            blocked_by.extend(failures(&icp.evidence));
        }
        let contactable = facts.fields.get(&Field::Standard(Standard::Contactable));
        if contactable != Some(&Value::Boolean(true)) {
            blocked_by.push(Standard::Contactable.entry().name.to_owned());
        }
        let ends = [
            score.valid_until,
            facts.segments.valid_until,
            icp.valid_until,
            when.valid_until,
        ];
        Self {
            memberships: facts.segments.clone(),
            is_ready: when.holds && blocked_by.is_empty(),
            blocked_by,
            valid_until: ends.into_iter().flatten().min(),
            truncated: score.truncated || icp.truncated || when.truncated,
            evidence: when.evidence,
            score,
        }
    }
}

/// What keeps a nurtured lead from becoming an MQL by rule, beside the conditions of the agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Whether a rule may move the lead now.
    pub is_over: bool,
    /// When that could change if nothing new happens; `None`: never.
    pub valid_until: Option<Timestamp>,
}

impl Wait {
    /// The wait of a lead with its current cycle. Only leads in lead and nurture that are not archived move by rule.
    ///
    /// A nurtured lead waits until the date that was given with the move, unless `stages.nurture.unless` holds for what
    /// it did since. After a cycle that ended, something of its own must have happened since then, too.
    pub fn of(lead: &Lead, cycle: &Cycle, facts: &Facts, version: &Version, at: Timestamp) -> Self {
        let never = Self {
            is_over: false,
            valid_until: None,
        };
        match lead.stage {
            _ if lead.archived_at.is_some() => return never,
            Stage::Lead => {
                return Self {
                    is_over: true,
                    valid_until: None,
                };
            }
            Stage::Nurture => {}
            _ => return never,
        }
        let cooldown = version.agreement.stages.nurture.cooldown;
        let until = lead
            .nurture_until
            .unwrap_or_else(|| lead.stage_since.plus_millis(cooldown.millis()));
        let since = cycle.ended_at.unwrap_or(lead.stage_since);
        let waits = at < until;
        let unless = version.rules.unless.as_ref().filter(|_| waits);
        let unless = unless.map(|unless| unless.judge(&facts.since(since), at));
        let is_ended = unless.as_ref().is_some_and(|unless| unless.holds);
        let has_news = !cycle.is_over() || lead.last_activity_at > Some(since);
        let ends = [Some(until), unless.and_then(|unless| unless.valid_until)];
        Self {
            is_over: (!waits || is_ended) && has_news,
            valid_until: ends.into_iter().flatten().filter(|_| waits).min(),
        }
    }
}

fn failures(evidence: &[Evidence]) -> Vec<String> {
    let mut failures: Vec<String> = vec![];
    for part in evidence {
        let failure = match part {
            Evidence::Field { field, .. } => format!("icp:{field}"),
            _ => "icp".into(),
        };
        if !failures.contains(&failure) {
            failures.push(failure);
        }
    }
    // An ICP that is written as the denial of nothing fails without any part.
    if failures.is_empty() {
        failures.push("icp".into());
    }
    failures
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::tz::TimeZone;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::agreement::PROVISIONAL;
    use crate::agreement::conditions::{Event, History, Known};
    use crate::id::Ids;
    use crate::money::Currency;
    use crate::tracking::events::EventKind;

    const NOW: Timestamp = Timestamp::from_millis(1_781_524_800_000); // 2026-06-15T12:00:00Z
    const DAY: i64 = 86_400_000;

    fn rules(icp: Json, required_fields: Json) -> Rules {
        let mut document: Json = serde_json::from_str(PROVISIONAL).unwrap();
        document["icp"] = icp;
        document["stages"]["mql"]["required_fields"] = required_fields;
        let known = Known {
            custom: &[],
            forms: &BTreeSet::new(),
            segments: &BTreeSet::new(),
            purposes: &BTreeSet::new(),
            zone: &TimeZone::UTC,
            currency: Currency::EUR,
        };
        Rules::read(&document, None, &known).unwrap()
    }

    fn facts(fields: &[(&str, Value)]) -> Facts {
        let fields = fields.iter().cloned();
        let fields = fields.map(|(name, value)| (Field::named(name, &[]).unwrap(), value));
        Facts {
            fields: fields.collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn what_holds_a_lead_back_is_named() {
        let icp = json!({"all": [
            {"field": "company.employees", "op": "gte", "value": 50},
            {"any": [
                {"field": "company.industry", "op": "eq", "value": "software"},
                {"event": "product_signup"},
            ]},
        ]});
        let rules = self::rules(icp, json!(["email", "country"]));
        let mut nobody = facts(&[("country", Value::Text("IT".into()))]);
        let readiness = Readiness::of(&mut nobody, &rules, NOW);
        let expected = [
            "email",
            "icp:company.employees",
            "icp:company.industry",
            "icp",
            "contactable",
        ];
        assert_eq!(readiness.blocked_by, expected);
        assert!(!readiness.is_ready);
        let closed = self::rules(json!({"not": {"all": []}}), json!([]));
        let none = Readiness::of(&mut nobody, &closed, NOW);
        assert_eq!(none.blocked_by, ["icp", "contactable"]);
    }

    #[test]
    fn a_lead_is_ready_until_a_window_of_its_evidence_ends() {
        let rules = rules(json!({"all": []}), json!(["email"]));
        let ids = Ids::new(NOW, 0);
        let mut lead = facts(&[
            ("email", Value::Boolean(true)),
            ("contactable", Value::Boolean(true)),
            ("email.is_free", Value::Boolean(false)),
            ("company.employees", Value::Number(80.0)),
        ]);
        let event = |age: i64, path: &str| Event {
            id: ids.next(),
            at: NOW.plus_millis(-age),
            url: Some(format!("https://example.com{path}")),
            referrer: None,
            properties: serde_json::Map::new(),
        };
        let views = [(DAY, "/pricing"), (2 * DAY, "/pricing"), (3 * DAY, "/pricing/eu")];
        let views: Vec<Event> = views.map(|(age, path)| event(age, path)).into();
        let form = event(0, "/contact");
        let mut insert = |kind: &str, events: Vec<Event>| {
            lead.histories
                .insert(EventKind::named(kind).unwrap(), History::new(events));
        };
        insert("page_view", views);
        insert("form_submit", vec![form]);

        let readiness = Readiness::of(&mut lead, &rules, NOW);
        assert!(readiness.is_ready, "{readiness:?}");
        assert_eq!((readiness.score.fit, readiness.score.engagement), (40, 56));
        assert_eq!(readiness.valid_until, Some(NOW.plus_millis(11 * DAY + 1)));

        let later = NOW.plus_millis(12 * DAY + 1);
        let readiness = Readiness::of(&mut lead, &rules, later);
        assert!(
            !readiness.is_ready,
            "one view of the prices and the form are 32 points"
        );
        assert_eq!(readiness.blocked_by, Vec::<String>::new());
    }
}
