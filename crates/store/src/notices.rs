//! Notices: pages of one user's, marking them as read, forgetting old ones.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::id::{NoticeId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::notices::Notice;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::error::StoreError;
use crate::page::{Key, Keyset, Page, Position};
use crate::rows::notices;

/// The place of a notice among those of its user.
pub fn position(notice: &Notice) -> Position<NoticeId> {
    (Some(Key::Number(notice.at.millis())), notice.id)
}

/// A page of a user's notices, the newest first: the unread ones alone, those that were read, or all.
pub async fn list(
    on: &impl Read,
    user_id: UserId,
    unread: Option<bool>,
    after: Option<Position<NoticeId>>,
    limit: u64,
) -> Result<Page<Notice>, StoreError> {
    let line = Keyset {
        column: Some(notices::Column::At),
        id: notices::Column::Id,
        descending: true,
    };
    let is_unread = unread.map(|unread| match unread {
        true => notices::Column::ReadAt.is_null(),
        false => notices::Column::ReadAt.is_not_null(),
    });
    let own = Condition::all()
        .add(notices::Column::UserId.eq(user_id.uuid()))
        .add_option(is_unread);
    let query = line.page(notices::Entity::find().filter(own), after, limit);
    Page::of(query.all(on.conn()).await?, limit).read(notices::Model::into_domain)
}

/// Mark a user's unread notices up to an instant, that one included, as read. It is a mark of the user's own, and no entry of
/// the journal.
pub async fn mark_read(tx: &Tx, user_id: UserId, until: Timestamp) -> Result<(), StoreError> {
    notices::Entity::update_many()
        .col_expr(notices::Column::ReadAt, Expr::value(Some(tx.act().now.millis())))
        .filter(notices::Column::UserId.eq(user_id.uuid()))
        .filter(notices::Column::ReadAt.is_null())
        .filter(notices::Column::At.lte(until.millis()))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Delete notices that came about before an instant; how many, `limit` at most.
pub async fn forget(tx: &Tx, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let old: Vec<Uuid> = notices::Entity::find()
        .select_only()
        .column(notices::Column::Id)
        .filter(notices::Column::At.lt(before.millis()))
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    let done = notices::Entity::delete_many()
        .filter(notices::Column::Id.is_in(old))
        .exec(tx.conn())
        .await?;
    Ok(done.rows_affected)
}
