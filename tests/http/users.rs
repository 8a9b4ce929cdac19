//! Users and teams: invited, changed, disabled; what they may changes at once.

use serde_json::json;
use tandem_domain::access::{Role, Scope};
use tandem_tests::{PASSWORD, TestApp, seconds};

#[tandem_tests::test]
async fn an_invited_user_chooses_a_password(app: &TestApp) {
    let ada = app.admin().await;
    let body = json!({"email": "sam@example.com", "name": "Sam", "role": "sales"});
    let made = app.post("/v1/users").by(ada).json(body.clone()).await.expect(201);
    let invitation = made["invitation_token"].as_str().unwrap().to_owned();
    app.post("/v1/users").by(ada).json(body).await.refused(409, "already_exists");

    let accept = |token: &str, password: &str| {
        app.post("/v1/auth/accept").json(json!({"token": token, "password": password}))
    };
    accept(&invitation, "short").await.refused(422, "validation_failed");
    assert!(accept("tdm_it_wrong", PASSWORD).await.status >= 400);
    assert!(accept(&invitation, PASSWORD).await.status < 300);
    assert!(accept(&invitation, PASSWORD).await.status >= 400, "a token is good once");
    let sam = app.login("sam@example.com").await;
    assert_eq!(sam.id, made.id());
    let read = app.get(&format!("/v1/users/{}", sam.id)).by(ada).await.expect(200);
    assert!(read.body.get("invitation_token").is_none_or(|token| token.is_null()), "shown once");
}

#[tandem_tests::test]
async fn a_reset_token_gives_a_new_password(app: &TestApp) {
    let sam = app.user("sales").await;
    let path = format!("/v1/users/{}/reset-token", sam.id);
    let reset = app.post(&path).by(app.admin().await).await;
    assert!(reset.status < 300, "{}", reset.text);
    let told = app.get("/v1/journal?type=user.reset_token_created").by(app.admin().await).await.expect(200);
    let entry = &told["data"][0];
    assert_eq!(
        (&entry["actor"]["id"], &entry["subject"]["id"]),
        (&json!(app.admin().await.id), &json!(sam.id))
    );
    assert!(!told.text.contains("tdm_it_"));
    let token = reset
        .body
        .as_object()
        .unwrap()
        .values()
        .filter_map(|value| value.as_str())
        .find(|t| t.starts_with("tdm_it_"));
    let body = json!({"token": token.unwrap(), "password": "a new horse battery"});
    assert!(app.post("/v1/auth/accept").json(body).await.status < 300);
    let old = json!({"email": sam.email, "password": PASSWORD});
    app.post("/v1/auth/login").json(old).await.refused(401, "invalid_credentials");
}

#[tandem_tests::test]
async fn the_last_admin_stays(app: &TestApp) {
    let ada = app.admin().await;
    let path = format!("/v1/users/{}", ada.id);
    app.patch(&path).by(ada).json(json!({"disabled": true})).await.refused(409, "last_admin");
    app.patch(&path).by(ada).json(json!({"role": "viewer"})).await.refused(409, "last_admin");

    let eve = app.user("viewer").await;
    app.patch(&format!("/v1/users/{}", eve.id)).by(ada).json(json!({"admin": true})).await.expect(200);
    app.patch(&path).by(ada).json(json!({"role": "viewer"})).await.expect(200);
    app.clock.advance(seconds(1));
    app.get("/v1/users").by(&eve).await.expect(200);
    app.post("/v1/teams")
        .by(ada)
        .json(json!({"name": "x", "members": []}))
        .await
        .refused(403, "insufficient_scope");
    app.patch(&format!("/v1/users/{}", eve.id))
        .by(&eve)
        .json(json!({"admin": false}))
        .await
        .refused(409, "last_admin");
}

