//! Companies: named by their web domain, shared by their leads.

use serde_json::{Value, json};
use tandem_domain::leads::search::company_key;
use tandem_tests::TestApp;

/// Every page of a list, by its cursors.
async fn crawl(app: &TestApp, query: &str) -> Vec<String> {
    let by = app.admin().await;
    let path = format!("/v1/companies?{query}");
    let (mut found, mut page) = (vec![], app.get(&path).by(by).await.expect(200));
    loop {
        found.extend(page.each("id"));
        let Some(cursor) = page["next_cursor"].as_str() else {
            return found;
        };
        let next = format!("{path}&cursor={cursor}");
        page = app.get(&next).by(by).await.expect(200);
    }
}

#[tandem_tests::test]
async fn a_company_is_named_by_its_domain(app: &TestApp) {
    let by = app.admin().await;
    let post = |body: Value| app.post("/v1/companies").by(by).json(body);
    let made = post(json!({"domain": "Bücher.Example", "name": "Bücher"})).await.expect(201);
    assert_eq!(made["domain"], "xn--bcher-kva.example");
    let again = post(json!({"domain": "xn--bcher-kva.example", "industry": "books", "employees": 12}))
        .await
        .expect(200);
    assert_eq!((again.id(), &again["name"], &again["employees"]), (made.id(), &json!("Bücher"), &json!(12)));
    let path = format!("/v1/companies/{}", made.id());
    assert_eq!(app.get(&path).by(by).await.expect(200).body, again.body);
    for (body, place) in [
        (json!({"domain": "ftp://example.com"}), "#/domain"),
        (json!({}), "#/domain"),
        (json!({"domain": "localhost"}), "#/domain"),
        (json!({"domain": "example.com", "employees": -1}), "#/employees"),
        (json!({"name": "x", "country": "GBR"}), "#/country"),
    ] {
        assert_eq!(post(body).await.refused(422, "validation_failed").violations()[0].0, place);
    }
}

#[tandem_tests::test]
async fn every_host_of_a_registered_domain_is_one_company_at_every_door(app: &TestApp) {
    let by = app.admin().await;
    let company = json!({"domain": "https://www.acme.example/en/about", "name": "Acme"});
    let made = app.post("/v1/companies").by(by).json(company).await.expect(201);
    assert_eq!(made["domain"], "acme.example");
    let again =
        app.post("/v1/companies").by(by).json(json!({"domain": "shop.acme.example"})).await.expect(200);
    assert_eq!(again.id(), made.id());
    for (email, domain) in [("a@one.example", "www.acme.example"), ("b@two.example", "ACME.example")] {
        let lead = json!({"email": email, "company": {"domain": domain}});
        let lead = app.post("/v1/leads").by(by).json(lead).await.expect(201);
        assert_eq!(lead["company"]["id"], made.id(), "{domain}");
    }
    let lead = app.post("/v1/leads").by(by).json(json!({"email": "c@mail.acme.example"})).await.expect(201);
    assert_eq!(lead["company"]["id"], made.id());
    let file = "email,company.domain\nd@three.example,http://WWW.acme.example/\n";
    crate::imports::taken_in(app, "kind=leads", None, file).await;
    let found = app.get("/v1/leads?email=d@three.example").by(by).await.expect(200);
    assert_eq!(found["data"][0]["company"]["id"], made.id());
    for domain in ["www.acme.example", "acme.example", "https://acme.example/x"] {
        let found = app.get(&format!("/v1/companies?domain={domain}")).by(by).await.expect(200);
        assert_eq!(found.each("id"), [made.id()], "{domain}");
    }
    for email in ["x1@privaterelay.appleid.com", "ada@contoso.onmicrosoft.com", "firma@legalmail.it"] {
        let lead = app.post("/v1/leads").by(by).json(json!({"email": email})).await.expect(201);
        assert_eq!(lead["company"], Value::Null, "{email}");
    }
}

