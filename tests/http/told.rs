//! What servers tell of events: it is done once, in the name of whoever told it, and within bounds.

use std::future::IntoFuture;

use futures::future::join_all;
use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{START, TestApp, hours, on_both, seconds};

async fn why(app: &TestApp, lead: &str) -> Value {
    let lead = app
        .get(&format!("/v1/leads/{lead}"))
        .by(app.admin().await)
        .await
        .expect(200);
    lead["may_contact"]["marketing_email"]["why"].clone()
}

on_both! {
    async fn what_is_refused_or_was_told_before_makes_no_lead(app) {
        let key = app.key(&["events:write"]).await;
        let body = |email: &str, own: &str| json!({"create_lead": true,
            "events": [{"type": "chat", "lead": {"email": email}, "event_id": own}]});
        let tell = |body: Value| app.post("/v1/events").by(&key).json(body);
        let first = tell(body("ada@example.com", "e1")).once("k").await.expect(200);
        tell(body("bob@example.com", "e2")).once("k").await.refused(422, "idempotency_key_reused");
        let leads = app.get("/v1/leads").by(app.admin().await).await.expect(200);
        assert_eq!(leads.each("email"), ["ada@example.com"]);

        let path = format!("/v1/leads/{}", leads.each("id")[0]);
        app.patch(&path).by(app.admin().await).json(json!({"emails": ["countess@example.com"]})).await.expect(200);
        assert_eq!(tell(body("ada@example.com", "e1")).once("k").await.expect(200).body, first.body);
        let again = tell(body("ada@example.com", "e1")).await.expect(200);
        assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
        let twice = json!({"create_lead": true, "events": [
            {"type": "chat", "visitor_id": "visitor-1", "event_id": "e3"},
            {"type": "chat", "lead": {"email": "eve@example.com"}, "event_id": "e3"},
        ]});
        let twice = tell(twice).await.expect(200);
        assert_eq!((&twice["accepted"], &twice["duplicates"]), (&json!(1), &json!(1)));
        let leads = app.get("/v1/leads").by(app.admin().await).await.expect(200);
        assert_eq!(leads.each("email"), ["countess@example.com"]);
        let fresh = tell(body("bob@example.com", "e2")).await.expect(200);
        assert_eq!(fresh["accepted"], 1, "what was refused was not noted");
    }

    async fn two_bodies_under_one_key_at_once_are_one_and_the_other_can_be_told_again(app) {
        let key = app.key(&["events:write"]).await;
        let body = |n: usize| json!({"events": [{"type": "chat", "visitor_id": "visitor-1", "event_id": format!("e{n}")}]});
        let tell = |n: usize| app.post("/v1/events").by(&key).json(body(n));
        let answers = join_all((0..24).map(|n| tell(n).once(format!("k{}", n / 2)).into_future())).await;
        let refused: Vec<usize> = (0..24).filter(|n| answers[*n].status == 422).collect();
        assert_eq!(refused.len(), 12);
        for n in refused {
            assert_eq!(tell(n).await.expect(200)["accepted"], 1, "its event was not noted");
        }
    }

    async fn consent_that_an_event_ends_bears_the_request_that_told_it(app) {
        let key = app.key(&["events:write"]).await;
        let (mia, moe) = (app.user("marketing").await, app.user("marketing").await);
        for n in 0..8 {
            app.given_lead(&format!("p{n}@example.com")).await;
        }
        let posts = (0..16).map(|n| {
            let (by, event) = match n % 2 {
                0 => (&mia, json!({"type": "email_unsubscribe", "lead": {"email": format!("p{}@example.com", n / 2)}})),
                _ => (&moe, json!({"type": "chat", "visitor_id": "visitor-1"})),
            };
            app.post("/v1/events").by(&key).header("x-on-behalf-of", &by.id).json(json!({"events": [event]})).into_future()
        });
        for answer in join_all(posts).await {
            answer.expect(200);
        }
        let journal = app.get("/v1/journal?type=consent.withdrawn&limit=200").by(app.admin().await).await.expect(200);
        let entries = journal["data"].as_array().unwrap();
        assert_eq!(entries.len(), 8);
        assert!(entries.iter().all(|entry| entry["actor"]["on_behalf_of"] == json!(mia.id)), "{}", journal.text);
        let mut requests = journal.each("request_id");
        requests.sort();
        requests.dedup();
        assert_eq!(requests.len(), 8);
    }

    async fn who_may_not_write_a_lead_ends_no_consent_of_it(app) {
        let (sam, sue) = (app.user("sales").await, app.user("sales").await);
        let lead = app.post("/v1/leads").by(&sam).json(json!({"email": "ada@example.com"})).await.expect(201);
        assert_eq!(lead["owner_id"], json!(sam.id));
        let (id, path) = (lead.id(), format!("/v1/leads/{}/consents", lead.id()));
        let said = |granted: bool| json!({"purpose": "marketing_email", "granted": granted});
        app.post(&path).by(app.admin().await).json(said(true)).await.expect(201);
        app.post(&path).by(&sue).json(said(false)).await.refused(403, "not_owner");

        let told = json!({"events": [{"type": "email_unsubscribe", "lead": {"id": id}}]});
        let answer = app.post("/v1/events").by(&sue).json(told.clone()).await.expect(200);
        assert_eq!((&answer["accepted"], why(app, &id).await), (&json!(1), json!("granted")));
        app.post("/v1/events").by(&sam).json(told).await.expect(200);
        assert_eq!(why(app, &id).await, "unsubscribed");
    }

    async fn no_more_is_kept_of_a_visitor_than_can_be_read_again(app) {
        let (ada, key) = (app.admin().await, app.key(&["events:write"]).await);
        let site = json!({"name": "Website", "allowed_origins": ["https://www.example.com"]});
        let site = app.post("/v1/tracking-keys").by(ada).json(site).await.expect(201);
        let form = json!({"name": "Contact", "fields": [{"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"}]});
        let form = app.post("/v1/forms").by(ada).json(form).await.expect(201);
        let view = |n: i64| json!({"type": "page_view", "visitor_id": "visitor-1", "event_id": format!("e{n}"),
            "occurred_at": Timestamp::from_millis(START.millis() - hours(5) + seconds(n)), "url": "https://www.example.com/"});
        let tell = |events: Vec<Value>| app.post("/v1/events").by(&key).json(json!({"events": events}));
        let collect = async || {
            let event = json!({"type": "page_view", "url": "https://www.example.com/"});
            let path = format!("/v1/collect?key={}", site["key"].as_str().unwrap());
            let browser = app.post(&path).header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36");
            browser.json(json!({"visitor_id": "visitor-1", "events": [event]})).await.expect(204);
        };
        for thousand in 0..10 {
            let told = tell((0..1000).map(|n| view(1000 * thousand + n)).collect()).await.expect(200);
            assert_eq!(told["accepted"], 1000);
        }
        let full = tell(vec![view(7), view(10_000)]).await.expect(200);
        assert_eq!((&full["accepted"], &full["duplicates"]), (&json!(0), &json!(1)));
        assert_eq!((&full["rejected"][0]["index"], &full["rejected"][0]["code"]), (&json!(1), &json!("too_many_events")));
        collect().await;

        let sent = json!({"fields": {"email": "ada@example.com"}, "visitor_id": "visitor-1", "context": {"page_url": "https://www.example.com/"}});
        app.post(&format!("/v1/capture/{}", form["key"].as_str().unwrap())).json(sent).await.expect(201);
        // Of a lead's visitor servers tell more, and what was rejected was not noted; sites are heard no more.
        assert_eq!(tell(vec![view(10_000), view(-1)]).await.expect(200)["accepted"], 2);
        collect().await;
        let lead = app.get("/v1/leads").by(ada).await.expect(200).each("id").remove(0);
        let sessions = app.get(&format!("/v1/leads/{lead}/sessions")).by(ada).await.expect(200);
        let events: Vec<i64> = sessions["data"].as_array().unwrap().iter().map(|one| one["events"].as_i64().unwrap()).collect();
        assert_eq!(events, [1, 10_002]);
    }
}
