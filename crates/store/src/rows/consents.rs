//! Rows of `consents`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::{
    ConsentFact, ConsentSource, ConsentState, ConsentStatement, LegalBasis, WithdrawalReason,
};

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "consents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub purpose: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub wording: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub legal_basis: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    pub submission_id: Option<Uuid>,
    pub confirms: Option<Uuid>,
    pub stated_at: i64,
    pub recorded_at: i64,
    #[sea_orm(column_type = "Text")]
    pub stated_by: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A state read back.
fn state(text: &str) -> Result<ConsentState, StoreError> {
    ConsentState::named(text).ok_or(StoreError::Corrupt("consents"))
}

/// A reason read back.
fn reason(text: Option<&str>) -> Result<Option<WithdrawalReason>, StoreError> {
    let named = |text| WithdrawalReason::named(text).ok_or(StoreError::Corrupt("consents"));
    text.map(named).transpose()
}

impl Model {
    /// The row of a statement.
    pub(crate) fn of(statement: &ConsentStatement) -> Self {
        Self {
            id: statement.id.uuid(),
            lead_id: statement.lead_id.uuid(),
            purpose: statement.purpose.clone(),
            address: statement.address.clone(),
            state: statement.state.name().to_owned(),
            reason: statement.reason.map(|reason| reason.name().to_owned()),
            wording: statement.wording.clone(),
            legal_basis: statement.legal_basis.map(|basis| basis.name().to_owned()),
            source: statement.source.name().to_owned(),
            submission_id: statement.submission_id.map(Id::uuid),
            confirms: statement.confirms.map(Id::uuid),
            stated_at: statement.stated_at.millis(),
            recorded_at: statement.recorded_at.millis(),
            stated_by: statement.by.clone(),
        }
    }

    /// What of the statement decides.
    pub(crate) fn fact(self) -> Result<ConsentFact, StoreError> {
        self.into_domain().map(|statement| ConsentFact::from(&statement))
    }

    /// The statement.
    pub(crate) fn into_domain(self) -> Result<ConsentStatement, StoreError> {
        let corrupt = || StoreError::Corrupt("consents");
        let basis = |text: String| LegalBasis::named(&text).ok_or_else(corrupt);
        Ok(ConsentStatement {
            id: Id::from_uuid(self.id),
            lead_id: Id::from_uuid(self.lead_id),
            purpose: self.purpose,
            address: self.address,
            state: state(&self.state)?,
            reason: reason(self.reason.as_deref())?,
            wording: self.wording,
            legal_basis: self.legal_basis.map(basis).transpose()?,
            source: ConsentSource::named(&self.source).ok_or_else(corrupt)?,
            submission_id: self.submission_id.map(Id::from_uuid),
            confirms: self.confirms.map(Id::from_uuid),
            stated_at: Timestamp::from_millis(self.stated_at),
            recorded_at: Timestamp::from_millis(self.recorded_at),
            by: self.stated_by,
        })
    }
}
