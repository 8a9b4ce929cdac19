//! Objections in words: those that no code is known for, and the codes that words are mapped to.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select};
use tandem_domain::activities::objections::ObjectionMapping;
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::{deal_objections, objection_mappings, objections};

/// Objections in the same words that no code is known for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// The words in the form in which they are compared.
    pub key: String,
    /// The words, as one of the objections has them.
    pub text: String,
    /// How many objections there are.
    pub count: i64,
    /// When the first was raised.
    pub first_at: Timestamp,
    /// When the last was raised.
    pub last_at: Timestamp,
}

#[derive(FromQueryResult)]
struct Group {
    text_key: String,
    text: String,
    raised: i64,
    first_at: i64,
    last_at: i64,
}

/// What words are mapped to, locked until the end of the transaction.
pub async fn mapping_for_update(tx: &Tx, key: &str) -> Result<Option<ObjectionMapping>, StoreError> {
    let name = format!("objection\u{0}{key}");
    dialect::lock_external_ids(tx.conn(), [name]).await?;
    let row = objection_mappings::Entity::find()
        .filter(objection_mappings::Column::TextKey.eq(key))
        .one(tx.conn())
        .await?;
    Ok(row.map(|row| row.into_domain()))
}

/// Give all objections in these words their code; how many got another one.
pub async fn apply_mapping(tx: &Tx, key: &str, code: &str) -> Result<u64, StoreError> {
    let raised = {
        use objections::Column::{Code, TextKey};
        let others = TextKey.eq(key).and(Code.is_null().or(Code.ne(code)));
        let update = objections::Entity::update_many().col_expr(Code, Expr::val(code));
        update.filter(others).exec(tx.conn()).await?
    };
    let stated = {
        use deal_objections::Column::{Code, TextKey};
        let others = TextKey.eq(key).and(Code.is_null().or(Code.ne(code)));
        let update = deal_objections::Entity::update_many().col_expr(Code, Expr::val(code));
        update.filter(others).exec(tx.conn()).await?
    };
    Ok(raised.rows_affected + stated.rows_affected)
}

/// A page of the words that no code is known for, of activities and of closed deals, in their order.
pub async fn unmapped(
    on: &impl Read,
    after: Option<String>,
    limit: u64,
) -> Result<Page<Unmapped>, StoreError> {
    let raised = {
        use objections::Column::{Code, OccurredAt, Text, TextKey};
        let waiting = objections::Entity::find()
            .filter(TextKey.is_not_null())
            .filter(Code.is_null());
        grouped(waiting, (TextKey, Text, OccurredAt), after.as_deref(), limit)
    };
    let stated = {
        use deal_objections::Column::{Code, OccurredAt, Text, TextKey};
        let waiting = deal_objections::Entity::find()
            .filter(TextKey.is_not_null())
            .filter(Code.is_null());
        grouped(waiting, (TextKey, Text, OccurredAt), after.as_deref(), limit)
    };
    let raised = raised.into_model::<Group>().all(on.conn()).await?;
    let stated = stated.into_model::<Group>().all(on.conn()).await?;
    // The first words of both are among the first of each.
    let mut by_key: BTreeMap<String, Unmapped> = BTreeMap::new();
    for group in raised.into_iter().chain(stated) {
        let (first_at, last_at) = (
            Timestamp::from_millis(group.first_at),
            Timestamp::from_millis(group.last_at),
        );
        let known = by_key.entry(group.text_key.clone()).or_insert(Unmapped {
            key: group.text_key,
            text: group.text,
            count: 0,
            first_at,
            last_at,
        });
        known.count += group.raised;
        known.first_at = known.first_at.min(first_at);
        known.last_at = known.last_at.max(last_at);
    }
    Ok(Page::of(by_key.into_values().collect(), limit))
}

/// One row for each of the first words behind a place, one more than a page takes.
fn grouped<E: EntityTrait>(
    query: Select<E>,
    (key, text, at): (E::Column, E::Column, E::Column),
    after: Option<&str>,
    limit: u64,
) -> Select<E> {
    let query = match after {
        Some(after) => query.filter(key.gt(after)),
        None => query,
    };
    query
        .select_only()
        .column_as(key, "text_key")
        .column_as(Expr::col(text).max(), "text")
        .column_as(Expr::col(key).count(), "raised")
        .column_as(Expr::col(at).min(), "first_at")
        .column_as(Expr::col(at).max(), "last_at")
        .group_by(key)
        .order_by_asc(key)
        .limit(limit + 1)
}
