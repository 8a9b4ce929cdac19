//! Rows of `forms`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::capture::{Form, FormSettings};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::rules::revision;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "forms")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub fields: String,
    #[sea_orm(column_type = "Text")]
    pub allowed_origins: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub redirect_url: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub honeypot_field: Option<String>,
    pub min_fill_seconds: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub service_requested: Option<String>,
    pub campaign_id: Option<Uuid>,
    pub content_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub consent: String,
    pub archived_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a form.
    pub(crate) fn of(form: &Form) -> Self {
        Self {
            id: form.id.uuid(),
            version: form.version,
            name: form.name.clone(),
            fields: to_json(&form.fields),
            allowed_origins: to_json(&form.allowed_origins),
            redirect_url: form.settings.redirect_url.clone(),
            honeypot_field: form.settings.honeypot_field.clone(),
            min_fill_seconds: form.settings.min_fill_seconds,
            service_requested: form.settings.service_requested.clone(),
            campaign_id: form.settings.campaign_id.map(Id::uuid),
            content_id: form.settings.content_id.map(Id::uuid),
            consent: to_json(&form.settings.consent),
            archived_at: form.archived_at.map(Timestamp::millis),
            created_at: form.created_at.millis(),
            updated_at: form.updated_at.millis(),
        }
    }

    /// The form.
    pub(crate) fn into_domain(self) -> Result<Form, StoreError> {
        Ok(Form {
            id: Id::from_uuid(self.id),
            version: self.version,
            name: self.name,
            fields: from_json("forms", &self.fields)?,
            allowed_origins: from_json("forms", &self.allowed_origins)?,
            settings: FormSettings {
                redirect_url: self.redirect_url,
                honeypot_field: self.honeypot_field,
                min_fill_seconds: self.min_fill_seconds,
                service_requested: self.service_requested,
                campaign_id: self.campaign_id.map(Id::from_uuid),
                content_id: self.content_id.map(Id::from_uuid),
                consent: from_json("forms", &self.consent)?,
            },
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Form {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        rows.revisions.insert(revision::FORMS);
    }
}
