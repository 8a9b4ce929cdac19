//! Lists: filters, sorts, words, and pages that show each lead once.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, minutes};

/// Nine leads, a minute apart: three of each country, their names in another order.
async fn given_nine(app: &TestApp) -> Vec<String> {
    let mut ids = vec![];
    let names = ["Zoë", "Ådne", "Ada", "zeno", "Bob", "Eve", "Mia", "Sam", "Sue"];
    for (n, first_name) in names.into_iter().enumerate() {
        app.clock.advance(minutes(1));
        let (country, source) = (["GB", "IT", "BR"][n % 3], ["google", "bing"][n % 2]);
        let body = json!({
            "email": format!("lead{n}@firm{}.example", n % 2),
            "first_name": first_name,
            "last_name": format!("Müller {}", 9 - n),
            "country": country,
            "first_touch": {"source": source, "channel": "paid_search"},
        });
        ids.push(app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201).id());
    }
    ids
}

async fn list(app: &TestApp, query: &str) -> Answer {
    app.get(&format!("/v1/leads?{query}")).by(app.admin().await).await
}

/// Every page of a list, by its cursors.
async fn crawl(app: &TestApp, query: &str) -> Vec<String> {
    let (mut found, mut page) = (vec![], list(app, query).await.expect(200));
    loop {
        found.extend(page.each("id"));
        let link = page.header("link").map(str::to_owned);
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!((&page["has_more"], link), (&json!(false), None));
            return found;
        };
        let link = link.unwrap();
        let next = link.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap().0.to_owned();
        assert!(next.contains(cursor) && link.ends_with("rel=\"next\""), "{link}");
        page = app.get(&next).by(app.admin().await).await.expect(200);
    }
}

#[tandem_tests::test]
async fn a_crawl_sees_each_lead_once_in_every_order(app: &TestApp) {
    let ids = given_nine(app).await;
    let mut backwards = ids.clone();
    backwards.reverse();
    for sort in ["id", "created_at", "updated_at", "-name"] {
        for limit in [1, 2, 9, 200] {
            assert_eq!(crawl(app, &format!("sort={sort}&limit={limit}")).await, ids, "{sort} {limit}");
        }
    }
    for sort in ["-id", "-created_at", "-updated_at", "name"] {
        assert_eq!(crawl(app, &format!("limit=4&sort={sort}")).await, backwards, "{sort}");
    }
}

#[tandem_tests::test]
async fn a_crawl_is_not_disturbed_by_what_comes_in_between(app: &TestApp) {
    let ids = given_nine(app).await;
    let first = list(app, "limit=4").await.expect(200);
    app.given_lead("late@example.com").await;
    app.post(&format!("/v1/leads/{}/archive", ids[1])).by(app.admin().await).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = list(app, &format!("limit=100&cursor={cursor}")).await.expect(200).each("id");
    assert_eq!((&rest[..5], rest.len()), (&ids[4..], 6));
}

#[tandem_tests::test]
async fn a_cursor_belongs_to_its_list(app: &TestApp) {
    given_nine(app).await;
    let page = list(app, "limit=2&sort=name").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    list(app, &format!("limit=5&sort=name&cursor={cursor}")).await.expect(200);
    list(app, &format!("sort=id&cursor={cursor}")).await.refused(400, "cursor_mismatch");
    list(app, &format!("sort=name&country=IT&cursor={cursor}")).await.refused(400, "cursor_mismatch");
    let middle = cursor.len() / 2;
    let other = if &cursor[middle..=middle] == "A" { "B" } else { "A" };
    let tampered = format!("{}{other}{}", &cursor[..middle], &cursor[middle + 1..]);
    for wrong in [tampered.as_str(), "x", "AAAA", "%20"] {
        list(app, &format!("sort=name&cursor={wrong}")).await.refused(400, "invalid_cursor");
    }
}

