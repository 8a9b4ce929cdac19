//! Rows as JSON within a statement: arrays of their columns, in the order of the fields of their row types, which read them.

use sea_orm::{ColumnTrait, ColumnType, DbBackend, EntityTrait, IdenStatic, Iterable};

use super::is_postgres;

/// A subselect of all rows of a source, known as `x` in it, as a JSON array; empty or null where there is none.
pub fn rows_as_json<E: EntityTrait>(backend: DbBackend, source: &str) -> String {
    let one = columns_as_json::<E>(backend);
    if is_postgres(backend) {
        format!("(SELECT json_agg({one})::text FROM {source})")
    } else {
        format!("(SELECT json_group_array({one}) FROM {source})")
    }
}

/// A subselect of the one row of a source, known as `x` in it; null where there is none.
pub fn row_as_json<E: EntityTrait>(backend: DbBackend, source: &str) -> String {
    let one = columns_as_json::<E>(backend);
    if is_postgres(backend) {
        format!("(SELECT {one}::text FROM {source})")
    } else {
        format!("(SELECT {one} FROM {source})")
    }
}

fn columns_as_json<E: EntityTrait>(backend: DbBackend) -> String {
    let read = |column: E::Column| {
        let name = format!("x.\"{}\"", column.as_str());
        match column.def().get_column_type() {
            _ if is_postgres(backend) => name,
            ColumnType::Uuid => format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END"),
            ColumnType::Boolean => {
                format!("json(CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)")
            }
            _ => name,
        }
    };
    let columns: Vec<String> = E::Column::iter().map(read).collect();
    let array = if is_postgres(backend) {
        "json_build_array"
    } else {
        "json_array"
    };
    format!("{array}({})", columns.join(", "))
}
