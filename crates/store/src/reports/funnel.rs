//! What the funnel is made of: cycles by the way they went, people with several of them, lengths of stays.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::Dimension;
use tandem_domain::reports::funnel::{Event, Tally};
use tandem_domain::reports::row::{Cut, Key};

use super::selection::{self, BEGUN, Ground, LEFT, REACHED, Scope, Sql};
use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;

const CYCLES: Ground = Ground::Cycles("c");

/// Cycles that went one way, in one row of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tallied {
    /// The row.
    pub keys: Vec<Key>,
    /// What they did, and how many they are.
    pub tally: Tally,
    /// The version of the agreement that they are reported under.
    pub agreement_version: i64,
}

/// How many of a row's cycles at a stage are further ones of people who are counted there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// The row; `None` is all of the report.
    pub keys: Option<Vec<Key>>,
    /// The stage of the funnel.
    pub stage: usize,
    /// The number of cycles.
    pub cycles: i64,
}

/// The lengths of a row's finished stays in each stage of the funnel, in milliseconds.
pub type Lengths = HashMap<Vec<Key>, [Vec<i64>; 6]>;

/// Count the cycles of a report by the way they went.
pub async fn tally(on: &impl Read, scope: &Scope, cuts: &[Cut]) -> Result<Vec<Tallied>, StoreError> {
    let backend = on.conn().get_database_backend();
    let mut sql = Sql::new(backend, scope);
    let only = sql.only(&scope.only, CYCLES);
    let ways = selection::group_by(cuts, &["c.path", "c.last_reason", "c.agreement_version"]);
    // The index by source is in the very order in which these are grouped: better than any that leads to the period.
    let in_order = cuts == [Cut::By(Dimension::Source)] && scope.basis == Basis::Cohort && only.is_empty();
    let part = |(event, at): (usize, &str)| {
        let instant = format!("c.{at}");
        let keys = selection::keys(cuts, CYCLES, &instant);
        let hidden = if in_order {
            dialect::hidden(backend, &instant)
        } else {
            instant
        };
        let during = sql.during(&hidden);
        format!(
            "SELECT CAST({event} AS bigint) AS event, {keys}c.path, c.last_reason, c.agreement_version, count(*) AS n FROM cycles c \
             WHERE {during}{only}{ways}"
        )
    };
    let events = match scope.basis {
        Basis::Cohort => &REACHED[..1],
        Basis::Activity => &REACHED[..],
    };
    let ended = (scope.basis == Basis::Activity).then_some((ENDED, "ended_at"));
    let parts: Vec<String> = events
        .iter()
        .copied()
        .enumerate()
        .chain(ended)
        .map(part)
        .collect();
    let statement = sql.statement(&parts.join(" UNION ALL "));
    let mut found = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        let event = match row.try_get::<i64>("", "event")? as usize {
            ENDED => Event::Ended,
            stage => Event::Entered(stage),
        };
        let tally = Tally {
            event,
            path: row.try_get("", "path")?,
            reason: row.try_get("", "last_reason")?,
            cycles: row.try_get("", "n")?,
        };
        let keys = selection::read_keys(cuts, &row)?;
        let agreement_version = row.try_get("", "agreement_version")?;
        found.push(Tallied {
            keys,
            tally,
            agreement_version,
        });
    }
    Ok(found)
}

/// The number that stands for [`Event::Ended`] beside those of the stages.
const ENDED: usize = REACHED.len();

/// The condition that a cycle is counted at a stage of the funnel.
pub(super) fn counted(sql: &Sql, basis: Basis, table: &str, stage: usize) -> String {
    let started = format!("{table}.started_at");
    match (basis, stage) {
        (_, 0) => sql.during(&started),
        (Basis::Cohort, _) => {
            let during = sql.during(&started);
            format!("{during} AND {table}.{} IS NOT NULL", REACHED[stage])
        }
        (Basis::Activity, _) => sql.during(&format!("{table}.{}", REACHED[stage])),
    }
}

