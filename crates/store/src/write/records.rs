//! Rows of plain records. Which rows a kind of record has stands beside them.

use std::collections::BTreeSet;

use sea_orm::{DbBackend, EntityTrait, IdenStatic, Iterable, ModelTrait, Statement};
use serde::Serialize;
use serde_json::{Value, json};
use tandem_domain::change::Record;
use uuid::Uuid;

use super::rows::Rows;
use super::statements::delete;
use crate::dialect::{self, OnConflict};
use crate::rows::to_json;

/// Rows by table, in the order in which they were added: of two rows with one key the later one counts.
#[derive(Default)]
pub(crate) struct Tables(Vec<Table>);

struct Table {
    name: &'static str,
    /// Rows that go before the others come: those with one of these ids in this column.
    gone: (&'static str, BTreeSet<Uuid>),
    /// Each with its primary key.
    rows: Vec<(Value, Value)>,
    insert: fn(DbBackend, String) -> Statement,
}

impl Tables {
    /// Insert a row, or replace the one with its key.
    pub(crate) fn put<M: ModelTrait + Serialize>(&mut self, row: M) {
        let table = self.table::<M>("id", |backend, rows| {
            dialect::insert::<M::Entity>(backend, rows, OnConflict::Replace, &[])
        });
        table.push::<M>(&row);
    }

    /// Replace the rows that have this id in a column. A key that stands in another row is an error.
    pub(crate) fn replace<M: ModelTrait + Serialize>(
        &mut self,
        column: &'static str,
        id: Uuid,
        rows: Vec<M>,
    ) {
        let table = self.table::<M>(column, |backend, rows| {
            dialect::insert::<M::Entity>(backend, rows, OnConflict::Fail, &[])
        });
        table.gone.1.insert(id);
        table.rows.retain(|(_, row)| row[column] != json!(id));
        for row in &rows {
            table.push::<M>(row);
        }
    }

    /// Delete the row with this id.
    pub(crate) fn remove<M: ModelTrait>(&mut self, id: Uuid) {
        let table = self.table::<M>("id", |backend, rows| {
            dialect::insert::<M::Entity>(backend, rows, OnConflict::Replace, &[])
        });
        table.gone.1.insert(id);
        table.rows.retain(|(_, row)| row["id"] != json!(id));
    }

    fn table<M: ModelTrait>(
        &mut self,
        column: &'static str,
        insert: fn(DbBackend, String) -> Statement,
    ) -> &mut Table {
        let name = static_name::<M::Entity>();
        let known = self.0.iter().position(|table| table.name == name);
        let index = known.unwrap_or_else(|| {
            self.0.push(Table {
                name,
                gone: (column, BTreeSet::new()),
                rows: vec![],
                insert,
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    pub(super) fn statements(&self, backend: DbBackend) -> impl Iterator<Item = Statement> {
        self.0.iter().flat_map(move |table| {
            let (column, ids) = &table.gone;
            let gone = delete(backend, table.name, column, ids.iter().copied());
            let rows: Vec<&Value> = table.rows.iter().map(|(_, row)| row).collect();
            let come = (!rows.is_empty()).then(|| (table.insert)(backend, to_json(&rows)));
            gone.into_iter().chain(come)
        })
    }
}

impl Table {
    fn push<M: ModelTrait + Serialize>(&mut self, row: &M) {
        let row = json!(row);
        let columns = <M::Entity as EntityTrait>::PrimaryKey::iter();
        let key: Value = columns.map(|column| row[column.as_str()].clone()).collect();
        self.rows.retain(|(known, _)| *known != key);
        self.rows.push((key, row));
    }
}

fn static_name<E: EntityTrait>() -> &'static str {
    E::default().as_str()
}

/// A plain record that knows its rows; it stands beside them.
pub(crate) trait HasRows {
    /// Add its rows.
    fn put(&self, rows: &mut Rows);
}

macro_rules! kept {
    ($($name:ident,)*) => {
        impl Rows {
            pub(super) fn add_record(&mut self, record: &Record) {
                match record { $(Record::$name(one) => one.put(self),)* }
            }
        }
    };
}

tandem_domain::for_each_record!(kept);
