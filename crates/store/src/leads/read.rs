//! Leads with what is shown of them. A lead, or a page of them, is one statement, and so of one instant.

use sea_orm::sea_query::{Expr, ExprTrait, Func, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, Iterable, QueryFilter,
    QueryResult, QuerySelect, Select,
};
use serde::de::DeserializeOwned;
use tandem_domain::handoff::qualification::Qualification;
use tandem_domain::id::{Id, LeadId};
use tandem_domain::leads::consent::ConsentFacts;
use tandem_domain::leads::identity::Key;
use tandem_domain::leads::{Company, Lead};
use tandem_domain::scoring::StoredScore;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{companies, consents, from_json, identifiers, leads, qualifications, scores};
use crate::rules::revision;

/// A lead with what is shown of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadWithCompany {
    /// The lead.
    pub lead: Lead,
    /// Its company.
    pub company: Option<Company>,
    /// What stands of its consent.
    pub consent: ConsentFacts,
    /// Its score.
    pub score: Option<StoredScore>,
    /// What is known of its budget, authority, need and timeline.
    pub qualification: Qualification,
    /// The revision of the settings at the instant of the read, for [`crate::Db::rules_at`].
    pub settings_revision: i64,
}

/// What is read of a lead beside its own row; what is left out is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// E-mails, phones and external ids.
    Identifiers,
    /// What stands of its consent.
    Consent,
    /// Its score.
    Score,
    /// What is known of its budget, authority, need and timeline.
    Qualification,
    /// Its company.
    Company,
    /// The touches that it shows.
    Touches,
}

impl Part {
    /// All of it.
    pub const ALL: &'static [Part] = &[
        Part::Identifiers,
        Part::Consent,
        Part::Score,
        Part::Qualification,
        Part::Company,
        Part::Touches,
    ];
}

/// A lead with its company.
pub async fn get(on: &impl Read, id: LeadId) -> Result<LeadWithCompany, StoreError> {
    get_parts(on, id, Part::ALL).await
}

/// A lead with these parts.
pub async fn get_parts(on: &impl Read, id: LeadId, parts: &[Part]) -> Result<LeadWithCompany, StoreError> {
    let query = leads::Entity::find_by_id(id.uuid());
    read(on, query, parts).await?.pop().ok_or(StoreError::NotFound)
}

/// The lead that has an identifier, with its company; for one that was merged, the survivor.
pub async fn get_by_key(on: &impl Read, key: &Key) -> Result<LeadWithCompany, StoreError> {
    let survivor = Func::coalesce([
        Expr::col((leads::Entity, leads::Column::MergedInto)),
        Expr::col((leads::Entity, leads::Column::Id)),
    ]);
    let named = Query::select()
        .expr(survivor)
        .from(identifiers::Entity)
        .inner_join(
            leads::Entity,
            Expr::col((leads::Entity, leads::Column::Id))
                .equals((identifiers::Entity, identifiers::Column::LeadId)),
        )
        .and_where(Expr::col(identifiers::Column::Kind).eq(key.kind.name()))
        .and_where(Expr::col(identifiers::Column::System).eq(&key.system))
        .and_where(Expr::col(identifiers::Column::Value).eq(&key.value))
        .take();
    let query = leads::Entity::find().filter(leads::Column::Id.in_subquery(named));
    read(on, query, Part::ALL)
        .await?
        .pop()
        .ok_or(StoreError::NotFound)
}

/// The leads that are there among these.
pub async fn by_ids(
    on: &impl Read,
    ids: impl IntoIterator<Item = LeadId>,
) -> Result<Vec<LeadWithCompany>, StoreError> {
    let backend = on.conn().get_database_backend();
    let chosen = dialect::id_in(backend, "leads.id", ids.into_iter().map(Id::uuid));
    read(on, leads::Entity::find().filter(chosen), Part::ALL).await
}

/// Whether there is such a lead.
pub async fn check(on: &impl Read, id: LeadId) -> Result<(), StoreError> {
    let query = leads::Entity::find_by_id(id.uuid())
        .select_only()
        .column(leads::Column::Version);
    let found: Option<i64> = query.into_tuple().one(on.conn()).await?;
    found.map(drop).ok_or(StoreError::NotFound)
}