/// Count the further cycles of people who have several: few people do, so that looking at those alone and taking them
/// off the cycles is much quicker than counting everybody once.
pub async fn again(on: &impl Read, scope: &Scope, cuts: &[Cut]) -> Result<Vec<Again>, StoreError> {
    let backend = on.conn().get_database_backend();
    let mut sql = Sql::new(backend, scope);
    let only = sql.only(&scope.only, CYCLES);
    let over_time = cuts.iter().any(|cut| matches!(cut, Cut::Over(_)));
    // Where the row depends on the stage's own instant, each stage is a part of its own.
    let groups: Vec<Vec<usize>> = match scope.basis {
        Basis::Activity if over_time => (0..REACHED.len()).map(|stage| vec![stage]).collect(),
        _ => vec![(0..REACHED.len()).collect()],
    };
    let mut parts = vec![];
    for stages in groups {
        let keys = selection::keys(cuts, CYCLES, &format!("c.{}", REACHED[stages[0]]));
        parts.push(further(&sql, scope, &stages, 0, &keys, cuts));
    }
    if !cuts.is_empty() {
        let all: Vec<usize> = (0..REACHED.len()).collect();
        parts.push(further(&sql, scope, &all, 1, &unkeyed(cuts), cuts));
    }
    let with = format!(
        "WITH several AS MATERIALIZED (SELECT c.* FROM cycles c WHERE c.lead_id IN \
         (SELECT r.lead_id FROM cycles r WHERE r.number > 1){only}) "
    );
    let statement = sql.statement(&(with + &parts.join(" UNION ALL ")));
    let mut found = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        let is_whole = row.try_get::<i64>("", "whole")? == 1;
        for stage in 0..REACHED.len() {
            let cycles: i64 = row.try_get("", &format!("n{stage}"))?;
            if cycles == 0 {
                continue;
            }
            let keys = if is_whole {
                None
            } else {
                Some(selection::read_keys(cuts, &row)?)
            };
            found.push(Again { keys, stage, cycles });
        }
    }
    Ok(found)
}

/// For each row, how many cycles at each stage are further ones of their people: first counted by person, then summed.
fn further(sql: &Sql, scope: &Scope, stages: &[usize], whole: i64, keys: &str, cuts: &[Cut]) -> String {
    let (mut counts, mut sums, mut any) = (vec![], vec![], vec![]);
    for stage in 0..REACHED.len() {
        if !stages.contains(&stage) {
            sums.push(format!("CAST(0 AS bigint) AS n{stage}"));
            continue;
        }
        let counted = counted(sql, scope.basis, "c", stage);
        counts.push(format!("count(CASE WHEN {counted} THEN 1 END) AS m{stage}"));
        sums.push(format!(
            "CAST(sum(CASE WHEN p.m{stage} > 1 THEN p.m{stage} - 1 ELSE 0 END) AS bigint) AS n{stage}"
        ));
        any.push(format!("({counted})"));
    }
    let shown: String = (0..cuts.len()).map(|n| format!("p.k{n} AS k{n}, ")).collect();
    let by_person = selection::group_by(cuts, &["c.lead_id"]);
    let by_row: Vec<String> = (0..cuts.len()).map(|n| format!("p.k{n}")).collect();
    let by_row = if by_row.is_empty() {
        " HAVING count(*) > 0".to_owned()
    } else {
        format!(" GROUP BY {}", by_row.join(", "))
    };
    format!(
        "SELECT CAST({whole} AS bigint) AS whole, {shown}{} FROM (SELECT {keys}{} FROM several c WHERE {}{by_person}) AS p{by_row}",
        sums.join(", "),
        counts.join(", "),
        any.join(" OR ")
    )
}

/// The keys of a part that has none, of the same types as where they are.
fn unkeyed(cuts: &[Cut]) -> String {
    let kind = |cut: &Cut| match cut {
        Cut::Over(_) => "CAST(0 AS bigint)".to_owned(),
        // Of no rows at all this is the null of the column's own type.
        Cut::By(dimension) => {
            let value = Ground::Cycles("z").expression(*dimension);
            format!("(SELECT {value} FROM cycles z WHERE 1 = 0)")
        }
    };
    let one = |(n, cut): (usize, &Cut)| format!("{} AS k{n}, ", kind(cut));
    cuts.iter().enumerate().map(one).collect()
}

