//! Sessions, and the hashes of refresh tokens that were used up.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::access::session::{LONGEST, Session};
use tandem_domain::id::{SessionId, UserId};
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{sessions, spent_tokens};
use crate::write;

/// A session, if there is one with this id.
pub async fn find(on: &impl Read, id: SessionId) -> Result<Option<Session>, StoreError> {
    let row = sessions::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    Ok(row.map(sessions::Model::into_domain))
}

/// The session whose family a refresh token belongs to, as its current token or as one that was used up; locked until
/// the end of the transaction.
pub async fn of_token(tx: &Tx, token_hash: &str) -> Result<Option<Session>, StoreError> {
    let current = sessions::Entity::find().filter(sessions::Column::TokenHash.eq(token_hash));
    if let Some(row) = current.lock_exclusive().one(tx.conn()).await? {
        return Ok(Some(row.into_domain()));
    }
    let Some(spent) = spent_tokens::Entity::find_by_id(token_hash)
        .one(tx.conn())
        .await?
    else {
        return Ok(None);
    };
    let family = sessions::Entity::find_by_id(spent.session_id);
    let row = family.lock_exclusive().one(tx.conn()).await?;
    Ok(row.map(sessions::Model::into_domain))
}

/// Keep a session as it is now.
pub async fn save(tx: &Tx, session: &Session) -> Result<(), StoreError> {
    let row = sessions::Model::of(session);
    write::insert::<sessions::Entity>(tx, [row].iter(), OnConflict::Replace).await
}

/// Remember that a refresh token of a session was used up, for as long as the session can last.
pub async fn spend(tx: &Tx, session: &Session, token_hash: &str) -> Result<(), StoreError> {
    let row = spent_tokens::Model {
        token_hash: token_hash.to_owned(),
        session_id: session.id.uuid(),
        expires_at: session.created_at.plus_millis(LONGEST).millis(),
    };
    write::insert::<spent_tokens::Entity>(tx, [row].iter(), OnConflict::Keep).await
}

/// Remember that a token of a session that is good once was used up, until it would have expired; whether it was good still.
pub async fn spend_once(
    tx: &Tx,
    session: SessionId,
    token_hash: &str,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    dialect::lock_exactly(tx.conn(), &[token_hash]).await?;
    let known = spent_tokens::Entity::find_by_id(token_hash)
        .one(tx.conn())
        .await?;
    if known.is_some() {
        return Ok(false);
    }
    let row = spent_tokens::Model {
        token_hash: token_hash.to_owned(),
        session_id: session.uuid(),
        expires_at: expires_at.millis(),
    };
    write::insert::<spent_tokens::Entity>(tx, [row].iter(), OnConflict::Keep).await?;
    Ok(true)
}

/// End a session.
pub async fn revoke(tx: &Tx, id: SessionId) -> Result<(), StoreError> {
    revoke_where(tx, Condition::all().add(sessions::Column::Id.eq(id.uuid()))).await
}

/// End every session of a user but one.
pub async fn revoke_all(tx: &Tx, user_id: UserId, but: Option<SessionId>) -> Result<(), StoreError> {
    let others = but.map(|but| sessions::Column::Id.ne(but.uuid()));
    let its = Condition::all()
        .add(sessions::Column::UserId.eq(user_id.uuid()))
        .add_option(others);
    revoke_where(tx, its).await
}

async fn revoke_where(tx: &Tx, chosen: Condition) -> Result<(), StoreError> {
    sessions::Entity::update_many()
        .col_expr(sessions::Column::RevokedAt, Expr::value(tx.act().now.millis()))
        .col_expr(sessions::Column::SealedToken, Expr::value(Option::<String>::None))
        .filter(chosen)
        .filter(sessions::Column::RevokedAt.is_null())
        .exec(tx.conn())
        .await?;
    Ok(())
}

pub(super) async fn forget_expired(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let some = Query::select()
        .column(sessions::Column::Id)
        .from(sessions::Entity)
        .and_where(sessions::Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .take();
    let gone = sessions::Entity::delete_many().filter(sessions::Column::Id.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
}

pub(super) async fn forget_spent(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let some = Query::select()
        .column(spent_tokens::Column::TokenHash)
        .from(spent_tokens::Entity)
        .and_where(spent_tokens::Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .take();
    let gone = spent_tokens::Entity::delete_many().filter(spent_tokens::Column::TokenHash.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
}