/// The leads of a query, in its order, with these parts. The query must sort few rows: all parts are read before it does.
pub(super) async fn read(
    on: &impl Read,
    query: Select<leads::Entity>,
    parts: &[Part],
) -> Result<Vec<LeadWithCompany>, StoreError> {
    let query = with_parts(on.conn().get_database_backend(), query, parts);
    let rows = query.into_model::<Found>().all(on.conn()).await?;
    rows.into_iter().map(Found::into_domain).collect()
}

fn with_parts(backend: DbBackend, query: Select<leads::Entity>, parts: &[Part]) -> Select<leads::Entity> {
    use leads::Column::{FirstTouch, LastNonDirectTouch, LastTouch, LeadTouch};
    type Subselect = fn(DbBackend) -> String;
    let subselects: [(Part, &str, Subselect); 5] = [
        (Part::Identifiers, "identifiers", dialect::identifiers_of_lead),
        (Part::Consent, "consents", dialect::consents_of_lead),
        (Part::Score, "score", dialect::score_of_lead),
        (
            Part::Qualification,
            "qualifications",
            dialect::qualifications_of_lead,
        ),
        (Part::Company, "company", dialect::company_of_lead),
    ];
    let has_touches = parts.contains(&Part::Touches);
    let mut query = query.select_only();
    for column in leads::Column::iter() {
        let is_touch = matches!(column, FirstTouch | LastTouch | LastNonDirectTouch | LeadTouch);
        query = match is_touch && !has_touches {
            true => query.expr_as(Expr::cust("NULL"), sea_orm::IdenStatic::as_str(&column)),
            false => query.column(column),
        };
    }
    for (part, name, subselect) in subselects {
        let expression = match parts.contains(&part) {
            true => Expr::cust(subselect(backend)),
            false => Expr::cust("NULL"),
        };
        query = query.expr_as(expression, name);
    }
    let settings = format!(
        "(SELECT r.revision FROM revisions r WHERE r.name = '{}')",
        revision::SETTINGS
    );
    query.expr_as(Expr::cust(settings), "settings_revision")
}

/// A row of a lead, with rows about it as JSON.
struct Found {
    lead: leads::Model,
    identifiers: Option<String>,
    consents: Option<String>,
    score: Option<String>,
    qualifications: Option<String>,
    company: Option<String>,
    settings_revision: Option<i64>,
}

impl FromQueryResult for Found {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            lead: leads::Model::from_query_result(row, prefix)?,
            identifiers: row.try_get(prefix, "identifiers")?,
            consents: row.try_get(prefix, "consents")?,
            score: row.try_get(prefix, "score")?,
            qualifications: row.try_get(prefix, "qualifications")?,
            company: row.try_get(prefix, "company")?,
            settings_revision: row.try_get(prefix, "settings_revision")?,
        })
    }
}

impl Found {
    fn into_domain(self) -> Result<LeadWithCompany, StoreError> {
        let own = all::<identifiers::Model>("identifiers", self.identifiers)?;
        let own: Result<Vec<_>, StoreError> = own.into_iter().map(identifiers::Model::into_domain).collect();
        let mut consent = ConsentFacts::default();
        for row in all::<consents::Model>("consents", self.consents)? {
            let purpose = row.purpose.clone();
            consent.add(purpose, row.fact()?);
        }
        let mut qualification = Qualification::new();
        for row in all::<qualifications::Model>("qualifications", self.qualifications)? {
            let (_, item, one) = row.into_domain()?;
            qualification.insert(item, one);
        }
        let company = one::<companies::Model>("companies", self.company)?;
        Ok(LeadWithCompany {
            lead: self.lead.into_domain(own?)?,
            company: company.map(companies::Model::into_domain),
            consent,
            score: one::<scores::Model>("scores", self.score)?.map(scores::Model::into_domain),
            qualification,
            settings_revision: self.settings_revision.unwrap_or_default(),
        })
    }
}

fn all<M: DeserializeOwned>(table: &'static str, rows: Option<String>) -> Result<Vec<M>, StoreError> {
    rows.map_or(Ok(vec![]), |rows| from_json(table, &rows))
}

fn one<M: DeserializeOwned>(table: &'static str, row: Option<String>) -> Result<Option<M>, StoreError> {
    row.map(|row| from_json(table, &row)).transpose()
}