#[tandem_tests::test]
async fn filters_narrow_a_list(app: &TestApp) {
    let ids = given_nine(app).await;
    let sam = app.user("sales").await;
    let mine =
        app.post("/v1/leads").by(&sam).json(json!({"email": "mine@example.com"})).await.expect(201).id();
    app.moved(&ids[0], "mql", None).await;
    let at = |n: usize| ids[n].clone();
    for (query, expected) in [
        ("country=IT", vec![at(1), at(4), at(7)]),
        ("country=it,Br&source=bing", vec![at(1), at(5), at(7)]),
        ("country=IT,BR&source=bing", vec![at(1), at(5), at(7)]),
        ("stage=mql", vec![at(0)]),
        ("stage=mql,lead&limit=2", vec![at(0), at(1)]),
        ("channel=paid_search&country=GB", vec![at(0), at(3), at(6)]),
        ("created_at_gte=2026-03-02T09:08:00Z&owner_id=none", vec![at(7), at(8)]),
        ("created_at_lt=2026-03-02T10:02:00%2B01:00", vec![at(0)]),
        ("country=XX", vec![]),
    ] {
        assert_eq!(list(app, query).await.expect(200).each("id"), expected, "{query}");
    }
    assert_eq!(
        list(app, &format!("owner_id={}", sam.id)).await.expect(200).each("id"),
        std::slice::from_ref(&mine)
    );
    assert_eq!(app.get("/v1/leads?owner_id=me").by(&sam).await.expect(200).each("id"), [mine]);
    let counted = app
        .get("/v1/leads?country=IT&limit=1")
        .by(&sam)
        .header("prefer", "return=total-count")
        .await
        .expect(200);
    assert_eq!(counted["total_count"], 3);
}

#[tandem_tests::test]
async fn a_day_is_one_of_the_companys_zone(app: &TestApp) {
    let (nine, by) = (given_nine(app).await, app.admin().await);
    let zone = json!({"name": "Example Ltd", "timezone": "Pacific/Marquesas"}); // a day begins at 09:30 UTC
    app.put("/v1/settings/company").by(by).json(zone).await.expect(200);
    app.clock.advance(minutes(30));
    let by = app.login("admin@example.com").await;
    let lead = json!({"email": "later@example.org", "company": {"domain": "example.org"}});
    let later = app.post("/v1/leads").by(&by).json(lead).await.expect(201).id();
    for (query, expected) in [
        ("created_at_lt=2026-03-02", &nine[..]),
        ("created_at_gte=2026-03-02", std::slice::from_ref(&later)),
        ("created_at_gte=2026-03-01&updated_at_lt=2026-03-02T09:02:00Z", &nine[..1]),
        ("updated_at_gte=2026-03-03", &[]),
    ] {
        let found = app.get(&format!("/v1/leads?{query}")).by(&by).await.expect(200);
        assert_eq!(found.each("id"), expected, "{query}");
    }
    for (path, found) in [
        ("companies?created_at_gte=2026-03-02", 1),
        ("companies?created_at_lt=2026-03-02", 2),
        ("deals?opened_at_gte=2026-03-02", 0),
        ("journal?occurred_at_gte=2026-03-03", 0),
    ] {
        let listed = app.get(&format!("/v1/{path}")).by(&by).await.expect(200);
        assert_eq!(listed.each("id").len(), found, "{path}");
    }
    let none = "/v1/leads?created_at_gte=2026-02-30&updated_at_lt=2026-02-29T00:00:00Z";
    let refused = app.get(none).by(&by).await.refused(400, "invalid_parameter");
    assert_eq!(
        refused.violations(),
        [("created_at_gte", "invalid_format"), ("updated_at_lt", "invalid_format")]
    );
}

#[tandem_tests::test]
async fn words_find_leads_without_case_and_accents(app: &TestApp) {
    let ids = given_nine(app).await;
    let body = json!({"id": ids[8], "phone": "+44 20 7946 0958", "company": {"name": "Bücher & Söhne"}});
    app.post("/v1/leads").by(app.admin().await).json(body).await.expect(200);
    for (q, expected) in [
        ("zoe", vec![0]),
        ("ZO%C3%8B", vec![0]),
        ("adne", vec![1]),
        ("muller%207", vec![2]),
        ("mu%20ze", vec![3]),
        ("lead4", vec![4]),
        ("firm1.example", vec![1, 3, 5, 7]),
        ("0958", vec![8]),
        ("7946%200958", vec![]),
        ("79460958", vec![8]),
        ("bucher", vec![8]),
        ("sohne%20sue", vec![8]),
        ("nobody", vec![]),
        ("%25", vec![]),
        ("_", vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|n: usize| ids[n].clone()).collect();
        assert_eq!(list(app, &format!("q={q}")).await.expect(200).each("id"), expected, "{q}");
    }
    let lead = app.get(&format!("/v1/leads/{}", ids[8])).by(app.admin().await).await.expect(200);
    let company = lead["company"]["id"].as_str().unwrap();
    app.patch(&format!("/v1/companies/{company}"))
        .by(app.admin().await)
        .json(json!({"name": "Libri"}))
        .await
        .expect(200);
    assert_eq!(list(app, "q=libri").await.expect(200).each("id"), [ids[8].clone()]);
    assert_eq!(list(app, "q=bucher").await.expect(200).each("id").len(), 0);
}

