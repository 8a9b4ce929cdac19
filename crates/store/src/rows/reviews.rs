//! Rows of `reviews`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::{Id, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::review::{Held, Review, ReviewPeriod};

use super::{day, from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "reviews")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub from_on: String,
    #[sea_orm(column_type = "Text")]
    pub to_on: String,
    pub created_by: Option<Uuid>,
    pub created_at: i64,
    pub updated_at: i64,
    pub held_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub attended_by: String,
    pub by_both_managers: bool,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a review.
    pub(crate) fn of(review: &Review) -> Self {
        let held = review.held.as_ref();
        let attended_by: &[UserId] = held.map_or(&[], |held| &held.attended_by);
        Self {
            id: review.id.uuid(),
            version: review.version,
            from_on: review.period.from.to_string(),
            to_on: review.period.to.to_string(),
            created_by: review.created_by.map(Id::uuid),
            created_at: review.created_at.millis(),
            updated_at: review.updated_at.millis(),
            held_at: held.map(|held| held.at.millis()),
            attended_by: to_json(&attended_by),
            by_both_managers: held.is_some_and(|held| held.by_both_managers),
        }
    }

    /// The review.
    pub(crate) fn into_domain(self) -> Result<Review, StoreError> {
        const TABLE: &str = "reviews";
        let attended_by = from_json(TABLE, &self.attended_by)?;
        Ok(Review {
            id: Id::from_uuid(self.id),
            version: self.version,
            period: ReviewPeriod {
                from: day(TABLE, &self.from_on)?,
                to: day(TABLE, &self.to_on)?,
            },
            created_by: self.created_by.map(Id::from_uuid),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            held: self.held_at.map(|at| Held {
                at: Timestamp::from_millis(at),
                attended_by,
                by_both_managers: self.by_both_managers,
            }),
        })
    }
}

impl HasRows for Review {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
