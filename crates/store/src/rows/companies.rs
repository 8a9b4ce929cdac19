//! Rows of `companies`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::CompanyField;
use tandem_domain::leads::{Company, search};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "companies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub domain: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub name_key: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub industry: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub country: Option<String>,
    pub employees: Option<i64>,
    pub owner_id: Option<Uuid>,
    pub archived_at: Option<i64>,
    pub is_listed: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a company.
    pub(crate) fn of(company: &Company) -> Self {
        let text = |field| company.get(field).map(str::to_owned);
        Self {
            id: company.id.uuid(),
            version: company.version,
            domain: company.domain.clone(),
            name: text(CompanyField::Name),
            name_key: company.name().map(search::company_key).unwrap_or_default(),
            industry: text(CompanyField::Industry),
            country: text(CompanyField::Country),
            employees: company.employees,
            owner_id: company.owner_id.map(Id::uuid),
            archived_at: company.archived_at.map(Timestamp::millis),
            is_listed: company.archived_at.is_none(),
            created_at: company.created_at.millis(),
            updated_at: company.updated_at.millis(),
        }
    }

    /// The company.
    pub(crate) fn into_domain(self) -> Company {
        let text = [
            (CompanyField::Name, self.name),
            (CompanyField::Industry, self.industry),
            (CompanyField::Country, self.country),
        ];
        Company {
            id: Id::from_uuid(self.id),
            version: self.version,
            domain: self.domain,
            text: text
                .into_iter()
                .filter_map(|(field, value)| Some((field, value?)))
                .collect(),
            employees: self.employees,
            owner_id: self.owner_id.map(Id::from_uuid),
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        }
    }
}
