//! Rows of `leads`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::LeadField;
use tandem_domain::leads::identity::Identifier;
use tandem_domain::leads::{Lead, Profile, search};
use tandem_domain::lifecycle::Stage;
use tandem_domain::money::Money;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "leads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub derived: i64,
    #[sea_orm(column_type = "Text")]
    pub stage: String,
    pub stage_since: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub came_from: Option<String>,
    pub cycle: i64,
    pub owner_id: Option<Uuid>,
    pub previous_owner_id: Option<Uuid>,
    pub nurture_until: Option<i64>,
    pub company_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub name_key: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub country: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub source: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub channel: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub profile: String,
    #[sea_orm(column_type = "Text")]
    pub custom: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub first_touch: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub last_touch: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub last_non_direct_touch: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub lead_touch: Option<String>,
    pub last_activity_at: Option<i64>,
    pub returned_at: Option<i64>,
    pub merged_into: Option<Uuid>,
    pub erased_at: Option<i64>,
    pub archived_at: Option<i64>,
    pub is_listed: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

/// The column `profile`: the winners that are neither filtered nor sorted.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: BTreeMap<String, String>,
    budget: Option<Money>,
    timeline_days: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a lead.
    pub(crate) fn of(lead: &Lead) -> Self {
        let touch = lead.first_touch.as_ref();
        let kept = Kept {
            text: lead
                .profile
                .text
                .iter()
                .map(|(field, value)| (field.name().to_owned(), value.clone()))
                .collect(),
            budget: lead.profile.budget,
            timeline_days: lead.profile.timeline_days,
        };
        Self {
            id: lead.id.uuid(),
            version: lead.version,
            derived: lead.derived,
            stage: lead.stage.name().to_owned(),
            stage_since: lead.stage_since.millis(),
            came_from: lead.came_from.map(|stage| stage.name().to_owned()),
            cycle: lead.cycle,
            owner_id: lead.owner_id.map(Id::uuid),
            previous_owner_id: lead.previous_owner_id.map(Id::uuid),
            nurture_until: lead.nurture_until.map(Timestamp::millis),
            company_id: lead.company_id.map(Id::uuid),
            name_key: search::name_key(lead),
            country: lead.profile.get(LeadField::Country).map(str::to_owned),
            source: touch.and_then(|touch| touch.source.clone()),
            channel: touch.and_then(|touch| touch.channel.clone()),
            profile: to_json(&kept),
            custom: to_json(&lead.profile.custom),
            first_touch: touch.map(to_json),
            last_touch: lead.last_touch.as_ref().map(to_json),
            last_non_direct_touch: lead.last_non_direct_touch.as_ref().map(to_json),
            lead_touch: lead.lead_touch.as_ref().map(to_json),
            last_activity_at: lead.last_activity_at.map(Timestamp::millis),
            returned_at: lead.returned_at.map(Timestamp::millis),
            merged_into: None,
            erased_at: None,
            archived_at: lead.archived_at.map(Timestamp::millis),
            is_listed: lead.archived_at.is_none(),
            created_at: lead.created_at.millis(),
            updated_at: lead.updated_at.millis(),
        }
    }

    /// The lead, with its identifiers in their order.
    pub(crate) fn into_domain(self, mut identifiers: Vec<Identifier>) -> Result<Lead, StoreError> {
        let corrupt = || StoreError::Corrupt("leads");
        let kept: Kept = from_json("leads", &self.profile)?;
        let text: Option<BTreeMap<LeadField, String>> = kept
            .text
            .into_iter()
            .map(|(name, value)| Some((LeadField::named(&name)?, value)))
            .collect();
        let touch = |text: Option<String>| text.map(|text| from_json("leads", &text)).transpose();
        identifiers.sort_by_key(|identifier| (identifier.kind, identifier.position, identifier.id));
        Ok(Lead {
            id: Id::from_uuid(self.id),
            version: self.version,
            derived: self.derived,
            stage: Stage::named(&self.stage).ok_or_else(corrupt)?,
            stage_since: Timestamp::from_millis(self.stage_since),
            came_from: self
                .came_from
                .map(|name| Stage::named(&name).ok_or_else(corrupt))
                .transpose()?,
            cycle: self.cycle,
            owner_id: self.owner_id.map(Id::from_uuid),
            previous_owner_id: self.previous_owner_id.map(Id::from_uuid),
            nurture_until: self.nurture_until.map(Timestamp::from_millis),
            identifiers,
            profile: Profile {
                text: text.ok_or_else(corrupt)?,
                budget: kept.budget,
                timeline_days: kept.timeline_days,
                custom: from_json("leads", &self.custom)?,
            },
            company_id: self.company_id.map(Id::from_uuid),
            first_touch: touch(self.first_touch)?,
            last_touch: touch(self.last_touch)?,
            last_non_direct_touch: touch(self.last_non_direct_touch)?,
            lead_touch: touch(self.lead_touch)?,
            last_activity_at: self.last_activity_at.map(Timestamp::from_millis),
            returned_at: self.returned_at.map(Timestamp::from_millis),
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
