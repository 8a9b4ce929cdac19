//! Quotes that were sent: counted and listed.

use sea_orm::ConnectionTrait;
use tandem_domain::id::{DealId, Id, LeadId, QuoteId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use uuid::Uuid;

use super::selection::{Ground, Scope, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;

/// Each quote with its deal, and the cycle in which that was opened, if it has a lead.
const QUOTES: &str = "quotes q JOIN deals d ON d.id = q.deal_id \
                      LEFT JOIN cycles c ON c.lead_id = d.primary_lead_id AND c.number = d.cycle";

/// A quote that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentQuote {
    /// Its id.
    pub id: QuoteId,
    /// Its deal.
    pub deal_id: DealId,
    /// The primary lead of the deal.
    pub lead_id: Option<LeadId>,
    /// The owner of the deal.
    pub owner_id: Option<UserId>,
    /// When it was sent.
    pub sent_at: Timestamp,
}

/// How many quotes were sent.
pub async fn sent_quote_count(on: &impl Read, scope: &Scope) -> Result<i64, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = condition(&mut sql, scope);
    let text = format!("SELECT count(*) AS n FROM {QUOTES} WHERE {condition}");
    let row = on.conn().query_one_raw(sql.statement(&text)).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "n"))?)
}

/// A page of the quotes that were sent, by id.
pub async fn sent_quotes(
    on: &impl Read,
    scope: &Scope,
    after: Option<QuoteId>,
    limit: u64,
) -> Result<Page<SentQuote>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = condition(&mut sql, scope);
    if let Some(after) = after {
        condition.push_str(&format!(" AND q.id > {}", sql.bind(after.uuid())));
    }
    let text = format!(
        "SELECT q.id, q.deal_id, d.primary_lead_id, d.owner_id, q.sent_at FROM {QUOTES} WHERE {condition} \
         ORDER BY q.id LIMIT {}",
        limit + 1
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let id = |name: &str| row.try_get::<Option<Uuid>>("", name);
        found.push(SentQuote {
            id: Id::from_uuid(row.try_get("", "id")?),
            deal_id: Id::from_uuid(row.try_get("", "deal_id")?),
            lead_id: id("primary_lead_id")?.map(Id::from_uuid),
            owner_id: id("owner_id")?.map(Id::from_uuid),
            sent_at: Timestamp::from_millis(row.try_get("", "sent_at")?),
        });
    }
    Ok(Page::of(found, limit))
}

fn condition(sql: &mut Sql, scope: &Scope) -> String {
    let only = sql.only(&scope.only, Ground::Deals);
    let during = sql.during(match scope.basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "q.sent_at",
    });
    format!("q.sent_at IS NOT NULL AND {during}{only}")
}
