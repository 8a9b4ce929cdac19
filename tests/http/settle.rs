//! One door for rules: whatever touches a lead is a cause, and a rule that counts its own firings fires once for each.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tandem_api::edge::openapi::pass;
use tandem_domain::change;
use tandem_tests::counting::{self, Counting};
use tandem_tests::{Backend, Given, TestApp, User, hours, minutes};

use crate::imports::taken_in;
use crate::tracked::{at, collect, given_form, given_site, lead, send, view};

/// A service whose rules count their firings.
pub struct Counted {
    app: TestApp,
    seen: std::cell::Cell<i64>,
    driven: std::cell::RefCell<BTreeSet<&'static str>>,
}

impl Given for Counted {
    async fn start(on: Backend) -> Option<Self> {
        let app = TestApp::start_judging(on, vec![Arc::new(Counting)]).await?;
        Some(Self { app, seen: Default::default(), driven: Default::default() })
    }

    async fn stop(self) {
        self.app.stop().await;
    }
}

impl Counted {
    /// How often the rule has fired since it was looked at last: by this operation.
    async fn fired_by(&self, operation: &'static str) -> i64 {
        self.driven.borrow_mut().insert(operation);
        self.fired().await
    }

    /// How often the rule has fired since it was looked at last.
    async fn fired(&self) -> i64 {
        let count = counting::fired(&self.app.database).await;
        count - self.seen.replace(count)
    }
}

async fn post(app: &TestApp, by: &User, path: &str, body: Value) -> String {
    let answer = app.post(path).by(by).json(body).await;
    assert!(answer.status < 300, "{path}: {}", answer.body);
    answer.body["id"].as_str().unwrap_or_default().to_owned()
}

/// Operations that change no lead, beside those that create and update plain records.
const OF_OTHERS: &[&str] = &[
    "accept_invitation",
    "archive_company",
    "cancel_import",
    "change_password",
    "complete_setup",
    "create_company",
    "create_quote",
    "decline_quote",
    "send_quote",
    "update_quote",
    "create_confirmation",
    "create_reset_token",
    "create_stream_ticket",
    "dismiss_duplicate",
    "hold_review",
    "login",
    "logout",
    "map_objection",
    "mark_notices_read",
    "refresh",
    "restore_company",
    "revoke_api_key",
    "revoke_tracking_key",
    "rotate_api_key",
    "rotate_form_key",
    "rotate_signing_key",
    "rotate_tracking_key",
    "create_agreement",
    "discard_agreement",
    "preview_agreement",
    "sign_agreement",
    "update_agreement",
    "withdraw_signature",
    "update_campaign_costs",
    "update_channel_rules",
    "update_company",
    "update_company_settings",
    "update_consent_purposes",
    "update_costs",
    "update_currency",
    "update_current_agreement",
    "update_custom_fields",
    "update_exchange_rates",
    "update_ignored_referrers",
    "update_job_words",
    "update_report_settings",
    "update_retention",
    "simulate_routing",
    "update_routing",
];

/// Every operation of the document that writes is driven here, or named among those that change no lead.
#[tandem_tests::test]
async fn each_operation_that_changes_a_lead_is_one_cause(counted: &Counted) {
    people(counted).await;
    visitors(counted).await;
    files(counted).await;

    let driven = counted.driven.borrow();
    let document: Value = serde_json::from_str(include_str!("../../openapi/tandem.json")).unwrap();
    let writing: BTreeSet<&str> = pass::operations(&document)
        .filter(|(_, method, _)| *method != "get")
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = driven.iter().chain(OF_OTHERS).copied().collect();
    let is_of_a_record = |operation: &str| {
        let noun = ["create_", "update_"].iter().find_map(|verb| operation.strip_prefix(verb));
        change::RECORDS.iter().any(|(record, _)| Some(*record) == noun)
    };
    let counts = |one: &&str| driven.contains(one) || !is_of_a_record(one);
    let writing: BTreeSet<&str> = writing.into_iter().filter(counts).collect();
    assert_eq!(known, writing);
    assert!(OF_OTHERS.iter().all(|operation| !driven.contains(operation)));
}

