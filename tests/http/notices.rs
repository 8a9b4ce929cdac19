//! Notices: each person's own, read or unread, stored for 90 days.

use serde_json::{Value, json};
use tandem_tests::{TestApp, hours, minutes};

async fn given_task(app: &TestApp, by: &str, due_at: &str) -> String {
    let lead = app.given_lead(&format!("lead{}@example.com", app.next())).await.id();
    let task = json!({"lead_id": lead, "type": "task", "due_at": due_at, "subject": "Call back"});
    app.post("/v1/activities").by(by).json(task).await.expect(201).id()
}

#[tandem_tests::test]
async fn the_owner_of_a_task_is_told_once_when_it_is_due(app: &TestApp) {
    let rep = app.user("sales").await;
    let task = given_task(app, &rep.token, "2026-03-02T09:10:00Z").await;
    let done = given_task(app, &rep.token, "2026-03-02T09:10:00Z").await;
    let done = format!("/v1/activities/{done}");
    app.patch(&done).by(&rep).json(json!({"done_at": "2026-03-02T09:00:00Z"})).await.expect(200);
    app.run_jobs().await;
    assert_eq!(app.get("/v1/me/notices").by(&rep).await.expect(200)["data"], json!([]));

    app.clock.advance(minutes(10));
    app.run_jobs().await;
    app.run_jobs().await;
    let notices = app.get("/v1/me/notices?unread=true").by(&rep).await.expect(200);
    assert_eq!(notices.each("kind"), ["task_due"]);
    let notice = &notices["data"][0];
    assert_eq!(notice["subject"], json!({"type": "activity", "id": task}));
    assert_eq!(notice["act"]["path"], format!("/v1/activities/{task}"));
    assert_eq!(notice["read_at"], Value::Null);

    let later = json!({"due_at": "2026-03-02T09:14:00Z"});
    app.patch(&format!("/v1/activities/{task}")).by(&rep).json(later).await.expect(200);
    app.clock.advance(minutes(4));
    app.run_jobs().await;
    let again = app.get("/v1/me/notices").by(&rep).await.expect(200);
    assert_eq!(
        again.each("kind"),
        ["task_due", "task_due"],
        "a task that is due at another time is due again"
    );

    let until = again["data"][1]["at"].clone();
    app.post("/v1/me/notices/read").by(&rep).json(json!({"until": until})).await.expect(204);
    let unread = app.get("/v1/me/notices?unread=true").by(&rep).await.expect(200);
    assert_eq!(unread["data"][0]["id"], again["data"][0]["id"]);
    assert_eq!(unread.each("id").len(), 1);
    let read = app.get("/v1/me/notices?unread=false").by(&rep).await.expect(200);
    assert_eq!(read["data"][0]["id"], again["data"][1]["id"]);
}