#[tandem_tests::test]
async fn leads_of_one_domain_share_their_company(app: &TestApp) {
    let by = app.admin().await;
    let lead = |email: &str, company: Value| {
        app.post("/v1/leads").by(by).json(json!({"email": email, "company": company}))
    };
    let one = lead("a@example.com", json!({"domain": "example.com", "name": "Example"})).await.expect(201);
    let two = lead("b@example.com", json!({"domain": "EXAMPLE.com"})).await.expect(201);
    assert_eq!((&one["company"]["id"], &two["company"]["name"]), (&two["company"]["id"], &json!("Example")));
    let named = lead("c@example.com", json!({"name": "Nameless"})).await.expect(201);
    let same = lead("d@example.com", json!({"name": "NAMELESS"})).await.expect(201);
    assert_eq!(named["company"]["id"], same["company"]["id"]);
    let company = one["company"]["id"].as_str().unwrap();
    let found = app.get(&format!("/v1/leads?company_id={company}")).by(by).await.expect(200);
    assert_eq!(found.each("id"), [one.id(), two.id()]);
    let left =
        app.patch(&format!("/v1/leads/{}", two.id())).by(by).json(json!({"company": null})).await.expect(200);
    assert_eq!(left["company"], Value::Null);
}

#[tandem_tests::test]
async fn an_email_speaks_of_the_company_of_a_lead_that_has_none(app: &TestApp) {
    let by = app.admin().await;
    let post = |body: Value| app.post("/v1/leads").by(by).json(body);
    let one = post(json!({"email": "ada@mail.firm.example"})).await.expect(201);
    assert_eq!(one["company"]["domain"], "firm.example");
    let leads = json!([{"email": "bob@firm.example"}, {"email": "eve@gmail.com"}, {"emails": ["x@gmail.com", "x@mailinator.com"]},
                       {"email": "dan@firm.example", "company": {"name": "Dan's"}}, {"email": "fay@firm.example", "company": null}]);
    let answer = app.post("/v1/leads/batch").by(by).json(json!({"leads": leads})).await.expect(207);
    let mut found = vec![];
    for item in answer["items"].as_array().unwrap() {
        let lead = app.get(&format!("/v1/leads/{}", item["id"].as_str().unwrap())).by(by).await.expect(200);
        found.push((lead["company"]["domain"].clone(), lead["company"]["name"].clone()));
    }
    let nothing = (Value::Null, Value::Null);
    assert_eq!(
        found,
        [
            (json!("firm.example"), Value::Null),
            nothing.clone(),
            nothing.clone(),
            (Value::Null, json!("Dan's")),
            nothing
        ]
    );
    assert_eq!(app.get("/v1/companies").by(by).await.expect(200).each("id").len(), 2);

    // It is nobody's word, so that a form or a key that names another company is heard, and a person goes before all.
    let fields = app.get(&format!("/v1/leads/{}/fields", one.id())).by(by).await.expect(200);
    assert!(fields["data"].as_array().unwrap().iter().all(|one| one["source"] != "hand"), "{}", fields.text);
    let path = format!("/v1/leads/{}", one.id());
    app.patch(&path).by(by).json(json!({"company": null})).await.expect(200);
    let again = post(json!({"email": "ada@mail.firm.example", "first_name": "Ada"})).await.expect(200);
    assert_eq!((&again["company"], &again["first_name"]), (&Value::Null, &json!("Ada")));
}

#[tandem_tests::test]
async fn a_company_is_changed_on_the_version_that_was_read(app: &TestApp) {
    let by = app.admin().await;
    let made = app
        .post("/v1/companies")
        .by(by)
        .json(json!({"domain": "example.com", "name": "Example"}))
        .await
        .expect(201);
    let path = format!("/v1/companies/{}", made.id());
    let rename =
        |tag: &str, name: &str| app.patch(&path).by(by).header("if-match", tag).json(json!({"name": name}));
    let lead = json!({"email": "ada@example.com", "company": {"domain": "example.com"}});
    let lead = app.post("/v1/leads").by(by).json(lead).await.expect(201);
    assert_eq!(rename(made.etag(), "Sample Ltd").await.expect(200)["name"], "Sample Ltd");
    assert_eq!(app.get("/v1/leads?q=sample").by(by).await.expect(200).each("id"), [lead.id()]);
    let stale = rename(made.etag(), "Other").await.refused(412, "stale");
    assert_eq!(stale["current"], app.get(&path).by(by).await.expect(200).etag());
    app.patch(&path).by(by).json(json!({"domain": "other.example"})).await.refused(422, "validation_failed");
    app.patch("/v1/companies/company_01h455vb4pex5vsknk084sn02q")
        .by(by)
        .json(json!({}))
        .await
        .refused(404, "not_found");
}

