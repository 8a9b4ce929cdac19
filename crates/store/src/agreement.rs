//! The agreement in force; a new installation starts with the provisional one.

use sea_orm::{ConnectionTrait, EntityTrait};
use tandem_domain::agreement::Agreement;
use tandem_domain::instant::Timestamp;

use crate::db::Read;
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::rows::{agreements, to_json};

/// Give a new installation its provisional agreement; nothing where there is one. Runs before the first transaction
/// that needs rules, and twice at once without harm.
pub async fn adopt_provisional(db: &crate::Db, now: Timestamp) -> Result<(), StoreError> {
    let row = agreements::Model {
        number: 1,
        provisional: true,
        state: "in_force".into(),
        document: to_json(&Agreement::provisional()),
        created_at: now.millis(),
        effective_at: Some(now.millis()),
    };
    let backend = db.writer().get_database_backend();
    let insert =
        crate::dialect::insert::<agreements::Entity>(backend, to_json(&[row]), OnConflict::Keep, &[]);
    db.writer().execute_raw(insert).await?;
    Ok(())
}

/// When the version in force took effect.
pub async fn effective_at(on: &impl Read, number: i64) -> Result<Option<Timestamp>, StoreError> {
    let row = agreements::Entity::find_by_id(number)
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?;
    Ok(row.effective_at.map(Timestamp::from_millis))
}
