//! Which records a report is about, and by what it divides them, as SQL.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value as Bound};
use tandem_domain::id::{CampaignId, Id};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::{Dimension, Kind, Value};
use tandem_domain::reports::period::Bucket;
use tandem_domain::reports::row::{Cut, Key};
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;

/// Which records a report is about.
#[derive(Debug, Clone)]
pub struct Scope {
    /// How cycles are chosen.
    pub basis: Basis,
    /// The first instant of the period.
    pub from: Timestamp,
    /// The first instant after the period.
    pub to: Timestamp,
    /// Only those that have these values, or none.
    pub only: Vec<(Dimension, Option<Value>)>,
}

/// The instants by which the stages of the funnel are reached; the first one by starting.
pub(super) const REACHED: [&str; 6] = [
    "started_at",
    "mql_at",
    "sal_at",
    "sql_at",
    "opportunity_at",
    "customer_at",
];
/// The instants at which the first stays in them began.
pub(super) const BEGUN: [&str; 6] = [
    "lead_at",
    "mql_at",
    "sal_at",
    "sql_at",
    "opportunity_at",
    "customer_at",
];
/// The instants at which they ended.
pub(super) const LEFT: [&str; 6] = [
    "lead_left_at",
    "mql_left_at",
    "sal_left_at",
    "sql_left_at",
    "opportunity_left_at",
    "customer_left_at",
];

/// The rows that a statement counts, and where their dimensions stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// Cycles, by this name in the statement.
    Cycles(&'static str),
    /// Hand-offs `f`, each with its cycle `c`.
    Handoffs,
    /// Leads `l`, each with its present cycle `c`.
    Leads,
    /// Deals `d`, each with the cycle `c` in which it was opened, if it has a lead.
    Deals,
    /// Objections `r`, each with the cycle `c` in which its lead stood.
    Objections,
    /// Objections `r` of closed deals `d`, each with the cycle `c` in which that was opened, if it has a lead.
    ObjectedDeals,
    /// Tasks `a`, each with the cycle `c` in which its lead stood when it was done, if it is about one.
    Tasks,
}

impl Ground {
    /// The expression of a dimension's value: the record's own, else its cycle's.
    pub(super) fn expression(self, dimension: Dimension) -> String {
        let (cycle, owner, reason, version) = match self {
            Ground::Cycles(c) => (c, c, format!("{c}.last_reason"), c),
            Ground::Handoffs => ("c", "f", "f.reason".to_owned(), "f"),
            Ground::Leads => ("c", "l", "c.last_reason".to_owned(), "c"),
            Ground::Deals => ("c", "d", "d.reason".to_owned(), "c"),
            Ground::Objections => ("c", "c", "r.code".to_owned(), "c"),
            Ground::ObjectedDeals => ("c", "d", "r.code".to_owned(), "c"),
            Ground::Tasks => ("c", "a", "c.last_reason".to_owned(), "c"),
        };
        match dimension {
            Dimension::Channel => format!("{cycle}.channel"),
            Dimension::Source => format!("{cycle}.source"),
            Dimension::Campaign => format!("{cycle}.campaign"),
            Dimension::CampaignRecord => format!(
                "(SELECT n.campaign_id FROM campaign_aliases n WHERE n.alias_key = {cycle}.campaign_key)"
            ),
            Dimension::UtmContent => format!("{cycle}.content"),
            Dimension::Form => format!("{cycle}.form_id"),
            Dimension::Country => format!("{cycle}.country"),
            Dimension::Industry => industry_of(match self {
                Ground::Deals | Ground::ObjectedDeals => {
                    format!("COALESCE(d.company_id, {})", company_of("d.primary_lead_id"))
                }
                Ground::Tasks => format!("COALESCE(a.company_id, {})", company_of("a.lead_id")),
                _ => company_of(&format!("{cycle}.lead_id")),
            }),
            Dimension::Owner => format!("{owner}.owner_id"),
            Dimension::Team => team_of(&format!("{owner}.owner_id")),
            Dimension::AgreementVersion => format!("{version}.agreement_version"),
            Dimension::Band => at_mql(cycle, "band"),
            Dimension::Reason => reason,
        }
    }
}

fn industry_of(company: String) -> String {
    format!("(SELECT y.industry FROM companies y WHERE y.id = {company})")
}

fn company_of(lead: &str) -> String {
    format!("(SELECT x.company_id FROM leads x WHERE x.id = {lead})")
}

/// What the score of a cycle's lead was when it entered mql.
pub(super) fn at_mql(cycle: &str, column: &str) -> String {
    format!(
        "(SELECT v.{column} FROM transitions v WHERE v.lead_id = {cycle}.lead_id AND v.cycle = {cycle}.number \
         AND v.to_stage = 'mql' ORDER BY v.at, v.id LIMIT 1)"
    )
}

/// The oldest team of a user.
fn team_of(user: &str) -> String {
    format!("(SELECT m.team_id FROM team_members m WHERE m.user_id = {user} ORDER BY m.team_id LIMIT 1)")
}

/// A statement that is being put together, with its parameters.
pub(super) struct Sql {
    pub(super) backend: DbBackend,
    values: Vec<Bound>,
}

impl Sql {
    /// The period is the first two parameters of the statement.
    pub(super) fn new(backend: DbBackend, scope: &Scope) -> Self {
        let values = vec![scope.from.millis().into(), scope.to.millis().into()];
        Self { backend, values }
    }

    /// A statement without a period.
    pub(super) fn bare(backend: DbBackend) -> Self {
        Self {
            backend,
            values: vec![],
        }
    }

