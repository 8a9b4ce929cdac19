//! The score of any instant of a random past against the oracle of scores, which is given what had happened by then.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::*;
use crate::access::Actor;
use crate::act::Act;
use crate::agreement::conditions::Known;
use crate::agreement::{AgreementVersion, PROVISIONAL};
use crate::change::Change;
use crate::id::{EventId, Ids};
use crate::leads::change::LeadChange;
use crate::leads::custom::{CustomField, CustomType};
use crate::leads::fields::{About, Source};
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};
use crate::money::Currency;
use crate::scoring::draw::{Draw, FORM, NOW};
use crate::scoring::oracle::{self, Raw, RawFacts};

const DAY: i64 = 86_400_000;

fn custom() -> Vec<CustomField> {
    let kinds = [
        ("word", CustomType::Text),
        ("number", CustomType::Number),
        ("flag", CustomType::Boolean),
        ("day", CustomType::Date),
    ];
    let field = |(name, kind): (&str, CustomType)| CustomField {
        name: name.into(),
        label: name.into(),
        kind,
        options: vec![],
    };
    kinds.map(field).into()
}

/// An agreement with this scoring.
fn version(scoring: &Json) -> Version {
    let mut document: Json = serde_json::from_str(PROVISIONAL).unwrap();
    document["scoring"] = scoring.clone();
    let first = AgreementVersion {
        document,
        ..AgreementVersion::first(Timestamp::from_millis(0))
    };
    let known = Known {
        custom: &custom(),
        forms: &BTreeSet::from([FORM.parse().unwrap()]),
        segments: &BTreeSet::new(),
        purposes: &BTreeSet::from([
            "news".to_owned(),
            "calls".to_owned(),
            "marketing_email".to_owned(),
        ]),
        zone: &TimeZone::get("Europe/Rome").unwrap(),
        currency: Currency::EUR,
    };
    Version::compile(first, Default::default(), &known, 0).unwrap()
}

/// A lead and its company, which know nothing yet.
fn nobody() -> (Past, Background) {
    let began = Timestamp::from_millis(NOW - 500 * DAY);
    let act = Act::test(&Actor::System("test"), began, &Ids::new(began, 0));
    let mut world = World::new(Version::provisional(), custom());
    world.rules.money.zone = TimeZone::get("Europe/Rome").unwrap();
    let said = Statement {
        emails: vec![Email::parse("ada@factory.example").unwrap()],
        ..Statement::default()
    };
    let saved = upsert(&mut world, &said, OnConflict::Refuse, &act).unwrap();
    let transition = saved.changes.iter().find_map(|change| match change {
        Change::Lead(LeadChange::Created { transition, .. }) => Some(transition.clone()),
        _ => None,
    });
    let values = saved.changes.iter().filter_map(|change| match change {
        Change::Lead(LeadChange::FieldStated(value)) => Some(value.clone()),
        _ => None,
    });
    let past = Past {
        lead: world.leads[&saved.lead_id].clone(),
        cycles: vec![world.cycles[&saved.lead_id].clone()],
        transitions: vec![transition.unwrap()],
        values: values.collect(),
        done: vec![],
        touches: vec![],
        consents: vec![],
        archivings: vec![],
        disputes: vec![],
        by_hand: vec![],
        qualification: Qualification::default(),
    };
    let companies = world.companies.values().map(|company| {
        let values = vec![];
        (
            company.id,
            PastCompany {
                company: company.clone(),
                values,
            },
        )
    });
    let background = Background {
        companies: companies.collect(),
        company_stages: HashMap::new(),
        rules: world.rules,
    };
    (past, background)
}

