//! One-time tokens by which a user gets a password: invitations and resets.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tandem_domain::id::{Id, UserId};
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::rows::invitations;
use crate::write;

/// Give a user a token that works until an instant; earlier ones stop working.
pub async fn add(
    tx: &Tx,
    user_id: UserId,
    token_hash: String,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    withdraw(tx, user_id).await?;
    let row = invitations::Model {
        token_hash,
        user_id: user_id.uuid(),
        expires_at: expires_at.millis(),
        used_at: None,
        created_at: tx.act().now.millis(),
    };
    write::insert::<invitations::Entity>(tx, [row].iter(), OnConflict::Fail).await
}

/// The tokens of a user stop working.
pub async fn withdraw(tx: &Tx, user_id: UserId) -> Result<(), StoreError> {
    invitations::Entity::delete_many()
        .filter(invitations::Column::UserId.eq(user_id.uuid()))
        .filter(invitations::Column::UsedAt.is_null())
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Whose a token is, if it works at an instant.
pub async fn find(on: &impl Read, token_hash: &str, now: Timestamp) -> Result<Option<UserId>, StoreError> {
    let row = invitations::Entity::find_by_id(token_hash)
        .filter(invitations::Column::UsedAt.is_null())
        .filter(invitations::Column::ExpiresAt.gt(now.millis()))
        .one(on.conn())
        .await?;
    Ok(row.map(|row| Id::from_uuid(row.user_id)))
}

/// Use a token up: whose it was, or `None` where somebody else was faster.
pub async fn redeem(tx: &Tx, token_hash: &str) -> Result<Option<UserId>, StoreError> {
    let now = tx.act().now;
    let Some(user_id) = find(tx, token_hash, now).await? else {
        return Ok(None);
    };
    let done = invitations::Entity::update_many()
        .col_expr(invitations::Column::UsedAt, Expr::value(now.millis()))
        .filter(invitations::Column::TokenHash.eq(token_hash))
        .filter(invitations::Column::UsedAt.is_null())
        .exec(tx.conn())
        .await?;
    Ok((done.rows_affected == 1).then_some(user_id))
}

pub(super) async fn forget_expired(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let some = Query::select()
        .column(invitations::Column::TokenHash)
        .from(invitations::Entity)
        .and_where(invitations::Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .take();
    let gone = invitations::Entity::delete_many().filter(invitations::Column::TokenHash.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
}
