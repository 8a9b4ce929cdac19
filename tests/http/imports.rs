//! Imports: news, dry runs, broken files, what is refused at once, and a service that dies in the middle.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

pub const LEADS: &str = "\
Id,Contact,Mail,Origin,First contact
a-1,Ada Lovelace,ada@example.com,ppc,2025-03-01
a-2,\"Babbage, Charles\",charles@example.com,,2025-03-02 10:30:00
a-3,Eve,not an address,social,2025-03-03
a-4,Grace Hopper,grace@example.com,social,yesterday
";

pub fn leads_mapping() -> Value {
    json!({"timezone": "Europe/Rome", "key": "external_id", "fields": {
        "external_id": {"column": "Id", "system": "crm"}, "name": "Contact", "email": "Mail", "created_at": "First contact",
        "first_touch.source": {"column": "Origin", "map": {"ppc": "paid_search"}, "default": "unknown"}}})
}

fn encoded(mapping: &Value) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    mapping.to_string().bytes().map(escape).collect()
}

async fn sent(
    app: &TestApp,
    by: &User,
    query: &str,
    mapping: Option<Value>,
    file: impl Into<Vec<u8>>,
) -> Answer {
    let mapping = mapping.map(|mapping| format!("&mapping={}", encoded(&mapping))).unwrap_or_default();
    app.post(&format!("/v1/imports?{query}{mapping}")).by(by).body("text/csv", file).await
}

/// Send a file and let the jobs take it in.
pub async fn taken_in(
    app: &TestApp,
    query: &str,
    mapping: Option<Value>,
    file: impl Into<Vec<u8>>,
) -> Answer {
    let by = app.admin().await;
    let made = sent(app, by, query, mapping, file).await.expect(202);
    assert_eq!(made["state"], "queued");
    app.run_jobs().await;
    ended(app, &made).await
}

async fn ended(app: &TestApp, made: &Answer) -> Answer {
    app.get(made.header("location").unwrap_or(&format!("/v1/imports/{}", made.id())))
        .by(app.admin().await)
        .await
        .expect(200)
}

pub fn counts(import: &Answer) -> [i64; 5] {
    ["created", "updated", "unchanged", "rejected", "warnings"]
        .map(|name| import["progress"][name].as_i64().unwrap())
}

