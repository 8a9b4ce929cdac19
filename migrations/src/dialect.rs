//! What differs between SQLite and PostgreSQL when the schema is made; nowhere else in the migrations.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Whether the server is PostgreSQL.
pub fn is_postgres(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Postgres
}

/// Text columns compare by their bytes on both databases: SQLite does, PostgreSQL by `COLLATE "C"`.
pub async fn compare_by_bytes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if !is_postgres(manager) {
        return Ok(());
    }
    let alter = r#"
        DO $$ DECLARE c record; BEGIN
          FOR c IN SELECT table_name, column_name FROM information_schema.columns
                   WHERE table_schema = current_schema() AND data_type = 'text' AND table_name <> 'migrations'
                     AND collation_name IS DISTINCT FROM 'C'
                     AND table_name NOT IN (SELECT relname FROM pg_class WHERE relispartition)
          LOOP EXECUTE format('ALTER TABLE %I ALTER COLUMN %I TYPE text COLLATE "C"', c.table_name, c.column_name);
          END LOOP; END $$"#;
    manager.get_connection().execute_unprepared(alter).await.map(drop)
}

/// A table that grows for ever: on PostgreSQL partitioned by the month in its ids, with a default partition; the job
/// `partitions` makes the months. On SQLite a plain table.
pub async fn growing_table(manager: &SchemaManager<'_>, name: &str, columns: &str) -> Result<(), DbErr> {
    let sql = if is_postgres(manager) {
        format!(
            "CREATE TABLE {name} ({columns}, PRIMARY KEY (id)) PARTITION BY RANGE (id);
             CREATE TABLE {name}_default PARTITION OF {name} DEFAULT"
        )
    } else {
        let columns = columns.replace(" uuid", " uuid_text");
        format!("CREATE TABLE {name} ({columns}, PRIMARY KEY (id))")
    };
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}

/// The journal's place in line: a sequence on PostgreSQL; SQLite numbers by its one writer.
pub async fn journal_sequence(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if !is_postgres(manager) {
        return Ok(());
    }
    manager
        .get_connection()
        .execute_unprepared("CREATE SEQUENCE journal_seq AS bigint")
        .await
        .map(drop)
}

/// A unique index over the rows that fulfil a condition (both databases have them, the builder has not).
pub async fn unique_where(
    manager: &SchemaManager<'_>,
    table: &str,
    columns: &[&str],
    condition: &str,
) -> Result<(), DbErr> {
    let name = format!("{table}_one_by_{}", columns.join("_"));
    let columns = columns.join(", ");
    let sql = format!("CREATE UNIQUE INDEX {name} ON {table} ({columns}) WHERE {condition}");
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}

/// An index over the rows that fulfil a condition. One over a column that is nearly always empty must leave the empty
/// rows out: by the statistics of SQLite each lookup in it would find nearly all rows.
pub async fn index_where(
    manager: &SchemaManager<'_>,
    table: &str,
    columns: &[&str],
    condition: &str,
) -> Result<(), DbErr> {
    let name = format!("{table}_by_{}", columns.join("_"));
    let columns = columns.join(", ");
    let sql = format!("CREATE INDEX {name} ON {table} ({columns}) WHERE {condition}");
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}

/// A table that is all key: SQLite keeps it as one tree, not as a tree and a heap.
pub async fn key_table(manager: &SchemaManager<'_>, mut table: TableCreateStatement) -> Result<(), DbErr> {
    if is_postgres(manager) {
        return manager.create_table(table).await;
    }
    table.extra("WITHOUT ROWID");
    manager.create_table(table).await
}
