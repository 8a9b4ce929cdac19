//! What campaigns cost and brought: wasted cycles, won deals, conversations and costs.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use tandem_domain::campaigns::Cost;
use tandem_domain::id::{ActivityId, ConversationId, DealId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::campaigns::{IDLE_DAYS, Waste};
use tandem_domain::reports::kpis::DealFigure;
use tandem_domain::reports::period::Days;
use tandem_domain::reports::row::{Cut, Key};
use uuid::Uuid;

use super::deals::{self, Books};
use super::selection::{self, Ground, Scope, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::campaign_costs;

const CYCLES: Ground = Ground::Cycles("c");
const DAY: i64 = 86_400_000;
/// Each activity of a conversation with the cycle in which its lead stood.
const CONVERSATIONS: &str = "activities a LEFT JOIN cycles c ON c.lead_id = a.lead_id AND c.number = \
                             (SELECT max(x.number) FROM cycles x WHERE x.lead_id = a.lead_id AND x.started_at <= a.occurred_at)";

/// A deal that was won.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WonDeal {
    /// Its id.
    pub id: DealId,
    /// The row.
    pub keys: Vec<Key>,
    /// From the start of the cycle in which it was opened until it was won, in milliseconds; `None` without a lead.
    pub length: Option<i64>,
}

/// A conversation behind a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldConversation {
    /// Its id.
    pub id: ConversationId,
    /// The activity that follows from it.
    pub activity_id: ActivityId,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// The user who held it.
    pub user_id: Option<UserId>,
    /// When it began.
    pub occurred_at: Timestamp,
}

/// The condition that a cycle is wasted for this reason, and not for one before it. Only the first two can hold together: an
/// idle cycle has neither ended nor entered mql.
pub(super) fn wasted(sql: &mut Sql, waste: Waste, now: Timestamp) -> String {
    let own = is_wasted(sql, waste, now);
    match waste {
        Waste::Uncontacted => format!("{own} AND NOT ({})", is_wasted(sql, Waste::Rejected, now)),
        Waste::Rejected | Waste::Idle => own,
    }
}

/// The condition that a cycle is wasted.
pub(super) fn wasted_somehow(sql: &mut Sql, now: Timestamp) -> String {
    let reasons: Vec<String> = Waste::ALL.iter().map(|one| is_wasted(sql, *one, now)).collect();
    format!("({})", reasons.join(" OR "))
}

fn is_wasted(sql: &mut Sql, waste: Waste, now: Timestamp) -> String {
    let handoff =
        "SELECT 1 FROM handoffs f WHERE f.lead_id = c.lead_id AND f.cycle = c.number AND NOT f.self_sourced";
    match waste {
        Waste::Rejected => format!(
            "c.disqualified_at IS NOT NULL AND EXISTS ({handoff} AND f.state IN ('rejected', 'disputed', 'upheld'))"
        ),
        // Whoever went further was spoken to, logged or not; of an imported hand-off nobody knows; and a promise that still
        // runs may be kept.
        Waste::Uncontacted => {
            let now = sql.bind(now.millis());
            let clock =
                "EXISTS (SELECT 1 FROM clocks k WHERE k.handoff_id = f.id AND k.kind = 'first_contact' AND";
            format!(
                "c.mql_at IS NOT NULL AND c.sql_at IS NULL AND c.opportunity_at IS NULL AND c.customer_at IS NULL \
                 AND EXISTS ({handoff} AND NOT f.imported AND f.state <> 'void' AND f.first_contact_at IS NULL \
                 AND NOT {clock} k.state IN ('running', 'warned') AND k.due_at >= {now}) \
                 AND (c.sal_at IS NOT NULL OR {clock} (k.state = 'breached' \
                 OR (k.state IN ('running', 'warned') AND k.due_at < {now})))))"
            )
        }
        Waste::Idle => {
            let before = sql.bind(now.plus_millis(-IDLE_DAYS * DAY).millis());
            format!(
                "c.mql_at IS NULL AND c.ended_at IS NULL AND EXISTS (SELECT 1 FROM leads l WHERE l.id = c.lead_id \
                 AND l.cycle = c.number AND l.is_listed AND l.stage = 'lead' AND l.stage_since < {before})"
            )
        }
    }
}

/// Count the wasted ones of the cycles that started in the period, by row.
pub async fn wasted_cycles(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
    now: Timestamp,
) -> Result<Vec<(Vec<Key>, Waste, i64)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let only = sql.only(&scope.only, CYCLES);
    let during = sql.during("c.started_at");
    let mut parts = vec![];
    for (place, waste) in Waste::ALL.iter().enumerate() {
        let condition = wasted(&mut sql, *waste, now);
        let keys = selection::keys(cuts, CYCLES, "c.started_at");
        let group = selection::group_by(cuts, &[]);
        parts.push(format!(
            "SELECT CAST({place} AS bigint) AS waste, {keys}count(*) AS n FROM cycles c WHERE {during} AND {condition}{only}{group}"
        ));
    }
    let mut found = vec![];
    for row in on
        .conn()
        .query_all_raw(sql.statement(&parts.join(" UNION ALL ")))
        .await?
    {
        let place = row.try_get::<i64>("", "waste")?.max(0) as usize;
        let waste = *Waste::ALL.get(place).ok_or(StoreError::Corrupt("cycles"))?;
        found.push((selection::read_keys(cuts, &row)?, waste, row.try_get("", "n")?));
    }
    Ok(found)
}

