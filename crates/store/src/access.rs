//! Users, teams, sessions, secret keys.

/// Forget what has expired.
pub async fn forget_expired(
    _: &crate::Tx,
    _: tandem_domain::instant::Timestamp,
    _: u64,
) -> Result<u64, crate::StoreError> {
    Ok(0)
}

/// A user, if there is one with this id.
pub async fn find_user(
    on: &impl crate::Read,
    id: tandem_domain::id::UserId,
) -> Result<Option<tandem_domain::access::account::User>, crate::StoreError> {
    use sea_orm::EntityTrait;
    let row = crate::rows::users::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?;
    row.map(|row| row.into_domain()).transpose()
}
