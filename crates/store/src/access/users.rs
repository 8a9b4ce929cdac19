//! Users and their passwords.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tandem_domain::access::Role;
use tandem_domain::access::account::User;
use tandem_domain::id::UserId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Email;

use crate::db::{Conn, Read, Tx};
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{passwords, users};
use crate::write;

/// Which users are listed.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// With this e-mail.
    pub email: Option<Email>,
    /// With this role.
    pub role: Option<Role>,
    /// Those who may not log in any more, or those who may.
    pub disabled: Option<bool>,
}

/// A user.
pub async fn get(on: &impl Read, id: UserId) -> Result<User, StoreError> {
    find(on, id).await?.ok_or(StoreError::NotFound)
}

/// A user, if there is one with this id.
pub async fn find(on: &impl Read, id: UserId) -> Result<Option<User>, StoreError> {
    let row = users::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.map(users::Model::into_domain).transpose()
}

/// The user with this e-mail in canonical form, if there is one.
pub async fn find_by_email(on: &impl Read, email: &str) -> Result<Option<User>, StoreError> {
    let row = users::Entity::find()
        .filter(users::Column::Email.eq(email))
        .one(on.conn())
        .await?;
    row.map(users::Model::into_domain).transpose()
}

/// A page of users, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &UserFilter,
    after: Option<UserId>,
    limit: u64,
) -> Result<Page<User>, StoreError> {
    let mut query = users::Entity::find();
    if let Some(email) = &filter.email {
        query = query.filter(users::Column::Email.eq(email.as_str()));
    }
    if let Some(role) = filter.role {
        query = query.filter(users::Column::Role.eq(role.name()));
    }
    query = match filter.disabled {
        Some(true) => query.filter(users::Column::DisabledAt.is_not_null()),
        Some(false) => query.filter(users::Column::DisabledAt.is_null()),
        None => query,
    };
    Keyset::by_id(users::Column::Id)
        .read(on, query, after, limit, users::Model::into_domain)
        .await
}

/// Whether there is an administrator who can log in. Users that were imported have no password.
pub async fn has_admin(on: &impl Read) -> Result<bool, StoreError> {
    let admin = users::Entity::find()
        .filter(administers())
        .limit(1)
        .one(on.conn())
        .await?;
    Ok(admin.is_some())
}

/// Administrators who can log in: active ones that have a password.
fn administers() -> Condition {
    let with_password = Query::select()
        .column(passwords::Column::UserId)
        .from(passwords::Entity)
        .take();
    let by_role_or_mark = Condition::any()
        .add(users::Column::Admin.eq(true))
        .add(users::Column::Role.eq(Role::Admin.name()));
    Condition::all()
        .add(by_role_or_mark)
        .add(users::Column::DisabledAt.is_null())
        .add(users::Column::Id.in_subquery(with_password))
}

/// Those of the ids that name no user.
pub async fn unknown(on: &impl Read, ids: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let known: Vec<uuid::Uuid> = users::Entity::find()
        .select_only()
        .column(users::Column::Id)
        .filter(users::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(ids
        .iter()
        .copied()
        .filter(|id| !known.contains(&id.uuid()))
        .collect())
}

/// How many administrators there are beside a user who can log in. Only under [`super::lock_accounts`] does it stay so.
pub async fn other_admins(tx: &Tx, but: UserId) -> Result<u64, StoreError> {
    let others = users::Entity::find()
        .filter(administers())
        .filter(users::Column::Id.ne(but.uuid()));
    Ok(others.count(tx.conn()).await?)
}

/// The hash of a user's password, if it has one yet.
pub async fn password(on: &impl Read, id: UserId) -> Result<Option<String>, StoreError> {
    let row = passwords::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    Ok(row.map(|row| row.hash))
}

/// Give a user a password.
pub async fn set_password(tx: &Tx, id: UserId, hash: String) -> Result<(), StoreError> {
    let row = passwords::Model {
        user_id: id.uuid(),
        hash,
        changed_at: tx.act().now.millis(),
    };
    write::insert::<passwords::Entity>(tx, [row].iter(), OnConflict::Replace).await
}

/// Give a user another password in place of the one with this hash; [`StoreError::Conflict`] where it has another by
/// now.
pub async fn replace_password(tx: &Tx, id: UserId, known: &str, hash: String) -> Result<(), StoreError> {
    let now: Timestamp = tx.act().now;
    let done = passwords::Entity::update_many()
        .col_expr(passwords::Column::Hash, Expr::value(hash))
        .col_expr(passwords::Column::ChangedAt, Expr::value(now.millis()))
        .filter(passwords::Column::UserId.eq(id.uuid()))
        .filter(passwords::Column::Hash.eq(known))
        .exec(tx.conn())
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}
