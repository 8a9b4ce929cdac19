//! The cycles behind each figure of the funnel.

use sea_orm::{ConnectionTrait, EntityTrait};
use tandem_domain::id::CycleId;
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Cycle;
use tandem_domain::reports::Basis;
use tandem_domain::reports::campaigns::Waste;
use tandem_domain::reports::funnel::FUNNEL;

use super::campaigns;
use super::funnel::counted;
use super::selection::{Ground, LEFT, REACHED, Scope, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::cycles;

/// A figure of one stage of the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The cycles that reached it.
    Cycles,
    /// The people whose cycles did: the first of each person's cycles.
    People,
    /// Those that reached the stage before, and then this one.
    FromPrevious,
    /// Those that started, and reached this one.
    FromStart,
    /// Those that reached it, and this stage of the funnel too.
    Reached(usize),
    /// Those with a known first contact or acceptance.
    SalesCycle,
    /// Those with a finished stay in it.
    Stays,
    /// Those that ended with it as the furthest stage.
    Dropped,
    /// The first cycles of people.
    New,
    /// Of these, those of leads with a touch.
    Touched,
    /// Those that started and are wasted, for one reason or any, as of an instant.
    Wasted(Option<Waste>, Timestamp),
}

/// A page of the cycles behind a figure, by id.
pub async fn evidence(
    on: &impl Read,
    scope: &Scope,
    stage: usize,
    figure: Figure,
    after: Option<CycleId>,
    limit: u64,
) -> Result<Page<Cycle>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = condition(&mut sql, scope, stage, figure);
    if let Some(after) = after {
        condition.push_str(&format!(" AND c.id > {}", sql.bind(after.uuid())));
    }
    let text = format!(
        "SELECT c.* FROM cycles c WHERE {condition} ORDER BY c.id LIMIT {}",
        limit + 1
    );
    let rows = cycles::Entity::find()
        .from_raw_sql(sql.statement(&text))
        .all(on.conn())
        .await?;
    let data = rows.into_iter().map(cycles::Model::into_domain).collect();
    Ok(Page::of(data, limit))
}

/// How many cycles stand behind a figure.
pub async fn evidence_count(
    on: &impl Read,
    scope: &Scope,
    stage: usize,
    figure: Figure,
) -> Result<u64, StoreError> {
    let counts = evidence_counts(on, scope, stage, &[figure]).await?;
    Ok(counts.into_iter().sum::<i64>().max(0) as u64)
}

/// How many cycles stand behind each of some figures, in their order.
pub async fn evidence_counts(
    on: &impl Read,
    scope: &Scope,
    stage: usize,
    figures: &[Figure],
) -> Result<Vec<i64>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let wanted: Vec<String> = figures
        .iter()
        .map(|figure| {
            let condition = condition(&mut sql, scope, stage, *figure);
            format!("SELECT count(*) AS n FROM cycles c WHERE {condition}")
        })
        .collect();
    sql.counts(on, &wanted).await
}

fn condition(sql: &mut Sql, scope: &Scope, stage: usize, figure: Figure) -> String {
    let before = stage.saturating_sub(1);
    let reached = |from: usize| {
        let from = counted(sql, scope.basis, "c", from);
        format!("{from} AND c.{} IS NOT NULL", REACHED[stage])
    };
    let what = match figure {
        Figure::Cycles => counted(sql, scope.basis, "c", stage),
        Figure::FromPrevious => reached(before),
        Figure::FromStart => reached(0),
        Figure::Reached(other) => format!(
            "{} AND c.{} IS NOT NULL",
            counted(sql, scope.basis, "c", stage),
            REACHED[other]
        ),
        Figure::SalesCycle => format!(
            "{} AND (c.sal_at IS NOT NULL OR EXISTS (SELECT 1 FROM handoffs f WHERE f.lead_id = c.lead_id \
             AND f.cycle = c.number AND f.first_contact_at IS NOT NULL))",
            counted(sql, scope.basis, "c", stage)
        ),
        Figure::Stays => match scope.basis {
            Basis::Cohort => format!("{} AND c.{} IS NOT NULL", sql.during("c.started_at"), LEFT[stage]),
            Basis::Activity => sql.during(&format!("c.{}", LEFT[stage])),
        },
        Figure::Dropped => {
            let ended = match scope.basis {
                Basis::Cohort => format!("{} AND c.ended_at IS NOT NULL", sql.during("c.started_at")),
                Basis::Activity => sql.during("c.ended_at"),
            };
            let here = (stage > 0).then(|| format!(" AND c.{} IS NOT NULL", REACHED[stage]));
            let beyond = (stage + 1..FUNNEL.len()).map(|later| format!(" AND c.{} IS NULL", REACHED[later]));
            here.into_iter().chain(beyond).fold(ended, |all, one| all + &one)
        }
        Figure::New => format!("{} AND c.number = 1", sql.during("c.started_at")),
        Figure::Touched => format!(
            "{} AND c.number = 1 AND EXISTS (SELECT 1 FROM touches t WHERE t.lead_id = c.lead_id \
             AND t.touch IS NOT NULL)",
            sql.during("c.started_at")
        ),
        Figure::Wasted(waste, now) => {
            let during = sql.during("c.started_at");
            let wasted = match waste {
                Some(waste) => campaigns::wasted(sql, waste, now),
                None => campaigns::wasted_somehow(sql, now),
            };
            format!("{during} AND {wasted}")
        }
        Figure::People => {
            let own = counted(sql, scope.basis, "c", stage);
            let earlier = counted(sql, scope.basis, "e", stage);
            let only = sql.only(&scope.only, Ground::Cycles("e"));
            format!(
                "{own} AND NOT EXISTS (SELECT 1 FROM cycles e WHERE e.lead_id = c.lead_id AND e.number < c.number \
                 AND {earlier}{only})"
            )
        }
    };
    let only = sql.only(&scope.only, Ground::Cycles("c"));
    what + &only
}
