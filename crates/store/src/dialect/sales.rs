//! What differs between the databases where the facts of hand-offs are found set-wise.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use uuid::Uuid;

use super::is_postgres;
use super::locks::lock_all;

/// The newest rows of a table for each id in a JSON array, at most so many each, newest first: those whose `column` is the
/// id and that `only` holds for (of the row `n`), by the column `at` and the id.
pub fn newest_of_each(
    backend: DbBackend,
    (table, column, at): (&str, &str, &str),
    only: &str,
    ids: String,
    most: u64,
) -> Statement {
    let sql = if is_postgres(backend) {
        format!(
            "SELECT t.* FROM json_array_elements_text($1::text::json) AS x CROSS JOIN LATERAL (SELECT n.* FROM {table} n \
             WHERE n.{column} = x.value::uuid AND {only} ORDER BY n.{at} DESC, n.id DESC LIMIT {most}) AS t \
             ORDER BY t.{at} DESC, t.id DESC"
        )
    } else {
        format!(
            "SELECT t.* FROM json_each(?1) AS x CROSS JOIN {table} t ON t.id IN (SELECT n.id FROM {table} n \
             WHERE n.{column} = unhex(x.value, '-') AND {only} ORDER BY n.{at} DESC, n.id DESC LIMIT {most}) \
             ORDER BY t.{at} DESC, t.id DESC"
        )
    };
    Statement::from_sql_and_values(backend, sql, [ids.into()])
}

/// Lock turns and candidates of routing until the end of the transaction, after everything else: no turn is lost, and nobody
/// gets more leads than it takes.
pub async fn lock_turns(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<(), DbErr> {
    lock_all(connection, ids.into_iter().map(|id| format!("turns\u{0}{id}"))).await
}
