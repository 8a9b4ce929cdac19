//! Writing rows raw, below the store and with its settings of durability: what a database can do at most.

use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tandem_store::db::DatabaseLocation;

use crate::Failure;
use crate::server::Home;

/// A table, its columns and their types.
pub struct Table {
    /// Its name.
    pub name: String,
    columns: Vec<(String, String)>,
}

impl Table {
    /// The tables whose names and columns a query of `(table, column, type)` tells, in its order, on PostgreSQL.
    pub async fn told(on: &DatabaseConnection, sql: &str) -> Result<Vec<Self>, Failure> {
        let mut tables: Vec<Self> = vec![];
        for [table, name, kind] in texts::<3>(on, sql).await? {
            if tables.last().is_none_or(|last| last.name != table) {
                tables.push(Self { name: table, columns: vec![] });
            }
            if let Some(last) = tables.last_mut() {
                last.columns.push((name, kind));
            }
        }
        Ok(tables)
    }

    /// The text by which the store inserts rows of one JSON parameter.
    fn insert(&self, backend: DbBackend) -> String {
        let names = self.columns.iter().map(|(name, _)| format!("\"{name}\""));
        let names = names.collect::<Vec<_>>().join(", ");
        if backend == DbBackend::Postgres {
            let typed = self.columns.iter().map(|(name, kind)| format!("\"{name}\" {kind}"));
            let typed = typed.collect::<Vec<_>>().join(", ");
            return format!(
                "INSERT INTO {} ({names}) SELECT {names} FROM json_to_recordset($1::text::json) AS x({typed})",
                self.name
            );
        }
        let value = |(name, kind): &(String, String)| match kind.as_str() {
            "uuid" => format!("unhex(x.value->>'{name}', '-')"),
            "bytea" => format!("unhex(substr(x.value->>'{name}', 3))"),
            _ => format!("x.value->>'{name}'"),
        };
        let values = self.columns.iter().map(value).collect::<Vec<_>>().join(", ");
        format!("INSERT INTO {} ({names}) SELECT {values} FROM jsonb_each(?1) AS x WHERE true", self.name)
    }
}

/// One connection that writes raw, with the store's settings of durability.
pub struct Raw {
    runtime: tokio::runtime::Runtime,
    on: DatabaseConnection,
    begin: &'static str,
}

impl Raw {
    /// To a database.
    pub fn to(home: &Home) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (url, begin, settings) = match home.place() {
            DatabaseLocation::Sqlite(path) => (
                format!("sqlite://{}", path.display()),
                "BEGIN IMMEDIATE",
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192",
            ),
            DatabaseLocation::Postgres { url, .. } => (url, "BEGIN", "SET synchronous_commit = on"),
        };
        let on = runtime.block_on(async {
            let on = connect(&url).await?;
            on.execute_unprepared(settings).await?;
            Ok::<_, Failure>(on)
        })?;
        Ok(Self { runtime, on, begin })
    }

    /// Write batches, each in a transaction of its own: of each table one JSON parameter, empty where it has no rows.
    /// Answers how long it took.
    pub fn write(&self, tables: &[Table], batches: &[Vec<String>]) -> Result<Duration, Failure> {
        self.runtime.block_on(async {
            let backend = self.on.get_database_backend();
            let sql: Vec<String> = tables.iter().map(|table| table.insert(backend)).collect();
            let begun = Instant::now();
            for batch in batches {
                self.on.execute_unprepared(self.begin).await?;
                for (sql, rows) in sql.iter().zip(batch).filter(|(_, rows)| !rows.is_empty()) {
                    let statement = Statement::from_sql_and_values(backend, sql, [rows.as_str().into()]);
                    self.on.execute_raw(statement).await?;
                }
                self.on.execute_unprepared("COMMIT").await?;
            }
            Ok(begun.elapsed())
        })
    }

    /// Let it go.
    pub fn close(self) -> Result<(), Failure> {
        Ok(self.runtime.block_on(self.on.close())?)
    }
}

/// One connection below the store.
pub async fn connect(url: &str) -> Result<DatabaseConnection, Failure> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

/// The rows of a query whose columns are texts.
pub async fn texts<const N: usize>(on: &DatabaseConnection, sql: &str) -> Result<Vec<[String; N]>, Failure> {
    let statement = Statement::from_string(on.get_database_backend(), sql);
    let mut all = vec![];
    for row in on.query_all_raw(statement).await? {
        let mut columns = [const { String::new() }; N];
        for (place, column) in columns.iter_mut().enumerate() {
            *column = row.try_get_by_index(place)?;
        }
        all.push(columns);
    }
    Ok(all)
}
