//! Outcomes with their frozen paths.

use sea_orm::{ConnectionTrait, QueryResult};
use serde::Deserialize;
use tandem_domain::id::{DealId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::Basis;
use tandem_domain::reports::attribution::{Path, PathOutcome, PathTouch};
use tandem_domain::reports::row::{Cut, Key};
use uuid::Uuid;

use super::selection::{Ground, Scope, Sql, keys, read_keys};
use crate::db::Read;
use crate::error::StoreError;
use crate::rows::from_json;

const TABLE: &str = "attribution_paths";

/// An outcome, or the reopening that takes it back.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomePath {
    /// The cycle that entered the stage, or the move of the deal.
    pub id: Uuid,
    /// The closing that it takes back.
    pub reverses: Option<Uuid>,
    /// The deal.
    pub deal_id: Option<DealId>,
    /// The lead; of a deal its primary one.
    pub lead_id: Option<LeadId>,
    /// The number of the lead's cycle.
    pub cycle: Option<i64>,
    /// The owner of the deal, or the cycle's last one.
    pub owner_id: Option<UserId>,
    /// The version of the agreement of the cycle.
    pub agreement_version: Option<i64>,
    /// When it counts.
    pub at: Timestamp,
    /// The amount, negative of a reopening.
    pub amount: Option<Money>,
    /// The same in the base currency, where the closing had a rate.
    pub value: Option<i64>,
    /// The touches.
    pub path: Path,
    /// Where it belongs by the cuts that were asked for.
    pub keys: Vec<Key>,
}

/// What stands in the column `path`.
#[derive(Deserialize)]
struct Stored {
    touches: Vec<StoredTouch>,
}

/// Id, instant, channel, source, campaign, content.
type StoredTouch = (
    Uuid,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// The rows of an outcome, each with its cycle `c`, and where their dimensions stand.
fn source(outcome: PathOutcome) -> (&'static str, Ground) {
    match outcome {
        PathOutcome::Mql | PathOutcome::Sql => (
            "attribution_paths p JOIN cycles c ON c.id = p.id",
            Ground::Cycles("c"),
        ),
        PathOutcome::Opportunity | PathOutcome::Customer => (
            "attribution_paths p JOIN deals d ON d.id = p.deal_id \
             LEFT JOIN cycles c ON c.lead_id = d.primary_lead_id AND c.number = d.cycle",
            Ground::Deals,
        ),
    }
}

const fn counted_at(basis: Basis) -> &'static str {
    match basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "p.at",
    }
}

/// The outcomes of a report, with their keys in some cuts.
pub async fn outcome_paths(
    on: &impl Read,
    scope: &Scope,
    outcome: PathOutcome,
    cuts: &[Cut],
    base: Currency,
) -> Result<Vec<OutcomePath>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let (from, ground) = source(outcome);
    let (lead, number, owner) = match ground {
        Ground::Deals => ("d.primary_lead_id", "d.cycle", "d.owner_id"),
        _ => ("c.lead_id", "c.number", "c.owner_id"),
    };
    let at = counted_at(scope.basis);
    let only = sql.only(&scope.only, ground);
    let base = sql.bind(base.to_string());
    let text = format!(
        "SELECT {}p.id, p.reverses, p.deal_id, {lead} AS lead_id, {number} AS cycle, {owner} AS owner_id, \
         c.agreement_version, p.at, p.outcome_at, p.lead_at, p.deal_at, p.amount, p.currency, \
         CASE WHEN p.base_currency = {base} THEN p.base_amount END AS value, p.path FROM {from} \
         WHERE p.outcome = '{}' AND {}{only} ORDER BY p.id",
        keys(cuts, ground, at),
        outcome.name(),
        sql.during(at),
    );
    let rows = on.conn().query_all_raw(sql.statement(&text)).await?;
    rows.iter().map(|row| read(row, cuts)).collect()
}

