//! Leakage: leads, hand-offs and deals that nobody works, counted and listed as they stand now.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, QueryResult};
use tandem_domain::agreement::BuyingRole;
use tandem_domain::id::{ClockId, DealId, HandoffId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::dimension::{Dimension, Value};
use tandem_domain::reports::leakage::{Leak, Watermarks};
use tandem_domain::reports::row::{Cut, Key};
use uuid::Uuid;

use super::selection::{self, Ground, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;

/// Which leaks: with these values, recognised by these instants.
#[derive(Debug, Clone)]
pub struct LeakScope {
    /// The instants.
    pub marks: Watermarks,
    /// The roles that the group of an open deal must have.
    pub required_roles: Vec<BuyingRole>,
    /// The users who are absent or disabled, and since when.
    pub away: BTreeMap<UserId, Timestamp>,
    /// Only those that have these values, or none.
    pub only: Vec<(Dimension, Option<Value>)>,
}

/// How many leaks of one kind a row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakTally {
    /// The row.
    pub keys: Vec<Key>,
    /// The kind.
    pub leak: Leak,
    /// The number.
    pub count: i64,
    /// Since when the oldest of them has been one.
    pub oldest: Option<Timestamp>,
}

/// One leak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakItem {
    /// The id of the lead, clock or deal.
    pub id: Uuid,
    /// Since when it has been one.
    pub since: Option<Timestamp>,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// The hand-off.
    pub handoff_id: Option<HandoffId>,
    /// The clock.
    pub clock_id: Option<ClockId>,
    /// The deal.
    pub deal_id: Option<DealId>,
    /// Who is responsible.
    pub owner_id: Option<UserId>,
}

/// Where the leaks of one kind are found.
struct Place {
    from: &'static str,
    condition: String,
    /// The record that is listed.
    id: &'static str,
    since: String,
    ground: Ground,
}

const CLOCKS: &str = "clocks k JOIN handoffs f ON f.id = k.handoff_id \
                      JOIN cycles c ON c.lead_id = f.lead_id AND c.number = f.cycle \
                      JOIN leads l ON l.id = f.lead_id";
const LEADS: &str = "leads l JOIN cycles c ON c.lead_id = l.id AND c.number = l.cycle";
const DEALS: &str = "deals d LEFT JOIN cycles c ON c.lead_id = d.primary_lead_id AND c.number = d.cycle";
/// In the group of an open deal that another lead decides on.
const GROUP_MEMBER: &str = "EXISTS (SELECT 1 FROM deal_leads g JOIN deals o ON o.id = g.deal_id \
                            WHERE g.lead_id = l.id AND o.state = 'open' AND o.primary_lead_id <> l.id)";

/// When a deal was last worked on: its last move, or the last activity about it or its lead. What a machine sent is no work,
/// unless the other side answered.
pub(crate) const WORKED_ON: &str = "COALESCE((SELECT max(a.occurred_at) FROM activities a \
                         WHERE (a.deal_id = d.id OR a.lead_id = d.primary_lead_id) AND a.type <> 'task' \
                         AND (NOT a.automatic OR a.outcome IN ('connected', 'replied', 'held')) \
                         AND a.occurred_at > d.stage_since), d.stage_since)";