#[tandem_tests::test]
async fn a_company_that_was_put_away_is_not_listed(app: &TestApp) {
    let by = app.admin().await;
    let lead = |email: &str, company: Value| {
        app.post("/v1/leads").by(by).json(json!({"email": email, "company": company}))
    };
    let one = lead("ada@example.com", json!({"domain": "example.com", "name": "Example"})).await.expect(201);
    let company = one["company"]["id"].as_str().unwrap();
    let path = format!("/v1/companies/{company}");
    let post = |act: &str| app.post(&format!("{path}/{act}")).by(by);
    let list = |query: &str| app.get(&format!("/v1/companies?{query}")).by(by);
    let archived = post("archive").await.expect(200);
    assert_ne!(archived["archived_at"], Value::Null);
    assert_eq!(post("archive").await.expect(200).etag(), archived.etag(), "twice is once");
    assert_eq!(list("").await.expect(200).each("id").len(), 0);
    assert_eq!(list("archived=true").await.expect(200).each("id"), [company]);
    assert_eq!(app.get(&path).by(by).await.expect(200).body, archived.body);

    // Its leads stay, and it stays away when it is named again.
    let two =
        lead("bob@example.com", json!({"domain": "example.com", "industry": "retail"})).await.expect(201);
    assert_eq!(
        (&two["company"]["id"], &two["company"]["archived_at"]),
        (&json!(company), &archived["archived_at"])
    );
    let leads = app.get(&format!("/v1/leads?company_id={company}")).by(by).await.expect(200);
    assert_eq!(leads.each("id"), [one.id(), two.id()]);
    let again = app
        .post("/v1/companies")
        .by(by)
        .json(json!({"domain": "example.com", "employees": 12}))
        .await
        .expect(200);
    assert_eq!((again.id().as_str(), &again["archived_at"]), (company, &archived["archived_at"]));

    assert_eq!(post("restore").await.expect(200)["archived_at"], Value::Null);
    assert_eq!(list("").await.expect(200).each("id"), [company]);
    let types = "type=company.archived,company.restored";
    let entries = app.get(&format!("/v1/journal?subject_id={company}&{types}")).by(by).await.expect(200);
    assert_eq!(entries.each("type"), ["company.restored", "company.archived"]);
}

#[tandem_tests::test]
async fn whoever_may_edit_a_company_may_put_it_away(app: &TestApp) {
    let by = app.admin().await;
    let made = app.post("/v1/companies").by(by).json(json!({"domain": "example.com"})).await.expect(201);
    let path = format!("/v1/companies/{}", made.id());
    for act in ["archive", "restore"] {
        let post = || app.post(&format!("{path}/{act}"));
        post().by(app.user("revops").await).await.refused(403, "wrong_role");
        post().by(app.user("viewer").await).await.refused(403, "insufficient_scope");
        post().by(app.key(&["leads:read"]).await).await.refused(403, "insufficient_scope");
        post().by(by).header("if-match", "\"9.0\"").await.refused(412, "stale");
        app.post(&format!("/v1/companies/company_01h455vb4pex5vsknk084sn02q/{act}"))
            .by(by)
            .await
            .refused(404, "not_found");
    }
    for by in [app.user("sales").await, app.user("marketing").await] {
        let archived = app.post(&format!("{path}/archive")).by(&by).await.expect(200);
        let restore = app.post(&format!("{path}/restore")).by(&by).header("if-match", archived.etag());
        assert_eq!(restore.await.expect(200)["archived_at"], Value::Null);
    }
    let key = app.key(&["leads:read", "leads:write"]).await;
    assert_ne!(app.post(&format!("{path}/archive")).by(&key).await.expect(200)["archived_at"], Value::Null);
}

#[tandem_tests::test]
async fn companies_are_listed_and_found(app: &TestApp) {
    let by = app.admin().await;
    let mut ids = vec![];
    for (domain, name, country) in
        [("a.example", "Älpha Beta", "IT"), ("b.example", "Gamma", "GB"), ("c.example", "Alpha Gamma", "GB")]
    {
        let body = json!({"domain": domain, "name": name, "country": country});
        ids.push(app.post("/v1/companies").by(by).json(body).await.expect(201).id());
    }
    for (query, expected) in [
        ("", vec![0, 1, 2]),
        ("q=alpha", vec![0, 2]),
        ("q=gam%20al", vec![2]),
        ("country=GB", vec![1, 2]),
        ("country=it", vec![0]),
        ("domain=B.example", vec![1]),
        ("domain=x.example", vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|n: usize| ids[n].clone()).collect();
        assert_eq!(
            app.get(&format!("/v1/companies?{query}")).by(by).await.expect(200).each("id"),
            expected,
            "{query}"
        );
    }
    let page = app.get("/v1/companies?limit=2").by(by).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/companies?limit=2&cursor={cursor}")).by(by).await.expect(200);
    assert_eq!(rest.each("id"), [ids[2].clone()]);
}