/// The journeys without the outcome: deals that were lost and stayed so; for the outcomes of leads, and for opening a deal,
/// cycles that ended before it.
pub async fn lost_paths(
    on: &impl Read,
    scope: &Scope,
    outcome: PathOutcome,
) -> Result<Vec<Path>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let never = |column: &str| format!("p.outcome = 'ended' AND c.{column} IS NULL");
    let (like, condition) = match outcome {
        PathOutcome::Mql => (PathOutcome::Mql, never("mql_at")),
        PathOutcome::Sql => (PathOutcome::Sql, never("sql_at")),
        PathOutcome::Opportunity => (PathOutcome::Sql, never("opportunity_at")),
        PathOutcome::Customer => (
            PathOutcome::Customer,
            "p.outcome = 'lost' AND p.reverses IS NULL AND NOT EXISTS (SELECT 1 FROM attribution_paths r \
             WHERE r.deal_id = p.deal_id AND r.outcome = 'lost' AND r.reverses = p.id)"
                .to_owned(),
        ),
    };
    let (from, ground) = source(like);
    let only = sql.only(&scope.only, ground);
    let text = format!(
        "SELECT p.path, p.outcome_at, p.lead_at, p.deal_at FROM {from} WHERE {condition} AND {}{only}",
        sql.during(counted_at(scope.basis)),
    );
    let rows = on.conn().query_all_raw(sql.statement(&text)).await?;
    rows.iter().map(path).collect()
}

/// The first and the last instant among those that outcomes are counted by.
pub(super) async fn span(
    on: &impl Read,
    scope: &Scope,
    outcome: PathOutcome,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let (from, ground) = source(outcome);
    let only = sql.only(&scope.only, ground);
    let at = counted_at(scope.basis);
    let text = format!(
        "SELECT min({at}) AS first, max({at}) AS last FROM {from} WHERE p.outcome = '{}' AND {}{only}",
        outcome.name(),
        sql.during(at),
    );
    let Some(row) = on.conn().query_one_raw(sql.statement(&text)).await? else {
        return Ok(None);
    };
    let instant = |name: &str| row.try_get::<Option<i64>>("", name);
    let ends = instant("first")?.zip(instant("last")?);
    Ok(ends.map(|(first, last)| (Timestamp::from_millis(first), Timestamp::from_millis(last))))
}

fn read(row: &QueryResult, cuts: &[Cut]) -> Result<OutcomePath, StoreError> {
    let id = |name: &str| row.try_get::<Option<Uuid>>("", name);
    let amount: Option<i64> = row.try_get("", "amount")?;
    let currency: Option<String> = row.try_get("", "currency")?;
    let currency = currency.map(|currency| currency.parse().map_err(|_| StoreError::Corrupt(TABLE)));
    let money = amount.zip(currency.transpose()?);
    Ok(OutcomePath {
        id: row.try_get("", "id")?,
        reverses: id("reverses")?,
        deal_id: id("deal_id")?.map(Id::from_uuid),
        lead_id: id("lead_id")?.map(Id::from_uuid),
        cycle: row.try_get("", "cycle")?,
        owner_id: id("owner_id")?.map(Id::from_uuid),
        agreement_version: row.try_get("", "agreement_version")?,
        at: Timestamp::from_millis(row.try_get("", "at")?),
        amount: money.map(|(amount, currency)| Money { amount, currency }),
        value: row.try_get("", "value")?,
        path: path(row)?,
        keys: read_keys(cuts, row)?,
    })
}

fn path(row: &QueryResult) -> Result<Path, StoreError> {
    let text: String = row.try_get("", "path")?;
    let stored: Stored = from_json(TABLE, &text)?;
    let touch = |(id, at, channel, source, campaign, content): StoredTouch| PathTouch {
        id: Id::from_uuid(id),
        at: Timestamp::from_millis(at),
        channel,
        source,
        campaign,
        campaign_id: None,
        content,
    };
    let instant = |name: &str| row.try_get::<Option<i64>>("", name);
    Ok(Path::new(
        stored.touches.into_iter().map(touch).collect(),
        Timestamp::from_millis(row.try_get("", "outcome_at")?),
        instant("lead_at")?.map(Timestamp::from_millis),
        instant("deal_at")?.map(Timestamp::from_millis),
    ))
}