fn place(sql: &mut Sql, leak: Leak, scope: &LeakScope) -> Place {
    let marks = scope.marks;
    let clock = |sql: &mut Sql, kind: &str, more: &str| {
        // One that is due and has not been looked at yet is overdue all the same.
        let now = sql.bind(marks.now.millis());
        Place {
            from: CLOCKS,
            condition: format!(
                "k.kind = '{kind}' AND k.state IN ('running', 'warned', 'breached') AND k.due_at < {now} \
                 AND l.is_listed AND c.ended_at IS NULL{more}"
            ),
            id: "k.id",
            since: "k.due_at".to_owned(),
            ground: Ground::Handoffs,
        }
    };
    let lead = |condition: String, since: &str| Place {
        from: LEADS,
        condition: format!("l.is_listed AND {condition} AND NOT {GROUP_MEMBER}"),
        id: "l.id",
        since: since.to_owned(),
        ground: Ground::Leads,
    };
    let deal = |condition: String, since: &str| Place {
        from: DEALS,
        condition: format!("d.state = 'open' AND {condition}"),
        id: "d.id",
        since: since.to_owned(),
        ground: Ground::Deals,
    };
    match leak {
        Leak::Unreviewed => clock(sql, "review", " AND f.state = 'pending'"),
        Leak::Uncontacted => clock(sql, "first_contact", ""),
        Leak::NoOwner => lead(
            "l.stage IN ('mql', 'sal', 'sql', 'opportunity') AND l.owner_id IS NULL".to_owned(),
            "l.stage_since",
        ),
        Leak::OwnerAway => {
            let away = scope.away.iter();
            let away: Vec<(String, i64)> = away
                .map(|(user, since)| (sql.bind(user.uuid()), since.millis()))
                .collect();
            if away.is_empty() {
                return lead("1 = 0".to_owned(), "l.stage_since");
            }
            let users: Vec<&str> = away.iter().map(|(user, _)| user.as_str()).collect();
            let users = users.join(", ");
            let since = away
                .iter()
                .map(|(user, since)| format!(" WHEN l.owner_id = {user} THEN {since}"));
            let since = format!("CASE{} END", since.collect::<String>());
            lead(
                format!("l.stage IN ('mql', 'sal', 'sql', 'opportunity') AND l.owner_id IN ({users})"),
                &since,
            )
        }
        Leak::NoNextStep => {
            let now = sql.bind(marks.now.millis());
            // What is not due has the greatest date.
            lead(
                format!(
                    "l.stage IN ('sal', 'sql', 'opportunity') AND NOT EXISTS (SELECT 1 FROM activities a \
                     WHERE a.lead_id = l.id AND a.is_open AND a.due_at >= {now} AND a.due_at < {})",
                    i64::MAX
                ),
                "l.stage_since",
            )
        }
        Leak::ReturnedUnanswered => lead(
            "l.returned_at IS NOT NULL AND EXISTS (SELECT 1 FROM activities a \
             WHERE a.lead_id = l.id AND a.is_open AND a.user_id IS NULL)"
                .to_owned(),
            "l.returned_at",
        ),
        Leak::CloseDatePassed => {
            let today = sql.bind(marks.today.to_string());
            deal(format!("d.expected_close_on < {today}"), "NULL")
        }
        Leak::DealStale => {
            // The least instant there is where the agreement says nothing: no deal is stale.
            let before = marks.stale_before.map_or(i64::MIN, Timestamp::millis);
            let before = sql.bind(before);
            deal(format!("{WORKED_ON} < {before}"), WORKED_ON)
        }
        Leak::RoleMissing => {
            let roles = scope.required_roles.iter();
            let missing = roles.map(|role| {
                let role = sql.bind(role.name());
                format!("NOT EXISTS (SELECT 1 FROM deal_leads g WHERE g.deal_id = d.id AND g.role = {role})")
            });
            let missing: Vec<String> = missing.collect();
            let condition = match missing.is_empty() {
                true => "1 = 0".to_owned(),
                false => format!("({})", missing.join(" OR ")),
            };
            deal(condition, "d.opened_at")
        }
        Leak::QuoteUnanswered => {
            let before = sql.bind(marks.quote_sent_before.millis());
            let unanswered = "FROM quotes q WHERE q.deal_id = d.id AND q.state = 'sent'";
            deal(
                format!("EXISTS (SELECT 1 {unanswered} AND q.sent_at < {before})"),
                &format!("(SELECT min(q.sent_at) {unanswered})"),
            )
        }
        Leak::Idle => {
            let before = sql.bind(marks.idle_before.millis());
            lead(
                format!("l.stage = 'lead' AND l.stage_since < {before}"),
                "l.stage_since",
            )
        }
    }
}

