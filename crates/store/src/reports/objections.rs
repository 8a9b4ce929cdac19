//! Objections: how often leads raised them, and what became of the deals in which they did.

use sea_orm::ConnectionTrait;
use tandem_domain::deals::State;
use tandem_domain::id::{ActivityId, DealId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::Dimension;
use tandem_domain::reports::endings::Worth;
use tandem_domain::reports::row::{Cut, Key};
use uuid::Uuid;

use super::deals::{self, Books};
use super::selection::{self, Ground, Scope, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;

/// Each objection, raised in an activity or stated when a deal was closed, with the cycle in which its lead stood.
const RAISED: &str = "(SELECT o.activity_id AS id, o.position, o.activity_id, a.deal_id, o.lead_id, o.code, o.occurred_at \
                      FROM objections o JOIN activities a ON a.id = o.activity_id \
                      UNION ALL SELECT x.deal_id, x.position, CAST(NULL AS uuid), x.deal_id, x.lead_id, x.code, x.occurred_at \
                      FROM deal_objections x) AS r LEFT JOIN cycles c ON c.lead_id = r.lead_id AND c.number = \
                      (SELECT max(y.number) FROM cycles y WHERE y.lead_id = r.lead_id AND y.started_at <= r.occurred_at)";
/// The deals and the codes of the objections that were raised in them: stated at closing, in their activities, or by their
/// primary lead before they were closed.
const MET: &str = "SELECT x.deal_id, x.code FROM deal_objections x \
                   UNION SELECT a.deal_id, o.code FROM objections o JOIN activities a ON a.id = o.activity_id \
                   WHERE a.deal_id IS NOT NULL \
                   UNION SELECT e.id, o.code FROM deals e JOIN objections o ON o.lead_id = e.primary_lead_id \
                   WHERE o.occurred_at <= e.closed_at";

/// An objection behind a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedObjection {
    /// The activity, or else the deal with whose closing it was stated.
    pub id: Uuid,
    /// Its place among the objections of that, from 0.
    pub position: i64,
    /// The activity in which it was raised.
    pub activity_id: Option<ActivityId>,
    /// The deal.
    pub deal_id: Option<DealId>,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// The code; `None` if nobody mapped its words.
    pub code: Option<String>,
    /// When it was raised.
    pub occurred_at: Timestamp,
}

/// The condition that an objection was raised in a deal `d`: one with this code, one without, or any.
pub(super) fn is_met(sql: &mut Sql, objection: Option<&Objected>) -> String {
    let of_code = match objection {
        None => String::new(),
        Some(Objected::Unmapped) => " AND w.code IS NULL".to_owned(),
        Some(Objected::Code(code)) => format!(" AND w.code = {}", sql.bind(code.clone())),
    };
    format!("EXISTS (SELECT 1 FROM ({MET}) w WHERE w.deal_id = d.id{of_code})")
}

/// An objection that deals are chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objected {
    /// With this code.
    Code(String),
    /// Whose words nobody mapped to a code.
    Unmapped,
}

fn condition(sql: &mut Sql, scope: &Scope) -> String {
    let only = sql.only(&scope.only, Ground::Objections);
    let during = sql.during(match scope.basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "r.occurred_at",
    });
    format!("{during}{only}")
}

/// Count the objections of a report, by row; the reason of an objection is its code.
pub async fn raised_objections(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
) -> Result<Vec<(Vec<Key>, i64)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let keys = selection::keys(cuts, Ground::Objections, "r.occurred_at");
    let condition = condition(&mut sql, scope);
    let text = format!(
        "SELECT {keys}count(*) AS n FROM {RAISED} WHERE {condition}{}",
        selection::group_by(cuts, &[])
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        found.push((selection::read_keys(cuts, &row)?, row.try_get("", "n")?));
    }
    Ok(found)
}

/// Count the deals that were closed in the period by row: one for each objection that was raised in them. The flag says
/// whether they were won.
pub async fn met_objections(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
    books: Books,
) -> Result<Vec<(Vec<Key>, bool, Worth)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let keys = selection::keys(cuts, Ground::ObjectedDeals, "d.closed_at");
    let valued = deals::is_valued(&mut sql, books);
    let only = sql.only(&scope.only, Ground::ObjectedDeals);
    let during = sql.during(deals::instant(scope.basis));
    // Without rows each deal counts once.
    let met = match cuts.is_empty()
        && scope
            .only
            .iter()
            .all(|(dimension, _)| *dimension != Dimension::Reason)
    {
        true => format!("(SELECT DISTINCT w.deal_id, NULL AS code FROM ({MET}) w)"),
        false => format!("({MET})"),
    };
    let text = format!(
        "SELECT {keys}d.state AS state, count(*) AS n, \
         CAST(sum(CASE WHEN {valued} THEN d.base_amount ELSE 0 END) AS bigint) AS value, \
         CAST(sum(CASE WHEN {valued} THEN 1 ELSE 0 END) AS bigint) AS valued \
         FROM {met} AS r JOIN deals d ON d.id = r.deal_id \
         LEFT JOIN cycles c ON c.lead_id = d.primary_lead_id AND c.number = d.cycle \
         WHERE {during} AND d.state IN ('won', 'lost'){only}{}",
        selection::group_by(cuts, &["d.state"])
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let worth = Worth {
            deals: row.try_get("", "n")?,
            valued: row.try_get("", "valued")?,
            value: row.try_get("", "value")?,
        };
        let is_won = row.try_get::<String>("", "state")? == State::Won.name();
        found.push((selection::read_keys(cuts, &row)?, is_won, worth));
    }
    Ok(found)
}

/// How many objections were raised.
pub async fn raised_count(on: &impl Read, scope: &Scope) -> Result<u64, StoreError> {
    let found = raised_objections(on, scope, &[]).await?;
    Ok(found.into_iter().map(|(_, n)| n).sum::<i64>().max(0) as u64)
}

/// A page of objections, by the id of their activity or deal and their place.
pub async fn raised_page(
    on: &impl Read,
    scope: &Scope,
    after: Option<(Uuid, i64)>,
    limit: u64,
) -> Result<Page<RaisedObjection>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = condition(&mut sql, scope);
    if let Some((id, position)) = after {
        let (id, position) = (sql.bind(id), sql.bind(position));
        condition.push_str(&format!(" AND (r.id, r.position) > ({id}, {position})"));
    }
    let text = format!(
        "SELECT r.id, r.position, r.activity_id, r.deal_id, r.lead_id, r.code, r.occurred_at FROM {RAISED} WHERE {condition} \
         ORDER BY r.id, r.position LIMIT {}",
        limit + 1
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let id = |name: &str| row.try_get::<Option<Uuid>>("", name);
        found.push(RaisedObjection {
            id: row.try_get("", "id")?,
            position: row.try_get("", "position")?,
            activity_id: id("activity_id")?.map(Id::from_uuid),
            deal_id: id("deal_id")?.map(Id::from_uuid),
            lead_id: id("lead_id")?.map(Id::from_uuid),
            code: row.try_get("", "code")?,
            occurred_at: Timestamp::from_millis(row.try_get("", "occurred_at")?),
        });
    }
    Ok(Page::of(found, limit))
}