#[tandem_tests::test]
async fn nobody_else_sees_a_notice_in_the_journal_and_the_feed(app: &TestApp) {
    let (rep, other) = (app.user("sales").await, app.user("sales").await);
    given_task(app, &rep.token, "2026-03-02T09:01:00Z").await;
    app.clock.advance(minutes(2));
    app.run_jobs().await;
    let seen = async |who: &str, path: &str| {
        app.get(&format!("{path}=notice.created")).by(who).await.expect(200).each("type").len()
    };
    // An entry shows in the feed once no older transaction of the whole PostgreSQL server runs, other tests' included.
    while seen(&rep.token, "/v1/changes?wait=1s&types").await == 0 {}
    for path in ["/v1/journal?type", "/v1/changes?types"] {
        assert_eq!(seen(&rep.token, path).await, 1, "{path}");
        assert_eq!(seen(&other.token, path).await, 0, "{path}");
        assert_eq!(seen(&app.admin().await.token, path).await, 0, "{path}");
        let key = app.key(&["journal:read", "changes:read"]).await;
        assert_eq!(seen(&key, path).await, 0, "{path}");
    }
    app.get("/v1/me/notices").by(app.key(&["leads:read"]).await).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_disabled_user_gets_none_and_old_ones_go(app: &TestApp) {
    let (rep, gone) = (app.user("sales").await, app.user("sales").await);
    given_task(app, &rep.token, "2026-03-02T09:01:00Z").await;
    given_task(app, &gone.token, "2026-03-02T09:01:00Z").await;
    let path = format!("/v1/users/{}", gone.id);
    app.patch(&path).by(app.admin().await).json(json!({"disabled": true})).await.expect(200);
    app.clock.advance(minutes(2));
    app.run_jobs().await;
    app.patch(&path).by(app.admin().await).json(json!({"disabled": false})).await.expect(200);
    let notices = async |email: &str| {
        let user = app.login(email).await;
        app.get("/v1/me/notices").by(&user).await.expect(200).each("kind").len()
    };
    assert_eq!((notices(&rep.email).await, notices(&gone.email).await), (1, 0));

    app.clock.advance(hours(89 * 24));
    app.run_jobs().await;
    assert_eq!(notices(&rep.email).await, 1);
    app.clock.advance(hours(25));
    app.run_jobs().await;
    assert_eq!(notices(&rep.email).await, 0);
}

/// A lead that an owner works on, at a stage.
async fn given_owned(app: &TestApp, email: &str, owner: &str, stages: &[(&str, Option<&str>)]) -> String {
    let lead = app.given_lead(email).await.id();
    for (stage, reason) in stages {
        app.moved(&lead, stage, *reason).await;
    }
    let path = format!("/v1/leads/{lead}/assign");
    app.post(&path).by(app.admin().await).json(json!({"owner_id": owner})).await.expect(200);
    lead
}

async fn sends(app: &TestApp, form: &str, email: &str) {
    app.clock.advance(minutes(2));
    crate::tracked::send(app, form, None, email, json!({})).await;
}

#[tandem_tests::test]
async fn an_owner_hears_of_another_form_and_of_a_lead_that_returns(app: &TestApp) {
    let (rep, chief) = (app.user("sales").await, app.user("sales_manager").await);
    let form = crate::tracked::given_form(app).await;
    let active = given_owned(app, "ada@example.com", &rep.id, &[("mql", None), ("sal", None)]).await;
    let out = [("mql", None), ("disqualified", Some("not_a_fit"))];
    let gone = given_owned(app, "bob@example.com", &rep.id, &out).await;
    let nobodys = app.given_lead("carl@elsewhere.example").await.id();
    app.moved(&nobodys, "mql", None).await;
    let of_leads = async |who: &str| {
        let notices = app.get("/v1/me/notices").by(who).await.expect(200);
        let notices = notices["data"].as_array().unwrap().iter();
        let of_leads = notices.filter(|notice| notice["kind"].as_str().unwrap().starts_with("lead_"));
        of_leads.map(|notice| (notice["kind"].clone(), notice["lead_id"].clone())).collect::<Vec<_>>()
    };
    let own = async || of_leads(&rep.token).await;

    sends(app, &form, "ada@example.com").await;
    assert_eq!(own().await, [(json!("lead_active"), json!(active))]);
    sends(app, &form, "bob@example.com").await;
    assert_eq!(own().await[0], (json!("lead_returned"), json!(gone)));
    let tasks = format!("/v1/activities?lead_id={gone}&type=task");
    let task = app.get(&tasks).by(&rep).await.expect(200)["data"][0].clone();
    assert_eq!((&task["owner_id"], &task["user_id"]), (&json!(rep.id), &Value::Null));
    assert_ne!(task["due_at"], Value::Null, "due as soon as a first contact");
    sends(app, &form, "bob@example.com").await;
    assert_eq!(app.get(&tasks).by(&rep).await.expect(200).each("id").len(), 1, "one at a time");
    let day = app.get("/v1/me/work").by(&rep).await.expect(200);
    let listed = day["data"].as_array().unwrap().iter().filter(|item| item["lead_id"] == gone);
    let listed: Vec<&Value> = listed.map(|item| &item["kind"]).collect();
    assert_eq!(listed, [&json!("task")], "its task stands for it");

    sends(app, &form, "carl@elsewhere.example").await;
    let of_chief = of_leads(&chief.token).await;
    assert_eq!(
        of_chief,
        [(json!("lead_active"), json!(nobodys))],
        "what nobody owns concerns the sales managers"
    );
    sends(app, &form, "eve@example.com").await;
    assert_eq!(own().await.len(), 3, "a new lead is no other form");
}