#[tandem_tests::test]
async fn companies_are_counted_where_it_is_asked_for(app: &TestApp) {
    let by = app.admin().await;
    for n in 0..4 {
        let country = if n == 1 || n == 3 { "IT" } else { "GB" };
        let body =
            json!({"domain": format!("firm{n}.example"), "name": format!("Firm {n}"), "country": country});
        let made = app.post("/v1/companies").by(by).json(body).await.expect(201);
        if n == 3 {
            app.post(&format!("/v1/companies/{}/archive", made.id())).by(by).await.expect(200);
        }
    }
    for (query, expected) in
        [("", 3), ("country=GB", 2), ("country=IT", 1), ("archived=true", 1), ("q=firm", 3), ("q=no", 0)]
    {
        let path = format!("/v1/companies?limit=1&sort=-name&{query}");
        let counted = app.get(&path).by(by).header("prefer", "return=total-count").await.expect(200);
        let told = (&counted["total_count"], &counted["total_count_is_estimate"]);
        assert_eq!(told, (&json!(expected), &json!(false)), "{query}");
        assert_eq!(app.get(&path).by(by).await.expect(200).body.get("total_count"), None, "{query}");
    }
}

#[tandem_tests::test]
async fn a_crawl_sees_each_company_once_in_every_order(app: &TestApp) {
    let by = app.admin().await;
    // Three become known at a time; some have one name, no name, or names that their ends alone tell apart.
    let long = "\u{fdfa}".repeat(199);
    let names = [
        json!("Zoë"),
        json!("adne"),
        json!("ZOE"),
        json!("Ådne"),
        Value::Null,
        json!("Bücher"),
        json!(format!("{long}b")),
        json!(format!("{long}a")),
        Value::Null,
    ];
    for part in [0..3, 3..6, 6..9] {
        let company = |n: usize| json!({"domain": format!("firm{n}.example"), "name": names[n]});
        let leads = part.map(|n| json!({"email": format!("ada@firm{n}.example"), "company": company(n)}));
        let leads: Vec<Value> = leads.collect();
        app.post("/v1/leads/batch").by(by).json(json!({"leads": leads})).await.expect(207);
    }
    app.post("/v1/companies")
        .by(by)
        .json(json!({"domain": "firm1.example", "industry": "books"}))
        .await
        .expect(200);

    let found = app.get("/v1/companies?limit=200").by(by).await.expect(200);
    let mut all = found["data"].as_array().unwrap().clone();
    assert_eq!(all.len(), 9);
    let text = |one: &Value, member: &str| one[member].as_str().unwrap_or_default().to_owned();
    for sort in ["name", "updated_at", "created_at", "id"] {
        all.sort_by_key(|one| {
            let key = if sort == "name" { company_key(&text(one, "name")) } else { text(one, sort) };
            (key, text(one, "id"))
        });
        let mut expected: Vec<String> = all.iter().map(|one| text(one, "id")).collect();
        for sort in [sort.to_owned(), format!("-{sort}")] {
            for limit in [1, 2, 9, 200] {
                assert_eq!(
                    crawl(app, &format!("sort={sort}&limit={limit}")).await,
                    expected,
                    "{sort} {limit}"
                );
            }
            expected.reverse();
        }
    }
    let by_id: Vec<String> = all.iter().map(|one| text(one, "id")).collect();
    assert_eq!(crawl(app, "limit=2").await, by_id);

    let page = app.get("/v1/companies?limit=2&sort=name").by(by).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    app.get(&format!("/v1/companies?sort=-name&cursor={cursor}"))
        .by(by)
        .await
        .refused(400, "cursor_mismatch");
    app.get("/v1/companies?sort=employees").by(by).await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn long_names_that_their_ends_tell_apart_are_two_companies(app: &TestApp) {
    let by = app.admin().await;
    let post = |end: &str| {
        app.post("/v1/companies").by(by).json(json!({"name": format!("{}{end}", "long ".repeat(39))}))
    };
    let (one, two) = (post("one").await.expect(201), post("two").await.expect(201));
    assert_eq!(
        (post("ONE").await.expect(200).id(), post("two").await.expect(200).id()),
        (one.id(), two.id())
    );
}
