//! The rows that captures leave, read back and written again raw: so many leads in a transaction, no selects, no rules.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::DatabaseConnection;

use crate::Failure;
use crate::raw::{Raw, Table, connect, texts};

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
        let sql = format!("SELECT id::text FROM leads ORDER BY id OFFSET {known} LIMIT {}", most * BATCH);
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
        batches.iter_mut().flatten().filter(|rows| !rows.is_empty()).for_each(|rows| rows.push(']'));
        if batches.is_empty() {
            return Err(
                format!("fewer than {BATCH} captures came in: no batch of their rows can be made").into()
            );
        }
        Ok(Self { rows_a_capture: count as f64 / batch_of.len() as f64, tables, batches, next: 0 })
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
        let took = raw.write(&self.tables, &self.batches[range.clone()])?;
        Ok((range.len() * BATCH, took))
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
    Table::told(on, sql).await
}
