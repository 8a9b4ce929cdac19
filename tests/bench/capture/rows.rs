//! The rows that captures leave, read back and written again raw: so many leads in a transaction, no selects, no rules.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::stage::{connect, texts};
use crate::Failure;
use crate::server::Home;
use tandem_store::db::Place;

/// How many captures one raw transaction holds.
pub const BATCH: usize = 64;

/// The rows of many captures: table by table, batch by batch, each as one JSON parameter.
pub struct Rows {
    tables: Vec<Table>,
    /// For each batch one parameter a table, in the order of the tables; empty where the batch has no rows in it.
    batches: Vec<Vec<String>>,
    /// How many rows one capture leaves, on average.
    pub rows_a_capture: f64,
    next: usize,
}

/// A table, its columns and their types.
struct Table {
    name: String,
    columns: Vec<(String, String)>,
}

impl Rows {
    /// Read what the captures of a database on PostgreSQL left, at most so many batches. What was known before the first
    /// capture (`known` leads) is no part of it.
    pub fn of(url: &str, known: u64, most: usize) -> Result<Self, Failure> {
        crate::wait_for(async {
            let on = connect(url).await?;
            let rows = Self::read(&on, known, most).await?;
            on.close().await?;
            Ok(rows)
        })
    }

    async fn read(on: &DatabaseConnection, known: u64, most: usize) -> Result<Self, Failure> {
        let sql = format!(
            "SELECT id::text FROM leads ORDER BY id OFFSET {known} LIMIT {}",
            most * BATCH
        );
        let leads: Vec<String> = texts::<1>(on, &sql).await?.into_iter().map(|[id]| id).collect();
        let batch_of: BTreeMap<&str, usize> = leads
            .chunks_exact(BATCH)
            .enumerate()
            .flat_map(|(place, chunk)| chunk.iter().map(move |id| (id.as_str(), place)))
            .collect();
        let tables = tables(on).await?;
        let mut batches = vec![vec![String::new(); tables.len()]; leads.len() / BATCH];
        let mut count = 0;
        for (place, table) in tables.iter().enumerate() {
            let owner = if table.name == "leads" { "id" } else { "lead_id" };
            let sql = format!(
                "SELECT t.{owner}::text, row_to_json(t)::text FROM {} t WHERE t.{owner} IS NOT NULL ORDER BY t.{owner}",
                table.name
            );
            for [lead, row] in texts::<2>(on, &sql).await? {
                let Some(batch) = batch_of.get(lead.as_str()) else {
                    continue;
                };
                let rows = &mut batches[*batch][place];
                rows.push(if rows.is_empty() { '[' } else { ',' });
                rows.push_str(&row);
                count += 1;
            }
        }
        batches
            .iter_mut()
            .flatten()
            .filter(|rows| !rows.is_empty())
            .for_each(|rows| rows.push(']'));
        if batches.is_empty() {
            return Err(
                format!("fewer than {BATCH} captures came in: no batch of their rows can be made").into(),
            );
        }
        Ok(Self {
            rows_a_capture: count as f64 / batch_of.len() as f64,
            tables,
            batches,
            next: 0,
        })
    }

    /// How many batches there are.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// The next so many batches, for both databases.
    pub fn next(&mut self, many: usize) -> std::ops::Range<usize> {
        let begin = self.next;
        self.next = (begin + many).min(self.batches.len());
        begin..self.next
    }

    /// Write batches, each in a transaction of its own; answer how many captures they were, and how long it took.
    pub fn write(&self, raw: &Raw, range: std::ops::Range<usize>) -> Result<(usize, Duration), Failure> {
        raw.runtime.block_on(async {
            let backend = raw.on.get_database_backend();
            let sql: Vec<String> = self.tables.iter().map(|table| table.insert(backend)).collect();
            let begun = Instant::now();
            for batch in &self.batches[range.clone()] {
                raw.on.execute_unprepared(raw.begin).await?;
                for (sql, rows) in sql.iter().zip(batch).filter(|(_, rows)| !rows.is_empty()) {
                    let statement = Statement::from_sql_and_values(backend, sql, [rows.as_str().into()]);
                    raw.on.execute_raw(statement).await?;
                }
                raw.on.execute_unprepared("COMMIT").await?;
            }
            Ok((range.len() * BATCH, begun.elapsed()))
        })
    }
}

impl Table {
    /// The text by which the store inserts rows of one JSON parameter.
    fn insert(&self, backend: DbBackend) -> String {
        let names = self.columns.iter().map(|(name, _)| format!("\"{name}\""));
        let names = names.collect::<Vec<_>>().join(", ");
        if backend == DbBackend::Postgres {
            let typed = self
                .columns
                .iter()
                .map(|(name, kind)| format!("\"{name}\" {kind}"));
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
        format!(
            "INSERT INTO {} ({names}) SELECT {values} FROM jsonb_each(?1) AS x WHERE true",
            self.name
        )
    }
}

/// The leads, and whatever has a lead: partitions belong to their table.
async fn tables(on: &DatabaseConnection) -> Result<Vec<Table>, Failure> {
    let sql = "SELECT c.table_name::text, c.column_name::text, c.data_type::text FROM information_schema.columns c \
               JOIN pg_class k ON k.relname = c.table_name AND NOT k.relispartition AND k.relkind IN ('r', 'p') \
               WHERE c.table_schema = current_schema() AND (c.table_name = 'leads' OR EXISTS (SELECT 1 \
               FROM information_schema.columns o WHERE o.table_schema = c.table_schema \
               AND o.table_name = c.table_name AND o.column_name = 'lead_id')) \
               ORDER BY c.table_name <> 'leads', c.table_name, c.ordinal_position";
    let mut tables: Vec<Table> = vec![];
    for [table, name, kind] in texts::<3>(on, sql).await? {
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(Table {
                name: table,
                columns: vec![],
            });
        }
        if let Some(last) = tables.last_mut() {
            last.columns.push((name, kind));
        }
    }
    Ok(tables)
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (url, begin, settings) = match home.place() {
            Place::Sqlite(path) => (
                format!("sqlite://{}", path.display()),
                "BEGIN IMMEDIATE",
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192",
            ),
            Place::Postgres { url, .. } => (url, "BEGIN", "SET synchronous_commit = on"),
        };
        let on = runtime.block_on(async {
            let on = connect(&url).await?;
            on.execute_unprepared(settings).await?;
            Ok::<_, Failure>(on)
        })?;
        Ok(Self { runtime, on, begin })
    }

    /// Let it go.
    pub fn close(self) -> Result<(), Failure> {
        Ok(self.runtime.block_on(self.on.close())?)
    }
}
