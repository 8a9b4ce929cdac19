//! Operation: health, the pages of problems, the document and its page, work in the background.

use serde_json::json;
use tandem_api::edge::http::code::Code;
use tandem_tests::{Backend, Given, TestApp, hours};

#[tandem_tests::test]
async fn a_service_that_runs_says_so(app: &TestApp) {
    assert_eq!(app.get("/livez").await.expect(200)["status"], "ok");
    assert_eq!(app.get("/readyz").await.expect(200)["status"], "ok");
    app.running.core.is_stopping.store(true, std::sync::atomic::Ordering::SeqCst);
    app.get("/readyz").await.refused(503, "unavailable");
    app.get("/livez").await.expect(200);
}

#[actix_web::test]
async fn a_file_that_was_moved_away_takes_no_more_writes() {
    let app = TestApp::start(Backend::Sqlite).await.unwrap();
    let by = app.admin().await;
    let create = |n: u32| app.post("/v1/leads").by(by).json(json!({"email": format!("lead{n}@example.com")}));
    create(1).await.expect(201);
    let file = |name: &str| app.database.dir.join(name);
    let (database, log, away) = (file("tandem.db"), file("tandem.db-wal"), file("away"));
    let index = file("tandem.db-shm");
    for (moved, n) in [(&database, 2), (&log, 3), (&index, 5)] {
        std::fs::rename(moved, &away).unwrap();
        let refused = create(n).await.refused(503, "unavailable");
        assert!(refused.header("retry-after").is_some());
        app.get("/readyz").await.refused(503, "unavailable");
        app.get("/livez").await.expect(200);
        std::fs::rename(&away, moved).unwrap();
        create(n).await.expect(201);
        app.get("/readyz").await.expect(200);
    }
    // Another file in its place.
    std::fs::rename(&database, &away).unwrap();
    std::fs::copy(&away, &database).unwrap();
    create(4).await.refused(503, "unavailable");
    app.get("/readyz").await.refused(503, "unavailable");
    std::fs::rename(&away, &database).unwrap();
    create(4).await.expect(201);
    assert_eq!(app.get("/v1/leads").by(by).await.expect(200)["data"].as_array().unwrap().len(), 5);
    app.stop().await;
}

/// What somebody may do to the files in place: the database stays the same file.
#[actix_web::test]
async fn a_file_that_was_overwritten_in_place_takes_no_more_writes() {
    let overwrite = |from: &std::path::Path, to: &std::path::Path| {
        std::fs::write(to, std::fs::read(from).unwrap()).unwrap();
    };
    let cut =
        |path: &std::path::Path| std::fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    for what in ["a backup", "a shorter database", "an empty log"] {
        let app = TestApp::start(Backend::Sqlite).await.unwrap();
        let by = app.admin().await;
        let create =
            |n: u32| app.post("/v1/leads").by(by).json(json!({"email": format!("lead{n}@example.com")}));
        create(1).await.expect(201);
        app.get("/readyz").await.expect(200);
        let file = |name: &str| app.database.dir.join(name);
        match what {
            "a backup" => {
                app.running.core.db.copy_to(&file("backup")).await.unwrap();
                create(2).await.expect(201);
                overwrite(&file("backup"), &file("tandem.db"));
            }
            "a shorter database" => cut(&file("tandem.db")),
            _ => cut(&file("tandem.db-wal")),
        }
        create(3).await.refused(503, "unavailable");
        app.get("/readyz").await.refused(503, "unavailable");
        app.stop().await;
    }
}

