//! The schema: entities equal migrations, and every personal column is entered in the holdings.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use sea_orm::{
    ColumnTrait, ColumnType, ConnectionTrait, DatabaseConnection, EntityName, EntityTrait, IdenStatic,
    Iterable, Statement,
};
use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_store::{holdings, rows};
use tandem_tests::{Backend, Database, START, hours};

use crate::act;

/// Columns by table and name: the type, and whether it may be null.
type Schema = BTreeMap<String, BTreeMap<String, (String, bool)>>;

macro_rules! schema {
    ($($table:ident),* $(,)?) => {
        /// The schema that the rows of the store expect.
        fn expected() -> Schema {
            Schema::from([$((rows::$table::Entity.table_name().to_owned(), columns::<rows::$table::Entity>())),*])
        }
    };
}

tandem_store::for_each_table!(schema);

fn columns<E: EntityTrait>() -> BTreeMap<String, (String, bool)> {
    let kind = |column: &E::Column| match column.def().get_column_type() {
        ColumnType::Uuid => "uuid",
        ColumnType::BigInteger => "bigint",
        ColumnType::Boolean => "boolean",
        ColumnType::Text => "text",
        other => panic!("{} has a type that nothing else has: {other:?}", column.as_str()),
    };
    E::Column::iter()
        .map(|column| (column.as_str().to_owned(), (kind(&column).to_owned(), column.def().is_null())))
        .collect()
}

/// The schema that the database has.
async fn found(raw: &DatabaseConnection, backend: Backend) -> Schema {
    let sql = match backend {
        Backend::Sqlite => {
            "SELECT m.name AS t, c.name AS c, lower(c.type) AS k, c.\"notnull\" = 0 AND c.pk = 0 AS n \
             FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
        }
        Backend::Postgres => {
            "SELECT c.relname::text AS t, a.attname::text AS c, format_type(a.atttypid, -1) AS k, NOT a.attnotnull AS n \
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        }
    };
    let mut schema = Schema::new();
    for row in raw.query_all_raw(Statement::from_string(raw.get_database_backend(), sql)).await.unwrap() {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        let kind = text("k").replace("uuid_text", "uuid").replace("integer", "bigint");
        let nullable = row.try_get::<bool>("", "n").unwrap();
        schema.entry(text("t")).or_default().insert(text("c"), (kind, nullable));
    }
    schema.remove("migrations");
    schema
}

#[tandem_tests::test]
async fn entities_equal_the_migrations(database: &Database) {
    let raw = database.raw().await;
    let found = found(&raw, database.backend).await;
    let expected = expected();
    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (table, columns) in expected {
        assert_eq!(found[&table], columns, "{table}");
    }
    raw.close().await.unwrap();
}

#[tandem_tests::test]
async fn every_text_column_is_among_the_holdings(database: &Database) {
    let raw = database.raw().await;
    let found = found(&raw, database.backend).await;
    raw.close().await.unwrap();

    let texts = |columns: &BTreeMap<String, (String, bool)>| {
        columns
            .iter()
            .filter(|(_, (kind, _))| kind == "text")
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    let in_schema: BTreeSet<(String, String)> = found
        .iter()
        .flat_map(|(table, columns)| texts(columns).into_iter().map(|column| (table.clone(), column)))
        .collect();
    let entered =
        holdings::COLUMNS.iter().map(|(table, column, _)| ((*table).to_owned(), (*column).to_owned()));
    assert_eq!(entered.collect::<BTreeSet<_>>(), in_schema);
}

#[tandem_tests::test]
async fn text_is_compared_by_its_bytes(database: &Database) {
    let raw = database.raw().await;
    let backend = raw.get_database_backend();
    let insert = |name: &str| format!("INSERT INTO revisions (name, revision) VALUES ('{name}', 1)");
    for name in ["~b", "~B", "~ä", "~a"] {
        raw.execute_unprepared(&insert(name)).await.unwrap();
    }
    let sql = "SELECT name FROM revisions WHERE name >= '~' ORDER BY name";
    let sorted = raw.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let sorted: Vec<String> = sorted.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    assert_eq!(sorted, ["~B", "~a", "~b", "~ä"]);
    raw.close().await.unwrap();
}

#[tandem_tests::test]
async fn a_second_migration_changes_nothing(database: &Database) {
    let db = database.connect().await;
    assert!(db.is_migrated().await.unwrap());
    tandem_store::prepare(&db, act(1)).await.unwrap();
    db.close().await;
}

#[tandem_tests::test(postgres)]
async fn replicas_that_start_together_all_prepare_the_database(database: &Database) {
    let raw = database.raw().await;
    let count = async |sql: &str| -> i64 {
        let row = raw.query_one_raw(Statement::from_string(raw.get_database_backend(), sql)).await.unwrap();
        row.unwrap().try_get("", "n").unwrap()
    };
    let months = "SELECT count(*) AS n FROM pg_inherits WHERE inhparent = 'journal'::regclass";
    let at = |days: i64| Act::new(Actor::System("test"), "start", START.plus_millis(hours(24 * days)), 1);

    prepare_together(database, at(200)).await;
    // March to June of the template and the default; then September to December.
    assert_eq!(count(months).await, 5 + 4);

    raw.execute_unprepared("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    prepare_together(database, at(0)).await;
    assert_eq!(count(months).await, 5);
    assert_eq!(count("SELECT version AS n FROM settings WHERE name = 'journal_epoch'").await, 1);
    raw.close().await.unwrap();
}

async fn prepare_together(database: &Database, act: Act) {
    let replicas: Vec<_> = join_all((0..8).map(|_| database.connect())).await;
    for prepared in join_all(replicas.iter().map(|db| tandem_store::prepare(db, act.clone()))).await {
        prepared.unwrap();
    }
    join_all(replicas.into_iter().map(|db| db.close())).await;
}
