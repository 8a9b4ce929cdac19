//! Short words for columns and tables: every type is explicit, nothing has a default.

use sea_orm_migration::prelude::*;

/// A 16-byte id.
pub fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().take()
}

/// A 16-byte id, or none.
pub fn id_or_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().take()
}

/// Milliseconds, counts, versions, minor units of money.
pub fn big(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// Milliseconds, counts or minor units of money, or none.
pub fn big_or_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// Text that is compared or sorted is compared by its bytes; JSON is text too.
pub fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

/// Text, or none.
pub fn text_or_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().take()
}

/// Yes or no.
pub fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

/// A table whose key is the named columns.
pub fn table(name: &'static str, key: &[&'static str], columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    table.primary_key(&mut primary);
    table
}

/// An index over columns, named after them.
pub fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index
        .name(format!("{table}_by_{}", columns.join("_")))
        .table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

/// An index whose columns name one row.
pub fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(table, columns).unique().take()
}