async fn people(counted: &Counted) {
    let app = &counted.app;
    let (by, sales) = (app.admin().await, app.user("sales_manager").await);
    let ada = post(app, by, "/v1/leads", json!({"email": "ada@example.com", "first_name": "Ada"})).await;
    assert_eq!(counted.fired_by("create_lead").await, 1);
    let path = format!("/v1/leads/{ada}");
    post(app, by, "/v1/leads", json!({"email": "ada@example.com", "first_name": "Ada"})).await;
    assert_eq!(counted.fired().await, 0, "nothing new");
    app.patch(&path).by(by).json(json!({"first_name": "Augusta"})).await.expect(200);
    assert_eq!(counted.fired_by("update_lead").await, 1);
    let leads = json!({"leads": [{"email": "bob@example.com"}, {"email": "ada@example.com", "need": "speed"},
        {"email": "bob@example.com", "need": "rest"}, {"phone": "nonsense"}]});
    post(app, by, "/v1/leads/batch", leads).await;
    assert_eq!(counted.fired_by("save_leads").await, 3, "each item of a batch that is taken");
    for (act, operation) in [("archive", "archive_lead"), ("restore", "restore_lead")] {
        app.post(&format!("{path}/{act}")).by(by).await.expect(200);
        app.post(&format!("{path}/{act}")).by(by).await.expect(200);
        assert_eq!(counted.fired_by(operation).await, 1, "once");
    }
    let owner = json!({"owner_id": sales.id});
    app.post(&format!("{path}/assign")).by(&sales).json(owner).await.expect(200);
    assert_eq!(counted.fired_by("assign_lead").await, 1);
    let rep = app.user("sales").await;
    let team = post(app, by, "/v1/teams", json!({"name": "North", "members": [sales.id, rep.id]})).await;
    app.moved(&ada, "mql", None).await;
    counted.fired().await;
    let reassign = format!("/v1/users/{}/reassign", sales.id);
    app.post(&reassign).by(by).json(json!({"to": team})).await.expect(200);
    assert_eq!(counted.fired_by("reassign_leads").await, 1);
    app.post(&format!("/v1/users/{}/reassign", rep.id)).by(by).json(json!({"to": team})).await.expect(200);
    counted.fired().await;
    let eve = post(app, by, "/v1/leads", json!({"email": "eve@example.org"})).await;
    counted.fired().await;
    app.moved(&eve, "mql", None).await;
    assert_eq!(counted.fired_by("create_transition").await, 1);
    let handoff = async |lead: &str| {
        let list = app.get(&format!("/v1/handoffs?lead_id={lead}")).by(by).await.expect(200);
        list.each("id").remove(0)
    };
    let accept = format!("/v1/handoffs/{}/accept", handoff(&ada).await);
    app.post(&accept).by(by).json(json!({})).await.expect(200);
    assert_eq!(counted.fired_by("accept_handoff").await, 1);
    let bob = post(app, by, "/v1/leads", json!({"email": "bob@example.org"})).await;
    app.moved(&bob, "mql", None).await;
    counted.fired().await;
    let reject = format!("/v1/handoffs/{}/reject", handoff(&bob).await);
    app.post(&reject).by(by).json(json!({"reason": "not_a_fit"})).await.expect(200);
    assert_eq!(counted.fired_by("reject_handoff").await, 1);
    let rejected = handoff(&bob).await;
    let argument = json!({"argument": "It is a fit"});
    app.post(&format!("/v1/handoffs/{rejected}/dispute")).by(by).json(argument).await.expect(200);
    assert_eq!(counted.fired_by("dispute_handoff").await, 0, "the lead stays as it is");
    let ruling = json!({"decision": "overturned", "note": "It is"});
    let neutral = app.user("revops").await;
    app.post(&format!("/v1/handoffs/{rejected}/ruling")).by(&neutral).json(ruling).await.expect(200);
    assert_eq!(counted.fired_by("rule_on_handoff").await, 1);
    app.qualified(&ada).await;
    assert_eq!(counted.fired_by("update_qualification").await, 1);

    let consent = json!({"purpose": "marketing_email", "granted": true});
    let consent = post(app, by, &format!("{path}/consents"), consent).await;
    assert_eq!(counted.fired_by("record_consent").await, 1);
    let link = json!({"consent_id": consent});
    let link = app.post(&format!("{path}/consents/marketing_email/confirmation")).by(by).json(link).await;
    let token = link.expect(201).body["token"].clone();
    assert_eq!(counted.fired().await, 0, "a link changes nothing yet");
    app.post("/v1/consents/confirm").json(json!({"token": token})).await.expect(200);
    assert_eq!(counted.fired_by("confirm_consent").await, 1);

    let call = json!({"lead_id": ada, "type": "call", "direction": "outbound"});
    let logged = post(app, &sales, "/v1/activities", call.clone()).await;
    assert_eq!(counted.fired_by("log_activity").await, 1);
    let logged = format!("/v1/activities/{logged}");
    app.patch(&logged).by(&sales).json(json!({"outcome": "connected"})).await.expect(200);
    assert_eq!(counted.fired_by("update_activity").await, 1);
    app.delete(&logged).by(&sales).await.expect(204);
    assert_eq!(counted.fired_by("delete_activity").await, 1);
    let calls = json!({"activities": [call.clone(), {"lead_id": ada, "type": "call"}, call]});
    app.post("/v1/activities/batch").by(&sales).json(calls).await.expect(207);
    assert_eq!(counted.fired_by("log_activities").await, 2, "each item of a batch that is taken");

    let talk = |call: &str, lead: &str| {
        json!({"provider": "callsense", "external_id": call, "lead": {"email": lead},
            "occurred_at": "2026-03-02T08:00:00Z", "summary": "They spoke", "intent": "high"})
    };
    post(app, by, "/v1/conversations", talk("1", "ada@example.com")).await;
    assert_eq!(counted.fired_by("report_conversation").await, 1);
    let waiting = post(app, by, "/v1/conversations", talk("2", "nobody@example.com")).await;
    assert_eq!(counted.fired().await, 0, "it waits for its lead");
    post(app, by, &format!("/v1/conversations/{waiting}/link"), json!({"lead_id": ada})).await;
    assert_eq!(counted.fired_by("link_conversation").await, 1);

    let deal = json!({"name": "A deal", "lead_ids": [ada]});
    let deal = post(app, &sales, "/v1/deals", deal).await;
    let deal = format!("/v1/deals/{deal}");
    assert_eq!(counted.fired_by("create_deal").await, 1);
    app.patch(&deal).by(&sales).json(json!({"name": "Another"})).await.expect(200);
    assert_eq!(counted.fired_by("update_deal").await, 1, "a deal that leaves one change");
    post(app, &sales, &format!("{deal}/move"), json!({"stage": "proposal"})).await;
    assert_eq!(counted.fired_by("move_deal").await, 1);
    let quote =
        json!({"number": "Q-1", "amount": {"amount": 900, "currency": "EUR"}, "sent_at": app.clock.now()});
    let quote = post(app, &sales, &format!("{deal}/quotes"), quote).await;
    assert_eq!(counted.fired().await, 0, "a quote by itself changes no lead");
    post(app, &sales, &format!("/v1/quotes/{quote}/accept"), json!({"apply_amount": true})).await;
    assert_eq!(counted.fired_by("accept_quote").await, 1, "its amount changes the deal");
    post(app, &sales, &format!("{deal}/close"), json!({"outcome": "won", "reason": "price"})).await;
    assert_eq!(counted.fired_by("close_deal").await, 1);
    post(app, &sales, &format!("{deal}/reopen"), json!({"note": "was wrong"})).await;
    assert_eq!(counted.fired_by("reopen_deal").await, 1);
    post(app, &sales, &format!("{deal}/close"), json!({"outcome": "lost", "reason": "price"})).await;
    counted.fired().await;
    let lost = json!({"deal_ids": [deal.rsplit('/').next()]});
    app.post("/v1/feedback/acknowledge").by(by).json(lost).await.expect(200);
    assert_eq!(counted.fired_by("acknowledge_feedback").await, 1);
}