#[tandem_tests::test]
async fn a_wrong_parameter_is_named(app: &TestApp) {
    for (query, expected) in [
        ("limit=0", vec![("limit", "out_of_range")]),
        ("limit=201&sort=shoe_size", vec![("limit", "out_of_range"), ("sort", "not_allowed")]),
        ("limit=ten", vec![("limit", "invalid_type")]),
        ("limit=1&limit=2", vec![("limit", "duplicate_parameter")]),
        ("lmit=1", vec![("lmit", "unknown_parameter")]),
        ("stage=mql,nonsense", vec![("stage", "not_allowed")]),
        ("created_at_gte=yesterday", vec![("created_at_gte", "invalid_format")]),
        ("owner_id=sam", vec![("owner_id", "invalid_format")]),
        ("archived=maybe", vec![("archived", "invalid_type")]),
        ("q=", vec![("q", "too_short")]),
        ("q=%00", vec![("q", "invalid_format")]),
        ("q=%FF", vec![("q", "invalid_format")]),
    ] {
        let refused = list(app, query).await.refused(400, "invalid_parameter");
        let mut found = refused.violations();
        found.dedup();
        assert_eq!(found, expected, "{query}");
    }
    let refused = list(app, "lmit=1").await;
    assert!(refused.text.contains("`limit`"), "the nearest known name: {}", refused.text);
}