#[tandem_tests::test]
async fn an_admin_who_was_only_invited_does_not_count(app: &TestApp) {
    let ada = app.admin().await;
    let body = json!({"email": "eve@example.com", "name": "Eve", "role": "admin"});
    let eve = app.post("/v1/users").by(ada).json(body).await.expect(201);
    let path = format!("/v1/users/{}", ada.id);
    app.patch(&path).by(ada).json(json!({"disabled": true})).await.refused(409, "last_admin");
    app.patch(&path).by(ada).json(json!({"role": "viewer"})).await.refused(409, "last_admin");

    let accepted = json!({"token": eve["invitation_token"], "password": PASSWORD});
    app.post("/v1/auth/accept").json(accepted).await.expect(204);
    app.patch(&path).by(ada).json(json!({"role": "viewer"})).await.expect(200);
}

#[tandem_tests::test]
async fn a_changed_role_counts_at_once(app: &TestApp) {
    let mia = app.user("marketing").await;
    app.post("/v1/leads").by(&mia).json(json!({"email": "a@example.com"})).await.expect(201);
    let path = format!("/v1/users/{}", mia.id);
    app.patch(&path).by(app.admin().await).json(json!({"role": "viewer"})).await.expect(200);
    app.post("/v1/leads")
        .by(&mia)
        .json(json!({"email": "b@example.com"}))
        .await
        .refused(403, "insufficient_scope");
    app.get("/v1/leads").by(&mia).await.expect(200);
}

#[tandem_tests::test]
async fn a_disabled_user_is_out_at_once_and_may_come_back(app: &TestApp) {
    let sam = app.user("sales").await;
    let path = format!("/v1/users/{}", sam.id);
    app.patch(&path).by(app.admin().await).json(json!({"disabled": true})).await.expect(200);
    app.get("/v1/me").by(&sam).await.refused(401, "invalid_token");
    let login = json!({"email": sam.email, "password": PASSWORD});
    app.post("/v1/auth/login").json(login).await.refused(401, "invalid_credentials");
    app.post("/v1/auth/refresh")
        .json(json!({"refresh_token": sam.refresh}))
        .await
        .refused(401, "invalid_token");
    app.patch(&path).by(app.admin().await).json(json!({"disabled": false})).await.expect(200);
    app.login(&sam.email).await;
}