    pub(super) fn bind(&mut self, value: impl Into<Bound>) -> String {
        self.values.push(value.into());
        dialect::parameter(self.backend, self.values.len())
    }

    /// The condition that an instant lies in the period.
    pub(super) fn during(&self, instant: &str) -> String {
        let [from, to] = [1, 2].map(|n| dialect::parameter(self.backend, n));
        format!("{instant} >= {from} AND {instant} < {to}")
    }

    /// The conditions of the values that are asked for, each with `AND` before it.
    pub(super) fn only(&mut self, only: &[(Dimension, Option<Value>)], ground: Ground) -> String {
        let mut conditions = String::new();
        for (dimension, value) in only {
            let found = ground.expression(*dimension);
            let condition = match value {
                None => format!(" AND {found} IS NULL"),
                Some(Value::CampaignTree(id)) => format!(" AND {found} IN ({})", self.campaigns_below(id)),
                Some(value) => format!(" AND {found} = {}", self.bind(bound(value))),
            };
            conditions.push_str(&condition);
        }
        conditions
    }

    /// The ids of a campaign and of all below it.
    fn campaigns_below(&mut self, id: &CampaignId) -> String {
        let id = self.bind(id.uuid());
        format!(
            "WITH RECURSIVE below (id) AS (SELECT m.id FROM campaigns m WHERE m.id = {id} \
             UNION SELECT m.id FROM campaigns m JOIN below ON m.parent_id = below.id) SELECT id FROM below"
        )
    }

    /// The numbers that some statements count as `n`, in their order, by one statement.
    pub(super) async fn counts(self, on: &impl Read, wanted: &[String]) -> Result<Vec<i64>, StoreError> {
        let part = |(place, count): (usize, &String)| {
            format!("SELECT CAST({place} AS bigint) AS place, q.n FROM ({count}) q")
        };
        let parts: Vec<String> = wanted.iter().enumerate().map(part).collect();
        let mut counts = vec![0; wanted.len()];
        for row in on
            .conn()
            .query_all_raw(self.statement(&parts.join(" UNION ALL ")))
            .await?
        {
            let place: i64 = row.try_get("", "place")?;
            if let Some(count) = counts.get_mut(place.max(0) as usize) {
                *count = row.try_get("", "n")?;
            }
        }
        Ok(counts)
    }

    pub(super) fn statement(self, sql: &str) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }
}

fn bound(value: &Value) -> Bound {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Form(id) => id.uuid().into(),
        Value::User(id) => id.uuid().into(),
        Value::Team(id) => id.uuid().into(),
        Value::Campaign(id) | Value::CampaignTree(id) => id.uuid().into(),
        Value::Number(number) => (*number).into(),
    }
}

/// Where a record belongs in one dimension; `instant` is the one that it is counted by.
fn expression(cut: &Cut, ground: Ground, instant: &str) -> String {
    match cut {
        Cut::By(dimension) => ground.expression(*dimension),
        Cut::Over(buckets) => place(instant, buckets, 0),
    }
}

fn read(cut: &Cut, row: &QueryResult, name: &str) -> Result<Key, StoreError> {
    let Cut::By(dimension) = cut else {
        return Ok(Key::Bucket(row.try_get::<i64>("", name)?.max(0) as usize));
    };
    let id = || row.try_get::<Option<Uuid>>("", name);
    Ok(Key::Value(match dimension.details().kind {
        Kind::Text(_) | Kind::Country => row.try_get::<Option<String>>("", name)?.map(Value::Text),
        Kind::Form => id()?.map(|id| Value::Form(Id::from_uuid(id))),
        Kind::User => id()?.map(|id| Value::User(Id::from_uuid(id))),
        Kind::Team => id()?.map(|id| Value::Team(Id::from_uuid(id))),
        Kind::Campaign => id()?.map(|id| Value::Campaign(Id::from_uuid(id))),
        Kind::Number => row.try_get::<Option<i64>>("", name)?.map(Value::Number),
    }))
}

/// The expressions of several cuts, each with a comma behind it: `c.source AS k0, `.
pub(super) fn keys(cuts: &[Cut], ground: Ground, instant: &str) -> String {
    let one = |(n, cut): (usize, &Cut)| format!("{} AS k{n}, ", expression(cut, ground, instant));
    cuts.iter().enumerate().map(one).collect()
}

/// The clause that makes one row of each combination of keys and further columns.
pub(super) fn group_by(cuts: &[Cut], further: &[&str]) -> String {
    let keys = (0..cuts.len()).map(|n| format!("k{n}"));
    let all: Vec<String> = keys.chain(further.iter().map(|&name| name.to_owned())).collect();
    if all.is_empty() {
        String::new()
    } else {
        format!(" GROUP BY {}", all.join(", "))
    }
}

pub(super) fn read_keys(cuts: &[Cut], row: &QueryResult) -> Result<Vec<Key>, StoreError> {
    let one = |(n, cut): (usize, &Cut)| read(cut, row, &format!("k{n}"));
    cuts.iter().enumerate().map(one).collect()
}

/// The place of the bucket that an instant lies in, found by halving: neither a join nor a function of one database.
fn place(instant: &str, buckets: &[Bucket], first: usize) -> String {
    if buckets.len() <= 1 {
        return format!("CAST({first} AS bigint)");
    }
    let (earlier, later) = buckets.split_at(buckets.len() / 2);
    format!(
        "CASE WHEN {instant} < {} THEN {} ELSE {} END",
        later[0].days.from.millis(),
        place(instant, earlier, first),
        place(instant, later, first + earlier.len()),
    )
}