#[tandem_tests::test]
async fn news_is_as_if_it_came_by_the_interface(app: &TestApp) {
    let file =
        "email,first_name,company.domain,country,created_at\nada@example.com,Ada,example.com,gb,2020-01-01\n";
    let import = taken_in(app, "kind=leads", None, file).await;
    assert_eq!((counts(&import), &import["unused_columns"]), ([1, 0, 0, 0, 0], &json!(["created_at"])));
    let found = app.get("/v1/leads?q=ada").by(app.admin().await).await.expect(200);
    let lead = &found["data"][0];
    assert!(lead["created_at"].as_str().unwrap().starts_with("2026-"), "{lead}");
    assert_eq!((&lead["country"], &lead["company"]["domain"]), (&json!("GB"), &json!("example.com")));
    let fields = app
        .get(&format!("/v1/leads/{}/fields", lead["id"].as_str().unwrap()))
        .by(app.admin().await)
        .await
        .expect(200);
    assert!(
        fields["data"].as_array().unwrap().iter().all(|one| one["source"] == "import"),
        "{}",
        fields.text
    );
    taken_in(app, "kind=leads", None, "email,first_name\neve@mail.firm.example,Eve\n").await;
    let found = app.get("/v1/leads?q=eve").by(app.admin().await).await.expect(200);
    assert_eq!(found["data"][0]["company"]["domain"], "firm.example", "its e-mail speaks of it");
    let purposes = json!({"purposes": [{"name": "marketing_email", "label": "News"}, {"name": "phone_calls", "label": "Calls", "channel": "phone"}]});
    app.put("/v1/settings/consent-purposes").by(app.admin().await).json(purposes).await.expect(200);
    let consents = "email,Consent.Marketing_Email,consent.phone_calls\nada@example.com,Yes,no\nmax@example.com,perhaps,\n";
    let import = taken_in(app, "kind=leads", None, consents).await;
    assert_eq!(counts(&import), [0, 1, 0, 1, 0]);
    let standing = app
        .get(&format!("/v1/leads/{}/consents", lead["id"].as_str().unwrap()))
        .by(app.admin().await)
        .await
        .expect(200);
    let mut said: Vec<_> = standing["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {}", one["purpose"], one["state"], one["source"]))
        .collect();
    said.sort();
    assert_eq!(said, [r#""marketing_email" "granted" "import""#, r#""phone_calls" "withdrawn" "import""#]);
    let more =
        taken_in(app, "kind=leads", None, "{\"email\": \"ada@example.com\", \"job_title\": \"Countess\"}\n")
            .await;
    assert_eq!((counts(&more), &more["format"]), ([0, 1, 0, 0, 0], &json!("ndjson")));
}

#[tandem_tests::test]
async fn a_row_that_names_two_leads_suggests_them(app: &TestApp) {
    let by = app.admin().await;
    let a = app.given_lead("ada@one.example").await.id();
    let b = app
        .post("/v1/leads")
        .by(by)
        .json(json!({"external_id": {"system": "crm", "id": "4711"}}))
        .await
        .expect(201)
        .id();
    let mapping = json!({"fields": {"email": "mail", "external_id": {"column": "id", "system": "crm"}}});
    let file = "mail,id\nada@one.example,4711\nb@one.example,1\n";
    let suggested = async || {
        let found = app.get("/v1/duplicates").by(by).await.expect(200);
        found["data"].as_array().unwrap().clone()
    };
    taken_in(app, "kind=leads&dry_run=true", Some(mapping.clone()), file).await;
    assert_eq!(suggested().await, Vec::<Value>::new());
    for query in ["kind=leads", "kind=leads&mode=history"] {
        let import = taken_in(app, query, Some(mapping.clone()), file).await;
        assert_eq!(counts(&import)[3], 1);
        let found = suggested().await;
        assert_eq!(
            (found.len(), &found[0]["lead_ids"], &found[0]["reasons"]),
            (1, &json!([a, b]), &json!(["identifiers_conflict"]))
        );
    }
    let moves = json!({"fields": {"lead.email": "mail", "lead.external_id": {"column": "id", "system": "crm"}, "to": "to", "at": "at"}});
    app.given_lead("c@one.example").await;
    let file = "mail,id,to,at\nc@one.example,4711,mql,2026-01-01\n";
    let import = taken_in(app, "kind=stage_changes&mode=history", Some(moves), file).await;
    assert_eq!((counts(&import)[3], suggested().await.len()), (1, 2));
}

#[tandem_tests::test]
async fn a_dry_run_suggests_and_writes_nothing(app: &TestApp) {
    let import = taken_in(app, "kind=leads&mode=history&dry_run=true", None, LEADS).await;
    assert_eq!((&import["state"], &import["dry_run"]), (&json!("done"), &json!(true)));
    let suggested = &import["mapping"]["fields"];
    assert_eq!(suggested["email"]["column"], "Mail", "{suggested}");
    assert_eq!(suggested["first_touch.source"]["column"], "Origin");
    assert_eq!(suggested["created_at"]["column"], "First contact");
    assert_eq!(counts(&import)[0] + counts(&import)[3], 4);
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id"), Vec::<String>::new());
}

#[tandem_tests::test]
async fn a_service_that_dies_in_the_middle_takes_no_row_twice(app: &TestApp) {
    let by = app.admin().await;
    let rows: String = (0..1700).map(|n| format!("p{n}@example.com,Person {n}\n")).collect();
    let made = sent(app, by, "kind=leads", None, format!("email,name\n{rows}")).await.expect(202);
    let service = &app.running.core;
    for _ in 0..2 {
        tandem_api::transfer::run_some(service, Some(1)).await.unwrap();
    }
    let half = ended(app, &made).await;
    assert_eq!((&half["state"], &half["progress"]["rows_read"]), (&json!("running"), &json!(1000)));
    // The lease of the dead one ends; another goes on.
    app.clock.advance(minutes(1));
    app.run_jobs().await;
    let import = ended(app, &made).await;
    assert_eq!((&import["state"], counts(&import)), (&json!("done"), [1700, 0, 0, 0, 0]));
    let all = app.get("/v1/leads?limit=1").by(by).header("prefer", "return=total-count").await.expect(200);
    assert_eq!(all["total_count"], 1700);
}

#[tandem_tests::test]
async fn an_import_is_ended_by_hand(app: &TestApp) {
    let by = app.admin().await;
    let rows: String = (0..1200).map(|n| format!("p{n}@example.com\n")).collect();
    let made = sent(app, by, "kind=leads", None, format!("email\n{rows}")).await.expect(202);
    tandem_api::transfer::run_some(&app.running.core, Some(1)).await.unwrap();
    let path = format!("/v1/imports/{}/cancel", made.id());
    let cancelled = app.post(&path).by(by).await.expect(200);
    assert_eq!((&cancelled["state"], &cancelled["failure"]["code"]), (&json!("failed"), &json!("cancelled")));
    app.post(&path).by(by).await.refused(409, "conflict");
    app.clock.advance(minutes(1));
    app.run_jobs().await;
    assert_eq!(ended(app, &made).await["progress"]["rows_read"], 500);
}

#[tandem_tests::test]
async fn rejected_rows_are_forgotten_after_thirty_days(app: &TestApp) {
    let rejects = format!("email\n{}", "nobody\n".repeat(1300));
    let import = taken_in(app, "kind=leads", None, rejects).await;
    let small = taken_in(app, "kind=leads", None, "email\nnobody\n").await;
    assert_eq!((counts(&import)[3], counts(&small)[3]), (1300, 1));
    let left = async |import: &Answer| {
        let by = app.login("admin@example.com").await;
        let path = format!("/v1/imports/{}/rejects", import.id());
        app.get(&path).by(&by).await.expect(200).text.lines().count() - 1
    };
    app.clock.advance(hours(24 * 29));
    app.run_jobs().await;
    assert_eq!((left(&import).await, left(&small).await), (1300, 1));
    app.clock.advance(hours(24 * 2));
    app.run_jobs().await;
    assert_eq!((left(&import).await, left(&small).await), (0, 0));
}

#[tandem_tests::test]
async fn an_import_whose_file_is_gone_holds_up_no_other(app: &TestApp) {
    let by = app.admin().await;
    let raw = app.database.raw().await;
    for harm in ["DELETE FROM import_chunks", "UPDATE import_chunks SET content = '?'"] {
        let harmed = sent(app, by, "kind=leads", None, "email\nada@example.com\n").await.expect(202);
        raw.execute_unprepared(harm).await.unwrap();
        let whole = sent(app, by, "kind=leads", None, "email\neve@example.com\n").await.expect(202);
        app.run_jobs().await;
        let harmed = ended(app, &harmed).await;
        assert_eq!((&harmed["state"], &harmed["failure"]["code"]), (&json!("failed"), &json!("internal")));
        assert_eq!(ended(app, &whole).await["state"], "done");
    }
    raw.close().await.unwrap();
    let found = app.get("/v1/leads").by(by).await.expect(200);
    assert_eq!(found.each("email"), ["eve@example.com"]);
}

#[tandem_tests::test]
async fn a_broken_file_does_nothing_and_says_why(app: &TestApp) {
    let million = vec!["c"; 400_000].join(",");
    for (file, code) in [
        (&b""[..], "empty_file"),
        (b"\"email,name\"\n\"ada@example.com,Ada\"\n", "quoted_lines"),
        (b"email,name\nada@example.com,J\xfcrgen\n", "not_utf8"),
        (b"email,email\na,b\n", "duplicate_column"),
        (b"colour,size\nred,5\n", "mapping_needed"),
        (million.as_bytes(), "too_many_columns"),
        (b"email,name\nada@example.com,Ada\neve@example.com,\"Eve\nbob@example.com,Bob\n", "unclosed_quote"),
    ] {
        let import = taken_in(app, "kind=leads", None, file).await;
        assert_eq!(
            (&import["state"], &import["failure"]["code"]),
            (&json!("failed"), &json!(code)),
            "{}",
            import.text
        );
        assert_eq!(import["progress"]["rows_read"], 0);
    }
    let missing =
        taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), "Id,Mail\n1,a@example.com\n").await;
    assert_eq!(missing["failure"]["code"], "missing_column");
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id"), Vec::<String>::new());
    let latin = taken_in(
        app,
        "kind=leads&encoding=latin1&delimiter=%3B",
        None,
        &b"\xef\xbb\xbfemail;first_name\nj@example.com;J\xfcrgen\n"[3..],
    )
    .await;
    assert_eq!(counts(&latin), [1, 0, 0, 0, 0], "{}", latin.text);
    let found = app.get("/v1/leads?q=jurgen").by(app.admin().await).await.expect(200);
    assert_eq!(found["data"][0]["first_name"], "Jürgen");
}

