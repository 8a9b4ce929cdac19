//! Bad input: each case has its exact code, nothing is done, nothing is echoed, nothing hangs.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

async fn raw(app: &TestApp, body: impl Into<Vec<u8>>) -> Answer {
    app.post("/v1/leads").by(app.admin().await).body("application/json", body).await
}

async fn post(app: &TestApp, body: Value) -> Answer {
    raw(app, body.to_string()).await
}

/// A lead with one more member, which is wrong in one way.
fn with(member: &str, value: Value) -> Value {
    let mut body = json!({"email": "ada@example.com"});
    body[member] = value;
    body
}

#[tandem_tests::test]
async fn what_is_no_json_is_refused(app: &TestApp) {
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"nul",
        b"{'email': 'a@example.com'}",
        b"{\"email\": \"a@example.com\"} x",
        b"{\"email\": \"a@example.com\",}",
        b"\xef\xbb\xbf{\"email\": \"a@example.com\"}",
        b"{\"first_name\": \"\\ud800\"}",
        b"{\"first_name\": \"\\udc00\\ud800\"}",
        b"{\"observed_at\": 1e400}",
        b"{\"first_name\": \"\xff\xfe\"}",
        b"{\"first_name\": \"\xed\xa0\x80\"}",
        b"{\"a\": NaN}",
        b"{\"a\": 01}",
        b"{\"first_name\": \"tab\there\"}",
        b"\x00",
        b"[1,2",
        b"{\"email\"}",
    ] {
        let refused = raw(app, body).await.refused(400, "malformed_json");
        assert_eq!(refused.violations()[0].0, "#", "{}", String::from_utf8_lossy(body));
    }
}

