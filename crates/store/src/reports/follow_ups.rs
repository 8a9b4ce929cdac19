//! Tasks that were done: counted and listed.

use sea_orm::ConnectionTrait;
use tandem_domain::id::{ActivityId, CompanyId, DealId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use uuid::Uuid;

use super::selection::{Ground, Scope, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;

/// Each done task with the cycle in which its lead stood, if it is about one.
const TASKS: &str = "activities a LEFT JOIN cycles c ON c.lead_id = a.lead_id AND c.number = \
                     (SELECT max(x.number) FROM cycles x WHERE x.lead_id = a.lead_id AND x.started_at <= a.done_at)";

/// A task that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// Its id.
    pub id: ActivityId,
    /// The lead that it counts for.
    pub lead_id: Option<LeadId>,
    /// The deal that it is about.
    pub deal_id: Option<DealId>,
    /// The company that it is about.
    pub company_id: Option<CompanyId>,
    /// Who had to do it.
    pub owner_id: Option<UserId>,
    /// When it was done.
    pub done_at: Timestamp,
}

/// How many tasks were done.
pub async fn follow_up_count(on: &impl Read, scope: &Scope) -> Result<i64, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = condition(&mut sql, scope);
    let text = format!("SELECT count(*) AS n FROM {TASKS} WHERE {condition}");
    let row = on.conn().query_one_raw(sql.statement(&text)).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get("", "n"))?)
}

/// A page of the tasks that were done, by id.
pub async fn follow_ups(
    on: &impl Read,
    scope: &Scope,
    after: Option<ActivityId>,
    limit: u64,
) -> Result<Page<FollowUp>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = condition(&mut sql, scope);
    if let Some(after) = after {
        condition.push_str(&format!(" AND a.id > {}", sql.bind(after.uuid())));
    }
    let text = format!(
        "SELECT a.id, a.lead_id, a.deal_id, a.company_id, a.owner_id, a.done_at FROM {TASKS} WHERE {condition} \
         ORDER BY a.id LIMIT {}",
        limit + 1
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let id = |name: &str| row.try_get::<Option<Uuid>>("", name);
        found.push(FollowUp {
            id: Id::from_uuid(row.try_get("", "id")?),
            lead_id: id("lead_id")?.map(Id::from_uuid),
            deal_id: id("deal_id")?.map(Id::from_uuid),
            company_id: id("company_id")?.map(Id::from_uuid),
            owner_id: id("owner_id")?.map(Id::from_uuid),
            done_at: Timestamp::from_millis(row.try_get("", "done_at")?),
        });
    }
    Ok(Page::of(found, limit))
}

fn condition(sql: &mut Sql, scope: &Scope) -> String {
    let only = sql.only(&scope.only, Ground::Tasks);
    let during = sql.during(match scope.basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "a.done_at",
    });
    format!("a.done_at IS NOT NULL AND {during}{only}")
}
