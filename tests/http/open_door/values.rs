//! Values that do not fit: bytes, charsets, numbers, countries and bodies of other kinds cost no lead.

use super::*;

#[tandem_tests::test]
async fn bytes_are_read_in_their_charset_and_never_replaced(app: &TestApp) {
    let path = given(app).await;
    let part = |name: &str, value: &[u8], kind: &str| {
        let mut part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{kind}\r\n").into_bytes();
        part.extend_from_slice(value);
        part.extend_from_slice(b"\r\n");
        part
    };
    let multipart = |parts: &[Vec<u8>]| [parts.concat(), b"--b--\r\n".to_vec()].concat();
    let typed = "Content-Type: text/plain; charset=windows-1252\r\n";
    let boundary = "multipart/form-data; boundary=b";
    let plain = |email: &str| part("email", email.as_bytes(), "");
    let cases: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        (FORM, b"name=M%C3%BCller".to_vec(), Some("Müller")),
        (FORM, b"name=M\xc3\xbcller".to_vec(), Some("Müller")),
        ("application/x-www-form-urlencoded; charset=ISO-8859-1", b"name=M%FCller".to_vec(), Some("Müller")),
        (FORM, b"name=M%FCller&_charset_=windows-1252".to_vec(), Some("Müller")),
        (FORM, b"name=%93%FA%96%7B&_charset_=Shift_JIS".to_vec(), Some("日本")),
        (FORM, b"name=M%FCller&_charset_=nonsense".to_vec(), None),
        (FORM, b"name=M%FCller".to_vec(), None),
        (FORM, b"name=M\xfcller".to_vec(), None),
        (
            "application/json; charset=latin1",
            b"{\"fields\": {\"email\": \"EMAIL\", \"name\": \"M\xfcller\"}}".to_vec(),
            Some("Müller"),
        ),
        (boundary, multipart(&[plain("EMAIL"), part("name", b"M\xfcller", typed)]), Some("Müller")),
        (
            boundary,
            multipart(&[plain("EMAIL"), part("name", b"M\xfcller", ""), part("_charset_", b"latin1", "")]),
            Some("Müller"),
        ),
        (boundary, multipart(&[plain("EMAIL"), part("name", b"M\xfcller", "")]), None),
    ];
    for (n, (kind, body, name)) in cases.into_iter().enumerate() {
        let email = format!("ada{n}@example.com");
        let body: Vec<u8> = match kind.contains("urlencoded") {
            true => [format!("email={email}&").as_bytes(), &body].concat(),
            false => {
                let at = body.windows(5).position(|bytes| bytes == b"EMAIL").unwrap();
                [&body[..at], email.as_bytes(), &body[at + 5..]].concat()
            }
        };
        let sent = app.post(&path).body(kind, body).await;
        assert!(sent.status < 300, "{kind}: {}", sent.text);
        let (kept, lead) = (newest(app).await, lead(app, &email).await);
        assert_eq!(lead["first_name"].as_str(), name, "{n} {kind}");
        assert!(!kept.text.contains('\u{fffd}') && !lead.text.contains('\u{fffd}'), "{n} {kind}");
        let remark = ("#/fields/name".to_owned(), "invalid_bytes".to_owned());
        assert_eq!(codes(&kept).contains(&remark), name.is_none(), "{n} {kind}");
        let raw = kept["raw"].as_str().unwrap();
        assert!(name.is_some() || raw.contains("M%FCller") || raw.contains("Müller"), "{raw}");
    }
    // An e-mail must be text, and what was rejected is read again as it came.
    let path_of = |id: &str| format!("/v1/submissions/{id}/replay");
    let html = app.post(&path).body(FORM, "email=m%FCller%40example.com&_charset_=utf-8").await.expect(422);
    assert!(html.text.contains("<b>email</b>"), "{}", html.text);
    let rejected = newest(app).await;
    let again = app.post(&path_of(&rejected.id())).by(app.admin().await).await.expect(200);
    assert_eq!((&again["status"], &again["reasons"]), (&json!("rejected"), &rejected["reasons"]));
    let latin = "name=M%FCller&_charset_=latin1&_page_url=https%3A%2F%2Fe.com%2F%3Ftoken%3Dx%26n%3DM%FCller";
    app.post(&path).body(FORM, latin).await.expect(422);
    let rejected = newest(app).await;
    assert!(!rejected["raw"].as_str().unwrap().contains("token"), "{}", rejected.text);
    assert!(rejected["raw"].as_str().unwrap().contains("name=M%FCller"), "{}", rejected.text);
}

