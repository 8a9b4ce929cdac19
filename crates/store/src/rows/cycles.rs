//! Rows of `cycles`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::campaigns::alias_key;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::{Cycle, Dimensions, Stage};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "cycles")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    pub number: i64,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub lead_at: Option<i64>,
    pub mql_at: Option<i64>,
    pub sal_at: Option<i64>,
    pub sql_at: Option<i64>,
    pub opportunity_at: Option<i64>,
    pub customer_at: Option<i64>,
    pub nurture_at: Option<i64>,
    pub disqualified_at: Option<i64>,
    pub churned_at: Option<i64>,
    pub lead_left_at: Option<i64>,
    pub mql_left_at: Option<i64>,
    pub sal_left_at: Option<i64>,
    pub sql_left_at: Option<i64>,
    pub opportunity_left_at: Option<i64>,
    pub customer_left_at: Option<i64>,
    /// The stages that were entered, as bits: [`Cycle::path`].
    pub path: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub last_reason: Option<String>,
    pub agreement_version: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub channel: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub source: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub campaign: Option<String>,
    /// [`alias_key`] of it, by which its campaign is found.
    #[sea_orm(column_type = "Text", nullable)]
    pub campaign_key: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub content: Option<String>,
    pub form_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub country: Option<String>,
    pub owner_id: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a cycle.
    pub(crate) fn of(cycle: &Cycle) -> Self {
        let at = |stage| cycle.entered_at(stage).map(Timestamp::millis);
        let left = cycle.left.map(|at| at.map(Timestamp::millis));
        let dimensions = cycle.dimensions.clone();
        Self {
            id: cycle.id.uuid(),
            lead_id: cycle.lead_id.uuid(),
            number: cycle.number,
            started_at: cycle.started_at.millis(),
            ended_at: cycle.ended_at.map(Timestamp::millis),
            lead_at: at(Stage::Lead),
            mql_at: at(Stage::Mql),
            sal_at: at(Stage::Sal),
            sql_at: at(Stage::Sql),
            opportunity_at: at(Stage::Opportunity),
            customer_at: at(Stage::Customer),
            nurture_at: at(Stage::Nurture),
            disqualified_at: at(Stage::Disqualified),
            churned_at: at(Stage::Churned),
            lead_left_at: left[0],
            mql_left_at: left[1],
            sal_left_at: left[2],
            sql_left_at: left[3],
            opportunity_left_at: left[4],
            customer_left_at: left[5],
            path: cycle.path(),
            last_reason: cycle.last_reason.clone(),
            agreement_version: cycle.agreement_version,
            channel: dimensions.channel,
            source: dimensions.source,
            campaign_key: dimensions.campaign.as_deref().map(alias_key),
            campaign: dimensions.campaign,
            content: dimensions.content,
            form_id: dimensions.form_id.map(Id::uuid),
            country: dimensions.country,
            owner_id: dimensions.owner_id.map(Id::uuid),
        }
    }

    /// The cycle.
    pub(crate) fn into_domain(self) -> Cycle {
        let entered = [
            self.lead_at,
            self.mql_at,
            self.sal_at,
            self.sql_at,
            self.opportunity_at,
            self.customer_at,
            self.nurture_at,
            self.disqualified_at,
            self.churned_at,
        ];
        let left = [
            self.lead_left_at,
            self.mql_left_at,
            self.sal_left_at,
            self.sql_left_at,
            self.opportunity_left_at,
            self.customer_left_at,
        ];
        Cycle {
            id: Id::from_uuid(self.id),
            lead_id: Id::from_uuid(self.lead_id),
            number: self.number,
            started_at: Timestamp::from_millis(self.started_at),
            ended_at: self.ended_at.map(Timestamp::from_millis),
            entered: entered.map(|at| at.map(Timestamp::from_millis)),
            left: left.map(|at| at.map(Timestamp::from_millis)),
            last_reason: self.last_reason,
            agreement_version: self.agreement_version,
            dimensions: Dimensions {
                channel: self.channel,
                source: self.source,
                campaign: self.campaign,
                content: self.content,
                form_id: self.form_id.map(Id::from_uuid),
                country: self.country,
                owner_id: self.owner_id.map(Id::from_uuid),
            },
        }
    }
}