/// A statement of what the oracle is told.
fn statement(about: About, name: &str, raw: &Raw, happened: i64, arrived: i64, id: u128) -> FieldValue {
    let value = match raw {
        Raw::Text(text) => json!(text),
        Raw::Number(number) => json!(number),
        Raw::Boolean(is) => json!(is),
        Raw::Millis(_) => json!(
            oracle::DAYS
                .iter()
                .find(|(_, at)| Raw::Millis(*at).is(raw))
                .unwrap()
                .0
        ),
        Raw::Euros(amount) => json!({"amount": amount, "currency": "EUR"}),
    };
    FieldValue {
        id: crate::id::Id::from_uuid(Uuid::from_u128(id)),
        about,
        field: name
            .rsplit_once("company.")
            .map_or(name, |(_, name)| name)
            .to_owned(),
        value: match raw {
            Raw::Number(number) if name == "company.employees" => json!(*number as i64),
            _ => value,
        },
        source: Source::Api,
        observed_at: Timestamp::from_millis(happened),
        recorded_at: Timestamp::from_millis(arrived),
        by: "test".into(),
    }
}

impl Raw {
    fn is(&self, other: &Raw) -> bool {
        matches!((self, other), (Raw::Millis(one), Raw::Millis(other)) if one == other)
    }
}

proptest! {
    #[test]
    fn the_score_of_any_instant_is_the_oracles_for_what_had_happened_by_then(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let scoring = draw.scoring(true, true);
        let (version, (mut past, mut background)) = (version(&scoring), nobody());
        let company_id = past.lead.company_id.unwrap();
        let events = draw.below(40);
        let facts = draw.facts(events);
        for event in &facts.events {
            let activity = event.kind.strip_prefix("activity.").map(EventKind::activity);
            past.done.push(Done {
                kind: activity.or_else(|| EventKind::named(event.kind)).unwrap(),
                arrived_at: Timestamp::from_millis(event.at + draw.below(9 * DAY as u64) as i64),
                event: Event {
                    id: EventId::from_uuid(Uuid::from_u128(event.id)),
                    at: Timestamp::from_millis(event.at),
                    url: event.url.clone(),
                    referrer: None,
                    properties: event.properties.clone(),
                },
            });
        }
        past.done.sort_by_key(|done| (done.arrived_at, done.event.id));
        // Each field is stated several times; the newest that had been observed counts.
        let mut stated: Vec<(&'static str, Raw, i64)> = vec![];
        for place in 0..3u128 {
            for (name, raw) in draw.facts(0).fields {
                if name == "created_at" || matches!(&raw, Raw::Text(text) if text.is_empty()) {
                    continue;
                }
                let happened = draw.instant();
                let arrived = happened + draw.below(9 * DAY as u64) as i64;
                let about = match name {
                    "company.employees" => About::Company(company_id),
                    _ => About::Lead(past.lead.id),
                };
                let value = statement(about, name, &raw, happened, arrived, place);
                match about {
                    About::Lead(_) => past.values.push(value),
                    About::Company(id) => background.companies.get_mut(&id).unwrap().values.push(value),
                }
                stated.push((name, raw, happened));
            }
        }
        for _ in 0..6 {
            let at = draw.instant();
            let mut then = RawFacts {
                events: facts.events.iter().filter(|event| event.at <= at).cloned().collect(),
                ..RawFacts::default()
            };
            for (name, raw, happened) in &stated {
                let later = stated.iter().rev().find(|(other, _, when)| {
                    other == name && *when <= at && when > happened
                });
                let is_last = stated.iter().rposition(|(other, _, when)| other == name && when == happened);
                let place = stated.iter().position(|one| std::ptr::eq(&one.1, raw));
                if *happened <= at && later.is_none() && is_last == place {
                    then.fields.push((name, raw.clone()));
                }
            }
            then.fields.push(("created_at", Raw::Millis(past.lead.created_at.millis())));
            let sight = Sight::Happened(Timestamp::from_millis(at));
            let score = past.readiness(&background, &version, sight).unwrap().score;
            let (fit, engagement, ..) = oracle::score(&scoring, &then, at);
            prop_assert_eq!((score.exact.fit.0, score.exact.engagement.0), (fit, engagement), "{}", scoring);
        }
    }
}