#[tandem_tests::test]
async fn leads_are_found_by_their_ids_and_e_mails(app: &TestApp) {
    let by = app.admin().await;
    let ada = app.given_lead("ada@example.com").await.id();
    let bob = app.given_lead("bob@bücher.example").await.id();
    app.given_lead("eve@example.com").await;
    let second = json!({"id": ada, "emails": ["ada@home.example"]});
    app.post("/v1/leads").by(by).json(second).await.expect(200);
    for (query, expected) in [
        ("email=ada@example.com".to_owned(), vec![&ada]),
        ("email=%20ADA@Home.example".to_owned(), vec![&ada]),
        ("email=bob@b%C3%BCcher.example,ada@example.com".to_owned(), vec![&ada, &bob]),
        ("email=bob@b%C3%BCcher.example&email=ada@example.com&sort=-id".to_owned(), vec![&bob, &ada]),
        ("email=ada@example.org".to_owned(), vec![]),
        (format!("id={bob},{ada}"), vec![&ada, &bob]),
        (format!("id={bob}&id={ada}&sort=-created_at"), vec![&bob, &ada]),
        (format!("id={bob},{ada}&email=bob@b%C3%BCcher.example"), vec![&bob]),
        (format!("id={bob},{ada}&q=ada"), vec![&ada]),
        (format!("id={bob},{ada}&stage=mql"), vec![]),
    ] {
        app.clock.advance(minutes(1));
        let found = list(app, &query).await.expect(200);
        assert_eq!(found.each("id").iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let both = format!("id={ada}&id={bob}&limit=1");
    let first = list(app, &both).await.expect(200);
    let next = list(app, &format!("{both}&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!(next.expect(200).each("id"), [bob.as_str()]);
    list(app, &format!("id={}", vec![ada.as_str(); 201].join(","))).await.refused(400, "invalid_parameter");
    list(app, "email=nobody").await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn users_are_found_by_their_e_mail(app: &TestApp) {
    let by = app.admin().await;
    let user = json!({"email": "Rita@Sales.example", "name": "Rita", "role": "sales"});
    let rita = app.post("/v1/users").by(by).json(user).await.expect(201).id();
    for (email, expected) in [("RITA@sales.example", vec![rita]), ("rita@sales.example.org", vec![])] {
        let found = app.get(&format!("/v1/users?email={email}")).by(by).await.expect(200);
        assert_eq!(found.each("id"), expected);
    }
}

#[tandem_tests::test]
async fn a_comma_in_a_filter_s_value_is_escaped(app: &TestApp) {
    let sources = [("a@one.example", "Fair, Rome"), ("b@one.example", "Fair"), ("c@one.example", "web")];
    for (email, source) in sources {
        let lead = json!({"email": email, "first_touch": {"source": source}});
        app.post("/v1/leads").by(app.admin().await).json(lead).await.expect(201);
    }
    for (query, n) in [
        ("source=Fair%5C,%20Rome", 1),
        ("source=Fair%5C,%20Rome,web", 2),
        ("source=Fair%5C,%20Rome&source=web", 2),
        ("source=Fair,%20Rome", 1),
    ] {
        let found = list(app, query).await.expect(200);
        assert_eq!(found.each("id").len(), n, "{query}");
    }
}

#[tandem_tests::test]
async fn the_feed_of_some_leads_is_that_of_all_without_the_others(app: &TestApp) {
    let by = app.admin().await;
    let ada = app.given_lead("ada@example.com").await.id();
    let bob = app.given_lead("bob@example.com").await.id();
    let eve = app.given_lead("eve@example.com").await.id();
    for (lead, name) in [(&ada, "Ada"), (&eve, "Eve"), (&bob, "Bob"), (&ada, "Ada Maria")] {
        let patch = json!({"first_name": name});
        app.patch(&format!("/v1/leads/{lead}")).by(by).json(patch).await.expect(200);
    }
    let all = async |query: &str| -> Vec<Value> {
        let (mut entries, mut after) = (vec![], String::new());
        loop {
            let page = app.get(&format!("/v1/changes?limit=2{query}{after}")).by(by).await.expect(200);
            entries.extend(page["data"].as_array().unwrap().clone());
            if page["has_more"] == false {
                return entries;
            }
            after = format!("&after={}", page["next_cursor"].as_str().unwrap());
        }
    };
    let of_both = async || -> Vec<Value> {
        let both = [json!(ada), json!(bob)];
        all("").await.into_iter().filter(|one| both.contains(&one["lead_id"])).collect()
    };
    // On PostgreSQL entries show once no older transaction of the server runs.
    let mut expected = of_both().await;
    for _ in 0..100 {
        if expected.iter().filter(|one| one["type"] == "lead.updated").count() == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        expected = of_both().await;
    }
    assert!(expected.len() >= 5, "{expected:?}");
    assert_eq!(all(&format!("&lead_id={ada},{bob}")).await, expected);
    assert_eq!(all(&format!("&lead_id={ada}&lead_id={bob}")).await, expected);
    let updated: Vec<Value> = expected.into_iter().filter(|one| one["type"] == "lead.updated").collect();
    assert_eq!(updated.len(), 3);
    assert_eq!(all(&format!("&lead_id={ada},{bob}&types=lead.updated")).await, updated);
}

#[tandem_tests::test]
async fn a_list_shows_touches_and_other_members_as_it_is_asked(app: &TestApp) {
    let ids = given_nine(app).await;
    let touches = ["first_touch", "last_touch", "last_non_direct_touch", "lead_touch"];
    let whole = app.get(&format!("/v1/leads/{}", ids[0])).by(app.admin().await).await.expect(200).body;
    assert!(touches.iter().all(|touch| whole[touch].is_object()), "{whole}");

    let usual = list(app, "limit=1").await.expect(200).body["data"][0].clone();
    let mut without = whole.clone();
    touches.iter().for_each(|touch| drop(without.as_object_mut().unwrap().remove(*touch)));
    assert_eq!(usual, without);
    assert_eq!(list(app, "limit=1&include=touches").await.expect(200).body["data"][0], whole);

    let names = "email,stage,last_touch,may_contact,company,score";
    let chosen = list(app, &format!("limit=1&fields={names}")).await.expect(200).body["data"][0].clone();
    let expected: serde_json::Map<String, Value> =
        names.split(',').chain(["id"]).map(|name| (name.to_owned(), whole[name].clone())).collect();
    assert_eq!(chosen, Value::Object(expected));
    list(app, "fields=email,shoe_size").await.refused(400, "invalid_parameter");
    list(app, "include=deals").await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn a_crawl_of_few_members_goes_on_in_every_order(app: &TestApp) {
    let ids = given_nine(app).await;
    for sort in ["id", "created_at", "updated_at", "-name"] {
        assert_eq!(crawl(app, &format!("sort={sort}&limit=2&fields=stage")).await, ids, "{sort}");
    }
    let by_score = crawl(app, "sort=score&limit=2&fields=stage").await;
    assert_eq!(by_score, crawl(app, "sort=score&limit=200").await);
}
