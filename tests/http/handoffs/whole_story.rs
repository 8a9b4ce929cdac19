//! One lead from the form to the customer, over a rejection that is disputed and overturned; and each figure of the
//! commitments afterwards, as worked out by hand.

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Answer, TestApp, User};

use crate::story::at;

/// Those who act. Tokens expire between two acts: everybody logs in before each.
struct Cast {
    marketing: User,
    revops: User,
    reps: [User; 2],
}

impl Cast {
    async fn of(app: &TestApp) -> Self {
        let cast = Self {
            marketing: app.user("marketing").await,
            revops: app.user("revops").await,
            reps: [app.user("sales").await, app.user("sales").await],
        };
        let admin = app.admin().await;
        let members = json!([cast.reps[0].id, cast.reps[1].id]);
        let team = app.post("/v1/teams").by(admin).json(json!({"name": "Sales", "members": members})).await;
        let rules = json!({"rules": [{"name": "Turns", "to": {"team_id": team.expect(201).id()}}]});
        app.put("/v1/routing").by(admin).json(rules).await.expect(200);
        let mut document = app.get("/v1/agreements/current").by(admin).await.expect(200)["document"].clone();
        document["commitments"]["marketing"]["mqls_per_month"] = json!(31);
        let revenue = json!({"amount": 9_000_000, "currency": "EUR", "per": "quarter"});
        document["commitments"]["shared"] = json!({"revenue": revenue, "mql_to_customer": 0.05});
        app.put("/v1/agreements/current").by(admin).json(json!({"document": document})).await.expect(200);
        cast
    }

    fn rep(&self, id: &Value) -> &User {
        self.reps.iter().find(|rep| *id == rep.id).unwrap()
    }
}

/// A user does something at an instant.
async fn post(app: &TestApp, (who, when): (&User, &str), path: &str, body: Value) -> Answer {
    // A token lives for 15 minutes, and a login takes its time.
    let before = when.parse::<Timestamp>().unwrap().plus_millis(-1000).to_string();
    at(app, &before);
    let by = app.login(&who.email).await;
    at(app, when);
    let answer = app.post(path).by(&by).json(body).await;
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer
}

async fn get(app: &TestApp, who: &User, path: &str) -> Answer {
    let by = app.login(&who.email).await;
    app.get(path).by(&by).await.expect(200)
}

/// A form that asks for a demo is sent: the hand-off that it makes.
async fn given_handoff(app: &TestApp, cast: &Cast) -> Value {
    let form = json!({"name": "Demo", "service_requested": "demo", "allowed_origins": [], "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "need", "label": "Need", "type": "textarea", "maps_to": "need"},
    ]});
    let form = app.post("/v1/forms").by(app.admin().await).json(form).await.expect(201);
    at(app, "2026-03-02T10:00:00Z");
    let fields = json!({"email": "carla@acme.example", "need": "Stock that counts itself"});
    let path = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    app.post(&path).json(json!({"fields": fields})).await.expect(201);
    let list = get(app, &cast.revops, "/v1/handoffs").await;
    assert_eq!(list["data"][0]["state"], "pending");
    list["data"][0].clone()
}

/// The first owner reads the packet and rejects; marketing disputes, revops overturns. Who it is routed to then.
async fn is_overturned<'c>(app: &TestApp, cast: &'c Cast, handoff: &Value) -> &'c User {
    let path = format!("/v1/handoffs/{}", handoff["id"].as_str().unwrap());
    let first = cast.rep(&handoff["owner_id"]);
    at(app, "2026-03-02T11:00:00Z");
    let packet = get(app, first, &format!("{path}/packet?opened=true")).await;
    assert_eq!(packet["request"]["need"], "Stock that counts itself");
    post(app, (first, "2026-03-02T12:00:00Z"), &format!("{path}/reject"), json!({"reason": "no_budget"}))
        .await;
    let argument = json!({"argument": "The form names one"});
    post(app, (&cast.marketing, "2026-03-03T09:30:00Z"), &format!("{path}/dispute"), argument).await;
    let ruling = json!({"decision": "overturned", "note": "It does"});
    let ruled = post(app, (&cast.revops, "2026-03-03T14:00:00Z"), &format!("{path}/ruling"), ruling).await;
    assert_eq!((&ruled["state"], &ruled["opened_by"]), (&json!("overturned"), &json!(first.id)));
    let second = cast.rep(&ruled["owner_id"]);
    assert_ne!(second.id, first.id, "routed again without who rejected it");
    let decision = ruled["routing_decision_id"].as_str().unwrap();
    let decision = get(app, &cast.revops, &format!("/v1/routing/decisions/{decision}")).await;
    let over = json!([{"user_id": first.id, "reason": "rejected_before"}]);
    assert_eq!(decision["rules"][0]["passed_over"], over);
    second
}