/// Count the leaks of these kinds, by row.
pub async fn leak_tally(
    on: &impl Read,
    scope: &LeakScope,
    leaks: &[Leak],
    cuts: &[Cut],
) -> Result<Vec<LeakTally>, StoreError> {
    let mut sql = Sql::bare(on.conn().get_database_backend());
    let mut parts = vec![];
    for (n, leak) in leaks.iter().enumerate() {
        let place = place(&mut sql, *leak, scope);
        let only = sql.only(&scope.only, place.ground);
        let keys = selection::keys(cuts, place.ground, &place.since);
        let group = selection::group_by(cuts, &[]);
        parts.push(format!(
            "SELECT CAST({n} AS bigint) AS leak, {keys}count(*) AS n, min(CAST({} AS bigint)) AS oldest \
             FROM {} WHERE {}{only}{group}",
            place.since, place.from, place.condition
        ));
    }
    let mut found = vec![];
    for row in on
        .conn()
        .query_all_raw(sql.statement(&parts.join(" UNION ALL ")))
        .await?
    {
        let count: i64 = row.try_get("", "n")?;
        let place = row.try_get::<i64>("", "leak")?.max(0) as usize;
        if let (Some(leak), true) = (leaks.get(place), count > 0) {
            found.push(LeakTally {
                keys: selection::read_keys(cuts, &row)?,
                leak: *leak,
                count,
                oldest: instant(&row, "oldest")?,
            });
        }
    }
    Ok(found)
}

/// A page of the leaks of one kind, by the id of the record.
pub async fn leak_evidence(
    on: &impl Read,
    scope: &LeakScope,
    leak: Leak,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Page<LeakItem>, StoreError> {
    let mut sql = Sql::bare(on.conn().get_database_backend());
    let place = place(&mut sql, leak, scope);
    let only = sql.only(&scope.only, place.ground);
    let after = after.map(|after| format!(" AND {} > {}", place.id, sql.bind(after)));
    let ids = match place.ground {
        Ground::Handoffs => "f.lead_id, f.id AS handoff_id, k.id AS clock_id, NULL AS deal_id, f.owner_id",
        Ground::Deals => {
            "d.primary_lead_id AS lead_id, NULL AS handoff_id, NULL AS clock_id, d.id AS deal_id, d.owner_id"
        }
        _ => "l.id AS lead_id, NULL AS handoff_id, NULL AS clock_id, NULL AS deal_id, l.owner_id",
    };
    let text = format!(
        "SELECT {} AS id, CAST({} AS bigint) AS since, {ids} FROM {} WHERE {}{only}{} ORDER BY 1 LIMIT {}",
        place.id,
        place.since,
        place.from,
        place.condition,
        after.unwrap_or_default(),
        limit + 1
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let id = |name: &str| id_of(&row, place.ground, name);
        found.push(LeakItem {
            id: row.try_get("", "id")?,
            since: instant(&row, "since")?,
            lead_id: id("lead_id")?.map(Id::from_uuid),
            handoff_id: id("handoff_id")?.map(Id::from_uuid),
            clock_id: id("clock_id")?.map(Id::from_uuid),
            deal_id: id("deal_id")?.map(Id::from_uuid),
            owner_id: id("owner_id")?.map(Id::from_uuid),
        });
    }
    Ok(Page::of(found, limit))
}

/// An id of a row; those that its kind of record has not are not even typed.
fn id_of(row: &QueryResult, ground: Ground, name: &str) -> Result<Option<Uuid>, StoreError> {
    let is_absent = match (ground, name) {
        (Ground::Handoffs, name) => name == "deal_id",
        (Ground::Deals, name) => matches!(name, "handoff_id" | "clock_id"),
        (_, name) => matches!(name, "handoff_id" | "clock_id" | "deal_id"),
    };
    match is_absent {
        true => Ok(None),
        false => Ok(row.try_get("", name)?),
    }
}

fn instant(row: &QueryResult, name: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.try_get::<Option<i64>>("", name)?.map(Timestamp::from_millis))
}