/// The deals that were won, each with its row.
pub async fn won_deals(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
    books: Books,
) -> Result<Vec<WonDeal>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = deals::condition(&mut sql, scope, DealFigure::Won, books);
    let keys = selection::keys(cuts, Ground::Deals, "d.closed_at");
    let text = format!(
        "SELECT {keys}d.id AS id, d.closed_at - c.started_at AS length FROM {} WHERE {condition}",
        deals::DEALS
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        found.push(WonDeal {
            id: Id::from_uuid(row.try_get("", "id")?),
            keys: selection::read_keys(cuts, &row)?,
            length: row
                .try_get::<Option<i64>>("", "length")?
                .map(|length| length.max(0)),
        });
    }
    Ok(found)
}

fn held(sql: &mut Sql, scope: &Scope, high_intent: bool) -> String {
    let only = sql.only(&scope.only, Ground::Tasks);
    let during = sql.during(match scope.basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "a.occurred_at",
    });
    let intent = if high_intent { " AND a.intent = 'high'" } else { "" };
    format!("a.conversation_id IS NOT NULL AND a.type <> 'task' AND {during}{intent}{only}")
}

/// Count the conversations, and those with high intent, by row.
pub async fn conversation_tally(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
) -> Result<Vec<(Vec<Key>, [i64; 2])>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let keys = selection::keys(cuts, Ground::Tasks, "a.occurred_at");
    let condition = held(&mut sql, scope, false);
    let text = format!(
        "SELECT {keys}count(*) AS n, count(CASE WHEN a.intent = 'high' THEN 1 END) AS high FROM {CONVERSATIONS} \
         WHERE {condition}{}",
        selection::group_by(cuts, &[])
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let counts = [row.try_get("", "n")?, row.try_get("", "high")?];
        found.push((selection::read_keys(cuts, &row)?, counts));
    }
    Ok(found)
}

/// How many conversations there were.
pub async fn conversation_count(on: &impl Read, scope: &Scope, high_intent: bool) -> Result<u64, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = held(&mut sql, scope, high_intent);
    let text = format!("SELECT count(*) AS n FROM {CONVERSATIONS} WHERE {condition}");
    let row = on.conn().query_one_raw(sql.statement(&text)).await?;
    let count = row.map_or(Ok(0), |row| row.try_get::<i64>("", "n"))?;
    Ok(count.max(0) as u64)
}

/// A page of conversations, by the id of their activity.
pub async fn held_conversations(
    on: &impl Read,
    scope: &Scope,
    high_intent: bool,
    after: Option<ActivityId>,
    limit: u64,
) -> Result<Page<HeldConversation>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = held(&mut sql, scope, high_intent);
    if let Some(after) = after {
        condition.push_str(&format!(" AND a.id > {}", sql.bind(after.uuid())));
    }
    let text = format!(
        "SELECT a.id, a.conversation_id, a.lead_id, a.user_id, a.occurred_at FROM {CONVERSATIONS} WHERE {condition} \
         ORDER BY a.id LIMIT {}",
        limit + 1
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let id = |name: &str| row.try_get::<Option<Uuid>>("", name);
        found.push(HeldConversation {
            id: Id::from_uuid(row.try_get("", "conversation_id")?),
            activity_id: Id::from_uuid(row.try_get("", "id")?),
            lead_id: id("lead_id")?.map(Id::from_uuid),
            user_id: id("user_id")?.map(Id::from_uuid),
            occurred_at: Timestamp::from_millis(row.try_get("", "occurred_at")?),
        });
    }
    Ok(Page::of(found, limit))
}

/// What each campaign cost on each of some days, in that order.
pub async fn costs_by_campaign(on: &impl Read, days: &Days) -> Result<Vec<Cost>, StoreError> {
    use campaign_costs::Column::{CampaignId as Campaign, SpentOn};
    use sea_orm::QueryOrder;
    let mut query = campaign_costs::Entity::find();
    if let Some(first) = days.first {
        query = query.filter(SpentOn.gte(first.to_string()));
    }
    if let Some(next) = days.next {
        query = query.filter(SpentOn.lt(next.to_string()));
    }
    let query = query.order_by_asc(Campaign).order_by_asc(SpentOn);
    let rows = query.all(on.conn()).await?.into_iter();
    rows.map(|row| row.into_domain()).collect()
}