/// Five calls on three days, everything confirmed, a deal, won.
async fn is_won(app: &TestApp, rep: &User, lead: &str) {
    for when in [
        "2026-03-03T15:00:00Z",
        "2026-03-03T16:00:00Z",
        "2026-03-04T10:00:00Z",
        "2026-03-04T11:00:00Z",
        "2026-03-05T10:00:00Z",
    ] {
        let call = json!({"lead_id": lead, "type": "call", "direction": "outbound", "outcome": "no_answer"});
        post(app, (rep, when), "/v1/activities", call).await;
    }
    let yes = json!({"confirmed": true});
    let all = json!({"budget": yes, "authority": yes, "need": yes, "timeline": yes});
    at(app, "2026-03-06T08:59:59Z");
    let by = app.login(&rep.email).await;
    at(app, "2026-03-06T09:00:00Z");
    app.patch(&format!("/v1/leads/{lead}/qualification")).by(&by).json(all).await.expect(200);
    assert_eq!(get(app, rep, &format!("/v1/leads/{lead}")).await["stage"], "sql");
    let amount = json!({"amount": 5_000_000, "currency": "EUR"});
    let deal = json!({"name": "Stores", "lead_ids": [lead], "amount": amount});
    let deal = post(app, (rep, "2026-03-06T10:00:00Z"), "/v1/deals", deal).await;
    let won = json!({"outcome": "won", "reason": "product_fit"});
    post(app, (rep, "2026-03-20T10:00:00Z"), &format!("/v1/deals/{}/close", deal.id()), won).await;
    let read = get(app, rep, &format!("/v1/leads/{lead}")).await;
    assert_eq!((&read["stage"], &read["cycle"]), (&json!("customer"), &json!(1)));
}

/// A clock: its kind, how it ended, when it was due, and whose it is.
fn clock(clock: &Value) -> (&str, &str, &str, &Value) {
    let text = |name: &str| clock[name].as_str().unwrap();
    (text("kind"), text("state"), text("due_at"), &clock["owner_id"])
}

#[tandem_tests::test]
async fn a_rejected_lead_becomes_a_customer_and_each_commitment_is_as_worked_out_by_hand(app: &TestApp) {
    let cast = Cast::of(app).await;
    let handoff = given_handoff(app, &cast).await;
    let first = cast.rep(&handoff["owner_id"]);
    let second = is_overturned(app, &cast, &handoff).await;
    is_won(app, second, handoff["lead_id"].as_str().unwrap()).await;
    at(app, "2026-04-02T12:00:00Z");
    app.run_jobs().await;

    let ended = get(app, &cast.revops, &format!("/v1/handoffs/{}", handoff["id"].as_str().unwrap())).await;
    let clocks: Vec<_> = ended["clocks"].as_array().unwrap().iter().map(clock).collect();
    let (one, two, nobody) = (json!(first.id), json!(second.id), Value::Null);
    // Working days from nine to six: a day from Monday 10:00 is Tuesday 10:00.
    let expected = [
        ("review", "met", "2026-03-03T10:00:00.000Z", &one),
        ("first_contact", "void", "2026-03-03T10:00:00.000Z", &one),
        ("feedback", "met", "2026-03-11T12:00:00.000Z", &nobody),
        ("first_contact", "met", "2026-03-04T14:00:00.000Z", &two),
        ("attempts", "met", "2026-03-12T14:00:00.000Z", &two),
        ("outcome", "met", "2026-03-09T10:00:00.000Z", &two),
    ];
    assert_eq!(clocks, expected);
    figures_are_right(app, &cast, first, second).await;
}

