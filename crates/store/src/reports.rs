//! Reports: counted by the database, over cycles.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Month;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::to_json;

/// One row of a funnel: how many cycles, and how many people, reached each stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelRow {
    /// The source, or the month; `None` where the dimension is unknown.
    pub key: Option<String>,
    /// Cycles that reached lead, mql, sal, sql, opportunity, customer.
    pub cycles: [i64; 6],
    /// People whose cycles did.
    pub people: [i64; 6],
}

/// What the cycles of a period have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    /// The first and the last start of a cycle.
    pub started: Option<(Timestamp, Timestamp)>,
    /// The versions of the agreement that they were judged by.
    pub agreement_versions: Vec<i64>,
}

const STAGES: [&str; 6] = [
    "started_at",
    "mql_at",
    "sal_at",
    "sql_at",
    "opportunity_at",
    "customer_at",
];

fn counted() -> String {
    let cycles = STAGES
        .iter()
        .enumerate()
        .map(|(i, at)| format!("count(c.{at}) AS c{i}"));
    let person = |at: &str| format!("CASE WHEN c.{at} IS NOT NULL THEN c.lead_id END");
    let people = STAGES
        .iter()
        .enumerate()
        .map(|(i, at)| format!("count(DISTINCT {}) AS p{i}", person(at)));
    cycles.chain(people).collect::<Vec<_>>().join(", ")
}

/// The cycles that started in a period (half-open), by source.
pub async fn funnel_by_source(
    on: &impl Read,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<FunnelRow>, StoreError> {
    let backend = on.conn().get_database_backend();
    let [first, next] = [1, 2].map(|n| dialect::parameter(backend, n));
    let sql = format!(
        "SELECT c.source AS name, {} FROM cycles c WHERE c.started_at >= {first} AND c.started_at < {next} \
         GROUP BY c.source",
        counted()
    );
    let values = [from.millis().into(), to.millis().into()];
    rows(on, Statement::from_sql_and_values(backend, sql, values)).await
}

/// The cycles that started in each of these months.
pub async fn funnel_by_month(on: &impl Read, months: &[Month]) -> Result<Vec<FunnelRow>, StoreError> {
    let backend = on.conn().get_database_backend();
    let buckets: Vec<_> = months
        .iter()
        .map(|month| json!({"name": month.name, "first": month.from.millis(), "next": month.to.millis()}))
        .collect();
    let sql = format!(
        "SELECT b.name AS name, {} FROM {} JOIN cycles c ON c.started_at >= b.first AND c.started_at < b.next \
         GROUP BY b.name",
        counted(),
        dialect::buckets(backend)
    );
    rows(
        on,
        Statement::from_sql_and_values(backend, sql, [to_json(&buckets).into()]),
    )
    .await
}

/// The first and last start among the cycles of a period, and what they were judged by.
pub async fn span(on: &impl Read, from: Timestamp, to: Timestamp) -> Result<Span, StoreError> {
    let backend = on.conn().get_database_backend();
    let [first, next] = [1, 2].map(|n| dialect::parameter(backend, n));
    let sql = format!(
        "SELECT c.agreement_version AS version, min(c.started_at) AS first, max(c.started_at) AS last FROM cycles c \
         WHERE c.started_at >= {first} AND c.started_at < {next} GROUP BY c.agreement_version ORDER BY 1"
    );
    let values = [from.millis().into(), to.millis().into()];
    let mut span = Span::default();
    for row in on
        .conn()
        .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?
    {
        span.agreement_versions.push(row.try_get("", "version")?);
        let first = Timestamp::from_millis(row.try_get("", "first")?);
        let last = Timestamp::from_millis(row.try_get("", "last")?);
        span.started = match span.started {
            Some((a, b)) => Some((a.min(first), b.max(last))),
            None => Some((first, last)),
        };
    }
    Ok(span)
}

async fn rows(on: &impl Read, statement: Statement) -> Result<Vec<FunnelRow>, StoreError> {
    let mut found = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        let (mut cycles, mut people) = ([0; 6], [0; 6]);
        for i in 0..6 {
            cycles[i] = row.try_get("", &format!("c{i}"))?;
            people[i] = row.try_get("", &format!("p{i}"))?;
        }
        found.push(FunnelRow {
            key: row.try_get("", "name")?,
            cycles,
            people,
        });
    }
    Ok(found)
}
