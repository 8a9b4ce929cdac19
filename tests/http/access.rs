//! Logging in and staying logged in: set-up, sessions, passwords, throttling, signing keys.

use sea_orm::ConnectionTrait;
use serde_json::json;
use tandem_tests::{Backend, Given, PASSWORD, TestApp, hours, minutes, seconds};

const OTHER_PASSWORD: &str = "another horse battery";

async fn refresh(app: &TestApp, token: &str) -> tandem_tests::Answer {
    app.post("/v1/auth/refresh").json(json!({"refresh_token": token})).await
}

async fn attempt(app: &TestApp, email: &str, password: &str) -> tandem_tests::Answer {
    app.post("/v1/auth/login").json(json!({"email": email, "password": password})).await
}

#[tandem_tests::test]
async fn the_first_admin_is_made_once(app: &TestApp) {
    let setup = |token: &str| {
        let body = json!({"token": token, "email": "Ada@Example.com", "name": "Ada", "password": PASSWORD});
        app.post("/v1/setup").json(body)
    };
    let first = app.setup_token().await;
    let second = app.setup_token().await;
    assert!(setup("tdm_it_wrong").await.status >= 400);
    setup(&first).await.expect(201); // each replica that starts has printed one of its own
    setup(&second).await.refused(409, "setup_completed");
    assert_eq!(tandem_api::access::ensure_setup_token(&app.running.core).await.unwrap(), None);
    let ada = app.login("ada@example.com").await;
    let me = app.get("/v1/me").by(&ada).await.expect(200);
    assert_eq!((&me["user"]["email"], &me["user"]["role"]), (&json!("ada@example.com"), &json!("admin")));
}

#[tandem_tests::test]
async fn users_who_cannot_log_in_keep_nobody_from_setting_up(app: &TestApp) {
    let ada = app.admin().await;
    let raw = app.database.raw().await;
    raw.execute_unprepared("DELETE FROM passwords").await.unwrap(); // as if she had been imported
    raw.close().await.unwrap();
    let body = |email: &str, token: &str| json!({"token": token, "email": email, "name": "Grace", "password": PASSWORD});
    let token = app.setup_token().await;
    app.post("/v1/setup").json(body("admin@example.com", &token)).await.refused(409, "already_exists");
    app.post("/v1/setup").json(body("grace@example.com", &token)).await.expect(201);
    let grace = app.login("grace@example.com").await;
    let found = app.get("/v1/users").by(&grace).await.expect(200).each("email");
    assert_eq!(found.len(), 2, "{found:?} {}", ada.id);
}

#[tandem_tests::test]
async fn a_login_answers_tokens(app: &TestApp) {
    app.admin().await;
    let tokens = attempt(app, " ADMIN@example.com", PASSWORD).await.expect(200);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert!(tokens["refresh_token"].as_str().unwrap().starts_with("tdm_rt_"));
}

#[tandem_tests::test]
async fn a_stranger_is_told_nothing_about_accounts(app: &TestApp) {
    app.admin().await;
    let known = attempt(app, "admin@example.com", "wrong password").await.refused(401, "invalid_credentials");
    let unknown =
        attempt(app, "nobody@example.com", "wrong password").await.refused(401, "invalid_credentials");
    assert_eq!((&known["detail"], &known["title"]), (&unknown["detail"], &unknown["title"]));
}

#[tandem_tests::test]
async fn an_access_token_ends_after_fifteen_minutes(app: &TestApp) {
    let ada = app.admin().await;
    app.clock.advance(minutes(14));
    app.get("/v1/me").by(ada).await.expect(200);
    app.clock.advance(minutes(2));
    app.get("/v1/me").by(ada).await.refused(401, "invalid_token");
}

#[tandem_tests::test]
async fn a_refresh_token_is_used_once(app: &TestApp) {
    let ada = app.admin().await;
    let second = refresh(app, &ada.refresh).await.expect(200);
    let third = refresh(app, second["refresh_token"].as_str().unwrap()).await.expect(200);
    app.get("/v1/me").by(third["access_token"].as_str().unwrap()).await.expect(200);

    app.clock.advance(seconds(11));
    refresh(app, &ada.refresh).await.refused(401, "invalid_token");
    refresh(app, third["refresh_token"].as_str().unwrap()).await.refused(401, "invalid_token");
    app.clock.advance(seconds(2));
    app.get("/v1/me").by(third["access_token"].as_str().unwrap()).await.refused(401, "invalid_token");
    app.login(&ada.email).await;
}

