//! Rows of `notices`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::notices::{About, Notice, NoticeKind};

use super::to_json;
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "notices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub at: i64,
    #[sea_orm(column_type = "Text")]
    pub subject_type: String,
    #[sea_orm(column_type = "Text")]
    pub subject_id: String,
    pub lead_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub act: Option<String>,
    pub read_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("notices");

impl Model {
    pub(crate) fn of(notice: &Notice) -> Self {
        Self {
            id: notice.id.uuid(),
            user_id: notice.user_id.uuid(),
            kind: notice.kind.name().to_owned(),
            at: notice.at.millis(),
            subject_type: notice.subject.kind.clone(),
            subject_id: notice.subject.id.clone(),
            lead_id: notice.lead_id.map(Id::uuid),
            act: notice.act.as_ref().map(to_json),
            read_at: notice.read_at.map(Timestamp::millis),
        }
    }

    pub(crate) fn into_domain(self) -> Result<Notice, StoreError> {
        let act = self
            .act
            .map(|act| serde_json::from_str(&act).map_err(|_| CORRUPT));
        Ok(Notice {
            id: Id::from_uuid(self.id),
            user_id: Id::from_uuid(self.user_id),
            kind: NoticeKind::named(&self.kind).ok_or(CORRUPT)?,
            at: Timestamp::from_millis(self.at),
            subject: About {
                kind: self.subject_type,
                id: self.subject_id,
            },
            lead_id: self.lead_id.map(Id::from_uuid),
            act: act.transpose()?,
            read_at: self.read_at.map(Timestamp::from_millis),
        })
    }
}