async fn visitors(counted: &Counted) {
    let app = &counted.app;
    let (by, site, form) = (app.admin().await, given_site(app).await, given_form(app).await);
    counted.fired().await;
    let page = |millis| view(millis, "https://www.example.com/", None);
    collect(app, &site, "visitor-1", json!([page(-minutes(3)), page(-minutes(2))])).await.expect(204);
    assert_eq!(counted.fired().await, 0, "a stranger is no lead");
    send(app, &form, Some("visitor-1"), "eve@example.com", json!({})).await;
    assert_eq!(counted.fired_by("capture_submission").await, 1, "with link, history, event and touches");
    send(app, &form, None, "eve@example.com", json!({"page_url": "https://www.example.com/b"})).await;
    app.post(&format!("/v1/capture/{form}"))
        .header("origin", crate::tracked::ORIGIN)
        .json(json!({"fields": {"email": "mallory@example.com"}, "test": true}))
        .await
        .expect(201);
    assert!(counted.fired().await <= 1, "the same again at most once more, a test never");
    collect(app, &site, "visitor-1", json!([page(1000), page(2000)])).await.expect(204);
    assert_eq!(counted.fired_by("collect_events").await, 1, "one request is one cause");

    let spam = app
        .post(&format!("/v1/capture/{form}"))
        .header("origin", crate::tracked::ORIGIN)
        .header("user-agent", "Googlebot/2.1 (+http://www.google.com/bot.html)")
        .json(json!({"fields": {"email": "trent@example.com"}}))
        .await
        .expect(201);
    assert_eq!(counted.fired().await, 0, "spam makes no lead");
    let spam = spam["submission_id"].as_str().unwrap();
    app.post(&format!("/v1/submissions/{spam}/replay")).by(by).await.expect(200);
    assert_eq!(counted.fired_by("replay_submission").await, 1);

    let event = |who: &str, kind: &str| {
        let mut event = json!({"type": kind, "event_id": format!("{who}-{kind}")});
        event["lead"] = json!({"email": who});
        event
    };
    let sent =
        json!({"events": [event("eve@example.com", "email_open"), event("eve@example.com", "email_click")]});
    post(app, by, "/v1/events", sent.clone()).await;
    assert_eq!(counted.fired_by("record_events").await, 1);
    post(app, by, "/v1/events", sent).await;
    assert_eq!(counted.fired().await, 0, "the same events again");
    post(app, by, "/v1/events", json!({"events": [event("eve@example.com", "email_unsubscribe")]})).await;
    assert_eq!(counted.fired().await, 1, "unsubscribed by an event");
    let unknown = json!({"create_lead": true, "events": [event("oscar@example.com", "email_click")]});
    post(app, by, "/v1/events", unknown).await;
    assert_eq!(counted.fired().await, 1, "an event that makes a lead");

    let lead_of = json!({"email": "eve@example.com"});
    post(app, by, "/v1/touches", json!({"lead": lead_of, "channel": "event", "source": "fair"})).await;
    assert_eq!(counted.fired_by("record_touch").await, 1);
    collect(app, &site, "visitor-2", json!([page(-hours(1))])).await.expect(204);
    post(app, by, "/v1/identify", json!({"visitor_id": "visitor-2", "lead": lead_of})).await;
    assert_eq!(counted.fired_by("identify_visitor").await, 1);
    post(app, by, "/v1/identify", json!({"visitor_id": "visitor-2", "lead": lead_of})).await;
    assert_eq!(counted.fired().await, 0, "identified already");
}