#[tandem_tests::test]
async fn a_form_brings_file_and_mapping(app: &TestApp) {
    let by = app.admin().await;
    let mapping = json!({"fields": {"email": "Mail"}});
    let part = |name: &str, text: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let body = format!(
        "{}{}--x--\r\n",
        part("mapping", &mapping.to_string()),
        part("file", "Mail\nada@example.com\n")
    );
    let post = |body: String| {
        app.post("/v1/imports?kind=leads").by(by).body("multipart/form-data; boundary=x", body)
    };
    let made = post(body).await.expect(202);
    app.run_jobs().await;
    assert_eq!(counts(&ended(app, &made).await), [1, 0, 0, 0, 0]);
    post(format!("{}--x--\r\n", part("colour", "red"))).await.refused(422, "validation_failed");
    post(format!("{}{}--x--\r\n", part("mapping", "{"), part("file", "a\n")))
        .await
        .refused(422, "validation_failed");
}

#[tandem_tests::test]
async fn what_cannot_be_is_refused_at_once(app: &TestApp) {
    let by = app.admin().await;
    for (query, place) in
        [("", "kind"), ("kind=deals&mode=live", "mode"), ("kind=leads&mapping=%7B", "mapping")]
    {
        let refused = sent(app, by, query, None, "a\n1\n").await.refused(400, "invalid_parameter");
        assert_eq!(refused.violations()[0].0, place);
    }
    let mapping = json!({"fields": {"emial": "a", "created_at": "b"}});
    let refused =
        sent(app, by, "kind=leads", Some(mapping), "a,b\n1,2\n").await.refused(422, "validation_failed");
    let places: Vec<&str> = refused.violations().iter().map(|(place, _)| *place).collect();
    assert_eq!(places, ["#/mapping/fields/created_at", "#/mapping/fields/emial"]);
    app.post("/v1/imports?kind=leads")
        .by(by)
        .body("text/plain", "a")
        .await
        .refused(415, "unsupported_media_type");
    let marketing = app.user("marketing").await;
    sent(app, &marketing, "kind=users", None, "email\na@example.com\n").await.refused(403, "wrong_role");
    sent(app, &app.user("sales").await, "kind=leads", None, "email\n")
        .await
        .refused(403, "insufficient_scope");
    let key = app.key(&["imports:write"]).await;
    let users = app.post("/v1/imports?kind=users").by(&key).header("x-on-behalf-of", &by.id);
    users.body("text/csv", "email\na@example.com\n").await.refused(403, "wrong_role");
}

