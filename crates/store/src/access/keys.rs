//! Secret keys and the hashes of their secrets.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::access::account::ApiKey;
use tandem_domain::id::KeyId;
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{api_key_secrets, api_keys};
use crate::write;

/// A key as one of its secrets finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMatch {
    /// The key.
    pub key: ApiKey,
    /// When this secret of it stops working: the end of a rotation's overlap.
    pub secret_expires_at: Option<Timestamp>,
}

/// A key.
pub async fn get(on: &impl Read, id: KeyId) -> Result<ApiKey, StoreError> {
    let row = api_keys::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A key that is about to be changed.
pub async fn get_for_update(tx: &Tx, id: KeyId) -> Result<ApiKey, StoreError> {
    let row = api_keys::Entity::find_by_id(id.uuid())
        .lock_exclusive()
        .one(tx.conn())
        .await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// The key that a secret with this hash belongs to.
pub async fn find_by_secret(on: &impl Read, secret_hash: &str) -> Result<Option<KeyMatch>, StoreError> {
    let secret = api_key_secrets::Entity::find_by_id(secret_hash)
        .one(on.conn())
        .await?;
    let Some(secret) = secret else { return Ok(None) };
    let Some(key) = api_keys::Entity::find_by_id(secret.key_id).one(on.conn()).await? else {
        return Ok(None);
    };
    let secret_expires_at = secret.expires_at.map(Timestamp::from_millis);
    Ok(Some(KeyMatch {
        key: key.into_domain()?,
        secret_expires_at,
    }))
}

/// A page of keys, in the order of their ids.
pub async fn list(on: &impl Read, after: Option<KeyId>, limit: u64) -> Result<Page<ApiKey>, StoreError> {
    let query = api_keys::Entity::find();
    Keyset::by_id(api_keys::Column::Id)
        .read(on, query, after, limit, api_keys::Model::into_domain)
        .await
}

/// Give a key a secret.
pub async fn add_secret(tx: &Tx, id: KeyId, secret_hash: String) -> Result<(), StoreError> {
    let created_at = tx.act().now.millis();
    let row = api_key_secrets::Model {
        secret_hash,
        key_id: id.uuid(),
        expires_at: None,
        created_at,
    };
    write::insert::<api_key_secrets::Entity>(tx, [row].iter(), OnConflict::Fail).await
}

/// The secrets that a key has so far work until an instant, or shorter.
pub async fn end_secrets(tx: &Tx, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
    use api_key_secrets::Column;
    let is_later = Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(at.millis()));
    api_key_secrets::Entity::update_many()
        .col_expr(Column::ExpiresAt, Expr::value(at.millis()))
        .filter(Column::KeyId.eq(id.uuid()))
        .filter(is_later)
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Take all secrets from a key.
pub async fn drop_secrets(tx: &Tx, id: KeyId) -> Result<(), StoreError> {
    let its = api_key_secrets::Entity::delete_many().filter(api_key_secrets::Column::KeyId.eq(id.uuid()));
    its.exec(tx.conn()).await?;
    Ok(())
}

/// Keys were used at these instants; an earlier one than the known changes nothing.
pub async fn used(tx: &Tx, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
    use api_keys::Column;
    for (id, at) in uses {
        let is_news = Condition::any()
            .add(Column::LastUsedAt.is_null())
            .add(Column::LastUsedAt.lt(at.millis()));
        api_keys::Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(at.millis()))
            .filter(Column::Id.eq(id.uuid()))
            .filter(is_news)
            .exec(tx.conn())
            .await?;
    }
    Ok(())
}

pub(super) async fn forget_expired_secrets(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    use api_key_secrets::Column;
    let some = Query::select()
        .column(Column::SecretHash)
        .from(api_key_secrets::Entity)
        .and_where(Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .take();
    let gone = api_key_secrets::Entity::delete_many().filter(Column::SecretHash.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
}