#[tandem_tests::test]
async fn a_user_is_changed_on_the_version_that_was_read(app: &TestApp) {
    let (ada, sam) = (app.admin().await, app.user("sales").await);
    let path = format!("/v1/users/{}", sam.id);
    let read = app.get(&path).by(ada).await.expect(200);
    app.patch(&path).by(ada).header("if-match", read.etag()).json(json!({"name": "Sam"})).await.expect(200);
    app.patch(&path)
        .by(ada)
        .header("if-match", read.etag())
        .json(json!({"name": "Sue"}))
        .await
        .refused(412, "stale");
    app.get(&path).by(ada).header("if-none-match", read.etag()).await.expect(200);
    let now = app.get(&path).by(ada).await.expect(200);
    assert_eq!(now["name"], "Sam");
    app.get(&path).by(ada).header("if-none-match", now.etag()).await.expect(304);
    app.get("/v1/users/user_01h455vb4pex5vsknk084sn02q").by(ada).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn a_team_has_members(app: &TestApp) {
    let (ada, sam) = (app.admin().await, app.user("sales").await);
    let body = json!({"name": "North", "members": [sam.id]});
    let team = app.post("/v1/teams").by(ada).json(body.clone()).await.expect(201);
    app.post("/v1/teams").by(ada).json(body).await.refused(409, "already_exists");
    let path = format!("/v1/teams/{}", team.id());
    assert_eq!(app.get(&path).by(&sam).await.expect(200)["members"], json!([sam.id]));
    let changed = app.patch(&path).by(ada).json(json!({"members": [ada.id, sam.id]})).await.expect(200);
    assert_eq!(changed["members"].as_array().unwrap().len(), 2);
    let unknown = json!({"members": ["user_01h455vb4pex5vsknk084sn02q"]});
    app.patch(&path).by(ada).json(unknown).await.refused(422, "validation_failed");
    assert_eq!(app.get("/v1/teams").by(ada).await.expect(200).each("name"), ["North"]);
}

#[tandem_tests::test]
async fn users_are_listed_page_by_page(app: &TestApp) {
    let ada = app.admin().await;
    for _ in 0..4 {
        app.user("viewer").await;
    }
    let first = app.get("/v1/users?limit=3").by(ada).await.expect(200);
    assert_eq!((first.each("id").len(), &first["has_more"]), (3, &json!(true)));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/v1/users?limit=3&cursor={cursor}")).by(ada).await.expect(200);
    assert_eq!((second.each("id").len(), &second["has_more"]), (2, &json!(false)));
}

#[tandem_tests::test(postgres)]
async fn a_changed_role_counts_on_every_replica_within_a_second(app: &TestApp) {
    let other = app.second_server().await;
    let mia = app.user("marketing").await;
    other.post("/v1/leads").by(&mia).json(json!({"email": "a@example.com"})).await.expect(201);
    let path = format!("/v1/users/{}", mia.id);
    app.patch(&path).by(app.admin().await).json(json!({"role": "viewer"})).await.expect(200);
    app.clock.advance(seconds(1));
    let refused = other.post("/v1/leads").by(&mia).json(json!({"email": "b@example.com"})).await;
    refused.refused(403, "insufficient_scope");
    app.patch(&path).by(app.admin().await).json(json!({"disabled": true})).await.expect(200);
    app.clock.advance(seconds(1));
    other.get("/v1/me").by(&mia).await.refused(401, "invalid_token");
    other.stop().await;
}

#[tandem_tests::test]
async fn a_key_deals_with_no_admin_and_gains_no_right_by_a_user(app: &TestApp) {
    let admin = app.admin().await;
    let reading: Vec<&str> =
        Role::Viewer.scopes().filter(|scope| scope.is_for_keys()).map(Scope::name).collect();
    let key = app.key(&[&["users:manage"], &reading[..]].concat()).await;
    let bare = app.key(&["users:manage"]).await;
    let create = |key: &str, role: &str, is_admin: bool| {
        let email = format!("{role}{}@example.com", app.next());
        let user =
            json!({"email": email, "name": "N", "role": role, "admin": is_admin, "password": PASSWORD});
        app.post("/v1/users").by(key).header("x-on-behalf-of", &admin.id).json(user)
    };
    create(&key, "admin", false).await.refused(403, "wrong_role");
    create(&key, "viewer", true).await.refused(403, "wrong_role");
    assert_eq!(
        create(&bare, "viewer", false).await.refused(403, "insufficient_scope")["scope"],
        "leads:read"
    );
    assert_eq!(create(&key, "sales", false).await.refused(403, "insufficient_scope")["scope"], "leads:write");
    let viewer = create(&key, "viewer", false).await.expect(201).id();
    let path = |user: &str| format!("/v1/users/{user}");
    let sales = app.user("sales").await;

    for change in [json!({"name": "Mine"}), json!({"disabled": true}), json!({"role": "viewer"})] {
        app.patch(&path(&admin.id)).by(&key).json(change).await.refused(403, "wrong_role");
    }
    for change in [json!({"role": "admin"}), json!({"admin": true})] {
        app.patch(&path(&viewer)).by(&key).json(change).await.refused(403, "wrong_role");
    }
    app.patch(&path(&viewer))
        .by(&key)
        .json(json!({"role": "sales"}))
        .await
        .refused(403, "insufficient_scope");
    app.patch(&path(&viewer)).by(&key).json(json!({"name": "New"})).await.expect(200);
    app.patch(&path(&sales.id)).by(&key).json(json!({"disabled": true})).await.expect(200);
    let back = app.patch(&path(&sales.id)).by(&key).json(json!({"disabled": false})).await;
    back.refused(403, "insufficient_scope");
    app.patch(&path(&sales.id)).by(app.admin().await).json(json!({"disabled": false})).await.expect(200);

    let reset = |user: &str| app.post(&format!("{}/reset-token", path(user))).by(&key);
    reset(&admin.id).await.refused(403, "wrong_role");
    reset(&sales.id).await.refused(403, "insufficient_scope");
    reset(&viewer).await.expect(201);
}