async fn files(counted: &Counted) {
    let app = &counted.app;
    let by = app.admin().await;
    counted.fired().await;
    let mapping = json!({"timezone": "UTC", "key": "external_id", "fields": {
        "external_id": {"column": "Id", "system": "crm"}, "email": "Mail"}});
    let live = "Id,Mail\n1,ada@firm.example\n2,bob@firm.example\n1,ada@firm.example\n";
    taken_in(app, "kind=leads", Some(mapping.clone()), live).await;
    assert_eq!(counted.fired_by("create_import").await, 2, "rows that say something new");
    let history = "Id,Mail\n3,carl@firm.example\n";
    taken_in(app, "kind=leads&mode=history", Some(mapping), history).await;
    assert_eq!(counted.fired().await, 0, "of history nothing follows");

    let company = app.get("/v1/companies?domain=firm.example").by(by).await.expect(200).each("id")[0].clone();
    let path = format!("/v1/companies/{company}");
    app.patch(&path).by(by).json(json!({"industry": "mills"})).await.expect(200);
    assert_eq!(counted.fired().await, 0, "the leads of a company are left to the job");
    app.run_jobs().await;
    assert_eq!(counted.fired().await, 3, "every lead of the company");
    app.run_jobs().await;
    assert_eq!(counted.fired().await, 0, "once");
}

