//! What content did in a period: who saw it, how deals ended with and without a reader, and which objections it met.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, QueryResult};
use tandem_domain::content::evidence::Ends;
use tandem_domain::id::{ContentId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use uuid::Uuid;

use super::selection::{Scope, Sql};
use crate::content::READ_BEFORE;
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;

/// Events that count: of people, with content.
const SEEN: &str = "e.content_id IS NOT NULL AND NOT e.is_bot AND NOT e.is_machine";

/// How often a piece of content was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Views and downloads, anonymous ones included.
    pub views: i64,
    /// The downloads among them.
    pub downloads: i64,
    /// The leads who saw it.
    pub leads: i64,
}

/// What is known of all content in a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentFacts {
    /// How often each piece was seen.
    pub seen: BTreeMap<ContentId, Seen>,
    /// How the deals ended that were closed; without the readers of a piece.
    pub closed: Ends,
    /// How those ended of which a lead had seen a piece before.
    pub read: BTreeMap<ContentId, Ends>,
    /// How many leads raised each objection.
    pub raised: BTreeMap<String, i64>,
    /// How many of these leads saw a piece, before or after.
    pub met: BTreeMap<(ContentId, String), i64>,
}

/// A lead who saw a piece of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The lead.
    pub lead_id: LeadId,
    /// When it saw it first in the period.
    pub first_at: Timestamp,
    /// When it saw it last in the period.
    pub last_at: Timestamp,
    /// How often in the period.
    pub views: i64,
}

/// Load what is known of all content in a period: five statements, however much content there is.
pub async fn content_facts(on: &impl Read, scope: &Scope) -> Result<ContentFacts, StoreError> {
    let mut facts = ContentFacts {
        seen: seen(on, scope).await?,
        ..ContentFacts::default()
    };
    let sql = Sql::new(on.conn().get_database_backend(), scope);
    let closed = format!(
        "SELECT NULL AS content_id, d.state, count(*) AS n FROM deals d \
         WHERE d.state IN ('won', 'lost') AND {0} GROUP BY d.state UNION ALL \
         SELECT e.content_id, d.state, count(DISTINCT d.id) FROM deals d JOIN deal_leads m ON m.deal_id = d.id \
         JOIN events e ON {READ_BEFORE} WHERE d.state IN ('won', 'lost') AND {0} GROUP BY e.content_id, d.state",
        sql.during("d.closed_at")
    );
    for row in on.conn().query_all_raw(sql.statement(&closed)).await? {
        let (state, count): (String, i64) = (row.try_get("", "state")?, row.try_get("", "n")?);
        let is_won = state == "won";
        match content_of(&row)? {
            None if is_won => facts.closed.won = count,
            None => facts.closed.lost = count,
            Some(id) if is_won => facts.read.entry(id).or_default().won_read = count,
            Some(id) => facts.read.entry(id).or_default().lost_read = count,
        }
    }
    let sql = Sql::new(on.conn().get_database_backend(), scope);
    let during = sql.during("o.occurred_at");
    let objections = format!(
        "SELECT NULL AS content_id, o.code, count(DISTINCT o.lead_id) AS n FROM objections o \
         WHERE o.code IS NOT NULL AND {during} GROUP BY o.code UNION ALL \
         SELECT e.content_id, o.code, count(DISTINCT o.lead_id) FROM objections o \
         JOIN events e ON e.lead_id = o.lead_id AND {SEEN} \
         WHERE o.code IS NOT NULL AND {during} GROUP BY e.content_id, o.code"
    );
    for row in on.conn().query_all_raw(sql.statement(&objections)).await? {
        let (code, count): (String, i64) = (row.try_get("", "code")?, row.try_get("", "n")?);
        match content_of(&row)? {
            None => facts.raised.insert(code, count),
            Some(id) => facts.met.insert((id, code), count),
        };
    }
    Ok(facts)
}

async fn seen(on: &impl Read, scope: &Scope) -> Result<BTreeMap<ContentId, Seen>, StoreError> {
    let sql = Sql::new(on.conn().get_database_backend(), scope);
    let text = format!(
        "SELECT e.content_id, count(*) AS views, count(DISTINCT e.lead_id) AS leads, \
         CAST(sum(CASE WHEN e.type IN ('download', 'form_submit') THEN 1 ELSE 0 END) AS bigint) AS downloads \
         FROM events e WHERE {SEEN} AND {} GROUP BY e.content_id",
        sql.during("e.occurred_at")
    );
    let rows = on.conn().query_all_raw(sql.statement(&text)).await?;
    let one = |row: &QueryResult| {
        let seen = Seen {
            views: row.try_get("", "views")?,
            downloads: row.try_get("", "downloads")?,
            leads: row.try_get("", "leads")?,
        };
        Ok((Id::from_uuid(row.try_get("", "content_id")?), seen))
    };
    rows.iter().map(one).collect()
}

fn content_of(row: &QueryResult) -> Result<Option<ContentId>, StoreError> {
    let id: Option<Uuid> = row.try_get("", "content_id")?;
    Ok(id.map(Id::from_uuid))
}

/// A page of the leads who saw a piece of content in a period, by id, and their number.
pub async fn readers(
    on: &impl Read,
    scope: &Scope,
    content: ContentId,
    after: Option<LeadId>,
    limit: u64,
) -> Result<(Page<Reader>, u64), StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let content_id = sql.bind(content.uuid());
    let condition = format!(
        "e.content_id = {content_id} AND {SEEN} AND e.lead_id IS NOT NULL AND {}",
        sql.during("e.occurred_at")
    );
    let further = after.map(|after| format!(" AND g.lead_id > {}", sql.bind(after.uuid())));
    let further = further.unwrap_or_default();
    let text = format!(
        "WITH g AS (SELECT e.lead_id, min(e.occurred_at) AS first_at, max(e.occurred_at) AS last_at, \
         count(*) AS views FROM events e WHERE {condition} GROUP BY e.lead_id) \
         SELECT g.*, (SELECT count(*) FROM g) AS total FROM g WHERE 1 = 1{further} ORDER BY g.lead_id LIMIT {}",
        limit + 1
    );
    let (mut data, mut total) = (vec![], 0i64);
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        total = row.try_get("", "total")?;
        data.push(Reader {
            lead_id: Id::from_uuid(row.try_get("", "lead_id")?),
            first_at: Timestamp::from_millis(row.try_get("", "first_at")?),
            last_at: Timestamp::from_millis(row.try_get("", "last_at")?),
            views: row.try_get("", "views")?,
        });
    }
    Ok((Page::of(data, limit), total.max(0) as u64))
}