#[tandem_tests::test]
async fn a_lost_answer_to_a_refresh_logs_nobody_out(app: &TestApp) {
    let ada = app.admin().await;
    let lost = refresh(app, &ada.refresh).await.expect(200);
    app.clock.advance(seconds(9));
    let again = refresh(app, &ada.refresh).await.expect(200);
    assert_eq!(lost["refresh_token"], again["refresh_token"], "the same successor");
    refresh(app, again["refresh_token"].as_str().unwrap()).await.expect(200);
}

#[tandem_tests::test]
async fn a_refresh_token_ends(app: &TestApp) {
    let ada = app.admin().await;
    app.clock.advance(hours(24 * 400));
    refresh(app, &ada.refresh).await.refused(401, "invalid_token");
    refresh(app, "tdm_rt_0000000000000000000000000000000000000000000").await.refused(401, "invalid_token");
}

#[tandem_tests::test]
async fn who_logs_out_is_out(app: &TestApp) {
    let ada = app.admin().await;
    let elsewhere = app.login(&ada.email).await;
    app.post("/v1/auth/logout").by(ada).json(json!({"refresh_token": ada.refresh})).await.expect(204);
    app.clock.advance(seconds(1));
    app.get("/v1/me").by(ada).await.refused(401, "invalid_token");
    refresh(app, &ada.refresh).await.refused(401, "invalid_token");
    app.get("/v1/me").by(&elsewhere).await.expect(200);
}

#[tandem_tests::test]
async fn a_changed_password_ends_the_other_sessions(app: &TestApp) {
    let ada = app.admin().await;
    let elsewhere = app.login(&ada.email).await;
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        app.post("/v1/auth/password").by(ada).json(body)
    };
    let short = change(PASSWORD, "short").await.refused(422, "validation_failed");
    assert_eq!(short.violations()[0].0, "#/new_password");
    assert!(change("wrong password", OTHER_PASSWORD).await.status >= 400);
    change(PASSWORD, OTHER_PASSWORD).await.expect(204);

    app.clock.advance(seconds(1));
    app.get("/v1/me").by(ada).await.expect(200);
    app.get("/v1/me").by(&elsewhere).await.refused(401, "invalid_token");
    refresh(app, &elsewhere.refresh).await.refused(401, "invalid_token");
    attempt(app, &ada.email, PASSWORD).await.refused(401, "invalid_credentials");
    attempt(app, &ada.email, OTHER_PASSWORD).await.expect(200);
}

#[tandem_tests::test]
async fn guessing_at_one_account_is_slowed_down(app: &TestApp) {
    let ada = app.admin().await;
    for _ in 0..10 {
        attempt(app, &ada.email, "wrong password").await.refused(401, "invalid_credentials");
    }
    let slowed = attempt(app, &ada.email, PASSWORD).await.refused(429, "too_many_requests");
    let wait: i64 = slowed.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
    app.get("/v1/me").by(ada).await.expect(200);
    app.clock.advance(seconds(wait + 1));
    attempt(app, &ada.email, PASSWORD).await.expect(200);
    attempt(app, &ada.email, "wrong password").await.refused(401, "invalid_credentials");
}

/// An address that has logged in before is not kept out by guesses from elsewhere, and these are bounded all together.
#[actix_web::test]
async fn nobody_is_kept_out_by_the_guesses_of_others() {
    let behind_proxy = TestApp::start_with(Backend::Sqlite, |config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let app = behind_proxy.await.unwrap();
    let ada = app.admin().await;
    let from = |address: String, password: &str| {
        let body = json!({"email": ada.email, "password": password});
        app.post("/v1/auth/login").header("x-forwarded-for", address).json(body)
    };
    let (home, office) = ("198.51.100.1", "198.51.100.2");
    from(home.into(), PASSWORD).await.expect(200);
    for _ in 0..10 {
        from("203.0.113.1".into(), "wrong password").await.refused(401, "invalid_credentials");
    }
    from("203.0.113.1".into(), PASSWORD).await.refused(429, "too_many_requests");
    from(office.into(), PASSWORD).await.expect(200);

    let mut refused = 0;
    for n in 2..30 {
        for _ in 0..10 {
            let status = from(format!("203.0.113.{n}"), "wrong password").await.status;
            refused += u32::from(status == 429);
        }
    }
    assert!(refused > 150, "all addresses together guess a hundred times at most: {refused}");
    from("198.51.100.3".into(), PASSWORD).await.refused(429, "too_many_requests");
    for known in [home, office] {
        from(known.into(), PASSWORD).await.expect(200);
    }
    app.stop().await;
}

#[tandem_tests::test]
async fn a_clock_that_is_set_back_keeps_no_right_password_out(app: &TestApp) {
    let ada = app.admin().await;
    for _ in 0..10 {
        attempt(app, &ada.email, "wrong password").await.refused(401, "invalid_credentials");
    }
    for back in [hours(1), hours(30)] {
        app.clock.advance(-back);
        let tokens = attempt(app, &ada.email, PASSWORD).await.expect(200);
        app.get("/v1/me").by(tokens["access_token"].as_str().unwrap()).await.expect(200);
    }
}

#[tandem_tests::test]
async fn a_password_that_is_guessed_first_is_refused(app: &TestApp) {
    let ada = app.admin().await;
    for common in ["password123", "Qwertyuiop2026!", "1234567890", "passwordpassword", "tandem-2026-tandem"] {
        let body = json!({"email": "sam@example.com", "name": "Sam", "role": "sales", "password": common});
        let refused = app.post("/v1/users").by(ada).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [("#/password", "too_common")]);
        let body = json!({"current_password": PASSWORD, "new_password": common});
        let refused =
            app.post("/v1/auth/password").by(ada).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [("#/new_password", "too_common")]);
    }
}