/// The lengths of the finished stays: those of the report's cycles, or, on the activity basis, those that ended in the
/// period. They come as one text a row and stage, because a row of the database for each costs more than its sum.
pub async fn lengths(on: &impl Read, scope: &Scope, cuts: &[Cut]) -> Result<Lengths, StoreError> {
    let backend = on.conn().get_database_backend();
    let mut sql = Sql::new(backend, scope);
    let only = sql.only(&scope.only, CYCLES);
    let length = |stage: usize| format!("c.{} - c.{}", LEFT[stage], BEGUN[stage]);
    let during = |stage: usize| sql.during(&format!("c.{}", LEFT[stage]));
    let over_time = cuts.iter().any(|cut| matches!(cut, Cut::Over(_)));
    let select = |keys: String, lengths: [String; 6], condition: String| {
        let joined =
            |(stage, length): (usize, &String)| format!("{} AS s{stage}", dialect::joined(backend, length));
        let lengths: Vec<String> = lengths.iter().enumerate().map(joined).collect();
        let group = selection::group_by(cuts, &[]);
        format!(
            "SELECT {keys}{} FROM cycles c WHERE {condition}{only}{group}",
            lengths.join(", ")
        )
    };
    let stages = [0, 1, 2, 3, 4, 5];
    let parts = match scope.basis {
        Basis::Cohort => {
            let at = "c.started_at";
            let any: Vec<String> = LEFT.iter().map(|left| format!("c.{left} IS NOT NULL")).collect();
            let condition = format!("{} AND ({})", sql.during(at), any.join(" OR "));
            vec![select(
                selection::keys(cuts, CYCLES, at),
                stages.map(length),
                condition,
            )]
        }
        // The row depends on the stage's own instant.
        Basis::Activity if over_time => stages
            .into_iter()
            .map(|stage| {
                let own = stages.map(|other| {
                    if other == stage {
                        length(stage)
                    } else {
                        NO_LENGTH.to_owned()
                    }
                });
                let keys = selection::keys(cuts, CYCLES, &format!("c.{}", LEFT[stage]));
                select(keys, own, during(stage))
            })
            .collect(),
        Basis::Activity => {
            let own = stages.map(|stage| format!("CASE WHEN {} THEN {} END", during(stage), length(stage)));
            let any = stages.map(|stage| format!("({})", during(stage))).join(" OR ");
            vec![select(selection::keys(cuts, CYCLES, ""), own, format!("({any})"))]
        }
    };
    let statement = sql.statement(&parts.join(" UNION ALL "));
    let mut found = Lengths::new();
    for row in on.conn().query_all_raw(statement).await? {
        let kept = found.entry(selection::read_keys(cuts, &row)?).or_default();
        for (stage, lengths) in kept.iter_mut().enumerate() {
            let Some(text) = row.try_get::<Option<String>>("", &format!("s{stage}"))? else {
                continue;
            };
            for length in text.split(',') {
                lengths.push(length.parse().map_err(|_| StoreError::Corrupt("cycles"))?);
            }
        }
    }
    Ok(found)
}

const NO_LENGTH: &str = "CAST(NULL AS bigint)";

/// The first and the last instant among those that the figures of a report are counted by; none where there are none.
pub(super) async fn span(
    on: &impl Read,
    scope: &Scope,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let only = sql.only(&scope.only, CYCLES);
    // Each end by itself is the end of an index.
    let part = |at: &str| {
        let during = sql.during(&format!("c.{at}"));
        let end = |which: &str| format!("(SELECT {which}(c.{at}) FROM cycles c WHERE {during}{only})");
        format!("SELECT {} AS first, {} AS last", end("min"), end("max"))
    };
    let parts: Vec<String> = match scope.basis {
        Basis::Cohort => vec![part("started_at")],
        Basis::Activity => REACHED
            .iter()
            .chain(&LEFT)
            .chain(&["ended_at"])
            .map(|at| part(at))
            .collect(),
    };
    let statement = sql.statement(&parts.join(" UNION ALL "));
    let mut span: Option<(i64, i64)> = None;
    for row in on.conn().query_all_raw(statement).await? {
        let ends: (Option<i64>, Option<i64>) = (row.try_get("", "first")?, row.try_get("", "last")?);
        if let (Some(first), Some(last)) = ends {
            span = Some(span.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
        }
    }
    Ok(span.map(|(first, last)| (Timestamp::from_millis(first), Timestamp::from_millis(last))))
}
