//! The parts of a customer's handover: one statement each, however many deals and people there are.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use tandem_domain::activities::Objection;
use tandem_domain::deals::promises::Promise;
use tandem_domain::deals::quotes::Quote;
use tandem_domain::id::{ActivityId, CompanyId, DealId, Id, LeadId};
use tandem_domain::instant::Timestamp;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{deal_objections, objections, promises, quotes};
use crate::union::found_by_any;
use crate::write::with_condition;

/// The most of one part.
const MOST: u64 = 200;
/// The most pages.
const MOST_PAGES: u64 = 50;

/// An objection with where it was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedObjection {
    /// The objection.
    pub objection: Objection,
    /// When it was raised.
    pub occurred_at: Timestamp,
    /// The activity.
    pub activity_id: Option<ActivityId>,
    /// The deal with whose closing it was stated.
    pub deal_id: Option<DealId>,
}

/// A page that leads read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPage {
    /// Its address.
    pub url: String,
    /// How often.
    pub views: i64,
    /// How many of them.
    pub people: i64,
    /// When it was read last.
    pub last_at: Timestamp,
}

/// The objections of deals, and those of the activities of leads, the newest first.
pub async fn objections(
    on: &impl Read,
    deals: &[DealId],
    leads: &[LeadId],
) -> Result<Vec<RaisedObjection>, StoreError> {
    let backend = on.conn().get_database_backend();
    let of_leads = dialect::id_in(backend, "lead_id", leads.iter().map(|id| id.uuid()));
    let raised = objections::Entity::find()
        .filter(of_leads)
        .order_by_desc(objections::Column::OccurredAt)
        .order_by_asc(objections::Column::ActivityId)
        .order_by_asc(objections::Column::Position)
        .limit(MOST);
    let raised = raised.all(on.conn()).await?.into_iter();
    let raised = raised.map(|row| RaisedObjection {
        occurred_at: Timestamp::from_millis(row.occurred_at),
        activity_id: Some(Id::from_uuid(row.activity_id)),
        deal_id: None,
        objection: row.into_domain(),
    });
    let of_deals = dialect::id_in(backend, "deal_id", deals.iter().map(|id| id.uuid()));
    let stated = deal_objections::Entity::find()
        .filter(of_deals)
        .order_by_asc(deal_objections::Column::DealId)
        .order_by_asc(deal_objections::Column::Position);
    let stated = stated.all(on.conn()).await?.into_iter();
    let stated = stated.map(|row| RaisedObjection {
        occurred_at: Timestamp::from_millis(row.occurred_at),
        activity_id: None,
        deal_id: Some(Id::from_uuid(row.deal_id)),
        objection: row.into_domain(),
    });
    let mut all: Vec<RaisedObjection> = raised.chain(stated).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.occurred_at));
    Ok(all)
}

/// The promises of deals, leads and a company that are not archived, in the order of their ids.
pub async fn promises(
    on: &impl Read,
    deals: &[DealId],
    leads: &[LeadId],
    company: Option<CompanyId>,
) -> Result<Vec<Promise>, StoreError> {
    use promises::Column;
    let backend = on.conn().get_database_backend();
    let conditions = [
        dialect::id_in(backend, "deal_id", deals.iter().map(|id| id.uuid())),
        dialect::id_in(backend, "lead_id", leads.iter().map(|id| id.uuid())),
        dialect::id_in(backend, "company_id", company.iter().map(|id| id.uuid())),
    ];
    let rows = promises::Entity::find()
        .filter(found_by_any::<promises::Entity>(Column::Id, conditions))
        .filter(Column::ArchivedAt.is_null())
        .order_by_asc(Column::Id)
        .limit(MOST);
    let rows = rows.all(on.conn()).await?.into_iter();
    rows.map(|row| row.into_domain()).collect()
}

/// The quotes of deals, in the order of their ids.
pub async fn quotes(on: &impl Read, deals: &[DealId]) -> Result<Vec<Quote>, StoreError> {
    let backend = on.conn().get_database_backend();
    let theirs = dialect::id_in(backend, "deal_id", deals.iter().map(|id| id.uuid()));
    let rows = quotes::Entity::find()
        .filter(theirs)
        .order_by_asc(quotes::Column::Id)
        .limit(MOST);
    let rows = rows.all(on.conn()).await?.into_iter();
    rows.map(|row| row.into_domain()).collect()
}

/// The pages and downloads that leads read, the most read first.
pub async fn pages(on: &impl Read, leads: &[LeadId]) -> Result<Vec<ReadPage>, StoreError> {
    let backend = on.conn().get_database_backend();
    let theirs = dialect::id_in(backend, "lead_id", leads.iter().map(|id| id.uuid()));
    let sql = format!(
        "SELECT url, count(*) AS views, count(DISTINCT lead_id) AS people, max(occurred_at) AS last_at FROM events \
         WHERE {{}} AND type IN ('page_view', 'content_view', 'download') AND url IS NOT NULL \
         AND NOT is_bot AND NOT is_machine GROUP BY url ORDER BY views DESC, url LIMIT {MOST_PAGES}"
    );
    let statement: Statement = with_condition(backend, &sql, theirs);
    let mut found = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        found.push(ReadPage {
            url: row.try_get("", "url")?,
            views: row.try_get("", "views")?,
            people: row.try_get("", "people")?,
            last_at: Timestamp::from_millis(row.try_get("", "last_at")?),
        });
    }
    Ok(found)
}
