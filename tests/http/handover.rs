//! The handover of a customer: everything that those who take over must know, in one answer.

use serde_json::json;
use tandem_tests::TestApp;

use crate::deals::{given_sql, open, post};

#[tandem_tests::test]
async fn a_handover_shows_what_was_promised_objected_quoted_and_read(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_sql(app).await;
    let read = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    let company = read["company"]["id"].as_str().unwrap().to_owned();
    let friend = app.given_lead("friend@example.com").await.id();
    let stranger = app.given_lead("stranger@example.com").await.id();
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let roles = json!({"lead_ids": [lead, friend], "roles": [{"lead_id": friend, "role": "champion"}]});
    app.patch(&format!("/v1/deals/{deal}")).by(&sam).json(roles).await.expect(200);
    for (lead, text) in [(&lead, "Too dear"), (&stranger, "Not theirs")] {
        let call = json!({"lead_id": lead, "type": "call", "direction": "outbound",
            "objections": [{"text": text}], "promises": [{"text": text}]});
        post(app, &sam, "/v1/activities", call).await.expect(201);
    }
    post(app, &sam, &format!("/v1/deals/{deal}/promises"), json!({"text": "Train the team"}))
        .await
        .expect(201);
    let quote = json!({"number": "Q-1", "amount": {"amount": 1, "currency": "EUR"}});
    let quote = post(app, &sam, &format!("/v1/deals/{deal}/quotes"), quote).await.expect(201).id();
    let views: Vec<_> = ["/guide", "/guide", "/price"]
        .into_iter()
        .map(|path| json!({"type": "page_view", "lead": {"email": "friend@example.com"}, "url": format!("https://www.example.com{path}")}))
        .collect();
    let site = app.key(&["events:write"]).await;
    let sent = app.post("/v1/events").by(&site).json(json!({"events": views})).await.expect(200);
    assert_eq!(sent["accepted"], 3);
    let close =
        json!({"outcome": "won", "reason": "price", "objections": [{"text": "Wants to host it itself"}]});
    post(app, &sam, &format!("/v1/deals/{deal}/close"), close).await.expect(200);

    for customer in [&company, &lead] {
        let path = format!("/v1/customers/{customer}/handover");
        let shown = app.get(&path).by(&sam).await.expect(200);
        assert_eq!(&shown["customer_id"], customer);
        let each = |list: &str, member: &str| {
            let items = shown[list].as_array().unwrap().iter();
            items.map(|item| item[member].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(each("deals", "id"), [deal.as_str()]);
        assert_eq!(shown["deals"][0]["objections"], json!([{"text": "Wants to host it itself"}]));
        assert_eq!(each("promises", "text"), ["Too dear", "Train the team"]);
        assert_eq!(each("quotes", "id"), [quote.as_str()]);
        let objections = shown["objections"].as_array().unwrap();
        let mut objections: Vec<&str> =
            objections.iter().map(|one| one["objection"]["text"].as_str().unwrap()).collect();
        objections.sort_unstable();
        assert_eq!(objections, ["Too dear", "Wants to host it itself"]);
        let people = shown["people"].as_array().unwrap();
        assert_eq!(people.len(), 2);
        let champion = people.iter().find(|one| one["lead_id"] == json!(friend)).unwrap();
        assert_eq!(champion["roles"], json!([{"deal_id": deal, "role": "champion"}]));
        let pages: Vec<_> = shown["pages"].as_array().unwrap().iter().collect();
        let pages: Vec<_> = pages.iter().map(|page| (page["url"].clone(), page["views"].clone())).collect();
        assert_eq!(
            pages,
            [
                (json!("https://www.example.com/guide"), json!(2)),
                (json!("https://www.example.com/price"), json!(1))
            ]
        );
    }
    let nobody = "/v1/customers/lead_01h455vb4pex5vsknk084sn02q/handover";
    app.get(nobody).by(&sam).await.refused(404, "not_found");
    let key = app.key(&["deals:read", "leads:read"]).await;
    app.get(&format!("/v1/customers/{lead}/handover")).by(&key).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn sales_speaks_from_the_acceptance_to_the_closing(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await.id();
    let admin = app.admin().await;
    let voice = async || app.get(&format!("/v1/leads/{lead}")).by(admin).await.expect(200)["voice"].clone();
    assert_eq!(voice().await, "marketing");
    for (stage, expected) in [("mql", "marketing"), ("sal", "sales"), ("sql", "sales")] {
        app.moved(&lead, stage, None).await;
        assert_eq!(voice().await, expected, "{stage}");
    }
    let deal = open(app, admin, &lead).await.expect(201).id();
    assert_eq!(voice().await, "sales");
    crate::deals::close(app, admin, &deal, "won").await.expect(200);
    assert_eq!(voice().await, "marketing");
    let moves = format!("/v1/leads/{lead}/timeline?types=lead.stage_changed");
    let moves = app.get(&moves).by(admin).await.expect(200);
    let voices: Vec<_> =
        moves["data"].as_array().unwrap().iter().map(|one| one["data"]["voice"].clone()).collect();
    assert_eq!(voices, ["marketing", "sales", "sales", "sales", "marketing"]);
}