#[tandem_tests::test]
async fn a_known_password_ends_the_count_of_wrong_ones(app: &TestApp) {
    let ada = app.admin().await;
    for _ in 0..3 {
        for _ in 0..8 {
            attempt(app, &ada.email, "wrong password").await.refused(401, "invalid_credentials");
        }
        attempt(app, &ada.email, PASSWORD).await.expect(200);
    }
}

#[tandem_tests::test]
async fn signing_keys_change_and_tokens_stay_good(app: &TestApp) {
    let ada = app.admin().await;
    let before = app.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(before["keys"].as_array().unwrap().len(), 1);
    assert_eq!(before["keys"][0]["alg"], "EdDSA");
    let rotated = app.post("/v1/signing-keys/rotate").by(ada).await.expect(200);
    let told = app.get("/v1/journal?subject_type=signing_key").by(ada).await.expect(200);
    assert_eq!(told.each("type"), ["signing_key.rotated"]);
    let entry = &told["data"][0];
    assert_eq!((&entry["actor"]["id"], &entry["data"]["kid"]), (&json!(ada.id), &rotated["kid"]));
    app.clock.advance(seconds(2));

    let after = app.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(after["keys"].as_array().unwrap().len(), 2);
    app.get("/v1/me").by(ada).await.expect(200);
    let again = app.login(&ada.email).await;
    app.get("/v1/me").by(&again).await.expect(200);
}

#[tandem_tests::test]
async fn a_token_that_was_tampered_with_is_no_token(app: &TestApp) {
    let ada = app.admin().await;
    let parts: Vec<&str> = ada.token.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let flipped = if parts[1].ends_with('A') { "B" } else { "A" };
    for token in [
        format!("{}.{}{flipped}.{}", parts[0], parts[1], parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        ada.refresh.clone(),
        "x".repeat(4000),
    ] {
        app.get("/v1/me").by(&token).await.refused(401, "invalid_token");
    }
    app.get("/v1/me").header("authorization", "Basic YTpi").await.refused(401, "invalid_token");
    assert!(app.get("/v1/me").await.refused(401, "unauthenticated").header("www-authenticate").is_some());
}

#[tandem_tests::test]
async fn a_credential_in_an_address_is_refused(app: &TestApp) {
    let ada = app.admin().await;
    let key = app.key(&["leads:read"]).await;
    for query in [
        format!("q={key}"),
        format!("access_token={}", ada.token),
        format!("q={}", ada.token),
        format!("limit={}", ada.refresh),
        "api_key=x".into(),
        "password=x".into(),
    ] {
        app.get(&format!("/v1/leads?{query}")).by(ada).await.refused(400, "credential_in_url");
    }
}

#[tandem_tests::test(postgres)]
async fn a_session_is_over_on_every_replica_within_a_second(app: &TestApp) {
    let other = app.second_server().await;
    let ada = app.admin().await;
    other.get("/v1/me").by(ada).await.expect(200);
    app.post("/v1/auth/logout").by(ada).json(json!({})).await.expect(204);
    app.clock.advance(seconds(1));
    other.get("/v1/me").by(ada).await.refused(401, "invalid_token");
    other.stop().await;
}

#[tandem_tests::test(postgres)]
async fn a_signing_key_of_one_replica_is_known_to_the_other(app: &TestApp) {
    let other = app.second_server().await;
    let ada = app.admin().await;
    assert!(app.post("/v1/signing-keys/rotate").by(ada).await.status < 300);
    let again = app.login(&ada.email).await;
    app.clock.advance(seconds(1));
    other.get("/v1/me").by(&again).await.expect(200);
    other.get("/v1/me").by(ada).await.expect(200);
    other.stop().await;
}
