//! Rows of `routing_decisions`: why a hand-off went where it went.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::routing::decision::RoutingDecision;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "routing_decisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    pub at: i64,
    pub owner_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub queue: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub rules: String,
    pub team_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub turn: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    pub(crate) fn of(decision: &RoutingDecision) -> Self {
        let turn = decision.turn.as_ref();
        Self {
            id: decision.id.uuid(),
            lead_id: decision.lead_id.uuid(),
            at: decision.at.millis(),
            owner_id: decision.owner_id.map(Id::uuid),
            queue: decision.queue.map(|queue| queue.to_string()),
            rules: to_json(&decision.rules),
            team_id: turn.map(|(team, _)| team.uuid()),
            turn: turn.map(|(_, turn)| to_json(turn)),
        }
    }

    pub(crate) fn into_domain(self) -> Result<RoutingDecision, StoreError> {
        const TABLE: &str = "routing_decisions";
        let queue = self
            .queue
            .map(|queue| queue.parse().map_err(|_| StoreError::Corrupt(TABLE)));
        let turn = self.turn.map(|turn| from_json(TABLE, &turn)).transpose()?;
        Ok(RoutingDecision {
            id: Id::from_uuid(self.id),
            lead_id: Id::from_uuid(self.lead_id),
            at: Timestamp::from_millis(self.at),
            owner_id: self.owner_id.map(Id::from_uuid),
            queue: queue.transpose()?,
            rules: from_json(TABLE, &self.rules)?,
            turn: self.team_id.map(Id::from_uuid).zip(turn),
        })
    }
}
