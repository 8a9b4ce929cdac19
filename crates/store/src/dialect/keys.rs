//! Sets of keys in one parameter, so that any number of them is one prepared text: native arrays on PostgreSQL, which then
//! fetches by its indexes whatever it believes about the tables; JSON on SQLite.

use sea_orm::DbBackend;
use sea_orm::sea_query::{ArrayType, Expr, SimpleExpr, Value};
use serde::Serialize;
use uuid::Uuid;

use super::is_postgres;

/// Ids as one parameter, for [`id_among`].
pub fn ids(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> Value {
    set(backend, ArrayType::Uuid, ids.into_iter().collect())
}

/// Texts as one parameter, for [`text_among`].
pub fn texts<'a>(backend: DbBackend, texts: impl IntoIterator<Item = &'a str>) -> Value {
    set(backend, ArrayType::String, texts.into_iter().collect())
}

/// Numbers as one parameter, for [`number_among`].
pub fn numbers(backend: DbBackend, numbers: impl IntoIterator<Item = i64>) -> Value {
    set(backend, ArrayType::BigInt, numbers.into_iter().collect())
}

fn set<T: Serialize + Into<Value>>(backend: DbBackend, kind: ArrayType, keys: Vec<T>) -> Value {
    if is_postgres(backend) {
        let keys = keys.into_iter().map(Into::into).collect();
        Value::Array(kind, Some(Box::new(keys)))
    } else {
        Value::from(serde_json::to_string(&keys).unwrap_or_default())
    }
}

/// The condition that an expression is one of the ids in the n-th parameter.
pub fn id_among(backend: DbBackend, expression: &str, n: usize) -> String {
    among(backend, expression, "unhex(j.value, '-')", &n.to_string())
}

/// The condition that an expression is one of the texts in the n-th parameter.
pub fn text_among(backend: DbBackend, expression: &str, n: usize) -> String {
    among(backend, expression, "j.value", &n.to_string())
}

/// The condition that an expression is one of the numbers in the n-th parameter.
pub fn number_among(backend: DbBackend, expression: &str, n: usize) -> String {
    among(backend, expression, "j.value", &n.to_string())
}

fn among(backend: DbBackend, expression: &str, value: &str, n: &str) -> String {
    if is_postgres(backend) {
        format!("{expression} = ANY(${n})")
    } else {
        format!("{expression} IN (SELECT {value} FROM json_each(?{n}) AS j)")
    }
}

/// `expression IN (keys)`, as a part of a larger query.
pub fn id_in(backend: DbBackend, expression: &str, keys: impl IntoIterator<Item = Uuid>) -> SimpleExpr {
    within(
        backend,
        |n| among(backend, expression, "unhex(j.value, '-')", n),
        ids(backend, keys),
    )
}

/// `expression IN (texts)`, as a part of a larger query.
pub fn text_in<'a>(
    backend: DbBackend,
    expression: &str,
    keys: impl IntoIterator<Item = &'a str>,
) -> SimpleExpr {
    within(
        backend,
        |n| among(backend, expression, "j.value", n),
        texts(backend, keys),
    )
}

/// A condition with one parameter. Within a larger query SQLite's are counted by their place.
fn within(backend: DbBackend, condition: impl Fn(&str) -> String, keys: Value) -> SimpleExpr {
    let n = if is_postgres(backend) { "1" } else { "" };
    Expr::cust_with_values(condition(n), [keys])
}