#[tandem_tests::test]
async fn a_key_that_comes_twice_is_refused(app: &TestApp) {
    for (body, place) in [
        (r##"{"email": "a@example.com", "email": "b@example.com"}"##, "#/email"),
        (r##"{"email": "a@example.com", "em\u0061il": "b@example.com"}"##, "#/email"),
        (r##"{"company": {"name": "a", "name": "a"}}"##, "#/company/name"),
    ] {
        assert_eq!(
            raw(app, body).await.refused(400, "duplicate_key").violations(),
            [(place, "duplicate_key")]
        );
    }
}

#[tandem_tests::test]
async fn a_nul_is_refused_wherever_it_hides(app: &TestApp) {
    for body in
        [r##"{"first_name": "a\u0000b"}"##, r##"{"a\u0000b": 1}"##, r##"{"custom": {"x": ["\u0000"]}}"##]
    {
        raw(app, body).await.refused(400, "forbidden_character");
    }
}

#[tandem_tests::test]
async fn depth_is_limited(app: &TestApp) {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    raw(app, format!("{{\"custom\": {}}}", nested(31))).await.refused(422, "validation_failed");
    raw(app, format!("{{\"custom\": {}}}", nested(32))).await.refused(400, "too_deep");
    raw(app, "[".repeat(1024 * 1024)).await.refused(400, "too_deep");
    raw(app, "{\"a\":".repeat(100_000)).await.refused(400, "too_deep");
}

#[tandem_tests::test]
async fn size_is_limited(app: &TestApp) {
    let body =
        |bytes: usize| format!("{{\"email\": \"a@example.com\", \"need\": \"{}\"}}", "x".repeat(bytes));
    raw(app, body(1024 * 1024)).await.refused(413, "body_too_large");
    raw(app, body(1024 * 1024 - 100)).await.refused(422, "validation_failed");
    raw(app, body(4000)).await.expect(201);
    assert_eq!(
        raw(app, body(4001)).await.refused(422, "validation_failed").violations(),
        [("#/need", "too_long")]
    );
}

#[tandem_tests::test]
async fn a_wrong_value_is_named_by_place_and_rule(app: &TestApp) {
    let long = "x".repeat(201);
    for (member, value, place, code) in [
        ("first_name", json!(5), "#/first_name", "invalid_type"),
        ("first_name", json!(long), "#/first_name", "too_long"),
        ("first_name", json!(["Ada"]), "#/first_name", "invalid_type"),
        ("job_title", json!(long), "#/job_title", "too_long"),
        ("country", json!("1!"), "#/country", "invalid_format"),
        ("language", json!("en_GB"), "#/language", "invalid_format"),
        ("emails", json!("a@example.com"), "#/emails", "invalid_type"),
        ("emails", json!([5]), "#/emails/0", "invalid_type"),
        ("emails", json!(vec!["a@example.com"; 51]), "#/emails", "too_many_items"),
        ("external_id", json!({"system": "crm"}), "#/external_id/id", "required"),
        ("external_id", json!({"system": "c r m", "id": "1"}), "#/external_id/system", "invalid_format"),
        ("external_id", json!({"system": "crm", "id": ""}), "#/external_id/id", "too_short"),
        ("external_id", json!({"system": "crm", "id": "1", "x": 1}), "#/external_id/x", "unknown_field"),
        ("company", json!("Example"), "#/company", "invalid_type"),
        (
            "company",
            json!({"domain": "example.com", "employees": 1.5}),
            "#/company/employees",
            "invalid_type",
        ),
        (
            "company",
            json!({"domain": "example.com", "employees": 10_000_001}),
            "#/company/employees",
            "out_of_range",
        ),
        (
            "company",
            json!({"domain": "example.com", "employees": 1e30}),
            "#/company/employees",
            "out_of_range",
        ),
        ("first_touch", json!({"source": ""}), "#/first_touch/source", "too_short"),
        ("observed_at", json!("2026-02-30T00:00:00Z"), "#/observed_at", "invalid_format"),
        ("observed_at", json!("2026-03-02"), "#/observed_at", "invalid_format"),
        ("observed_at", json!("0000-01-01T00:00:00Z"), "#/observed_at", "invalid_format"),
        ("observed_at", json!("10000-01-01T00:00:00Z"), "#/observed_at", "invalid_format"),
        ("observed_at", json!(1_772_442_000), "#/observed_at", "invalid_type"),
        ("id", json!("user_01h455vb4pex5vsknk084sn02q"), "#/id", "invalid_format"),
        ("id", json!("lead_81h455vb4pex5vsknk084sn02q"), "#/id", "invalid_format"),
        ("stage", json!("mql"), "#/stage", "read_only_field"),
        ("created_at", json!("2026-03-02T09:00:00Z"), "#/created_at", "read_only_field"),
        ("score", json!({"fit": 99}), "#/score", "read_only_field"),
        ("lead_touch", json!({"source": "x"}), "#/lead_touch", "read_only_field"),
        ("company", json!({"domain": "example.com", "id": "x"}), "#/company/id", "read_only_field"),
        ("emial", json!("a@example.com"), "#/emial", "unknown_field"),
        ("a/b~c", json!(1), "#/a~1b~0c", "unknown_field"),
    ] {
        let refused = post(app, with(member, value)).await.refused(422, "validation_failed");
        let mut found = refused.violations();
        found.dedup(); // a value may break two rules of one kind: its format and its pattern
        assert_eq!(found, [(place, code)], "{}", refused.text);
    }
    for body in [json!([]), json!("x"), json!(5), json!(null), json!(true)] {
        assert_eq!(
            post(app, body).await.refused(422, "validation_failed").violations(),
            [("#", "invalid_type")]
        );
    }
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id").len(), 0);
}

#[tandem_tests::test]
async fn what_is_only_shown_is_refused_by_its_name(app: &TestApp) {
    let by = app.admin().await;
    let lead = format!("/v1/leads/{}", app.given_lead("ada@example.com").await.id());
    let company = app.post("/v1/companies").by(by).json(json!({"domain": "example.org"})).await.expect(201);
    let team = app.post("/v1/teams").by(by).json(json!({"name": "North"})).await.expect(201);
    for (path, member, value) in [
        (&lead, "score", json!({"fit": 99})),
        (&lead, "last_non_direct_touch", json!({"source": "x"})),
        (&lead, "lead_touch", json!(null)),
        (&format!("/v1/companies/{}", company.id()), "created_at", company["created_at"].clone()),
        (&format!("/v1/teams/{}", team.id()), "id", json!(team.id())),
    ] {
        let mut body = json!({});
        body[member] = value;
        let refused = app.patch(path).by(by).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [(format!("#/{member}").as_str(), "read_only_field")]);
    }
}

#[tandem_tests::test]
async fn no_value_is_echoed(app: &TestApp) {
    let secret = "s3cr3t-value";
    for body in [
        with("frist_name", json!(secret)),
        with("first_name", json!([secret])),
        with("country", json!(secret)),
        with("external_id", json!({"system": secret.repeat(9), "id": 1})),
        json!({"email": secret}),
        json!({"phone": secret}),
    ] {
        let refused = post(app, body).await;
        assert!(refused.status >= 400 && !refused.text.contains(secret), "{}", refused.text);
    }
    let refused = app
        .get(&format!("/v1/leads?country={secret}&sort={secret}&stage={secret}"))
        .by(app.admin().await)
        .await;
    assert!(refused.status == 400 && !refused.text.contains(secret), "{}", refused.text);
}

#[tandem_tests::test]
async fn strange_but_sound_text_is_kept_as_it_is(app: &TestApp) {
    for (n, name) in [
        "محمد",
        "\u{202e}evil\u{202c}",
        "👩‍👩‍👧‍👦",
        "Zoë\u{301}",
        "名前",
        "O'Brien; DROP TABLE leads;--",
        "<script>",
        "a\u{7f}b",
        "\u{fffd}",
        "%s %n {{x}}",
    ]
    .into_iter()
    .enumerate()
    {
        let lead =
            post(app, json!({"email": format!("lead{n}@example.com"), "first_name": name})).await.expect(201);
        assert_eq!(lead["first_name"], name);
        let read = app.get(&format!("/v1/leads/{}", lead.id())).by(app.admin().await).await.expect(200);
        assert_eq!(read["first_name"], name);
    }
    let wide = "👩".repeat(200);
    assert_eq!(
        post(app, with("first_name", json!(wide))).await.expect(201)["first_name"],
        wide,
        "characters count, not bytes"
    );
    assert_eq!(
        post(app, with("last_name", json!("  "))).await.expect(200)["last_name"],
        Value::Null,
        "blank is empty"
    );
}

#[tandem_tests::test]
async fn the_ends_of_time_and_numbers_are_kept(app: &TestApp) {
    for at in [
        "0001-01-01T00:00:00Z",
        "9999-12-30T00:00:00Z",
        "2026-03-02T09:00:00.123456789+05:30",
        "1969-12-31T23:59:59.999Z",
    ] {
        post(app, with("observed_at", json!(at))).await;
    }
    let company = |employees: &str| {
        format!(
            "{{\"email\": \"ada@example.com\", \"company\": {{\"domain\": \"example.com\", \"employees\": {employees}}}}}"
        )
    };
    for (text, value) in [("12.0", 12), ("1e2", 100), ("0", 0), ("10000000", 10_000_000)] {
        app.clock.advance(1000);
        assert_eq!(raw(app, company(text)).await.expect(200)["company"]["employees"], value, "{text}");
    }
}

#[tandem_tests::test]
async fn headers_and_media_types_are_read_strictly(app: &TestApp) {
    let by = app.admin().await;
    let body = json!({"email": "ada@example.com"}).to_string();
    let send = |kind: &str| app.post("/v1/leads").by(by).body(kind, body.clone());
    for kind in ["application/json; charset=utf-8", "application/json;charset=UTF-8", "application/json"] {
        assert!(send(kind).await.status < 300, "{kind}");
    }
    for kind in [
        "application/json; charset=latin1",
        "text/json",
        "application/xml",
        "multipart/form-data; boundary=x",
        "nonsense",
    ] {
        send(kind).await.refused(415, "unsupported_media_type");
    }
    for key in ["x".repeat(256), "with space".into(), "ü".into()] {
        send("application/json").once(&key).await.refused(400, "invalid_header");
    }
    send("application/json").once("x".repeat(255)).await.expect(200);
}

#[tandem_tests::test]
async fn a_head_is_limited(app: &TestApp) {
    let by = app.admin().await;
    let sent = |query: usize, header: usize| {
        app.get(&format!("/v1/me?q={}", "x".repeat(query))).by(by).header("x-notes", "x".repeat(header))
    };
    for (query, header) in [(33_000, 0), (0, 33_000), (17_000, 17_000)] {
        sent(query, header).await.refused(431, "head_too_large");
    }
    sent(16_000, 15_000).await.refused(400, "invalid_parameter");
    app.get("/v1/me").by(by).header("x-notes", "x".repeat(30_000)).await.expect(200);
    app.get(&format!("/nowhere/{}", "x".repeat(33_000))).await.refused(431, "head_too_large");
}

#[tandem_tests::test]
async fn strange_addresses_name_nothing(app: &TestApp) {
    let by = app.admin().await;
    for path in [
        "/v1/leads/%00",
        "/v1/leads/..%2f..%2fetc",
        "/v1/leads/%ff",
        "/v1/leads/lead_",
        "/v1/leads/LEAD_01h455vb4pex5vsknk084sn02q",
        "/v1/leads/lead_01h455vb4pex5vsknk084sn02Q",
        "/v1/leads/lead_01h455vb4pex5vsknk084sn02q%20",
        "/v1//leads",
        "/v1/leads/",
        "/V1/leads",
        "//",
        "/v1",
    ] {
        app.get(path).by(by).await.refused(404, "not_found");
    }
    let long = app.get(&format!("/v1/leads/{}", "x".repeat(8000))).by(by).await;
    long.refused(404, "not_found");
    let long = app.get(&format!("/v1/leads?q={}", "x".repeat(8000))).by(by).await;
    long.refused(400, "invalid_parameter");
    app.get("/livez").await.expect(200);
}
