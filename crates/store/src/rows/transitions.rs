//! Rows of `transitions`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::ActorKind;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::{ByRule, CausedBy, ScoreThen, Stage, Transition};

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "transitions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    pub cycle: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub from_stage: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub to_stage: String,
    pub at: i64,
    #[sea_orm(column_type = "Text")]
    pub actor_kind: String,
    #[sea_orm(column_type = "Text")]
    pub actor_id: String,
    pub on_behalf_of: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub until: Option<i64>,
    pub agreement_version: i64,
    pub fit: Option<i64>,
    pub engagement: Option<i64>,
    pub total: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub band: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub rule: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub evidence: Option<String>,
    pub caused_by: Option<Uuid>,
    pub caused_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a stage change.
    pub(crate) fn of(transition: &Transition) -> Self {
        let (score, rule) = (transition.score.as_ref(), transition.by_rule.as_ref());
        let cause = rule.and_then(|rule| rule.caused_by);
        Self {
            id: transition.id.uuid(),
            lead_id: transition.lead_id.uuid(),
            cycle: transition.cycle,
            from_stage: transition.from.map(|stage| stage.name().to_owned()),
            to_stage: transition.to.name().to_owned(),
            at: transition.at.millis(),
            actor_kind: transition.actor_kind.name().to_owned(),
            actor_id: transition.actor_id.clone(),
            on_behalf_of: transition.on_behalf_of.map(Id::uuid),
            reason: transition.reason.clone(),
            note: transition.note.clone(),
            until: transition.until.map(Timestamp::millis),
            agreement_version: transition.agreement_version,
            fit: score.map(|score| score.fit),
            engagement: score.map(|score| score.engagement),
            total: score.map(|score| score.total),
            band: score.and_then(|score| score.band.clone()),
            rule: rule.map(|rule| rule.rule.clone()),
            evidence: rule.map(|rule| to_json(&rule.evidence)),
            caused_by: cause.map(|event| event.event_id.uuid()),
            caused_at: cause.map(|event| event.occurred_at.millis()),
        }
    }

    /// The stage change.
    pub(crate) fn into_domain(self) -> Result<Transition, StoreError> {
        let parts = self.fit.zip(self.engagement).zip(self.total);
        let score = parts.map(|((fit, engagement), total)| ScoreThen {
            fit,
            engagement,
            total,
            band: self.band,
        });
        let cause = self.caused_by.zip(self.caused_at);
        let by_rule = self.rule.map(|rule| -> Result<ByRule, StoreError> {
            let evidence = self.evidence.as_deref().unwrap_or("[]");
            Ok(ByRule {
                rule,
                evidence: from_json("transitions", evidence)?,
                caused_by: cause.map(|(id, at)| CausedBy {
                    event_id: Id::from_uuid(id),
                    occurred_at: Timestamp::from_millis(at),
                }),
            })
        });
        let stage = |name: &str| Stage::named(name).ok_or(StoreError::Corrupt("transitions"));
        Ok(Transition {
            id: Id::from_uuid(self.id),
            lead_id: Id::from_uuid(self.lead_id),
            cycle: self.cycle,
            from: self.from_stage.as_deref().map(stage).transpose()?,
            to: stage(&self.to_stage)?,
            at: Timestamp::from_millis(self.at),
            actor_kind: ActorKind::named(&self.actor_kind).ok_or(StoreError::Corrupt("transitions"))?,
            actor_id: self.actor_id,
            on_behalf_of: self.on_behalf_of.map(Id::from_uuid),
            reason: self.reason,
            note: self.note,
            until: self.until.map(Timestamp::from_millis),
            agreement_version: self.agreement_version,
            score,
            by_rule: by_rule.transpose()?,
        })
    }
}