#[tandem_tests::test]
async fn the_same_request_twice_is_one_import(app: &TestApp) {
    let by = app.admin().await;
    let post =
        |file: &'static str| app.post("/v1/imports?kind=leads").by(by).once("k").body("text/csv", file);
    let first = post("email\nada@example.com\n").await.expect(202);
    let again = post("email\nada@example.com\n").await.expect(202);
    assert_eq!((first.id(), again.header("idempotent-replayed")), (again.id(), Some("true")));
    post("email\neve@example.com\n").await.refused(422, "idempotency_key_reused");
    app.run_jobs().await;
    assert_eq!(app.get("/v1/imports?state=done").by(by).await.expect(200).each("id"), [first.id()]);
}

#[tandem_tests::test]
async fn the_same_file_with_another_mapping_is_another_request(app: &TestApp) {
    let by = app.admin().await;
    let part = |name: &str, text: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let post = |column: &str| {
        let mapping = json!({"fields": {"email": column}}).to_string();
        let body = format!(
            "{}{}--x--\r\n",
            part("mapping", &mapping),
            part("file", "Mail,Other\na@example.com,b@example.com\n")
        );
        app.post("/v1/imports?kind=leads").by(by).once("k").body("multipart/form-data; boundary=x", body)
    };
    let first = post("Mail").await.expect(202);
    assert_eq!(post("Mail").await.expect(202).header("idempotent-replayed"), Some("true"));
    post("Other").await.refused(422, "idempotency_key_reused");
    app.run_jobs().await;
    assert_eq!(counts(&ended(app, &first).await), [1, 0, 0, 0, 0]);
}