#[tandem_tests::test]
async fn metrics_count_by_route_and_name_nobody(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await.id();
    app.get(&format!("/v1/leads/{lead}")).by(app.admin().await).await.expect(200);
    app.get("/v1/leads/lead_x").by(app.admin().await).await.refused(404, "not_found");
    app.get("/metrics").await.refused(404, "not_found");
    app.run_jobs().await;
    let address = app.running.metrics_address.unwrap();
    let mut answer = awc::Client::default().get(format!("http://{address}/metrics")).send().await.unwrap();
    let body = answer.body().await.unwrap();
    let text = std::str::from_utf8(&body).unwrap();
    for line in [
        "tandem_http_requests_total{method=\"POST\",route=\"/v1/leads\",status=\"201\"} 1",
        "tandem_http_requests_total{method=\"GET\",route=\"/v1/leads/{lead_id}\",status=\"200\"} 1",
        "tandem_http_requests_total{method=\"GET\",route=\"/v1/leads/{lead_id}\",status=\"404\"} 1",
        "tandem_http_request_seconds_count{method=\"GET\",route=\"/v1/leads/{lead_id}\"} 2",
        "tandem_job_runs_total{job=\"heartbeat\",outcome=\"done\"} 1",
        "tandem_feed_waiters 0",
        "tandem_queue_items{queue=\"captures\"} 0",
        "tandem_queue_items{queue=\"events\"} 0",
        "tandem_build_info{version=",
        "tandem_database_connections{pool=\"write\",state=\"idle\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("lead_0") && !text.contains("ada@") && !text.contains("lead_x"), "{text}");
}

#[tandem_tests::test]
async fn every_problem_has_its_page(app: &TestApp) {
    let listed = app.get("/problems").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), Code::ALL.len());
    for code in Code::ALL {
        let page = app.get(&format!("/problems/{}", code.slug())).await.expect(200);
        assert_eq!((&page["code"], &page["status"]), (&json!(code.name()), &json!(code.status().as_u16())));
    }
    let html = app.get("/problems/stale").header("accept", "text/html,*/*;q=0.8").await.expect(200);
    assert!(html.header("content-type").unwrap().starts_with("text/html"));
    app.get("/problems/nonsense").await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn the_document_is_served_as_it_was_published(app: &TestApp) {
    let served = app.get("/openapi.json").await.expect(200);
    assert_eq!(served.text, tandem_api::edge::openapi::text(&tandem_api::program::app::document()));
    app.get("/openapi.json").header("if-none-match", served.etag()).await.expect(304);
    let page = app.get("/docs/").await.expect(200);
    assert!(!page.text.contains("https://"), "the page works without internet");
}

#[tandem_tests::test]
async fn the_guides_are_read_and_searched_without_internet(app: &TestApp) {
    let contents = app.get("/docs/guides").await.expect(200);
    assert!(contents.text.contains(r#"<a href="/docs/guides/http">"#), "{}", contents.text);
    let guide = app.get("/docs/guides/http").await.expect(200);
    assert!(guide.text.contains(r#"<h2 id="authentication">"#), "{}", guide.text);
    assert!(!guide.text.contains("src="), "a guide loads nothing");
    app.get("/docs/guides/http").header("if-none-match", guide.etag()).await.expect(304);
    let found = app.get("/docs/guides?q=CORS").await.expect(200);
    assert!(found.text.contains("/docs/guides/http#"), "{}", found.text);
    let escaped = app.get("/docs/guides/?q=%3Cscript%3E").await.expect(200);
    assert!(!escaped.text.contains("<script>"), "{}", escaped.text);
    app.get("/docs/guides/nonsense").await.expect(404);
}

#[tandem_tests::test]
async fn background_work_can_be_done_again_and_again(app: &TestApp) {
    let by = app.admin().await;
    app.post("/v1/leads").by(by).once("k").json(json!({"email": "ada@example.com"})).await.expect(201);
    for _ in 0..3 {
        app.run_jobs().await;
        app.clock.advance(hours(24 * 40));
    }
    app.run_jobs().await;
    let by = app.login("admin@example.com").await;
    let again =
        app.post("/v1/leads").by(&by).once("k").json(json!({"email": "ada@example.com"})).await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), None, "kept answers are forgotten after three days");
}

#[tandem_tests::test]
async fn a_database_that_is_away_is_an_honest_503(app: &TestApp) {
    if app.database.backend == Backend::Sqlite {
        return;
    }
    let by = app.admin().await;
    let raw = app.database.raw().await;
    use sea_orm::ConnectionTrait;
    raw.execute_unprepared("BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let list = app.get("/v1/leads").by(by).await.refused(503, "unavailable");
    assert!(list.header("retry-after").is_some());
    raw.execute_unprepared("ROLLBACK").await.unwrap();
    app.get("/v1/leads").by(by).await.expect(200);
    raw.execute_unprepared("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").await.unwrap();
    let statuses = [app.get("/v1/leads").by(by).await.status, app.get("/v1/leads").by(by).await.status];
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    for _ in 0..20 {
        app.get("/v1/leads").by(by).await;
    }
    app.get("/v1/leads").by(by).await.expect(200);
    raw.close().await.unwrap();
}