#[tandem_tests::test]
async fn a_lead_shows_when_it_was_last_active(app: &TestApp) {
    let (by, site, form) = (app.admin().await, given_site(app).await, given_form(app).await);
    let seen = async |email: &str| lead(app, email).await.body["last_activity_at"].clone();
    app.given_lead("bob@example.com").await;
    assert_eq!(seen("bob@example.com").await, Value::Null, "what others do with a lead is none of its own");

    let page = |millis| view(millis, "https://www.example.com/", None);
    collect(app, &site, "visitor-1", json!([page(-hours(2)), page(-hours(1))])).await.expect(204);
    let named = json!({"visitor_id": "visitor-1", "lead": {"email": "bob@example.com"}});
    app.post("/v1/identify").by(by).json(named).await.expect(200);
    assert_eq!(seen("bob@example.com").await, at(-hours(1)), "the visitor's history counts");

    collect(app, &site, "visitor-1", json!([page(-minutes(30))])).await.expect(204);
    collect(app, &site, "visitor-1", json!([page(-minutes(50))])).await.expect(204);
    assert_eq!(seen("bob@example.com").await, at(-minutes(30)), "a late event never moves it back");

    let bot = json!({"visitor_id": "visitor-1", "events": [page(-minutes(1))]});
    app.post(&format!("/v1/collect?key={site}"))
        .header("origin", crate::tracked::ORIGIN)
        .header("user-agent", "Googlebot/2.1 (+http://www.google.com/bot.html)")
        .body("text/plain;charset=UTF-8", bot.to_string())
        .await
        .expect(204);
    assert_eq!(seen("bob@example.com").await, at(-minutes(30)), "what a bot did is left out");

    let open = json!({"type": "email_open", "lead": {"email": "bob@example.com"}, "machine": true});
    let visit = json!({"type": "page_view", "visitor_id": "visitor-2", "url": "https://www.example.com/", "machine": true});
    app.post("/v1/events").by(by).json(json!({"events": [open, visit]})).await.expect(200);
    let named = json!({"visitor_id": "visitor-2", "lead": {"email": "bob@example.com"}});
    app.post("/v1/identify").by(by).json(named).await.expect(200);
    assert_eq!(seen("bob@example.com").await, at(-minutes(30)), "and what a machine did, in a history too");

    send(app, &form, Some("visitor-1"), "bob@example.com", json!({})).await;
    assert!(seen("bob@example.com").await.as_str() >= at(0).as_str(), "a form that it sent counts");
    send(app, &form, None, "eve@example.com", json!({})).await;
    assert!(seen("eve@example.com").await.as_str() >= at(0).as_str(), "of a new lead too");
}
