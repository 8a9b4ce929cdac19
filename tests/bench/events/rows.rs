//! The rows that events leave, read back and written again raw: a thousand events in a transaction, no selects, no rules.

use super::{BATCH, Turn};
use crate::Failure;
use crate::raw::{Raw, Table, connect, texts};

/// The tables that events are written into, in the order in which they are.
const TABLES: [&str; 4] = ["visitors", "event_keys", "events", "touches"];

/// The rows of many events: table by table, request by request, each as one JSON parameter.
pub struct Rows {
    tables: Vec<Table>,
    batches: Vec<Vec<String>>,
    /// How many rows one event leaves, on average.
    pub rows_an_event: f64,
    next: usize,
}

impl Rows {
    /// Read what the events of a database on PostgreSQL left, at most so many requests.
    pub fn of(url: &str, most: usize) -> Result<Self, Failure> {
        crate::wait_for(async {
            let on = connect(url).await?;
            let names = TABLES.map(|name| format!("'{name}'")).join(", ");
            let sql = format!(
                "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name IN ({names}) ORDER BY table_name, ordinal_position"
            );
            let mut tables = Table::told(&on, &sql).await?;
            tables.sort_by_key(|table| TABLES.iter().position(|name| table.name == *name));
            let counted = texts::<1>(&on, "SELECT count(*)::text FROM events").await?;
            let [events] = counted.first().ok_or("no count")?;
            let told = events.parse::<usize>()? / BATCH;
            let requests = told.min(most);
            let mut batches = vec![vec![String::new(); tables.len()]; requests];
            let mut count = 0;
            for (place, table) in tables.iter().enumerate() {
                // In the order of arrival: an event brings its visitor, its hash and its visit along.
                let order = if table.name == "event_keys" { "hash" } else { "id" };
                let share = format!("ntile({told}) OVER (ORDER BY {order})");
                let sql = format!(
                    "SELECT json_agg(r ORDER BY {order})::text, count(*)::text FROM (SELECT t.*, {share} AS batch FROM {} t) AS r \
                     WHERE batch <= {requests} GROUP BY batch ORDER BY batch",
                    table.name
                );
                for (batch, [rows, many]) in batches.iter_mut().zip(texts::<2>(&on, &sql).await?) {
                    batch[place] = rows;
                    count += many.parse::<usize>()?;
                }
            }
            on.close().await?;
            if batches.is_empty() {
                return Err("no events came in".into());
            }
            Ok(Self { rows_an_event: count as f64 / (requests * BATCH) as f64, tables, batches, next: 0 })
        })
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// The next so many requests, for both databases.
    pub fn next(&mut self, many: usize) -> std::ops::Range<usize> {
        let begin = self.next;
        self.next = (begin + many).min(self.batches.len());
        begin..self.next
    }

    /// Write the rows of requests, each in a transaction of its own.
    pub fn write(&self, raw: &Raw, range: std::ops::Range<usize>) -> Result<Turn, Failure> {
        let events = range.len() * BATCH;
        let wall = raw.write(&self.tables, &self.batches[range])?.as_secs_f64();
        Ok(Turn { events, wall })
    }
}
