//! The keys that access tokens are signed with: shared by all replicas, sealed with the master key.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use tandem_domain::id::{Id, SigningKeyId};
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::signing_keys;
use crate::write;

/// A signing key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    /// Its id.
    pub id: SigningKeyId,
    /// Its name in tokens and in the JWKS.
    pub kid: String,
    /// The private key, sealed, in base64.
    pub sealed: String,
    /// The public key, in base64.
    pub public: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
}

/// Take the one lock over signing keys, until the end of the transaction.
pub async fn lock(tx: &Tx) -> Result<(), StoreError> {
    Ok(dialect::lock_exactly(tx.conn(), &["signing_keys"]).await?)
}

/// The keys that sign now or were retired after an instant, the newest first.
pub async fn list(on: &impl Read, retired_after: Timestamp) -> Result<Vec<KeptKey>, StoreError> {
    use signing_keys::Column;
    let is_good = Condition::any()
        .add(Column::RetiredAt.is_null())
        .add(Column::RetiredAt.gt(retired_after.millis()));
    let rows = signing_keys::Entity::find()
        .filter(is_good)
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .all(on.conn())
        .await?;
    let kept = |row: signing_keys::Model| KeptKey {
        id: Id::from_uuid(row.id),
        kid: row.kid,
        sealed: row.sealed,
        public: row.public,
        created_at: Timestamp::from_millis(row.created_at),
        retired_at: row.retired_at.map(Timestamp::from_millis),
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// Retire the keys that sign, and keep a new one in their place; keys retired before an instant are forgotten.
pub async fn replace(tx: &Tx, key: &KeptKey, forget_before: Timestamp) -> Result<(), StoreError> {
    use signing_keys::Column;
    signing_keys::Entity::delete_many()
        .filter(Column::RetiredAt.lt(forget_before.millis()))
        .exec(tx.conn())
        .await?;
    signing_keys::Entity::update_many()
        .col_expr(Column::RetiredAt, Expr::value(tx.act().now.millis()))
        .filter(Column::RetiredAt.is_null())
        .exec(tx.conn())
        .await?;
    let row = signing_keys::Model {
        id: key.id.uuid(),
        kid: key.kid.clone(),
        sealed: key.sealed.clone(),
        public: key.public.clone(),
        created_at: key.created_at.millis(),
        retired_at: key.retired_at.map(Timestamp::millis),
    };
    write::insert::<signing_keys::Entity>(tx, [row].iter(), OnConflict::Fail).await
}
