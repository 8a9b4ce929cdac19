//! What goes by keys is found by indexes in tables that were just filled and never analysed, by readers and writers alike.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement as Sql};
use serde_json::Value;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::leads::save::{self, OnConflict, Statement};
use tandem_domain::settle::Unsettled;
use tandem_store::db::{BEGIN, Db};
use tandem_store::leads::{LeadFilter, LeadPage, LeadSort, Part};
use tandem_store::{handoff, journal, leads, settle_all};
use tandem_tests::{Backend, Database, START};

use crate::{act, statement};

const LEADS: usize = 600;
/// The tables that grow with the leads.
const GROWING: [&str; 12] = [
    "leads",
    "companies",
    "identifiers",
    "scores",
    "consents",
    "qualifications",
    "field_values",
    "cycles",
    "transitions",
    "lead_terms",
    "company_terms",
    "journal",
];

/// Leads, each with a company of its own.
async fn given_leads(db: &Db) -> Vec<LeadId> {
    let said: Vec<Statement> = (0..LEADS)
        .map(|n| Statement { company: None, ..statement(&format!("p{n}@firm{n}.example")) })
        .collect();
    save(db, act(1), &said).await
}

async fn save(db: &Db, act: Act, said: &[Statement]) -> Vec<LeadId> {
    let tx = db.begin(act).await.unwrap();
    let mut world = leads::world(&tx, said).await.unwrap();
    let (mut items, mut ids) = (vec![], vec![]);
    for one in said {
        let saved = save::upsert(&mut world, one, OnConflict::Refuse, tx.act()).unwrap();
        ids.push(saved.lead_id);
        items.push((tx.act(), Unsettled::from(saved.changes)));
    }
    settle_all(&tx, &mut world, items).await.unwrap();
    tx.commit().await.unwrap();
    ids
}

/// How a statement reads tables that grow, where it reads more than its keys name: the scans, as the database words them.
async fn scans(raw: &DatabaseConnection, on: Backend, sql: &str) -> Vec<String> {
    match on {
        Backend::Sqlite => {
            let explain = Sql::from_string(raw.get_database_backend(), format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = raw.query_all_raw(explain).await.unwrap();
            let details = rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap());
            let details: Vec<String> = details.collect();
            // Tables go by their aliases here: what is scanned is a virtual table, what was read already, or wrong.
            let read = |detail: &String| {
                let subquery = detail.strip_prefix("CO-ROUTINE ").or(detail.strip_prefix("MATERIALIZE "));
                subquery.map(|name| format!("SCAN {name}"))
            };
            let read: Vec<String> = details.iter().filter_map(read).collect();
            let is_fine = |detail: &String| {
                let small = ["VIRTUAL TABLE", "CONSTANT ROW", "SCAN revisions", "SCAN settings", "SCAN ("];
                !detail.starts_with("SCAN ")
                    || read.contains(detail)
                    || small.iter().any(|word| detail.contains(word))
            };
            details.into_iter().filter(|detail| !is_fine(detail)).collect()
        }
        Backend::Postgres => {
            let backend = raw.get_database_backend();
            // The driver gives the types of parameters; here they have to be written.
            let typed = sql
                .replace("unnest($1, $2, $3)", "unnest($1::bigint[], $2::text[], $3::text[])")
                .replace("unnest($1)", "unnest($1::bigint[])");
            raw.execute_unprepared(&format!("PREPARE asked AS {typed}")).await.unwrap();
            let parameters = (1..100).take_while(|n| sql.contains(&format!("${n}"))).count();
            let nulls = vec!["NULL"; parameters].join(", ");
            let nulls = if parameters > 0 { format!("({nulls})") } else { String::new() };
            let explain = Sql::from_string(backend, format!("EXPLAIN (FORMAT JSON) EXECUTE asked{nulls}"));
            let plan: Value =
                raw.query_one_raw(explain).await.unwrap().unwrap().try_get("", "QUERY PLAN").unwrap();
            raw.execute_unprepared("DEALLOCATE asked").await.unwrap();
            let mut found = vec![];
            walk(&plan[0]["Plan"], &mut found);
            found
        }
    }
}

fn walk(node: &Value, found: &mut Vec<String>) {
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let is_scan = kind.ends_with("Scan") && kind != "Bitmap Heap Scan" && node["Index Cond"].is_null();
    if is_scan && GROWING.iter().any(|known| table.starts_with(known)) {
        found.push(format!("{kind} of {table}"));
    }
    node["Plans"].as_array().into_iter().flatten().for_each(|node| walk(node, found));
}

/// A connection that plans as the store's do, also where it knows no parameter yet.
async fn planner(database: &Database) -> DatabaseConnection {
    let raw = database.raw().await;
    if database.backend == Backend::Postgres {
        for (name, value) in tandem_store::db::BY_KEY {
            raw.execute_unprepared(&format!("SET {name} = {value}")).await.unwrap();
        }
        raw.execute_unprepared("SET plan_cache_mode = force_generic_plan").await.unwrap();
    }
    raw
}

#[tandem_tests::test]
async fn what_goes_by_keys_scans_nothing_in_tables_that_were_never_analysed(database: &Database) {
    let db = database.connect().await;
    let ids = given_leads(&db).await;

    db.statements().record();
    leads::get(&db, ids[7]).await.unwrap();
    assert_eq!(leads::by_ids(&db, ids[..50].iter().copied()).await.unwrap().len(), 50);
    leads::check(&db, ids[7]).await.unwrap();
    leads::consent::history(&db, ids[7]).await.unwrap();
    leads::statements(&db, ids[7]).await.unwrap();
    handoff::qualification(&db, ids[7]).await.unwrap();
    journal::timeline(&db, ids[7], &[], "notice.created", None, 50).await.unwrap();
    let email = LeadFilter { emails: statement("p7@firm7.example").emails, ..LeadFilter::default() };
    let wanted = LeadPage { sort: LeadSort::Id, descending: false, after: None, limit: 50, parts: Part::ALL };
    assert_eq!(leads::list(&db, &email, wanted).await.unwrap().data.len(), 1);
    let again = [statement("p7@firm7.example"), statement("new@firm8.example")];
    save(&db, Act { now: START, ..act(2) }, &again).await;
    let statements = db.statements().recorded();

    let raw = planner(database).await;
    let mut wrong = vec![];
    for sql in statements.iter().filter(|sql| *sql != BEGIN) {
        let scans = scans(&raw, database.backend, sql).await;
        if !scans.is_empty() {
            wrong.push(format!("{scans:?}: {sql}"));
        }
    }
    raw.close().await.unwrap();
    db.close().await;
    assert!(statements.len() > 20, "{statements:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
