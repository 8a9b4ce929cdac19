//! The history of stages.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::LeadId;
use tandem_domain::lifecycle::Transition;

use crate::db::Read;
use crate::error::StoreError;
use crate::leads::members_of;
use crate::rows::transitions;

/// The stage changes of a lead and its members, oldest first; at most 1,000.
pub async fn transitions(on: &impl Read, lead_id: LeadId) -> Result<Vec<Transition>, StoreError> {
    let rows = transitions::Entity::find()
        .filter(Condition::all().add(transitions::Column::LeadId.in_subquery(members_of(lead_id.uuid()))))
        .order_by_asc(transitions::Column::At)
        .order_by_asc(transitions::Column::Id)
        .limit(1000)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}
