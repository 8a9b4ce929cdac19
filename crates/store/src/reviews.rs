//! Reviews: what is frozen with them, when one was last held, and their action items.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::Value;
use tandem_domain::id::{ActionItemId, ReviewId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::Rate;
use tandem_domain::reports::review::{ActionItem, ActionState, Review};

use crate::db::{Conn, Read, Tx};
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::page::{self, Keyset, Page};
use crate::rows::{action_items, from_json, review_lists, review_packs, reviews, to_json};
use crate::write;

/// The records behind one figure of a review, as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenList {
    /// The path of the list that showed them.
    pub path: String,
    /// The number of all.
    pub total: i64,
    /// Their ids; of a very long list the first ones.
    pub ids: Vec<String>,
}

/// Which action items are listed.
#[derive(Debug, Clone, Default)]
pub struct ActionFilter {
    /// Of this review.
    pub review_id: Option<ReviewId>,
    /// Of this user.
    pub owner_id: Option<UserId>,
    /// In one of these states; in any where there are none.
    pub states: Vec<ActionState>,
    /// Due on this day at the latest.
    pub due_until: Option<Day>,
}

/// A review.
pub async fn get(on: &impl Read, id: ReviewId) -> Result<Review, StoreError> {
    let row = reviews::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A review that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: ReviewId) -> Result<Review, StoreError> {
    let query = reviews::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A page of reviews, the newest first.
pub async fn list(on: &impl Read, after: Option<ReviewId>, limit: u64) -> Result<Page<Review>, StoreError> {
    let line = Keyset::newest_first(reviews::Column::Id);
    let all = reviews::Entity::find();
    line.read(on, all, after, limit, |row| row.into_domain()).await
}

/// When both managers last held a review by an instant.
pub async fn last_held(on: &impl Read, by: Timestamp) -> Result<Option<(ReviewId, Timestamp)>, StoreError> {
    use reviews::Column;
    let row = reviews::Entity::find()
        .filter(Column::ByBothManagers.eq(true))
        .filter(Column::HeldAt.lte(by.millis()))
        .order_by_desc(Column::HeldAt)
        .limit(1)
        .one(on.conn())
        .await?;
    let review = row.map(reviews::Model::into_domain).transpose()?;
    Ok(review.and_then(|review| Some((review.id, review.held?.at))))
}

/// Write the figures of a review, and the records behind them: once, with the review.
pub async fn freeze(
    tx: &Tx,
    id: ReviewId,
    pack: &impl Serialize,
    lists: &[FrozenList],
) -> Result<(), StoreError> {
    let pack = review_packs::Model {
        review_id: id.uuid(),
        pack: to_json(pack),
    };
    write::insert::<review_packs::Entity>(tx, [pack].iter(), OnConflict::Fail).await?;
    let row = |(place, list): (usize, &FrozenList)| review_lists::Model {
        review_id: id.uuid(),
        place: place as i64,
        path: list.path.clone(),
        total: list.total,
        ids: to_json(&list.ids),
    };
    let rows: Vec<review_lists::Model> = lists.iter().enumerate().map(row).collect();
    write::insert::<review_lists::Entity>(tx, rows.iter(), OnConflict::Fail).await
}

/// The frozen figures of a review.
pub async fn pack(on: &impl Read, id: ReviewId) -> Result<Value, StoreError> {
    let row = review_packs::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    from_json("review_packs", &row.ok_or(StoreError::NotFound)?.pack)
}

/// The frozen records behind the figure with this number.
pub async fn frozen(on: &impl Read, id: ReviewId, place: i64) -> Result<FrozenList, StoreError> {
    let key = (id.uuid(), place);
    let row = review_lists::Entity::find_by_id(key).one(on.conn()).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    Ok(FrozenList {
        ids: from_json("review_lists", &row.ids)?,
        path: row.path,
        total: row.total,
    })
}

/// Whether there is an action item with this id.
pub async fn has_action(on: &impl Read, id: ActionItemId) -> Result<bool, StoreError> {
    let row = action_items::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    Ok(row.is_some())
}

/// An action item that is about to be changed: locked until the end of the transaction.
pub async fn action_for_update(tx: &Tx, id: ActionItemId) -> Result<ActionItem, StoreError> {
    let query = action_items::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A page of action items, in the order of their ids.
pub async fn actions(
    on: &impl Read,
    filter: &ActionFilter,
    after: Option<ActionItemId>,
    limit: u64,
) -> Result<Page<ActionItem>, StoreError> {
    let line = Keyset::by_id(action_items::Column::Id);
    line.read(on, chosen(filter), after, limit, |row| row.into_domain())
        .await
}

/// How many action items there are, and whether the number is an estimate.
pub async fn action_count(on: &impl Read, filter: &ActionFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, chosen(filter)).await
}

/// Of the action items that are due on this day or before, those that are done or dropped.
pub async fn closed_actions(on: &impl Read, due_until: Day) -> Result<Rate, StoreError> {
    use action_items::{Column, Entity};
    let counted: Vec<(String, i64)> = Entity::find()
        .select_only()
        .column(Column::State)
        .column_as(Column::Id.count(), "n")
        .filter(Column::DueOn.lte(due_until.to_string()))
        .group_by(Column::State)
        .into_tuple()
        .all(on.conn())
        .await?;
    let sum = |is_counted: &dyn Fn(&str) -> bool| {
        let those = counted.iter().filter(|(state, _)| is_counted(state));
        those.map(|(_, n)| n).sum()
    };
    Ok(Rate {
        part: sum(&|state| state != ActionState::Open.name()),
        whole: sum(&|_| true),
    })
}

fn chosen(filter: &ActionFilter) -> sea_orm::Select<action_items::Entity> {
    use action_items::Column;
    let mut query = action_items::Entity::find();
    if let Some(review) = filter.review_id {
        query = query.filter(Column::ReviewId.eq(review.uuid()));
    }
    if let Some(owner) = filter.owner_id {
        query = query.filter(Column::OwnerId.eq(owner.uuid()));
    }
    if !filter.states.is_empty() {
        query = query.filter(Column::State.is_in(filter.states.iter().map(|state| state.name())));
    }
    if let Some(day) = filter.due_until {
        query = query.filter(Column::DueOn.lte(day.to_string()));
    }
    query
}