#[tandem_tests::test]
async fn one_unfit_answer_does_not_cost_the_lead(app: &TestApp) {
    let path = given(app).await;
    let flat = "email=ada%40example.com&country=Germany&employees=11-50&website=n%2Fa&visit=soon&phone=none\
        &_rendered_at=yesterday&_submitted_at=now&_sent_at=later&_page_url=https%3A%2F%2Fwww.example.com%2Fcontact";
    app.post(&path).body(FORM, flat).await.expect(200);
    let ada = lead(app, "ada@example.com").await;
    assert_eq!((&ada["country"], &ada["phones"]), (&json!("DE"), &json!([])));
    assert_eq!(
        (&ada["company"]["domain"], &ada["company"]["employees"]),
        (&json!("example.com"), &Value::Null)
    );
    let mut places: Vec<String> = codes(&newest(app).await).into_iter().map(|(place, _)| place).collect();
    places.sort();
    let unfit = [
        "#/_rendered_at",
        "#/_sent_at",
        "#/_submitted_at",
        "#/fields/employees",
        "#/fields/phone",
        "#/fields/visit",
        "#/fields/website",
    ];
    assert_eq!(places, unfit);

    let body = json!({"fields": {"email": "bob@example.com", "country": "Atlantis", "employees": 12}, "submitted_at": "1.2.2026",
        "visitor_id": "x".repeat(300), "consent": [{"granted": true}, {"purpose": "calls", "granted": true}],
        "context": {"page_url": format!("https://www.example.com/?utm_source={}", "x".repeat(9000)), "rendered_at": 5,
            "landing_url": "https://www.example.com/?utm_source=mail"}});
    app.post(&path).json(body).await.expect(201);
    let bob = lead(app, "bob@example.com").await;
    assert_eq!((&bob["first_touch"]["source"], &bob["company"]["employees"]), (&json!("mail"), &json!(12)));
    assert_eq!((&bob["may_contact"]["calls"]["why"], &bob["country"]), (&json!("granted"), &Value::Null));
    let mut places: Vec<String> = codes(&newest(app).await).into_iter().map(|(place, _)| place).collect();
    places.sort();
    let unfit = [
        "#/consent/0/purpose",
        "#/context/page_url",
        "#/context/rendered_at",
        "#/fields/country",
        "#/submitted_at",
        "#/visitor_id",
    ];
    assert_eq!(places, unfit);

    let whole = json!({"fields": {"email": "eve@example.com"}, "context": "none", "consent": "yes"});
    app.post(&path).json(whole).await.expect(201);
    for refused in [
        json!({"fields": {"name": "Ada"}}),
        json!({"fields": {"email": "x"}}),
        json!({"fields": {"email": "a@example.com"}, "test": "yes"}),
    ] {
        app.post(&path).json(refused).await.refused(422, "validation_failed");
    }
}

#[tandem_tests::test]
async fn a_national_number_of_an_unknown_country_leaves_a_remark(app: &TestApp) {
    let path = given(app).await;
    let phone = ("#/fields/phone".to_owned(), "invalid_format".to_owned());
    app.post(&path).body(FORM, "email=ada%40example.com&phone=030+123456").await.expect(200);
    assert!(codes(&newest(app).await).contains(&phone));
    assert_eq!(lead(app, "ada@example.com").await["phone"], Value::Null);
    app.post(&path).body(FORM, "email=bob%40example.com&phone=030+123456&country=DE").await.expect(200);
    assert!(!codes(&newest(app).await).contains(&phone));
    assert_eq!(lead(app, "bob@example.com").await["phone"], "+4930123456");
}

#[tandem_tests::test]
async fn a_body_of_another_kind_is_read_as_far_as_it_can_be_and_else_stored(app: &TestApp) {
    let path = given(app).await;
    let json = |email: &str| json!({"fields": {"email": email}}).to_string();
    for (kind, body, email) in [
        ("text/plain", json("plain@example.com"), "plain@example.com"),
        ("text/plain;charset=UTF-8", "email=beacon%40example.com".into(), "beacon@example.com"),
        ("application/octet-stream", json("bytes@example.com"), "bytes@example.com"),
    ] {
        app.post(&path).header("accept", "*/*").body(kind, body).await.expect(201);
        assert_eq!(newest(app).await["status"], "accepted", "{kind}");
        assert_eq!(lead(app, email).await["email"], email);
    }
    let person = app.post(&path).header("accept", "text/html,*/*;q=0.8");
    person.body("text/plain", "email=lines@example.com\r\nname=Zoë\r\n").await.expect(200);
    assert_eq!(lead(app, "lines@example.com").await["first_name"], "Zoë");

    app.post(&path).body("text/xml", "<lead/>").await.refused(415, "unsupported_media_type");
    let kept = newest(app).await;
    assert_eq!((&kept["status"], &kept["raw"]), (&json!("rejected"), &json!("<lead/>")));
}

#[tandem_tests::test]
async fn an_unfit_country_or_byte_costs_no_lead(app: &TestApp) {
    let path = given(app).await;
    for (n, (country, code)) in [
        (json!({"code": "IT"}), "invalid_type"),
        (json!("XX"), "invalid_format"),
        (json!("EU"), "invalid_format"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("ada{n}@example.com");
        let fields = json!({"email": email, "country": country});
        app.post(&path).json(json!({"fields": fields})).await.expect(201);
        let place = ("#/fields/country".to_owned(), code.to_owned());
        assert!(codes(&newest(app).await).contains(&place), "{country}");
        assert_eq!(lead(app, &email).await["country"], Value::Null);
    }
    let form = "email=nul%40example.com&name=%EF%BB%BFA%00da";
    app.post(&path).header("accept", "application/json").body(FORM, form).await.expect(201);
    assert!(codes(&newest(app).await).iter().any(|(_, code)| code == "forbidden_character"));
    assert_eq!(lead(app, "nul@example.com").await["first_name"], "Ada");
}

/// 500 numbers of about as many plans: each costs no more than any other, so that a batch is answered in time.
#[tandem_tests::test]
async fn a_batch_of_phones_of_all_countries_is_written_at_once(app: &TestApp) {
    let lines = include_str!("../../../crates/domain/src/leads/phone/examples.tsv").lines();
    let lines = lines.filter(|line| !line.starts_with('#')).step_by(5);
    let leads: Vec<Value> = lines
        .enumerate()
        .take(500)
        .map(|(n, line)| {
            let columns: Vec<&str> = line.split('\t').collect();
            json!({"email": format!("p{n}@example.com"), "country": columns[0], "phone": columns[1]})
        })
        .collect();
    let count = leads.len();
    let answer =
        app.post("/v1/leads/batch").by(app.admin().await).json(json!({"leads": leads})).await.expect(207);
    let stored = answer["items"].as_array().unwrap().iter().filter(|one| one["id"].is_string());
    assert!(stored.count() > count * 9 / 10, "{}", answer.text);
}