async fn figures_are_right(app: &TestApp, cast: &Cast, first: &User, second: &User) {
    let sla = get(app, &cast.revops, "/v1/reports/sla?month=2026-03").await;
    assert_eq!((&sla["agreement_version"], &sla["provisional"]), (&json!(2), &json!(true)));
    let by = app.login(&app.admin().await.email).await;
    let count = async |address: &Value| {
        app.get(address.as_str().unwrap()).by(&by).await.expect(200)["total_count"].clone()
    };
    let promises = sla["promises"].as_array().unwrap();
    let expected = [
        ("review", "sales", json!(first.id)),
        ("first_contact", "sales", json!(second.id)),
        ("attempts", "sales", json!(second.id)),
        ("outcome", "sales", json!(second.id)),
        ("feedback", "marketing", Value::Null),
    ];
    assert_eq!(promises.len(), expected.len());
    for (promise, (kind, side, owner)) in promises.iter().zip(&expected) {
        assert_eq!((&promise["commitment"], &promise["side"]), (&json!(kind), &json!(side)));
        assert_eq!(promise["owners"].as_array().unwrap().len(), 1, "{promise:#}");
        assert_eq!(promise["owners"][0]["owner_id"], *owner, "{kind}");
        for figures in [promise, &promise["owners"][0]] {
            for (name, number) in [("promised", 1), ("kept", 1), ("broken", 0)] {
                assert_eq!(figures[name], number, "{kind} {name}");
                assert_eq!(count(&figures["evidence"][name]).await, number, "{kind} {name}");
            }
        }
        assert_eq!(
            (&promise["rate"]["value"], &promise["rate"]["insufficient"]),
            (&json!(1.0), &json!(true))
        );
    }
    // 31 a month, promised from the second of 31 days on; 90 000.00 a quarter, for 30 of 90 days.
    let expected = [
        ("mqls_per_month", json!("marketing"), "2026-03-01", 30.0, 1.0, 1.0, "broken", 1),
        ("min_acceptance_rate", json!("marketing"), "2026-03-01", 0.4, 1.0, 1.0, "kept", 1),
        ("max_bad_contact_rate", json!("marketing"), "2026-03-01", 0.05, 0.0, 0.0, "kept", 1),
        ("revenue", Value::Null, "2026-01-01", 3_000_000.0, 5_000_000.0, 5_000_000.0, "kept", 1),
        ("mql_to_customer", Value::Null, "2026-01-01", 0.05, 1.0, 1.0, "kept", 1),
    ];
    let numbers = sla["numbers"].as_array().unwrap();
    assert_eq!(numbers.len(), expected.len(), "{}", sla.text);
    for (number, (name, side, from, target, so_far, pace, state, records)) in numbers.iter().zip(expected) {
        assert_eq!((&number["commitment"], &number["side"]), (&json!(name), &side));
        assert_eq!(
            (&number["period"]["from"], &number["period"]["to"]),
            (&json!(from), &json!("2026-04-01"))
        );
        for (member, value) in [("target", target), ("so_far", so_far), ("pace", pace)] {
            assert_eq!(number[member], value, "{name} {member}");
        }
        assert_eq!(number["state"], state, "{name}");
        assert_eq!(count(&number["evidence"]).await, records, "{name}");
        if !number["rate"].is_null() {
            for part in ["numerator", "denominator"] {
                assert_eq!(
                    count(&number["rate"]["evidence"][part]).await,
                    number["rate"][part],
                    "{name} {part}"
                );
            }
        }
    }
    // Nothing was due in April, and its target counts the whole month.
    let april = get(app, &cast.revops, "/v1/reports/sla").await;
    let due: i64 =
        april["promises"].as_array().unwrap().iter().map(|one| one["promised"].as_i64().unwrap()).sum();
    let volume = &april["numbers"][0];
    assert_eq!((due, &volume["target"], &volume["state"]), (0, &json!(31.0), &json!("open")));
}
